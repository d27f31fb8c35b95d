//! Addresses: who has which, and what must not overlap.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;

use super::endpoint;
use crate::inventory::{
    Cluster, Host, Lab, MetalLb, Pool,
    context::Context,
    forms::{self, AddressRange},
};

/// A network of pods or services and how it was chosen.
pub struct Inner {
    pub network: IpNet,
    /// `pod network`.
    pub kind: &'static str,
    /// `network.pods`.
    pub key: &'static str,
    /// ` (the default)`, or nothing.
    pub default: &'static str,
}

/// A range of a MetalLB pool.
pub struct PoolRange {
    pub pool: String,
    pub index: String,
    pub range: AddressRange,
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
    endpoint::check(context, cluster, &inner, &pools);
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
