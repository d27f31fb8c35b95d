//! What is asked of a host about its resources, and the reading of its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde::Serialize;

use super::Resource;
use crate::{remote::Script, templates};

/// What a probe saw of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// `key=value` pairs; contents decoded. Which keys there are is said beside each kind's `read`.
    pub values: BTreeMap<String, String>,
}

impl Observed {
    pub(super) fn get(&self, key: &str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }

    pub(super) fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.values.insert(key.into(), value.into());
        self
    }
}

/// One read-only script for many resources; the answer of resource `i` is read by [`parse_probe`].
pub fn probe_script(resources: &[&Resource]) -> Script {
    Script::read("observe", probe_body(resources))
}

/// Text of the probe, to be run alone or at the end of a script that changed something.
pub(super) fn probe_body(resources: &[&Resource]) -> String {
    let mut body = questions(resources).header();
    body.push_str(templates::text("resources/probe.sh"));
    body
}

/// Reads the answers, one per resource in the order given to [`probe_script`].
///
/// # Errors
/// When the answer is cut or has a line that cannot be understood.
pub fn parse_probe(resources: &[&Resource], stdout: &str) -> Result<Vec<Observed>> {
    let answers = Answers::parse(&questions(resources), stdout)?;
    Ok(resources
        .iter()
        .map(|resource| resource.read(&answers))
        .collect())
}

fn questions(resources: &[&Resource]) -> Questions {
    let mut questions = Questions::default();
    for resource in resources {
        resource.ask(&mut questions);
    }
    questions
}

/// What one probe asks, gathered from all resources so that each tool of the host is started once.
#[derive(Debug, Default)]
pub(super) struct Questions {
    paths: Vec<String>,
    numbers: BTreeMap<String, usize>,
    hash: BTreeSet<usize>,
    cached: BTreeSet<usize>,
    whole: BTreeSet<usize>,
    show: BTreeSet<String>,
    archives: BTreeSet<String>,
    packages: BTreeSet<String>,
    modules: BTreeSet<String>,
    sysctls: BTreeSet<String>,
    units: Vec<String>,
    pub(super) images: bool,
    pub(super) swap: bool,
    pub(super) hostname: bool,
}

impl Questions {
    /// Kind, mode, owner and time of a path. Numbers begin at 1, as positional parameters do.
    pub(super) fn path(&mut self, path: &str) -> usize {
        if let Some(number) = self.numbers.get(path) {
            return *number;
        }
        self.paths.push(path.to_owned());
        self.numbers.insert(path.to_owned(), self.paths.len());
        self.paths.len()
    }

    /// Its checksum too; and its content, unless the checksum is `same` or nothing is to be shown.
    pub(super) fn hash(&mut self, path: &str, same: Option<&str>) {
        let number = self.path(path);
        self.hash.insert(number);
        if let Some(same) = same {
            self.show.insert(format!("{number}:{same}"));
        }
    }

    /// The checksum of a large file, from the host's cache where that knows it.
    pub(super) fn cached(&mut self, path: &str) {
        let number = self.path(path);
        self.cached.insert(number);
    }

    /// Its content in any case.
    pub(super) fn whole(&mut self, path: &str) {
        let number = self.path(path);
        self.whole.insert(number);
    }

    /// The members of an archive unpacked into `directory`, as the list `key` has them.
    pub(super) fn archive(&mut self, directory: &str, key: &str) {
        let number = self.path(directory);
        self.archives.insert(format!("{number}:{key}"));
    }

    pub(super) fn package(&mut self, name: &str) {
        self.packages.insert(name.to_owned());
    }

    pub(super) fn module(&mut self, name: &str) {
        self.modules.insert(name.to_owned());
    }

    /// By its path under `/proc/sys`.
    pub(super) fn sysctl(&mut self, path: &str) {
        self.sysctls.insert(path.to_owned());
    }

    pub(super) fn unit(&mut self, unit: &str) {
        if !self.units.iter().any(|known| known == unit) {
            self.units.push(unit.to_owned());
        }
    }

    fn header(&self) -> String {
        let numbers = |set: &BTreeSet<usize>| join(set.iter().map(usize::to_string));
        let yes = |asked: bool| if asked { "yes" } else { "" }.to_owned();
        let mut header = String::from("set --");
        for path in &self.paths {
            header.push(' ');
            header.push_str(&quote(path));
        }
        header.push('\n');
        for (name, value) in [
            ("hash", numbers(&self.hash)),
            ("cached", numbers(&self.cached)),
            ("whole", numbers(&self.whole)),
            ("show", join(self.show.iter().cloned())),
            ("archives", join(self.archives.iter().cloned())),
            ("packages", join(self.packages.iter().cloned())),
            ("modules", join(self.modules.iter().cloned())),
            ("sysctls", join(self.sysctls.iter().cloned())),
            ("units", join(self.units.iter().cloned())),
            ("images", yes(self.images)),
            ("swap", yes(self.swap)),
            ("hostname", yes(self.hostname)),
        ] {
            let _ = writeln!(header, "{name}={}", quote(&value));
        }
        header
    }
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

/// One word of POSIX sh. A NUL cannot be in any path or word; it is dropped.
pub(super) fn quote(text: &str) -> String {
    shlex::try_quote(&text.replace('\0', "")).map_or_else(
        |_| unreachable!("only a NUL cannot be quoted"),
        std::borrow::Cow::into_owned,
    )
}

/// What the host answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// User id of the script: owner of what it makes.
    pub me: String,
    pub paths: BTreeMap<String, PathSeen>,
    /// By directory and list: (wanted checksum, checksum or `missing`, name).
    pub members: BTreeMap<(String, String), Vec<[String; 3]>>,
    /// Installed ones, with version.
    pub packages: BTreeMap<String, String>,
    /// `loaded`, `available` or `unavailable`.
    pub modules: BTreeMap<String, String>,
    pub sysctls: BTreeMap<String, String>,
    pub units: BTreeMap<String, BTreeMap<String, String>>,
    /// Time of the last reload of ours, in seconds.
    pub reloaded: BTreeMap<String, String>,
    pub swaps: Vec<String>,
    pub fstab: Vec<String>,
    pub hostname: String,
    pub etc_hostname: String,
    pub images: BTreeSet<String>,
}

/// What is at a path.
#[derive(Debug, Default, Clone)]
pub(super) struct PathSeen {
    /// `file`, `directory`, `other` or `dangling`.
    pub kind: String,
    pub mode: String,
    pub owner: String,
    /// Seconds with nine decimals.
    pub mtime: String,
    pub sha256: Option<String>,
    pub content: Option<Vec<u8>>,
}

impl Answers {
    fn parse(questions: &Questions, stdout: &str) -> Result<Self> {
        let mut answers = Self::default();
        let mut ended = false;
        let mut units = questions.units.iter().peekable();
        let mut list: Option<(String, String)> = None;
        for line in stdout.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "end" => ended = true,
                "unit" if rest.is_empty() => {
                    units.next();
                }
                "unit" => {
                    let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
                    let unit = units.peek().context("more units than were asked for")?;
                    answers
                        .units
                        .entry((*unit).clone())
                        .or_default()
                        .insert(key.to_owned(), value.to_owned());
                }
                "listed" => {
                    let (number, key) = rest.split_once(' ').unwrap_or((rest, ""));
                    let key = (questions.named(number)?.to_owned(), key.to_owned());
                    answers.members.insert(key.clone(), Vec::new());
                    list = Some(key);
                }
                "member" => answers.member(list.as_ref(), rest)?,
                "path" | "sum" | "text" => {
                    let (number, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                    let path = questions.named(number)?.to_owned();
                    answers.paths.entry(path).or_default().read(word, rest)?;
                }
                _ => answers.simple(word, rest),
            }
        }
        if !ended {
            bail!("the answer about the host's resources is cut");
        }
        Ok(answers)
    }

    fn member(&mut self, list: Option<&(String, String)>, rest: &str) -> Result<()> {
        let mut words = rest.splitn(4, ' ').skip(1).map(str::to_owned);
        let seen = [words.next(), words.next(), words.next()].map(Option::unwrap_or_default);
        let list = list.context("a member of no archive")?;
        self.members.entry(list.clone()).or_default().push(seen);
        Ok(())
    }

    fn simple(&mut self, word: &str, rest: &str) {
        let (first, second) = rest.split_once(' ').unwrap_or((rest, ""));
        match word {
            "me" => rest.clone_into(&mut self.me),
            "package" => {
                let (status, version) = second.split_once(' ').unwrap_or((second, ""));
                if status == "installed" {
                    self.packages.insert(first.to_owned(), version.to_owned());
                }
            }
            "module" => {
                self.modules.insert(first.to_owned(), second.to_owned());
            }
            "sysctl" => {
                let (key, value) = rest.split_once(':').unwrap_or((rest, ""));
                self.sysctls.insert(key.to_owned(), value.to_owned());
            }
            "reloaded" => {
                self.reloaded.insert(first.to_owned(), second.to_owned());
            }
            "swap" => self.swaps.push(rest.to_owned()),
            "fstab" => self.fstab.push(rest.to_owned()),
            "hostname" => rest.clone_into(&mut self.hostname),
            "etc-hostname" => rest.clone_into(&mut self.etc_hostname),
            "image" => {
                self.images.insert(rest.to_owned());
            }
            // Text of a login script or of a tool of the host is none of ours.
            _ => {}
        }
    }

    /// Values of a path that every kind with one has: `state` (`missing`, `file`, `directory`, `other`, `dangling`), `mode`, `owner`
    /// (`ours` or the user id), `mtime` and `sha256`.
    pub(super) fn path(&self, path: &str) -> Observed {
        let Some(seen) = self.paths.get(path) else {
            return Observed::default().with("state", "missing");
        };
        let owner = if seen.owner == self.me {
            "ours"
        } else {
            &seen.owner
        };
        let mut observed = Observed::default()
            .with("state", &seen.kind)
            .with("mode", &seen.mode)
            .with("owner", owner)
            .with("mtime", &seen.mtime);
        if let Some(sha256) = &seen.sha256 {
            observed = observed.with("sha256", sha256);
        }
        observed
    }
}

impl Questions {
    fn named(&self, number: &str) -> Result<&str> {
        number
            .parse::<usize>()
            .ok()
            .and_then(|number| self.paths.get(number.checked_sub(1)?))
            .map(String::as_str)
            .with_context(|| format!("path number `{number}` was not asked for"))
    }
}

impl PathSeen {
    fn read(&mut self, word: &str, rest: &str) -> Result<()> {
        match word {
            "sum" => self.sha256 = Some(rest.to_owned()),
            "text" => {
                let bytes = base64::engine::general_purpose::STANDARD
                    .decode(rest)
                    .context("content of a file on the host")?;
                self.content = Some(bytes);
            }
            _ if rest == "dangling" => rest.clone_into(&mut self.kind),
            _ => {
                let mut words = rest.splitn(5, ' ').map(str::to_owned);
                self.mode = words.next().unwrap_or_default();
                self.owner = words.next().unwrap_or_default();
                words.next();
                self.mtime = words.next().unwrap_or_default();
                let kind = words.next().unwrap_or_default();
                self.kind = match kind.as_str() {
                    "regular file" | "regular empty file" => "file".to_owned(),
                    "directory" => kind,
                    _ => "other".to_owned(),
                };
            }
        }
        Ok(())
    }
}
