//! The plan of a reset: what is there, host by host; every host by itself.

use std::collections::BTreeMap;

use super::{Depth, HostLeft, Options};
use crate::{
    inventory::{Cluster, Host},
    observe::Facts,
    phases::PhaseId,
    plan::{Plan, Step, Work},
};

/// A host that is reset, and what is on it.
#[derive(Debug, Clone)]
pub struct Remains<'a> {
    pub host: &'a Host,
    pub facts: &'a Facts,
    pub left: &'a HostLeft,
}

/// What must be done on hosts: nothing on those that are clean. Steps of one host follow each other; hosts do not wait for each
/// other.
pub fn plan(cluster: &Cluster, hosts: &[Remains<'_>], options: Options) -> Plan {
    let mut steps = Vec::new();
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    let actions: Vec<_> = hosts
        .iter()
        .filter(|remains| wanted(remains.left, options))
        .map(|remains| {
            let all = super::host(cluster, remains.host, remains.facts, options);
            (remains, all)
        })
        .collect();
    // Phase by phase, as a plan is read.
    let phases = actions.first().map_or(0, |(_, all)| all.len());
    for index in 0..phases {
        for (remains, all) in &actions {
            let (phase, action) = &all[index];
            let mut action = action.clone();
            action.detail = detail(*phase, remains.left, options);
            steps.push(Step {
                phase: *phase,
                host: remains.host.name.clone(),
                needs: last
                    .get(remains.host.name.as_str())
                    .copied()
                    .into_iter()
                    .collect(),
                after: Vec::new(),
                work: Work::Run(Box::new(action)),
            });
            last.insert(&remains.host.name, steps.len() - 1);
        }
    }
    let notes = hosts
        .iter()
        .filter(|remains| wanted(remains.left, options))
        .flat_map(|remains| notes(&remains.host.name, remains.left, options))
        .collect();
    Plan { steps, notes }
}

fn wanted(left: &HostLeft, options: Options) -> bool {
    match options.depth {
        Depth::Host => !left.is_clean() || (options.longhorn_data && !left.longhorn.is_empty()),
        Depth::State => {
            left.kubelet || left.pods || !left.state.is_empty() || !left.links.is_empty()
        }
    }
}

/// What goes with a step, for the plan.
fn detail(phase: PhaseId, left: &HostLeft, options: Options) -> Vec<String> {
    match phase {
        PhaseId::StopNode if left.kubelet => vec!["the kubelet runs".to_owned()],
        PhaseId::RemoveState => {
            let mut lines: Vec<String> = Vec::new();
            if let Some(size) = left.etcd {
                lines.push(format!("- etcd's data, {}", mebibytes(size)));
            }
            lines.extend(shortened(&left.state));
            if options.longhorn_data {
                lines.extend(left.longhorn.iter().map(|longhorn| {
                    format!(
                        "- Longhorn's data in {}, {}",
                        longhorn.disk,
                        mebibytes(longhorn.size)
                    )
                }));
            }
            lines
        }
        PhaseId::RemoveNetwork => {
            let mut lines = shortened(&left.links);
            if !left.rules.is_empty() {
                lines.push(format!("- {} chains, tables and sets", left.rules.len()));
            }
            lines
        }
        PhaseId::RemoveRuntime => shortened(&left.runtime),
        PhaseId::RestoreHost if options.packages => left
            .packages
            .iter()
            .map(|package| format!("- package {package}"))
            .collect(),
        _ => Vec::new(),
    }
}

fn notes(host: &str, left: &HostLeft, options: Options) -> Vec<String> {
    let mut notes = Vec::new();
    if options.depth == Depth::State {
        return notes;
    }
    if left.touched && !left.noted {
        notes.push(format!(
            "{host} has no note of what was there before: what is known to be ours goes; kernel settings stay until the next boot, packages stay"
        ));
    }
    if !left.packages.is_empty() && !options.packages {
        notes.push(format!(
            "{host}: packages that came with us stay installed (--packages removes them): {}",
            left.packages.join(" ")
        ));
    }
    if !left.longhorn.is_empty() && !options.longhorn_data {
        let disks: Vec<&str> = left.longhorn.iter().map(|one| one.disk.as_str()).collect();
        notes.push(format!(
            "{host}: Longhorn's data in {} stays (--longhorn-data removes it)",
            disks.join(", ")
        ));
    }
    if !left.shared_runtime.is_empty() {
        notes.push(format!(
            "{host}: containerd goes on for others ({}); only what Kubernetes had in it goes",
            left.shared_runtime.join(", ")
        ));
    }
    notes
}

/// The first of many, and how many more.
fn shortened(names: &[String]) -> Vec<String> {
    const SHOWN: usize = 8;
    let mut lines: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("- {name}"))
        .collect();
    if names.len() > SHOWN {
        lines.push(format!("- and {} more", names.len() - SHOWN));
    }
    lines
}

pub(crate) fn mebibytes(kibibytes: u64) -> String {
    format!("{} MiB", kibibytes.div_ceil(1024))
}
