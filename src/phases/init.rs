//! `kubeadm init` on the elected first control plane.

use anyhow::Result;

use super::ActionStep;
use crate::{artifacts::Artifacts, inventory::Cluster, observe::Observation};

pub(super) fn actions(
    _cluster: &Cluster,
    _artifacts: &Artifacts,
    _seen: &Observation,
) -> Result<Vec<ActionStep>> {
    Ok(Vec::new())
}
