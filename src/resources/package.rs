//! Packages of the distribution.

use serde::Serialize;

use super::{
    Change, Observed,
    apply::Calls,
    compare::Verdict,
    probe::{Answers, Questions},
};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Name in the host's own distribution.
    pub name: String,
    /// Alternatives that count as installed too (`containerd.io` for `containerd`).
    pub or: Vec<String>,
}

impl Package {
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            or: Vec::new(),
        }
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.or)
    }

    pub(super) fn label(&self) -> String {
        format!("package {}", self.name)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        for name in self.names() {
            questions.package(name);
        }
    }

    /// `installed`: the package that is, and `version`.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        self.names()
            .find_map(|name| Some((name, answers.packages.get(name)?)))
            .map_or_else(Observed::default, |(name, version)| {
                Observed::default()
                    .with("installed", name)
                    .with("version", version)
            })
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        if observed.get("installed").is_empty() {
            return Verdict::new("install");
        }
        None
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        calls.call(&["packages", &self.name]);
    }
}
