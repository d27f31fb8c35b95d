//! Kernel modules, sysctls, swap and the hostname.

use serde::Serialize;

use super::{
    Change, Observed, Resource,
    apply::Calls,
    compare::Verdict,
    probe::{Answers, Questions},
};

/// A module loaded now and at boot; one that is built in counts as loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Module {
    pub name: String,
    /// A path that proves the feature is there although no module of the name is loaded: `/proc/sys/net/bridge`.
    pub proof: Option<String>,
    /// Whether a kernel that has no such module is a failure.
    pub required: bool,
}

/// The effective value; the file that keeps it over a reboot is a [`super::File`] of the phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sysctl {
    pub key: String,
    pub value: String,
    /// Whether a kernel that has no such key is a failure.
    pub required: bool,
}

/// Swap off now, in `/etc/fstab` and for systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwapOff;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hostname {
    pub name: String,
}

impl Module {
    pub(super) fn label(&self) -> String {
        format!("kernel module {}", self.name)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.module(&self.name);
        if let Some(proof) = &self.proof {
            questions.path(proof);
        }
    }

    /// `state`: `loaded`, `available` or `unavailable`.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        let proven = self
            .proof
            .as_ref()
            .is_some_and(|proof| answers.paths.contains_key(proof));
        let state = answers.modules.get(&self.name).map_or("", String::as_str);
        Observed::default().with("state", if proven { "loaded" } else { state })
    }

    pub(super) fn compare(&self, observed: &Observed, before: &[Change]) -> Option<Verdict> {
        match observed.get("state") {
            "loaded" => None,
            // A package that is installed first may bring it.
            "unavailable" if !self.required && !installs(before) => None,
            _ => Verdict::new("load"),
        }
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        calls.call(&["module", &self.name, yes(self.required)]);
    }
}

fn installs(before: &[Change]) -> bool {
    before.iter().any(|change| {
        matches!(&change.resource, Resource::Package(package) if package.name.starts_with("kernel-modules"))
    })
}

fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

impl Sysctl {
    /// Under `/proc/sys`. A key whose first separator is a slash is written with slashes, as `sysctl` reads it.
    fn path(&self) -> String {
        match self.key.find(['.', '/']) {
            Some(index) if self.key[index..].starts_with('/') => self.key.clone(),
            // In a dotted key a slash stands for a dot of an interface's name.
            _ => self
                .key
                .chars()
                .map(|letter| match letter {
                    '.' => '/',
                    '/' => '.',
                    other => other,
                })
                .collect(),
        }
    }

    pub(super) fn label(&self) -> String {
        format!("sysctl {}", self.key)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.sysctl(&self.path());
    }

    /// `value`; nothing where the kernel has no such key.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        match answers.sysctls.get(&self.path()) {
            Some(value) => Observed::default().with("value", words(value)),
            None => Observed::default(),
        }
    }

    pub(super) fn compare(&self, observed: &Observed, before: &[Change]) -> Option<Verdict> {
        let wanted = words(&self.value);
        match observed.values.get("value") {
            Some(value) if *value == wanted => None,
            Some(value) => Verdict::because("set", format!("{value} → {wanted}")),
            // A module that is loaded first may bring the key.
            None if !self.required && !loads(before) => None,
            None => Verdict::because("set", wanted),
        }
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        calls.call(&["sysctl_set", &self.path(), &self.value, yes(self.required)]);
    }
}

fn loads(before: &[Change]) -> bool {
    before
        .iter()
        .any(|change| matches!(change.resource, Resource::Module(_)))
}

/// The kernel separates several values by tabs, people by blanks.
fn words(value: &str) -> String {
    value.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl SwapOff {
    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn label(&self) -> String {
        "swap off".to_owned()
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.swap = true;
    }

    /// `active` devices and `fstab` entries, separated by blanks.
    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        Observed::default()
            .with("active", answers.swaps.join(" "))
            .with("fstab", answers.fstab.join(" "))
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        match (observed.get("active"), observed.get("fstab")) {
            ("", "") => None,
            ("", fstab) => Verdict::because("disable", format!("{fstab} in /etc/fstab")),
            (active, _) => Verdict::because("disable", active),
        }
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        calls.call(&["swap_off"]);
    }
}

impl Hostname {
    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn label(&self) -> String {
        "hostname".to_owned()
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.hostname = true;
    }

    /// `name` of the running kernel and `file`, what `/etc/hostname` says.
    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        Observed::default()
            .with("name", &answers.hostname)
            .with("file", &answers.etc_hostname)
    }

    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        let now = observed.get("name");
        if now == self.name && observed.get("file") == self.name {
            return None;
        }
        Verdict::because("set", format!("{now} → {}", self.name))
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        calls.call(&["hostname_set", &self.name]);
    }
}
