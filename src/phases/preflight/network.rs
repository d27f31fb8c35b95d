//! Addresses, ports and names.

use std::net::IpAddr;

use super::{Found, Level, Look};
use crate::{inventory::PodNetwork, observe};

pub(super) fn address(look: &Look<'_>) -> Vec<Found> {
    let (host, facts) = (look.host, look.facts);
    if facts.addresses.is_empty() {
        return vec![Found::unknown(
            "`ip` is not on the host",
            "the node's address on an interface",
            "install iproute2",
        )];
    }
    let mut found = Vec::new();
    for address in std::iter::once(host.node_ip).chain(host.node_ip_v6) {
        if facts.interface_of(address).is_none() {
            let have: Vec<String> = facts
                .addresses
                .iter()
                .filter(|one| !one.address.is_loopback() && !link_local(one.address))
                .map(|one| format!("{} on {}", one.address, one.interface))
                .collect();
            found.push(Found::new(
                Level::Failure,
                format!("{address} is on no interface; there are {}", have.join(", ")),
                "the node's address on an interface of the host",
                "set `node-ip` of the host to the right one: behind NAT it is not the one that SSH uses",
            ));
        }
    }
    if let Some(interface) = &host.interface
        && !facts
            .addresses
            .iter()
            .any(|one| one.interface == *interface)
    {
        found.push(Found::new(
            Level::Failure,
            format!("no interface `{interface}` with an address"),
            "the interface that the inventory names",
            "correct `interface` of the host, or leave it out",
        ));
    }
    found
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

pub(super) fn vip(look: &Look<'_>) -> Vec<Found> {
    let Some(vip) = look.cluster.vip() else {
        return Vec::new();
    };
    let address = vip.address;
    let holder = look
        .cluster
        .vip_holders()
        .any(|host| host.name == look.host.name);
    let mut found = Vec::new();
    if look.facts.kube.holds_vip && !holder {
        found.push(Found::new(
            Level::Failure,
            format!("{address} is on an interface of this host"),
            "the virtual IP on hosts that run keepalived alone",
            "remove it from the host's network configuration, or choose another one",
        ));
    }
    if holder {
        found.extend(outside(look, address));
        found.extend(answered(look, address));
    }
    found
}

/// The virtual IP must be in the network of the interface that carries it.
fn outside(look: &Look<'_>, vip: IpAddr) -> Option<Found> {
    let facts = look.facts;
    let interface = look
        .host
        .interface
        .as_deref()
        .or_else(|| facts.interface_of(look.host.node_ip))?;
    let inside = facts
        .addresses
        .iter()
        .filter(|one| one.interface == interface && one.address != vip)
        .filter_map(|one| ipnet::IpNet::new(one.address, one.prefix).ok())
        .any(|net| net.contains(&vip));
    (!inside).then(|| {
        Found::new(
            Level::Warning,
            format!("{vip} is in no network of {interface}"),
            "a virtual IP that its neighbours ask for by ARP",
            "choose an address of the hosts' network, or see that routers send it to this one",
        )
    })
}

/// Who answered for the virtual IP.
fn answered(look: &Look<'_>, vip: IpAddr) -> Vec<Found> {
    let facts = look.facts;
    let mine = |name: &str| {
        look.seen
            .hosts
            .get(name)
            .is_some_and(|seen| seen.facts.kube.holds_vip)
    };
    let fix = "choose another address for the endpoint, or take it from who has it";
    if facts.kube.holds_vip {
        return Vec::new();
    }
    if facts.one("vip-asked") != "yes" && !look.seen.hosts.keys().any(|name| mine(name)) {
        return vec![Found::unknown(
            "nothing on the host could ask for it, or the interface is not known",
            format!("{vip} free"),
            "install iputils-arping, or see that nobody uses the address",
        )];
    }
    facts
        .all("vip-answer")
        .iter()
        .filter_map(|answer| {
            let answer = answer.to_lowercase();
            let of = look.cluster.hosts.iter().find(|host| {
                look.seen.hosts.get(&host.name).is_some_and(|seen| {
                    seen.facts
                        .all("mac")
                        .iter()
                        .any(|line| line.split(' ').nth(1) == Some(answer.as_str()))
                })
            });
            match of {
                // It may have moved on since that host said what it has.
                Some(host) if look.cluster.vip_holders().any(|one| one.name == host.name) => None,
                Some(host) => Some(format!("{} ({answer}) answers for {vip}", host.name)),
                // A host of ours that did not answer us may well hold it.
                None if look
                    .cluster
                    .vip_holders()
                    .any(|host| look.seen.unreachable.contains_key(&host.name)) =>
                {
                    None
                }
                None => Some(format!("{answer}, none of the hosts, answers for {vip}")),
            }
        })
        .map(|found| {
            Found::new(
                Level::Failure,
                found,
                "a virtual IP that is free, or held by keepalived on our hosts",
                fix,
            )
        })
        .collect()
}

pub(super) fn ports(look: &Look<'_>) -> Vec<Found> {
    /// Programs of Kubernetes, by the first 15 letters, as the kernel keeps them.
    const KUBERNETES: &[&str] = &[
        "kubelet",
        "kube-apiserver",
        "kube-controller",
        "kube-scheduler",
        "kube-proxy",
        "etcd",
    ];
    let facts = look.facts;
    if facts.all("missing").iter().any(|one| one == "ss") {
        return vec![Found::unknown(
            "`ss` is not on the host",
            "free ports",
            "install iproute2",
        )];
    }
    let kube = &facts.kube;
    let ours = kube.kubelet_conf || kube.admin_conf || !kube.manifests.is_empty();
    let wanted = observe::ports(look.cluster, look.host);
    let mut found: Vec<(u16, String, String)> = Vec::new();
    for line in facts.all("port") {
        let mut words = line.split(' ');
        let Some(port) = words.next().and_then(|port| port.parse::<u16>().ok()) else {
            continue;
        };
        let owner = words.nth(1).unwrap_or_default();
        let Some(owners) = wanted.get(&port) else {
            continue;
        };
        let fine = (ours && KUBERNETES.contains(&owner))
            || (owner == "haproxy" && owners.contains(&"haproxy"));
        if !fine && !found.iter().any(|(known, ..)| *known == port) {
            let owner = if owner.is_empty() {
                "a program without a name"
            } else {
                owner
            };
            found.push((port, owner.to_owned(), owners.join(" or ")));
        }
    }
    found
        .into_iter()
        .map(|(port, owner, owners)| {
            Found::new(
                Level::Failure,
                format!("port {port} is used by {owner}"),
                format!("the port for {owners}"),
                format!(
                    "stop it (`ss -ltnp sport = :{port}` shows the process), or use another host"
                ),
            )
        })
        .collect()
}

pub(super) fn resolv_conf(look: &Look<'_>) -> Vec<Found> {
    let facts = look.facts;
    if !look.host.is_node() || look.cluster.kubelet.config.contains_key("resolvConf") {
        return Vec::new();
    }
    let file = &facts.resolv_conf;
    let servers = facts.all("nameserver");
    if servers.is_empty() {
        return vec![Found::new(
            Level::Warning,
            format!("no name server in {file}"),
            "name servers that pods inherit for names outside the cluster",
            format!("add `nameserver ADDRESS` to {file}"),
        )];
    }
    let own: Vec<&str> = servers
        .iter()
        .map(String::as_str)
        .filter(|server| server.parse::<IpAddr>().is_ok_and(|one| one.is_loopback()))
        .collect();
    if own.is_empty() {
        return Vec::new();
    }
    vec![Found::new(
        look.real(),
        format!("{file} names {}", own.join(", ")),
        "name servers that a pod can reach: CoreDNS would ask itself and stop with `Loop detected`",
        "put the real name servers into a file and name it: `kubelet: {config: {resolvConf: FILE}}`",
    )]
}

pub(super) fn firewall(look: &Look<'_>) -> Vec<Found> {
    let facts = look.facts;
    let mut running = Vec::new();
    if facts.unit_active("firewalld.service") {
        running.push("firewalld");
    }
    if facts.one("ufw") == "enabled" {
        running.push("ufw");
    }
    if running.is_empty() {
        return Vec::new();
    }
    vec![Found::new(
        Level::Warning,
        format!("{} is active", running.join(" and ")),
        format!(
            "these let through between the hosts: {}",
            needed_ports(look)
        ),
        "open them, and the pod and service networks; no firewall is changed for you",
    )]
}

/// What other hosts must reach here.
fn needed_ports(look: &Look<'_>) -> String {
    let cluster = look.cluster;
    let mut ports: Vec<String> = observe::ports(cluster, look.host)
        .iter()
        // The load balancer's status page is for the host itself.
        .filter(|(port, _)| {
            cluster
                .vip()
                .is_none_or(|vip| vip.haproxy.stats_port != **port)
        })
        .map(|(port, owners)| format!("tcp {port} ({})", owners.join(", ")))
        .collect();
    if cluster
        .vip_holders()
        .any(|host| host.name == look.host.name)
    {
        ports.push("protocol 112 (VRRP)".to_owned());
    }
    if look.host.is_node() {
        ports.push("tcp and udp 30000-32767 (NodePorts)".to_owned());
        match &cluster.network.plugin {
            PodNetwork::Flannel(flannel) if flannel.backend == "vxlan" => {
                ports.push(format!("udp {} (flannel)", flannel.vxlan_port));
            }
            PodNetwork::Calico { .. } => ports.push("tcp 179, udp 4789 (Calico)".to_owned()),
            PodNetwork::Cilium { .. } => ports.push("udp 8472, tcp 4240 (Cilium)".to_owned()),
            _ => {}
        }
        if cluster.metallb.is_some() {
            ports.push("tcp and udp 7946 (MetalLB)".to_owned());
        }
    }
    ports.join(", ")
}
