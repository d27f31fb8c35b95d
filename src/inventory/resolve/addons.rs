//! Add-ons: a chart, a kustomize directory or manifests.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use super::hosts::merge;
use crate::inventory::{
    Addon, AddonSource, Wait,
    context::Context,
    forms,
    schema::{self, AddonEntry, WaitEntry},
};

/// All add-ons in the order of the file, which is the order of their installation.
pub fn addons(context: &mut Context<'_>, mut written: BTreeMap<String, AddonEntry>) -> Vec<Addon> {
    let mut addons = Vec::new();
    for name in context.keys(&["addons"]) {
        if let Err(why) = forms::dns_label(&name) {
            context.refuse_key(&["addons", &name], format!("`{name}` {why}"));
        }
        let Some(entry) = written.remove(&name) else {
            continue;
        };
        addons.extend(addon(context, &name, entry));
    }
    addons
}

fn addon(context: &mut Context<'_>, name: &str, entry: AddonEntry) -> Option<Addon> {
    let full = match entry {
        AddonEntry::Path(path) => from_path(context, path),
        AddonEntry::Full(full) => *full,
    };
    let is_chart = full.chart.is_some();
    let wait = full
        .wait
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| self::wait(context, name, index, entry))
        .collect();
    let namespace = full.namespace.as_ref().map(|namespace| namespace.0.clone());
    let namespace = namespace.unwrap_or_else(|| {
        if is_chart {
            name.to_owned()
        } else {
            String::new()
        }
    });
    let namespace_labels = full.namespace_labels.clone();
    if namespace.is_empty() && !namespace_labels.is_empty() {
        let message = "belong to a namespace; add `namespace: NAME`";
        context.refuse_key(&["addons", name, "namespace-labels"], message);
    }
    Some(Addon {
        name: name.to_owned(),
        namespace,
        namespace_labels,
        source: source(context, name, full)?,
        wait,
    })
}

/// What a path alone stands for: `*.tgz` and `oci://` are charts, a directory with a kustomization is one, the rest are manifests.
fn from_path(context: &Context<'_>, path: String) -> schema::Addon {
    let resolved = context.resolve(Path::new(&path));
    if path.starts_with("oci://")
        || Path::new(&path)
            .extension()
            .is_some_and(|extension| extension == "tgz")
    {
        return schema::Addon {
            chart: Some(path),
            ..Default::default()
        };
    }
    if resolved.join("Chart.yaml").exists() {
        return schema::Addon {
            chart: Some(as_path(path)),
            ..Default::default()
        };
    }
    let kustomization = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
    if kustomization
        .iter()
        .any(|file| resolved.join(file).exists())
    {
        return schema::Addon {
            kustomize: Some(path.into()),
            ..Default::default()
        };
    }
    schema::Addon {
        manifests: Some(schema::OneOrMany::One(path.into())),
        ..Default::default()
    }
}

/// A path that is seen to be one: `charts/app` → `./charts/app`.
fn as_path(path: String) -> String {
    if path.starts_with(['.', '/', '~']) {
        path
    } else {
        format!("./{path}")
    }
}

fn source(context: &mut Context<'_>, name: &str, full: schema::Addon) -> Option<AddonSource> {
    let path = ["addons", name];
    if full.chart.is_none() {
        for key in ["repo", "version", "values", "values-files"] {
            if context.has(&["addons", name, key]) {
                context.refuse_key(
                    &["addons", name, key],
                    "has a meaning for charts only; remove it, or add `chart`",
                );
            }
        }
    }
    match (
        full.chart.clone(),
        full.kustomize.as_ref(),
        full.manifests.as_ref(),
        full.artifact.as_ref(),
    ) {
        (Some(chart), None, None, None) => Some(chart_source(context, name, chart, full)),
        (None, Some(directory), None, None) => Some(AddonSource::Kustomize(
            context.existing(&["addons", name, "kustomize"], directory),
        )),
        (None, None, Some(files), None) => {
            let files = files.clone().into_vec();
            Some(AddonSource::Files(
                files
                    .iter()
                    .map(|file| context.existing(&["addons", name, "manifests"], file))
                    .collect(),
            ))
        }
        (None, None, None, Some(artifact)) => Some(AddonSource::Artifact(artifact.clone())),
        _ => {
            if context.is_clean(&path) {
                let message =
                    "needs exactly one of `chart`, `kustomize`, `manifests` and `artifact`";
                context.refuse(&path, message);
            }
            None
        }
    }
}

fn chart_source(
    context: &mut Context<'_>,
    name: &str,
    chart: String,
    full: schema::Addon,
) -> AddonSource {
    let is_path = chart.starts_with(['.', '/', '~'])
        || Path::new(&chart)
            .extension()
            .is_some_and(|extension| extension == "tgz");
    let chart = if is_path && !chart.starts_with("oci://") {
        let resolved = context.existing(&["addons", name, "chart"], Path::new(&chart));
        std::path::absolute(&resolved)
            .unwrap_or(resolved)
            .display()
            .to_string()
    } else {
        chart
    };
    let mut values: Map<String, Value> = Map::new();
    for (index, file) in full.values_files.iter().enumerate() {
        let at = format!("[{index}]");
        let path = ["addons", name, "values-files", at.as_str()];
        let yaml = context.content(&path, file);
        match serde_yaml::from_str::<Option<Map<String, Value>>>(&yaml) {
            Ok(more) => merge(&mut values, more.unwrap_or_default()),
            Err(error) => context.refuse(
                &path,
                format!("`{}` is no mapping of values: {error}", file.display()),
            ),
        }
    }
    merge(&mut values, full.values);
    AddonSource::Chart {
        chart,
        repo: full.repo.map(|repo| repo.0),
        version: full.version.map(|version| version.0),
        values,
    }
}

fn wait(context: &mut Context<'_>, name: &str, index: usize, entry: &WaitEntry) -> Option<Wait> {
    let at = format!("[{index}]");
    let path = ["addons", name, "wait", at.as_str()];
    match entry {
        WaitEntry::Rollout(workload) => {
            let fits = ["deployment/", "daemonset/", "statefulset/"]
                .iter()
                .any(|kind| {
                    workload
                        .strip_prefix(kind)
                        .is_some_and(|name| !name.is_empty())
                });
            if !fits {
                context.refuse(&path, format!("`{workload}` cannot be rolled out; write `deployment/NAME`, `daemonset/NAME` or `statefulset/NAME`"));
            }
            Some(Wait::Rollout(workload.clone()))
        }
        WaitEntry::Full(full) => match (&full.endpoints, &full.resource) {
            (Some(service), None) => Some(Wait::Endpoints(service.clone())),
            (None, Some(resource)) => Some(Wait::Condition {
                resource: resource.clone(),
                condition: full.condition.clone().unwrap_or_else(|| "Ready".to_owned()),
            }),
            _ => {
                context.refuse(
                    &path,
                    "needs exactly one of `endpoints: SERVICE` and `resource: KIND/NAME`",
                );
                None
            }
        },
    }
}
