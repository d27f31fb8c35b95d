//! Whether hosts may join the live cluster: what would harm it, or could not end well, is refused before anything changes. Pure.

use std::{collections::BTreeSet, path::Path};

use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, EndpointKind, Host},
    observe::{ApiSeen, EtcdMember, Facts, NodeSeen, Observation},
    phases,
};

/// Hosts that are to join, and what was seen.
#[derive(Debug, Clone, Copy)]
pub struct Joining<'a> {
    pub cluster: &'a Cluster,
    pub seen: &'a Observation,
    pub names: &'a BTreeSet<String>,
    /// The inventory as the user calls it, for commands in hints.
    pub file: &'a Path,
}

/// One reason, and what to do about it.
struct Refusal {
    why: String,
    hint: String,
}

impl Refusal {
    fn new(why: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            hint: hint.into(),
        }
    }
}

/// All reasons as one failure.
fn failure(code: Code, mut refusals: Vec<Refusal>) -> Result<(), Failure> {
    match refusals.len() {
        0 => Ok(()),
        1 => {
            let only = refusals.remove(0);
            Err(Failure::new(code, only.why).hint(only.hint))
        }
        _ => {
            let mut hints: Vec<String> = Vec::new();
            let mut message = String::from("nothing was changed:");
            for refusal in refusals {
                message.push_str("\n  ");
                message.push_str(&refusal.why);
                if !hints.contains(&refusal.hint) {
                    hints.push(refusal.hint);
                }
            }
            Err(Failure::new(code, message).hint(hints.join("\n")))
        }
    }
}

impl<'a> Joining<'a> {
    /// Whether there is a cluster that answers, and the hosts can be worked on; asked after the first round trip.
    ///
    /// # Errors
    /// [`Code::Unreachable`] where SSH is what is missing, else [`Code::Refused`].
    pub fn can_begin(&self) -> Result<(), Failure> {
        let names = self.list(|host| {
            self.names.contains(&host.name) && !self.seen.hosts.contains_key(&host.name)
        });
        if !names.is_empty() {
            let why = format!(
                "{} cannot be worked on; nothing was changed",
                names.join(", ")
            );
            let hint = "mend what is said above, then run the same command again";
            return Err(Failure::new(Code::Unreachable, why).hint(hint));
        }
        let answers = |facts: &Facts| facts.kube.admin_conf && facts.kube.apiserver_ready;
        if self.seen.hosts.values().any(|host| answers(&host.facts)) {
            return Ok(());
        }
        let cluster = &self.cluster.name;
        let reached = |host: &Host| self.seen.hosts.get(&host.name);
        let others = |host: &Host| host.is_control_plane() && !self.names.contains(&host.name);
        let silent = self.list(|host| others(host) && reached(host).is_none());
        let begun = self.list(|host| {
            host.is_control_plane()
                && reached(host)
                    .is_some_and(|seen| seen.facts.kube.admin_conf || seen.facts.kube.etcd_data)
        });
        if begun.is_empty() && !silent.is_empty() {
            let why = format!(
                "no control plane of {cluster} can be worked on: {} cannot be reached; nothing was changed",
                silent.join(", ")
            );
            let hint = "nodes join through a control plane; mend what is said above";
            return Err(Failure::new(Code::Unreachable, why).hint(hint));
        }
        if begun.is_empty() {
            let why = format!("{cluster} has no control plane yet; nothing was changed");
            let hint = format!(
                "make the cluster first: baremetal up {}",
                self.file.display()
            );
            return Err(Failure::new(Code::Refused, why).hint(hint));
        }
        let why = format!(
            "the API of {cluster} does not answer on {}: it is down, or etcd has lost its quorum; nothing was changed",
            begun.join(", ")
        );
        let hint = "on a control plane: `crictl ps -a` and `journalctl -u kubelet` show why; no node can join until it answers";
        Err(Failure::new(Code::Refused, why).hint(hint))
    }

    /// Whether the cluster may take the hosts in; asked when it has been observed.
    ///
    /// # Errors
    /// [`Code::Refused`] with every reason, [`Code::Unreachable`] where a holder of the virtual IP cannot be told of a new one.
    pub fn may_join(&self) -> Result<(), Failure> {
        let Some(api) = &self.seen.api else {
            return self.can_begin();
        };
        let hosts: Vec<&Host> = self
            .cluster
            .hosts
            .iter()
            .filter(|host| self.names.contains(&host.name) && !self.is_member(host))
            .collect();
        let mut refusals: Vec<Refusal> = Vec::new();
        for host in hosts.iter().filter(|host| host.is_node()) {
            refusals.extend(self.identity(api, host));
        }
        if hosts.iter().any(|host| host.is_node()) {
            refusals.extend(self.version(api));
        }
        let planes: Vec<&Host> = hosts
            .iter()
            .copied()
            .filter(|host| host.is_control_plane())
            .collect();
        if refusals.is_empty() && !planes.is_empty() {
            refusals.extend(self.members(api, &planes));
        }
        failure(Code::Refused, refusals)?;
        failure(Code::Unreachable, self.holders(api, &hosts))
    }

    fn list(&self, wanted: impl Fn(&Host) -> bool) -> Vec<&'a str> {
        let hosts = self.cluster.hosts.iter();
        hosts
            .filter(|host| wanted(host))
            .map(|host| host.name.as_str())
            .collect()
    }

    fn is_member(&self, host: &Host) -> bool {
        let seen = self.seen.hosts.get(&host.name);
        seen.is_some_and(|seen| host.is_node() && phases::is_member(self.seen, host, &seen.facts))
    }

    /// `remove-node` of something that has died; the entry of a host that is to come back stays in the inventory.
    fn remove(&self, name: &str) -> String {
        let keep = if self.names.contains(name) {
            " --keep-entry"
        } else {
            ""
        };
        format!(
            "if it is dead for good: baremetal remove-node {} {name} --dead{keep}, then run the same command again",
            self.file.display()
        )
    }

    /// Name and address must be nobody else's. A join that was interrupted has left its traces on the host: it goes on.
    fn identity(&self, api: &ApiSeen, host: &Host) -> Option<Refusal> {
        let seen = self.seen.hosts.get(&host.name);
        let empty = seen.is_some_and(|seen| is_empty(&seen.facts));
        self.node(api, host, empty)
            .or_else(|| self.member(api, host, empty))
    }

    fn node(&self, api: &ApiSeen, host: &Host, empty: bool) -> Option<Refusal> {
        let (name, address) = (&host.name, host.node_ip.to_string());
        let at = |node: &NodeSeen| node.internal_ips.contains(&address);
        let mut others = api.nodes.iter().filter(|node| node.name != *name);
        if let Some(other) = others.find(|node| at(node)) {
            let other_name = &other.name;
            return Some(if other.ready {
                Refusal::new(
                    format!("{name}: {address} is the address of a live node, {other_name}"),
                    "give the host an address of its own",
                )
            } else {
                Refusal::new(
                    format!("{name}: {address} is the address of a dead node, {other_name}"),
                    self.remove(other_name),
                )
            });
        }
        let node = api.nodes.iter().find(|node| node.name == *name)?;
        let elsewhere = !node.internal_ips.is_empty() && !at(node);
        let place = node.internal_ips.join(", ");
        match (elsewhere, node.ready) {
            (true, true) => Some(Refusal::new(
                format!("{name}: a live node at {place} has this name"),
                "give the host a name of its own",
            )),
            (true, false) => Some(Refusal::new(
                format!("{name}: the cluster has a dead node of this name at {place}"),
                self.remove(name),
            )),
            (false, true) if empty => Some(Refusal::new(
                format!(
                    "{name}: the cluster calls this node Ready, but the host at {address} is empty"
                ),
                format!(
                    "a node that has just gone is told after a minute; {}",
                    self.remove(name)
                ),
            )),
            (false, false) if empty => Some(Refusal::new(
                format!(
                    "{name}: the cluster has a dead node of this name, and the host at {address} is empty"
                ),
                self.remove(name),
            )),
            _ => None,
        }
    }

    fn member(&self, api: &ApiSeen, host: &Host, empty: bool) -> Option<Refusal> {
        let (name, address) = (&host.name, host.node_ip);
        let member = api.etcd.iter().find(|member| is_of(member, host))?;
        // What never voted is what an interrupted join left; it is replaced.
        if member.learner || member.name.is_empty() {
            return None;
        }
        let peer = phases::kubeadm::peer_url(host);
        let why = if member.name != *name {
            format!(
                "{name}: {address} is the address of etcd's member {}",
                member.name
            )
        } else if !member.peer_urls.contains(&peer) {
            let place = member.peer_urls.join(", ");
            format!("{name}: etcd has a member of this name at {place}")
        } else if empty {
            format!("{name}: etcd has a member of this name, and the host at {address} is empty")
        } else {
            return None;
        };
        Some(Refusal::new(why, self.remove(&member.name)))
    }

    /// A node must not be newer than the cluster that it joins, and kubeadm joins none of another minor release.
    fn version(&self, api: &ApiSeen) -> Option<Refusal> {
        let live = api.cluster_configuration.as_ref()?["kubernetesVersion"].as_str()?;
        let wanted = format!("v{}", self.cluster.version);
        (live != wanted).then(|| {
            Refusal::new(
                format!("the cluster runs Kubernetes {live}, and the inventory says {wanted}"),
                format!(
                    "join with the version that runs: --kubernetes {}",
                    live.trim_start_matches('v')
                ),
            )
        })
    }

    /// etcd before it grows: every member must be healthy, and the number afterwards odd.
    fn members(&self, api: &ApiSeen, planes: &[&Host]) -> Option<Refusal> {
        // What an interrupted join of one of these left is replaced.
        let others: Vec<&EtcdMember> = api
            .etcd
            .iter()
            .filter(|member| !planes.iter().any(|host| is_of(member, host)))
            .collect();
        let fit =
            |member: &EtcdMember| member.healthy && !member.learner && !member.name.is_empty();
        let sick: Vec<&str> = others
            .iter()
            .filter(|member| !fit(member))
            .map(|member| {
                if member.name.is_empty() {
                    member.peer_urls.first().map_or("a member", String::as_str)
                } else {
                    member.name.as_str()
                }
            })
            .collect();
        let all = others.len();
        if let Some(first) = sick.first() {
            let why = format!(
                "etcd has {} of {all} members healthy and needs {}; {} {} not: with another member it would need {} of {}",
                all - sick.len(),
                all / 2 + 1,
                sick.join(", "),
                if sick.len() == 1 { "is" } else { "are" },
                all.midpoint(1) + 1,
                all + 1,
            );
            return Some(Refusal::new(
                why,
                format!("mend it first; {}", self.remove(first)),
            ));
        }
        let after = all + planes.len();
        (after.is_multiple_of(2) && !self.cluster.allow_even_control_planes).then(|| {
            Refusal::new(
                format!(
                    "that would make {after} control planes of {all}: {after} bear the loss of no more than {} do",
                    after - 1
                ),
                "name one more control plane, or write `allow-even-control-planes: true` into the inventory",
            )
        })
    }

    /// Who holds the virtual IP must be told of a new holder, or both would take it.
    fn holders(&self, api: &ApiSeen, hosts: &[&Host]) -> Vec<Refusal> {
        let holders: BTreeSet<&str> = self
            .cluster
            .vip_holders()
            .map(|host| host.name.as_str())
            .collect();
        let new: Vec<&str> = hosts
            .iter()
            .map(|host| host.name.as_str())
            .filter(|name| holders.contains(name))
            .collect();
        let pair = matches!(self.cluster.endpoint.kind, EndpointKind::LoadBalancers(_));
        let serves = |name: &str| pair || api.nodes.iter().any(|node| node.name == name);
        if new.is_empty() {
            return Vec::new();
        }
        holders
            .into_iter()
            .filter(|name| {
                !self.names.contains(*name)
                    && !self.seen.hosts.contains_key(*name)
                    && serves(name)
            })
            .map(|name| {
                Refusal::new(
                    format!(
                        "{name} may hold the virtual IP and cannot be told of {}: both would take it",
                        new.join(", ")
                    ),
                    "mend what keeps us from it, said above, then run the same command again",
                )
            })
            .collect()
    }
}

/// Whether nothing of Kubernetes is on the host.
fn is_empty(facts: &Facts) -> bool {
    let kube = &facts.kube;
    !kube.kubelet_conf && kube.ca_hash.is_none() && kube.manifests.is_empty() && !kube.etcd_data
}

fn is_of(member: &EtcdMember, host: &Host) -> bool {
    member.name == host.name || member.peer_urls.contains(&phases::kubeadm::peer_url(host))
}
