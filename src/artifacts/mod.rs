//! Where binaries, images, charts and manifests come from: upstream, a mirror or a bundle, behind one list of pinned items.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything that a cluster's artifact source can give. Pure data once resolved.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Artifacts {
    pub items: Vec<Item>,
    /// Text that the bundle asks to be shown (a stand-in says what it is).
    pub note: Option<String>,
    /// Whether nothing may be fetched from the internet (a bundle).
    pub offline: bool,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An executable for `/usr/local/bin`.
    Binary,
    /// A tar archive that is unpacked: `cni-plugins`, `containerd`, `crictl`, `helm`.
    Archive,
    Image,
    Chart,
    Manifest,
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
