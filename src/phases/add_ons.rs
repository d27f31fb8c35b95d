//! Add-ons of the user and Harbor, through the one mechanism that the built-in ones use too.

use anyhow::Result;

use super::{ActionStep, PhaseId, addon, addon::Unit};
use crate::{artifacts::Artifacts, inventory::Cluster, observe::Observation};

pub(super) fn actions(
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    addon::steps(PhaseId::AddOns, cluster, artifacts, seen)
}

pub(super) fn units(_cluster: &Cluster) -> Result<Vec<Unit>> {
    Ok(Vec::new())
}
