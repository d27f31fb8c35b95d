//! Pinned artifacts on a host: binaries, unpacked archives, images, and files kept for later use.

use serde::Serialize;

use crate::artifacts::Item;

/// An executable whose bytes are the artifact's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Binary {
    pub item: Item,
    /// `/usr/local/bin/kubeadm`.
    pub path: String,
}

/// An unpacked tar archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archive {
    pub item: Item,
    /// Where it is unpacked.
    pub directory: String,
    /// Members wanted and the names that they get; all members as they are when empty.
    pub members: Vec<(String, String)>,
    /// Leading path components dropped from member names.
    pub strip: u8,
}

/// Images in containerd's `k8s.io` namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    pub references: Vec<String>,
    /// The archive that has them; pulled from their registry when `None`.
    pub item: Option<Item>,
}

/// A chart or manifest kept on control planes under `/var/lib/baremetal/artifacts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blob {
    pub item: Item,
    pub path: String,
}
