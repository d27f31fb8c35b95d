//! Strict ARP in the live kube-proxy configuration.

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
