//! Labels, taints, annotations and roles of nodes: only differences, and nothing that others put there is taken away.
//!
//! What was set here is remembered in an annotation of the node, so that a label that leaves the inventory leaves the node.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{ActionStep, shell};
use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host, Taint},
    observe::{NodeSeen, Observation},
    plan::Action,
};

/// Names of labels, annotations and taints that we set on the node.
const OURS: &str = "baremetal.dev/managed";
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";
const WORKER: &str = "node-role.kubernetes.io/worker";
/// kubeadm puts it on control planes; load balancers then announce nothing from there.
const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";
const DEFAULT_DISK: &str = "node.longhorn.io/create-default-disk";
const DISKS: &str = "node.longhorn.io/default-disks-config";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Managed {
    labels: BTreeSet<String>,
    annotations: BTreeSet<String>,
    /// `KEY:EFFECT`
    taints: BTreeSet<String>,
}

pub(super) fn actions(
    cluster: &Cluster,
    _artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    let nodes = seen.api.as_ref().map(|api| api.nodes.as_slice());
    let mut lines = String::new();
    let mut detail = Vec::new();
    for host in cluster.nodes() {
        let live = nodes
            .into_iter()
            .flatten()
            .find(|node| node.name == host.name);
        if live.is_none() && !seen.hosts.contains_key(&host.name) {
            continue;
        }
        let commands = commands(cluster, host, live)?;
        if commands.is_empty() {
            continue;
        }
        lines.push_str(&call(&["node", &host.name]));
        for command in commands {
            lines.push_str(&call(
                &command.iter().map(String::as_str).collect::<Vec<_>>(),
            ));
            if command.last().is_none_or(|word| !word.starts_with(OURS)) {
                detail.push(format!("{}: {}", host.name, command.join(" ")));
            }
        }
    }
    if lines.is_empty() {
        return Ok(Vec::new());
    }
    let mut script = shell::change("node-metadata");
    script.body.push_str(&lines);
    Ok(vec![ActionStep {
        host: seen.elected.clone(),
        of: vec![seen.elected.clone()],
        action: Action {
            id: "node-metadata".to_owned(),
            title: "set labels, annotations and taints of nodes".to_owned(),
            detail,
            script,
            units: Vec::new(),
            hint: "`kubectl describe node` shows what is there".to_owned(),
        },
        needs: Vec::new(),
        after: Vec::new(),
    }])
}

fn call(words: &[&str]) -> String {
    let quoted: Vec<_> = words
        .iter()
        .map(|word| shlex::try_quote(word).unwrap_or_default())
        .collect();
    format!("{}\n", quoted.join(" "))
}

/// Taints that a host wants: its own, and a control plane's that keeps workloads away.
pub(super) fn taints(host: &Host) -> Vec<Taint> {
    let mut taints = host.taints.clone();
    if host.is_control_plane() && !host.schedulable {
        let default = Taint {
            key: CONTROL_PLANE.to_owned(),
            value: None,
            effect: "NoSchedule".to_owned(),
        };
        if !taints
            .iter()
            .any(|taint| taint.key == default.key && taint.effect == default.effect)
        {
            taints.push(default);
        }
    }
    taints
}

fn labels(cluster: &Cluster, host: &Host) -> BTreeMap<String, String> {
    let mut labels = host.labels.clone();
    let role = if host.is_control_plane() {
        CONTROL_PLANE
    } else {
        WORKER
    };
    labels.entry(role.to_owned()).or_default();
    if stores(cluster, host) {
        let value = if host.data_disks.is_empty() {
            "true"
        } else {
            "config"
        };
        labels.insert(DEFAULT_DISK.to_owned(), value.to_owned());
    }
    labels
}

fn stores(cluster: &Cluster, host: &Host) -> bool {
    cluster
        .longhorn
        .as_ref()
        .is_some_and(|longhorn| longhorn.storage_nodes.contains(&host.name))
}

fn annotations(cluster: &Cluster, host: &Host) -> BTreeMap<String, String> {
    let mut annotations = host.annotations.clone();
    if stores(cluster, host) && !host.data_disks.is_empty() {
        let disks: Vec<_> = host
            .data_disks
            .iter()
            .map(|disk| {
                json!({
                    "path": disk.path,
                    "allowScheduling": true,
                    "storageReserved": disk.reserved_bytes.unwrap_or(0),
                    "tags": disk.tags,
                })
            })
            .collect();
        annotations.insert(DISKS.to_owned(), json!(disks).to_string());
    }
    annotations
}

/// Shell calls that bring one node from what it is to what it should be; empty where nothing differs.
fn commands(cluster: &Cluster, host: &Host, live: Option<&NodeSeen>) -> Result<Vec<Vec<String>>> {
    // A node that is not there yet will come with what kubeadm gives it.
    let coming = NodeSeen {
        labels: host
            .is_control_plane()
            .then(|| (EXCLUDE.to_owned(), String::new()))
            .into_iter()
            .collect(),
        ..NodeSeen::default()
    };
    let live = live.unwrap_or(&coming);
    let (labels, annotations, taints) = (
        labels(cluster, host),
        annotations(cluster, host),
        taints(host),
    );
    let before: Managed = live
        .annotations
        .get(OURS)
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    let after = Managed {
        labels: labels.keys().cloned().collect(),
        annotations: annotations.keys().cloned().collect(),
        taints: taints.iter().map(slot).collect(),
    };
    let mut gone = before.labels.clone();
    if cluster.control_planes_only() {
        gone.insert(EXCLUDE.to_owned());
    }
    let mut commands = Vec::new();
    let changed = changes(&labels, &gone, &live.labels);
    if !changed.is_empty() {
        commands.push(words("label", changed));
    }
    // The taint of a control plane that became schedulable is kubeadm's own, but it is ours to say.
    let mut gone = before.taints.clone();
    if host.is_control_plane() && host.schedulable {
        gone.insert(format!("{CONTROL_PLANE}:NoSchedule"));
    }
    commands.extend(taint_commands(&taints, &gone, live));
    let mut changed = changes(&annotations, &before.annotations, &live.annotations);
    let ours = serde_json::to_string(&after)?;
    if live.annotations.get(OURS) != Some(&ours) {
        changed.push(format!("{OURS}={ours}"));
    }
    if !changed.is_empty() {
        commands.push(words("annotate", changed));
    }
    Ok(commands)
}

fn words(first: &str, rest: Vec<String>) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(rest).collect()
}

/// `KEY=VALUE` for what is missing or different, `KEY-` for what is no longer wanted.
fn changes(
    wanted: &BTreeMap<String, String>,
    gone: &BTreeSet<String>,
    live: &BTreeMap<String, String>,
) -> Vec<String> {
    wanted
        .iter()
        .filter(|(key, value)| live.get(*key) != Some(value))
        .map(|(key, value)| format!("{key}={value}"))
        .chain(
            gone.iter()
                .filter(|key| !wanted.contains_key(*key) && live.contains_key(*key))
                .map(|key| format!("{key}-")),
        )
        .collect()
}

fn slot(taint: &Taint) -> String {
    format!("{}:{}", taint.key, taint.effect)
}

fn taint_commands(wanted: &[Taint], gone: &BTreeSet<String>, live: &NodeSeen) -> Vec<Vec<String>> {
    let mut changed = Vec::new();
    for taint in wanted {
        let value = taint.value.as_deref().unwrap_or_default();
        let there = live.taints.iter().any(|(key, live, effect)| {
            *key == taint.key && live == value && *effect == taint.effect
        });
        if !there {
            changed.push(match &taint.value {
                Some(value) => format!("{}={value}:{}", taint.key, taint.effect),
                None => slot(taint),
            });
        }
    }
    let wanted: BTreeSet<_> = wanted.iter().map(slot).collect();
    let live: BTreeSet<_> = live
        .taints
        .iter()
        .map(|(key, _, effect)| format!("{key}:{effect}"))
        .collect();
    changed.extend(
        gone.iter()
            .filter(|slot| !wanted.contains(*slot) && live.contains(*slot))
            .map(|slot| format!("{slot}-")),
    );
    if changed.is_empty() {
        Vec::new()
    } else {
        vec![words("taint", changed)]
    }
}
