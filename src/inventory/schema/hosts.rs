//! Hosts, what they inherit, and how they are reached.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{OneOrMany, Secret};
use crate::inventory::forms::{Address, HostAddress, HostPort, Quantity, TaintText, Time, Vip};

/// Declares a struct with the settings that hosts share with groups and `defaults`, after fields of its own.
macro_rules! with_host_settings {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        #[allow(dead_code, reason = "some are here for the schema alone; hosts are read after they are merged")]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            /// What the host is: `control-plane`, `worker`, both as a list, or `load-balancer`. Default: `worker`; both for a single host.
            pub role: Option<OneOrMany<RoleName>>,
            /// How the host is reached, over the inventory's `ssh`.
            pub ssh: Option<Ssh>,
            /// Labels of the node.
            #[serde(default)]
            pub labels: BTreeMap<String, String>,
            /// Annotations of the node.
            #[serde(default)]
            pub annotations: BTreeMap<String, String>,
            /// Taints of the node, `key=value:Effect`.
            #[serde(default)]
            pub taints: Vec<TaintText>,
            /// Network interface of the VIP. Default: the one that has the node's address, which is also where flannel sends packets of pods.
            pub interface: Option<String>,
            /// Mount points that Longhorn uses. Hosts with data disks are the storage nodes; without any, all that run workloads.
            #[serde(default)]
            pub data_disks: Vec<DataDiskEntry>,
            /// `KubeletConfiguration` fields of the host alone: reservations, `maxPods`.
            #[serde(default)]
            pub kubelet: Map<String, Value>,
            /// Board management controller: its address, or more. Credentials never stand here.
            pub bmc: Option<BmcEntry>,
            /// VRRP priority, 1 to 254, distinct among the VIP's holders. Default: 150 for the first holder, then one less each.
            #[schemars(range(min = 1, max = 254))]
            pub vrrp_priority: Option<u8>,
            /// Ids of preflight checks that are skipped here.
            #[serde(default)]
            pub skip_checks: Vec<String>,
        }
    };
}

with_host_settings! {
    /// A machine.
    Host {
        /// Where SSH connects: an address or a name.
        #[schemars(required)]
        address: Option<HostAddress>,
        /// The node's address in the cluster network; IPv4 and IPv6 as a list for dual-stack. Default: `address`.
        node_ip: Option<OneOrMany<Address>>,
        /// Group, or groups of which later ones win.
        group: Option<OneOrMany<String>>,
    }
}

with_host_settings! {
    /// Settings that hosts inherit. Mappings are merged key by key; everything else is replaced: host over group over defaults.
    HostSettings {}
}

/// A host: its address alone, or with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline, extend("x-instead" = "an address such as `10.0.0.11`, or `{address: 10.0.0.11, role: worker}`"))]
#[expect(
    dead_code,
    reason = "here for the schema; hosts are read after they are merged"
)]
pub enum HostEntry {
    Address(HostAddress),
    Full(Box<Host>),
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RoleName {
    ControlPlane,
    Worker,
    LoadBalancer,
}

/// How `ssh` reaches a host. Whatever is left out is decided by `~/.ssh/config`.
#[derive(Debug, Default, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ssh {
    /// Login user; root, or one that may use sudo.
    pub user: Option<String>,
    /// Port of sshd. Default: 22.
    #[schemars(range(min = 1))]
    pub port: Option<u16>,
    /// Private key file. `~` is your home.
    pub key: Option<PathBuf>,
    /// Jump host, as `ssh -J` takes it: `user@bastion:22`.
    pub jump: Option<String>,
    /// ssh configuration file instead of `~/.ssh/config`.
    pub config: Option<PathBuf>,
    /// File of known host keys instead of `~/.ssh/known_hosts`.
    pub known_hosts: Option<PathBuf>,
    /// Password for sudo: `{file: PATH}`, `{env: NAME}` or `prompt`. Default: none is needed.
    pub sudo_password: Option<Secret>,
}

/// A mount point, or one with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline, extend("x-instead" = "a mount point such as `/var/lib/longhorn`"))]
pub enum DataDiskEntry {
    Path(String),
    Full(DataDisk),
}

/// A disk for Longhorn. It is never formatted here.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataDisk {
    /// Mount point on the host.
    #[schemars(required)]
    pub path: Option<String>,
    /// Block device that must be mounted there.
    pub device: Option<String>,
    /// Longhorn disk tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Space that Longhorn leaves free.
    pub reserved: Option<Quantity>,
}

/// A controller's address, or one with its protocol.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum BmcEntry {
    Address(HostAddress),
    Full(Bmc),
}

/// Board management controller.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bmc {
    /// Address or name of the controller.
    #[schemars(required)]
    pub address: Option<HostAddress>,
    /// How it is spoken to. Default: `redfish`.
    pub protocol: Option<BmcProtocol>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum BmcProtocol {
    Redfish,
    Ipmi,
}

/// A virtual IP, a DNS name of your own load balancer, or one with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline, extend("x-instead" = "a free address such as `10.0.0.10`, or `{external: api.example.org:6443}`"))]
pub enum EndpointEntry {
    Short(HostPort),
    Full(Box<Endpoint>),
}

/// Where the API is reached: `vip` or `external`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Endpoint {
    /// Virtual IP, with the prefix length of its network if that is to be checked. Default prefix: 32, or 128.
    pub vip: Option<Vip>,
    /// Load balancer of your own, or a single control plane's address: nothing is installed for it.
    pub external: Option<HostPort>,
    /// Who holds the VIP. Default: `control-planes`.
    pub held_by: Option<HeldBy>,
    /// DNS name of the VIP that clients and nodes use instead of the address.
    pub name: Option<String>,
    /// Port of the API for clients. Default: 6443.
    #[schemars(range(min = 1), extend("default" = 6443))]
    pub port: Option<u16>,
    /// Port on which apiservers listen. Default: 6444 behind a VIP on the control planes, else 6443.
    #[schemars(range(min = 1))]
    pub apiserver_port: Option<u16>,
    /// VRRP virtual router id, 1 to 255, of no other pair in the same network. Default: the VIP's last byte (51 if that is 0).
    #[schemars(range(min = 1, max = 255))]
    pub router_id: Option<u8>,
    /// Time between VRRP adverts, whole seconds, at most `40s`. Default: `1s`.
    #[schemars(extend("default" = "1s"))]
    pub advert_interval: Option<Time>,
    /// haproxy in front of the apiservers.
    pub haproxy: Option<Haproxy>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum HeldBy {
    ControlPlanes,
    LoadBalancers,
}

/// haproxy in front of the apiservers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Haproxy {
    /// How long an idle connection lives (`exec`, watches). Default: `4h`.
    #[schemars(extend("default" = "4h"))]
    pub idle_timeout: Option<Time>,
    /// How long a connection to an apiserver may take before the next one is tried. Default: `2s`.
    #[schemars(extend("default" = "2s"))]
    pub connect_timeout: Option<Time>,
    /// Time between checks of an apiserver's `/readyz`; half of it while an apiserver goes or comes. Default: `1s`.
    #[schemars(extend("default" = "1s"))]
    pub check_interval: Option<Time>,
    /// Port of the monitor page on 127.0.0.1. Default: 8404.
    #[schemars(range(min = 1), extend("default" = 8404))]
    pub stats_port: Option<u16>,
    /// Connections at once. Default: 8192.
    #[schemars(range(min = 100), extend("default" = 8192))]
    pub max_connections: Option<u32>,
}
