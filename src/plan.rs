//! What must be done: desired minus observed, in execution order.
//!
//! `plan` prints a [`Plan`], `up` runs that same value. Pure. [`limit`] makes one for hosts that join, [`Narrowing`] one for members that are named.

mod joining;
mod narrow;
mod scope;

pub use joining::Joining;
pub use narrow::Narrowing;
pub use scope::{Limited, limit};

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host},
    observe::{Facts, Observation},
    phases::{self, ActionStep, AtOnce, Context, Need, On, PHASES, Phase, PhaseId},
    remote::Script,
    resources::{Change, Resource, compare},
};

/// All steps of a run, ordered so that every step comes after those it needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Things worth saying that are no step: what was skipped and why.
    pub notes: Vec<String>,
}

/// One piece of work on one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub phase: PhaseId,
    /// The host on which it runs; steps through the API run on an elected control plane.
    pub host: String,
    /// Indices of steps that must have succeeded.
    pub needs: Vec<usize>,
    /// Indices of steps that must have ended, however they ended.
    pub after: Vec<usize>,
    pub work: Work,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Resources brought to their desired state by one script (after the transfers they need).
    Apply(Vec<Change>),
    /// Something that happens once.
    Run(Box<Action>),
}

/// Something that happens once and is observable afterwards: `kubeadm init`, a join, a release, a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Action {
    /// `kubeadm-init`, `apply-metallb`.
    pub id: String,
    /// What the plan shows: `kubeadm init`.
    pub title: String,
    /// Further lines for the plan, such as a diff of the live objects.
    pub detail: Vec<String>,
    pub script: Script,
    /// systemd units whose journal explains a failure.
    pub units: Vec<String>,
    /// What to do when it fails.
    pub hint: String,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// Number of changes and actions in all steps.
    pub fn changes(&self) -> usize {
        self.steps.iter().map(Step::changes).sum()
    }
}

impl Plan {
    /// This plan, and when all of it has succeeded the other one.
    #[must_use]
    pub fn then(mut self, other: Self) -> Self {
        let first: Vec<usize> = (0..self.steps.len()).collect();
        let base = first.len();
        self.steps.extend(other.steps.into_iter().map(|mut step| {
            for index in step.needs.iter_mut().chain(&mut step.after) {
                *index += base;
            }
            step.needs.splice(0..0, first.iter().copied());
            step
        }));
        self.notes.extend(other.notes);
        self
    }
}

impl Step {
    /// Number of changes: resources of an [`Work::Apply`], one for a [`Work::Run`].
    pub fn changes(&self) -> usize {
        match &self.work {
            Work::Apply(changes) => changes.len(),
            Work::Run(_) => 1,
        }
    }

    /// What the step is called while it runs.
    pub fn title(&self) -> String {
        match &self.work {
            Work::Apply(_) => phases::title(self.phase).to_owned(),
            Work::Run(action) => action.title.clone(),
        }
    }
}

/// The hosts that a phase runs on, in the order of the inventory.
pub fn hosts_of<'a>(on: On, cluster: &'a Cluster, elected: &str) -> Vec<&'a Host> {
    let wanted = |host: &&Host| match on {
        On::EveryHost => true,
        On::Nodes => host.is_node(),
        On::ControlPlanes => host.is_control_plane(),
        On::FirstControlPlane | On::Api => host.name == elected,
        On::OtherControlPlanes => host.is_control_plane() && host.name != elected,
        On::Workers => host.is_node() && !host.is_control_plane(),
    };
    cluster.hosts.iter().filter(wanted).collect()
}

/// Everything that one host must be, phase by phase: what one observation round trip asks for.
pub fn resources_of(
    cluster: &Cluster,
    artifacts: &Artifacts,
    host: &Host,
    facts: &Facts,
) -> Vec<(PhaseId, Vec<Resource>)> {
    let context = Context {
        cluster,
        host,
        facts,
        artifacts,
    };
    PHASES
        .iter()
        .filter(|phase| {
            hosts_of(phase.on, cluster, &host.name)
                .iter()
                .any(|other| other.name == host.name)
        })
        .map(|phase| (phase.id, phases::resources(phase.id, &context)))
        .filter(|(_, resources)| !resources.is_empty())
        .collect()
}

/// The plan: what differs between the cluster that is wanted and what was seen.
///
/// Hosts that could not be reached have no steps; a note says so.
pub fn make(cluster: &Cluster, artifacts: &Artifacts, seen: &Observation) -> Result<Plan> {
    let mut items = Vec::new();
    for phase in PHASES {
        for host in in_turn(phase, cluster, seen) {
            let item = apply_item(phase, cluster, artifacts, seen, host)?;
            items.extend(item);
        }
        let actions = actions_of(phase.id, cluster, artifacts, seen)?;
        Item::add_actions(&mut items, phase.id, actions);
    }
    let notes = seen
        .unreachable
        .iter()
        .map(|(host, reason)| format!("{host} was left out: {reason}"))
        .collect();
    Ok(Plan {
        steps: arrange(items, cluster, seen),
        notes,
    })
}

fn actions_of(
    phase: PhaseId,
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    phases::actions(phase, cluster, artifacts, seen)
        .with_context(|| format!("phase {}", phases::name(phase)))
}

/// The hosts of a phase; holders of the virtual IP that serve already come before those that are new.
fn in_turn<'a>(phase: &Phase, cluster: &'a Cluster, seen: &Observation) -> Vec<&'a Host> {
    let mut hosts = hosts_of(phase.on, cluster, &seen.elected);
    if phase.id == PhaseId::LoadBalancer {
        hosts.sort_by_key(|host| !serves(seen, &host.name));
    }
    hosts
}

/// Whether keepalived runs on the host.
fn serves(seen: &Observation, host: &str) -> bool {
    seen.hosts
        .get(host)
        .is_some_and(|seen| seen.facts.unit_active("keepalived.service"))
}

/// Steps in their order. A new holder of the virtual IP starts when those that serve know it: told of nobody, they would send
/// it no adverts, and it would take the address a second time.
fn arrange(mut items: Vec<Item>, cluster: &Cluster, seen: &Observation) -> Vec<Step> {
    let (old, new): (Vec<usize>, Vec<usize>) = (0..items.len())
        .filter(|&index| items[index].phase == PhaseId::LoadBalancer)
        .partition(|&index| serves(seen, &items[index].host));
    for index in new {
        items[index].needs.extend(&old);
    }
    order(items, &|on| {
        hosts_of(on, cluster, &seen.elected)
            .into_iter()
            .map(|host| host.name.clone())
            .collect()
    })
}

fn apply_item(
    phase: &Phase,
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
    host: &Host,
) -> Result<Option<Item>> {
    let Some(host_seen) = seen.hosts.get(&host.name) else {
        return Ok(None);
    };
    let context = Context {
        cluster,
        host,
        facts: &host_seen.facts,
        artifacts,
    };
    let resources = phases::resources(phase.id, &context);
    if resources.is_empty() {
        return Ok(None);
    }
    let observed = host_seen.resources.get(&phase.id).with_context(|| {
        format!(
            "{} was not observed on {}",
            phases::name(phase.id),
            host.name
        )
    })?;
    let changes = compare(&resources, observed);
    Ok((!changes.is_empty()).then(|| Item {
        phase: phase.id,
        host: host.name.clone(),
        of: vec![host.name.clone()],
        needs: Vec::new(),
        after: Vec::new(),
        work: Work::Apply(changes),
    }))
}

/// A step before its place among the phases is known; `needs` and `after` are indices of items.
struct Item {
    phase: PhaseId,
    host: String,
    of: Vec<String>,
    needs: Vec<usize>,
    after: Vec<usize>,
    work: Work,
}

impl Item {
    fn changes(&self) -> usize {
        match &self.work {
            Work::Apply(changes) => changes.len(),
            Work::Run(_) => 1,
        }
    }

    fn add_actions(items: &mut Vec<Self>, phase: PhaseId, actions: Vec<ActionStep>) {
        let base = items.len();
        let actions = actions.into_iter();
        items.extend(actions.map(|step| Self::action(phase, base, step)));
    }

    fn action(phase: PhaseId, base: usize, step: ActionStep) -> Self {
        Self {
            phase,
            host: step.host,
            of: step.of,
            needs: step.needs.iter().map(|index| base + index).collect(),
            after: step.after.iter().map(|index| base + index).collect(),
            work: Work::Run(Box::new(step.action)),
        }
    }
}

/// Turns the needs of the phase table into indices of steps.
fn order(items: Vec<Item>, hosts_on: &dyn Fn(On) -> Vec<String>) -> Vec<Step> {
    let resolver = Resolver {
        items: &items,
        hosts_on,
    };
    let mut waits = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let phase = phases::row(item.phase);
        let mut wait = Wait::default();
        resolver.collect(phase, &item.of, &mut wait);
        wait.needs.extend(&item.needs);
        wait.after.extend(&item.after);
        if phase.at_once == AtOnce::One {
            let previous = items[..index]
                .iter()
                .rposition(|other| other.phase == item.phase);
            wait.after.extend(previous);
        }
        waits.push(wait);
    }
    items
        .into_iter()
        .zip(waits)
        .map(|(item, wait)| Step {
            phase: item.phase,
            host: item.host,
            after: wait.after.difference(&wait.needs).copied().collect(),
            needs: wait.needs.into_iter().collect(),
            work: item.work,
        })
        .collect()
}

#[derive(Default)]
struct Wait {
    needs: BTreeSet<usize>,
    after: BTreeSet<usize>,
}

struct Resolver<'a> {
    items: &'a [Item],
    hosts_on: &'a dyn Fn(On) -> Vec<String>,
}

impl Resolver<'_> {
    /// What a step of `phase` for `hosts` waits for. Where a needed phase has nothing to do, what that phase needs is waited for
    /// in its place: images need the runtime, and through it the operating system, also when the runtime is right already.
    fn collect(&self, phase: &Phase, hosts: &[String], wait: &mut Wait) {
        for need in phase.needs {
            match *need {
                Need::Own(id) => {
                    for host in hosts {
                        self.one(id, host, hosts.len() == 1, wait);
                    }
                }
                Need::Every(id) => self.all(id, true, wait),
                Need::Some(id) => self.all(id, false, wait),
            }
        }
    }

    fn all(&self, id: PhaseId, must_succeed: bool, wait: &mut Wait) {
        for host in (self.hosts_on)(phases::row(id).on) {
            self.one(id, &host, must_succeed, wait);
        }
    }

    fn one(&self, id: PhaseId, host: &str, must_succeed: bool, wait: &mut Wait) {
        let mut found = false;
        for (index, item) in self.items.iter().enumerate() {
            if item.phase == id && item.of.iter().any(|of| of == host) {
                found = true;
                let set = if must_succeed {
                    &mut wait.needs
                } else {
                    &mut wait.after
                };
                set.insert(index);
            }
        }
        if found {
            return;
        }
        let phase = phases::row(id);
        if !(self.hosts_on)(phase.on).iter().any(|on| on == host) {
            return;
        }
        let mut deeper = Wait::default();
        self.collect(phase, &[host.to_owned()], &mut deeper);
        if must_succeed {
            wait.needs.extend(deeper.needs);
        } else {
            wait.after.extend(deeper.needs);
        }
        wait.after.extend(deeper.after);
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
