//! Longhorn, then its storage classes and recurring jobs.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    PhaseId, UserSecret,
    addon::{SecretObject, Unit},
    kubeadm::merge,
    metallb::privileged,
};
use crate::{
    inventory::{
        Addon, AddonSource, ArtifactSource, BackupTarget, Cluster, Longhorn, LonghornUi,
        RecurringJob, StorageClass, Wait,
    },
    templates,
};

const ID: PhaseId = PhaseId::Storage;
const NAMESPACE: &str = "longhorn-system";
const BACKUP_SECRET: &str = "longhorn-backup";

pub(super) fn units(cluster: &Cluster) -> Result<Vec<Unit>> {
    let Some(longhorn) = &cluster.longhorn else {
        return Ok(Vec::new());
    };
    let chart = Addon {
        name: "longhorn".to_owned(),
        namespace: NAMESPACE.to_owned(),
        namespace_labels: privileged(),
        source: AddonSource::Chart {
            chart: "longhorn".to_owned(),
            repo: None,
            version: None,
            values: values(cluster, longhorn)?,
        },
        wait: vec![Wait::Rollout("daemonset/longhorn-manager".to_owned())],
    };
    let objects = Addon {
        name: "longhorn-objects".to_owned(),
        namespace: NAMESPACE.to_owned(),
        namespace_labels: [].into(),
        source: AddonSource::Manifest(objects(longhorn)?),
        wait: Vec::new(),
    };
    Ok(vec![
        Unit::new(ID, chart).with_secrets(credentials(longhorn)),
        Unit::new(ID, objects)
            .owning(&["storageclasses.storage.k8s.io", "recurringjobs.longhorn.io"]),
    ])
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a chart")]
struct ChartValues<'a> {
    default_class: bool,
    replicas: u8,
    reclaim_policy: &'a str,
    data_path: &'a str,
    replica_setting: Value,
    minimal_available: &'static str,
    auto_salvage: bool,
    degraded_allowed: bool,
    offline: bool,
    tolerations: Vec<Value>,
    toleration_setting: String,
    settings: Vec<(String, &'a str)>,
    backup: Option<BackupValues<'a>>,
    csi_replicas: usize,
    ui_replicas: usize,
    ui: Option<&'a LonghornUi>,
}

#[derive(Serialize)]
struct BackupValues<'a> {
    url: &'a str,
    secret: &'a str,
    seconds: u64,
}

fn values(cluster: &Cluster, longhorn: &Longhorn) -> Result<Map<String, Value>> {
    let nodes = longhorn.storage_nodes.len().max(1);
    let dedicated = longhorn.storage_nodes.iter().all(|name| {
        cluster
            .host(name)
            .is_some_and(|host| !host.data_disks.is_empty())
    });
    let tolerations = tolerations(cluster, longhorn);
    let rendered = templates::render(
        "addons/longhorn/values.yaml.j2",
        ChartValues {
            default_class: longhorn.default_class,
            replicas: longhorn.replicas,
            reclaim_policy: &longhorn.reclaim_policy,
            data_path: &longhorn.data_path,
            replica_setting: per_engine(&longhorn.version, longhorn.replicas),
            minimal_available: if dedicated { "10" } else { "25" },
            auto_salvage: longhorn.auto_salvage,
            degraded_allowed: nodes < usize::from(longhorn.replicas),
            offline: matches!(cluster.artifacts, ArtifactSource::Bundle(_)),
            toleration_setting: toleration_setting(&tolerations),
            tolerations,
            settings: longhorn
                .settings
                .iter()
                .map(|(name, value)| (camel(name), value.as_str()))
                .collect(),
            backup: longhorn.backup.as_ref().map(backup),
            csi_replicas: nodes.min(3),
            ui_replicas: nodes.min(2),
            ui: longhorn.ui.as_ref(),
        },
    )?;
    // A setting of the user's that we set too is there twice; the last one holds.
    let mut values = last_wins(&rendered)?;
    merge(&mut values, &Value::Object(longhorn.values.clone()));
    Ok(match values {
        Value::Object(values) => values,
        _ => Map::new(),
    })
}

/// Reads rendered values in which a key may be repeated.
fn last_wins(rendered: &str) -> Result<Value> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let lines: Vec<_> = rendered.lines().collect();
    let mut section = "";
    let mut drop = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if !line.starts_with(' ') {
            section = line;
        } else if section == "defaultSettings:"
            && let Some((name, _)) = line.trim_start().split_once(':')
            && let Some(before) = seen.insert(name, index)
        {
            drop.push(before);
        }
    }
    let kept: Vec<_> = lines
        .iter()
        .enumerate()
        .filter(|(index, _)| !drop.contains(index))
        .map(|(_, line)| *line)
        .collect();
    Ok(serde_yaml::from_str(&kept.join("\n"))?)
}

/// Settings that exist per data engine are JSON texts from Longhorn 1.10 on.
fn per_engine(version: &str, replicas: u8) -> Value {
    let minor = version
        .trim_start_matches('v')
        .split('.')
        .nth(1)
        .and_then(|minor| minor.parse::<u32>().ok());
    if minor.is_some_and(|minor| minor < 10) {
        replicas.into()
    } else {
        let replicas = replicas.to_string();
        json!({"v1": replicas, "v2": replicas}).to_string().into()
    }
}

/// A Longhorn setting's documented name as the chart spells it.
fn camel(name: &str) -> String {
    let mut words = name.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |mut text, word| {
        let mut letters = word.chars();
        text.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        text.push_str(letters.as_str());
        text
    })
}

/// Taints of storage nodes: what stores there must tolerate them.
fn tolerations(cluster: &Cluster, longhorn: &Longhorn) -> Vec<Value> {
    let mut tolerations = Vec::new();
    for name in &longhorn.storage_nodes {
        let Some(host) = cluster.host(name) else {
            continue;
        };
        for taint in super::node_metadata::taints(host) {
            let value = match &taint.value {
                Some(value) => {
                    json!({"key": taint.key, "operator": "Equal", "value": value, "effect": taint.effect})
                }
                None => json!({"key": taint.key, "operator": "Exists", "effect": taint.effect}),
            };
            if !tolerations.contains(&value) {
                tolerations.push(value);
            }
        }
    }
    tolerations
}

fn toleration_setting(tolerations: &[Value]) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts: Vec<_> = tolerations
        .iter()
        .map(|one| match one.get("value") {
            Some(value) => format!(
                "{}={}:{}",
                text(&one["key"]),
                text(value),
                text(&one["effect"])
            ),
            None => format!("{}:{}", text(&one["key"]), text(&one["effect"])),
        })
        .collect();
    parts.join(";")
}

fn backup(target: &BackupTarget) -> BackupValues<'_> {
    BackupValues {
        url: &target.url,
        secret: if target.credentials.is_empty() {
            ""
        } else {
            BACKUP_SECRET
        },
        seconds: target
            .poll_interval
            .trim_end_matches('s')
            .parse()
            .unwrap_or(300),
    }
}

fn credentials(longhorn: &Longhorn) -> Vec<SecretObject> {
    longhorn
        .backup
        .iter()
        .filter(|target| !target.credentials.is_empty())
        .map(|target| SecretObject {
            namespace: NAMESPACE.to_owned(),
            name: BACKUP_SECRET.to_owned(),
            kind: "Opaque".to_owned(),
            keys: target
                .credentials
                .keys()
                .map(|key| (key.clone(), credential_name(key)))
                .collect(),
        })
        .collect()
}

fn credential_name(key: &str) -> String {
    super::secret_name(&format!("LONGHORN_BACKUP_{key}"))
}

/// Credentials of the backup target, as scripts ask for them.
pub(super) fn user_secrets(longhorn: &Longhorn) -> impl Iterator<Item = UserSecret> + '_ {
    longhorn
        .backup
        .iter()
        .flat_map(|target| &target.credentials)
        .map(|(key, source)| UserSecret {
            name: credential_name(key),
            title: format!("{key} of Longhorn's backup target"),
            source: source.clone(),
            lengths: &[],
        })
}

#[derive(Serialize)]
struct ObjectValues<'a> {
    classes: Vec<StorageClass>,
    jobs: &'a [RecurringJob],
}

fn objects(longhorn: &Longhorn) -> Result<String> {
    let mut classes = vec![class(
        longhorn,
        &StorageClass {
            name: "longhorn-retain".to_owned(),
            reclaim_policy: "Retain".to_owned(),
            default: false,
            parameters: BTreeMap::new(),
        },
    )];
    for wanted in &longhorn.storage_classes {
        classes.retain(|class| class.name != wanted.name);
        classes.push(class(longhorn, wanted));
    }
    templates::render(
        "addons/longhorn/objects.yaml.j2",
        ObjectValues {
            classes,
            jobs: &longhorn.recurring_jobs,
        },
    )
}

/// A class with the parameters that every class of Longhorn has, under the user's own.
fn class(longhorn: &Longhorn, wanted: &StorageClass) -> StorageClass {
    let mut parameters: BTreeMap<_, _> = [
        ("numberOfReplicas", longhorn.replicas.to_string()),
        ("staleReplicaTimeout", "2880".to_owned()),
        ("fsType", "ext4".to_owned()),
        ("dataLocality", "disabled".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    parameters.extend(wanted.parameters.clone());
    StorageClass {
        parameters,
        ..wanted.clone()
    }
}
