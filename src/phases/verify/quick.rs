//! The quick half: what needs no object in the cluster. One script on every host, and one more on a control plane.

use std::collections::BTreeMap;

use super::{
    claims::{broken, holds, unknown},
    said::{HostSaid, Said},
};
use crate::{
    inventory::{Cluster, Host, PodNetwork},
    observe::{ApiSeen, ClusterSaid, EtcdMember, EtcdSaid, NodeSeen},
    phases::preflight::{Finding, Level},
    report::text::count,
};

/// What hosts and a control plane answered.
#[derive(Debug, Clone)]
pub struct Answers {
    /// By host that was asked; else why it has no answer.
    pub hosts: BTreeMap<String, Result<HostSaid, String>>,
    /// Hosts that were not reached, with the reason.
    pub unreachable: BTreeMap<String, String>,
    /// The control plane that was asked about the cluster.
    pub via: String,
    pub cluster: Result<ClusterSaid, String>,
}

impl Answers {
    /// Whether Kubernetes is a test double.
    pub fn stand_in(&self) -> bool {
        self.cluster.as_ref().is_ok_and(|said| said.stand_in)
    }

    /// Hosts that have the virtual IP.
    pub fn holders(&self) -> Vec<&str> {
        self.hosts
            .iter()
            .filter(|(_, said)| said.as_ref().is_ok_and(|said| said.holds == Some(true)))
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// Why a host has no answer.
    fn missing(&self, host: &str) -> Option<String> {
        match (self.hosts.get(host), self.unreachable.get(host)) {
            (Some(Ok(_)), _) => None,
            (Some(Err(why)), _) => Some(why.clone()),
            (None, Some(why)) => Some(format!("the host cannot be worked on: {why}")),
            (None, None) => Some("the host was not asked".to_owned()),
        }
    }

    fn of(&self, host: &str) -> Option<&HostSaid> {
        self.hosts.get(host)?.as_ref().ok()
    }
}

/// How each claim of the quick half ends.
pub fn judge(cluster: &Cluster, answers: &Answers) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in cluster.nodes() {
        findings.push(api(cluster, host, answers));
        findings.push(dns(cluster, host, answers));
    }
    findings.extend(vip(cluster, answers));
    let asked = answers.cluster.as_ref();
    match asked.map_err(String::as_str).and_then(|said| {
        let nodes = said.nodes.as_ref();
        nodes.map_err(String::as_str)
    }) {
        Ok(nodes) => findings.extend(self::nodes(cluster, nodes)),
        Err(why) => findings.push(silent("nodes", answers, why)),
    }
    match asked.map_err(String::as_str).and_then(|said| {
        let etcd = said.etcd.as_ref();
        etcd.map_err(String::as_str)
    }) {
        Ok(etcd) => findings.extend(self::etcd(cluster, &answers.via, etcd)),
        Err(why) => findings.push(silent("etcd", answers, why)),
    }
    findings
}

/// The one who should know does not answer: that is a failure, not a question left open.
fn silent(id: &'static str, answers: &Answers, why: &str) -> Finding {
    broken(
        id,
        &answers.via,
        format!("{} has no answer: {why}", answers.via),
        format!(
            "look there at `crictl ps -a` and `journalctl -u kubelet`; `baremetal exec INVENTORY --limit {} -- crictl ps -a` does it from here",
            answers.via
        ),
    )
}

fn api(cluster: &Cluster, host: &Host, answers: &Answers) -> Finding {
    let endpoint = cluster.endpoint_address();
    if let Some(why) = answers.missing(&host.name) {
        return unknown("api", &host.name, why);
    }
    match answers.of(&host.name).and_then(|said| said.api.as_ref()) {
        Some(Said::Ok) => holds(
            "api",
            &host.name,
            format!("https://{endpoint}/readyz answers"),
        ),
        Some(Said::Failed(why)) => broken(
            "api",
            &host.name,
            format!("https://{endpoint}/readyz does not answer from here: {why}"),
            match cluster.vip() {
                Some(_) => {
                    "is the virtual IP up (`ip addr`), does haproxy run on every host that may hold it (`systemctl status haproxy keepalived`), does a firewall drop it?"
                }
                None => {
                    "does the load balancer reach the control planes, and does this host reach it?"
                }
            },
        ),
        Some(Said::Skipped(why)) => unknown("api", &host.name, why),
        None => unknown("api", &host.name, "the host's answer was cut short"),
    }
}

fn dns(cluster: &Cluster, host: &Host, answers: &Answers) -> Finding {
    let id = "dns";
    if answers.stand_in() {
        let why = "Kubernetes is a stand-in, which runs no CoreDNS";
        return unknown(id, &host.name, why);
    }
    if matches!(cluster.network.plugin, PodNetwork::None) {
        let why = "the inventory installs no pod network (`plugin: none`)";
        return unknown(id, &host.name, why);
    }
    if let Some(why) = answers.missing(&host.name) {
        return unknown(id, &host.name, why);
    }
    let server = super::dns_address(cluster).map_or_else(String::new, |one| one.to_string());
    match answers.of(&host.name).and_then(|said| said.dns.as_ref()) {
        Some(Said::Ok) => holds(
            id,
            &host.name,
            format!("{server} knows {}", super::dns_name(cluster)),
        ),
        Some(Said::Failed(why)) => broken(
            id,
            &host.name,
            format!(
                "{server} does not answer for {} from here: {why}",
                super::dns_name(cluster)
            ),
            "do CoreDNS's pods run (`kubectl -n kube-system get pods -l k8s-app=kube-dns -o wide`), and kube-proxy and the pod network on this node?",
        ),
        Some(Said::Skipped(why)) => unknown(id, &host.name, why),
        None => unknown(id, &host.name, "the host's answer was cut short"),
    }
}

fn vip(cluster: &Cluster, answers: &Answers) -> Vec<Finding> {
    let Some(vip) = cluster.vip() else {
        return Vec::new();
    };
    let id = "vip";
    let address = vip.address;
    let holders = answers.holders();
    let fix = "`ip addr` and `journalctl -u keepalived` on the hosts that may hold it; `baremetal check` hears other routers with the same VRRP id";
    match holders.as_slice() {
        [one] => vec![holds(id, one, format!("{one} has {address}"))],
        [] => {
            let unasked: Vec<&str> = (cluster.vip_holders())
                .filter(|host| answers.of(&host.name).is_none())
                .map(|host| host.name.as_str())
                .collect();
            if unasked.is_empty() {
                let first = cluster.vip_holders().next();
                let host = first.map_or("", |host| host.name.as_str());
                vec![broken(id, host, format!("no host has {address}"), fix)]
            } else {
                let why = format!(
                    "no host that answers has {address}, and {} may have it",
                    unasked.join(", ")
                );
                vec![unknown(id, unasked[0], why)]
            }
        }
        several => several
            .iter()
            .map(|host| {
                let found = format!("{address} is on {} at once", several.join(" and "));
                broken(id, host, found, fix)
            })
            .collect(),
    }
}

/// What the API says of the inventory's nodes.
pub fn nodes(cluster: &Cluster, seen: &[NodeSeen]) -> Vec<Finding> {
    let id = "nodes";
    let wanted = format!("v{}", cluster.version);
    cluster
        .nodes()
        .map(|host| {
            let name = &host.name;
            let Some(node) = seen.iter().find(|node| node.name == *name) else {
                return broken(
                    id,
                    name,
                    "it is no node of the cluster",
                    "`baremetal up` joins it",
                );
            };
            if !node.ready {
                let fix = if matches!(cluster.network.plugin, PodNetwork::None) {
                    "install a pod network: the inventory says `plugin: none`".to_owned()
                } else {
                    format!("`kubectl describe node {name}` says why; on it: `systemctl status kubelet`, `journalctl -u kubelet`")
                };
                return broken(id, name, "it is not Ready", fix);
            }
            if node.version != wanted {
                return broken(
                    id,
                    name,
                    format!("its kubelet is {}, the inventory says {wanted}", node.version),
                    "`baremetal plan` shows what would be done",
                );
            }
            holds(id, name, format!("Ready, {wanted}"))
        })
        .collect()
}

const MEND_ETCD: &str = "`baremetal exec INVENTORY --limit role:control-plane -- crictl ps -a --name etcd` shows it on every control plane; a member that is dead for good: `baremetal remove-node`";

fn ailments(cluster: &Cluster, via: &str, members: &[EtcdMember]) -> Vec<Finding> {
    members
        .iter()
        .filter_map(|member| ailment(member).map(|what| (member, what)))
        .map(|(member, what)| {
            let known = cluster.host(&member.name).map(|host| host.name.as_str());
            let found = format!("member {}: {what}", told(member));
            broken("etcd", known.unwrap_or(via), found, MEND_ETCD)
        })
        .collect()
}

/// What etcd says of itself.
pub fn etcd(cluster: &Cluster, via: &str, said: &EtcdSaid) -> Vec<Finding> {
    let id = "etcd";
    let fix = MEND_ETCD;
    let mut findings = ailments(cluster, via, &said.members);
    let wanted = cluster.control_planes().count();
    if said.members.len() != wanted {
        findings.push(broken(
            id,
            via,
            format!(
                "{}, and the inventory has {}",
                count(said.members.len(), "member"),
                count(wanted, "control plane")
            ),
            "`baremetal up` joins what is missing; `baremetal remove-node` takes out what is too many",
        ));
    }
    match said.leaders.as_slice() {
        [leader] => {
            let name = said
                .members
                .iter()
                .find(|member| member.id == *leader)
                .map_or(leader.as_str(), |member| member.name.as_str());
            if findings.is_empty() {
                let members = count(wanted, "member");
                let found = format!("{members}, all healthy; {name} leads");
                findings.push(holds(id, via, found));
            }
        }
        [] => findings.push(broken(id, via, "no member leads", fix)),
        several => findings.push(broken(
            id,
            via,
            format!("members follow {} leaders at once", several.len()),
            "run it once more: an election may be going on; if it stays so, members of two clusters share addresses",
        )),
    }
    findings
}

/// What an observation of `up` shows by the way: nodes that are not Ready, members of etcd that ail. Empty where all is well.
pub fn at_rest(cluster: &Cluster, seen: &ApiSeen) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !matches!(cluster.network.plugin, PodNetwork::None) {
        findings = nodes(cluster, &seen.nodes);
        findings.retain(|one| one.level == Level::Failure);
    }
    findings.extend(ailments(cluster, &seen.via, &seen.etcd));
    findings
}

fn told(member: &EtcdMember) -> String {
    if member.name.is_empty() {
        member.peer_urls.join(",")
    } else {
        member.name.clone()
    }
}

fn ailment(member: &EtcdMember) -> Option<&'static str> {
    if member.learner {
        Some("it is still a learner, without a vote")
    } else if member.name.is_empty() {
        Some("it has never started")
    } else if !member.healthy {
        Some("it does not answer, or cannot commit")
    } else {
        None
    }
}
