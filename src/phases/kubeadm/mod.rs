//! What kubeadm is told: its configuration documents for a host, and the patches that make a node different from the others.
//!
//! kubeadm's own API is v1beta3 up to Kubernetes 1.30 and v1beta4 from 1.31 (its `apis/kubeadm` packages): flags are a map in the one and a list in
//! the other, environment of components exists only in the other.

mod cluster;
mod compare;
mod node;
mod patches;

pub use cluster::cluster_configuration;
pub(super) use cluster::{
    cert_sans, cluster_document, kube_proxy_configuration, kubelet_configuration, kubelet_document,
};
pub(super) use compare::differences;
pub use node::init_configuration;
pub(super) use node::{
    JoinSecrets, join_configuration, kubelet_args, unpatched_init_configuration,
};
pub use patches::patches;
pub(super) use patches::{is_patch, kubelet_patch, kubelet_wanted};

use std::{net::IpAddr, time::Duration};

use anyhow::Result;
use serde_json::{Map, Value, json};

use crate::{
    inventory::{Cluster, Host},
    templates,
};

/// Directory of kubeadm patches on every node.
pub const PATCHES: &str = "/etc/kubernetes/patches";
/// Encryption configuration; under `pki` because that directory is mounted into the apiserver.
pub const ENCRYPTION: &str = "/etc/kubernetes/pki/secrets-encryption.yaml";
/// Audit policy.
pub const AUDIT_POLICY: &str = "/etc/kubernetes/audit/policy.yaml";

/// kubeadm's configuration API for the cluster's version.
fn api(cluster: &Cluster) -> &'static str {
    if cluster.version.minor <= 30 {
        "v1beta3"
    } else {
        "v1beta4"
    }
}
/// Flags in the shape of kubeadm's API version. Of a flag given twice v1beta3 can carry the last only.
fn arguments(api: &str, args: &[(String, String)]) -> Value {
    if api == "v1beta3" {
        args.iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect::<Map<_, _>>()
            .into()
    } else {
        pairs(args)
    }
}

fn pairs(list: &[(String, String)]) -> Value {
    list.iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

/// A duration as Kubernetes writes it.
fn duration(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}
/// Merges `over` into `base` as RFC 7396 does, but that null is a value.
pub(super) fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// `EncryptionConfiguration` with `key` in the place of the key.
pub(super) fn encryption_configuration(cluster: &Cluster, key: &str) -> Option<Result<String>> {
    let encryption = cluster.control_plane.encryption.as_ref()?;
    Some(templates::render(
        "kubeadm/encryption.yaml.j2",
        json!({"provider": encryption.provider, "resources": encryption.resources, "key": key}),
    ))
}

/// The loopback URL of a control plane's own etcd member (kubeadm listens on the family of the advertised address).
pub(crate) fn etcd_endpoint(host: &Host) -> &'static str {
    match host.node_ip {
        IpAddr::V4(_) => "https://127.0.0.1:2379",
        IpAddr::V6(_) => "https://[::1]:2379",
    }
}

/// The URL by which etcd's peers know a control plane.
pub(crate) fn peer_url(host: &Host) -> String {
    match host.node_ip {
        IpAddr::V4(address) => format!("https://{address}:2380"),
        IpAddr::V6(address) => format!("https://[{address}]:2380"),
    }
}
