//! containerd, registries, the operating system, artifacts, the lab and the run.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::OneOrMany;
use crate::inventory::forms::{Cidr, ComponentVersion, HostAddress, Time, Url};

/// containerd.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Runtime {
    /// The distribution's package, or a binary of the artifact source. Default: `distribution`.
    pub source: Option<RuntimeSource>,
    /// containerd version, for `source: artifact`. Default: the catalog's or the bundle's.
    pub version: Option<ComponentVersion>,
    /// Pause image. Default: what kubeadm asks for.
    pub pause_image: Option<String>,
    /// Directory of images and containers. Default: `/var/lib/containerd`.
    #[schemars(extend("default" = "/var/lib/containerd"))]
    pub root: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RuntimeSource {
    Distribution,
    Artifact,
}

/// A mirror's URL, several in order, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum RegistryEntry {
    Urls(OneOrMany<Url>),
    Full(Registry),
}

/// Mirrors and trust for one registry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Registry {
    /// Asked in this order. Default: the registry itself, for which `ca` and `skip-verify` then hold.
    #[serde(default)]
    pub mirrors: Vec<MirrorEntry>,
    /// PEM file of the CA; relative to the inventory.
    pub ca: Option<PathBuf>,
    /// Whether the registry's certificate is not checked. Default: false.
    #[schemars(extend("default" = false))]
    pub skip_verify: Option<bool>,
    /// Whether the registry itself is asked when no mirror has the image. Default: true.
    #[schemars(extend("default" = true))]
    pub fallback: Option<bool>,
}

/// A mirror's URL, or one with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum MirrorEntry {
    Url(Url),
    Full(Mirror),
}

/// A mirror.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mirror {
    /// Where the mirror is.
    #[schemars(required)]
    pub url: Option<Url>,
    /// PEM file of its CA; relative to the inventory.
    pub ca: Option<PathBuf>,
    /// Whether its certificate is not checked. Default: false.
    #[schemars(extend("default" = false))]
    pub skip_verify: Option<bool>,
    /// Whether the URL's path replaces `/v2`. Default: false.
    #[schemars(extend("default" = false))]
    pub override_path: Option<bool>,
    /// What it is asked for. Default: `pull` and `resolve`.
    pub capabilities: Option<Vec<MirrorCapability>>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum MirrorCapability {
    Pull,
    Resolve,
    Push,
}

/// The operating system.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct System {
    /// Kernel parameters over ours.
    #[serde(default)]
    pub sysctls: BTreeMap<String, String>,
    /// Kernel modules besides ours.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Packages besides ours.
    #[serde(default)]
    pub packages: Vec<String>,
    /// `off` now and at boot, or `allow` to leave it as it is. Default: `off`; `allow` in the lab.
    pub swap: Option<Swap>,
    /// NTP servers. Default: the distribution's.
    #[serde(default)]
    pub time_servers: Vec<HostAddress>,
    /// Whether time synchronisation is set up. Default: true; false in the lab.
    pub manage_time: Option<bool>,
    /// Whether `/etc/hosts` gets a block with the host itself and the endpoint. Default: true.
    #[schemars(extend("default" = true))]
    pub manage_hosts_file: Option<bool>,
    /// Whether the hostname is set to the host's name. Default: true; false in the lab.
    pub manage_hostname: Option<bool>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Swap {
    Off,
    Allow,
}

/// Upstream, a mirror or a bundle.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline, extend("x-instead" = "`upstream`, `{mirror: URL}` or `{bundle: PATH}`"))]
pub enum ArtifactsEntry {
    Word(ArtifactsWord),
    Full(Artifacts),
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum ArtifactsWord {
    Upstream,
}

/// One source; exactly one key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Artifacts {
    /// URL prefix that replaces upstream's scheme and host.
    pub mirror: Option<Url>,
    /// Directory or archive with `bundle.yaml`; relative to the inventory. No request goes to the internet then.
    pub bundle: Option<PathBuf>,
}

/// Hosts as containers on this machine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Lab {
    /// Network of the containers. Default: the /24 of the first host.
    pub subnet: Option<Cidr>,
    /// Container engine. Default: the one that is there.
    pub engine: Option<LabEngine>,
    /// Base image. Default: one made with debootstrap.
    pub image: Option<String>,
    /// Memory limit of one container, such as `2g`. Default: none.
    pub memory: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum LabEngine {
    Docker,
    Podman,
}

/// How a run behaves.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Run {
    /// Hosts worked on at once. Default: 64.
    #[schemars(range(min = 1, max = 1000), extend("default" = 64))]
    pub parallel: Option<u16>,
    /// How long a host may take to answer, at most `15s`. Default: `10s`.
    #[schemars(extend("default" = "10s"))]
    pub connect_timeout: Option<Time>,
    /// Ids of preflight checks that are skipped on every host.
    #[serde(default)]
    pub skip_checks: Vec<String>,
}

/// The pods of `baremetal verify`: any image that answers HTTP.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Verify {
    /// Image; every node must have it or be able to pull it. Default: the cluster's own `CoreDNS`.
    pub image: Option<String>,
    /// Arguments with which the image answers HTTP. Default: the image's own.
    #[serde(default)]
    pub args: Vec<String>,
    /// Port on which it answers. Default: 8080.
    #[schemars(range(min = 1), extend("default" = 8080))]
    pub port: Option<u16>,
    /// Path for which it answers with a status from 200 to 299. Default: `/`.
    #[schemars(extend("default" = "/"))]
    pub path: Option<String>,
}
