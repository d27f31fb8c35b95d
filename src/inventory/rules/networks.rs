//! Pod and service networks: families, sizes, and room for all nodes.

use ipnet::IpNet;

use crate::inventory::{Cluster, Host, PodNetwork, context::Context};

/// kubelet's `maxPods` where nothing is written.
const MAX_PODS: u64 = 110;

pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    let network = &cluster.network;
    let fit =
        families(context, "pods", &network.pods) & families(context, "services", &network.services);
    if !fit {
        return;
    }
    if network.pods.len() != network.services.len() {
        let message = format!(
            "pods have {} and services {}; write one network, or an IPv4 and an IPv6 one, for both",
            networks(network.pods.len()),
            networks(network.services.len())
        );
        let key = if context.has(&["network", "services"]) {
            "services"
        } else {
            "pods"
        };
        context.refuse(&["network", key], message);
        return;
    }
    if families_of(&network.pods) != families_of(&network.services) {
        let message = "has its families in another order than `pods`; write both with IPv4 first, or both with IPv6 first";
        context.refuse(&["network", "services"], message);
    }
    for services in &network.services {
        let shortest = if services.addr().is_ipv4() { 12 } else { 108 };
        if services.prefix_len() < shortest {
            let message = format!(
                "{services} is larger than kube-apiserver takes; write `{}/{shortest}`",
                services.addr()
            );
            context.refuse(&["network", "services"], message);
        }
        let longest = if services.addr().is_ipv4() { 28 } else { 124 };
        if services.prefix_len() > longest {
            let message = format!(
                "{services} is too small: the tenth address is that of DNS; write a network of /{longest} or shorter"
            );
            context.refuse(&["network", "services"], message);
        }
    }
    for (index, pods) in network.pods.iter().enumerate() {
        if let Some(mask) = network.node_mask.get(index) {
            capacity(context, cluster, *pods, *mask);
        }
    }
    for host in cluster.nodes() {
        node_families(context, cluster, host);
    }
}

fn networks(count: usize) -> String {
    match count {
        1 => "1 network".to_owned(),
        n => format!("{n} networks"),
    }
}

fn families_of(networks: &[IpNet]) -> Vec<bool> {
    networks
        .iter()
        .map(|network| network.addr().is_ipv4())
        .collect()
}

/// Whether there is one network, or one of each family.
fn families(context: &mut Context<'_>, key: &str, networks: &[IpNet]) -> bool {
    let fits = match networks {
        [_] => true,
        [first, second] => first.addr().is_ipv4() != second.addr().is_ipv4(),
        _ => false,
    };
    if !fits {
        context.refuse(&["network", key], "takes one network, or an IPv4 and an IPv6 one; write `[10.244.0.0/16, fd00:10:244::/56]`");
    }
    fits
}

fn capacity(context: &mut Context<'_>, cluster: &Cluster, pods: IpNet, mask: u8) {
    let longest = if pods.addr().is_ipv4() { 30 } else { 126 };
    if mask <= pods.prefix_len() && cluster.nodes().count() > 1
        || mask < pods.prefix_len()
        || mask > longest
    {
        let message = format!(
            "/{mask} is no part of {pods} for each node; write a length from {} to {longest}",
            pods.prefix_len() + 1
        );
        context.refuse(&["network", "node-mask"], message);
        return;
    }
    if mask - pods.prefix_len() > 16 {
        let message = format!(
            "kube-controller-manager divides {pods} at most 2^16 times; write a node mask of at most {}",
            pods.prefix_len() + 16
        );
        context.refuse(&["network", "node-mask"], message);
        return;
    }
    let (nodes, room) = (
        cluster.nodes().count() as u64,
        1_u64 << (mask - pods.prefix_len()),
    );
    if nodes > room {
        let bits = u64::BITS - (nodes - 1).leading_zeros();
        let prefix = u32::from(mask).saturating_sub(bits);
        let message = format!(
            "{pods} has room for {room} nodes with /{mask} each, and there are {nodes}; write a network of /{prefix} or shorter, or a longer `node-mask`"
        );
        context.refuse(&["network", "pods"], message);
    }
    if pods.addr().is_ipv4() && matches!(cluster.network.plugin, PodNetwork::Flannel(_)) {
        pods_per_node(context, cluster, mask);
    }
}

/// A node must have an address for each pod that kubelet lets it run.
fn pods_per_node(context: &mut Context<'_>, cluster: &Cluster, mask: u8) {
    let room = (1_u64 << (32 - mask)) - 2;
    let common = cluster
        .kubelet
        .config
        .get("maxPods")
        .and_then(serde_json::Value::as_u64);
    let advice = |most: u64| {
        format!(
            "kubelet allows {most} pods, and /{mask} has addresses for {room} on a node; write `maxPods: {room}` or less, or a shorter `network.node-mask`"
        )
    };
    let most = common.unwrap_or(MAX_PODS);
    if most > room {
        let path: &[&str] = if common.is_some() {
            &["kubelet", "config", "maxPods"]
        } else {
            &["network", "node-mask"]
        };
        context.refuse(path, advice(most));
    }
    for host in cluster.nodes() {
        let own = host
            .kubelet
            .get("maxPods")
            .and_then(serde_json::Value::as_u64);
        if let Some(most) = own.filter(|most| *most > room) {
            context.refuse_host(host, &["kubelet", "maxPods"], advice(most));
        }
    }
}

/// A node needs an address of every family that pods have, the first family first.
fn node_families(context: &mut Context<'_>, cluster: &Cluster, host: &Host) {
    let path = ["hosts", host.name.as_str(), "node-ip"];
    let Some(first) = cluster.network.pods.first() else {
        return;
    };
    let name = |ipv4: bool| if ipv4 { "IPv4" } else { "IPv6" };
    match (cluster.network.pods.len(), host.node_ip_v6) {
        (1, None) if first.addr().is_ipv4() != host.node_ip.is_ipv4() => {
            let message = format!(
                "the node has an {} address and pods have an {} network; write `network.pods` and `network.services` of the nodes' family",
                name(host.node_ip.is_ipv4()),
                name(first.addr().is_ipv4())
            );
            context.refuse(&path, message);
        }
        (1, Some(second)) => {
            let message = format!(
                "{second} is of no use while pods have one network; write an IPv6 network in `network.pods` and `network.services` too"
            );
            context.refuse(&path, message);
        }
        (2, None) => {
            let message =
                "pods have IPv4 and IPv6, and the node one address; write `node-ip: [IPV4, IPV6]`";
            context.refuse(&path, message);
        }
        _ => {}
    }
}
