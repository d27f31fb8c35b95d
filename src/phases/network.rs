//! The pod network: flannel from a manifest of our own, Calico and Cilium by chart, or what the user brings.

use anyhow::Result;
use ipnet::IpNet;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{PhaseId, addon::Unit, kubeadm::merge};
use crate::{
    artifacts::{Artifacts, Kind},
    digest::sha256,
    inventory::{Addon, AddonSource, Cluster, Flannel, PodNetwork, Wait},
    templates,
};

const ID: PhaseId = PhaseId::Network;

pub(super) fn units(cluster: &Cluster, artifacts: &Artifacts) -> Result<Vec<Unit>> {
    let unit = match &cluster.network.plugin {
        PodNetwork::Flannel(settings) => Unit::new(ID, flannel(cluster, artifacts, settings)?),
        PodNetwork::Calico { values, .. } => Unit::new(ID, calico(cluster, artifacts, values)),
        PodNetwork::Cilium { values, .. } => Unit::new(ID, cilium(cluster, values)),
        PodNetwork::Manifests(paths) => Unit::new(
            ID,
            Addon {
                name: "pod-network".to_owned(),
                namespace: String::new(),
                namespace_labels: [].into(),
                source: AddonSource::Files(paths.clone()),
                wait: Vec::new(),
            },
        ),
        PodNetwork::None => return Ok(Vec::new()),
    };
    Ok(vec![unit])
}

#[derive(Serialize)]
struct FlannelValues<'a> {
    network: &'a Value,
    hash: String,
    image: String,
    plugin_image: String,
    interface: Option<&'a str>,
}

fn flannel(cluster: &Cluster, artifacts: &Artifacts, settings: &Flannel) -> Result<Addon> {
    let network = net_conf(&cluster.network.pods, settings);
    let manifest = templates::render(
        "addons/flannel/flannel.yaml.j2",
        FlannelValues {
            hash: sha256(network.to_string()),
            network: &network,
            image: image(
                artifacts,
                "flannel",
                &format!("ghcr.io/flannel-io/flannel:{}", settings.version),
            ),
            plugin_image: image(
                artifacts,
                "flannel-cni-plugin",
                &format!(
                    "ghcr.io/flannel-io/flannel-cni-plugin:{}",
                    settings.cni_plugin_version
                ),
            ),
            interface: settings.interface.as_deref(),
        },
    )?;
    Ok(Addon {
        name: "flannel".to_owned(),
        namespace: "kube-flannel".to_owned(),
        namespace_labels: [].into(),
        source: AddonSource::Manifest(manifest),
        wait: vec![Wait::Rollout("daemonset/kube-flannel-ds".to_owned())],
    })
}

/// flannel's own configuration for the pod networks.
fn net_conf(pods: &[IpNet], settings: &Flannel) -> Value {
    let mut value = json!({"EnableIPv4": false, "EnableNFTables": false});
    for network in pods {
        match network {
            IpNet::V4(network) => {
                value["EnableIPv4"] = true.into();
                value["Network"] = network.to_string().into();
            }
            IpNet::V6(network) => {
                value["EnableIPv6"] = true.into();
                value["IPv6Network"] = network.to_string().into();
            }
        }
    }
    let mut backend = json!({"Type": settings.backend});
    if settings.backend == "vxlan" {
        backend["Port"] = settings.vxlan_port.into();
    }
    if let Some(mtu) = settings.mtu {
        backend["MTU"] = mtu.into();
    }
    value["Backend"] = backend;
    value
}

/// The reference by which the artifact source knows an image: of that version where it has it, any version offline.
fn image(artifacts: &Artifacts, name: &str, default: &str) -> String {
    let references = || {
        artifacts
            .items
            .iter()
            .filter(|item| item.kind == Kind::Image)
            .flat_map(|item| &item.images)
            .filter(|reference| {
                reference
                    .rsplit_once(':')
                    .is_some_and(|(path, _)| path.rsplit('/').next() == Some(name))
            })
    };
    let tag = default.rsplit(':').next().unwrap_or_default();
    references()
        .find(|reference| reference.rsplit(':').next() == Some(tag))
        .or_else(|| references().next().filter(|_| artifacts.offline))
        .cloned()
        .unwrap_or_else(|| default.to_owned())
}

fn over(mut ours: Value, user: &Value) -> Map<String, Value> {
    if user.is_object() {
        merge(&mut ours, user);
    }
    match ours {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}

fn calico(cluster: &Cluster, artifacts: &Artifacts, user: &Value) -> Addon {
    let pools: Vec<_> = cluster
        .network
        .pods
        .iter()
        .map(|network| {
            let encapsulation = if network.addr().is_ipv4() {
                "VXLANCrossSubnet"
            } else {
                "None"
            };
            json!({"cidr": network.to_string(), "encapsulation": encapsulation})
        })
        .collect();
    let mut calico_network = json!({"ipPools": pools});
    // The node's own address: never the virtual IP that is on the same interface now and then.
    for network in &cluster.network.pods {
        let key = if network.addr().is_ipv4() {
            "nodeAddressAutodetectionV4"
        } else {
            "nodeAddressAutodetectionV6"
        };
        calico_network[key] = json!({"kubernetes": "NodeInternalIP"});
    }
    let ours = json!({"installation": {"enabled": true, "calicoNetwork": calico_network}});
    // Upstream's chart is called after the operator; a bundle may keep it under the network's name.
    let chart = ["calico", "tigera-operator"]
        .into_iter()
        .find(|name| {
            artifacts
                .items
                .iter()
                .any(|item| item.kind == Kind::Chart && item.name == *name)
        })
        .unwrap_or("calico");
    Addon {
        name: "calico".to_owned(),
        namespace: "tigera-operator".to_owned(),
        namespace_labels: [(
            "pod-security.kubernetes.io/enforce".to_owned(),
            "privileged".to_owned(),
        )]
        .into(),
        source: AddonSource::Chart {
            chart: chart.to_owned(),
            repo: None,
            version: None,
            values: over(ours, user),
        },
        wait: vec![Wait::Rollout("deployment/tigera-operator".to_owned())],
    }
}

fn cilium(cluster: &Cluster, user: &Value) -> Addon {
    let list = |v6: bool| -> Vec<String> {
        cluster
            .network
            .pods
            .iter()
            .filter(|network| network.addr().is_ipv6() == v6)
            .map(ToString::to_string)
            .collect()
    };
    let mut ours = json!({
        // Node CIDRs are kubeadm's to give: Cilium's own pool would take 10.0.0.0/8.
        "ipam": {"mode": "kubernetes"},
        "kubeProxyReplacement": !cluster.kube_proxy.enabled,
        "ipv4": {"enabled": !list(false).is_empty()},
        "ipv6": {"enabled": !list(true).is_empty()},
    });
    if !cluster.kube_proxy.enabled {
        ours["k8sServiceHost"] = cluster.endpoint.host.as_str().into();
        ours["k8sServicePort"] = cluster.endpoint.port.into();
    }
    Addon {
        name: "cilium".to_owned(),
        namespace: "kube-system".to_owned(),
        namespace_labels: [].into(),
        source: AddonSource::Chart {
            chart: "cilium".to_owned(),
            repo: None,
            version: None,
            values: over(ours, user),
        },
        wait: vec![Wait::Rollout("daemonset/cilium".to_owned())],
    }
}
