//! Add-ons of the user and Harbor, through the one mechanism that the built-in ones use too.

use crate::{artifacts::Artifacts, inventory::Cluster, observe::Observation, plan::Action};

pub(super) fn actions(
    _cluster: &Cluster,
    _artifacts: &Artifacts,
    _seen: &Observation,
) -> Vec<(String, Action)> {
    Vec::new()
}
