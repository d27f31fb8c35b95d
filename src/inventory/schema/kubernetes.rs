//! kube-proxy, kubelet and the control plane.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{OneOrMany, Secret};
use crate::inventory::forms::{CpuList, Quantity, Time};

/// A mode, or one with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum KubeProxyEntry {
    Mode(KubeProxyMode),
    Full(KubeProxy),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum KubeProxyMode {
    Nftables,
    Iptables,
    Ipvs,
}

/// kube-proxy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct KubeProxy {
    /// Default: `nftables` from Kubernetes 1.33 on, `iptables` before and in the lab.
    pub mode: Option<KubeProxyMode>,
    /// Whether kube-proxy runs at all; Cilium can replace it. Default: true.
    #[schemars(extend("default" = true))]
    pub enabled: Option<bool>,
    /// `KubeProxyConfiguration` fields over ours.
    #[serde(default)]
    pub config: Map<String, Value>,
}

/// kubelet on every node.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Kubelet {
    /// Command line flags without dashes.
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    /// `KubeletConfiguration` fields over ours.
    #[serde(default)]
    pub config: Map<String, Value>,
}

/// The control plane.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ControlPlane {
    /// kube-apiserver.
    pub api_server: Option<Component>,
    /// kube-controller-manager.
    pub controller_manager: Option<Component>,
    /// kube-scheduler.
    pub scheduler: Option<Component>,
    /// etcd.
    pub etcd: Option<Etcd>,
    /// Further names and addresses in the API server's certificate.
    #[serde(default)]
    pub cert_sans: Vec<String>,
    /// kubeadm feature gates. `EtcdLearnerMode` is on in 1.28, where it is not the default yet, unless it is switched off here.
    #[serde(default)]
    pub feature_gates: BTreeMap<String, bool>,
    /// kubeadm patches by file name (`kube-apiserver+strategic.yaml`): a path relative to the inventory, or the patch itself as a mapping.
    #[serde(default)]
    pub patches: BTreeMap<String, PatchEntry>,
    /// Encryption of Secrets in etcd. Default: `secretbox` with a key made on the first control plane.
    pub encryption: Option<EncryptionEntry>,
    /// Audit log: `true` for our policy, or more. Default: off.
    pub audit: Option<AuditEntry>,
    /// CPU and memory that workloads cannot take from the control plane. Default: none.
    pub guarantees: Option<Guarantees>,
    /// Registry of the control plane's images (kubeadm `imageRepository`). Default: `registry.k8s.io`.
    pub image_repository: Option<String>,
    /// How long `kubeadm init` waits for the control plane. Default: `6m`.
    #[schemars(extend("default" = "6m"))]
    pub init_timeout: Option<Time>,
}

/// A component of the control plane.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Component {
    /// Command line flags without dashes; a list repeats the flag (Kubernetes 1.31 and newer).
    #[serde(default)]
    pub args: BTreeMap<String, OneOrMany<String>>,
    /// Environment variables (Kubernetes 1.31 and newer).
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Host paths mounted into the pod, by name.
    #[serde(default)]
    pub volumes: BTreeMap<String, Volume>,
}

/// etcd.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Etcd {
    /// Command line flags without dashes.
    #[serde(default)]
    pub args: BTreeMap<String, OneOrMany<String>>,
    /// Environment variables (Kubernetes 1.31 and newer).
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Directory of its data. Default: `/var/lib/etcd`.
    #[schemars(extend("default" = "/var/lib/etcd"))]
    pub data_dir: Option<String>,
}

/// A host path in a control-plane pod.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Volume {
    /// Path on the host.
    #[schemars(required)]
    pub host_path: Option<String>,
    /// Path in the pod. Default: the host's path.
    pub mount_path: Option<String>,
    /// Whether the pod cannot write there. Default: true.
    #[schemars(extend("default" = true))]
    pub read_only: Option<bool>,
    /// `File`, `Directory`, `FileOrCreate`, `DirectoryOrCreate`. Default: not checked.
    pub path_type: Option<PathType>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum PathType {
    File,
    FileOrCreate,
    Directory,
    DirectoryOrCreate,
}

/// A patch: a file, or the patch itself.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum PatchEntry {
    File(PathBuf),
    Inline(Map<String, Value>),
}

/// Off, a provider, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum EncryptionEntry {
    Switch(bool),
    Provider(EncryptionProvider),
    Full(Encryption),
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum EncryptionProvider {
    Secretbox,
    Aescbc,
    Aesgcm,
}

/// Encryption at rest.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Encryption {
    /// Cipher. Default: `secretbox`.
    pub provider: Option<EncryptionProvider>,
    /// What is encrypted. Default: `secrets`.
    pub resources: Option<Vec<String>>,
    /// Key of your own, 32 bytes in base64. Default: made on the first control plane; back it up with etcd.
    pub key: Option<Secret>,
}

/// On, off, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum AuditEntry {
    Switch(bool),
    Full(Audit),
}

/// Audit log of the API server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Audit {
    /// Policy file; relative to the inventory. Default: metadata of every change, nothing of reads and health checks.
    pub policy: Option<PathBuf>,
    /// Days that logs are kept. Default: 30.
    #[schemars(extend("default" = 30))]
    pub max_age_days: Option<u32>,
    /// Rotated files that are kept. Default: 10.
    #[schemars(extend("default" = 10))]
    pub max_backups: Option<u32>,
    /// Size in MiB at which a file is rotated. Default: 100.
    #[schemars(extend("default" = 100))]
    pub max_size_mb: Option<u32>,
}

/// CPU and memory for the control plane alone.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Guarantees {
    /// CPUs kept from workloads by the static CPU manager (kubelet `reservedSystemCPUs`).
    pub reserved_cpus: Option<CpuList>,
    /// Requests that equal limits (`QoS` class Guaranteed), for `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `etcd`.
    #[serde(default)]
    pub resources: BTreeMap<String, Resources>,
}

/// CPU and memory of one component.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Resources {
    /// CPU.
    #[schemars(required)]
    pub cpu: Option<Quantity>,
    /// Memory.
    #[schemars(required)]
    pub memory: Option<Quantity>,
}
