//! What the answers mean: between the hosts.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{BETWEEN, Finding, Level},
    ALL, Answer, Port, Proto, Task, Unanswered, links, outside, untried,
};
use crate::{
    inventory::{Cluster, Host, PodNetwork},
    observe::Observation,
};

/// Everything that the judges look at. Pure data.
pub(super) struct Wire<'a> {
    pub cluster: &'a Cluster,
    pub seen: &'a Observation,
    pub tasks: &'a BTreeMap<String, Task>,
    pub answers: &'a BTreeMap<String, Result<Answer, Unanswered>>,
}

impl<'a> Wire<'a> {
    pub fn answer(&self, host: &str) -> Option<&'a Answer> {
        self.answers.get(host)?.as_ref().ok()
    }

    /// What a host was told and what it answered.
    pub fn of(&self, host: &Host) -> Option<(&'a Task, &'a Answer)> {
        Some((self.tasks.get(&host.name)?, self.answer(&host.name)?))
    }
}

pub(super) fn finding(
    id: &'static str,
    host: &Host,
    level: Level,
    found: impl Into<String>,
    needed: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        id,
        host: host.name.clone(),
        level,
        found: found.into(),
        needed: needed.into(),
        fix: fix.into(),
    }
}

/// Findings of all hosts, in the order of the inventory.
pub fn judge(
    cluster: &Cluster,
    seen: &Observation,
    tasks: &BTreeMap<String, Task>,
    answers: &BTreeMap<String, Result<Answer, Unanswered>>,
) -> Vec<Finding> {
    let wire = Wire {
        cluster,
        seen,
        tasks,
        answers,
    };
    let mut findings = Vec::new();
    for host in &cluster.hosts {
        findings.extend(absent(&wire, host));
        findings.extend(untried::judge(&wire, host));
        findings.extend(reach(&wire, host));
        findings.extend(mtu(&wire, host));
        findings.extend(overlay(&wire, host));
        findings.extend(outside::judge(&wire, host));
    }
    findings
}

/// A host that took no part.
fn absent(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    let Err(why) = wire.answers.get(&host.name)? else {
        return None;
    };
    let ids: Vec<&str> = BETWEEN.iter().copied().filter(|id| *id != ALL).collect();
    let needed = format!(
        "Python 3.6 or newer while it is checked: {}",
        ids.join(", ")
    );
    Some(match why {
        Unanswered::NoPython => finding(
            ALL,
            host,
            Level::Skipped,
            "not checked: there is no python3 on the host",
            needed,
            "install python3, or leave these checks out with `--skip-check wire`",
        ),
        Unanswered::Other(why) => finding(
            ALL,
            host,
            Level::Skipped,
            format!("not checked: {why}"),
            "an answer of the host",
            "run the check again; `--skip-check wire` leaves these checks out",
        ),
    })
}

/// Ports of `host` that others do not reach: one finding for all ports that the same hosts miss for the same reason.
fn reach(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let mut by: BTreeMap<(Vec<&str>, String), Vec<String>> = BTreeMap::new();
    for (port, (what, callers)) in links::inbound(wire.cluster, host) {
        if !heard(wire, host, port) {
            continue;
        }
        let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut asked = 0;
        for caller in callers {
            let Some((task, answer)) = wire.of(caller) else {
                continue;
            };
            let mine = |to: &str, proto: Proto, number: u16| {
                to == host.name && proto == port.proto && number == port.number
            };
            let probes = &task.probes;
            asked += usize::from(probes.iter().any(|one| mine(&one.to, one.proto, one.port)));
            let missed = answer
                .reach
                .iter()
                .find(|one| mine(&one.to, one.proto, one.port));
            if let Some(missed) = missed
                && !excused(wire, host, port, &missed.why)
            {
                reasons.entry(&missed.why).or_default().push(&caller.name);
            }
        }
        for (why, callers) in reasons {
            // The same words on every host that nobody reaches: one line for all of them.
            let callers = if callers.len() == asked && asked > 1 {
                vec!["every other host"]
            } else {
                callers
            };
            let key = (callers, why.to_owned());
            by.entry(key).or_default().push(format!("{port} ({what})"));
        }
    }
    by.into_iter()
        .map(|((callers, why), ports)| {
            let ports = ports.join(", ");
            finding(
                "reach",
                host,
                Level::Failure,
                format!("{ports} cannot be reached from {}: {why}", callers.join(", ")),
                "the ports that the cluster's parts use between hosts",
                "let them through on the host (`nft list ruleset`, `iptables -S`) and on what lies between; no firewall is changed for you",
            )
        })
        .collect()
}

/// Whether somebody is there to answer on a port of `host`: a listener of ours, or one of its own.
fn heard(wire: &Wire<'_>, host: &Host, port: Port) -> bool {
    let joined = |host: &Host| {
        let seen = wire.seen.hosts.get(&host.name);
        seen.is_some_and(|one| one.facts.kube.kubelet_conf)
    };
    let Some((_, answer)) = wire.of(host) else {
        // Programs of a node answer whether it takes part or not.
        return joined(host) && port.proto == Proto::Tcp;
    };
    let deaf = |one: &&super::answer::Deaf| one.proto == port.proto && one.port == port.number;
    match answer.listen.iter().find(deaf) {
        None => true,
        // A connection tells as much when another program takes it.
        Some(deaf) => matches!(&*deaf.why, "used" | "another check") && port.proto == Proto::Tcp,
    }
}

/// Whether a missing answer says nothing. On a node nothing of ours listens: a port that nothing listens on refuses, and says no
/// more. A stranger that holds a port may be too busy to answer, and the check of ports names it already.
fn excused(wire: &Wire<'_>, host: &Host, port: Port, why: &str) -> bool {
    let Some(one) = wire.seen.hosts.get(&host.name) else {
        return true;
    };
    let number = port.number.to_string();
    let owner = one.facts.all("port").iter().find_map(|line| {
        let mut words = line.split(' ');
        (words.next() == Some(&number)).then(|| words.nth(1).unwrap_or_default())
    });
    if one.facts.kube.kubelet_conf {
        return owner.is_none() && why == "Connection refused";
    }
    port.proto == Proto::Tcp && owner.is_some_and(|owner| owner != "haproxy")
}

/// Hosts to which packets of this host's full size do not get.
fn mtu(wire: &Wire<'_>, host: &Host) -> Vec<Finding> {
    let Some((task, answer)) = wire.of(host) else {
        return Vec::new();
    };
    let mut by: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for short in &answer.paths {
        by.entry(short.largest).or_default().push(&short.to);
    }
    by.into_iter()
        .map(|(largest, to)| {
            let to = to.join(", ");
            if largest == 0 {
                return finding(
                    "mtu",
                    host,
                    Level::Skipped,
                    format!("not checked: {to} do not answer ICMP echo"),
                    "hosts that answer `ping`: what lies between them tells sizes by ICMP too",
                    "let ICMP through between the hosts",
                );
            }
            finding(
                "mtu",
                host,
                Level::Failure,
                format!(
                    "packets of {} bytes, the MTU of {}, do not get to {to}; {largest} bytes do",
                    answer.mtu, task.interface
                ),
                "one MTU on all interfaces and switches between the hosts: larger answers of pods would be lost",
                format!("`ip link set {} mtu {largest}` in the host's network configuration, or a larger MTU on the way", task.interface),
            )
        })
        .collect()
}

/// What the pod network was told fits into the hosts' packets with what it puts around them.
fn overlay(wire: &Wire<'_>, host: &Host) -> Option<Finding> {
    let PodNetwork::Flannel(flannel) = &wire.cluster.network.plugin else {
        return None;
    };
    let (task, answer) = wire.of(host)?;
    let wanted = u32::from(flannel.mtu?);
    // Outer headers: Ethernet 14, UDP 8 and VXLAN 8 bytes, and IP; WireGuard's own 32, UDP 8, and IP.
    let ip = if host.node_ip.is_ipv4() { 20 } else { 40 };
    let around = match flannel.backend.as_str() {
        "vxlan" => 30 + ip,
        "wireguard" => 40 + ip,
        _ => 0,
    };
    let fits = answer.mtu == 0 || !host.is_node() || wanted + around <= answer.mtu;
    (!fits && !task.paths.is_empty()).then(|| {
        finding(
            "mtu",
            host,
            Level::Failure,
            format!("packets of pods have up to {wanted} bytes, with {around} around them; {} lets {} through", task.interface, answer.mtu),
            format!("at most {}", answer.mtu.saturating_sub(around)),
            "set `network.plugin.flannel.mtu` in the inventory, or leave it out",
        )
    })
}

/// How much was tried, for a line beside the findings; what was not tried has findings of its own.
pub fn tried(tasks: &BTreeMap<String, Task>) -> Option<String> {
    let probes: usize = tasks.values().map(|task| task.probes.len()).sum();
    let hosts: BTreeSet<&str> = (tasks.values().flat_map(|task| &task.probes))
        .map(|probe| probe.to.as_str())
        .collect();
    (probes > 0).then(|| format!("{probes} connections to {} hosts tried", hosts.len()))
}
