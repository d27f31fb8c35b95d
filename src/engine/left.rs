//! Sees what a reset would remove: one round trip per host, and one to a control plane that answers.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Context as _, Result};

use super::{
    Session,
    observe::{answers, gone, understand},
};
use crate::{
    observe::Observation,
    phases::reset::{self, ClusterData, HostLeft},
};

impl Session {
    /// What of `up` is on each of `hosts` that answers; one that is lost while it is asked is reported and left out.
    ///
    /// # Errors
    /// When a host cannot say it, and when the run is asked to stop.
    pub async fn left(
        &self,
        seen: &Observation,
        hosts: &[String],
    ) -> Result<BTreeMap<String, HostLeft>> {
        let (session, facts) = (self.clone(), Arc::new(seen.hosts.clone()));
        let hosts: Arc<[String]> = hosts.into();
        let ask = self.on_all(move |host| {
            let (session, facts, hosts) = (session.clone(), facts.clone(), hosts.clone());
            async move {
                let facts = facts.get(&host.name).filter(|_| hosts.contains(&host.name));
                let Some(seen) = facts else {
                    return Ok(None);
                };
                let script = reset::observe(&session.0.cluster, &host, &seen.facts);
                match session.script(&host.name, &script).await {
                    Ok(output) => {
                        understand(&output, &script)?;
                        reset::parse(&output.stdout).map(Some)
                    }
                    Err(error) => {
                        session.leave_out(gone(&host, error));
                        Ok(None)
                    }
                }
            }
        });
        let mut left = BTreeMap::new();
        for (host, answer) in self.unless_stopped(ask).await? {
            let found = answer.with_context(|| format!("host {host} cannot be observed"))?;
            left.extend(found.map(|found| (host, found)));
        }
        Ok(left)
    }

    /// What the cluster has that ends with it, as far as it is answered; empty where no control plane answers.
    pub async fn cluster_data(&self, seen: &Observation) -> Result<ClusterData> {
        let live = seen
            .hosts
            .get(&seen.elected)
            .is_some_and(|host| answers(&host.facts));
        let Some(host) = self.0.cluster.host(&seen.elected).filter(|_| live) else {
            return Ok(ClusterData::default());
        };
        let script = reset::ask_data(&self.0.cluster, host);
        let answer = self
            .unless_stopped(self.script(&host.name, &script))
            .await?;
        Ok(answer.map_or_else(
            |_| ClusterData::default(),
            |output| reset::parse_data(&output.stdout),
        ))
    }
}
