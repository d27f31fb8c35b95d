//! What is asked before a node leaves: the cluster through a control plane that stays, and the load balancers.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use super::{Session, observe::understand};
use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host},
    observe::{LeavingSeen, Observation, leaving_script, parse_leaving},
    phases::{self, PhaseId, kubeadm},
    plan::hosts_of,
    resources::{Change, Resource, compare},
};

impl Session {
    /// The cluster as it matters to `node`, told by the control plane `via`.
    pub async fn leaving(&self, via: &Host, node: &str) -> Result<LeavingSeen> {
        let script = leaving_script(node, kubeadm::etcd_endpoint(via));
        let ask = async {
            let context = || format!("the cluster cannot be observed through {}", via.name);
            let output = self
                .script(&via.name, &script)
                .await
                .with_context(context)?;
            understand(&output, &script).with_context(context)?;
            parse_leaving(&output.stdout).with_context(context)
        };
        self.unless_stopped(ask).await?
    }

    /// What the load balancers of `cluster` that can be worked on would have to change, by host.
    pub async fn balancer_changes(
        &self,
        cluster: &Cluster,
        seen: &Observation,
    ) -> Result<BTreeMap<String, Vec<Change>>> {
        let phase = phases::row(PhaseId::LoadBalancer);
        // Nothing of a load balancer comes from an artifact source.
        let artifacts = Artifacts::default();
        let mut changes = BTreeMap::new();
        for host in hosts_of(phase.on, cluster, "") {
            let Some(there) = seen.hosts.get(&host.name) else {
                continue;
            };
            let context = phases::Context {
                cluster,
                host,
                facts: &there.facts,
                artifacts: &artifacts,
            };
            let wanted: Vec<Resource> = phases::resources(phase.id, &context);
            let asked = [(phase.id, wanted)];
            let probe = self.probe(&host.name, &asked);
            let mut observed = self.unless_stopped(probe).await??;
            let observed = observed.remove(&phase.id).unwrap_or_default();
            changes.insert(host.name.clone(), compare(&asked[0].1, &observed));
        }
        changes.retain(|_, changes| !changes.is_empty());
        Ok(changes)
    }
}
