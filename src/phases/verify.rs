//! The cluster does what it is for.

use crate::{artifacts::Artifacts, inventory::Cluster, observe::Observation, plan::Action};

pub(super) fn actions(
    _cluster: &Cluster,
    _artifacts: &Artifacts,
    _seen: &Observation,
) -> Vec<(String, Action)> {
    Vec::new()
}
