//! keepalived and haproxy: the endpoint of the API on the control planes, or on a pair of hosts of its own.

use std::{net::IpAddr, time::Duration};

use serde::Serialize;

use super::Context;
use crate::{
    inventory::{Cluster, Host, Vip},
    observe::Facts,
    resources::{Absent, Directory, File, Package, Resource, Service, ServiceState},
    templates,
};

const HAPROXY: &str = "/etc/haproxy/haproxy.cfg";
/// Says who may hold the virtual IP, and how they speak with each other.
pub(crate) const KEEPALIVED: &str = "/etc/keepalived/keepalived.conf";
/// Files that say who the control planes and the holders of the virtual IP are.
pub(crate) const LEARNT: [&str; 2] = [HAPROXY, KEEPALIVED];
const CHECK: &str = "/etc/keepalived/check-haproxy";
const UNIT: &str = "/etc/systemd/system/keepalived.service.d/10-baremetal.conf";

pub(super) fn resources(context: &Context<'_>) -> Vec<Resource> {
    let (cluster, host) = (context.cluster, context.host);
    let Some(vip) = cluster
        .vip()
        .filter(|_| cluster.vip_holders().any(|holder| holder.name == host.name))
    else {
        return former(context.facts);
    };
    let package = |name: &str| {
        Resource::Package(Package {
            name: name.to_owned(),
            or: Vec::new(),
        })
    };
    let directory = |path: &str| {
        Resource::Directory(Directory {
            path: path.to_owned(),
            mode: 0o755,
        })
    };
    vec![
        package("haproxy"),
        package("keepalived"),
        directory("/etc/haproxy"),
        directory("/etc/keepalived"),
        directory("/etc/systemd/system/keepalived.service.d"),
        Resource::File(File {
            check: Some(r#"haproxy -c -q -f "$1""#.to_owned()),
            ..File::new(HAPROXY, haproxy(cluster, vip), 0o644)
        }),
        // Before the configuration that names it: keepalived checks that its scripts are there.
        Resource::File(File::new(
            CHECK,
            templates::text("etc/keepalived/check-haproxy"),
            0o755,
        )),
        Resource::File(File::new(
            UNIT,
            templates::text("etc/keepalived/unit.conf"),
            0o644,
        )),
        Resource::File(File {
            check: Some(r#"keepalived -t -f "$1""#.to_owned()),
            ..File::new(
                KEEPALIVED,
                keepalived(cluster, host, vip, context.facts),
                0o644,
            )
        }),
        service("haproxy.service", HAPROXY),
        service("keepalived.service", KEEPALIVED),
    ]
}

/// A host that lost the role gives the address up: keepalived there would take it from those who have it now. Its packages stay.
/// The file that tells that it was ours goes last.
fn former(facts: &Facts) -> Vec<Resource> {
    if facts.one("balancer") != "ours" {
        return Vec::new();
    }
    let stopped = |unit: &str| {
        Resource::Service(Service {
            unit: unit.to_owned(),
            state: ServiceState::Stopped,
            enabled: false,
            restart_on: Vec::new(),
            reload_on: Vec::new(),
            required: false,
        })
    };
    let absent = |path: &str| {
        Resource::Absent(Absent {
            path: path.to_owned(),
        })
    };
    vec![
        stopped("keepalived.service"),
        stopped("haproxy.service"),
        absent(KEEPALIVED),
        absent(CHECK),
        absent(HAPROXY),
        absent(UNIT),
    ]
}

/// Reloaded, never restarted: connections through haproxy and the virtual IP survive a change.
fn service(unit: &str, file: &str) -> Resource {
    Resource::Service(Service {
        unit: unit.to_owned(),
        state: ServiceState::Running,
        enabled: true,
        restart_on: Vec::new(),
        reload_on: vec![file.to_owned()],
        required: true,
    })
}

#[derive(Serialize)]
struct HaproxyValues {
    bind: String,
    max_connections: u32,
    idle_timeout: String,
    connect_timeout: String,
    check_interval: String,
    fast_interval: String,
    check_host: String,
    stats_port: u16,
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    name: String,
    address: String,
}

/// `haproxy.cfg`: the same on every holder of the VIP.
fn haproxy(cluster: &Cluster, vip: &Vip) -> String {
    let ipv6 = vip.address.is_ipv6()
        || cluster
            .control_planes()
            .any(|host| host.node_ip.is_ipv6() || host.node_ip_v6.is_some());
    let settings = &vip.haproxy;
    let values = HaproxyValues {
        // A host may have IPv6 switched off, so it is bound only where the cluster uses it.
        bind: if ipv6 {
            format!(":::{} v4v6", cluster.endpoint.port)
        } else {
            format!("*:{}", cluster.endpoint.port)
        },
        max_connections: settings.max_connections,
        idle_timeout: span(settings.idle_timeout),
        connect_timeout: span(settings.connect_timeout),
        check_interval: span(settings.check_interval),
        fast_interval: span((settings.check_interval / 2).max(Duration::from_millis(1))),
        check_host: cluster.endpoint.host.clone(),
        stats_port: settings.stats_port,
        servers: cluster
            .control_planes()
            .map(|host| Server {
                name: host.name.clone(),
                address: socket(host.node_ip, vip.apiserver_port),
            })
            .collect(),
    };
    templates::render("etc/haproxy/haproxy.cfg.j2", values)
        .expect("every value of the template is in its struct")
}

#[derive(Serialize)]
struct KeepalivedValues<'a> {
    name: &'a str,
    interface: &'a str,
    router_id: u8,
    priority: u8,
    advert_interval: String,
    address: IpAddr,
    peers: Vec<IpAddr>,
    vip: String,
    stats_port: u16,
}

fn keepalived(cluster: &Cluster, host: &Host, vip: &Vip, facts: &Facts) -> String {
    let address = speaker(host, vip);
    let values = KeepalivedValues {
        name: &host.name,
        interface: interface(host, address, facts),
        router_id: vip.router_id,
        priority: host.vrrp_priority,
        advert_interval: format!("{}", vip.advert_interval.as_secs_f64()),
        address,
        peers: cluster
            .vip_holders()
            .filter(|peer| peer.name != host.name)
            .map(|peer| speaker(peer, vip))
            .collect(),
        vip: format!("{}/{}", vip.address, vip.prefix),
        stats_port: vip.haproxy.stats_port,
    };
    templates::render("etc/keepalived/keepalived.conf.j2", values)
        .expect("every value of the template is in its struct")
}

/// The address from which a host speaks VRRP: of the VIP's family.
fn speaker(host: &Host, vip: &Vip) -> IpAddr {
    match host.node_ip_v6 {
        Some(second) if second.is_ipv6() == vip.address.is_ipv6() => {
            if host.node_ip.is_ipv6() == vip.address.is_ipv6() {
                host.node_ip
            } else {
                second
            }
        }
        _ => host.node_ip,
    }
}

/// The interface that carries the VIP: the user's, else the one that has the host's own address.
fn interface<'a>(host: &'a Host, address: IpAddr, facts: &'a Facts) -> &'a str {
    host.interface
        .as_deref()
        .or_else(|| {
            facts
                .addresses
                .iter()
                .find(|entry| entry.address == address)
                .map(|entry| entry.interface.as_str())
        })
        .or(facts.default_interface.as_deref())
        .unwrap_or("found-on-the-host")
}

/// A time as haproxy writes it.
fn span(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{}ms", duration.as_millis())
    }
}

fn socket(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}
