//! What each host listens on and probes.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use serde::Serialize;

use super::{
    super::skipped,
    links::{self, Proto},
};
use crate::{
    artifacts::{Artifacts, From},
    inventory::{Cluster, Host, PodNetwork, Pool},
    observe::{Facts, Observation},
};

/// Of each pool's addresses so many are asked for: a whole /16 would take minutes.
pub(super) const ASKED: usize = 256;
/// Seconds for which VRRP routers are listened to: three of keepalived's default intervals and a little.
const ADVERTS: f64 = 3.5;

/// One host's part, as `templates/observe/wire.py` reads it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Task {
    pub host: String,
    /// Of this run: an answer of another run's listener is none.
    pub token: String,
    /// The node's address and the interface that carries it.
    pub address: String,
    pub interface: String,
    pub listen: Vec<Listen>,
    pub probes: Vec<Probe>,
    /// Hosts to which packets of full size must get.
    pub paths: Vec<Path>,
    /// Seconds for which VRRP routers are listened to; 0: not at all.
    pub adverts: f64,
    /// Addresses that should be free.
    pub pool: Vec<Ipv4Addr>,
    /// Directory whose disk is measured; empty: none.
    pub disk: String,
    /// Whether a member of etcd runs there: it is asked how long its writes take, and none is made beside it.
    pub etcd: bool,
    pub sites: Vec<Site>,
    pub name_servers: Vec<String>,
    pub names: Vec<String>,
    pub time_servers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listen {
    pub proto: Proto,
    pub address: String,
    pub port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Probe {
    pub to: String,
    pub proto: Proto,
    pub address: String,
    pub port: u16,
    /// Whether a listener of this check answers; else one of the cluster's own programs does.
    pub ours: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Path {
    pub to: String,
    pub address: String,
}

/// A server of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Site {
    /// Whose images or files it has: `quay.io`, `dl.k8s.io`.
    pub of: String,
    pub url: String,
    /// PEM, beside those that the host trusts.
    pub ca: String,
    pub verify: bool,
}

/// The part of every host that answered; nothing for hosts that have no part, and nothing at all when everything is skipped.
pub fn plan(
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
    token: &str,
) -> BTreeMap<String, Task> {
    let mut tasks = BTreeMap::new();
    for host in &cluster.hosts {
        let Some(one) = seen.hosts.get(&host.name) else {
            continue;
        };
        let interface = (host.interface.as_deref())
            .or_else(|| one.facts.interface_of(host.node_ip))
            .unwrap_or_default();
        let task = Task {
            host: host.name.clone(),
            token: token.to_owned(),
            address: host.node_ip.to_string(),
            interface: interface.to_owned(),
            ..Task::default()
        };
        tasks.insert(host.name.clone(), task);
    }
    for host in &cluster.hosts {
        reach(cluster, seen, host, &mut tasks);
    }
    let mut pool = pools(cluster);
    for host in &cluster.hosts {
        let (Some(task), Some(one)) = (tasks.get_mut(&host.name), seen.hosts.get(&host.name))
        else {
            continue;
        };
        let wanted = |id: &str| !skipped(cluster, host, id);
        if !task.interface.is_empty() {
            on_interface(cluster, seen, host, task, &mut pool);
        }
        if host.is_control_plane() && wanted("etcd-disk") {
            task.disk.clone_from(&cluster.control_plane.etcd_data_dir);
            task.etcd = one
                .facts
                .kube
                .manifests
                .iter()
                .any(|name| name == "etcd.yaml");
        }
        if host.is_node() && wanted("registries") && !artifacts.offline {
            task.sites = sites(cluster, artifacts, &one.facts);
        }
        // A lab host resolves names as its machine does.
        if wanted("dns") && !host.lab {
            let servers = one.facts.all("nameserver").iter();
            task.name_servers = servers.filter(|one| !loopback(one)).cloned().collect();
            task.names = names(cluster);
        }
        if wanted("time-servers") && cluster.system.manage_time && !one.facts.container {
            task.time_servers.clone_from(&cluster.system.time_servers);
        }
    }
    tasks.retain(|_, task| task.has_work());
    tasks
}

impl Task {
    fn has_work(&self) -> bool {
        !(self.listen.is_empty()
            && self.probes.is_empty()
            && self.paths.is_empty()
            && self.adverts == 0.0
            && self.pool.is_empty()
            && self.disk.is_empty()
            && self.sites.is_empty()
            && self.name_servers.is_empty()
            && self.names.is_empty()
            && self.time_servers.is_empty())
    }
}

fn loopback(server: &str) -> bool {
    server.parse::<IpAddr>().is_ok_and(|one| one.is_loopback())
}

/// Listeners of `host`, and the probes of those that must reach them.
fn reach(cluster: &Cluster, seen: &Observation, host: &Host, tasks: &mut BTreeMap<String, Task>) {
    let Some(one) = seen.hosts.get(&host.name) else {
        return;
    };
    if skipped(cluster, host, "reach") {
        return;
    }
    let joined = one.facts.kube.kubelet_conf;
    for (port, (_, callers)) in links::inbound(cluster, host) {
        // What is not a connection gets no answer from the cluster's own programs, and keepalived is not to be disturbed.
        let busy = |name: &str| {
            let seen = seen.hosts.get(name);
            seen.is_some_and(|one| one.facts.unit_active("keepalived.service"))
        };
        let quiet = match port.proto {
            Proto::Tcp => false,
            Proto::Udp => joined,
            Proto::Vrrp => busy(&host.name),
        };
        if quiet {
            continue;
        }
        let ours = !joined || port.proto == Proto::Vrrp;
        let address = host.node_ip.to_string();
        if ours && let Some(task) = tasks.get_mut(&host.name) {
            task.listen.push(Listen {
                proto: port.proto,
                address: address.clone(),
                port: port.number,
            });
        }
        for caller in callers {
            let Some(task) = tasks.get_mut(&caller.name) else {
                continue;
            };
            let deaf = port.proto == Proto::Vrrp && busy(&caller.name);
            if !deaf && caller.node_ip.is_ipv4() == host.node_ip.is_ipv4() {
                task.probes.push(Probe {
                    to: host.name.clone(),
                    proto: port.proto,
                    address: address.clone(),
                    port: port.number,
                    ours,
                });
            }
        }
    }
}

/// What is asked on the interface of the node's address. `pool` holds what no host before has asked for.
fn on_interface(
    cluster: &Cluster,
    seen: &Observation,
    host: &Host,
    task: &mut Task,
    pool: &mut BTreeSet<Ipv4Addr>,
) {
    let wanted = |id: &str| !skipped(cluster, host, id);
    let holder = |host: &Host| cluster.vip_holders().any(|one| one.name == host.name);
    let meets =
        |other: &Host| (host.is_node() && other.is_node()) || (holder(host) && holder(other));
    if wanted("mtu") {
        let others = cluster.hosts.iter().filter(|other| {
            other.name != host.name && meets(other) && seen.hosts.contains_key(&other.name)
        });
        task.paths = others
            .map(|other| Path {
                to: other.name.clone(),
                address: other.node_ip.to_string(),
            })
            .collect();
    }
    if wanted("vrrp-id") && holder(host) {
        task.adverts = ADVERTS;
    }
    if wanted("pool") && host.is_node() {
        let facts = seen.hosts.get(&host.name).map(|one| &one.facts);
        let nets: Vec<_> = facts
            .into_iter()
            .flat_map(|facts| &facts.addresses)
            .filter(|one| one.interface == task.interface)
            .filter_map(|one| ipnet::IpNet::new(one.address, one.prefix).ok())
            .collect();
        // An address is asked for once: by the first host that is in its network.
        let here = |address: &Ipv4Addr| nets.iter().any(|net| net.contains(&IpAddr::V4(*address)));
        task.pool = pool.iter().copied().filter(here).collect();
        pool.retain(|address| !here(address));
    }
}

/// IPv4 addresses that MetalLB will answer ARP for.
pub(super) fn pools(cluster: &Cluster) -> BTreeSet<Ipv4Addr> {
    let pools = cluster.metallb.iter().flat_map(|metallb| &metallb.pools);
    pools
        .filter(|pool| pool.l2.is_some())
        .flat_map(|pool| addresses(pool).into_iter().take(ASKED))
        .collect()
}

pub(super) fn addresses(pool: &Pool) -> Vec<Ipv4Addr> {
    let range = |text: &str| -> Option<(Ipv4Addr, Ipv4Addr)> {
        if let Some((from, to)) = text.split_once('-') {
            return Some((from.trim().parse().ok()?, to.trim().parse().ok()?));
        }
        let net: ipnet::Ipv4Net = text.parse().ok()?;
        Some((net.network(), net.broadcast()))
    };
    pool.addresses
        .iter()
        .filter_map(|text| range(text))
        .flat_map(|(from, to)| (from.to_bits()..=to.to_bits()).take(ASKED))
        .map(Ipv4Addr::from_bits)
        .collect()
}

/// Names that hosts look up before anything of the cluster answers.
fn names(cluster: &Cluster) -> Vec<String> {
    let endpoint = &cluster.endpoint.host;
    // A name that we write into /etc/hosts need not be known elsewhere.
    let written = cluster.system.manage_hosts_file && cluster.vip().is_some();
    (endpoint.parse::<IpAddr>().is_err() && !written)
        .then(|| endpoint.clone())
        .into_iter()
        .collect()
}

/// Where a node gets images and files from: mirrors before the registries that they stand for.
fn sites(cluster: &Cluster, artifacts: &Artifacts, facts: &Facts) -> Vec<Site> {
    let mut sites = Vec::new();
    let plain = |of: &str, url: String| Site {
        of: of.to_owned(),
        url,
        ca: String::new(),
        verify: true,
    };
    for name in registries(cluster) {
        let known = cluster.registries.iter();
        let own = known.clone().find(|one| one.name == name);
        let settings = own.or_else(|| known.clone().find(|one| one.name == "_default"));
        for mirror in settings.iter().flat_map(|one| &one.mirrors) {
            sites.push(Site {
                ca: mirror.ca.clone().unwrap_or_default(),
                verify: !mirror.skip_verify,
                ..plain(&name, mirror.url.clone())
            });
        }
        if settings.is_none_or(|one| one.fallback) {
            let server = match name.as_str() {
                "docker.io" => "registry-1.docker.io",
                other => other,
            };
            sites.push(plain(&name, format!("https://{server}/v2/")));
        }
    }
    let downloads: BTreeSet<Site> = artifacts
        .items
        .iter()
        .filter(|item| item.arch.as_deref().is_none_or(|arch| arch == facts.arch))
        .filter_map(|item| match &item.from {
            From::Url(url) => origin(url),
            From::Local(_) => None,
        })
        .map(|(server, url)| plain(&server, url))
        .collect();
    sites.extend(downloads);
    sites
}

/// `dl.k8s.io` and `https://dl.k8s.io/` of a URL there.
fn origin(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let server = rest.split('/').next()?;
    Some((server.to_owned(), format!("{scheme}://{server}/")))
}

/// Registries from which the components that are switched on come.
fn registries(cluster: &Cluster) -> BTreeSet<String> {
    let control_plane = cluster.control_plane.image_repository.as_deref();
    let control_plane = control_plane.unwrap_or("registry.k8s.io");
    let server = control_plane.split('/').next().unwrap_or(control_plane);
    let mut names: BTreeSet<String> = [server.to_owned()].into();
    let mut add = |on: bool, name: &str| {
        if on {
            names.insert(name.to_owned());
        }
    };
    let plugin = &cluster.network.plugin;
    add(matches!(plugin, PodNetwork::Flannel(_)), "ghcr.io");
    let quay = matches!(
        plugin,
        PodNetwork::Calico { .. } | PodNetwork::Cilium { .. }
    );
    add(quay || cluster.metallb.is_some(), "quay.io");
    let docker = cluster.longhorn.is_some() || cluster.harbor.is_some();
    add(
        docker || matches!(plugin, PodNetwork::Calico { .. }),
        "docker.io",
    );
    names
}
