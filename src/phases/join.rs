//! Nodes join: control planes one at a time, workers in parallel.

use anyhow::Result;

use super::ActionStep;
use crate::{artifacts::Artifacts, inventory::Cluster, observe::Observation};

pub(super) fn control_planes(
    _cluster: &Cluster,
    _artifacts: &Artifacts,
    _seen: &Observation,
) -> Result<Vec<ActionStep>> {
    Ok(Vec::new())
}

pub(super) fn workers(
    _cluster: &Cluster,
    _artifacts: &Artifacts,
    _seen: &Observation,
) -> Result<Vec<ActionStep>> {
    Ok(Vec::new())
}
