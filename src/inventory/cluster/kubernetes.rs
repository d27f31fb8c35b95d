//! What kubeadm, the kubelet and the pod network are told.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::Serialize;

use super::SecretSource;

#[derive(Debug, Clone, Serialize)]
pub struct Network {
    /// One network, or an IPv4 and an IPv6 one.
    pub pods: Vec<IpNet>,
    pub services: Vec<IpNet>,
    pub dns_domain: String,
    /// kube-controller-manager `--node-cidr-mask-size` per family, in the order of `pods`.
    pub node_mask: Vec<u8>,
    pub plugin: PodNetwork,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodNetwork {
    Flannel(Flannel),
    /// By chart.
    Calico {
        version: String,
        values: serde_json::Value,
    },
    /// By chart.
    Cilium {
        version: String,
        values: serde_json::Value,
    },
    /// The user's own manifests, applied by us.
    Manifests(Vec<PathBuf>),
    /// The user installs one; nodes are not waited for.
    None,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Flannel {
    pub version: String,
    pub cni_plugin_version: String,
    /// `vxlan`, `host-gw` or `wireguard`.
    pub backend: String,
    pub vxlan_port: u16,
    pub mtu: Option<u16>,
    /// `--iface-regex`/`--iface` when hosts have several networks.
    pub interface: Option<String>,
}

#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct KubeProxy {
    /// `nftables`, `iptables` or `ipvs`.
    pub mode: String,
    /// Whether kube-proxy runs at all (Cilium can replace it).
    pub enabled: bool,
    /// Further `KubeProxyConfiguration` fields of the user, merged over ours.
    pub config: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Kubelet {
    /// Command line flags (`kubeletExtraArgs`), same on every node.
    pub args: Vec<(String, String)>,
    /// `KubeletConfiguration` fields of the user, merged over ours.
    pub config: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ControlPlane {
    pub api_server: Component,
    pub controller_manager: Component,
    pub scheduler: Component,
    pub etcd: Component,
    /// Directory of etcd's data on the hosts.
    pub etcd_data_dir: String,
    pub cert_sans: Vec<String>,
    /// kubeadm `featureGates`.
    pub feature_gates: BTreeMap<String, bool>,
    /// kubeadm patches: file name (`kube-apiserver+strategic.yaml`) to content.
    pub patches: BTreeMap<String, String>,
    pub encryption: Option<Encryption>,
    pub audit: Option<Audit>,
    pub guarantees: Option<Guarantees>,
    /// kubeadm `imageRepository`.
    pub image_repository: Option<String>,
    /// Seconds that `kubeadm init` waits for the control plane.
    pub init_timeout: Duration,
}

/// Flags, environment and mounts of one control-plane component.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Component {
    pub args: Vec<(String, String)>,
    pub env: Vec<(String, String)>,
    pub volumes: Vec<Volume>,
}

/// kubeadm `HostPathMount`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub host_path: String,
    pub mount_path: String,
    pub read_only: bool,
    pub path_type: Option<String>,
}

/// Encryption of Secrets in etcd. The key is made on the first control plane unless the user brings one.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Encryption {
    /// `secretbox`, `aescbc` or `aesgcm`.
    pub provider: String,
    pub resources: Vec<String>,
    /// A base64 key of 32 bytes; generated once on the hosts when `None`.
    pub key: Option<SecretSource>,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Audit {
    /// Content of the policy file.
    pub policy: String,
    pub max_age_days: u32,
    pub max_backups: u32,
    pub max_size_mb: u32,
}

/// CPU and memory that workloads cannot take from the control plane.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Guarantees {
    /// kubelet `reservedSystemCPUs`, e.g. `0-1`; with the static CPU manager.
    pub reserved_cpus: Option<String>,
    /// Guaranteed `QoS`: requests equal limits for control-plane pods. Component name to (cpu, memory) quantities.
    pub resources: BTreeMap<String, (String, String)>,
}
