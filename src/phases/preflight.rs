//! Checks before anything changes: every failure of every host in one run.

use serde::Serialize;

use crate::{inventory::Cluster, observe::Observation};

/// One finding of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable id, as `--skip-check` takes it.
    pub id: &'static str,
    pub host: String,
    pub level: Level,
    pub found: String,
    pub needed: String,
    pub fix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Failure,
    Warning,
}

/// All findings, host by host in the order of the inventory.
pub fn check(_cluster: &Cluster, _seen: &Observation) -> Vec<Finding> {
    Vec::new()
}
