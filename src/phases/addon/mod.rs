//! The one mechanism by which anything is installed through the API: the pod network, MetalLB, Longhorn, Harbor and the user's
//! add-ons are all units, observed by `kubectl diff` or `helm`, applied by `kubectl apply --server-side` or `helm upgrade`.

mod kustomization;
mod owned;
mod prepare;

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value};

use super::{ActionStep, PhaseId, add_ons, metallb, network, shell, storage};
use crate::{
    artifacts::{Artifacts, Item, Kind},
    inventory::{Addon, Cluster, Wait},
    observe::{AddonSeen, Observation},
    plan::Action,
    remote::Attachment,
};
pub(crate) use prepare::{Method, Prepared, prepare};

/// Directory on control planes where charts and manifests of the artifact source lie.
pub const BLOBS: &str = "/var/lib/baremetal/artifacts";

/// Where a chart or manifest lies on control planes.
pub fn blob_path(item: &Item) -> String {
    let suffix = match item.kind {
        Kind::Chart => "tgz",
        _ => "yaml",
    };
    format!("{BLOBS}/{}-{}.{suffix}", item.name, item.version)
}

/// One thing to install, with the Secrets that it needs.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub phase: PhaseId,
    pub addon: Addon,
    pub secrets: Vec<SecretObject>,
    /// Whether the namespace is ours to make; a manifest may bring its own.
    pub makes_namespace: bool,
    /// Kinds (`ipaddresspools.metallb.io`) whose objects go when our own manifest no longer has them.
    pub owned: &'static [&'static str],
}

/// A Secret whose values the user brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretObject {
    pub namespace: String,
    pub name: String,
    /// `Opaque`, `kubernetes.io/basic-auth`.
    pub kind: String,
    /// Key to the name under which scripts ask for the user's secret.
    pub keys: BTreeMap<String, String>,
}

impl Unit {
    pub(super) fn new(phase: PhaseId, addon: Addon) -> Self {
        let makes_namespace = !addon.namespace_labels.is_empty();
        Self {
            phase,
            addon,
            secrets: Vec::new(),
            makes_namespace,
            owned: &[],
        }
    }

    pub(super) fn owning(mut self, kinds: &'static [&'static str]) -> Self {
        self.owned = kinds;
        self
    }

    /// The namespace is made before anything else, although nothing is said of its labels.
    pub(super) fn with_namespace(mut self) -> Self {
        self.makes_namespace = true;
        self
    }

    pub(super) fn with_secrets(mut self, secrets: Vec<SecretObject>) -> Self {
        self.secrets = secrets;
        self
    }
}

/// Everything that the cluster wants installed through its API, in the order in which it is installed.
pub(crate) fn units(cluster: &Cluster, artifacts: &Artifacts) -> Result<Vec<Unit>> {
    let mut units = network::units(cluster, artifacts)?;
    units.extend(metallb::units(cluster, artifacts)?);
    units.extend(storage::units(cluster)?);
    units.extend(add_ons::units(cluster)?);
    Ok(units)
}

/// Steps for the units of a phase that are not live as wanted; each waits for the one before it.
pub(super) fn steps(
    phase: PhaseId,
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    let mut steps: Vec<ActionStep> = Vec::new();
    for unit in units(cluster, artifacts)? {
        if unit.phase != phase {
            continue;
        }
        let live = seen
            .api
            .as_ref()
            .and_then(|api| api.addons.get(&unit.addon.name));
        if live.is_some_and(|live| live.same) {
            continue;
        }
        let prepared = prepare(&unit, cluster, artifacts)?;
        steps.push(ActionStep {
            host: seen.elected.clone(),
            of: vec![seen.elected.clone()],
            action: action(&unit, &prepared, live),
            needs: steps.len().checked_sub(1).into_iter().collect(),
            after: Vec::new(),
        });
    }
    Ok(steps)
}

fn action(unit: &Unit, prepared: &Prepared, live: Option<&AddonSeen>) -> Action {
    let addon = &unit.addon;
    let verb = if live.is_some_and(|live| live.present) {
        "update"
    } else {
        "install"
    };
    let mut script = shell::change("addon");
    script.name = format!("apply-{}", addon.name);
    script
        .body
        .push_str(crate::templates::text("actions/addon-apply.sh"));
    // The pod network comes before any node can be ready.
    if verb == "install" && unit.phase != PhaseId::Network {
        script.body.push_str("wait_for_a_node\n");
    }
    script.body.push_str(&prepared.apply_call());
    for wait in &addon.wait {
        script.body.push_str(&wait_call(&addon.namespace, wait));
    }
    script.attachments.clone_from(&prepared.attachments);
    script.timeout = std::time::Duration::from_mins(30);
    let mut detail = vec![prepared.method.describe()];
    if let Some(live) = live {
        detail.extend(live.diff.lines().map(str::to_owned));
    }
    Action {
        id: format!("apply-{}", addon.name),
        title: format!("{verb} {}", addon.name),
        detail,
        script,
        units: Vec::new(),
        hint: format!(
            "`kubectl -n {} get pods,events` shows what it waits for; `up` goes on from here",
            addon.namespace
        ),
    }
}

fn wait_call(namespace: &str, wait: &Wait) -> String {
    match wait {
        Wait::Rollout(workload) => prepare::call("wait_rollout", &[namespace, workload]),
        Wait::Condition {
            resource,
            condition,
        } => prepare::call("wait_condition", &[namespace, resource, condition]),
        Wait::Endpoints(service) => prepare::call("wait_endpoints", &[namespace, service]),
    }
}

/// The part of the cluster's observation that asks for add-ons: shell lines, and what they are given.
pub(crate) fn questions(
    cluster: &Cluster,
    artifacts: &Artifacts,
) -> Result<(String, Vec<Attachment>)> {
    let mut lines = String::new();
    let mut attachments = Vec::new();
    let mut helm = false;
    for unit in units(cluster, artifacts)? {
        let prepared = prepare(&unit, cluster, artifacts)?;
        helm |= matches!(prepared.method, Method::Chart { .. });
        lines.push_str(&prepared.observe_call());
        attachments.extend(prepared.attachments);
    }
    if helm {
        lines.push_str(
            "ask helm helm --kubeconfig \"$admin\" list --all-namespaces --all --output json\n",
        );
    }
    Ok((lines, attachments))
}

/// A section of the observation's answer: exit status, stdout, last lines of stderr.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// What the answers say of each unit.
pub(crate) fn read_answers(
    cluster: &Cluster,
    artifacts: &Artifacts,
    answers: &BTreeMap<String, Answer>,
) -> Result<BTreeMap<String, AddonSeen>> {
    let releases: Vec<Value> = answers
        .get("helm")
        .and_then(|answer| serde_json::from_str(answer.out.trim()).ok())
        .unwrap_or_default();
    units(cluster, artifacts)?
        .iter()
        .map(|unit| {
            let prepared = prepare(unit, cluster, artifacts)?;
            let answer = answers.get(&format!("addon-{}", unit.addon.name));
            let live = match &prepared.method {
                Method::Chart {
                    version, values, ..
                } => release_seen(unit, version.as_deref(), values, answer, &releases),
                _ => manifest_seen(answer),
            };
            Ok((unit.addon.name.clone(), live))
        })
        .collect()
}

fn manifest_seen(answer: Option<&Answer>) -> AddonSeen {
    let Some(answer) = answer else {
        return AddonSeen::default();
    };
    AddonSeen {
        present: answer.status <= 1,
        same: answer.status == 0,
        diff: readable(&answer.out),
    }
}

/// `kubectl diff` names temporary files; nobody needs to see them.
fn readable(diff: &str) -> String {
    let object = |line: &str| {
        line.split_whitespace()
            .nth(1)
            .and_then(|path| path.rsplit('/').next())
            .unwrap_or_default()
            .to_owned()
    };
    diff.lines()
        .filter(|line| !line.starts_with("diff ") && !line.trim().is_empty())
        .map(|line| match line.get(..4) {
            Some("--- ") => format!("--- live {}", object(line)),
            Some("+++ ") => format!("+++ wanted {}", object(line)),
            _ => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\n")
}

fn release_seen(
    unit: &Unit,
    version: Option<&str>,
    values: &Map<String, Value>,
    answer: Option<&Answer>,
    releases: &[Value],
) -> AddonSeen {
    let addon = &unit.addon;
    let Some(release) = releases
        .iter()
        .find(|release| release["name"] == addon.name && release["namespace"] == addon.namespace)
    else {
        return AddonSeen::default();
    };
    let mut differs = Vec::new();
    let status = release["status"].as_str().unwrap_or_default();
    if status != "deployed" {
        differs.push(format!("release is {status}"));
    }
    let chart = release["chart"].as_str().unwrap_or_default();
    let bare = |version: &str| version.trim_start_matches('v').to_owned();
    if let Some(version) = version
        && !chart.rsplit_once('-').is_some_and(|_| {
            bare(chart).ends_with(&format!("-{version}"))
                || chart.ends_with(&format!("-{}", bare(version)))
                || chart.ends_with(&format!("-v{}", bare(version)))
        })
    {
        differs.push(format!("chart {chart}, wanted version {version}"));
    }
    let live: Option<Value> =
        answer.and_then(|answer| serde_json::from_str(answer.out.trim()).ok());
    match (answer, live) {
        (Some(Answer { status: 0, .. }), Some(live)) => {
            let live = if live.is_null() {
                Value::Object(Map::new())
            } else {
                live
            };
            if live != Value::Object(values.clone()) {
                differs.push(value_diff(&live, values));
            }
        }
        (Some(answer), _) => differs.push(readable(&answer.out)),
        (None, _) => differs.push("its values were not answered".to_owned()),
    }
    AddonSeen {
        present: true,
        same: differs.is_empty(),
        diff: differs.join("\n"),
    }
}

fn value_diff(live: &Value, wanted: &Map<String, Value>) -> String {
    let live = serde_yaml::to_string(live).unwrap_or_default();
    let wanted = serde_yaml::to_string(wanted).unwrap_or_default();
    similar::TextDiff::from_lines(&live, &wanted)
        .unified_diff()
        .header("live values", "wanted values")
        .to_string()
}
