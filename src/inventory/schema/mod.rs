//! The inventory as it is written: types from which the JSON Schema is derived, and into which a checked file is read.
//!
//! Every field may be missing here; `required` and all other constraints live in the schema, which [`super::walk`] checks with
//! positions before anything is deserialised. Doc comments are the descriptions that users read in their editor and the README.

mod hosts;
mod kubernetes;
mod metallb;
mod platform;
mod services;

use std::{collections::BTreeMap, path::PathBuf};

pub use hosts::*;
pub use kubernetes::*;
pub use metallb::*;
pub use platform::*;
use schemars::JsonSchema;
use serde::Deserialize;
pub use services::*;

use super::forms::{Cidr, KubernetesVersion, Label};

/// A cluster of Kubernetes on machines of your own.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(
    title = "baremetal inventory",
    extend("x-instead" = "a mapping with `cluster`, `kubernetes`, `endpoint` and `hosts` (inventories/ holds examples)")
)]
#[expect(
    dead_code,
    reason = "hosts, groups and defaults are read after they are merged"
)]
pub struct Document {
    /// Name of the cluster: kubeadm's `clusterName`, the kubeconfig's file name, and what destructive commands ask for.
    #[schemars(required)]
    pub cluster: Option<Label>,
    /// Kubernetes version, 1.28 to 1.36. May be left out when a bundle is used, which then says it.
    pub kubernetes: Option<KubernetesVersion>,
    /// Where the API is reached for ever: a virtual IP on the control planes, or a load balancer of your own.
    pub endpoint: Option<EndpointEntry>,
    /// How hosts are reached; hosts and groups may override each part.
    pub ssh: Option<Ssh>,
    /// The machines, by node name.
    #[schemars(
        required,
        extend("x-instead" = "a mapping of names, such as `cp1: {address: 10.0.0.11, role: control-plane}`")
    )]
    pub hosts: Option<BTreeMap<String, HostEntry>>,
    /// Settings that every host inherits.
    pub defaults: Option<HostSettings>,
    /// Settings that the hosts of a group inherit, by group name.
    #[serde(default)]
    pub groups: BTreeMap<String, HostSettings>,
    /// Pod and service networks.
    pub network: Option<Network>,
    /// kube-proxy: its mode, or more.
    pub kube_proxy: Option<KubeProxyEntry>,
    /// kubelet on every node.
    pub kubelet: Option<Kubelet>,
    /// API server, controller manager, scheduler and etcd.
    pub control_plane: Option<ControlPlane>,
    /// Allow an even number of control planes, which tolerates no more failures than one less.
    pub allow_even_control_planes: Option<bool>,
    /// containerd.
    pub runtime: Option<Runtime>,
    /// Mirrors and trust, by registry (`docker.io`, `registry.example.org:5000`, `_default`).
    #[serde(default)]
    pub registries: BTreeMap<String, RegistryEntry>,
    /// The operating system of every host.
    pub system: Option<System>,
    /// Addresses for Services of type `LoadBalancer`: a range, a list of ranges, or more.
    pub metallb: Option<MetalLbEntry>,
    /// Replicated storage: `true`, or more.
    pub longhorn: Option<LonghornEntry>,
    /// A registry on the cluster.
    pub harbor: Option<Harbor>,
    /// Further things to install, by name and in this order: a chart, a kustomize directory or manifests.
    #[serde(default)]
    pub addons: BTreeMap<String, AddonEntry>,
    /// Where binaries, images and charts come from. Default: `upstream`.
    pub artifacts: Option<ArtifactsEntry>,
    /// Makes the hosts as containers on this machine, for trying and testing.
    pub lab: Option<Lab>,
    /// How a run behaves.
    pub run: Option<Run>,
    /// The pods with which `baremetal verify` looks whether the cluster does what it is for.
    pub verify: Option<Verify>,
}

/// One value, or a list of them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// A single value or list, as a list; empty when missing.
pub fn list<T>(entry: Option<OneOrMany<T>>) -> Vec<T> {
    entry.map(OneOrMany::into_vec).unwrap_or_default()
}

/// Where a secret comes from; it never stands in the inventory itself.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-secret" = true))]
pub enum Secret {
    /// Asked for on the terminal.
    Prompt(PromptWord),
    From(SecretPlace),
}

/// The word `prompt`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum PromptWord {
    Prompt,
}

/// A file or an environment variable; exactly one.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SecretPlace {
    /// File that holds the secret and nothing else; relative to the inventory.
    pub file: Option<PathBuf>,
    /// Environment variable of the machine that runs `baremetal`.
    pub env: Option<String>,
}

/// Pod and service networks.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Network {
    /// Pod network, or an IPv4 and an IPv6 one. Default: `10.244.0.0/16`.
    #[schemars(extend("default" = "10.244.0.0/16"))]
    pub pods: Option<OneOrMany<Cidr>>,
    /// Service network, or an IPv4 and an IPv6 one in the same order. Default: `10.96.0.0/12`.
    #[schemars(extend("default" = "10.96.0.0/12"))]
    pub services: Option<OneOrMany<Cidr>>,
    /// Domain of Services. Default: `cluster.local`.
    #[schemars(extend("default" = "cluster.local"))]
    pub dns_domain: Option<String>,
    /// Prefix length of one node's part of the pod network, per family. Default: 24 for IPv4, 64 for IPv6.
    pub node_mask: Option<OneOrMany<u8>>,
    /// What connects pods. Default: `flannel`.
    pub plugin: Option<PluginEntry>,
}

/// A plugin by name, or one with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum PluginEntry {
    Name(PluginName),
    Full(Box<Plugin>),
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum PluginName {
    Flannel,
    Calico,
    Cilium,
    None,
}

/// One pod network; exactly one key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plugin {
    /// flannel, from our own manifest.
    pub flannel: Option<Flannel>,
    /// Calico, by its operator's chart.
    pub calico: Option<ChartSettings>,
    /// Cilium, by chart.
    pub cilium: Option<ChartSettings>,
    /// Manifests of your own; relative to the inventory.
    pub manifests: Option<OneOrMany<PathBuf>>,
}

/// flannel.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Flannel {
    /// Version of flannel. Default: the catalog's.
    pub version: Option<super::forms::ComponentVersion>,
    /// Version of its CNI plugin. Default: the catalog's.
    pub cni_plugin_version: Option<super::forms::ComponentVersion>,
    /// How packets travel. Default: `vxlan`.
    pub backend: Option<FlannelBackend>,
    /// UDP port of VXLAN. Default: 8472.
    #[schemars(range(min = 1), extend("default" = 8472))]
    pub vxlan_port: Option<u16>,
    /// MTU of pods. Default: found by flannel.
    #[schemars(range(min = 576))]
    pub mtu: Option<u16>,
    /// Interface between nodes, the same on every host. Default: each host's with the node's address.
    pub interface: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum FlannelBackend {
    Vxlan,
    HostGw,
    Wireguard,
}

/// A chart that we know: its version and values.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChartSettings {
    /// Chart version. Default: the catalog's.
    pub version: Option<super::forms::ComponentVersion>,
    /// Values over ours.
    #[serde(default)]
    pub values: serde_json::Map<String, serde_json::Value>,
}

impl Document {
    /// Reads a value that was checked against the schema. The error says what the schema let through.
    pub fn deserialize_checked(value: &serde_json::Value) -> Result<Self, String> {
        Self::deserialize(value).map_err(|error| error.to_string())
    }
}
