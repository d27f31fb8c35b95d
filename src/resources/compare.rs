//! Desired against observed.

use super::{Change, Observed, Resource};

/// What a kind says of itself: the verb, a remark for the summary, and a diff where there is one to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub verb: &'static str,
    pub remark: String,
    pub diff: Option<String>,
}

impl Verdict {
    pub(super) fn new(verb: &'static str) -> Option<Self> {
        Self::because(verb, "")
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "every caller returns it as an answer that may be nothing"
    )]
    pub(super) fn because(verb: &'static str, remark: impl Into<String>) -> Option<Self> {
        Some(Self {
            verb,
            remark: remark.into(),
            diff: None,
        })
    }
}

/// What must be done for a phase's resources: pure comparison of desired and observed, in the order of `resources`.
///
/// A service sees the files that change before it in the list, so that a restart is planned together with its cause. A
/// resource without an observation counts as absent.
pub fn compare(resources: &[Resource], observed: &[Observed]) -> Vec<Change> {
    let nothing = Observed::default();
    let mut changes = Vec::new();
    for (index, resource) in resources.iter().enumerate() {
        let seen = observed.get(index).unwrap_or(&nothing);
        if let Some(verdict) = resource.compare(seen, &changes) {
            let label = resource.label();
            changes.push(Change {
                resource: resource.clone(),
                verb: verdict.verb,
                summary: if verdict.remark.is_empty() {
                    label
                } else {
                    format!("{label} ({})", verdict.remark)
                },
                diff: verdict.diff,
            });
        }
    }
    changes
}
