//! A plan for members of a running cluster that are named: what differs on them, and on no other host.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{
    Item, Limited, Plan, Work, actions_of, apply_item, arrange, in_turn,
    scope::{LeftOut, ready},
};
use crate::{
    artifacts::Artifacts,
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    observe::Observation,
    phases::{self, ActionStep, PHASES, PhaseId},
    resources::Resource,
};

/// What a selector of the user's means: some hosts of the inventory, and how they are called.
#[derive(Debug, Clone, Copy)]
pub struct Narrowing<'a> {
    pub cluster: &'a Cluster,
    pub seen: &'a Observation,
    pub names: &'a BTreeSet<String>,
    /// The inventory as the user calls it, for commands in hints.
    pub file: &'a std::path::Path,
}

impl<'a> Narrowing<'a> {
    /// Whether there is a cluster whose members these are; asked after the first round trip.
    ///
    /// # Errors
    /// [`Code::Unreachable`] where none of them can be worked on, [`Code::Refused`] where no cluster answers.
    pub fn can_begin(&self) -> Result<(), Failure> {
        let reached = |name: &&String| self.seen.hosts.contains_key(*name);
        if !self.names.iter().any(|name| reached(&name)) {
            let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let why = format!(
                "{} cannot be worked on; nothing was changed",
                names.join(", ")
            );
            let hint = "mend what is said above, then run the same command again";
            return Err(Failure::new(Code::Unreachable, why).hint(hint));
        }
        let facts = || self.seen.hosts.values().map(|host| &host.facts.kube);
        if facts().any(|kube| kube.admin_conf && kube.apiserver_ready) {
            return Ok(());
        }
        let (cluster, file) = (&self.cluster.name, self.file.display());
        let begun = facts().any(|kube| kube.admin_conf || kube.etcd_data)
            || self.seen.unreachable.keys().any(|name| self.is_plane(name));
        let (why, hint) = if begun {
            (
                format!(
                    "no control plane of {cluster} answers: who its members are cannot be told; nothing was changed"
                ),
                "bring a control plane back first; `baremetal up` without `--limit` goes on where an interrupted one stopped"
                    .to_owned(),
            )
        } else {
            (
                format!(
                    "{cluster} is not there yet, and a part of it cannot be made alone; nothing was changed"
                ),
                format!("make the cluster first: baremetal up {file}"),
            )
        };
        Err(Failure::new(Code::Refused, why).hint(hint))
    }

    fn is_plane(&self, name: &str) -> bool {
        self.cluster.host(name).is_some_and(Host::is_control_plane)
    }

    /// What differs on these hosts, in execution order, and what was seen elsewhere.
    ///
    /// Through the API only what these hosts need: labels and taints of these nodes, and the cluster's copy of the kubelet's settings
    /// before they are given out.
    ///
    /// # Errors
    /// [`Code::Refused`] where these hosts cannot be changed without others, with the selector that holds all of them.
    pub fn plan(&self, artifacts: &Artifacts) -> Result<Limited> {
        let (cluster, seen, names) = (self.cluster, self.seen, self.names);
        self.members()?;
        let mut items = Vec::new();
        let mut left_out = LeftOut::default();
        let mut elsewhere = Vec::new();
        for phase in PHASES {
            for host in in_turn(phase, cluster, seen) {
                let Some(item) = apply_item(phase, cluster, artifacts, seen, host)? else {
                    continue;
                };
                if names.contains(&host.name) {
                    items.push(item);
                } else {
                    left_out.host(host, seen, phase.title);
                    elsewhere.push(item);
                }
            }
            if phase.id == PhaseId::Verify {
                continue;
            }
            let all = actions_of(phase.id, cluster, artifacts, seen)?;
            let taken = self.taken(phase.id, artifacts, all, &mut left_out)?;
            Item::add_actions(&mut items, phase.id, taken);
        }
        self.agree(&items, &elsewhere)?;
        if !items.is_empty() || !ready(cluster, seen, names) {
            let checks = phases::verification(cluster, seen, names);
            Item::add_actions(&mut items, PhaseId::Verify, checks);
        }
        let unreachable = seen.unreachable.iter();
        let notes = unreachable
            .filter(|(host, _)| names.contains(*host))
            .map(|(host, reason)| format!("{host} was left out: {reason}"));
        Ok(Limited {
            plan: Plan {
                notes: notes.collect(),
                steps: arrange(items, cluster, seen),
            },
            left_out: left_out.lines(cluster, names),
        })
    }

    /// Of the actions of a phase those that are for these hosts.
    fn taken(
        &self,
        phase: PhaseId,
        artifacts: &Artifacts,
        all: Vec<ActionStep>,
        left_out: &mut LeftOut,
    ) -> Result<Vec<ActionStep>> {
        let (cluster, seen, names) = (self.cluster, self.seen, self.names);
        match phase {
            // Whoever is no member yet is told of by `left_out` already.
            PhaseId::Init | PhaseId::JoinControlPlane | PhaseId::JoinWorker => Ok(Vec::new()),
            PhaseId::Settings => {
                self.in_order(&all)?;
                for step in all.iter().filter(|step| !names.contains(&step.host)) {
                    if let Some(host) = cluster.host(&step.host) {
                        left_out.host(host, seen, phases::title(phase));
                    }
                }
                let mut view = seen.clone();
                view.hosts.retain(|host, _| names.contains(host));
                actions_of(phase, cluster, artifacts, &view)
            }
            PhaseId::Configuration => {
                let settings = actions_of(PhaseId::Settings, cluster, artifacts, seen)?;
                if settings.iter().any(|step| names.contains(&step.host)) {
                    return Ok(all);
                }
                for step in all {
                    left_out.cluster(step.action.title);
                }
                Ok(Vec::new())
            }
            PhaseId::NodeMetadata => {
                left_out.metadata(&all, names);
                let mut view = seen.clone();
                view.hosts.retain(|host, _| names.contains(host));
                if let Some(api) = &mut view.api {
                    api.nodes.retain(|node| names.contains(&node.name));
                }
                actions_of(phase, cluster, artifacts, &view)
            }
            _ => {
                for step in all {
                    left_out.cluster(step.action.title);
                }
                Ok(Vec::new())
            }
        }
    }

    /// Nobody joins by being named.
    fn members(&self) -> Result<(), Failure> {
        let outside: Vec<&str> = self
            .chosen()
            .filter(|host| {
                let seen = self.seen.hosts.get(&host.name);
                host.is_node()
                    && seen.is_some_and(|one| !phases::is_member(self.seen, host, &one.facts))
            })
            .map(|host| host.name.as_str())
            .collect();
        if outside.is_empty() {
            return Ok(());
        }
        let why = format!(
            "{} {} {} yet, and with `--limit` nobody joins; nothing was changed",
            outside.join(", "),
            if outside.len() == 1 {
                "is no whole member of"
            } else {
                "are no whole members of"
            },
            self.cluster.name,
        );
        Err(Failure::new(Code::Refused, why).hint(format!(
            "join with `baremetal add-node {} {}`, or leave out what is no member with `!`",
            self.file.display(),
            outside.join(" ")
        )))
    }

    /// Changed settings go to control planes before workers, and to the one through which the cluster is asked last of them.
    fn in_order(&self, all: &[ActionStep]) -> Result<(), Failure> {
        let of = |named: bool| {
            let steps = all.iter();
            steps.filter(move |step| self.names.contains(&step.host) == named)
        };
        let missing: Vec<&str> = of(false)
            .filter(|step| self.is_plane(&step.host))
            .map(|step| step.host.as_str())
            .collect();
        let early =
            of(true).find(|step| !self.is_plane(&step.host) || step.host == self.seen.elected);
        let Some(early) = early.filter(|_| !missing.is_empty()) else {
            return Ok(());
        };
        let rule = if self.is_plane(&early.host) {
            "the control plane through which the cluster is asked is the last of them"
        } else {
            "settings go to control planes first"
        };
        let why = format!(
            "changed settings cannot go to {} before {}: {rule}; nothing was changed",
            early.host,
            missing.join(", ")
        );
        Err(Failure::new(Code::Refused, why).hint(self.with(&missing)))
    }

    /// Holders of the virtual IP must agree on who they are: half of a change of keepalived's, and two of them hold the address.
    fn agree(&self, items: &[Item], elsewhere: &[Item]) -> Result<(), Failure> {
        let hosts = |items: &[Item]| -> Vec<String> {
            let speaks = items.iter().filter(|item| speaks_differently(item));
            speaks.map(|item| item.host.clone()).collect()
        };
        let (these, others) = (hosts(items), hosts(elsewhere));
        if these.is_empty() || others.is_empty() {
            return Ok(());
        }
        let why = format!(
            "keepalived changes on {} and on {}: of holders of the virtual IP that disagree two would hold it; nothing was changed",
            these.join(", "),
            others.join(", ")
        );
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        Err(Failure::new(Code::Refused, why).hint(self.with(&others)))
    }

    /// The hint that names everybody.
    fn with(&self, others: &[&str]) -> String {
        let all = self
            .cluster
            .hosts
            .iter()
            .map(|host| host.name.as_str())
            .filter(|name| self.names.contains(*name) || others.contains(name));
        let all: Vec<&str> = all.collect();
        format!(
            "take them in, `--limit {}`, or leave `--limit` out",
            all.join(",")
        )
    }

    fn chosen(&self) -> impl Iterator<Item = &'a Host> {
        let names = self.names;
        let hosts = self.cluster.hosts.iter();
        hosts.filter(move |host| names.contains(&host.name))
    }
}

fn speaks_differently(item: &Item) -> bool {
    let Work::Apply(changes) = &item.work else {
        return false;
    };
    changes.iter().any(|change| {
        matches!(&change.resource, Resource::File(file) if file.path == phases::KEEPALIVED)
            && change.verb != "set"
    })
}
