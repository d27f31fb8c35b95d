//! Charts: archives or directories.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};
use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::template;
use crate::{apiserver::patch_object, yaml};

pub struct Chart {
    /// `Chart.yaml`.
    pub description: Value,
    pub values: Value,
    /// Name and text, CRDs included.
    templates: Vec<(String, String)>,
}

impl Chart {
    /// Reads a chart; repositories and OCI references need an internet that is not there.
    pub fn read(path: &str, version: Option<&str>) -> Result<Self> {
        let files = match Path::new(path) {
            place if place.is_dir() => directory(place, place)?,
            place if place.is_file() => archive(place)?,
            _ if path.starts_with("oci://") || path.starts_with("https://") => {
                bail!("Error: failed to do request: Head {path:?}: dial tcp: lookup: no such host")
            }
            _ => bail!("Error: path {path:?} not found"),
        };
        let file = |name: &str| {
            files
                .iter()
                .find(|(path, _)| path == name)
                .map(|(_, text)| text.as_str())
        };
        let first = |text: &str| {
            anyhow::Ok(
                yaml::documents(text)?
                    .into_iter()
                    .next()
                    .unwrap_or(json!({})),
            )
        };
        let description = first(file("Chart.yaml").context("Error: Chart.yaml file is missing")?)?;
        for field in ["apiVersion", "name", "version"] {
            if description[field].is_null() {
                bail!("Error: validation: chart.metadata.{field} is required");
            }
        }
        if let Some(wanted) = version
            && description["version"]
                .as_str()
                .map(|have| have.trim_start_matches('v'))
                != Some(wanted.trim_start_matches('v'))
        {
            bail!(
                "Error: chart {:?} version {wanted:?} not found",
                description["name"]
            );
        }
        let values = first(file("values.yaml").unwrap_or_default())?;
        let is_template = |path: &str| {
            let name = path.rsplit('/').next().unwrap_or_default();
            (path.starts_with("templates/") || path.starts_with("crds/"))
                && !name.starts_with('_')
                && (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json"))
        };
        let mut templates: Vec<(String, String)> = files
            .iter()
            .filter(|(path, _)| is_template(path))
            .cloned()
            .collect();
        templates.sort();
        Ok(Self {
            description,
            values,
            templates,
        })
    }

    /// Objects of a release, in the order in which they are made.
    pub fn render(&self, name: &str, namespace: &str, values: &Value) -> Result<Vec<Value>> {
        let mut all = self.values.clone();
        merge(&mut all, values);
        let scope = json!({
            "Release": {"Name": name, "Namespace": namespace, "Service": "Helm"},
            "Chart": {"Name": self.description["name"], "Version": self.description["version"], "AppVersion": self.description["appVersion"]},
            "Values": all,
        });
        let mut objects = Vec::new();
        for (path, text) in &self.templates {
            let text = template::render(text, &scope)
                .with_context(|| format!("Error: template: {path}"))?;
            objects.extend(
                yaml::documents(&text)
                    .with_context(|| format!("Error: YAML parse error on {path}"))?,
            );
        }
        objects.sort_by_key(|object| match object["kind"].as_str() {
            Some("Namespace") => 0,
            Some("CustomResourceDefinition") => 1,
            Some("ServiceAccount" | "Secret" | "ConfigMap") => 2,
            _ => 3,
        });
        Ok(objects)
    }
}

/// Values over values: maps are merged, everything else replaced, `null` removes.
pub fn merge(values: &mut Value, over: &Value) {
    if let Ok(merged) = patch_object("application/merge-patch+json", values, over) {
        *values = merged;
    }
}

fn directory(root: &Path, place: &Path) -> Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(directory(root, &path)?);
        } else if let Ok(text) = fs::read_to_string(&path) {
            files.push((path.strip_prefix(root)?.display().to_string(), text));
        }
    }
    Ok(files)
}

fn archive(path: &Path) -> Result<Vec<(String, String)>> {
    let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(path)?));
    let mut files = Vec::new();
    for entry in archive.entries().with_context(|| {
        format!(
            "Error: file {} does not appear to be a gzipped archive",
            path.display()
        )
    })? {
        let mut entry = entry.with_context(|| {
            format!(
                "Error: file {} does not appear to be a gzipped archive",
                path.display()
            )
        })?;
        let name = entry.path()?.display().to_string();
        let mut text = String::new();
        if entry.read_to_string(&mut text).is_ok()
            && let Some((_, name)) = name.split_once('/')
        {
            files.push((name.to_owned(), text));
        }
    }
    Ok(files)
}
