//! What is not as it should be, one line each, with what to look at next.

use super::{
    Answering, Etcd, HostState, MemberState, NodeState, Part, Problem, Status, make::Seen,
};
use crate::{inventory::Cluster, observe::Facts};

/// In the order in which a reader wants them: hosts, API, etcd, virtual IP, certificates, services. `nodes` says why the nodes are
/// not known.
pub(super) fn find(
    cluster: &Cluster,
    seen: &Seen<'_>,
    status: &Status,
    nodes: Option<String>,
) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    let hosts = &seen.observation.hosts;
    for host in &status.hosts {
        if let Some(why) = &host.unreachable {
            found.unseen(format!("{} was not reached: {why}", host.name));
        }
    }
    let begun = hosts
        .values()
        .any(|one| one.facts.kube.kubelet_conf || one.facts.kube.admin_conf);
    if !begun
        && cluster
            .control_planes()
            .all(|host| hosts.contains_key(&host.name))
    {
        found.wrong("there is no cluster on these hosts yet: `baremetal up` makes it");
        return found.0;
    }
    for host in &status.hosts {
        found.host(host, hosts.get(&host.name).map(|one| &one.facts));
    }
    if let Some(why) = nodes {
        found.unseen(format!("nodes and Services are not known: {why}"));
    }
    match &status.etcd {
        Part::Known(etcd) => found.etcd(etcd),
        Part::Unknown(why) => found.unseen(format!("etcd: {why}")),
        Part::Off => {}
    }
    found.vip(status);
    for one in status.certificates.iter().filter(|one| one.days < 0) {
        found.wrong(format!(
            "the certificate {} on {} has ended",
            one.name, one.host
        ));
    }
    found.services(status, seen.api.is_ok());
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    fn wrong(&mut self, what: impl Into<String>) {
        self.0.push(Problem {
            what: what.into(),
            unseen: false,
        });
    }

    fn unseen(&mut self, what: impl Into<String>) {
        self.0.push(Problem {
            what: what.into(),
            unseen: true,
        });
    }

    fn host(&mut self, host: &HostState, facts: Option<&Facts>) {
        let name = &host.name;
        match host.node {
            NodeState::NotReady if host.reason.is_empty() => {
                self.wrong(format!("node {name} is not ready"));
            }
            NodeState::NotReady => self.wrong(format!("node {name} is not ready: {}", host.reason)),
            NodeState::Missing => self.wrong(format!(
                "{name} is no node of the cluster: `baremetal up` joins it"
            )),
            NodeState::Ready | NodeState::Unknown | NodeState::None => {}
        }
        if host.api_server == Some(Answering::NotReady) {
            self.wrong(format!(
                "the API server of {name} is not ready: `crictl ps -a` and `journalctl -u kubelet` there"
            ));
        }
        let Some(facts) = facts else { return };
        let mut units = vec!["haproxy", "keepalived"];
        if facts.kube.kubelet_conf {
            units.extend(["kubelet", "containerd"]);
        }
        for unit in units {
            let state = facts.about("unit", &format!("{unit}.service"));
            // What is not there at all is drift.
            if let Some(state) = state
                && state.starts_with("loaded ")
                && !["active", "activating", "reloading"]
                    .contains(&state.split(' ').nth(1).unwrap_or_default())
                && state.ends_with(" enabled")
            {
                self.wrong(format!(
                    "{unit} does not run on {name}: `journalctl -u {unit}` there"
                ));
            }
        }
    }

    fn etcd(&mut self, etcd: &Etcd) {
        let voters = etcd.members.iter().filter(|one| !one.learner).count();
        let healthy = etcd
            .members
            .iter()
            .filter(|one| one.state == MemberState::Healthy && !one.learner)
            .count();
        if !etcd.listed {
            self.wrong(format!(
                "etcd has no majority, so nothing can be written: {healthy} of {voters} members are known to be healthy, {} are needed",
                etcd.quorum
            ));
        }
        for one in &etcd.members {
            if one.state == MemberState::Unhealthy && etcd.listed {
                self.wrong(format!(
                    "etcd on {} is not healthy: {}",
                    one.name, one.reason
                ));
            }
            if one.learner {
                self.wrong(format!(
                    "etcd on {} is still a learner: it does not vote",
                    one.name
                ));
            }
        }
        for alarm in &etcd.alarms {
            self.wrong(format!("etcd has the alarm {alarm}"));
        }
    }

    fn vip(&mut self, status: &Status) {
        match &status.vip {
            Part::Known(vip) => match vip.holders.as_slice() {
                [] => self.wrong(format!(
                    "no host has the virtual IP {}: `journalctl -u keepalived` on its holders",
                    vip.address
                )),
                [_] => {}
                several => self.wrong(format!(
                    "{} have the virtual IP {} at once: do they hear each other's VRRP (IP protocol 112)?",
                    several.join(" and "),
                    vip.address
                )),
            },
            Part::Unknown(why) => self.unseen(format!("virtual IP: {why}")),
            Part::Off => {}
        }
    }

    /// `asked`: whether the API was; where it was not, that has been said.
    fn services(&mut self, status: &Status, asked: bool) {
        match &status.metallb {
            Part::Known(addresses) => {
                for one in &addresses.waiting {
                    self.wrong(format!("Service {one} waits for an address"));
                }
            }
            Part::Unknown(why) if asked => self.unseen(format!("MetalLB: {why}")),
            Part::Unknown(_) | Part::Off => {}
        }
        match &status.longhorn {
            Part::Known(seen) => {
                for (names, what) in [
                    (&seen.faulted, "faulted: no replica of it works"),
                    (
                        &seen.degraded,
                        "degraded: it has fewer replicas than it should",
                    ),
                ] {
                    for name in names {
                        self.wrong(format!("Longhorn's volume {name} is {what}"));
                    }
                }
            }
            Part::Unknown(why) if asked => self.unseen(format!("Longhorn: {why}")),
            Part::Unknown(_) | Part::Off => {}
        }
    }
}
