//! Addresses: who has which, and what must not overlap.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;

use crate::inventory::{
    Cluster, Endpoint, EndpointKind, Host, Lab, MetalLb, Pool, Vip,
    context::Context,
    forms::{self, AddressRange},
};

/// A network of pods or services and how it was chosen.
struct Inner {
    network: IpNet,
    /// `pod network`.
    kind: &'static str,
    /// `network.pods`.
    key: &'static str,
    /// ` (the default)`, or nothing.
    default: &'static str,
}

/// A range of a MetalLB pool.
struct PoolRange {
    pool: String,
    index: String,
    range: AddressRange,
}

pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    let inner = inner_networks(context, cluster);
    let pools = cluster
        .metallb
        .as_ref()
        .map(pool_ranges)
        .unwrap_or_default();
    inner_overlap(context, &inner);
    hosts_inside(context, cluster, &inner);
    unique(context, cluster);
    for host in &cluster.hosts {
        host_addresses(context, host, &pools);
    }
    endpoint(context, cluster, &inner, &pools);
    pool_overlap(context, &inner, &pools);
    if let Some(lab) = &cluster.lab {
        self::lab(context, cluster, lab, &pools);
    }
}

fn inner_networks(context: &Context<'_>, cluster: &Cluster) -> Vec<Inner> {
    let default = |key: &str| {
        if context.has(&["network", key]) {
            ""
        } else {
            " (the default)"
        }
    };
    let kinds = [
        (
            &cluster.network.pods,
            "pod network",
            "network.pods",
            default("pods"),
        ),
        (
            &cluster.network.services,
            "service network",
            "network.services",
            default("services"),
        ),
    ];
    let each = kinds
        .into_iter()
        .flat_map(|(networks, kind, key, default)| {
            networks.iter().map(move |network| Inner {
                network: *network,
                kind,
                key,
                default,
            })
        });
    each.collect()
}

/// Ranges of all pools, as they were normalised.
fn pool_ranges(metallb: &MetalLb) -> Vec<PoolRange> {
    let of = |pool: &Pool| {
        let name = pool.name.clone();
        let ranges = pool.addresses.iter().enumerate();
        ranges
            .filter_map(|(index, text)| {
                let range = forms::range(text).ok()?;
                Some(PoolRange {
                    pool: name.clone(),
                    index: format!("[{index}]"),
                    range,
                })
            })
            .collect::<Vec<_>>()
    };
    metallb.pools.iter().flat_map(of).collect()
}

/// Records a mistake where a range stands, however short it was written.
fn refuse_range(context: &mut Context<'_>, at: &PoolRange, message: String) {
    let index = at.index.as_str();
    if context.has(&["metallb", "pools", &at.pool, "addresses"]) {
        context.refuse(&["metallb", "pools", &at.pool, "addresses", index], message);
    } else if context.has(&["metallb", "pools", &at.pool]) {
        context.refuse(&["metallb", "pools", &at.pool, index], message);
    } else {
        context.refuse(&["metallb", index], message);
    }
}

fn inner_overlap(context: &mut Context<'_>, inner: &[Inner]) {
    for (index, one) in inner.iter().enumerate() {
        for other in &inner[..index] {
            if one.network.contains(&other.network) || other.network.contains(&one.network) {
                let message = format!(
                    "the {} {}{} and the {} {}{} overlap; write networks that are apart",
                    one.kind, one.network, one.default, other.kind, other.network, other.default
                );
                let written = if one.default.is_empty() {
                    one.key
                } else {
                    other.key
                };
                let path: Vec<&str> = written.split('.').collect();
                context.refuse(&path, message);
            }
        }
    }
}

fn unique(context: &mut Context<'_>, cluster: &Cluster) {
    let mut logins: HashMap<(&str, Option<u16>), &str> = HashMap::new();
    let mut addresses: HashMap<IpAddr, &str> = HashMap::new();
    for host in &cluster.hosts {
        let name = host.name.as_str();
        let same_login = logins.insert((&host.address, host.ssh.port), name);
        if let Some(other) = same_login {
            context.refuse(
                &["hosts", name, "address"],
                format!(
                    "{} is the address of `{other}` too; write the host's own",
                    host.address
                ),
            );
        }
        for address in [Some(host.node_ip), host.node_ip_v6].into_iter().flatten() {
            if let Some(other) = addresses
                .insert(address, name)
                .filter(|other| *other != name && same_login.is_none())
            {
                let message =
                    format!("{address} is the node address of `{other}` too; write the host's own");
                context.refuse(&["hosts", name, "node-ip"], message);
            }
        }
    }
}

/// Hosts in a pod or service network: one mistake for each network, where it is written.
fn hosts_inside(context: &mut Context<'_>, cluster: &Cluster, inner: &[Inner]) {
    for inner in inner {
        let is_inside = |host: &&Host| {
            let mut addresses = [Some(host.node_ip), host.node_ip_v6].into_iter().flatten();
            addresses.any(|address| inner.network.contains(&address))
        };
        let hosts: Vec<&Host> = cluster.hosts.iter().filter(is_inside).collect();
        let Some(first) = hosts.first() else { continue };
        let more = match hosts.len() {
            1 => "lies".to_owned(),
            n => format!("and {} more lie", n - 1),
        };
        let message = format!(
            "{} ({}) {more} in the {} {}{}; write another `{}`",
            first.name, first.node_ip, inner.kind, inner.network, inner.default, inner.key
        );
        if inner.default.is_empty() {
            let path: Vec<&str> = inner.key.split('.').collect();
            context.refuse(&path, message);
        } else {
            context.refuse(&["hosts", &first.name, "address"], message);
        }
    }
}

fn host_addresses(context: &mut Context<'_>, host: &Host, pools: &[PoolRange]) {
    let written = if context.has(&["hosts", &host.name, "node-ip"]) {
        "node-ip"
    } else {
        "address"
    };
    for address in [Some(host.node_ip), host.node_ip_v6].into_iter().flatten() {
        let path = ["hosts", host.name.as_str(), written];
        if address.is_unspecified() || address.is_multicast() {
            context.refuse(&path, format!("{address} cannot be a host's address; write the one that `ip address` shows on it"));
        }
        for range in pools.iter().filter(|range| range.range.contains(address)) {
            let message = format!(
                "{address} lies in the MetalLB pool `{}` ({}), whose addresses must be free; take it out of the pool",
                range.pool, range.range.text
            );
            context.refuse(&path, message);
        }
    }
}

fn inside(address: IpAddr, inner: &Inner) -> String {
    format!(
        "{address} lies in the {} {}{}; write another `{}`",
        inner.kind, inner.network, inner.default, inner.key
    )
}

fn endpoint(context: &mut Context<'_>, cluster: &Cluster, inner: &[Inner], pools: &[PoolRange]) {
    let path = ["endpoint", "vip"];
    let vip = match &cluster.endpoint.kind {
        EndpointKind::Vip(vip) | EndpointKind::LoadBalancers(vip) => vip,
        EndpointKind::External => return external(context, cluster, &cluster.endpoint),
    };
    let address = vip.address;
    for host in cluster
        .hosts
        .iter()
        .filter(|host| has_address(host, address))
    {
        context.refuse(
            &path,
            format!(
                "{address} is the address of `{}`; write a free address of the hosts' network",
                host.name
            ),
        );
    }
    for inner in inner
        .iter()
        .filter(|inner| inner.network.contains(&address))
    {
        context.refuse(&path, inside(address, inner));
    }
    for range in pools.iter().filter(|range| range.range.contains(address)) {
        let message = format!(
            "{address} lies in the MetalLB pool `{}` ({}), so that a Service could get it; take it out of the pool",
            range.pool, range.range.text
        );
        context.refuse(&path, message);
    }
    let strangers =
        |host: &&Host| host.node_ip.is_ipv4() != address.is_ipv4() && host.node_ip_v6.is_none();
    let others = names(cluster.vip_holders().filter(strangers));
    if !others.is_empty() {
        let message = format!(
            "{address} is of another family than the addresses of {others}; write a virtual IP of the hosts' network"
        );
        context.refuse(&path, message);
    }
    vip_network(context, cluster, vip);
}

/// A VIP with the prefix length of its network: its holders must lie inside.
fn vip_network(context: &mut Context<'_>, cluster: &Cluster, vip: &Vip) {
    let (path, address) = (["endpoint", "vip"], vip.address);
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let Ok(network) = IpNet::new(address, vip.prefix) else {
        return;
    };
    if vip.prefix == longest {
        return;
    }
    if address == network.network()
        || address.is_ipv4() && address == network.broadcast() && vip.prefix < 31
    {
        context.refuse(
            &path,
            format!(
                "{address} is the network or broadcast address of {}; write another",
                network.trunc()
            ),
        );
    }
    let outside = |host: &&Host| {
        !network.contains(&host.node_ip) && !host.node_ip_v6.is_some_and(|v6| network.contains(&v6))
    };
    let others = names(cluster.vip_holders().filter(outside));
    if !others.is_empty() {
        let message = format!(
            "{address} is to be held by {others}, outside of its network {}; write a VIP of the hosts' network, or the right prefix length",
            network.trunc()
        );
        context.refuse(&path, message);
    }
}

/// `cp1 (10.0.0.11), cp2 (10.0.0.12)`.
fn names<'a>(hosts: impl Iterator<Item = &'a Host>) -> String {
    let names: Vec<String> = hosts
        .map(|host| format!("{} ({})", host.name, host.node_ip))
        .collect();
    names.join(", ")
}

fn has_address(host: &Host, address: IpAddr) -> bool {
    host.node_ip == address
        || host.node_ip_v6 == Some(address)
        || host.address.parse() == Ok(address)
}

/// An endpoint of the user's own: it may be the only control plane itself, but not one of several.
fn external(context: &mut Context<'_>, cluster: &Cluster, endpoint: &Endpoint) {
    let Ok(address) = endpoint.host.parse::<IpAddr>() else {
        return;
    };
    let Some(host) = cluster
        .control_planes()
        .find(|host| has_address(host, address))
    else {
        return;
    };
    if cluster.control_planes().count() > 1 {
        let message = format!(
            "{address} is the address of `{}` alone, and the API would go down with it; write a free address as `vip`",
            host.name
        );
        context.refuse(&["endpoint", "external"], message);
    } else if endpoint.port != 6443 {
        context.refuse(
            &["endpoint", "port"],
            format!(
                "the API server itself listens on 6443, not on {}; write `{address}:6443`",
                endpoint.port
            ),
        );
    }
}

fn pool_overlap(context: &mut Context<'_>, inner: &[Inner], pools: &[PoolRange]) {
    for (index, one) in pools.iter().enumerate() {
        for inner in inner
            .iter()
            .filter(|inner| one.range.overlaps_network(&inner.network))
        {
            let message = format!(
                "{} overlaps the {} {}{}; write addresses of the hosts' network",
                one.range.text, inner.kind, inner.network, inner.default
            );
            refuse_range(context, one, message);
        }
        for other in pools[..index]
            .iter()
            .filter(|other| one.range.overlaps(&other.range))
        {
            let message = format!(
                "{} overlaps {} of pool `{}`; each address belongs to one pool",
                one.range.text, other.range.text, other.pool
            );
            refuse_range(context, one, message);
        }
    }
}

/// Everything in the lab lies in its bridge network, whose first address is the engine's.
fn lab(context: &mut Context<'_>, cluster: &Cluster, lab: &Lab, pools: &[PoolRange]) {
    let subnet = lab.subnet;
    let gateway = subnet.hosts().next();
    for host in &cluster.hosts {
        let path = ["hosts", host.name.as_str(), "address"];
        if !subnet.contains(&host.node_ip) {
            context.refuse(
                &path,
                format!(
                    "{} lies outside of the lab's network {subnet}; write an address of it",
                    host.node_ip
                ),
            );
        } else if Some(host.node_ip) == gateway
            || host.node_ip == subnet.network()
            || host.node_ip == subnet.broadcast()
        {
            context.refuse(
                &path,
                format!(
                    "{} is taken in {subnet} (network, gateway or broadcast); write another",
                    host.node_ip
                ),
            );
        }
    }
    if let Some(vip) = cluster.vip().filter(|vip| !subnet.contains(&vip.address)) {
        context.refuse(
            &["endpoint", "vip"],
            format!(
                "{} lies outside of the lab's network {subnet}; write an address of it",
                vip.address
            ),
        );
    }
    for range in pools.iter().filter(|range| range.range.from.is_ipv4()) {
        if !subnet.contains(&range.range.from) || !subnet.contains(&range.range.to) {
            refuse_range(
                context,
                range,
                format!(
                    "{} lies outside of the lab's network {subnet}; write addresses of it",
                    range.range.text
                ),
            );
        }
    }
}
