//! Where binaries, images, charts and manifests come from: upstream, a mirror or a bundle, behind one list of pinned items.

pub mod add;
pub mod bundle;
mod check;
pub mod create;
pub mod http;
pub mod image;
mod need;
pub mod packed;
pub mod registry;
pub mod run;
mod sums;
pub mod upstream;
pub mod verify;

pub use crate::catalog::{Kind, same_version};
pub use check::{Problem, Wrong, check};
pub use need::{Need, image_name, kubernetes, required, used};
pub use sums::{Sums, cache_directory, sha256_of_file};

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use semver::Version;
use serde::Serialize;

use crate::{
    failure::{Code, Failure},
    inventory::{ArtifactSource, Cluster},
};

/// Everything that a cluster's artifact source can give. Pure data once resolved.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Artifacts {
    pub items: Vec<Item>,
    /// Text that the bundle asks to be shown (a stand-in says what it is).
    pub note: Option<String>,
    /// Whether nothing may be fetched from the internet (a bundle).
    pub offline: bool,
    /// What the source does not have and hosts will look for elsewhere, one line each.
    pub warnings: Vec<String>,
}

/// One pinned artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// `kubeadm`, `cni-plugins`, `metallb`.
    pub name: String,
    pub kind: Kind,
    pub version: String,
    /// Kubernetes' name of the architecture; `None` for any.
    pub arch: Option<String>,
    /// Hex.
    pub sha256: String,
    /// Bytes, where known.
    pub size: Option<u64>,
    /// References inside an image archive.
    pub images: Vec<String>,
    pub from: From,
}

/// Where the bytes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// A file on the machine that runs `baremetal`, streamed to hosts.
    Local(PathBuf),
    /// Fetched by each host itself.
    Url(String),
}

impl Artifacts {
    /// The item of that kind and name for an architecture.
    pub fn find(&self, kind: Kind, name: &str, arch: &str) -> Option<&Item> {
        self.items.iter().find(|item| {
            item.kind == kind
                && item.name == name
                && item.arch.as_deref().is_none_or(|have| have == arch)
        })
    }

    /// All image archives for an architecture.
    pub fn images<'a>(&'a self, arch: &'a str) -> impl Iterator<Item = &'a Item> {
        self.items.iter().filter(move |item| {
            item.kind == Kind::Image && item.arch.as_deref().is_none_or(|have| have == arch)
        })
    }
}

/// Everything that the cluster's artifact source gives, checked: present, undamaged and of the right version.
///
/// No host is touched. All problems are reported in one [`Failure`] with [`Code::Preflight`]: like a failed check of a host,
/// it was found before anything changed. Sums of local files are remembered, so that a second call reads no file again.
pub fn resolve(cluster: &Cluster) -> Result<Artifacts> {
    match &cluster.artifacts {
        ArtifactSource::Bundle(path) => {
            let needs = required(cluster);
            let cache = cache_directory();
            let mut artifacts = resolve_bundle(path, &cluster.version, &needs, cache.as_deref())?;
            artifacts.items.retain(|item| used(item, &needs, cluster));
            if let Some(chart) = needs_helm(&artifacts.items) {
                let line = format!(
                    "binary or archive helm: missing; the chart of {chart} is installed with it"
                );
                return Err(problems_failure(path, &[line]).into());
            }
            Ok(artifacts)
        }
        ArtifactSource::Upstream => resolve_upstream(cluster, None, cache_directory().as_deref()),
        ArtifactSource::Mirror(prefix) => {
            resolve_upstream(cluster, Some(prefix), cache_directory().as_deref())
        }
    }
}

/// A chart that is used because there is no manifest in its place, in a bundle without helm.
fn needs_helm(items: &[Item]) -> Option<&str> {
    let has = |kinds: &[Kind], name: &str| {
        items
            .iter()
            .any(|item| kinds.contains(&item.kind) && item.name == name)
    };
    if has(&[Kind::Binary, Kind::Archive], "helm") {
        return None;
    }
    items
        .iter()
        .filter(|item| item.kind == Kind::Chart)
        .map(|chart| chart.name.as_str())
        .find(|chart| !has(&[Kind::Manifest], chart))
}

/// What [`resolve`] would give, without asking anybody: for `render`, which shows files and needs no bytes.
pub fn assumed(cluster: &Cluster) -> Result<Artifacts> {
    if matches!(cluster.artifacts, ArtifactSource::Bundle(_)) {
        return resolve(cluster);
    }
    let items = required(cluster)
        .into_iter()
        .filter(|need| need.kinds != [Kind::Image])
        .map(|need| Item {
            name: need.name,
            kind: need.kinds[0],
            version: need.version.unwrap_or_else(|| "newest".to_owned()),
            arch: None,
            sha256: "0".repeat(64),
            size: None,
            images: Vec::new(),
            from: From::Url(String::new()),
        })
        .collect();
    Ok(Artifacts {
        items,
        ..Artifacts::default()
    })
}

/// [`resolve`] for upstream or a mirror of it: nothing is fetched but checksums that are not pinned.
fn resolve_upstream(
    cluster: &Cluster,
    mirror: Option<&str>,
    cache: Option<&Path>,
) -> Result<Artifacts> {
    let source = upstream::Source::new(mirror, cache);
    let (items, problems) = source.items(&required(cluster), &upstream::ARCHITECTURES);
    if problems.is_empty() {
        return Ok(Artifacts {
            items,
            ..Artifacts::default()
        });
    }
    let from = mirror.unwrap_or("upstream");
    let message = format!(
        "artifacts from {from}: {}\n  {}",
        count(problems.len()),
        problems.join("\n  ")
    );
    let hint = "nothing was changed on any host; without internet use a bundle: `baremetal bundle create` makes one elsewhere";
    Err(Failure::new(Code::Preflight, message).hint(hint).into())
}

fn count(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    }
}

/// [`resolve`] for a bundle: for one Kubernetes version and its needs; sums are remembered under `cache`.
pub fn resolve_bundle(
    path: &Path,
    version: &Version,
    needs: &[Need],
    cache: Option<&Path>,
) -> Result<Artifacts> {
    let mut sums = Sums::open(cache);
    let directory = packed::directory(path, cache, &mut sums)?;
    let bundle = bundle::Bundle::read(&directory)?;
    let (mut items, problems) = check(&directory, &bundle, &mut sums);
    sums.save();
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mut warnings = Vec::new();
    if bundle.kubernetes == *version {
        for need in needs {
            match need.unmet(&items) {
                Some(problem) if need.optional && need.kinds == [Kind::Image] => {
                    warnings.push(format!(
                        "bundle: {problem}; hosts must get it from a registry"
                    ));
                }
                Some(_) if need.optional => {}
                Some(problem) if !is_listed(need, &bundle) => lines.push(problem.to_string()),
                _ => {}
            }
        }
        items.retain(|item| fits(item, needs));
    } else {
        let have = &bundle.kubernetes;
        let line = format!("it is for Kubernetes {have}, the inventory wants {version}");
        lines.insert(0, line);
    }
    if !lines.is_empty() {
        return Err(problems_failure(path, &lines).into());
    }
    Ok(Artifacts {
        items,
        note: bundle.note,
        offline: true,
        warnings,
    })
}

/// All that is wrong with a bundle as one failure.
pub fn problems_failure(path: &Path, lines: &[String]) -> Failure {
    let count = count(lines.len());
    let message = format!(
        "bundle {}: {count}\n  {}",
        path.display(),
        lines.join("\n  ")
    );
    Failure::new(Code::Preflight, message).hint(
        "nothing was changed on any host; mend the bundle with `baremetal bundle add` or make it anew with `baremetal bundle create`",
    )
}

/// Whether a damaged item would satisfy the need: then its damage is what the user must hear of, not that it is missing.
fn is_listed(need: &Need, bundle: &bundle::Bundle) -> bool {
    bundle.items.iter().any(|entry| {
        Kind::parse(&entry.kind).is_some_and(|kind| {
            need.met_by(&Item {
                name: entry.name.clone(),
                kind,
                version: entry.version.clone(),
                arch: entry.arch.clone(),
                sha256: String::new(),
                size: None,
                images: entry.images.clone(),
                from: From::Local(PathBuf::new()),
            })
        })
    })
}

/// Whether an item is of the version that the cluster needs, where it needs a certain one: a bundle may hold several.
fn fits(item: &Item, needs: &[Need]) -> bool {
    item.kind == Kind::Image
        || needs
            .iter()
            .filter(|need| need.names(item))
            .all(|need| need.met_by(item))
}

/// The Kubernetes version of a bundle, without checking its items.
pub fn bundle_version(path: &Path) -> Result<Version> {
    Ok(packed::list(path)?.kubernetes)
}

/// Names and versions of what a bundle holds; nothing where it cannot be read, which [`resolve`] reports.
pub fn bundle_components(path: &Path) -> Vec<(String, String)> {
    packed::list(path).map_or_else(
        |_| Vec::new(),
        |bundle| {
            // An archive may hold several images.
            let of = |item: bundle::Entry| {
                let images = item.images.iter().map(|image| {
                    let (name, tag) = image_name(image);
                    (name.to_owned(), tag.to_owned())
                });
                let images: Vec<_> = images.collect();
                std::iter::once((item.name, item.version)).chain(images)
            };
            bundle.items.into_iter().flat_map(of).collect()
        },
    )
}

/// Writes a file, readable by all, so that readers see the old content or the new one, never a part.
pub(crate) fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)
        .with_context(|| format!("cannot write in {}", directory.display()))?;
    file.write_all(content)
        .with_context(|| format!("cannot write {}", path.display()))?;
    persist(file, path)
}

/// Gives a finished temporary file its name.
pub(crate) fn persist(file: tempfile::NamedTempFile, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let describe = || format!("cannot write {}", path.display());
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
        .and_then(|()| file.as_file().sync_all())
        .with_context(describe)?;
    file.persist(path).with_context(describe)?;
    Ok(())
}

#[cfg(test)]
mod tests;
