//! One script for all resources of a host: probing, and bringing about.

use serde::Serialize;

use super::{Change, Resource};
use crate::remote::Script;

/// What a probe saw of one resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// `key=value` pairs as printed; contents decoded.
    pub values: std::collections::BTreeMap<String, String>,
}

/// One read-only script for many resources; the answer of resource `i` is read by [`parse_probe`].
pub fn probe_script(_resources: &[&Resource]) -> Script {
    Script::read("observe", "")
}

/// Reads the answers, one per resource in the order given to [`probe_script`].
pub fn parse_probe(_resources: &[&Resource], _stdout: &str) -> anyhow::Result<Vec<Observed>> {
    Ok(Vec::new())
}

/// One script that brings about all changes, in order; artifacts that are transferred lie on the host already.
pub fn apply_script(_name: &str, _changes: &[Change]) -> Script {
    Script::change("apply", "")
}

/// What must be done for a phase's resources: pure comparison of desired and observed, in the order of `resources`.
///
/// A service sees the files that change before it in the list, so that a restart is planned together with its cause.
pub fn compare(_resources: &[Resource], _observed: &[Observed]) -> Vec<Change> {
    Vec::new()
}
