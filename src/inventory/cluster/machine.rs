//! What machines run below Kubernetes, and how this program works on them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use ipnet::IpNet;
use semver::Version;
use serde::Serialize;

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Runtime {
    pub source: RuntimeSource,
    /// containerd version wanted from an artifact; for the distribution's package any that fits Kubernetes.
    pub version: Option<Version>,
    /// Overrides kubeadm's own answer.
    pub pause_image: Option<String>,
    /// Containerd's root directory.
    pub root: String,
}

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeSource {
    Distribution,
    Artifact,
}

/// Mirrors and trust for one registry; becomes `/etc/containerd/certs.d/<name>/hosts.toml`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Registry {
    /// `docker.io`, `registry.example:5000` or `_default`.
    pub name: String,
    pub mirrors: Vec<Mirror>,
    /// Whether the registry itself is asked when no mirror has the image.
    pub fallback: bool,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Mirror {
    pub url: String,
    /// PEM content of the CA.
    pub ca: Option<String>,
    pub skip_verify: bool,
    pub override_path: bool,
    pub capabilities: Vec<String>,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct System {
    pub sysctls: BTreeMap<String, String>,
    pub modules: Vec<String>,
    pub packages: Vec<String>,
    pub swap: Swap,
    /// NTP servers; the distribution's own when empty.
    pub time_servers: Vec<String>,
    /// Whether time synchronisation is set up by us.
    pub manage_time: bool,
    /// Whether `/etc/hosts` gets a block with the host itself and the endpoint.
    pub manage_hosts_file: bool,
    /// Whether the hostname is set to the host's name.
    pub manage_hostname: bool,
}

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    /// Switched off now and at boot.
    Off,
    /// Left as it is; kubelet gets `failSwapOn: false`.
    Allow,
}

/// Where binaries, images and charts come from.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactSource {
    Upstream,
    /// URL prefix that replaces upstream's scheme and host.
    Mirror(String),
    /// A directory or one archive.
    Bundle(PathBuf),
}

/// The `lab:` block: hosts are containers made for the inventory.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Lab {
    pub subnet: IpNet,
    /// `docker` or `podman`; the first found when `None`.
    pub engine: Option<String>,
    pub image: Option<String>,
    pub memory: Option<String>,
}

/// How a run behaves.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct RunSettings {
    /// Hosts worked on at once.
    pub parallel: usize,
    /// At most 15 s, so that an unreachable host is reported in time.
    pub connect_timeout: Duration,
    pub skip_checks: Vec<String>,
}

/// The pods of `verify`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct VerifySettings {
    /// The cluster's own `CoreDNS` when `None`; the rest is about the user's image then.
    pub image: Option<String>,
    pub args: Vec<String>,
    pub port: u16,
    pub path: String,
}
