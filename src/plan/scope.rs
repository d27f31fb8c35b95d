//! A plan for some hosts alone: all that they need, the least that others must learn of them, and what was left out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::{Item, Plan, Step, Work, actions_of, apply_item, arrange, in_turn, serves};
use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host},
    observe::Observation,
    phases::{self, PHASES, PhaseId},
    resources::{Change, Resource},
};

/// A plan for some hosts alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limited {
    /// Ends with a check of these hosts, and holds nothing else where they are as they should be.
    pub plan: Plan,
    /// Differences that were seen and are not touched, a line each: `w1: operating system`.
    pub left_out: Vec<String>,
}

impl Limited {
    /// Those of `names` that are what they should be once the steps that are `done` are: nodes have joined, though their labels or
    /// checks may have failed; of others everything on them is done.
    pub fn joined(
        &self,
        names: &BTreeSet<String>,
        done: impl Fn(usize) -> bool,
    ) -> BTreeSet<String> {
        let joins = |step: &Step, name: &str| match &step.work {
            Work::Run(action) => step.host == name && action.id == format!("join-{name}"),
            Work::Apply(..) => false,
        };
        let joined = |name: &&String| {
            let steps = || self.plan.steps.iter().enumerate();
            match steps().find(|(_, step)| joins(step, name)) {
                Some((index, _)) => done(index),
                None => steps().all(|(index, step)| step.host != **name || done(index)),
            }
        };
        names.iter().filter(joined).cloned().collect()
    }

    /// What is done on hosts that are not among `names`, a line each. Checks change nothing and are no part of it.
    pub fn elsewhere(&self, names: &BTreeSet<String>) -> Vec<String> {
        let steps = self.plan.steps.iter();
        steps
            .filter(|step| step.phase != PhaseId::Verify && !names.contains(&step.host))
            .map(|step| {
                let what = match &step.work {
                    Work::Apply(changes) => changes
                        .iter()
                        .map(|change| format!("{} {}", change.verb, change.summary))
                        .collect::<Vec<_>>()
                        .join(", "),
                    Work::Run(action) => action.title.clone(),
                };
                format!("{}: {what}", step.host)
            })
            .collect()
    }
}

/// The plan for the hosts in `names`, and nothing elsewhere but what must be:
///
/// - holders of the virtual IP learn of new control planes and of new holders: haproxy's backends, keepalived's peers;
/// - the elected control plane hands out join tokens and takes them back;
/// - labels and taints of these nodes are set through the API.
///
/// What was seen of other hosts, and what is installed through the API, is left for a whole run. Fails as [`super::make`] does.
pub fn limit(
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
    names: &BTreeSet<String>,
) -> Result<Limited> {
    let mut items = Vec::new();
    let mut left_out = LeftOut::default();
    let told = told_elsewhere(cluster, names);
    for phase in PHASES {
        for host in in_turn(phase, cluster, seen) {
            let Some(mut item) = apply_item(phase, cluster, artifacts, seen, host)? else {
                continue;
            };
            if !names.contains(&host.name) {
                let learns = told && phase.id == PhaseId::LoadBalancer && serves(seen, &host.name);
                if !keep_what_is_learnt(&mut item, learns) {
                    left_out.host(host, seen, phase.title);
                }
            }
            if item.changes() > 0 {
                items.push(item);
            }
        }
        match phase.id {
            PhaseId::JoinControlPlane | PhaseId::JoinWorker => {
                let mut view = seen.clone();
                view.hosts
                    .retain(|host, _| names.contains(host) || *host == seen.elected);
                let actions = actions_of(phase.id, cluster, artifacts, &view)?;
                Item::add_actions(&mut items, phase.id, actions);
            }
            PhaseId::NodeMetadata => {
                let mut view = seen.clone();
                view.hosts.retain(|host, _| names.contains(host));
                if let Some(api) = &mut view.api {
                    api.nodes.retain(|node| names.contains(&node.name));
                }
                let actions = actions_of(phase.id, cluster, artifacts, &view)?;
                Item::add_actions(&mut items, phase.id, actions);
                let all = actions_of(phase.id, cluster, artifacts, seen)?;
                left_out.metadata(&all, names);
            }
            // Asked for below, of these hosts alone.
            PhaseId::Verify => {}
            _ => {
                for step in actions_of(phase.id, cluster, artifacts, seen)? {
                    left_out.cluster(step.action.title);
                }
            }
        }
    }
    if !items.is_empty() || !ready(cluster, seen, names) {
        let checks = phases::verification(cluster, seen, names);
        Item::add_actions(&mut items, PhaseId::Verify, checks);
    }
    Ok(Limited {
        plan: Plan {
            steps: arrange(items, cluster, seen),
            notes: Vec::new(),
        },
        left_out: left_out.lines(cluster, names),
    })
}

/// Whether holders of the virtual IP that are not meant must learn of hosts that are.
fn told_elsewhere(cluster: &Cluster, names: &BTreeSet<String>) -> bool {
    let new = |host: &&Host| names.contains(&host.name);
    cluster.control_planes().any(|host| new(&host)) || cluster.vip_holders().any(|host| new(&host))
}

/// Leaves of another host's changes what tells its load balancer of new hosts; whether that was all.
fn keep_what_is_learnt(item: &mut Item, learns: bool) -> bool {
    let Work::Apply(changes) = &mut item.work else {
        return false;
    };
    let before = changes.len();
    changes.retain(|change| learns && is_learnt(change));
    before == changes.len()
}

fn is_learnt(change: &Change) -> bool {
    match &change.resource {
        Resource::File(file) => {
            change.verb == "update" && phases::LEARNT.contains(&file.path.as_str())
        }
        Resource::Service(_) => change.verb == "reload",
        _ => false,
    }
}

/// Whether every node of these is there and Ready.
pub(super) fn ready(cluster: &Cluster, seen: &Observation, names: &BTreeSet<String>) -> bool {
    let nodes = seen.api.as_ref().map(|api| api.nodes.as_slice());
    let ready = |name: &str| {
        let mut nodes = nodes.into_iter().flatten();
        nodes.any(|node| node.name == name && node.ready)
    };
    cluster
        .nodes()
        .filter(|host| names.contains(&host.name))
        .all(|host| ready(&host.name))
}

/// Differences that are not touched.
#[derive(Default)]
pub(super) struct LeftOut {
    /// Titles of phases, by host.
    hosts: BTreeMap<String, Vec<&'static str>>,
    /// Hosts that are no nodes yet.
    outside: BTreeSet<String>,
    cluster: Vec<String>,
}

impl LeftOut {
    pub(super) fn host(&mut self, host: &Host, seen: &Observation, title: &'static str) {
        let nodes = seen.api.as_ref().map(|api| api.nodes.as_slice());
        let joined = nodes
            .into_iter()
            .flatten()
            .any(|node| node.name == host.name);
        if host.is_node() && !joined {
            self.outside.insert(host.name.clone());
        } else {
            let titles = self.hosts.entry(host.name.clone()).or_default();
            if !titles.contains(&title) {
                titles.push(title);
            }
        }
    }

    pub(super) fn metadata(&mut self, steps: &[phases::ActionStep], names: &BTreeSet<String>) {
        for line in steps.iter().flat_map(|step| &step.action.detail) {
            let Some((host, _)) = line.split_once(": ") else {
                continue;
            };
            let title = phases::title(PhaseId::NodeMetadata);
            let known = self.hosts.get(host);
            if !names.contains(host)
                && !self.outside.contains(host)
                && known.is_none_or(|known| !known.contains(&title))
            {
                self.hosts.entry(host.to_owned()).or_default().push(title);
            }
        }
    }

    pub(super) fn cluster(&mut self, title: String) {
        if !self.cluster.contains(&title) {
            self.cluster.push(title);
        }
    }

    /// In the order of the inventory, the cluster's own last.
    pub(super) fn lines(self, cluster: &Cluster, names: &BTreeSet<String>) -> Vec<String> {
        let of_host = |host: &Host| {
            if names.contains(&host.name) {
                None
            } else if self.outside.contains(&host.name) {
                Some(format!("{}: is no node yet", host.name))
            } else {
                let titles = self.hosts.get(&host.name)?;
                Some(format!("{}: {}", host.name, titles.join(", ")))
            }
        };
        let hosts = cluster.hosts.iter().filter_map(of_host);
        let cluster = self.cluster.iter();
        hosts
            .chain(cluster.map(|title| format!("cluster: {title}")))
            .collect()
    }
}
