//! Facts of a host: one read-only script, one round trip.

mod ask;
mod read;
#[cfg(test)]
mod tests;

pub use ask::{check_script, facts_script, status_script};
pub(crate) use ask::{ports, stores};
pub use read::parse_facts;

use std::{collections::BTreeMap, net::IpAddr};

use serde::Serialize;

use super::certificate::Certificate;

/// What a host says of itself. Sizes in bytes, times in seconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Facts {
    /// `ID` of os-release: `debian`, `ubuntu`, `rocky`.
    pub os_id: String,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    pub os_name: String,
    pub family: Family,
    /// Kubernetes' name: `amd64`, `arm64`.
    pub arch: String,
    pub kernel: String,
    pub systemd: bool,
    /// 1 or 2.
    pub cgroup: u8,
    pub cpus: u32,
    pub memory: u64,
    pub hostname: String,
    pub machine_id: String,
    pub addresses: Vec<InterfaceAddress>,
    /// Interface of the default route.
    pub default_interface: Option<String>,
    /// The file that kubelet must hand to pods: systemd-resolved's own where it runs, else `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// Whether the host is itself a container (a lab host).
    pub container: bool,
    /// Whether `CAP_SYS_RESOURCE` is there; without it containerd must not lower OOM scores.
    pub sys_resource: bool,
    pub kube: KubeFacts,
    /// Certificates that nobody renews by itself: of a control plane's components, its kubeconfigs and authorities.
    pub certificates: Vec<Certificate>,
    /// Every `key=value` line of the script, for preflight checks.
    pub raw: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    Debian,
    RedHat,
    #[default]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceAddress {
    pub interface: String,
    pub address: IpAddr,
    pub prefix: u8,
}

/// What of Kubernetes is on the host.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, in any combination"
)]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KubeFacts {
    pub admin_conf: bool,
    pub kubelet_conf: bool,
    /// File names in `/etc/kubernetes/manifests`.
    pub manifests: Vec<String>,
    /// Whether etcd's data directory holds a member.
    pub etcd_data: bool,
    /// `sha256:<hex>` of the CA's public key (kubeadm `caCertHashes`).
    pub ca_hash: Option<String>,
    /// `server:` of kubelet.conf.
    pub server: Option<String>,
    /// Whether the local apiserver answers `/readyz` with 200.
    pub apiserver_ready: bool,
    pub kubelet_active: bool,
    /// Whether this host has the VIP on an interface now.
    pub holds_vip: bool,
    /// sha256 of files that must be the same on all control planes, by path.
    pub shared_files: BTreeMap<String, String>,
    /// When what kubeadm made, and what it was asked for, was written: microseconds of the epoch, by path.
    pub times: BTreeMap<String, u64>,
    /// Flags that kubeadm gave the kubelet, as they stand in `kubeadm-flags.env`.
    pub kubelet_flags: Option<String>,
    /// The kubelet's configuration.
    pub kubelet_config: Option<serde_json::Value>,
    /// Flags of etcd without dashes, from its manifest: `name=cp1`.
    pub etcd_args: Vec<String>,
    /// Names and addresses in the API server's certificate; empty where a control plane has lost it.
    pub apiserver_names: Option<Vec<String>>,
    /// Files in the directory of kubeadm's patches.
    pub patches: Vec<String>,
}

impl Facts {
    /// Every value of a key that the script printed.
    pub fn all(&self, key: &str) -> &[String] {
        self.raw.get(key).map_or(&[], Vec::as_slice)
    }

    /// The first value of a key, or nothing.
    pub fn one(&self, key: &str) -> &str {
        self.all(key).first().map_or("", String::as_str)
    }

    /// The rest of a value whose first word is `name`: of `unit=kubelet.service loaded active enabled` and the like.
    pub fn about(&self, key: &str, name: &str) -> Option<&str> {
        self.all(key)
            .iter()
            .find_map(|value| value.strip_prefix(name)?.strip_prefix(' '))
    }

    /// Whether a systemd unit runs.
    pub fn unit_active(&self, unit: &str) -> bool {
        self.about("unit", unit)
            .is_some_and(|state| state.split(' ').nth(1) == Some("active"))
    }

    /// The interface that carries an address.
    pub fn interface_of(&self, address: IpAddr) -> Option<&str> {
        self.addresses
            .iter()
            .find(|one| one.address == address)
            .map(|one| one.interface.as_str())
    }

    /// Version of the containerd that is installed, or that the package index offers; [`check_script`] does not ask for it.
    pub fn containerd(&self) -> Option<semver::Version> {
        [self.one("containerd"), self.one("containerd-candidate")]
            .iter()
            .flat_map(|text| text.split_whitespace())
            .find_map(loose_version)
    }
}

/// The version at the start of a word such as `1.6.20~ds1`, `v2.1.4` or `1.7.24-0ubuntu1`.
fn loose_version(word: &str) -> Option<semver::Version> {
    let word = word.strip_prefix('v').unwrap_or(word);
    let plain: String = word
        .chars()
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    semver::Version::parse(plain.trim_end_matches('.')).ok()
}
