//! What was seen of a Service of type `LoadBalancer`: its address, who answers for it, and what comes through.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    claims::{STAND_IN, broken, holds, unknown},
    trial::{ADDRESS_COMES, pool_of},
};
use crate::{
    inventory::Cluster,
    observe::{Observation, section},
    phases::preflight::Finding,
};

/// The address of the Service in what `verify-wait.sh` printed; `None` where it has none.
pub fn address_of(stdout: &str) -> Result<Option<IpAddr>, String> {
    let service = section(stdout, "service")?;
    let address = service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str();
    Ok(address.and_then(|address| address.parse().ok()))
}

/// The address that the Service got.
pub fn balanced(cluster: &Cluster, via: &str, address: &Result<Option<IpAddr>, String>) -> Finding {
    let id = "load-balancer";
    let fix = "`kubectl -n metallb-system get pods,ipaddresspools` and the controller's log; are there free addresses in the pools?";
    match address {
        Err(why) => broken(id, via, format!("the Service is not known: {why}"), fix),
        Ok(None) => broken(
            id,
            via,
            format!("a Service got no address within {ADDRESS_COMES} s"),
            fix,
        ),
        Ok(Some(address)) => match pool_of(cluster, *address) {
            Some(pool) => holds(
                id,
                via,
                format!("a Service got {address} of pool {}", pool.name),
            ),
            None => broken(
                id,
                via,
                format!("a Service got {address}, which is of no pool of the inventory"),
                "who else gives out addresses? `kubectl get ipaddresspools -A`; `baremetal plan` shows pools that differ",
            ),
        },
    }
}

/// What one host heard: hardware addresses, or why it could not ask. What `templates/actions/verify-arp.sh` prints.
pub fn heard(stdout: &str) -> Result<BTreeSet<String>, String> {
    let mut macs = BTreeSet::new();
    for line in stdout.lines() {
        match line.split_once(' ') {
            Some(("mac", mac)) => {
                macs.insert(mac.trim().to_lowercase());
            }
            Some(("skip", why)) => return Err(why.to_owned()),
            _ => {}
        }
    }
    Ok(macs)
}

/// Who answers ARP for the address.
pub fn answered(
    cluster: &Cluster,
    seen: &Observation,
    stand_in: bool,
    address: IpAddr,
    answers: &BTreeMap<String, Result<BTreeSet<String>, String>>,
) -> Finding {
    let id = "load-balancer-arp";
    let first = answers.keys().next().map_or(&*seen.elected, String::as_str);
    if stand_in {
        return unknown(id, first, STAND_IN);
    }
    if pool_of(cluster, address).is_some_and(|pool| pool.l2.is_none()) {
        return unknown(id, first, "its pool is announced by BGP, not by ARP");
    }
    if !address.is_ipv4() {
        return unknown(
            id,
            first,
            "an IPv6 address is announced by NDP, which is not asked",
        );
    }
    let heard: Vec<&BTreeSet<String>> = answers
        .values()
        .filter_map(|one| one.as_ref().ok())
        .collect();
    if heard.len() < 2 {
        let why = match answers.values().find_map(|one| one.as_ref().err()) {
            Some(why) => why.clone(),
            None if answers.is_empty() => {
                format!("no host has an interface in the network of {address}")
            }
            None => "one host alone can ask, and it does not hear itself".to_owned(),
        };
        return unknown(id, first, why);
    }
    let macs: BTreeSet<&String> = heard.into_iter().flatten().collect();
    let named: Vec<String> = macs.iter().map(|mac| whose(cluster, seen, mac)).collect();
    match named.as_slice() {
        [one] => holds(
            id,
            first,
            format!("{one} answers for {address}, and nobody else"),
        ),
        [] => broken(
            id,
            first,
            format!("nobody answers for {address}"),
            "`kubectl -n metallb-system get pods,l2advertisements` and the speakers' logs",
        ),
        several => broken(
            id,
            first,
            format!("{} answer for {address} at once", several.join(" and ")),
            "one of them is no speaker of this cluster, or kube-proxy answers too (strict ARP): `ip addr`, `kubectl -n metallb-system logs -l component=speaker`",
        ),
    }
}

/// `w1 (52:54:00:00:00:21)`, or the address alone where it is of no host.
fn whose(cluster: &Cluster, seen: &Observation, mac: &str) -> String {
    let has = |name: &str| {
        let lines = seen.hosts.get(name).map(|one| one.facts.all("mac"));
        lines.is_some_and(|lines| {
            lines.iter().any(|line| {
                line.split(' ')
                    .nth(1)
                    .is_some_and(|one| one.eq_ignore_ascii_case(mac))
            })
        })
    };
    match cluster.hosts.iter().find(|host| has(&host.name)) {
        Some(host) => format!("{} ({mac})", host.name),
        None => format!("a stranger ({mac})"),
    }
}

/// What this machine got from the address: the status of HTTP, or why there is none.
pub fn came_through(
    cluster: &Cluster,
    via: &str,
    stand_in: bool,
    address: IpAddr,
    answer: &Result<u16, String>,
) -> Finding {
    let id = "load-balancer-http";
    if stand_in {
        return unknown(id, via, STAND_IN);
    }
    match answer {
        Ok(200..=299) => holds(id, via, format!("http://{address}/ answers this machine")),
        Ok(status) => broken(
            id,
            via,
            format!("http://{address}/ answers {status}"),
            "who answers there? `verify.path` in the inventory, or another machine has the address",
        ),
        Err(why) if cluster.hosts.iter().any(|host| host.ssh.jump.is_some()) => unknown(
            id,
            via,
            format!(
                "this machine reaches the hosts through a jump host, and http://{address}/ not at all: {why}"
            ),
        ),
        Err(why) => broken(
            id,
            via,
            format!("http://{address}/ does not answer this machine: {why}"),
            "does a route lead there from here (`ip route get`), does kube-proxy run on the node that announces it?",
        ),
    }
}
