//! A node leaves the cluster, or goes into maintenance: what may not go is refused, what goes is moved first.
//!
//! ```text
//! cordon ─▶ move-replicas ─▶ drain ─▶ load-balancer ─▶ leave-etcd ─▶ (reset of the host) ─▶ delete-node
//! ```
//!
//! Each step needs the one before it. Until the last pod has left, a step that fails puts the node back as it was.

mod checks;
mod emptying;
mod identity;
mod maintenance;
mod mark;

pub use maintenance::{Maintenance, off, on};
pub use mark::{LEAVING, LonghornBefore, MAINTENANCE, Mark};

use std::{collections::BTreeMap, time::Duration};

use emptying::Emptying;

use super::{PhaseId, kubeadm, script_body};
use crate::{
    failure::Failure,
    inventory::{Cluster, Host},
    observe::{EtcdMember, Facts, LeavingSeen, NodeSeen},
    plan::{Action, Plan, Step, Work},
    remote::Script,
    resources::Change,
    templates,
};

/// How patient a removal is, and what the user gave up expressly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// For all pods to leave.
    pub drain: Duration,
    /// For Longhorn to rebuild replicas elsewhere.
    pub replicas: Duration,
    /// Pods without a controller go, although nobody makes them again.
    pub delete_unmanaged_pods: bool,
    /// Volumes whose last replica may die with the node.
    pub lose_volumes: Vec<String>,
}

/// A node that leaves for good.
#[derive(Debug, Clone)]
pub struct Leaving<'a> {
    /// The cluster without the node.
    pub cluster: &'a Cluster,
    pub name: &'a str,
    /// Its entry, where the inventory has one.
    pub host: Option<&'a Host>,
    /// Its facts, where it answers over SSH.
    pub facts: Option<&'a Facts>,
    /// The control plane that stays and through which all is done.
    pub via: &'a Host,
    pub seen: &'a LeavingSeen,
    /// Who removes it, and when.
    pub mark: Mark,
    pub options: &'a Options,
}

/// What others do when a node leaves.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// Changes of the load balancers that stay, by host.
    pub balancers: BTreeMap<String, Vec<Change>>,
    /// The reset of the host, in order; empty where it cannot be reached.
    pub reset: Vec<(PhaseId, Action)>,
}

impl Leaving<'_> {
    fn node(&self) -> Option<&NodeSeen> {
        self.seen.nodes.iter().find(|node| node.name == self.name)
    }

    /// Its member of etcd: by name; one that never started has none yet and is told by its address. An address alone may be
    /// that of another member, where the file is wrong.
    fn member(&self) -> Option<&EtcdMember> {
        let peer = self.peer();
        let members = || self.seen.etcd.iter();
        members()
            .find(|member| member.name == self.name)
            .or_else(|| {
                members().find(|member| member.name.is_empty() && member.peer_urls.contains(&peer))
            })
    }

    fn peer(&self) -> String {
        let of_node = || {
            let address = self.node()?.internal_ips.first()?;
            let address = if address.contains(':') {
                format!("[{address}]")
            } else {
                address.clone()
            };
            Some(format!("https://{address}:2380"))
        };
        self.host
            .map(kubeadm::peer_url)
            .or_else(of_node)
            .unwrap_or_default()
    }

    /// Whether its kubelet lives, so that pods can end there. The API is late to notice that one was stopped, and it may be
    /// down for a moment only: [`checks`] does not take that for a reason to let pods go unasked.
    fn is_alive(&self) -> bool {
        let stopped = self.facts.is_some_and(|facts| !facts.kube.kubelet_active);
        !stopped && self.node().is_some_and(|node| node.ready)
    }

    /// Whether an earlier run has begun to empty it: that run looked at its pods, and resets the host only after the drain.
    fn was_begun(&self) -> bool {
        self.node()
            .is_some_and(|node| Mark::on(node, LEAVING).is_some())
    }

    /// Whether the cluster knows anything of it.
    pub fn is_known(&self) -> bool {
        self.node().is_some() || self.member().is_some()
    }
}

/// The steps of a removal. Refused ([`crate::failure::Code::Refused`]) where quorum or data would be lost.
pub fn plan(leaving: &Leaving<'_>, around: Around) -> Result<Plan, Failure> {
    checks::removal(leaving)?;
    let mut chain = Chain::default();
    if let Some(node) = leaving.node() {
        if leaving.is_alive() {
            empty(&mut chain, leaving, node);
        } else {
            chain.notes.push(format!(
                "{} is not drained: its kubelet does not answer, its pods go with its Node",
                leaving.name
            ));
        }
    }
    if let (Some(host), Some(_), Some(vip)) = (leaving.host, leaving.facts, leaving.cluster.vip())
        && leaving
            .facts
            .is_some_and(|facts| facts.unit_active("keepalived.service"))
    {
        chain.run(
            PhaseId::LoadBalancer,
            &host.name,
            hand_over(&vip.address.to_string()),
        );
    }
    chain.apply_all(PhaseId::LoadBalancer, around.balancers);
    if let Some(member) = leaving.member() {
        chain.run(
            PhaseId::LeaveEtcd,
            &leaving.via.name,
            leave_etcd(leaving, member),
        );
    }
    for (phase, action) in around.reset {
        chain.run(phase, leaving.name, action);
    }
    if leaving.node().is_some() || has_replicas(leaving) {
        chain.run(
            PhaseId::DeleteNode,
            &leaving.via.name,
            delete_node(leaving.name, &leaving.options.lose_volumes),
        );
    }
    Ok(chain.into())
}

/// Cordon, Longhorn's replicas, drain.
fn empty(chain: &mut Chain, leaving: &Leaving<'_>, node: &NodeSeen) {
    let longhorn = leaving
        .seen
        .longhorn
        .iter()
        .flat_map(|seen| &seen.nodes)
        .find(|seen| seen.name == leaving.name);
    let mark = leaving.mark.clone().kept_or(node, LEAVING, longhorn);
    let emptying = Emptying {
        node: leaving.name,
        key: LEAVING,
        mark: &mark,
        was_out: false,
        seen: leaving.seen,
        drain: leaving.options.drain,
        lose_volumes: &leaving.options.lose_volumes,
        delete_unmanaged_pods: leaving.options.delete_unmanaged_pods,
    };
    let via = &leaving.via.name;
    chain.run(PhaseId::Cordon, via, emptying.cordon());
    if longhorn.is_some() {
        let action = emptying.move_replicas(leaving.options.replicas);
        chain.run(PhaseId::MoveReplicas, via, action);
    }
    chain.run(PhaseId::Drain, via, emptying.drain());
}

fn has_replicas(leaving: &Leaving<'_>) -> bool {
    leaving.seen.longhorn.iter().any(|seen| {
        seen.nodes.iter().any(|node| node.name == leaving.name)
            || seen.replicas.iter().any(|one| one.node == leaving.name)
    })
}

fn hand_over(vip: &str) -> Action {
    action(
        "hand-over",
        "hand the virtual IP over".to_owned(),
        Vec::new(),
        script("leaving-vip").arg(vip).timeout(MINUTE),
        "look at keepalived's journal on the host",
    )
}

fn leave_etcd(leaving: &Leaving<'_>, member: &EtcdMember) -> Action {
    let endpoint = kubeadm::etcd_endpoint(leaving.via);
    // Who has a name is known by that alone.
    let peer = if member.name.is_empty() {
        leaving.peer()
    } else {
        "-".to_owned()
    };
    action(
        "leave-etcd",
        format!("remove {} from etcd", leaving.name),
        vec!["counted again on the live list of members".to_owned()],
        script("leaving-member")
            .arg(leaving.name)
            .arg(peer)
            .arg(endpoint)
            .timeout(3 * MINUTE),
        "every member that stays must be healthy: `etcdctl endpoint health --cluster`; the same command goes on from here",
    )
}

fn delete_node(name: &str, lose_volumes: &[String]) -> Action {
    action(
        "delete-node",
        format!("delete Node {name}"),
        Vec::new(),
        script("leaving-node")
            .arg(name)
            .attach("lose", emptying::lines(lose_volumes))
            .timeout(12 * MINUTE),
        "the same command goes on from here",
    )
}

const MINUTE: Duration = Duration::from_mins(1);

fn script(name: &str) -> Script {
    let body = [
        script_body("leaving").as_str(),
        templates::text(&format!("actions/{name}.sh")),
    ]
    .concat();
    Script::change(name, body)
}

fn action(id: &str, title: String, detail: Vec<String>, script: Script, hint: &str) -> Action {
    Action {
        id: id.to_owned(),
        title,
        detail,
        script,
        units: Vec::new(),
        hint: hint.to_owned(),
    }
}

/// What a phase of leaving is called; `None` for other phases.
pub(super) fn title(id: PhaseId) -> Option<&'static str> {
    Some(match id {
        PhaseId::Cordon => "no new pods",
        PhaseId::MoveReplicas => "Longhorn's replicas",
        PhaseId::Drain => "drain",
        PhaseId::LeaveEtcd => "etcd's members",
        PhaseId::DeleteNode => "the Node",
        PhaseId::Uncordon => "back to service",
        _ => return None,
    })
}

/// Steps of which each needs those before it.
#[derive(Debug, Default)]
struct Chain {
    steps: Vec<Step>,
    last: Vec<usize>,
    notes: Vec<String>,
}

impl Chain {
    fn run(&mut self, phase: PhaseId, host: &str, action: Action) {
        self.add(phase, vec![(host.to_owned(), Work::Run(Box::new(action)))]);
    }

    /// One step on each host, all at once.
    fn apply_all(&mut self, phase: PhaseId, changes: BTreeMap<String, Vec<Change>>) {
        let works = changes
            .into_iter()
            .filter(|(_, changes)| !changes.is_empty())
            .map(|(host, changes)| (host, Work::Apply(changes)))
            .collect();
        self.add(phase, works);
    }

    fn add(&mut self, phase: PhaseId, works: Vec<(String, Work)>) {
        if works.is_empty() {
            return;
        }
        let first = self.steps.len();
        for (host, work) in works {
            self.steps.push(Step {
                phase,
                host,
                needs: self.last.clone(),
                after: Vec::new(),
                work,
            });
        }
        self.last = (first..self.steps.len()).collect();
    }
}

impl From<Chain> for Plan {
    fn from(chain: Chain) -> Self {
        Self {
            steps: chain.steps,
            notes: chain.notes,
        }
    }
}

#[cfg(test)]
mod tests;
