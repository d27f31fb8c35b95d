//! The patches directory: `target[suffix][+type].ext`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::{apiserver::patch_object, yaml};

const TARGETS: &[&str] = &[
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubeletconfiguration",
    "corednsdeployment",
];

/// Applies every patch of a directory that is for `target`.
pub fn apply(directory: Option<&str>, target: &str, mut object: Value) -> Result<Value> {
    let Some(directory) = directory else {
        return Ok(object);
    };
    let mut files: Vec<_> = fs::read_dir(directory)
        .with_context(|| format!("could not list patch files for path {directory:?}"))?
        .collect::<Result<_, _>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    for file in files {
        let path = file.path();
        let Some((of, kind)) = parse(&path)? else {
            continue;
        };
        if of != target {
            continue;
        }
        let text = fs::read_to_string(&path)?;
        for patch in yaml::documents(&text).with_context(|| format!("{}", path.display()))? {
            object = patch_object(kind, &object, &patch).map_err(|problem| {
                anyhow::anyhow!(
                    "could not patch {target:?} with {}: {problem}",
                    path.display()
                )
            })?;
        }
    }
    Ok(object)
}

/// Target and content type; `None` for files that are no patches.
fn parse(path: &Path) -> Result<Option<(&'static str, &'static str)>> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let Some((stem, "yaml" | "json")) = name.rsplit_once('.') else {
        return Ok(None);
    };
    let (target, kind) = stem.split_once('+').unwrap_or((stem, "strategic"));
    let Some(&target) = TARGETS.iter().find(|known| target.starts_with(**known)) else {
        bail!(
            "unknown target in patch file name {name:?}; must be one of {}",
            TARGETS.join(", ")
        );
    };
    let kind = match kind {
        "strategic" => "application/strategic-merge-patch+json",
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        other => bail!("unknown patch type {other:?} from {name:?}"),
    };
    Ok(Some((target, kind)))
}
