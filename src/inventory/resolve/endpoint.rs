//! Where the API is reached.

use std::{net::IpAddr, time::Duration};

use crate::inventory::{
    Endpoint, EndpointKind, HaproxySettings, Host, Role, Vip,
    context::Context,
    schema::{self, EndpointEntry, HeldBy},
};

/// Priority of the first VIP holder; the others follow with one less each.
const FIRST_PRIORITY: u8 = 150;

/// The endpoint; also gives the holders of a VIP their VRRP priorities.
pub fn endpoint(
    context: &mut Context<'_>,
    entry: Option<EndpointEntry>,
    hosts: &mut [Host],
) -> Endpoint {
    let endpoint = match entry {
        None => missing(context, hosts),
        Some(EndpointEntry::Short(short)) => {
            let (host, port) = short.0;
            match host.parse() {
                Ok(address) if is_sole_control_plane(hosts, address) => external(host, port),
                Ok(address) => with_vip(
                    context,
                    schema::Endpoint {
                        port,
                        ..Default::default()
                    },
                    address,
                    None,
                ),
                Err(_) => external(host, port),
            }
        }
        Some(EndpointEntry::Full(full)) => full_endpoint(context, *full),
    };
    set_priorities(&endpoint, hosts);
    endpoint
}

fn missing(context: &mut Context<'_>, hosts: &[Host]) -> Endpoint {
    let control_planes: Vec<&Host> = hosts
        .iter()
        .filter(|host| host.is_control_plane())
        .collect();
    let [only] = control_planes.as_slice() else {
        if !context.has(&["endpoint"]) && !control_planes.is_empty() {
            context.refuse(&[], "`endpoint` is missing; add a free address of the hosts' network as virtual IP, such as `endpoint: 10.0.0.10`");
        }
        return external(String::new(), None);
    };
    context.warn(format!(
        "no `endpoint`: the API is reached at {} alone, and the cluster cannot grow to more control planes; a virtual IP can",
        only.node_ip
    ));
    external(only.node_ip.to_string(), None)
}

fn is_sole_control_plane(hosts: &[Host], address: IpAddr) -> bool {
    let mut control_planes = hosts.iter().filter(|host| host.is_control_plane());
    let first = control_planes.next();
    first.is_some_and(|host| host.node_ip == address) && control_planes.next().is_none()
}

fn external(host: String, port: Option<u16>) -> Endpoint {
    Endpoint {
        host,
        port: port.unwrap_or(6443),
        kind: EndpointKind::External,
    }
}

fn full_endpoint(context: &mut Context<'_>, full: schema::Endpoint) -> Endpoint {
    let vip = full.vip.as_ref().map(|vip| vip.0);
    match (vip, full.external.clone()) {
        (Some((address, prefix)), None) => with_vip(context, full, address, prefix),
        (None, Some(outside)) => {
            for key in [
                "held-by",
                "name",
                "router-id",
                "advert-interval",
                "haproxy",
                "apiserver-port",
            ] {
                if context.has(&["endpoint", key]) {
                    let message = "has no meaning for an external endpoint, for which nothing is installed; remove it";
                    context.refuse_key(&["endpoint", key], message);
                }
            }
            let (host, port) = outside.0;
            if port.is_some() && full.port.is_some() {
                context.refuse(
                    &["endpoint", "port"],
                    "the port is given twice; remove this one",
                );
            }
            external(host, port.or(full.port))
        }
        (Some(_), Some(_)) => {
            context.refuse(
                &["endpoint"],
                "has both `vip` and `external`; keep one of the two",
            );
            external(String::new(), None)
        }
        (None, None) => {
            if !context.has(&["endpoint", "vip"]) && !context.has(&["endpoint", "external"]) {
                context.refuse(
                    &["endpoint"],
                    "needs `vip: ADDRESS` or `external: HOST:PORT`",
                );
            }
            external(String::new(), None)
        }
    }
}

fn with_vip(
    context: &mut Context<'_>,
    full: schema::Endpoint,
    address: IpAddr,
    prefix: Option<u8>,
) -> Endpoint {
    let on_load_balancers = full.held_by == Some(HeldBy::LoadBalancers);
    let port = full.port.unwrap_or(6443);
    let advert_interval = full
        .advert_interval
        .map_or(Duration::from_secs(1), |time| time.0);
    // VRRP version 3 counts hundredths of a second in twelve bits.
    if advert_interval.subsec_millis() > 0 || !(1..=40).contains(&advert_interval.as_secs()) {
        context.refuse(
            &["endpoint", "advert-interval"],
            "is a whole number of seconds from `1s` to `40s`; write `1s`",
        );
    }
    let vip = Vip {
        address,
        prefix: prefix.unwrap_or(if address.is_ipv4() { 32 } else { 128 }),
        router_id: full.router_id.unwrap_or_else(|| router_id(address)),
        apiserver_port: full
            .apiserver_port
            .unwrap_or(if on_load_balancers { 6443 } else { 6444 }),
        advert_interval,
        haproxy: haproxy(full.haproxy.unwrap_or_default()),
    };
    Endpoint {
        host: full.name.unwrap_or_else(|| address.to_string()),
        port,
        kind: if on_load_balancers {
            EndpointKind::LoadBalancers(vip)
        } else {
            EndpointKind::Vip(vip)
        },
    }
}

/// The last byte of the VIP: other clusters in the network have other VIPs, so rarely the same id.
fn router_id(address: IpAddr) -> u8 {
    let last = match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    if last == 0 { 51 } else { last }
}

fn haproxy(haproxy: schema::Haproxy) -> HaproxySettings {
    let time = |time: Option<crate::inventory::forms::Time>, seconds| {
        time.map_or(Duration::from_secs(seconds), |time| time.0)
    };
    HaproxySettings {
        idle_timeout: time(haproxy.idle_timeout, 4 * 3600),
        connect_timeout: time(haproxy.connect_timeout, 2),
        check_interval: time(haproxy.check_interval, 1),
        stats_port: haproxy.stats_port.unwrap_or(8404),
        max_connections: haproxy.max_connections.unwrap_or(8192),
    }
}

/// Holders without a priority of their own get 150, 149, … in the order of the file, skipping those that are taken.
fn set_priorities(endpoint: &Endpoint, hosts: &mut [Host]) {
    let role = match endpoint.kind {
        EndpointKind::LoadBalancers(_) => Role::LoadBalancer,
        EndpointKind::Vip(_) | EndpointKind::External => Role::ControlPlane,
    };
    let taken: Vec<u8> = hosts
        .iter()
        .map(|host| host.vrrp_priority)
        .filter(|priority| *priority > 0)
        .collect();
    let mut free = (1..=FIRST_PRIORITY)
        .rev()
        .filter(|priority| !taken.contains(priority));
    for host in hosts
        .iter_mut()
        .filter(|host| host.vrrp_priority == 0 && host.roles.contains(&role))
    {
        host.vrrp_priority = free.next().unwrap_or(1);
    }
}
