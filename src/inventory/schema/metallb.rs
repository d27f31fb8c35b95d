//! MetalLB: pools, peers, announcements.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{OneOrMany, Secret};
use crate::inventory::forms::{Address, Community, ComponentVersion, Range, Time};

/// A range, several, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline, extend("x-instead" = "a range such as `10.0.0.200-10.0.0.219`, or `{pools: {…}}`"))]
pub enum MetalLbEntry {
    Ranges(OneOrMany<Range>),
    Full(Box<MetalLb>),
}

/// MetalLB.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MetalLb {
    /// Version. Default: the catalog's.
    pub version: Option<ComponentVersion>,
    /// What speaks BGP: `native` (IPv4 without BFD), `frr-k8s`, or `frr` (deprecated upstream). Default: `native` without peers, else `frr-k8s`.
    pub bgp_mode: Option<BgpMode>,
    /// Pools of addresses by name: a range, several, or more.
    #[schemars(required)]
    pub pools: Option<BTreeMap<String, PoolEntry>>,
    /// BGP peers by name.
    #[serde(default)]
    pub peers: BTreeMap<String, BgpPeer>,
    /// BFD profiles by name.
    #[serde(default)]
    pub bfd_profiles: BTreeMap<String, BfdProfile>,
    /// BGP communities by name.
    #[serde(default)]
    pub communities: BTreeMap<String, Community>,
    /// Serve only Services of this class. Default: all without a class.
    pub load_balancer_class: Option<String>,
    /// Announce from nodes that are labelled `node.kubernetes.io/exclude-from-external-load-balancers`. Default: true where only control planes run workloads.
    pub ignore_exclude_lb: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum BgpMode {
    Native,
    Frr,
    FrrK8s,
}

/// A range, several, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum PoolEntry {
    Ranges(OneOrMany<Range>),
    Full(Pool),
}

/// A pool and how it is announced.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pool {
    /// A range or network, or several.
    #[schemars(required)]
    pub addresses: Option<OneOrMany<Range>>,
    /// Whether Services get an address of it without asking. Default: true.
    #[schemars(extend("default" = true))]
    pub auto_assign: Option<bool>,
    /// Whether addresses that end in .0 and .255 are left out. Default: false.
    #[schemars(extend("default" = false))]
    pub avoid_buggy_ips: Option<bool>,
    /// Announce by ARP and NDP: `true`, `false`, or more. Default: true unless there are peers.
    pub l2: Option<L2Entry>,
    /// Announce by BGP: `true`, `false`, or more. Default: true if there are peers.
    pub bgp: Option<BgpEntry>,
}

/// On, off, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum L2Entry {
    Switch(bool),
    Full(L2),
}

/// Announcement by ARP and NDP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct L2 {
    /// Interfaces on which addresses are announced. Default: all.
    #[serde(default)]
    pub interfaces: Vec<String>,
    /// Labels of nodes that may announce; several mappings mean any of them. Default: all nodes.
    pub node_selectors: Option<OneOrMany<BTreeMap<String, String>>>,
}

/// On, off, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum BgpEntry {
    Switch(bool),
    Full(Bgp),
}

/// Announcement by BGP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Bgp {
    /// Prefix length of IPv4 routes. Default: 32.
    #[schemars(range(min = 1, max = 32))]
    pub aggregation_length: Option<u8>,
    /// Prefix length of IPv6 routes. Default: 128.
    #[schemars(range(min = 1, max = 128))]
    pub aggregation_length_v6: Option<u8>,
    /// BGP local preference, for iBGP.
    pub local_pref: Option<u32>,
    /// Names of `communities`, or values.
    #[serde(default)]
    pub communities: Vec<String>,
    /// Names of `peers`. Default: all.
    #[serde(default)]
    pub peers: Vec<String>,
    /// Labels of nodes that may announce; several mappings mean any of them. Default: all nodes.
    pub node_selectors: Option<OneOrMany<BTreeMap<String, String>>>,
}

/// A router that nodes talk BGP to.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BgpPeer {
    /// AS number of the nodes.
    #[schemars(required, range(min = 1))]
    pub my_asn: Option<u32>,
    /// AS number of the router.
    #[schemars(required, range(min = 1))]
    pub peer_asn: Option<u32>,
    /// Address of the router.
    #[schemars(required)]
    pub address: Option<Address>,
    /// TCP port. Default: 179.
    #[schemars(range(min = 1), extend("default" = 179))]
    pub port: Option<u16>,
    /// After which silence the session is dead, at least `3s`. Default: `90s`.
    pub hold_time: Option<Time>,
    /// Time between keepalives. Default: a third of `hold-time`.
    pub keepalive_time: Option<Time>,
    /// Name of one of `bfd-profiles`.
    pub bfd_profile: Option<String>,
    /// Whether the router is more than one hop away. Default: false.
    #[schemars(extend("default" = false))]
    pub ebgp_multi_hop: Option<bool>,
    /// TCP MD5 password.
    pub password: Option<Secret>,
    /// Address of the node from which the session is opened.
    pub source_address: Option<Address>,
    /// BGP router id, an IPv4 address.
    pub router_id: Option<Address>,
    /// Labels of nodes that talk to the router; several mappings mean any of them. Default: all nodes.
    pub node_selectors: Option<OneOrMany<BTreeMap<String, String>>>,
}

/// Fast detection of a dead peer; times in milliseconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BfdProfile {
    /// Shortest time between packets that we take, milliseconds. Default: 300.
    #[schemars(range(min = 10, max = 60000))]
    pub receive_interval: Option<u32>,
    /// Time between packets that we send, milliseconds. Default: 300.
    #[schemars(range(min = 10, max = 60000))]
    pub transmit_interval: Option<u32>,
    /// Packets that may be lost. Default: 3.
    #[schemars(range(min = 2, max = 255))]
    pub detect_multiplier: Option<u32>,
    /// Time between echo packets, milliseconds. Default: 50.
    #[schemars(range(min = 10, max = 60000))]
    pub echo_interval: Option<u32>,
    /// Whether echo packets are used.
    pub echo_mode: Option<bool>,
    /// Whether the router must speak first.
    pub passive_mode: Option<bool>,
    /// Lowest TTL of a multi-hop session.
    #[schemars(range(min = 1, max = 254))]
    pub minimum_ttl: Option<u32>,
}
