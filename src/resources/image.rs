//! Images in containerd's `k8s.io` namespace.

use serde::Serialize;

use super::{
    Change, Observed,
    apply::Calls,
    compare::Verdict,
    probe::{Answers, Questions},
};
use crate::artifacts::Item;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    pub references: Vec<String>,
    /// The archive that has them; pulled from their registry when `None`.
    pub item: Option<Item>,
}

impl Image {
    pub(super) fn label(&self) -> String {
        format!("image {}", self.references.join(" "))
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.images = true;
    }

    /// `missing`: references that containerd does not have.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        let missing: Vec<&str> = self
            .references
            .iter()
            .filter(|reference| !answers.images.contains(&full(reference)))
            .map(String::as_str)
            .collect();
        Observed::default().with("missing", missing.join(" "))
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        match observed.values.get("missing").map(String::as_str) {
            Some("") => None,
            _ => Verdict::new("import"),
        }
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        if let Some(item) = &self.item {
            calls.call(&["load", &item.sha256]);
        } else {
            let references: Vec<String> = self.references.iter().map(|one| full(one)).collect();
            let mut words = vec!["pull"];
            words.extend(references.iter().map(String::as_str));
            calls.call(&words);
        }
    }
}

/// A reference as containerd stores it: with registry, and with a tag or digest.
fn full(reference: &str) -> String {
    let named = match reference.split_once('/') {
        None => format!("docker.io/library/{reference}"),
        Some((first, _)) if first == "localhost" || first.contains(['.', ':']) => {
            reference.to_owned()
        }
        Some(_) => format!("docker.io/{reference}"),
    };
    let last = named.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) {
        named
    } else {
        format!("{named}:latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_references_are_what_containerd_calls_them() {
        for (short, long) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("flannel/flannel:v1", "docker.io/flannel/flannel:v1"),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
            ("localhost/x", "localhost/x:latest"),
            ("harbor:5000/a/b@sha256:00", "harbor:5000/a/b@sha256:00"),
        ] {
            assert_eq!(full(short), long);
        }
    }
}
