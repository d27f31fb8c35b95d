//! The cluster that an inventory describes, with every default filled in: what the rest of the program works from.
//!
//! Nothing here is optional because the user left it out; an `Option` means that the feature is off.

mod endpoint;
mod host;
mod kubernetes;
mod machine;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
};

pub use endpoint::*;
pub use host::*;
pub use kubernetes::*;
pub use machine::*;
use semver::Version;
use serde::Serialize;

use super::{Addon, Harbor, Longhorn, MetalLb};

/// A whole cluster as desired by the inventory.
#[derive(Debug, Clone, Serialize)]
pub struct Cluster {
    /// DNS-1123 label; also kubeadm's `clusterName`.
    pub name: String,
    /// Kubernetes version without the leading `v`.
    pub version: Version,
    pub endpoint: Endpoint,
    /// In the order of the file; names and addresses are unique.
    pub hosts: Vec<Host>,
    pub network: Network,
    pub kube_proxy: KubeProxy,
    pub kubelet: Kubelet,
    pub control_plane: ControlPlane,
    pub runtime: Runtime,
    pub registries: Vec<Registry>,
    pub system: System,
    pub metallb: Option<MetalLb>,
    pub longhorn: Option<Longhorn>,
    pub harbor: Option<Harbor>,
    pub addons: Vec<Addon>,
    pub artifacts: ArtifactSource,
    pub lab: Option<Lab>,
    pub run: RunSettings,
    pub verify: VerifySettings,
    /// The user accepts an even number of control planes.
    pub allow_even_control_planes: bool,
    /// What the user should know although nothing is wrong: shown once, before anything else.
    pub warnings: Vec<String>,
    /// Where the inventory lies; paths inside it are relative to its directory.
    pub file: PathBuf,
}

impl Cluster {
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    pub fn control_planes(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.is_control_plane())
    }

    /// Hosts that become nodes and are not control planes.
    pub fn workers(&self) -> impl Iterator<Item = &Host> {
        self.hosts
            .iter()
            .filter(|host| host.is_node() && !host.is_control_plane())
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.is_node())
    }

    /// Hosts that run keepalived and haproxy.
    pub fn vip_holders(&self) -> impl Iterator<Item = &Host> {
        let role = match self.endpoint.kind {
            EndpointKind::Vip(_) => Some(Role::ControlPlane),
            EndpointKind::LoadBalancers(_) => Some(Role::LoadBalancer),
            EndpointKind::External => None,
        };
        self.hosts
            .iter()
            .filter(move |host| role.is_some_and(|role| host.roles.contains(&role)))
    }

    pub fn vip(&self) -> Option<&Vip> {
        match &self.endpoint.kind {
            EndpointKind::Vip(vip) | EndpointKind::LoadBalancers(vip) => Some(vip),
            EndpointKind::External => None,
        }
    }

    /// kubeadm's `localAPIEndpoint.bindPort`.
    pub fn apiserver_port(&self) -> u16 {
        self.vip().map_or(6443, |vip| vip.apiserver_port)
    }

    /// `HOST:PORT`, with brackets around an IPv6 address.
    pub fn endpoint_address(&self) -> String {
        if self.endpoint.host.contains(':') {
            format!("[{}]:{}", self.endpoint.host, self.endpoint.port)
        } else {
            format!("{}:{}", self.endpoint.host, self.endpoint.port)
        }
    }

    /// Whether every node is a control plane, so that MetalLB and workloads must run there.
    pub fn control_planes_only(&self) -> bool {
        self.workers().next().is_none()
    }

    /// The address that API clients on a control plane use before any load balancer is there.
    pub fn loopback() -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}
