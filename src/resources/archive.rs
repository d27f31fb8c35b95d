//! Unpacked tar archives.

use serde::Serialize;

use super::{
    Change, Observed,
    apply::Calls,
    compare::Verdict,
    probe::{Answers, Questions},
};
use crate::{artifacts::Item, digest::sha256};

/// An unpacked tar archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archive {
    pub item: Item,
    /// Where it is unpacked.
    pub directory: String,
    /// Members wanted (named as they are after `strip`) and the names that they get; all members as they are when empty.
    pub members: Vec<(String, String)>,
    /// Leading path components dropped from member names.
    pub strip: u8,
}

impl Archive {
    /// Name of the list of members and checksums that a host keeps: a function of the archive's bytes and of what is wanted
    /// of it, so that it never goes stale. Where it is lost the archive is unpacked again.
    fn list(&self) -> String {
        let wanted = format!("{} {:?}", self.strip, self.members);
        format!("{}-{}", self.item.sha256, &sha256(wanted.as_bytes())[..8])
    }

    pub(super) fn label(&self) -> String {
        format!(
            "archive {} {} in {}",
            self.item.name, self.item.version, self.directory
        )
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.archive(&self.directory, &self.list());
    }

    /// `state`: `listed` where the host knows what the archive has, and `different`: the members that are not so.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        let Some(members) = answers.members.get(&(self.directory.clone(), self.list())) else {
            return Observed::default().with("state", "unknown");
        };
        let different: Vec<&str> = members
            .iter()
            .filter(|[want, have, _]| want != have)
            .map(|[_, _, name]| name.as_str())
            .collect();
        Observed::default()
            .with(
                "state",
                if members.is_empty() {
                    "unknown"
                } else {
                    "listed"
                },
            )
            .with("different", different.join(" "))
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        match (observed.get("state"), observed.get("different")) {
            ("listed", "") => None,
            ("listed", different) => Verdict::because("transfer", different),
            _ => Verdict::new("transfer"),
        }
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        let (list, strip) = (self.list(), self.strip.to_string());
        let mut words = vec!["unpack", &self.item.sha256, &list, &strip, &self.directory];
        for (member, name) in &self.members {
            words.push(member);
            words.push(name);
        }
        calls.call(&words);
    }
}
