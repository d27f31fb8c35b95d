//! What a live cluster and the file disagree about and no phase mends: said, or refused before anything changes.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;

use super::{fixed, membership};
use crate::{
    failure::{Code, Failure},
    inventory::Cluster,
    observe::Observation,
};

/// Differences between a live cluster and the file that are not a plan's to mend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences {
    /// Worth saying; the run goes on.
    pub notes: Vec<String>,
    /// Going on would do harm.
    pub refusals: Vec<Refusal>,
}

/// Something of the file that is not done, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub what: String,
    /// A command, or the line of the file to change.
    pub instead: String,
}

impl Refusal {
    pub(super) fn new(what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            instead: instead.into(),
        }
    }
}

/// All differences of a live cluster that no phase mends; none where no API answers. `file` is the inventory as the user calls it.
pub fn differences(cluster: &Cluster, seen: &Observation, file: &Path) -> Differences {
    let (members, fixed) = (
        membership::differences(cluster, seen, file),
        fixed::differences(cluster, seen, file),
    );
    let mut all = fixed;
    // One version for all is one thing to mend.
    let versions = all
        .refusals
        .iter()
        .any(|one| one.what.starts_with("kubernetes is "));
    all.notes.extend(members.notes);
    all.refusals.extend(
        members
            .refusals
            .into_iter()
            .filter(|one| !(versions && one.what.contains(" runs kubelet "))),
    );
    all
}

/// What must be the same before anything else is judged by the file.
///
/// # Errors
/// [`Code::Refused`] where API servers that have data listen on another port than the file says.
pub fn accept_port(cluster: &Cluster, seen: &Observation, file: &Path) -> Result<()> {
    match fixed::port(cluster, seen, file) {
        Some(refusal) => Err(refused(cluster, file, &[refusal])),
        None => Ok(()),
    }
}

/// The notes of [`differences`].
///
/// # Errors
/// [`Code::Refused`] with everything that is refused and what to do instead.
pub fn accept(cluster: &Cluster, seen: &Observation, file: &Path) -> Result<Vec<String>> {
    let found = differences(cluster, seen, file);
    if found.refusals.is_empty() {
        return Ok(found.notes);
    }
    Err(refused(cluster, file, &found.refusals))
}

fn refused(cluster: &Cluster, file: &Path, refusals: &[Refusal]) -> anyhow::Error {
    let mut message = format!(
        "{} asks for what `up` does not do to the running cluster {}; nothing was changed",
        file.display(),
        cluster.name
    );
    for refusal in refusals {
        let _ = write!(message, "\n  - {}", refusal.what);
    }
    let instead: Vec<_> = refusals
        .iter()
        .map(|refusal| refusal.instead.as_str())
        .collect();
    Failure::new(Code::Refused, message)
        .hint(instead.join("\n"))
        .into()
}
