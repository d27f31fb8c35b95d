//! Asks hosts what a verification needs to know. What it means is judged by [`crate::phases::verify`].

mod client;
mod outage;
mod trial;

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::{BuildHasher as _, Hasher as _},
};

use anyhow::Result;

use super::Session;
use crate::{
    inventory::Cluster,
    observe::{EtcdSaid, Observation, cluster_script, parse_cluster},
    phases::{
        kubeadm,
        verify::{
            HostSaid,
            failover::{self, Away, Failover},
            host_script,
            quick::Answers,
        },
    },
    remote::Script,
};

/// A verification while it runs: what was found so far, and what it was found with.
pub struct Verification<'a> {
    session: &'a Session,
    cluster: &'a Cluster,
    seen: &'a Observation,
    pub answers: Answers,
}

impl<'a> Verification<'a> {
    /// Asks every host, and the elected control plane about the cluster: one round trip each, one more there. Changes nothing.
    ///
    /// Fails only when the run is asked to stop.
    pub async fn begin(
        session: &'a Session,
        cluster: &'a Cluster,
        seen: &'a Observation,
    ) -> Result<Self> {
        let answers = session
            .unless_stopped(Box::pin(ask(session, cluster, seen)))
            .await?;
        Ok(Self {
            session,
            cluster,
            seen,
            answers,
        })
    }

    /// Who goes out of service.
    ///
    /// # Errors
    /// [`crate::failure::Code::Refused`] where that would endanger the cluster.
    pub fn choose(&self, away: Away, bound: std::time::Duration) -> Result<Failover> {
        let asked = self.answers.cluster.as_ref().map_err(Clone::clone);
        let etcd = match asked.and_then(|said| said.etcd.clone()) {
            Ok(etcd) => etcd,
            Err(why) if away == Away::Node => return Err(failover::unknown_quorum(&why).into()),
            Err(_) => EtcdSaid::default(),
        };
        let leader = etcd.leaders.first().and_then(|id| {
            let member = etcd.members.iter().find(|member| member.id == *id)?;
            Some(member.name.clone())
        });
        let host = failover::chosen(
            self.cluster,
            away,
            &self.answers.holders(),
            &etcd.members,
            leader.as_deref(),
        )?;
        Ok(Failover { away, host, bound })
    }

    /// Whether objects can be made: through a control plane that answers.
    pub fn api_answers(&self) -> bool {
        let cluster = self.answers.cluster.as_ref();
        cluster.is_ok_and(|said| said.nodes.is_ok())
    }

    /// Runs one of `scripts` on each host that they are for, side by side.
    async fn on_each(
        &self,
        scripts: BTreeMap<String, Script>,
    ) -> BTreeMap<String, Result<String, String>> {
        let mut tasks = tokio::task::JoinSet::new();
        for (host, script) in scripts {
            let session = self.session.clone();
            tasks.spawn(async move {
                let _turn = session.0.limit.acquire().await;
                let said = session.told(&host, &script).await;
                (host, said)
            });
        }
        tasks.join_all().await.into_iter().collect()
    }
}

impl Session {
    /// What a script printed; else why it has nothing to say, in one line.
    pub(super) async fn told(&self, host: &str, script: &Script) -> Result<String, String> {
        match self.script(host, script).await {
            Ok(output) if output.status == 0 => Ok(output.stdout),
            Ok(output) => {
                let said = output.stderr.lines().rfind(|line| !line.trim().is_empty());
                Err(said.map_or_else(
                    || {
                        format!(
                            "script `{}` ended with status {}",
                            script.name, output.status
                        )
                    },
                    |said| said.trim().to_owned(),
                ))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

async fn ask(session: &Session, cluster: &Cluster, seen: &Observation) -> Answers {
    let via = cluster.host(&seen.elected);
    let about = async {
        match via {
            Some(host) => {
                let script = cluster_script(kubeadm::etcd_endpoint(host));
                let said = session.told(&host.name, &script).await;
                said.map(|said| parse_cluster(&said))
            }
            None => Err("no control plane can be worked on".to_owned()),
        }
    };
    let own = cluster.clone();
    let asking = session.clone();
    let hosts = session.on_all(move |host| {
        let (session, script) = (asking.clone(), host_script(&own, &host));
        async move {
            let said = session.told(&host.name, &script).await;
            said.map(|said| HostSaid::parse(&said))
        }
    });
    let (about, hosts) = tokio::join!(about, hosts);
    let unreachable = session.unreachable().into_iter();
    Answers {
        hosts: hosts.into_iter().collect(),
        unreachable: unreachable
            .map(|(host, error)| (host, error.message))
            .collect(),
        via: seen.elected.clone(),
        cluster: about,
    }
}

/// Tells one verification from another; no secret.
fn token() -> String {
    let random = RandomState::new().build_hasher().finish();
    format!("{:08x}", random & 0xffff_ffff)
}
