//! `CoreDNS` on more than one node: kubeadm starts all of its pods while the first control plane is alone, and nothing moves them
//! when others join. The cluster would lose DNS for minutes with that one host.

use std::{collections::BTreeSet, time::Duration};

use super::{ActionStep, shell};
use crate::{
    inventory::{Cluster, PodNetwork},
    observe::{ApiSeen, NodeSeen, Observation},
    plan::Action,
};

/// Taints that kubeadm lets `CoreDNS` tolerate.
const TOLERATED: [&str; 2] = [
    "node-role.kubernetes.io/control-plane",
    "CriticalAddonsOnly",
];

pub(super) fn actions(cluster: &Cluster, seen: &Observation) -> Vec<ActionStep> {
    let crowded = match &seen.api {
        Some(api) if api.coredns => is_crowded(api, joining(cluster, seen) > 0),
        // kubeadm init is still to come.
        _ => joining(cluster, seen) > 1,
    };
    if !crowded {
        return Vec::new();
    }
    vec![ActionStep {
        host: seen.elected.clone(),
        of: vec![seen.elected.clone()],
        action: Action {
            id: "spread-dns".to_owned(),
            title: "CoreDNS onto more than one node".to_owned(),
            detail: Vec::new(),
            script: shell::change("spread-dns").timeout(Duration::from_mins(6)),
            units: Vec::new(),
            hint: "`kubectl -n kube-system describe pods -l k8s-app=kube-dns` says why a pod does not start"
                .to_owned(),
        },
        needs: Vec::new(),
        after: Vec::new(),
    }]
}

/// How many reachable hosts become nodes on which pods can run.
fn joining(cluster: &Cluster, seen: &Observation) -> usize {
    if matches!(cluster.network.plugin, PodNetwork::None) {
        return 0;
    }
    let known = |name: &str| {
        let nodes = seen.api.iter().flat_map(|api| &api.nodes);
        nodes.into_iter().any(|node| node.name == name)
    };
    cluster
        .nodes()
        .filter(|host| seen.hosts.contains_key(&host.name) && !known(&host.name))
        .count()
}

/// Whether all of several pods are on one node, or not running yet, and another node could take one.
fn is_crowded(api: &ApiSeen, joining: bool) -> bool {
    let places: BTreeSet<_> = api.dns_nodes.iter().collect();
    if api.dns_replicas < 2 || places.len() > 1 || api.dns_nodes.len() == 1 {
        return false;
    }
    let free = |node: &&NodeSeen| node.ready && !node.unschedulable && !places.contains(&node.name);
    joining || (!places.is_empty() && api.nodes.iter().filter(free).any(tolerated))
}

fn tolerated(node: &NodeSeen) -> bool {
    node.taints
        .iter()
        .all(|(key, _, effect)| effect == "PreferNoSchedule" || TOLERATED.contains(&key.as_str()))
}
