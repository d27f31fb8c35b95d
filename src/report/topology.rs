//! What an inventory describes, as far as a picture of it needs to know: machines, the endpoint, pools.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inventory::{Cluster, EndpointKind, Pool as AddressPool, Role};

/// A cluster as a picture shows it. Nothing in it is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Topology {
    /// Version, without the leading `v`.
    pub kubernetes: String,
    pub endpoint: Endpoint,
    /// In the order of the inventory.
    pub machines: Vec<Machine>,
    /// MetalLB's pools.
    pub pools: Vec<Pool>,
    /// MetalLB's BGP peers.
    pub peers: Vec<Peer>,
    /// Further things on the cluster: `flannel`, `Longhorn`, names of add-ons.
    pub services: Vec<String>,
}

/// Where the API is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    /// `HOST:PORT`.
    pub address: String,
    /// The virtual IP; none where the load balancer is the user's own.
    pub vip: Option<String>,
    /// Hosts with keepalived and haproxy.
    pub holders: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Machine {
    pub name: String,
    /// In the cluster network.
    pub address: String,
    pub control_plane: bool,
    /// Whether workloads run on it.
    pub worker: bool,
    pub load_balancer: bool,
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Pool {
    pub name: String,
    /// Networks or `FROM-TO` ranges.
    pub addresses: Vec<String>,
    /// Announced by ARP and NDP.
    pub l2: bool,
    pub bgp: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Peer {
    pub name: String,
    pub address: String,
    pub asn: u32,
}

impl Topology {
    pub fn of(cluster: &Cluster) -> Self {
        let metallb = cluster.metallb.as_ref();
        Self {
            kubernetes: cluster.version.to_string(),
            endpoint: endpoint(cluster),
            machines: cluster.hosts.iter().map(machine).collect(),
            pools: metallb.iter().flat_map(|it| &it.pools).map(pool).collect(),
            peers: metallb
                .iter()
                .flat_map(|metallb| &metallb.peers)
                .map(|peer| Peer {
                    name: peer.name.clone(),
                    address: peer.address.clone(),
                    asn: peer.peer_asn,
                })
                .collect(),
            services: services(cluster),
        }
    }
}

fn endpoint(cluster: &Cluster) -> Endpoint {
    Endpoint {
        address: cluster.endpoint_address(),
        vip: match &cluster.endpoint.kind {
            EndpointKind::Vip(vip) | EndpointKind::LoadBalancers(vip) => {
                Some(vip.address.to_string())
            }
            EndpointKind::External => None,
        },
        holders: cluster
            .vip_holders()
            .map(|host| host.name.clone())
            .collect(),
    }
}

fn machine(host: &crate::inventory::Host) -> Machine {
    Machine {
        name: host.name.clone(),
        address: host.node_ip.to_string(),
        control_plane: host.is_control_plane(),
        worker: host.roles.contains(&Role::Worker) || (host.is_node() && host.schedulable),
        load_balancer: host.roles.contains(&Role::LoadBalancer),
        groups: host.groups.clone(),
    }
}

fn pool(pool: &AddressPool) -> Pool {
    Pool {
        name: pool.name.clone(),
        addresses: pool.addresses.clone(),
        l2: pool.l2.is_some(),
        bgp: pool.bgp.is_some(),
    }
}

fn services(cluster: &Cluster) -> Vec<String> {
    let plugin = super::summary::pod_network(cluster);
    let longhorn = cluster.longhorn.iter();
    let longhorn = longhorn.map(|longhorn| format!("Longhorn {}", longhorn.version));
    let metallb = cluster.metallb.iter();
    let metallb = metallb.map(|metallb| format!("MetalLB {}", metallb.version));
    let harbor = cluster.harbor.iter();
    let harbor = harbor.map(|harbor| format!("Harbor {}", harbor.version));
    let addons = cluster.addons.iter().map(|addon| addon.name.clone());
    std::iter::once(plugin)
        .chain(metallb)
        .chain(longhorn)
        .chain(harbor)
        .chain(addons)
        .collect()
}
