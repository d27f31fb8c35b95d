//! `bundle.yaml`: the list of what a bundle holds, as it is written in the file.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::failure::{Code, Failure};

/// Name of the list at the root of a bundle.
pub const FILE: &str = "bundle.yaml";

/// The only format there is.
pub const API_VERSION: &str = "baremetal.bundle/v1";

/// The content of `bundle.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    pub api_version: String,
    /// The Kubernetes release that the bundle is for.
    pub kubernetes: Version,
    /// Shown on every run that uses the bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default)]
    pub items: Vec<Entry>,
}

/// One item as it is written; what it claims is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Entry {
    pub name: String,
    /// `binary`, `archive`, `image`, `chart` or `manifest`; text, so that an unknown one is reported together with other mistakes.
    pub kind: String,
    pub version: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// Relative to the bundle's directory.
    pub file: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<String>,
    /// Hex.
    pub sha256: String,
    /// Bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
}

impl Entry {
    /// `image kube-proxy v1.33.4 amd64`: how messages call the item.
    pub fn title(&self) -> String {
        let arch = self.arch.as_deref().unwrap_or("any architecture");
        format!("{} {} {} ({arch})", self.kind, self.name, self.version)
    }

    /// Whether both are the same item: what `bundle add` replaces.
    pub fn same_item(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.name == other.name
            && self.version == other.version
            && self.arch == other.arch
    }
}

impl Bundle {
    pub fn new(kubernetes: Version) -> Self {
        Self {
            api_version: API_VERSION.to_owned(),
            kubernetes,
            note: None,
            items: Vec::new(),
        }
    }

    /// Reads `bundle.yaml` of a directory.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let text = fs::read_to_string(&path).map_err(|error| {
            let message = if error.kind() == ErrorKind::NotFound && !directory.exists() {
                format!("there is no bundle {}", directory.display())
            } else {
                format!("cannot read {}: {error}", path.display())
            };
            let failure = Failure::new(Code::Preflight, message);
            match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => failure.hint(
                    "a bundle is a directory or .tar.gz archive with bundle.yaml; make one with `baremetal bundle create`",
                ),
                _ => failure,
            }
        })?;
        Self::parse(&text, &path)
    }

    /// Reads the text of `bundle.yaml`; `path` is for messages.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let bundle: Self = serde_yaml::from_str(text).map_err(|error| {
            Failure::new(Code::Preflight, format!("{}: {error}", path.display()))
                .hint("`baremetal bundle add` writes bundle.yaml in the right form")
        })?;
        if bundle.api_version != API_VERSION {
            return Err(Failure::new(
                Code::Preflight,
                format!(
                    "{}: apiVersion is `{}`, this version of baremetal reads `{API_VERSION}`",
                    path.display(),
                    bundle.api_version
                ),
            )
            .into());
        }
        Ok(bundle)
    }

    /// Writes `bundle.yaml` so that a reader sees the old file or the new one, never a part.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let text = serde_yaml::to_string(self).context("bundle.yaml")?;
        super::write_atomically(&directory.join(FILE), text.as_bytes())
    }
}

/// The path of a bundle's file. It must be there and lie inside the bundle, links followed.
pub(super) fn inside(directory: &Path, file: &str) -> Result<PathBuf, Escape> {
    use std::path::Component;
    let relative = Path::new(file);
    let plain = relative
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !plain || file.is_empty() {
        return Err(Escape::Outside);
    }
    let path = directory.join(relative);
    let (Ok(root), Ok(real)) = (directory.canonicalize(), path.canonicalize()) else {
        return Err(Escape::Missing(path));
    };
    if real.starts_with(root) {
        Ok(path)
    } else {
        Err(Escape::Outside)
    }
}

/// Why a file of a bundle cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Escape {
    /// `..`, an absolute path or a link that leads out of the bundle.
    Outside,
    Missing(PathBuf),
}
