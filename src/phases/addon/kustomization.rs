//! The user's directories, packed so that a host can use them: kustomizations with what they refer to, and charts.

use std::{
    collections::BTreeSet,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};

const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization over `count` files named `0.yaml`, `1.yaml` …, with patches in it.
pub(super) fn over(count: usize, patches: &[String]) -> String {
    let resources: Vec<_> = (0..count).map(|index| format!("{index}.yaml")).collect();
    let patches: Vec<_> = patches
        .iter()
        .map(|patch| {
            // A patch may carry its own target: {target: {...}, patch: "..."}.
            serde_yaml::from_str::<Value>(patch)
                .ok()
                .filter(|value| value.get("patch").is_some())
                .unwrap_or_else(|| json!({"patch": patch}))
        })
        .collect();
    let value = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": resources,
        "patches": patches,
    });
    serde_yaml::to_string(&value).expect("plain values are YAML")
}

/// Packs a kustomization and every directory that it leads to; the second value is its path inside the archive.
pub(super) fn pack(directory: &Path) -> Result<(Vec<u8>, String)> {
    let directory = directory.canonicalize()?;
    let mut directories = BTreeSet::new();
    collect(&directory, &mut directories)?;
    let root = directories
        .iter()
        .fold(directory.clone(), |root, other| common(&root, other));
    let mut archive = tar::Builder::new(Vec::new());
    for part in &directories {
        let covered = directories
            .iter()
            .any(|other| other != part && part.starts_with(other));
        if !covered {
            append(&mut archive, &root, part)?;
        }
    }
    let inside = directory.strip_prefix(&root).unwrap_or(Path::new(""));
    Ok((
        archive.into_inner()?,
        format!("./{}", inside.to_str().context("the path is not UTF-8")?),
    ))
}

fn common(one: &Path, other: &Path) -> PathBuf {
    one.components()
        .zip(other.components())
        .take_while(|(one, other)| one == other)
        .map(|(component, _)| component)
        .collect()
}

/// The directory itself and, by its kustomization, those above or beside it that it uses.
fn collect(directory: &Path, found: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !found.insert(directory.to_owned()) {
        return Ok(());
    }
    let Some(file) = NAMES
        .iter()
        .map(|name| directory.join(name))
        .find(|file| file.is_file())
    else {
        bail!("{} has no kustomization.yaml", directory.display());
    };
    let text = fs::read_to_string(&file)?;
    let value: Value =
        serde_yaml::from_str(&text).with_context(|| format!("{}", file.display()))?;
    for key in ["resources", "components", "bases"] {
        let entries = value.get(key).and_then(Value::as_array);
        for entry in entries.into_iter().flatten().filter_map(Value::as_str) {
            if entry.contains("://") {
                continue;
            }
            let path = directory.join(entry);
            if path.is_dir() {
                collect(&path.canonicalize()?, found)?;
            } else if !path.is_file() {
                bail!("{}: `{entry}` is not there", file.display());
            }
        }
    }
    Ok(())
}

fn append(archive: &mut tar::Builder<Vec<u8>>, root: &Path, path: &Path) -> Result<()> {
    let mut entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != ".git" {
                append(archive, root, &path)?;
            }
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path);
            let content = fs::read(&path)?;
            // Nothing but names and contents: the same directory is the same archive on every machine.
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            archive.append_data(&mut header, name, content.as_slice())?;
        }
    }
    Ok(())
}

/// A chart archive as it is, or a chart directory packed as `helm package` does.
pub(super) fn chart_archive(path: &Path) -> Result<Vec<u8>> {
    if path.is_file() {
        return Ok(fs::read(path)?);
    }
    let path = path.canonicalize()?;
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, path.parent().unwrap_or(&path), &path)?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    std::io::Write::write_all(&mut packed, &archive.into_inner()?)?;
    Ok(packed.finish()?)
}

/// `version` of a chart archive's own `Chart.yaml`.
pub(super) fn chart_version(archive: &[u8]) -> Result<String> {
    let mut archive = tar::Archive::new(GzDecoder::new(archive));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if path.file_name().is_some_and(|name| name == "Chart.yaml")
            && path.components().count() == 2
        {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            let chart: Value = serde_yaml::from_str(&text)?;
            return chart["version"]
                .as_str()
                .map(str::to_owned)
                .context("Chart.yaml has no version");
        }
    }
    bail!("it is no chart: no Chart.yaml inside")
}
