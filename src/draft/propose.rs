//! What an expert would choose, from what is seen on the hosts, and why.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::IpNet;

use super::{AUTO, NONE, Proposal, Proposals, Seen, networks};
use crate::{
    inventory::{Role, edit::NewHost},
    observe::InterfaceAddress,
};

/// Windows of addresses for a pool that are asked about.
const WINDOWS: usize = 4;
/// Addresses for the virtual IP that are asked about.
const NEAREST: usize = 6;
/// Interfaces of a pod network: what they carry may be had again.
const INNER: [&str; 6] = ["cni", "flannel", "cali", "kube-", "cilium", "lo"];
const PODS: [&str; 3] = ["10.244.0.0/16", "172.30.0.0/16", "100.64.0.0/16"];
const SERVICES: [&str; 3] = ["10.96.0.0/12", "172.29.0.0/16", "100.80.0.0/16"];
const PODS_V6: [&str; 2] = ["fd00:10:244::/56", "fd00:172:30::/56"];
const SERVICES_V6: [&str; 2] = ["fd00:10:96::/112", "fd00:172:29::/112"];

/// Fills in the node's address where SSH connects by a name, or to an address that is on no interface of the host.
pub fn node_addresses(hosts: &mut [NewHost], seen: &Seen) {
    for host in hosts {
        let Some(sight) = seen.hosts.get(&host.name) else {
            continue;
        };
        let carries = |address: &IpAddr| sight.addresses.iter().any(|one| one.address == *address);
        if node_address(host).is_some_and(|address| carries(&address) && is_global(address)) {
            continue;
        }
        let global = || sight.addresses.iter().filter(|one| is_global(one.address));
        let of_default =
            |one: &&InterfaceAddress| Some(&one.interface) == sight.default_interface.as_ref();
        let found = global().find(of_default).or_else(|| global().next());
        host.node_ip = found.map(|one| one.address).into_iter().collect();
    }
}

fn is_global(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_loopback() && !address.is_link_local(),
        IpAddr::V6(address) => !address.is_loopback() && !address.is_unicast_link_local(),
    }
}

/// The address that a host has in the cluster network, as far as it is known.
fn node_address(host: &NewHost) -> Option<IpAddr> {
    host.node_ip
        .first()
        .copied()
        .or_else(|| host.address.parse().ok())
}

/// Addresses that one of the hosts is to ask about before [`propose`] can call them free.
pub fn to_probe(hosts: &[NewHost], seen: &Seen) -> Vec<IpAddr> {
    let Some(network) = shared_network(hosts, seen) else {
        return Vec::new();
    };
    let used = used(hosts, seen);
    let windows = networks::windows(network, &used).into_iter().take(WINDOWS);
    let nearest = networks::nearest(network, &used, NEAREST);
    nearest.into_iter().chain(windows.flatten()).collect()
}

pub fn propose(hosts: &[NewHost], seen: &Seen) -> Proposals {
    let network = shared_network(hosts, seen);
    let mut used = used(hosts, seen);
    let asked: BTreeSet<IpAddr> = seen.taken.iter().copied().collect();
    used.extend(&asked);
    let vip = network.and_then(|network| networks::nearest(network, &used, 1).pop());
    let endpoint = network
        .zip(vip)
        .map(|(network, vip)| endpoint(network, vip, seen));
    used.extend(vip);
    let nodes = hosts
        .iter()
        .filter(|host| !host.roles.contains(&Role::LoadBalancer))
        .count();
    let pods = inner("pod", hosts, seen, &[]);
    let pod_network: Option<IpNet> = pods.as_ref().and_then(|pods| pods.value.parse().ok());
    Proposals {
        endpoint,
        interface: Some(interface(hosts, seen)),
        metallb: Some(metallb(network, &used, seen)),
        pods,
        services: inner("service", hosts, seen, pod_network.as_slice()),
        longhorn: Some(longhorn(nodes)),
    }
}

/// The network in which all holders of the VIP are: as seen, or the /24 (/64) around them where nobody looked.
fn shared_network(hosts: &[NewHost], seen: &Seen) -> Option<IpNet> {
    let planes = hosts
        .iter()
        .filter(|host| host.roles.contains(&Role::ControlPlane));
    let mut networks = planes.map(|host| network_of(host, seen));
    let first = networks.next()??;
    networks
        .all(|network| network == Some(first))
        .then_some(first)
}

fn network_of(host: &NewHost, seen: &Seen) -> Option<IpNet> {
    let address = node_address(host)?;
    let prefix = match seen.hosts.get(&host.name) {
        Some(sight) => {
            sight
                .addresses
                .iter()
                .find(|one| one.address == address)?
                .prefix
        }
        None if address.is_ipv4() => 24,
        None => 64,
    };
    IpNet::new(address, prefix)
        .ok()
        .map(|network| network.trunc())
}

fn used(hosts: &[NewHost], seen: &Seen) -> Vec<IpAddr> {
    let seen = seen.hosts.values().flat_map(|sight| &sight.addresses);
    let named = hosts.iter().filter_map(node_address);
    named.chain(seen.map(|one| one.address)).collect()
}

/// Whether anybody answered, in the words of a comment.
fn asked(seen: &Seen, subject: &str, answered: &str) -> String {
    match &seen.asker {
        Some(host) => format!("{answered} when {host} asked."),
        None => format!("Nobody asked the network whether {subject}."),
    }
}

fn endpoint(network: IpNet, vip: IpAddr, seen: &Seen) -> Proposal {
    Proposal {
        value: vip.to_string(),
        why: format!(
            "The address in {network} nearest to the control planes that no host has. {} Keep it out of DHCP.",
            asked(seen, "it is free", "Nothing answered for it")
        ),
    }
}

fn interface(hosts: &[NewHost], seen: &Seen) -> Proposal {
    let mut names = BTreeSet::new();
    for host in hosts {
        let carrier = node_address(host).and_then(|address| {
            let sight = seen.hosts.get(&host.name)?;
            let carrier = sight.addresses.iter().find(|one| one.address == address)?;
            Some(carrier.interface.clone())
        });
        let Some(carrier) = carrier else {
            return Proposal {
                value: AUTO.to_owned(),
                why: "Each host's is the one that has its address.".to_owned(),
            };
        };
        names.insert(carrier);
    }
    match names.len() {
        1 => Proposal {
            value: names.pop_first().unwrap_or_default(),
            why: "It has the address of every host.".to_owned(),
        },
        _ => Proposal {
            value: AUTO.to_owned(),
            why: format!(
                "Hosts have their addresses on different ones ({}); each host's is the one that has its address.",
                names.into_iter().collect::<Vec<_>>().join(", ")
            ),
        },
    }
}

fn metallb(network: Option<IpNet>, used: &[IpAddr], seen: &Seen) -> Proposal {
    let window = network.and_then(|network| {
        let window = networks::windows(network, used).into_iter().next()?;
        Some((network, *window.first()?, *window.last()?, window.len()))
    });
    match window {
        Some((network, first, last, count)) => Proposal {
            value: format!("{first}-{last}"),
            why: format!(
                "{count} addresses of {network} that no host has. {} Keep them out of DHCP.",
                asked(seen, "they are free", "Nothing answered for any of them")
            ),
        },
        None => Proposal {
            value: NONE.to_owned(),
            why: "No stretch of free addresses is known.".to_owned(),
        },
    }
}

/// The first network of a list that overlaps nothing that hosts reach directly.
fn inner(kind: &str, hosts: &[NewHost], seen: &Seen, also: &[IpNet]) -> Option<Proposal> {
    let v4 = hosts
        .iter()
        .find_map(node_address)
        .is_none_or(|address| address.is_ipv4());
    let choices: &[&str] = match (kind, v4) {
        ("pod", true) => &PODS,
        ("pod", false) => &PODS_V6,
        (_, true) => &SERVICES,
        (_, false) => &SERVICES_V6,
    };
    let outer: Vec<IpNet> = seen
        .hosts
        .values()
        .flat_map(|sight| &sight.addresses)
        .filter(|one| !INNER.iter().any(|name| one.interface.starts_with(name)))
        .filter_map(|one| IpNet::new(one.address, one.prefix).ok())
        .chain(hosts.iter().filter_map(node_address).map(IpNet::from))
        .collect();
    let overlaps = |one: &IpNet, other: &IpNet| one.contains(other) || other.contains(one);
    let mut refused = None;
    for choice in choices {
        let network: IpNet = choice.parse().ok()?;
        let mut reached = outer.iter().chain(also);
        if let Some(other) = reached.find(|other| overlaps(&network, other)) {
            refused.get_or_insert((network, other.trunc()));
            continue;
        }
        let why = match refused {
            None if seen.hosts.is_empty() => {
                "The usual one; no host was asked what it reaches there.".to_owned()
            }
            None => "The usual one; it overlaps nothing that the hosts reach directly.".to_owned(),
            Some((usual, other)) => {
                format!("The usual {usual} overlaps {other}, which the hosts reach directly.")
            }
        };
        return Some(Proposal {
            value: network.to_string(),
            why,
        });
    }
    None
}

fn longhorn(nodes: usize) -> Proposal {
    let (value, why) = if nodes >= 3 {
        (
            "yes",
            "With three nodes or more, a volume outlives any one of them.",
        )
    } else {
        (
            "no",
            "With fewer than three nodes, a volume cannot have three copies.",
        )
    };
    Proposal {
        value: value.to_owned(),
        why: why.to_owned(),
    }
}
