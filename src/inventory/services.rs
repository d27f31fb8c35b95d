//! What runs on the cluster from its first day: MetalLB, Longhorn, Harbor and add-ons.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use super::SecretSource;

#[derive(Debug, Clone, Serialize)]
pub struct MetalLb {
    pub version: String,
    /// `native`, `frr` or `frr-k8s`; `native` is enough for L2 and plain IPv4 BGP.
    pub bgp_mode: String,
    pub pools: Vec<Pool>,
    pub peers: Vec<BgpPeer>,
    pub bfd_profiles: Vec<BfdProfile>,
    /// Community name to value (`64512:100`, `large:a:b:c`).
    pub communities: BTreeMap<String, String>,
    /// Only Services with this `loadBalancerClass`.
    pub load_balancer_class: Option<String>,
    /// Announce from nodes labelled `node.kubernetes.io/exclude-from-external-load-balancers` too.
    pub ignore_exclude_lb: bool,
}

/// `IPAddressPool` with its advertisements.
#[derive(Debug, Clone, Serialize)]
pub struct Pool {
    pub name: String,
    /// CIDRs or `FROM-TO` ranges, normalised.
    pub addresses: Vec<String>,
    pub auto_assign: bool,
    pub avoid_buggy_ips: bool,
    pub l2: Option<L2Advertisement>,
    pub bgp: Option<BgpAdvertisement>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct L2Advertisement {
    pub interfaces: Vec<String>,
    /// `matchLabels` of nodes that may announce.
    pub node_selectors: Vec<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct BgpAdvertisement {
    pub aggregation_length: Option<u8>,
    pub aggregation_length_v6: Option<u8>,
    pub local_pref: Option<u32>,
    pub communities: Vec<String>,
    pub peers: Vec<String>,
    pub node_selectors: Vec<BTreeMap<String, String>>,
}

/// `BGPPeer` (metallb.io/v1beta2).
#[derive(Debug, Clone, Serialize)]
pub struct BgpPeer {
    pub name: String,
    pub my_asn: u32,
    pub peer_asn: u32,
    pub address: String,
    pub port: u16,
    pub hold_time: Option<String>,
    pub keepalive_time: Option<String>,
    pub bfd_profile: Option<String>,
    pub ebgp_multi_hop: bool,
    pub password: Option<SecretSource>,
    pub source_address: Option<String>,
    pub router_id: Option<String>,
    pub node_selectors: Vec<BTreeMap<String, String>>,
}

/// Times in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct BfdProfile {
    pub name: String,
    pub receive_interval: Option<u32>,
    pub transmit_interval: Option<u32>,
    pub detect_multiplier: Option<u32>,
    pub echo_interval: Option<u32>,
    pub echo_mode: Option<bool>,
    pub passive_mode: Option<bool>,
    pub minimum_ttl: Option<u32>,
}

#[derive(Debug, Clone, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own in the inventory"
)]
pub struct Longhorn {
    pub version: String,
    /// From the number of storage nodes (at most 3) unless set.
    pub replicas: u8,
    pub data_path: String,
    pub default_class: bool,
    /// `Delete` or `Retain` for the class `longhorn`; `longhorn-retain` is always made too.
    pub reclaim_policy: String,
    pub storage_classes: Vec<StorageClass>,
    pub rwx: bool,
    /// Volumes encrypted at rest need `dm_crypt` on hosts.
    pub encryption: bool,
    pub auto_salvage: bool,
    pub recurring_jobs: Vec<RecurringJob>,
    pub backup: Option<BackupTarget>,
    pub ui: Option<LonghornUi>,
    /// Longhorn settings by their documented names (`storage-over-provisioning-percentage`), over ours.
    pub settings: BTreeMap<String, String>,
    /// Chart values of the user, over ours.
    pub values: Map<String, Value>,
    /// Nodes that store replicas.
    pub storage_nodes: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct StorageClass {
    pub name: String,
    pub reclaim_policy: String,
    pub default: bool,
    /// Strings, as the provisioner takes them.
    pub parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct RecurringJob {
    pub name: String,
    pub cron: String,
    /// `snapshot`, `backup`, `filesystem-trim` …
    pub task: String,
    pub groups: Vec<String>,
    pub retain: u32,
    pub concurrency: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct BackupTarget {
    /// `s3://bucket@region/`, `nfs://host:/path`, `cifs://…`.
    pub url: String,
    /// Key of the credential Secret to its source.
    pub credentials: BTreeMap<String, SecretSource>,
    pub poll_interval: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct LonghornUi {
    pub host: String,
    pub ingress_class: Option<String>,
    pub tls_secret: Option<String>,
}

/// A registry on the cluster, trusted by every node's containerd.
#[derive(Debug, Clone, Serialize)]
pub struct Harbor {
    pub version: String,
    /// DNS name or address of `externalURL`.
    pub host: String,
    /// Address of the pool that its Service asks for.
    pub address: Option<String>,
    pub admin_password: SecretSource,
    pub storage_class: Option<String>,
    pub size: String,
    pub values: Map<String, Value>,
}

/// One thing installed through the API; the built-in ones are values of this type too.
#[derive(Debug, Clone, Serialize)]
pub struct Addon {
    pub name: String,
    pub namespace: String,
    /// Labels of the namespace, e.g. pod-security.
    pub namespace_labels: BTreeMap<String, String>,
    pub source: AddonSource,
    /// What must hold before the add-on counts as installed.
    pub wait: Vec<Wait>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AddonSource {
    /// A chart: an artifact of the bundle by name, a local path (`./x`, `/x`, `x.tgz`), an `oci://` reference or `repo` + name.
    Chart {
        chart: String,
        repo: Option<String>,
        version: Option<String>,
        values: Map<String, Value>,
    },
    /// A directory on the machine that runs `baremetal`.
    Kustomize(PathBuf),
    /// A kustomization made by us over artifact manifests: resources by artifact name, then patches (YAML).
    Overlay {
        resources: Vec<String>,
        patches: Vec<String>,
    },
    /// YAML documents, already rendered.
    Manifest(String),
    /// Files on the machine that runs `baremetal`.
    Files(Vec<PathBuf>),
    /// A manifest artifact by name.
    Artifact(String),
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// `kubectl rollout status KIND/NAME`.
    Rollout(String),
    /// `kubectl wait --for=condition=CONDITION RESOURCE`.
    Condition { resource: String, condition: String },
    /// The Service has an endpoint that answers (webhooks).
    Endpoints(String),
}
