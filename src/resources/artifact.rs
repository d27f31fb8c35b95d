//! Pinned artifacts on a host: binaries, and files kept for later use.

use serde::Serialize;

use super::{
    Change, Observed,
    apply::Calls,
    compare::Verdict,
    file::mode_differs,
    probe::{Answers, Questions},
};
use crate::artifacts::Item;

/// An executable whose bytes are the artifact's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binary {
    pub item: Item,
    /// `/usr/local/bin/kubeadm`.
    pub path: String,
}

/// A chart or manifest kept on control planes under `/var/lib/baremetal/artifacts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blob {
    pub item: Item,
    pub path: String,
}

impl Binary {
    pub(super) fn label(&self) -> String {
        format!("binary {} {}", self.path, self.item.version)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.cached(&self.path);
    }

    pub(super) fn read(&self, answers: &Answers) -> Observed {
        answers.path(&self.path)
    }

    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        placed(observed, &self.item, 0o755)
    }

    pub(super) fn apply(&self, verb: &str, calls: &mut Calls) {
        place(&self.item, "755", &self.path, verb, calls);
    }
}

impl Blob {
    pub(super) fn label(&self) -> String {
        format!("artifact {} {}", self.item.name, self.item.version)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.cached(&self.path);
    }

    pub(super) fn read(&self, answers: &Answers) -> Observed {
        answers.path(&self.path)
    }

    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        placed(observed, &self.item, 0o644)
    }

    pub(super) fn apply(&self, verb: &str, calls: &mut Calls) {
        place(&self.item, "644", &self.path, verb, calls);
    }
}

fn placed(observed: &Observed, item: &Item, mode: u32) -> Option<Verdict> {
    if observed.get("state") != "file" || observed.get("sha256") != item.sha256 {
        return Verdict::new("transfer");
    }
    mode_differs(observed, mode)
}

fn place(item: &Item, mode: &str, path: &str, verb: &str, calls: &mut Calls) {
    if verb == "set" {
        calls.call(&["mode", mode, path]);
    } else {
        calls.call(&["artifact", &item.sha256, mode, path]);
    }
}
