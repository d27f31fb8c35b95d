//! `kubectl taint`, `cordon` and `uncordon`.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Api, get};
use crate::{args::Flags, say};

pub const FLAGS: &str = "overwrite all l,selector= dry-run= o,output= field-manager= ignore-daemonsets delete-emptydir-data force grace-period= timeout= disable-eviction pod-selector= skip-wait-for-delete-timeout= chunk-size=";

pub async fn taint(api: &Api, flags: &Flags) -> Result<u8> {
    let is_change =
        |word: &&String| word.contains(':') || word.contains('=') || word.ends_with('-');
    let (changes, words): (Vec<&String>, Vec<&String>) = flags.rest.iter().partition(is_change);
    let words: Vec<String> = words.into_iter().cloned().collect();
    if changes.is_empty() {
        bail!("error: at least one taint update is required");
    }
    for node in nodes(api, flags, &words).await? {
        let name = get::name(&node).to_owned();
        let mut taints = node["spec"]["taints"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for change in &changes {
            if let Some(gone) = change.strip_suffix('-') {
                let (key, effect) = gone
                    .split_once(':')
                    .map_or((gone, None), |(key, effect)| (key, Some(effect)));
                let key = key.split('=').next().unwrap_or_default();
                let count = taints.len();
                taints.retain(|taint| {
                    taint["key"] != key || effect.is_some_and(|effect| taint["effect"] != effect)
                });
                if taints.len() == count {
                    bail!("error: taint {gone:?} not found");
                }
                continue;
            }
            let (pair, effect) = change
                .rsplit_once(':')
                .with_context(|| format!("error: invalid taint spec: {change}"))?;
            if !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
                bail!("error: invalid taint effect: {effect}, unsupported taint effect");
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let same = |taint: &Value| taint["key"] == key && taint["effect"] == effect;
            if taints.iter().any(same) && !flags.on("overwrite") {
                bail!(
                    "error: node {name} already has {key} taint(s) with same effect(s) and --overwrite is false"
                );
            }
            taints.retain(|taint| !same(taint));
            let mut taint = json!({"key": key, "effect": effect});
            if !value.is_empty() {
                taint["value"] = json!(value);
            }
            taints.push(taint);
        }
        let taints = if taints.is_empty() {
            Value::Null
        } else {
            json!(taints)
        };
        patch(api, &name, &json!({"spec": {"taints": taints}})).await?;
        say(format!(
            "node/{name} {}",
            if changes.iter().all(|change| change.ends_with('-')) {
                "untainted"
            } else {
                "tainted"
            }
        ));
    }
    Ok(0)
}

pub async fn cordon(api: &Api, flags: &Flags, on: bool) -> Result<u8> {
    for node in nodes(api, flags, &with_kind(&flags.rest)).await? {
        let name = get::name(&node);
        let done = if on { "cordoned" } else { "uncordoned" };
        if (node["spec"]["unschedulable"] == true) == on {
            say(format!("node/{name} already {done}"));
            continue;
        }
        let value = if on { json!(true) } else { Value::Null };
        patch(api, name, &json!({"spec": {"unschedulable": value}})).await?;
        say(format!("node/{name} {done}"));
    }
    Ok(0)
}

pub fn with_kind(names: &[String]) -> Vec<String> {
    match names.iter().any(|name| name.contains('/')) {
        true => names.to_vec(),
        false => std::iter::once("nodes".to_owned())
            .chain(names.iter().cloned())
            .collect(),
    }
}

pub async fn nodes(api: &Api, flags: &Flags, words: &[String]) -> Result<Vec<Value>> {
    let mut nodes = Vec::new();
    let selector = flags.get("selector").unwrap_or_default();
    for wanted in api.wanted(words).await? {
        if wanted.kind.kind != "Node" {
            bail!(
                "error: invalid resource type {}, only node types are supported",
                wanted.kind.kind
            );
        }
        if wanted.name.is_none() && selector.is_empty() && !flags.on("all") {
            bail!(
                "error: at least one resource name must be specified since 'all' parameter is not set"
            );
        }
        nodes.extend(api.find(&wanted, selector, "", false).await?);
    }
    Ok(nodes)
}

async fn patch(api: &Api, name: &str, patch: &Value) -> Result<()> {
    let path = format!("/api/v1/nodes/{name}");
    let body = patch.to_string().into_bytes();
    api.call("PATCH", &path, "application/merge-patch+json", &[], body)
        .await?;
    Ok(())
}
