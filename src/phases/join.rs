//! Nodes join: control planes one at a time, workers in parallel.

use crate::{artifacts::Artifacts, inventory::Cluster, observe::Observation, plan::Action};

pub(super) fn control_planes(
    _cluster: &Cluster,
    _artifacts: &Artifacts,
    _seen: &Observation,
) -> Vec<(String, Action)> {
    Vec::new()
}

pub(super) fn workers(
    _cluster: &Cluster,
    _artifacts: &Artifacts,
    _seen: &Observation,
) -> Vec<(String, Action)> {
    Vec::new()
}
