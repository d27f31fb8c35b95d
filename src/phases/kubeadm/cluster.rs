//! The documents that are the same for every host: cluster, kubelet, kube-proxy.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use super::{AUDIT_POLICY, ENCRYPTION, api, arguments, duration, merge, pairs};
use crate::{
    inventory::{Cluster, Component, Swap, Volume},
    templates,
};

const AUDIT_LOGS: &str = "/var/log/kubernetes/audit";

#[derive(Serialize)]
struct ComponentValues {
    args: Value,
    env: Option<Value>,
    volumes: Vec<Value>,
}

fn component(
    api: &str,
    user: &Component,
    ours: &[(&str, String)],
    volumes: &[Volume],
) -> ComponentValues {
    let own = |name: &str| user.args.iter().any(|(given, _)| given == name);
    let args: Vec<_> = ours
        .iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .chain(user.args.iter().cloned())
        .collect();
    ComponentValues {
        args: arguments(api, &args),
        env: (api != "v1beta3" && !user.env.is_empty()).then(|| pairs(&user.env)),
        volumes: volumes.iter().chain(&user.volumes).map(volume).collect(),
    }
}

fn volume(volume: &Volume) -> Value {
    let mut value = json!({
        "name": volume.name,
        "hostPath": volume.host_path,
        "mountPath": volume.mount_path,
        "readOnly": volume.read_only,
    });
    if let Some(kind) = &volume.path_type {
        value["pathType"] = kind.as_str().into();
    }
    value
}

#[derive(Serialize)]
struct ClusterValues<'a> {
    api: &'static str,
    name: &'a str,
    version: String,
    endpoint: String,
    image_repository: Option<&'a str>,
    pod_subnet: String,
    service_subnet: String,
    dns_domain: &'a str,
    feature_gates: BTreeMap<String, bool>,
    cert_sans: Vec<String>,
    timeout: String,
    api_server: ComponentValues,
    controller_manager: ComponentValues,
    scheduler: ComponentValues,
    etcd: ComponentValues,
    etcd_data_dir: &'a str,
}

/// `ClusterConfiguration`, `KubeletConfiguration` and, where kube-proxy runs, `KubeProxyConfiguration`: the same on every host.
pub fn cluster_configuration(cluster: &Cluster) -> Result<String> {
    let mut documents = format!(
        "{}---\n{}",
        cluster_document(cluster)?,
        kubelet_document(cluster)?
    );
    if cluster.kube_proxy.enabled {
        documents.push_str("---\n");
        documents.push_str(&serde_yaml::to_string(&kube_proxy_configuration(cluster))?);
    }
    Ok(documents)
}

/// `KubeletConfiguration` of all nodes.
pub(in crate::phases) fn kubelet_document(cluster: &Cluster) -> Result<String> {
    Ok(serde_yaml::to_string(&kubelet_configuration(cluster))?)
}

/// `ClusterConfiguration`. It knows no host, so that nodes come and go without a change of it.
pub(in crate::phases) fn cluster_document(cluster: &Cluster) -> Result<String> {
    let api = api(cluster);
    let plane = &cluster.control_plane;
    let (audit_args, audit_volumes) = audit(cluster);
    let mut server_args = audit_args;
    if plane.encryption.is_some() {
        server_args.push(("encryption-provider-config", ENCRYPTION.to_owned()));
    }
    templates::render(
        "kubeadm/cluster.yaml.j2",
        ClusterValues {
            api,
            name: &cluster.name,
            version: cluster.version.to_string(),
            endpoint: cluster.endpoint_address(),
            image_repository: plane.image_repository.as_deref(),
            pod_subnet: joined(&cluster.network.pods),
            service_subnet: joined(&cluster.network.services),
            dns_domain: &cluster.network.dns_domain,
            feature_gates: feature_gates(cluster),
            cert_sans: cert_sans(cluster),
            timeout: duration(plane.init_timeout),
            api_server: component(api, &plane.api_server, &server_args, &audit_volumes),
            controller_manager: component(
                api,
                &plane.controller_manager,
                &node_masks(cluster),
                &[],
            ),
            scheduler: component(api, &plane.scheduler, &[], &[]),
            etcd: component(api, &plane.etcd, &[], &[]),
            etcd_data_dir: &plane.etcd_data_dir,
        },
    )
}

/// kubeadm's own gates. A member of etcd that votes before it runs stops a cluster of one until it does; as a learner it does not.
/// Alpha in 1.28, the way of every release since, whose gate went with 1.33 (kubernetes/kubernetes#126374, #129589).
fn feature_gates(cluster: &Cluster) -> BTreeMap<String, bool> {
    let mut gates = cluster.control_plane.feature_gates.clone();
    if cluster.version.minor == 28 {
        gates.entry("EtcdLearnerMode".to_owned()).or_insert(true);
    }
    gates
}

fn joined(networks: &[ipnet::IpNet]) -> String {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    networks.join(",")
}

fn node_masks(cluster: &Cluster) -> Vec<(&'static str, String)> {
    let network = &cluster.network;
    if network.pods.len() < 2 {
        return network
            .node_mask
            .first()
            .map(|mask| ("node-cidr-mask-size", mask.to_string()))
            .into_iter()
            .collect();
    }
    network
        .pods
        .iter()
        .zip(&network.node_mask)
        .map(|(pods, mask)| match pods {
            ipnet::IpNet::V4(_) => ("node-cidr-mask-size-ipv4", mask.to_string()),
            ipnet::IpNet::V6(_) => ("node-cidr-mask-size-ipv6", mask.to_string()),
        })
        .collect()
}

fn audit(cluster: &Cluster) -> (Vec<(&'static str, String)>, Vec<Volume>) {
    let Some(audit) = &cluster.control_plane.audit else {
        return (Vec::new(), Vec::new());
    };
    let mount = |name: &str, path: &str, read_only, kind: &str| Volume {
        name: name.to_owned(),
        host_path: path.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        path_type: Some(kind.to_owned()),
    };
    let args = vec![
        ("audit-policy-file", AUDIT_POLICY.to_owned()),
        ("audit-log-path", format!("{AUDIT_LOGS}/audit.log")),
        ("audit-log-maxage", audit.max_age_days.to_string()),
        ("audit-log-maxbackup", audit.max_backups.to_string()),
        ("audit-log-maxsize", audit.max_size_mb.to_string()),
    ];
    let volumes = vec![
        mount("audit-policy", AUDIT_POLICY, true, "File"),
        mount("audit-logs", AUDIT_LOGS, false, "DirectoryOrCreate"),
    ];
    (args, volumes)
}

/// Names and addresses that the apiserver's certificate is for: endpoint, loopback, the user's own. kubeadm adds the node's own name
/// and address; those of other control planes are not asked of it, so that none needs a new certificate when one comes or goes.
pub(in crate::phases) fn cert_sans(cluster: &Cluster) -> Vec<String> {
    let mut names = vec![cluster.endpoint.host.clone()];
    names.extend(cluster.vip().map(|vip| vip.address.to_string()));
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    if cluster.control_planes().any(|host| host.node_ip.is_ipv6()) {
        names.push("::1".to_owned());
    }
    names.extend(cluster.control_plane.cert_sans.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

/// What is wanted of every kubelet, but for kubeadm's defaults and what is said of one host.
pub(in crate::phases) fn kubelet_configuration(cluster: &Cluster) -> Value {
    let mut value = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "rotateCertificates": true,
    });
    if cluster.lab.is_some() || cluster.system.swap == Swap::Allow {
        value["failSwapOn"] = false.into();
    }
    if cluster.lab.is_some() {
        // The disk is this machine's: how full it is must not evict pods or delete images that no registry can give back.
        value["imageGCHighThresholdPercent"] = 100.into();
        value["imageGCLowThresholdPercent"] = 99.into();
        value["evictionHard"] = json!({
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        });
    }
    merge(&mut value, &Value::Object(cluster.kubelet.config.clone()));
    value
}

/// The wanted `KubeProxyConfiguration`: ours, then the user's over it; strict ARP is not the user's to take away.
pub(in crate::phases) fn kube_proxy_configuration(cluster: &Cluster) -> Value {
    let mut value = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": cluster.kube_proxy.mode,
        "clusterCIDR": joined(&cluster.network.pods),
    });
    // Alpha and off by default in these two releases.
    if cluster.kube_proxy.mode == "nftables" && matches!(cluster.version.minor, 29 | 30) {
        value["featureGates"] = json!({"NFTablesProxyMode": true});
    }
    if cluster.lab.is_some() {
        // The limit is the machine's, not the container's to set.
        value["conntrack"] = json!({"maxPerCore": 0, "min": 0});
    }
    merge(
        &mut value,
        &Value::Object(cluster.kube_proxy.config.clone()),
    );
    merge(&mut value, &json!({"ipvs": {"strictARP": true}}));
    value
}
