//! Puts together what was seen.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Answering, Answers, Certificate, Drift, HostState, NodeState, Part, Status, Vip, etcd,
    problems, services,
};
use crate::{
    inventory::{Cluster, Host, Role},
    observe::{self, NodeSeen, Observation},
};

/// What was asked, and what came of it.
#[derive(Debug)]
pub struct Seen<'a> {
    /// Facts of every host that was reached, and why the others were not.
    pub observation: &'a Observation,
    /// By host: what control planes said of their own members of etcd.
    pub answers: &'a BTreeMap<String, Answers>,
    /// What the API of the elected control plane said, or why it was not asked.
    pub api: Result<Answers, String>,
    pub drift: Result<Drift, String>,
    /// Seconds since 1970.
    pub now: i64,
}

/// The cluster as it is now; `versioned` is false where the version in `cluster` is not the inventory's own.
pub fn make(cluster: &Cluster, versioned: bool, seen: &Seen<'_>) -> Status {
    let observation = seen.observation;
    let question = |name: &str| seen.api.as_ref().map_err(Clone::clone)?.get(name);
    let nodes: Result<Vec<Live>, String> = question("nodes").and_then(|text| {
        let list: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        Ok(observe::items(&list).map(Live::read).collect())
    });
    let mut status = Status {
        cluster: cluster.name.clone(),
        kubernetes: versioned.then(|| cluster.version.to_string()),
        endpoint: cluster.endpoint_address(),
        seen_at: seen.now,
        via: match seen.api {
            Ok(_) => observation.elected.clone(),
            Err(_) => String::new(),
        },
        problems: Vec::new(),
        warnings: Vec::new(),
        hosts: hosts(cluster, observation, nodes.as_deref().ok()),
        etcd: etcd::etcd(cluster, seen).into(),
        vip: vip(cluster, observation),
        certificates: certificates(cluster, observation, seen.now),
        metallb: match &cluster.metallb {
            None => Part::Off,
            Some(metallb) => question("services")
                .map(|lines| services::addresses(metallb, lines))
                .into(),
        },
        longhorn: match &cluster.longhorn {
            None => Part::Off,
            Some(_) => question("volumes").map(services::volumes).into(),
        },
        drift: seen.drift.clone().into(),
    };
    status.problems = problems::find(cluster, seen, &status, nodes.err());
    status.warnings = warnings(seen, &status);
    status
}

/// A node, and the kubelet's words about it.
struct Live {
    node: NodeSeen,
    reason: String,
}

impl Live {
    fn read(value: &Value) -> Self {
        let conditions = observe::list(&value["status"]["conditions"]);
        let ready = conditions.into_iter().find(|one| one["type"] == "Ready");
        let message = ready.and_then(|one| one["message"].as_str());
        Self {
            node: observe::node(value),
            reason: message.unwrap_or_default().trim().to_owned(),
        }
    }
}

/// Hosts of the inventory in its order, then nodes that it does not have.
fn hosts(cluster: &Cluster, seen: &Observation, live: Option<&[Live]>) -> Vec<HostState> {
    let mut hosts: Vec<HostState> = cluster
        .hosts
        .iter()
        .map(|host| state(host, seen, live))
        .collect();
    for one in live.unwrap_or_default() {
        let node = &one.node;
        if cluster.host(&node.name).is_some() {
            continue;
        }
        let plane = "node-role.kubernetes.io/control-plane";
        let role = if node.labels.contains_key(plane) {
            Role::ControlPlane
        } else {
            Role::Worker
        };
        hosts.push(HostState {
            roles: vec![role_name(role).to_owned()],
            address: node.internal_ips.first().cloned().unwrap_or_default(),
            in_inventory: false,
            unreachable: None,
            api_server: None,
            ..of_node(&node.name, Some(one))
        });
    }
    hosts
}

fn state(host: &Host, seen: &Observation, live: Option<&[Live]>) -> HostState {
    let one = live.map(|live| live.iter().find(|one| one.node.name == host.name));
    let mut state = of_node(&host.name, one.flatten());
    state.node = match one {
        _ if !host.is_node() => NodeState::None,
        None => NodeState::Unknown,
        Some(_) => state.node,
    };
    HostState {
        roles: host
            .roles
            .iter()
            .map(|role| role_name(*role).to_owned())
            .collect(),
        address: host.node_ip.to_string(),
        unreachable: seen.unreachable.get(&host.name).cloned(),
        api_server: host.is_control_plane().then(|| {
            let Some(one) = seen.hosts.get(&host.name) else {
                return Answering::Unknown;
            };
            let kube = &one.facts.kube;
            if kube.apiserver_ready {
                Answering::Ready
            } else if kube
                .manifests
                .iter()
                .any(|name| name == "kube-apiserver.yaml")
            {
                Answering::NotReady
            } else {
                Answering::Absent
            }
        }),
        ..state
    }
}

fn of_node(name: &str, live: Option<&Live>) -> HostState {
    let node = live.map(|one| &one.node);
    let ready = node.is_some_and(|node| node.ready);
    HostState {
        name: name.to_owned(),
        roles: Vec::new(),
        address: String::new(),
        in_inventory: true,
        unreachable: None,
        node: match node {
            Some(_) if ready => NodeState::Ready,
            Some(_) => NodeState::NotReady,
            None => NodeState::Missing,
        },
        reason: live
            .filter(|_| !ready)
            .map(|one| one.reason.clone())
            .unwrap_or_default(),
        cordoned: node.is_some_and(|node| node.unschedulable),
        version: node.map(|node| node.version.clone()).unwrap_or_default(),
        api_server: None,
    }
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "control-plane",
        Role::Worker => "worker",
        Role::LoadBalancer => "load-balancer",
    }
}

fn vip(cluster: &Cluster, seen: &Observation) -> Part<Vip> {
    let Some(vip) = cluster.vip() else {
        return Part::Off;
    };
    let holds = |host: &&Host| {
        let one = seen.hosts.get(&host.name);
        one.is_some_and(|one| one.facts.kube.holds_vip)
    };
    let holders = cluster.hosts.iter().filter(holds);
    let holders: Vec<String> = holders.map(|host| host.name.clone()).collect();
    let away: Vec<&str> = cluster
        .vip_holders()
        .filter(|host| !seen.hosts.contains_key(&host.name))
        .map(|host| host.name.as_str())
        .collect();
    if holders.is_empty() && !away.is_empty() {
        return Part::Unknown(format!(
            "no host that was reached has {}; {} may",
            vip.address,
            away.join(" or ")
        ));
    }
    Part::Known(Vip {
        address: vip.address.to_string(),
        holders,
    })
}

/// Of each control plane that was reached the certificate that ends first; kubelets renew their own.
fn certificates(cluster: &Cluster, seen: &Observation, now: i64) -> Vec<Certificate> {
    let of = |host: &Host| {
        let facts = &seen.hosts.get(&host.name)?.facts;
        let first = facts.certificates.iter().min_by_key(|one| one.not_after)?;
        Some(Certificate {
            host: host.name.clone(),
            name: first.name.clone(),
            days: first.days(now),
        })
    };
    cluster.hosts.iter().filter_map(of).collect()
}

fn warnings(seen: &Seen<'_>, status: &Status) -> Vec<String> {
    let pools = status
        .metallb
        .known()
        .into_iter()
        .flat_map(|known| &known.pools);
    let full = pools
        .filter(|pool| u128::try_from(pool.used).is_ok_and(|used| used >= pool.size))
        .map(|pool| format!("MetalLB's pool {} has no address left", pool.name));
    observe::ending(seen.observation, seen.now)
        .into_iter()
        .chain(full)
        .collect()
}
