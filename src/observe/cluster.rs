//! The cluster as its API tells it, asked in one round trip on an elected control plane.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::{artifacts::Artifacts, inventory::Cluster, remote::Script};

/// Live state of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ApiSeen {
    /// The host that was asked.
    pub via: String,
    pub nodes: Vec<NodeSeen>,
    pub etcd: Vec<EtcdMember>,
    /// `config.conf` of the live kube-proxy ConfigMap.
    pub kube_proxy: Option<Value>,
    /// `ClusterConfiguration` of the live kubeadm-config.
    pub cluster_configuration: Option<Value>,
    /// By add-on name.
    pub addons: BTreeMap<String, AddonSeen>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NodeSeen {
    pub name: String,
    pub ready: bool,
    pub unschedulable: bool,
    pub version: String,
    pub internal_ips: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// (key, value, effect)
    pub taints: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EtcdMember {
    /// Hexadecimal, as `etcdctl member remove` takes it.
    pub id: String,
    /// Empty while the member has not started.
    pub name: String,
    pub peer_urls: Vec<String>,
    pub learner: bool,
    pub healthy: bool,
}

/// One add-on as it is live.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AddonSeen {
    pub present: bool,
    /// Whether live objects are what the inventory asks for.
    pub same: bool,
    /// Unified diff of live against desired, or what differs in a release.
    pub diff: String,
}

/// The read-only script for an elected control plane.
pub fn api_script(_cluster: &Cluster, _artifacts: &Artifacts) -> anyhow::Result<Script> {
    Ok(Script::read("cluster", ""))
}

/// Reads what [`api_script`] printed.
pub fn parse_api(_via: &str, _stdout: &str) -> anyhow::Result<ApiSeen> {
    Ok(ApiSeen::default())
}
