//! What an image archive holds: its references and architecture, from docker's `manifest.json` or OCI's `index.json`.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::packed::open_tar;

/// Larger members are layers, not descriptions.
const DESCRIPTION_LIMIT: u64 = 4 << 20;

/// The content of an image archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// In the order of the archive.
    pub references: Vec<String>,
    /// `None` where the archive is for several.
    pub arch: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerImage {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
}

#[derive(Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

/// Small members of a tar archive, by name.
pub(super) type Members = BTreeMap<String, Vec<u8>>;

/// The names of all members of a tar archive, and the content of those that may be descriptions.
pub(super) fn members(path: &Path) -> Result<(Vec<String>, Members)> {
    let mut tar = open_tar(path)?;
    let mut names = Vec::new();
    let mut small = Members::new();
    for entry in tar.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let name = name.trim_start_matches("./").to_owned();
        let described =
            name.starts_with("blobs/") || name.contains(".json") || name.ends_with("Chart.yaml");
        if described && entry.size() <= DESCRIPTION_LIMIT {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            small.insert(name.clone(), content);
        }
        names.push(name);
    }
    Ok((names, small))
}

/// What an image archive holds.
pub fn inspect(path: &Path) -> Result<Images> {
    let (_, members) = members(path).with_context(|| format!("cannot read {}", path.display()))?;
    of_members(&members).with_context(|| format!("{} is no image archive", path.display()))
}

pub(super) fn of_members(members: &Members) -> Result<Images> {
    let (references, mut archs) = if let Some(manifest) = members.get("manifest.json") {
        of_docker(manifest, members)?
    } else if let Some(index) = members.get("index.json") {
        of_oci(index, members)?
    } else {
        bail!("it has neither manifest.json nor index.json");
    };
    archs.sort_unstable();
    archs.dedup();
    let arch = match archs.as_slice() {
        [arch] => Some(arch.clone()),
        _ => None,
    };
    Ok(Images { references, arch })
}

fn of_docker(manifest: &[u8], members: &Members) -> Result<(Vec<String>, Vec<String>)> {
    let images: Vec<DockerImage> = serde_json::from_slice(manifest).context("manifest.json")?;
    let mut references = Vec::new();
    let mut archs = Vec::new();
    for image in images {
        references.extend(
            image
                .repo_tags
                .unwrap_or_default()
                .iter()
                .map(|tag| normalize(tag)),
        );
        archs.extend(architecture(members.get(&image.config)));
    }
    Ok((references, archs))
}

fn of_oci(index: &[u8], members: &Members) -> Result<(Vec<String>, Vec<String>)> {
    let index: Index = serde_json::from_slice(index).context("index.json")?;
    let mut references = Vec::new();
    let mut archs = Vec::new();
    for descriptor in &index.manifests {
        let name = [
            "io.containerd.image.name",
            "org.opencontainers.image.ref.name",
        ]
        .iter()
        .find_map(|key| descriptor.annotations.get(*key))
        // A bare tag, as `skopeo copy oci-archive:` writes it, names no image.
        .filter(|name| name.contains(':') || name.contains('/'));
        references.extend(name.map(|name| normalize(name)));
        archs.extend(architectures(descriptor, members));
    }
    Ok((references, archs))
}

/// Architectures behind a descriptor of a manifest or of an index.
fn architectures(descriptor: &Descriptor, members: &Members) -> Vec<String> {
    if let Some(platform) = &descriptor.platform {
        return vec![platform.architecture.clone()];
    }
    let Some(manifest) = blob(members, &descriptor.digest)
        .and_then(|bytes| serde_json::from_slice::<Manifest>(bytes).ok())
    else {
        return Vec::new();
    };
    if let Some(config) = manifest.config {
        return architecture(blob(members, &config.digest))
            .into_iter()
            .collect();
    }
    manifest
        .manifests
        .iter()
        .filter(|inner| blob(members, &inner.digest).is_some())
        .flat_map(|inner| architectures(inner, members))
        .filter(|arch| arch != "unknown")
        .collect()
}

fn blob<'a>(members: &'a Members, digest: &str) -> Option<&'a Vec<u8>> {
    members.get(&format!("blobs/{}", digest.replacen(':', "/", 1)))
}

fn architecture(config: Option<&Vec<u8>>) -> Option<String> {
    let config: Platform = serde_json::from_slice(config?).ok()?;
    Some(config.architecture)
}

/// The reference in full, as containerd names images: `busybox` → `docker.io/library/busybox:latest`.
pub fn normalize(reference: &str) -> String {
    let (host, path) = match reference.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => {
            (host, path.to_owned())
        }
        Some(_) => ("docker.io", reference.to_owned()),
        None => ("docker.io", format!("library/{reference}")),
    };
    let tag = if path.contains([':', '@']) {
        ""
    } else {
        ":latest"
    };
    format!("{host}/{path}{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(list: &[(&str, &str)]) -> Members {
        list.iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect()
    }

    #[test]
    fn docker_archives_name_their_images() {
        let members = members(&[
            (
                "manifest.json",
                r#"[{"Config":"a.json","RepoTags":["registry.k8s.io/pause:3.10"],"Layers":["l.tar"]},
                    {"Config":"b.json","RepoTags":["busybox:1.36"],"Layers":[]}]"#,
            ),
            ("a.json", r#"{"architecture":"arm64","os":"linux"}"#),
            ("b.json", r#"{"architecture":"arm64"}"#),
        ]);
        assert_eq!(
            of_members(&members).unwrap(),
            Images {
                references: vec![
                    "registry.k8s.io/pause:3.10".to_owned(),
                    "docker.io/library/busybox:1.36".to_owned()
                ],
                arch: Some("arm64".to_owned()),
            }
        );
    }

    #[test]
    fn oci_archives_name_their_images() {
        let members = members(&[
            (
                "index.json",
                r#"{"manifests":[{"digest":"sha256:aa","annotations":{
                    "io.containerd.image.name":"quay.io/metallb/speaker:v0.16.1",
                    "org.opencontainers.image.ref.name":"v0.16.1"}}]}"#,
            ),
            (
                "blobs/sha256/aa",
                r#"{"config":{"digest":"sha256:bb"},"layers":[]}"#,
            ),
            ("blobs/sha256/bb", r#"{"architecture":"amd64"}"#),
        ]);
        let images = of_members(&members).unwrap();
        assert_eq!(images.references, ["quay.io/metallb/speaker:v0.16.1"]);
        assert_eq!(images.arch.as_deref(), Some("amd64"));
    }

    #[test]
    fn an_archive_for_several_architectures_is_for_any() {
        let members = members(&[
            ("index.json", r#"{"manifests":[{"digest":"sha256:ii"}]}"#),
            (
                "blobs/sha256/ii",
                r#"{"manifests":[{"digest":"sha256:a","platform":{"architecture":"amd64"}},
                                 {"digest":"sha256:b","platform":{"architecture":"arm64"}}]}"#,
            ),
            ("blobs/sha256/a", "{}"),
            ("blobs/sha256/b", "{}"),
        ]);
        let images = of_members(&members).unwrap();
        assert_eq!((images.references.len(), images.arch), (0, None));
    }

    #[test]
    fn references_are_written_in_full() {
        assert_eq!(normalize("nginx"), "docker.io/library/nginx:latest");
        assert_eq!(normalize("longhornio/a:v1"), "docker.io/longhornio/a:v1");
        assert_eq!(normalize("localhost/a"), "localhost/a:latest");
        assert_eq!(normalize("r:5000/a@sha256:1"), "r:5000/a@sha256:1");
    }
}
