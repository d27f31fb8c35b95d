//! kube-proxy, the control plane's components, ports.

use crate::inventory::{Cluster, Component, EndpointKind, PodNetwork, context::Context, forms};

/// Files that kubeadm patches: `target[suffix][+type].extension`.
const PATCH_TARGETS: [&str; 6] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubeletconfiguration",
    "corednsdeployment",
    "etcd",
];

pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    kube_proxy(context, cluster);
    components(context, cluster);
    patches(context, cluster);
    ports(context, cluster);
    calico(context, cluster);
    if let Some(guarantees) = &cluster.control_plane.guarantees {
        const COMPONENTS: [&str; 4] = [
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "etcd",
        ];
        for name in guarantees
            .resources
            .keys()
            .filter(|name| !COMPONENTS.contains(&name.as_str()))
        {
            let near = crate::inventory::keys::nearest(name, COMPONENTS.into_iter())
                .unwrap_or("kube-apiserver");
            let message = format!(
                "`{name}` is no component of the control plane; write `{near}` (of {})",
                COMPONENTS.join(", ")
            );
            context.refuse_key(&["control-plane", "guarantees", "resources", name], message);
        }
    }
    for (index, san) in cluster.control_plane.cert_sans.iter().enumerate() {
        let name = san.strip_prefix("*.").unwrap_or(san);
        if san.parse::<std::net::IpAddr>().is_err() && forms::dns_subdomain(name).is_err() {
            let message = format!(
                "`{san}` is neither an address nor a DNS name; write one such as `api.example.org`"
            );
            context.refuse(
                &["control-plane", "cert-sans", &format!("[{index}]")],
                message,
            );
        }
    }
    if let PodNetwork::Flannel(flannel) = &cluster.network.plugin
        && flannel.backend == "wireguard"
        && flannel.mtu.is_some_and(|mtu| mtu > 1440)
    {
        context.refuse(
            &["network", "plugin", "flannel", "mtu"],
            "WireGuard takes 60 bytes of each packet; write at most 1440 on an Ethernet of 1500",
        );
    }
    if cluster.endpoint.host.parse::<std::net::IpAddr>().is_err()
        && !cluster.endpoint.host.is_empty()
        && let Err(why) = forms::dns_subdomain(&cluster.endpoint.host)
    {
        context.refuse(
            &["endpoint", "name"],
            format!("`{}` {why}", cluster.endpoint.host),
        );
    }
}

fn calico(context: &mut Context<'_>, cluster: &Cluster) {
    if let PodNetwork::Calico { version, .. } = &cluster.network.plugin
        && semver::Version::parse(version.trim_start_matches('v'))
            .is_ok_and(|version| (version.major, version.minor) >= (3, 32))
    {
        let message = format!(
            "the chart of Calico {version} brings no CRDs, and its operator does not start without them; write `{}`, or bring manifests of your own as `plugin: {{manifests: PATH}}`",
            crate::catalog::catalog().default_version("calico")
        );
        context.refuse(&["network", "plugin", "calico", "version"], message);
    }
}

fn kube_proxy(context: &mut Context<'_>, cluster: &Cluster) {
    let proxy = &cluster.kube_proxy;
    let minor = cluster.version.minor;
    match proxy.mode.as_str() {
        "nftables" if minor < 31 => {
            let message = format!(
                "nftables needs Kubernetes 1.31 or newer, and this is {}; write `iptables`",
                cluster.version
            );
            context.refuse(&["kube-proxy", "mode"], message);
        }
        "nftables" if minor < 33 => {
            context.warn(format!(
                "kube-proxy mode nftables is beta in Kubernetes {}; it is stable from 1.33 on",
                cluster.version
            ));
        }
        "ipvs" if minor >= 35 => {
            context.warn("kube-proxy mode ipvs is deprecated since Kubernetes 1.35; nftables takes its place");
        }
        _ => {}
    }
    let strict_arp = proxy
        .config
        .get("ipvs")
        .and_then(|ipvs| ipvs.get("strictARP"));
    if strict_arp == Some(&serde_json::Value::Bool(false)) {
        let message = "kube-proxy would answer ARP for every Service address, which breaks MetalLB and the VIP; remove it: strict ARP is always on";
        context.refuse(&["kube-proxy", "config", "ipvs", "strictARP"], message);
    }
    let replaced = matches!(
        cluster.network.plugin,
        PodNetwork::Cilium { .. }
            | PodNetwork::Calico { .. }
            | PodNetwork::Manifests(_)
            | PodNetwork::None
    );
    if !proxy.enabled && !replaced {
        context.refuse(&["kube-proxy", "enabled"], "flannel needs kube-proxy; remove it, or use a plugin that replaces kube-proxy, such as `cilium`");
    }
}

fn components(context: &mut Context<'_>, cluster: &Cluster) {
    if cluster.version.minor >= 31 {
        return;
    }
    let plane = &cluster.control_plane;
    let all: [(&str, &Component); 4] = [
        ("api-server", &plane.api_server),
        ("controller-manager", &plane.controller_manager),
        ("scheduler", &plane.scheduler),
        ("etcd", &plane.etcd),
    ];
    for (key, component) in all {
        if !component.env.is_empty() {
            let message = format!(
                "kubeadm takes environment variables from Kubernetes 1.31 on, and this is {}; remove them, or use `patches`",
                cluster.version
            );
            context.refuse_key(&["control-plane", key, "env"], message);
        }
        for pair in component
            .args
            .windows(2)
            .filter(|pair| pair[0].0 == pair[1].0)
        {
            let message = format!(
                "kubeadm repeats a flag from Kubernetes 1.31 on, and this is {}; write one value",
                cluster.version
            );
            context.refuse(&["control-plane", key, "args", &pair[0].0], message);
        }
    }
}

fn patches(context: &mut Context<'_>, cluster: &Cluster) {
    for name in cluster.control_plane.patches.keys() {
        let path = ["control-plane", "patches", name.as_str()];
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let (target, kind) = stem.split_once('+').unwrap_or((stem, "strategic"));
        let known = PATCH_TARGETS.iter().any(|known| target.starts_with(known));
        let fits = known
            && matches!(kind, "strategic" | "merge" | "json")
            && matches!(extension, "yaml" | "json");
        if !fits {
            let message = format!(
                "`{name}` is no name of a kubeadm patch; write `TARGET+TYPE.yaml`, such as `kube-apiserver+strategic.yaml` (targets: {}; types: strategic, merge, json)",
                PATCH_TARGETS.join(", ")
            );
            context.refuse_key(&path, message);
        } else if target.starts_with("corednsdeployment") && cluster.version.minor < 32 {
            let message = format!(
                "kubeadm patches CoreDNS from Kubernetes 1.32 on, and this is {}; remove it",
                cluster.version
            );
            context.refuse_key(&path, message);
        }
    }
}

/// Nothing may listen where something else does on the same host.
fn ports(context: &mut Context<'_>, cluster: &Cluster) {
    let Some(vip) = cluster.vip() else { return };
    let co_located = matches!(cluster.endpoint.kind, EndpointKind::Vip(_));
    let mut taken: Vec<(u16, &str)> = vec![(22, "sshd")];
    if co_located {
        taken.extend([
            (2379, "etcd"),
            (2380, "etcd"),
            (2381, "etcd"),
            (10250, "kubelet"),
            (10248, "kubelet"),
            (10256, "kube-proxy"),
            (10249, "kube-proxy"),
            (10257, "kube-controller-manager"),
            (10259, "kube-scheduler"),
        ]);
    }
    let mut place = |key: &[&str], port: u16, owner: &'static str| {
        if let Some((_, other)) = taken.iter().find(|(have, _)| *have == port) {
            let setting = key.last().unwrap_or(&"port");
            let message = format!(
                "{other} listens on {port} of the same hosts as {owner}; write another `{setting}`"
            );
            context.refuse(key, message);
        }
        taken.push((port, owner));
    };
    place(&["endpoint", "port"], cluster.endpoint.port, "haproxy");
    if co_located {
        place(
            &["endpoint", "apiserver-port"],
            vip.apiserver_port,
            "kube-apiserver",
        );
    }
    place(
        &["endpoint", "haproxy", "stats-port"],
        vip.haproxy.stats_port,
        "haproxy's monitor page",
    );
}
