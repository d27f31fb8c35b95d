//! Where the API is reached.

use std::{net::IpAddr, time::Duration};

use serde::Serialize;

/// Where clients and nodes reach the API; never changes while the cluster grows or shrinks.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Endpoint {
    /// Address or DNS name in kubeadm's `controlPlaneEndpoint`.
    pub host: String,
    pub port: u16,
    pub kind: EndpointKind,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// keepalived and haproxy on the control planes; the apiserver binds `Vip::apiserver_port`.
    Vip(Vip),
    /// keepalived and haproxy on the hosts with role `load-balancer`.
    LoadBalancers(Vip),
    /// A load balancer of the user's own, or a single control plane's address: nothing is installed for it.
    External,
}

/// A virtual IP held by keepalived.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Vip {
    pub address: IpAddr,
    /// Prefix length with which the VIP is added to the interface.
    pub prefix: u8,
    /// VRRP virtual router id, 1–255, unique in the L2 domain.
    pub router_id: u8,
    /// Port on which apiservers listen (kubeadm `localAPIEndpoint.bindPort`): 6444 behind a co-located haproxy, else 6443.
    pub apiserver_port: u16,
    /// Time between VRRP adverts; keepalived `advert_int`.
    pub advert_interval: Duration,
    pub haproxy: HaproxySettings,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct HaproxySettings {
    /// `timeout client`, `timeout server` and `timeout tunnel`: long, so that idle `exec` and watches live.
    pub idle_timeout: Duration,
    pub connect_timeout: Duration,
    /// `inter` between checks of an apiserver's `/readyz`.
    pub check_interval: Duration,
    /// Port of the monitor and stats page on 127.0.0.1.
    pub stats_port: u16,
    pub max_connections: u32,
}
