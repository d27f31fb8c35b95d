//! The endpoint: its virtual IP among the addresses of the cluster.

use std::net::IpAddr;

use ipnet::IpNet;

use super::addresses::{Inner, PoolRange};
use crate::inventory::{Cluster, Endpoint, EndpointKind, Host, Vip, context::Context};

fn inside(address: IpAddr, inner: &Inner) -> String {
    format!(
        "{address} lies in the {} {}{}; write another `{}`",
        inner.kind, inner.network, inner.default, inner.key
    )
}

pub fn check(context: &mut Context<'_>, cluster: &Cluster, inner: &[Inner], pools: &[PoolRange]) {
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
