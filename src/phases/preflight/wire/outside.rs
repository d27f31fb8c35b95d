//! What the answers mean: beyond the hosts.

use std::{collections::BTreeMap, net::IpAddr};

use super::{
    super::{Finding, Level},
    answer::Silent,
    judge::{Wire, finding},
};
use crate::inventory::Host;

/// etcd's documentation asks for a 99th percentile of `fdatasync` below 10 ms, of writes of 2300 bytes.
const FSYNC_MS: f64 = 10.0;
/// Lab hosts share one disk with everything else on their machine; from here on etcd would elect anew.
const FSYNC_LAB_MS: f64 = 1000.0;

pub(super) fn judge(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(router(wire, host));
    findings.extend(pool(wire, host));
    findings.extend(disk(wire, host));
    findings.extend(registries(wire, host));
    findings.extend(dns(wire, host));
    findings.extend(time(wire, host));
    findings
}

/// Another VRRP router with our id.
fn router(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    let vip = wire.cluster.vip()?;
    let (_, answer) = wire.of(host)?;
    let ours = |from: &str| {
        from.parse::<IpAddr>().is_ok_and(|address| {
            let known = |one: &crate::observe::HostSeen| {
                one.facts.addresses.iter().any(|own| own.address == address)
            };
            wire.cluster.hosts.iter().any(|one| one.node_ip == address)
                || wire.seen.hosts.values().any(known)
        })
    };
    let mut strangers: Vec<&str> = (answer.adverts.iter())
        .filter(|one| one.id == vip.router_id && !ours(&one.from))
        .map(|one| one.from.as_str())
        .collect();
    strangers.dedup();
    if strangers.is_empty() {
        return None;
    }
    let heard = |id: &u8| answer.adverts.iter().any(|one| one.id == *id);
    let free = (1..=255).find(|id| !heard(id)).unwrap_or(1);
    Some(finding(
        "vrrp-id",
        host,
        Level::Failure,
        format!(
            "{} uses VRRP id {} already",
            strangers.join(", "),
            vip.router_id
        ),
        "a VRRP id that nobody else uses on this network",
        format!(
            "set `endpoint.router-id` in the inventory, for example to {free}, which nobody uses"
        ),
    ))
}

fn pool(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let Some((_, answer)) = wire.of(host) else {
        return Vec::new();
    };
    // MetalLB's speakers answer with the card of their node.
    let ours = |mac: &str| {
        (wire.seen.hosts.values()).any(|one| {
            let lines = one.facts.all("mac").iter();
            lines
                .filter_map(|line| line.split(' ').nth(1))
                .any(|own| own == mac)
        })
    };
    let mut by: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for claim in answer.pool.iter().filter(|claim| !ours(&claim.mac)) {
        by.entry(&claim.mac).or_default().push(&claim.address);
    }
    by.into_iter()
        .map(|(mac, addresses)| {
            finding(
                "pool",
                host,
                Level::Failure,
                format!("{mac}, none of the hosts, answers for {}", addresses.join(", ")),
                "addresses of MetalLB's pools that nobody else has",
                "take them out of `metallb` in the inventory, or from who has them (a DHCP server must not give them away)",
            )
        })
        .collect()
}

fn disk(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    let disk = wire.of(host)?.1.disk.as_ref()?;
    let limit = if host.lab { FSYNC_LAB_MS } else { FSYNC_MS };
    (disk.p99 > limit).then(|| {
        finding(
            "etcd-disk",
            host,
            Level::Warning,
            format!("1 of 100 writes takes more than {:.1} ms to be on the disk of {}", disk.p99, disk.directory),
            format!("at most {limit:.0} ms: etcd holds up everything else while it writes, and elects a new leader when it takes long"),
            "put etcd on a solid-state disk with nothing else on it",
        )
    })
}

/// Servers of which a node gets images or files. One of several that hold the same is enough.
fn registries(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let Some((task, answer)) = wire.of(host) else {
        return Vec::new();
    };
    let why = |url: &str| answer.sites.iter().find(|one| one.name == url);
    let mut findings = Vec::new();
    for (index, site) in task.sites.iter().enumerate() {
        let Some(silent) = why(&site.url) else {
            continue;
        };
        // A site may stand for several: it is said once, for the first.
        if task.sites[..index].iter().any(|one| one.url == site.url) {
            continue;
        }
        let other = (task.sites.iter())
            .any(|one| one.of == site.of && one.url != site.url && why(&one.url).is_none());
        let level = if other {
            Level::Warning
        } else {
            Level::Failure
        };
        findings.push(finding(
            "registries",
            host,
            level,
            format!("{} does not answer: {}", site.url, silent.why),
            format!("what {} has of images and files", site.of),
            "let the host reach it, name a mirror under `registries` or `artifacts`, or use a bundle: `baremetal bundle create`",
        ));
    }
    findings
}

fn dns(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let Some((task, answer)) = wire.of(host) else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    if !answer.name_servers.is_empty() {
        let silent = list(&answer.name_servers);
        let some = answer.name_servers.len() < task.name_servers.len();
        let found = format!("name server {silent}");
        let fix = "correct the host's name servers; pods use the same";
        let level = if some { Level::Warning } else { Level::Failure };
        // Without internet nothing outside need have a name.
        let level = if task.sites.is_empty() {
            Level::Warning
        } else {
            level
        };
        findings.push(finding(
            "dns",
            host,
            level,
            found,
            "name servers that answer",
            fix,
        ));
    }
    if !answer.names.is_empty() {
        findings.push(finding(
            "dns",
            host,
            Level::Failure,
            list(&answer.names),
            "the endpoint's name, known on every host",
            "add it to the name server, or to /etc/hosts on the hosts",
        ));
    }
    findings
}

fn time(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    let (task, answer) = wire.of(host)?;
    if answer.time_servers.is_empty() {
        return None;
    }
    let all = answer.time_servers.len() == task.time_servers.len();
    let level = if all { Level::Failure } else { Level::Warning };
    Some(finding(
        "time-servers",
        host,
        level,
        format!("time server {}", list(&answer.time_servers)),
        "time servers that answer NTP (udp 123)",
        "let the hosts reach them, or correct `system.time-servers` in the inventory",
    ))
}

/// `a: no answer; b: no answer`.
fn list(silent: &[Silent]) -> String {
    let each: Vec<String> = silent
        .iter()
        .map(|one| format!("{}: {}", one.name, one.why))
        .collect();
    each.join("; ")
}
