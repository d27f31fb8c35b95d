//! Machines, and how they are reached.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde::Serialize;

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    ControlPlane,
    Worker,
    LoadBalancer,
}

/// One machine, with what it inherits from its groups and the inventory already merged in.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// Node name and hostname; a DNS-1123 subdomain.
    pub name: String,
    /// Where SSH connects.
    pub address: String,
    /// The node's address in the cluster network: etcd peers, kubelet, VRRP. From `node-ip`, else `address`.
    pub node_ip: IpAddr,
    /// Second node address of a dual-stack cluster.
    pub node_ip_v6: Option<IpAddr>,
    pub roles: Vec<Role>,
    pub groups: Vec<String>,
    pub ssh: Ssh,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    /// Interface that carries the VIP and flannel; found on the host when `None`.
    pub interface: Option<String>,
    pub data_disks: Vec<DataDisk>,
    /// Kubelet settings of this host alone (reservations, max pods): merged over `KubeletConfiguration`.
    pub kubelet: serde_json::Map<String, serde_json::Value>,
    pub bmc: Option<Bmc>,
    /// VRRP priority; distinct per host.
    pub vrrp_priority: u8,
    /// Whether workloads may run here although it is a control plane.
    pub schedulable: bool,
    /// Checks that the user skips on this host.
    pub skip_checks: Vec<String>,
    /// True where the host is a container made by the `lab:` block.
    pub lab: bool,
    /// Where the host's entry starts: 1-based line and column in the inventory.
    pub position: (usize, usize),
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A disk that Longhorn uses.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct DataDisk {
    /// Mount point on the host.
    pub path: String,
    /// Block device to check for; it is never formatted here.
    pub device: Option<String>,
    pub tags: Vec<String>,
    /// Bytes kept free.
    pub reserved_bytes: Option<u64>,
}

/// Board management controller; address only, credentials come from elsewhere.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Bmc {
    pub address: String,
    pub protocol: String,
}

/// How to reach a host; empty fields are left to `~/.ssh/config`.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct Ssh {
    pub user: Option<String>,
    pub port: Option<u16>,
    pub key: Option<PathBuf>,
    /// `user@host:port`, as `ssh -J` takes it; several separated by commas.
    pub jump: Option<String>,
    pub config: Option<PathBuf>,
    pub known_hosts: Option<PathBuf>,
    pub sudo: Sudo,
}

#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Sudo {
    /// `sudo -n`, or nothing at all when the login user is root.
    #[default]
    Passwordless,
    /// The password comes from a file, the environment or a prompt.
    Password(SecretSource),
}

/// Where a secret comes from; never the inventory itself.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    File(PathBuf),
    Env(String),
    /// Asked for once on the terminal.
    Prompt,
}

impl Host {
    pub fn is_control_plane(&self) -> bool {
        self.roles.contains(&Role::ControlPlane)
    }

    pub fn is_node(&self) -> bool {
        self.roles.contains(&Role::ControlPlane) || self.roles.contains(&Role::Worker)
    }
}
