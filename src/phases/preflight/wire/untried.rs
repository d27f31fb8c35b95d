//! What could not be tried, and ports that somebody else has: said, never taken for passed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{
    super::{Finding, Level, skipped},
    Port, Proto,
    judge::{Wire, finding},
    links,
    task::{ASKED, addresses, pools},
};
use crate::{
    inventory::{Host, Pool},
    observe::Facts,
};

pub(super) fn judge(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let mut findings = parts(wire, host);
    findings.extend(taken(wire, host));
    findings.extend(deaf(wire, host));
    findings.extend(quiet(wire, host));
    findings.extend(second_family(wire, host));
    findings.extend(pool(wire, host));
    findings
}

fn not_checked(
    id: &'static str,
    host: &Host,
    why: &str,
    needed: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    let found = format!("not checked: {why}");
    finding(id, host, Level::Skipped, found, needed, fix)
}

/// Parts that a host could not probe.
fn parts(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let Some(answer) = wire.answer(&host.name) else {
        return Vec::new();
    };
    let id = |part: &str| match part {
        "paths" | "mtu" => "mtu",
        "adverts" => "vrrp-id",
        "pool" => "pool",
        "disk" => "etcd-disk",
        "sites" => "registries",
        "name-servers" | "names" => "dns",
        "time-servers" => "time-servers",
        _ => "reach",
    };
    let ids: BTreeMap<&str, &String> = (answer.errors.iter())
        .map(|(part, why)| (id(part), why))
        .collect();
    ids.into_iter()
        .map(|(id, why)| {
            let fix = format!("mend it, or leave the check out with `--skip-check {id}`");
            not_checked(id, host, why, "a check that can be made", fix)
        })
        .collect()
}

/// Ports of a host that is to become a node, which a program of somebody else has. Those that the check of ports names are left
/// to it: it knows the core's alone.
fn taken(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let (Some(answer), Some(one)) = (wire.answer(&host.name), wire.seen.hosts.get(&host.name))
    else {
        return Vec::new();
    };
    let kube = &one.facts.kube;
    // Our own programs may run: on nodes, and on hosts that were to become one.
    let ours = kube.kubelet_conf || kube.admin_conf || !kube.manifests.is_empty();
    if ours || skipped(wire.cluster, host, "ports") {
        return Vec::new();
    }
    let inbound = links::inbound(wire.cluster, host);
    let used = answer.listen.iter().filter(|one| one.why == "used");
    used.filter_map(|deaf| {
        let port = Port {
            proto: deaf.proto,
            number: deaf.port,
        };
        let what = inbound.get(&port).map_or("the cluster", |(what, _)| *what);
        if known(&one.facts, port, what) {
            return None;
        }
        let owner = match (&*deaf.owner, deaf.proto) {
            ("", Proto::Udp) => "a program without a name, or the kernel (as for VXLAN)",
            ("", _) => "a program without a name",
            (owner, _) => owner,
        };
        let option = if deaf.proto == Proto::Udp { 'u' } else { 't' };
        Some(finding(
            "ports",
            host,
            Level::Failure,
            format!("{port} is used by {owner}"),
            format!("the port for {what}"),
            format!(
                "stop it (`ss -ln{option}p sport = :{}` shows the process, `ip -d link` devices of VXLAN), or use another host",
                deaf.port
            ),
        ))
    })
    .collect()
}

/// Whether another check says whose a port is, or it is ours: haproxy's, or of a network device that the pod network takes over.
fn known(facts: &Facts, port: Port, what: &str) -> bool {
    let number = port.number.to_string();
    let named = || {
        facts
            .all("port")
            .iter()
            .any(|line| line.split(' ').next() == Some(&number))
    };
    match port.proto {
        Proto::Tcp => named() || (what == "haproxy" && facts.unit_active("haproxy.service")),
        Proto::Udp => {
            let devices: &[&str] = match what {
                "flannel" => &["flannel.", "flannel-wg", "flannel-v6"],
                "Calico" => &["vxlan.calico"],
                "Cilium" => &["cilium_vxlan"],
                _ => &[],
            };
            let left = |name: &str| devices.iter().any(|device| name.starts_with(device));
            facts.all("mac").iter().any(|line| left(line))
                || facts.addresses.iter().any(|one| left(&one.interface))
        }
        Proto::Vrrp => true,
    }
}

/// Ports on which a host could not listen, for another reason than a program that has them.
fn deaf(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    let answer = wire.answer(&host.name)?;
    let mut ports = Vec::new();
    let mut reasons = BTreeSet::new();
    for deaf in answer.listen.iter().filter(|one| one.why != "used") {
        let port = Port {
            proto: deaf.proto,
            number: deaf.port,
        };
        ports.push(port.to_string());
        reasons.insert(deaf.why.as_str());
    }
    let reasons: Vec<&str> = reasons.into_iter().collect();
    (!ports.is_empty()).then(|| {
        not_checked(
            "reach",
            host,
            &format!(
                "nothing could listen on {}: {}",
                ports.join(", "),
                reasons.join(", ")
            ),
            "ports that other hosts can be let try",
            "mend it, and run the check again when no other one runs",
        )
    })
}

/// Ports that nobody tries: what runs there already does not answer.
fn quiet(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    if !wire.seen.hosts.contains_key(&host.name) || skipped(wire.cluster, host, "reach") {
        return None;
    }
    let tried = |port: Port| {
        let mut probes = wire.tasks.values().flat_map(|task| &task.probes);
        probes.any(|one| (&*one.to, one.proto, one.port) == (&*host.name, port.proto, port.number))
    };
    let ports: Vec<String> = links::inbound(wire.cluster, host)
        .into_iter()
        .filter(|(_, (_, callers))| {
            callers
                .iter()
                .any(|one| wire.seen.hosts.contains_key(&one.name))
        })
        .filter(|(port, _)| !tried(*port))
        .map(|(port, (what, _))| format!("{port} ({what})"))
        .collect();
    (!ports.is_empty()).then(|| {
        not_checked(
            "reach",
            host,
            &format!(
                "{}: the cluster's own programs have them, and answer no probe",
                ports.join(", ")
            ),
            "the ports that the cluster's parts use between hosts",
            "`baremetal verify` tells whether pods reach each other",
        )
    })
}

/// Ports and packets are tried with the node's first address.
fn second_family(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    let task = wire.tasks.get(&host.name)?;
    let tries = !task.probes.is_empty() || !task.paths.is_empty();
    let second = host.node_ip_v6.filter(|second| *second != host.node_ip);
    (tries && second.is_some()).then(|| {
        not_checked(
            "reach",
            host,
            "ports and packet sizes between the second (IPv6) addresses of the hosts: the first alone are tried",
            "hosts that reach each other in both families",
            "try it with `ping -6` and see that firewalls treat both alike",
        )
    })
}

/// Addresses of pools for which nobody asks; said once, with the first node that would.
fn pool(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let asks = |host: &Host| {
        host.is_node()
            && wire.tasks.contains_key(&host.name)
            && !skipped(wire.cluster, host, "pool")
    };
    let first = wire.cluster.hosts.iter().find(|one| asks(one));
    if first.is_none_or(|first| first.name != host.name) {
        return Vec::new();
    }
    let asked: BTreeSet<_> = wire.tasks.values().flat_map(|task| &task.pool).collect();
    let far: Vec<_> = pools(wire.cluster)
        .into_iter()
        .filter(|one| !asked.contains(one))
        .collect();
    let mut reasons = Vec::new();
    if let Some(one) = far.first() {
        let more = match far.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        reasons.push(format!(
            "{one}{more}: no host that was reached is in their network"
        ));
    }
    let pools = wire
        .cluster
        .metallb
        .iter()
        .flat_map(|metallb| &metallb.pools);
    for pool in pools.filter(|pool| pool.l2.is_some()) {
        reasons.extend(beyond(pool));
    }
    reasons
        .into_iter()
        .map(|why| {
            let needed = "addresses of MetalLB's pools that nobody else has";
            not_checked("pool", host, &why, needed, "see that nobody has them")
        })
        .collect()
}

/// What of a pool is not asked for: what lies behind the first addresses, and IPv6.
fn beyond(pool: &Pool) -> Vec<String> {
    let mut reasons = Vec::new();
    let six = |text: &&String| text.contains(':');
    if let Some(text) = pool.addresses.iter().find(six) {
        reasons.push(format!(
            "{text} of the pool {}: ARP knows IPv4 alone",
            pool.name
        ));
    }
    let (asked, all) = (addresses(pool).len().min(ASKED), size(pool));
    if all > asked as u64 {
        reasons.push(format!(
            "the pool {} has {all} addresses; the first {asked} are asked for",
            pool.name
        ));
    }
    reasons
}

/// How many IPv4 addresses a pool has.
fn size(pool: &Pool) -> u64 {
    let bits = |text: &str| match text.trim().parse() {
        Ok(IpAddr::V4(address)) => Some(u64::from(address.to_bits())),
        _ => None,
    };
    let of = |text: &String| {
        if let Some((from, to)) = text.split_once('-') {
            return Some((bits(to)? + 1).saturating_sub(bits(from)?));
        }
        let net: ipnet::Ipv4Net = text.parse().ok()?;
        Some(1 << (32 - net.prefix_len()))
    };
    pool.addresses.iter().filter_map(of).sum()
}
