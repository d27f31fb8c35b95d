//! Facts of a host: one read-only script, one round trip.

use std::net::IpAddr;

use serde::Serialize;

use crate::{
    inventory::{Cluster, Host},
    remote::Script,
};

/// What a host says of itself. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facts {
    /// `ID` of os-release: `debian`, `ubuntu`, `rocky`.
    pub os_id: String,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    pub os_name: String,
    pub family: Family,
    /// Kubernetes' name: `amd64`, `arm64`.
    pub arch: String,
    pub kernel: String,
    pub systemd: bool,
    /// 1 or 2.
    pub cgroup: u8,
    pub cpus: u32,
    pub memory: u64,
    pub hostname: String,
    pub machine_id: String,
    pub addresses: Vec<InterfaceAddress>,
    /// Interface of the default route.
    pub default_interface: Option<String>,
    /// The file that kubelet must hand to pods: systemd-resolved's own where it runs, else `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// Whether the host is itself a container (a lab host).
    pub container: bool,
    /// Whether CAP_SYS_RESOURCE is there; without it containerd must not lower OOM scores.
    pub sys_resource: bool,
    pub kube: KubeFacts,
    /// Every `key=value` line of the script, for preflight checks.
    pub raw: std::collections::BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    Debian,
    RedHat,
    #[default]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceAddress {
    pub interface: String,
    pub address: IpAddr,
    pub prefix: u8,
}

/// What of Kubernetes is on the host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KubeFacts {
    pub admin_conf: bool,
    pub kubelet_conf: bool,
    /// File names in `/etc/kubernetes/manifests`.
    pub manifests: Vec<String>,
    /// Whether etcd's data directory holds a member.
    pub etcd_data: bool,
    /// `sha256:<hex>` of the CA's public key (kubeadm `caCertHashes`).
    pub ca_hash: Option<String>,
    /// `server:` of kubelet.conf.
    pub server: Option<String>,
    /// Whether the local apiserver answers `/readyz` with 200.
    pub apiserver_ready: bool,
    pub kubelet_active: bool,
    /// Whether this host has the VIP on an interface now.
    pub holds_vip: bool,
    /// sha256 of files that must be the same on all control planes, by path.
    pub shared_files: std::collections::BTreeMap<String, String>,
}

/// The script that collects [`Facts`] and what the preflight checks need.
pub fn facts_script(_cluster: &Cluster, _host: &Host) -> Script {
    Script::read("facts", "")
}

/// Reads what [`facts_script`] printed.
pub fn parse_facts(_stdout: &str) -> anyhow::Result<Facts> {
    Ok(Facts::default())
}
