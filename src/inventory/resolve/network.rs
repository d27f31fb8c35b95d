//! Pod and service networks, the pod network's plugin, kube-proxy.

use ipnet::IpNet;
use semver::Version;
use serde_json::{Map, Value, json};

use crate::inventory::{
    Flannel, KubeProxy, Network, PodNetwork,
    context::Context,
    schema::{
        self, ChartSettings, FlannelBackend, KubeProxyEntry, KubeProxyMode, OneOrMany, PluginEntry,
        PluginName,
    },
};

pub fn network(context: &mut Context<'_>, network: Option<schema::Network>) -> Network {
    let network = network.unwrap_or_default();
    let networks =
        |written: Option<OneOrMany<crate::inventory::forms::Cidr>>, default: &str| -> Vec<IpNet> {
            match written {
                Some(written) => written.into_vec().into_iter().map(|cidr| cidr.0).collect(),
                None => default.parse().into_iter().collect(),
            }
        };
    let pods = networks(network.pods, "10.244.0.0/16");
    let written = schema::list(network.node_mask);
    let node_mask = pods
        .iter()
        .enumerate()
        .map(|(at, pods)| {
            written
                .get(at)
                .copied()
                .unwrap_or(if pods.addr().is_ipv4() { 24 } else { 64 })
        })
        .collect();
    if written.len() > pods.len() {
        context.refuse(
            &["network", "node-mask"],
            "has more values than there are pod networks; write one for each network",
        );
    }
    let dns_domain = network
        .dns_domain
        .unwrap_or_else(|| "cluster.local".to_owned());
    if let Err(why) = crate::inventory::forms::dns_subdomain(&dns_domain) {
        context.refuse(&["network", "dns-domain"], format!("`{dns_domain}` {why}"));
    }
    Network {
        pods,
        services: networks(network.services, "10.96.0.0/12"),
        dns_domain,
        node_mask,
        plugin: plugin(
            context,
            network
                .plugin
                .unwrap_or(PluginEntry::Name(PluginName::Flannel)),
        ),
    }
}

fn plugin(context: &mut Context<'_>, entry: PluginEntry) -> PodNetwork {
    let full = match entry {
        PluginEntry::Name(PluginName::None) => return PodNetwork::None,
        PluginEntry::Name(PluginName::Flannel) => {
            return PodNetwork::Flannel(flannel(context, schema::Flannel::default()));
        }
        PluginEntry::Name(PluginName::Calico) => schema::Plugin {
            calico: Some(ChartSettings::default()),
            ..Default::default()
        },
        PluginEntry::Name(PluginName::Cilium) => schema::Plugin {
            cilium: Some(ChartSettings::default()),
            ..Default::default()
        },
        PluginEntry::Full(full) => *full,
    };
    let chart = |context: &Context<'_>, chart: ChartSettings, name: &str| {
        let version = context.component(chart.version, name);
        (version, Value::Object(chart.values))
    };
    match (full.flannel, full.calico, full.cilium, full.manifests) {
        (Some(settings), None, None, None) => PodNetwork::Flannel(flannel(context, settings)),
        (None, Some(settings), None, None) => {
            let (version, values) = chart(context, settings, "calico");
            PodNetwork::Calico { version, values }
        }
        (None, None, Some(settings), None) => {
            let (version, values) = chart(context, settings, "cilium");
            PodNetwork::Cilium { version, values }
        }
        (None, None, None, Some(files)) => {
            let path = ["network", "plugin", "manifests"];
            PodNetwork::Manifests(
                files
                    .into_vec()
                    .iter()
                    .map(|file| context.existing(&path, file))
                    .collect(),
            )
        }
        _ => {
            if context.is_clean(&["network", "plugin"]) {
                let message = "needs exactly one of `flannel`, `calico`, `cilium` and `manifests`";
                context.refuse(&["network", "plugin"], message);
            }
            PodNetwork::None
        }
    }
}

fn flannel(context: &Context<'_>, flannel: schema::Flannel) -> Flannel {
    let backend = match flannel.backend {
        Some(FlannelBackend::HostGw) => "host-gw",
        Some(FlannelBackend::Wireguard) => "wireguard",
        Some(FlannelBackend::Vxlan) | None => "vxlan",
    };
    Flannel {
        version: context.component(flannel.version, "flannel"),
        cni_plugin_version: context.component(flannel.cni_plugin_version, "flannel-cni-plugin"),
        backend: backend.to_owned(),
        vxlan_port: flannel.vxlan_port.unwrap_or(8472),
        mtu: flannel.mtu,
        interface: flannel.interface,
    }
}

/// nftables is stable from 1.33 on. In the lab kube-proxy runs in a container: iptables works everywhere, and conntrack
/// limits belong to the machine.
pub fn kube_proxy(entry: Option<KubeProxyEntry>, version: &Version, lab: bool) -> KubeProxy {
    let full = match entry {
        None => schema::KubeProxy::default(),
        Some(KubeProxyEntry::Mode(mode)) => schema::KubeProxy {
            mode: Some(mode),
            ..Default::default()
        },
        Some(KubeProxyEntry::Full(full)) => full,
    };
    let stable = version.minor >= 33 && !lab;
    let mode = match full.mode {
        Some(KubeProxyMode::Nftables) => "nftables",
        Some(KubeProxyMode::Ipvs) => "ipvs",
        None if stable => "nftables",
        Some(KubeProxyMode::Iptables) | None => "iptables",
    };
    let mut config = Map::new();
    if lab {
        config.insert("conntrack".to_owned(), json!({"maxPerCore": 0}));
    }
    super::hosts::merge(&mut config, full.config);
    KubeProxy {
        mode: mode.to_owned(),
        enabled: full.enabled.unwrap_or(true),
        config,
    }
}
