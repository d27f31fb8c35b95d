//! Pulling an image from its registry into one OCI archive: enough of the distribution protocol for `bundle create`.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use ureq::{Body, http::Response};

use super::{
    http::{Http, Status, read_text, save},
    image::normalize,
};
use crate::digest::sha256;

const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// A registry client for one run.
pub struct Registry {
    pub http: Http,
    /// `HOST[:PORT][/PATH]` that is asked instead of each image's own registry.
    pub instead: Option<String>,
}

/// One repository of a registry, and what it takes to read it.
struct Repository<'a> {
    registry: &'a Registry,
    /// `https://registry.k8s.io/v2/kube-proxy`.
    url: String,
    name: String,
    token: std::cell::RefCell<Option<String>>,
}

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    digest: String,
    #[serde(default)]
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    architecture: String,
    #[serde(default)]
    os: String,
}

impl Registry {
    /// Pulls an image for an architecture and writes it as an OCI archive that containerd imports under its full reference.
    pub fn pull(&self, reference: &str, arch: &str, to: &Path) -> Result<()> {
        let reference = normalize(reference);
        self.pull_into(&reference, arch, to)
            .with_context(|| format!("cannot pull {reference} for {arch}"))
    }

    fn pull_into(&self, reference: &str, arch: &str, to: &Path) -> Result<()> {
        let (repository, tag) = self.locate(reference)?;
        let blobs = tempfile::tempdir_in(parent(to)?)?;
        let (bytes, kind) = repository.manifest(&tag)?;
        let (bytes, kind) = match serde_json::from_slice::<Index>(&bytes) {
            Ok(index) => repository.manifest(platform(&index, arch)?)?,
            Err(_) => (bytes, kind),
        };
        let manifest: Manifest =
            serde_json::from_slice(&bytes).context("its manifest is not understood")?;
        let digest = keep(blobs.path(), &bytes)?;
        for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
            repository.blob(&blob.digest, blobs.path())?;
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": kind,
                "digest": digest,
                "size": bytes.len(),
                "platform": {"architecture": arch, "os": "linux"},
                "annotations": {
                    "io.containerd.image.name": reference,
                    "org.opencontainers.image.ref.name": reference,
                },
            }],
        });
        archive(&index, blobs.path(), to)
    }

    /// Repository and tag or digest of a full reference.
    fn locate(&self, reference: &str) -> Result<(Repository<'_>, String)> {
        let (host, rest) = reference.split_once('/').context("no registry in it")?;
        let (path, tag) = match rest.split_once('@') {
            Some((path, digest)) => (path.split(':').next().unwrap_or(path), digest),
            None => rest.rsplit_once(':').context("no tag in it")?,
        };
        let (host, path) = match &self.instead {
            Some(instead) => match instead.split_once('/') {
                Some((host, prefix)) => (host, format!("{}/{path}", prefix.trim_matches('/'))),
                None => (instead.as_str(), path.to_owned()),
            },
            None => (host, path.to_owned()),
        };
        let host = if host == "docker.io" {
            "registry-1.docker.io"
        } else {
            host
        };
        let repository = Repository {
            registry: self,
            url: format!("{}://{host}/v2/{path}", scheme(host)),
            name: path,
            token: std::cell::RefCell::default(),
        };
        Ok((repository, tag.to_owned()))
    }
}

/// As docker does: a registry on this very machine needs no TLS.
fn scheme(host: &str) -> &'static str {
    let name = host.split(':').next().unwrap_or(host);
    if name == "localhost" || name.starts_with("127.") {
        "http"
    } else {
        "https"
    }
}

fn parent(path: &Path) -> Result<&Path> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    Ok(parent)
}

/// The manifest for an architecture.
fn platform<'a>(index: &'a Index, arch: &str) -> Result<&'a str> {
    let fits = |platform: &Platform| platform.architecture == arch && platform.os == "linux";
    index
        .manifests
        .iter()
        .find(|manifest| manifest.platform.as_ref().is_some_and(fits))
        .map(|manifest| manifest.digest.as_str())
        .ok_or_else(|| anyhow!("the image is not made for linux/{arch}"))
}

impl Repository<'_> {
    /// A manifest's bytes and media type; a digest is checked.
    fn manifest(&self, reference: &str) -> Result<(Vec<u8>, String)> {
        let url = format!("{}/manifests/{reference}", self.url);
        let response = self.get(&url, Some(MANIFESTS))?;
        let kind = response
            .headers()
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or("application/vnd.oci.image.manifest.v1+json")
            .to_owned();
        let bytes = read_text(response)?.into_bytes();
        let is = format!("sha256:{}", sha256(&bytes));
        if reference.contains(':') && reference != is {
            bail!("the manifest has digest {is}, expected {reference}");
        }
        Ok((bytes, kind))
    }

    fn blob(&self, digest: &str, blobs: &Path) -> Result<()> {
        let sha256 = digest
            .strip_prefix("sha256:")
            .filter(|sum| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .ok_or_else(|| anyhow!("the digest {digest} is not understood"))?;
        let to = blobs.join(sha256);
        if to.exists() {
            return Ok(());
        }
        let response = self.get(&format!("{}/blobs/{digest}", self.url), None)?;
        save(response, sha256, &to).with_context(|| format!("layer {digest}"))?;
        Ok(())
    }

    /// GET, with a token where the registry asks for one.
    fn get(&self, url: &str, accept: Option<&str>) -> Result<Response<Body>> {
        let request = || {
            let mut headers: Vec<(&str, String)> = Vec::new();
            headers.extend(accept.map(|accept| ("accept", accept.to_owned())));
            headers.extend(
                self.token
                    .borrow()
                    .iter()
                    .map(|token| ("authorization", format!("Bearer {token}"))),
            );
            self.registry.http.get(url, &headers)
        };
        let error = match request() {
            Ok(response) => return Ok(response),
            Err(error) => error,
        };
        let challenge = error
            .downcast_ref::<Status>()
            .filter(|status| status.code == 401)
            .and_then(|status| status.challenge.clone());
        let Some(challenge) = challenge else {
            return Err(error);
        };
        *self.token.borrow_mut() = Some(self.token(&challenge)?);
        request()
    }

    /// An anonymous token from the service that the registry names.
    fn token(&self, challenge: &str) -> Result<String> {
        let value = |key: &str| {
            let start = challenge.find(&format!("{key}=\""))? + key.len() + 2;
            challenge[start..].split('"').next()
        };
        let realm = value("realm").context("the registry wants a login that is not understood")?;
        let service = value("service").unwrap_or_default();
        let url = format!(
            "{realm}?service={service}&scope=repository:{}:pull",
            self.name
        );
        let answer: Value = serde_json::from_str(&self.registry.http.text(&url)?)?;
        ["token", "access_token"]
            .iter()
            .find_map(|key| answer.get(key)?.as_str())
            .map(str::to_owned)
            .context("the registry gives no token without a login")
    }
}

/// Keeps bytes as a blob; returns their digest.
fn keep(blobs: &Path, bytes: &[u8]) -> Result<String> {
    let sum = sha256(bytes);
    fs::write(blobs.join(&sum), bytes)?;
    Ok(format!("sha256:{sum}"))
}

/// An OCI image layout as one tar archive; the same image gives the same bytes.
fn archive(index: &Value, blobs: &Path, to: &Path) -> Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(parent(to)?)?;
    let mut tar = tar::Builder::new(std::io::BufWriter::new(&mut file));
    tar.mode(tar::HeaderMode::Deterministic);
    let mut text = |name: &str, text: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, text)
    };
    text("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    text("index.json", &serde_json::to_vec(index)?)?;
    let mut found: Vec<PathBuf> = fs::read_dir(blobs)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    found.sort_unstable();
    for blob in found {
        let name = blob.file_name().context("a blob has a name")?;
        tar.append_path_with_name(&blob, Path::new("blobs/sha256").join(name))?;
    }
    tar.into_inner()?.flush()?;
    super::persist(file, to)
}
