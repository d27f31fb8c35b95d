//! Sees what hosts and the cluster are: three round trips on the elected control plane, two on every other host.

use std::{collections::BTreeMap, future::Future};

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinSet;

use super::{Session, session::lock};
use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host},
    observe::{
        ApiSeen, Facts, HostSeen, Observation, api_script, check_script, ending, facts_script,
        parse_api, parse_facts,
    },
    phases::PhaseId,
    plan::resources_of,
    remote::{Output, Script},
    resources::{Observed, Resource, parse_probe, probe_script},
    ssh::{ConnectError, Kind, RunError},
};

impl Session {
    /// First round trip: facts of every host, and the control plane elected by them.
    ///
    /// A host on which nothing can be run (no sudo, for one) is left out and reported like one that was not reached.
    /// Fails only when the run is asked to stop.
    pub async fn facts(&self) -> Result<Observation> {
        self.unless_stopped(self.ask_facts(facts_script)).await
    }

    /// [`Session::facts`] as far as the preflight checks need them: no plan can be made of it.
    pub async fn facts_to_check(&self) -> Result<Observation> {
        self.unless_stopped(self.ask_facts(check_script)).await
    }

    async fn ask_facts(&self, ask: fn(&Cluster, &Host) -> Script) -> Observation {
        let session = self.clone();
        let answers = self
            .on_all(move |host| {
                let session = session.clone();
                async move {
                    let script = ask(&session.0.cluster, &host);
                    let answer = session.script(&host.name, &script).await;
                    answer
                        .map_err(|error| Box::new(gone(&host, error)))
                        .and_then(|output| {
                            understand(&output, &script)
                                .and_then(|()| parse_facts(&output.stdout))
                                .map_err(|error| Box::new(odd(&host, &error)))
                        })
                }
            })
            .await;
        let mut seen = Observation::default();
        for (host, answer) in answers {
            match answer {
                Ok(facts) => {
                    let resources = BTreeMap::new();
                    seen.hosts.insert(host, HostSeen { facts, resources });
                }
                Err(error) => self.leave_out(*error),
            }
        }
        for (host, error) in self.unreachable() {
            seen.unreachable.insert(host, error.message);
        }
        seen.elected = elect(&self.0.cluster, &seen);
        let now = i64::try_from(super::log::now()).unwrap_or(i64::MAX);
        *lock(&self.0.certificates) = ending(&seen, now);
        seen
    }

    /// Second round trip: every resource of every host; at the same time the third: the cluster through its API.
    pub async fn observe(
        &self,
        artifacts: &Artifacts,
        mut seen: Observation,
    ) -> Result<Observation> {
        let both = async {
            tokio::join!(
                self.ask_api(artifacts, &seen),
                self.ask_resources(artifacts, &seen)
            )
        };
        let (api, resources) = self.unless_stopped(both).await?;
        seen.api = api?;
        for (host, answer) in resources {
            let found = answer.with_context(|| format!("host {host} cannot be observed"))?;
            if let Some(host) = seen.hosts.get_mut(&host) {
                host.resources = found;
            }
        }
        Ok(seen)
    }

    async fn ask_resources(
        &self,
        artifacts: &Artifacts,
        seen: &Observation,
    ) -> Vec<(String, Result<BTreeMap<PhaseId, Vec<Observed>>>)> {
        let wanted: BTreeMap<String, Vec<(PhaseId, Vec<Resource>)>> = self
            .reachable()
            .iter()
            .filter_map(|host| {
                let facts = &seen.hosts.get(&host.name)?.facts;
                let wanted = resources_of(&self.0.cluster, artifacts, host, facts);
                Some((host.name.clone(), wanted))
            })
            .collect();
        let (session, wanted) = (self.clone(), std::sync::Arc::new(wanted));
        self.on_all(move |host| {
            let (session, wanted) = (session.clone(), wanted.clone());
            async move {
                let Some(wanted) = wanted.get(&host.name) else {
                    return Ok(BTreeMap::new());
                };
                session.probe(&host.name, wanted).await
            }
        })
        .await
    }

    pub(super) async fn probe(
        &self,
        host: &str,
        wanted: &[(PhaseId, Vec<Resource>)],
    ) -> Result<BTreeMap<PhaseId, Vec<Observed>>> {
        let all: Vec<&Resource> = wanted.iter().flat_map(|(_, resources)| resources).collect();
        if all.is_empty() {
            return Ok(BTreeMap::new());
        }
        let script = probe_script(&all);
        let output = self.script(host, &script).await?;
        understand(&output, &script)?;
        let mut observed = parse_probe(&all, &output.stdout)?.into_iter();
        Ok(wanted
            .iter()
            .map(|(phase, resources)| (*phase, observed.by_ref().take(resources.len()).collect()))
            .collect())
    }

    async fn ask_api(&self, artifacts: &Artifacts, seen: &Observation) -> Result<Option<ApiSeen>> {
        let Some(host) = seen.hosts.get(&seen.elected) else {
            return Ok(None);
        };
        if !answers(&host.facts) {
            return Ok(None);
        }
        let script = api_script(&self.0.cluster, artifacts)?;
        let context = || format!("the cluster cannot be observed through {}", seen.elected);
        let output = self
            .script(&seen.elected, &script)
            .await
            .with_context(context)?;
        understand(&output, &script).with_context(context)?;
        let api = parse_api(&self.0.cluster, artifacts, &seen.elected, &output.stdout)
            .with_context(context)?;
        Ok(Some(api))
    }

    /// Runs `work` for every host that can be worked on, as many at once as the limit allows; in the order of the inventory.
    pub(super) async fn on_all<T, F>(&self, work: impl Fn(Host) -> F) -> Vec<(String, T)>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let hosts = self.reachable();
        let mut tasks = JoinSet::new();
        for (index, host) in hosts.iter().enumerate() {
            let (session, work) = (self.clone(), work(host.clone()));
            tasks.spawn(async move {
                let _turn = session.0.limit.acquire().await;
                (index, work.await)
            });
        }
        let mut answers = tasks.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        answers
            .into_iter()
            .map(|(index, answer)| (hosts[index].name.clone(), answer))
            .collect()
    }
}

/// Whether a cluster is live anywhere: then hosts that cannot be reached do not stop a run.
pub fn is_live(seen: &Observation) -> bool {
    seen.hosts.values().any(|host| answers(&host.facts))
}

/// Whether the host is a control plane through which the cluster can be asked.
pub fn answers(facts: &Facts) -> bool {
    facts.kube.admin_conf && facts.kube.apiserver_ready
}

/// The control plane through which the cluster is asked and changed: a healthy member of the live cluster, else one on which
/// `kubeadm init` has begun, else the first in the file. Empty when no control plane can be worked on.
pub fn elect(cluster: &Cluster, seen: &Observation) -> String {
    let there = || {
        cluster
            .control_planes()
            .filter_map(|host| Some((&host.name, &seen.hosts.get(&host.name)?.facts)))
    };
    there()
        .find(|(_, facts)| answers(facts))
        .or_else(|| there().find(|(_, facts)| facts.kube.etcd_data || facts.kube.admin_conf))
        .or_else(|| there().next())
        .map(|(name, _)| name.clone())
        .unwrap_or_default()
}

/// A script that observes must succeed.
pub(super) fn understand(output: &Output, script: &Script) -> Result<()> {
    if output.status != 0 {
        let last = output.stderr.lines().last().unwrap_or("no error output");
        bail!(
            "script `{}` ended with status {}: {last}",
            script.name,
            output.status
        );
    }
    Ok(())
}

pub(super) fn gone(host: &Host, error: RunError) -> ConnectError {
    match error {
        RunError::Connect(error) => *error,
        other => ConnectError {
            host: host.name.clone(),
            kind: Kind::Closed,
            message: other.to_string(),
            hint: "check the machine and the network, then run the same command again".to_owned(),
            detail: Vec::new(),
            host_keys: Vec::new(),
        },
    }
}

pub(super) fn odd(host: &Host, error: &anyhow::Error) -> ConnectError {
    ConnectError {
        host: host.name.clone(),
        kind: Kind::NoShell,
        message: format!("its facts cannot be read: {error:#}"),
        hint: "the host must be a Linux with systemd, coreutils and a POSIX shell".to_owned(),
        detail: Vec::new(),
        host_keys: Vec::new(),
    }
}
