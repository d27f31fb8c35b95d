//! Which ports must be reached from which hosts: the matrix that the configuration asks for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::inventory::{Cluster, EndpointKind, Host, PodNetwork};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proto {
    Tcp,
    Udp,
    /// IP protocol 112; it has no ports.
    Vrrp,
}

/// A port of one host that others must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    pub proto: Proto,
    pub number: u16,
}

impl std::fmt::Display for Port {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.proto {
            Proto::Tcp => write!(out, "tcp {}", self.number),
            Proto::Udp => write!(out, "udp {}", self.number),
            Proto::Vrrp => out.write_str("protocol 112"),
        }
    }
}

/// A group of hosts that speak, or are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Nodes,
    ControlPlanes,
    /// Hosts that run keepalived and haproxy.
    Holders,
    /// Nodes and holders.
    Everyone,
}

impl Group {
    fn has(self, cluster: &Cluster, host: &Host) -> bool {
        let holder = || cluster.vip_holders().any(|one| one.name == host.name);
        match self {
            Self::Nodes => host.is_node(),
            Self::ControlPlanes => host.is_control_plane(),
            Self::Holders => holder(),
            Self::Everyone => host.is_node() || holder(),
        }
    }
}

/// One row of the matrix.
struct Rule {
    port: Port,
    what: &'static str,
    from: Group,
    to: Group,
}

fn rules(cluster: &Cluster) -> Vec<Rule> {
    use Group::{ControlPlanes, Everyone, Holders, Nodes};
    use Proto::{Tcp, Udp, Vrrp};
    let rule = |proto, number, what, from, to| Rule {
        port: Port { proto, number },
        what,
        from,
        to,
    };
    let mut rules = vec![
        // Pods speak to the Service `kubernetes`, which leads to the API servers themselves.
        rule(
            Tcp,
            cluster.apiserver_port(),
            "kube-apiserver",
            Everyone,
            ControlPlanes,
        ),
        rule(Tcp, 2379, "etcd", ControlPlanes, ControlPlanes),
        rule(Tcp, 2380, "etcd", ControlPlanes, ControlPlanes),
        rule(Tcp, 10250, "kubelet", ControlPlanes, Nodes),
    ];
    if !matches!(cluster.endpoint.kind, EndpointKind::External) {
        rules.push(rule(
            Tcp,
            cluster.endpoint.port,
            "haproxy",
            Everyone,
            Holders,
        ));
        rules.push(rule(Vrrp, 0, "VRRP", Holders, Holders));
    }
    let between = |proto, number, what| rule(proto, number, what, Nodes, Nodes);
    match &cluster.network.plugin {
        PodNetwork::Flannel(flannel) => match flannel.backend.as_str() {
            "vxlan" => rules.push(between(Udp, flannel.vxlan_port, "flannel")),
            // flannel's own: one interface for each family.
            "wireguard" => {
                for (network, number) in [(4, 51820), (6, 51821)] {
                    let of = |net: &ipnet::IpNet| net.addr().is_ipv4() == (network == 4);
                    if cluster.network.pods.iter().any(of) {
                        rules.push(between(Udp, number, "flannel"));
                    }
                }
            }
            _ => {}
        },
        PodNetwork::Calico { .. } => rules.extend([
            between(Tcp, 179, "Calico"),
            between(Udp, 4789, "Calico"),
            between(Tcp, 5473, "Calico's Typha"),
        ]),
        PodNetwork::Cilium { .. } => rules.extend([
            between(Udp, 8472, "Cilium"),
            between(Tcp, 4240, "Cilium's health check"),
        ]),
        PodNetwork::Manifests(_) | PodNetwork::None => {}
    }
    if cluster.metallb.is_some() {
        rules.push(between(Tcp, 7946, "MetalLB"));
        rules.push(between(Udp, 7946, "MetalLB"));
    }
    rules
}

/// What listens on `host` for others, with the names of those that must reach it, in the order of the inventory.
pub fn inbound<'a>(
    cluster: &'a Cluster,
    host: &Host,
) -> BTreeMap<Port, (&'static str, Vec<&'a Host>)> {
    let mut ports: BTreeMap<Port, (&'static str, Vec<&'a Host>)> = BTreeMap::new();
    for rule in rules(cluster) {
        if !rule.to.has(cluster, host) {
            continue;
        }
        let callers = &mut ports
            .entry(rule.port)
            .or_insert_with(|| (rule.what, Vec::new()))
            .1;
        for caller in &cluster.hosts {
            let known = callers.iter().any(|one| one.name == caller.name);
            if caller.name != host.name && !known && rule.from.has(cluster, caller) {
                callers.push(caller);
            }
        }
    }
    ports.retain(|_, (_, callers)| !callers.is_empty());
    ports
}
