//! Packages of the distribution.

use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Package {
    /// Name in the host's own distribution.
    pub name: String,
    /// Alternatives that count as installed too (`containerd.io` for `containerd`).
    pub or: Vec<String>,
}
