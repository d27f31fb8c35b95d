//! A unit made ready for the host: how it is rendered there, and the attachments that this takes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use super::{Unit, blob_path, kustomization, owned};
use crate::{
    artifacts::{Artifacts, Kind},
    failure::{Code, Failure},
    inventory::{AddonSource, Cluster},
    remote::Attachment,
};

/// A unit ready to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub name: String,
    pub namespace: String,
    pub method: Method,
    pub attachments: Vec<Attachment>,
}

/// How the objects come about on the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Method {
    /// An attached manifest.
    File,
    /// Manifests of the artifact source, by path on the host.
    Artifact(Vec<String>),
    /// An attached directory; the kustomization's path inside it.
    Kustomize(String),
    /// Manifests of the artifact source under an attached kustomization.
    Overlay(Vec<String>),
    Chart {
        /// Path on the host, attachment, or reference.
        chart: String,
        /// Whether `chart` is the name of an attachment.
        attached: bool,
        /// Extra arguments of helm.
        args: Vec<String>,
        version: Option<String>,
        values: Map<String, Value>,
    },
}

impl Method {
    /// What the plan says of it.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::File => "manifest".to_owned(),
            Self::Artifact(paths) => format!("manifest {}", paths.join(", ")),
            Self::Kustomize(_) => "kustomization".to_owned(),
            Self::Overlay(paths) => format!("kustomization over {}", paths.join(", ")),
            Self::Chart { chart, version, .. } => match version {
                Some(version) => format!("chart {chart}, version {version}"),
                None => format!("chart {chart}"),
            },
        }
    }

    fn way(&self) -> Vec<&str> {
        match self {
            Self::File => vec!["file"],
            Self::Artifact(paths) => with("artifact", paths),
            Self::Kustomize(path) => vec!["kustomize", path],
            Self::Overlay(paths) => with("overlay", paths),
            Self::Chart { .. } => Vec::new(),
        }
    }
}

fn with<'a>(word: &'a str, paths: &'a [String]) -> Vec<&'a str> {
    std::iter::once(word)
        .chain(paths.iter().map(String::as_str))
        .collect()
}

impl Prepared {
    /// The shell line that asks for it, in the background.
    pub(super) fn observe_call(&self) -> String {
        let section = format!("addon-{}", self.name);
        let mut words = vec![section.as_str()];
        if matches!(self.method, Method::Chart { .. }) {
            words.extend(["release_of", &self.name, &self.namespace]);
        } else {
            words.extend(["manifest_of", &self.name]);
            words.extend(self.method.way());
        }
        call("ask", &words)
    }

    /// The shell line that installs it.
    pub(super) fn apply_call(&self) -> String {
        let Method::Chart {
            chart,
            attached,
            args,
            ..
        } = &self.method
        else {
            let mut words = vec![self.name.as_str()];
            words.extend(self.method.way());
            return call("apply_manifest", &words);
        };
        let mut line = call("apply_release", &[&self.name, &self.namespace]);
        line.pop();
        let chart = quote(chart);
        if *attached {
            line.extend([" \"$BM\"/", &chart]);
        } else {
            line.extend([" ", &chart]);
        }
        for arg in args {
            line.push(' ');
            line.push_str(&quote(arg));
        }
        line.push('\n');
        line
    }
}

/// One line of shell: a function and its quoted arguments.
pub(super) fn call(function: &str, words: &[&str]) -> String {
    let mut line = function.to_owned();
    for word in words {
        line.push(' ');
        line.push_str(&quote(word));
    }
    line.push('\n');
    line
}

fn quote(word: &str) -> String {
    shlex::try_quote(word).map_or_else(|_| "''".to_owned(), std::borrow::Cow::into_owned)
}

/// Makes a unit ready. Reads the user's files; what is missing is an error of the inventory.
pub(crate) fn prepare(unit: &Unit, cluster: &Cluster, artifacts: &Artifacts) -> Result<Prepared> {
    let addon = &unit.addon;
    let mut attachments = base(unit)?;
    let mut attach = |suffix: &str, content: Vec<u8>| {
        attachments.push(Attachment {
            name: format!("{}.{suffix}", addon.name),
            content,
            secrets: false,
        });
    };
    let method = match &addon.source {
        AddonSource::Manifest(text) => {
            for (suffix, content) in owned::manifest(unit, text)? {
                attach(suffix, content.into_bytes());
            }
            Method::File
        }
        AddonSource::Files(paths) => {
            attach("yaml", files(cluster, paths)?.into_bytes());
            Method::File
        }
        AddonSource::Artifact(name) => Method::Artifact(vec![manifest(artifacts, name)?]),
        AddonSource::Overlay { resources, patches } => {
            attach(
                "kustomization",
                kustomization::over(resources.len(), patches).into_bytes(),
            );
            Method::Overlay(
                resources
                    .iter()
                    .map(|name| manifest(artifacts, name))
                    .collect::<Result<_>>()?,
            )
        }
        AddonSource::Kustomize(path) => {
            let (archive, inside) =
                kustomization::pack(&absolute(cluster, path)).with_context(|| {
                    format!("add-on {}: kustomization {}", addon.name, path.display())
                })?;
            attach("tar", archive);
            Method::Kustomize(inside)
        }
        AddonSource::Chart { values, .. } => {
            attach("values", serde_yaml::to_string(values)?.into_bytes());
            let (method, content) = chart(unit, cluster, artifacts)?;
            if let Some(content) = content {
                attach("tgz", content);
            }
            method
        }
    };
    Ok(Prepared {
        name: addon.name.clone(),
        namespace: addon.namespace.clone(),
        method,
        attachments,
    })
}

/// Namespace and Secrets.
fn base(unit: &Unit) -> Result<Vec<Attachment>> {
    let addon = &unit.addon;
    let mut attachments = Vec::new();
    let given = matches!(
        addon.namespace.as_str(),
        "" | "default" | "kube-system" | "kube-public" | "kube-node-lease"
    );
    if !given && unit.makes_namespace {
        let manifest = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": addon.namespace, "labels": addon.namespace_labels},
        });
        attachments.push(Attachment {
            name: format!("{}.namespace", addon.name),
            content: serde_yaml::to_string(&manifest)?.into_bytes(),
            secrets: false,
        });
    }
    if unit.secrets.is_empty() {
        return Ok(attachments);
    }
    let mut list = String::new();
    for secret in &unit.secrets {
        let words = ["secret", &secret.namespace, &secret.name, &secret.kind];
        list.push_str(&words.join(" "));
        list.push('\n');
        for (key, source) in &secret.keys {
            let file = format!("{}.secret.{source}", addon.name);
            list.extend(["value ", key, " ", &file, "\n"]);
            attachments.push(Attachment {
                name: file,
                content: format!("@@{source}@@").into_bytes(),
                secrets: true,
            });
        }
    }
    attachments.push(Attachment {
        name: format!("{}.secrets", addon.name),
        content: list.into_bytes(),
        secrets: false,
    });
    Ok(attachments)
}

fn absolute(cluster: &Cluster, path: &Path) -> PathBuf {
    cluster
        .file
        .parent()
        .map_or_else(|| path.to_owned(), |directory| directory.join(path))
}

fn files(cluster: &Cluster, paths: &[PathBuf]) -> Result<String> {
    let unread = |path: &Path, error: std::io::Error| {
        Failure::new(
            Code::Inventory,
            format!("manifest {}: {error}", path.display()),
        )
        .hint("paths in the inventory are relative to its own directory")
    };
    let mut text = String::new();
    for path in paths {
        let path = absolute(cluster, path);
        for file in manifests(&path).map_err(|error| unread(&path, error))? {
            let content = fs::read_to_string(&file).map_err(|error| unread(&file, error))?;
            text.push_str("---\n");
            text.push_str(&content);
            if !content.ends_with('\n') {
                text.push('\n');
            }
        }
    }
    Ok(text)
}

/// The file, or the manifests that lie in the directory, by name: `kubectl apply -f` takes the same.
fn manifests(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        let manifest = file
            .extension()
            .is_some_and(|end| ["yaml", "yml", "json"].iter().any(|known| end == *known));
        if manifest && file.is_file() {
            files.push(file);
        }
    }
    files.sort_unstable();
    if files.is_empty() {
        let why = "the directory has no file *.yaml, *.yml or *.json";
        return Err(std::io::Error::new(std::io::ErrorKind::NotFound, why));
    }
    Ok(files)
}

fn manifest(artifacts: &Artifacts, name: &str) -> Result<String> {
    artifacts
        .items
        .iter()
        .find(|item| item.kind == Kind::Manifest && item.name == name)
        .map(blob_path)
        .ok_or_else(|| missing("manifest", name))
}

fn missing(kind: &str, name: &str) -> anyhow::Error {
    Failure::new(
        Code::Inventory,
        format!("the artifact source has no {kind} `{name}`"),
    )
    .hint(format!(
        "add it to the bundle: `baremetal bundle add DIR --{kind} FILE`"
    ))
    .into()
}

/// Where the chart comes from: an artifact, a file or directory of the user's (sent along), or a registry that the host asks.
fn chart(
    unit: &Unit,
    cluster: &Cluster,
    artifacts: &Artifacts,
) -> Result<(Method, Option<Vec<u8>>)> {
    let AddonSource::Chart {
        chart,
        repo,
        version,
        values,
    } = &unit.addon.source
    else {
        return Err(missing("chart", &unit.addon.name));
    };
    let method = |chart: String, attached, args, version: Option<String>| Method::Chart {
        chart,
        attached,
        args,
        version,
        values: values.clone(),
    };
    let local = chart.starts_with("./")
        || chart.starts_with("../")
        || chart.starts_with('/')
        || Path::new(chart).extension().is_some_and(|end| end == "tgz");
    if local {
        let path = absolute(cluster, Path::new(chart));
        let archive = kustomization::chart_archive(&path)
            .with_context(|| format!("add-on {}: chart {}", unit.addon.name, path.display()))?;
        let found = kustomization::chart_version(&archive)?;
        let name = format!("{}.tgz", unit.addon.name);
        return Ok((method(name, true, Vec::new(), Some(found)), Some(archive)));
    }
    let item = artifacts
        .items
        .iter()
        .find(|item| item.kind == Kind::Chart && item.name == *chart);
    if let Some(item) = item {
        return Ok((
            method(
                blob_path(item),
                false,
                Vec::new(),
                Some(item.version.clone()),
            ),
            None,
        ));
    }
    if artifacts.offline || (repo.is_none() && !chart.starts_with("oci://")) {
        return Err(missing("chart", chart));
    }
    let mut args = Vec::new();
    if let Some(repo) = repo {
        args.extend(["--repo".to_owned(), repo.clone()]);
    }
    if let Some(version) = version {
        args.extend(["--version".to_owned(), version.clone()]);
    }
    Ok((method(chart.clone(), false, args, version.clone()), None))
}
