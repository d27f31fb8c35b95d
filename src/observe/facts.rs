//! Facts of a host: one read-only script, one round trip.

use std::{collections::BTreeMap, fmt::Write as _, net::IpAddr};

use anyhow::{Result, bail};
use serde::Serialize;

use super::certificate::{self, Certificate};
use crate::{
    inventory::{Cluster, Host, RuntimeSource},
    remote::Script,
    templates,
};

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

/// Ports on which nothing foreign may listen, with the programs that may.
pub(crate) fn ports(cluster: &Cluster, host: &Host) -> BTreeMap<u16, Vec<&'static str>> {
    let mut ports = BTreeMap::new();
    let mut add =
        |port: u16, owner: &'static str| ports.entry(port).or_insert_with(Vec::new).push(owner);
    if host.is_node() {
        add(10250, "kubelet");
        if cluster.kube_proxy.enabled {
            add(10256, "kube-proxy");
        }
    }
    if host.is_control_plane() {
        add(cluster.apiserver_port(), "kube-apiserver");
        add(10257, "kube-controller");
        add(10259, "kube-scheduler");
        add(2379, "etcd");
        add(2380, "etcd");
    }
    if let Some(vip) = cluster.vip()
        && cluster.vip_holders().any(|one| one.name == host.name)
    {
        add(cluster.endpoint.port, "haproxy");
        add(vip.haproxy.stats_port, "haproxy");
    }
    ports
}

/// Directories whose disk must have room.
fn disks(cluster: &Cluster, host: &Host) -> Vec<String> {
    let mut disks = vec![
        "/usr/local/bin".to_owned(),
        "/var/lib/baremetal".to_owned(),
        "/var/log".to_owned(),
    ];
    if host.is_node() {
        disks.push("/var/lib/kubelet".to_owned());
        disks.push(cluster.runtime.root.clone());
    }
    if host.is_control_plane() {
        disks.push(cluster.control_plane.etcd_data_dir.clone());
    }
    if stores(cluster, host) {
        disks.extend(cluster.longhorn.iter().map(|one| one.data_path.clone()));
    }
    disks.extend(host.data_disks.iter().map(|disk| disk.path.clone()));
    disks
}

/// Whether the host keeps Longhorn's replicas.
pub(crate) fn stores(cluster: &Cluster, host: &Host) -> bool {
    cluster
        .longhorn
        .as_ref()
        .is_some_and(|longhorn| longhorn.storage_nodes.contains(&host.name))
}

/// What facts are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum For {
    Plan,
    /// The preflight checks alone: without [`Facts::containerd`], whose version is much of the work.
    Check,
    /// To be shown soon: nobody is waited for who should be silent, and a slow API server not for long.
    Status,
}

/// The script that collects [`Facts`] and what the preflight checks need.
pub fn facts_script(cluster: &Cluster, host: &Host) -> Script {
    script(cluster, host, For::Plan)
}

/// [`facts_script`] without what only a plan needs.
pub fn check_script(cluster: &Cluster, host: &Host) -> Script {
    script(cluster, host, For::Check)
}

/// [`facts_script`] without what only the preflight checks need, answered within seconds.
pub fn status_script(cluster: &Cluster, host: &Host) -> Script {
    script(cluster, host, For::Status)
}

fn script(cluster: &Cluster, host: &Host, purpose: For) -> Script {
    let versions = purpose != For::Check;
    let yes = |asked: bool| if asked { "yes" } else { "" }.to_owned();
    let devices: Vec<String> = host
        .data_disks
        .iter()
        .filter_map(|disk| disk.device.clone())
        .collect();
    let ports: Vec<String> = ports(cluster, host).keys().map(u16::to_string).collect();
    let holder = cluster.vip_holders().any(|one| one.name == host.name);
    let candidate =
        versions && host.is_node() && cluster.runtime.source == RuntimeSource::Distribution;
    let mut body = String::new();
    for (name, value) in [
        ("node_ip", host.node_ip.to_string()),
        ("interface", host.interface.clone().unwrap_or_default()),
        (
            "vip",
            cluster
                .vip()
                .map(|vip| vip.address.to_string())
                .unwrap_or_default(),
        ),
        ("ask", yes(holder && purpose != For::Status)),
        (
            "patience",
            if purpose == For::Status { "1.5" } else { "4" }.to_owned(),
        ),
        ("apiserver_port", cluster.apiserver_port().to_string()),
        ("ports", ports.join(" ")),
        ("etcd_dir", cluster.control_plane.etcd_data_dir.clone()),
        ("disks", disks(cluster, host).join(" ")),
        ("devices", devices.join(" ")),
        ("version", yes(versions)),
        ("candidate", yes(candidate)),
        ("sent", now().to_string()),
        (
            "longhorn",
            yes(cluster.longhorn.is_some() && host.is_node()),
        ),
    ] {
        let quoted =
            shlex::try_quote(&value).map_or_else(|_| "''".into(), std::borrow::Cow::into_owned);
        let _ = writeln!(body, "{name}={quoted}");
    }
    body.push_str(templates::text("observe/facts.sh"));
    let mut script = Script::read("facts", body);
    script.timeout = std::time::Duration::from_secs(30);
    script
}

/// This machine's clock, in seconds of the epoch, when the script is sent.
fn now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |time| time.as_secs())
}

/// Reads what [`facts_script`] printed.
///
/// # Errors
/// When the answer is cut.
pub fn parse_facts(stdout: &str) -> Result<Facts> {
    let mut facts = Facts::default();
    for line in stdout.lines() {
        if let Some((key, value)) = line.split_once('=') {
            facts
                .raw
                .entry(key.to_owned())
                .or_default()
                .push(value.trim_end().to_owned());
        }
    }
    if facts.one("end") != "yes" {
        bail!("the host's facts are cut");
    }
    let number = |key: &str| facts.one(key).parse::<u64>().unwrap_or_default();
    let family = family(facts.one("os"), facts.one("os-like"));
    let (cpus, memory) = (number("cpus"), number("memory-kb") * 1024);
    facts.family = family;
    facts.cpus = u32::try_from(cpus).unwrap_or_default();
    facts.memory = memory;
    facts.cgroup = if facts.one("cgroup") == "2" { 2 } else { 1 };
    facts.os_id = facts.one("os").to_owned();
    facts.os_version = facts.one("os-version").to_owned();
    facts.os_name = facts.one("os-name").to_owned();
    facts.arch = arch(facts.one("machine")).to_owned();
    facts.kernel = facts.one("kernel").to_owned();
    facts.systemd = facts.one("systemd") == "yes";
    facts.hostname = facts.one("hostname").to_owned();
    facts.machine_id = facts.one("machine-id").to_owned();
    facts.resolv_conf = facts.one("resolv-conf").to_owned();
    facts.container = facts.one("container") == "yes";
    facts.sys_resource = facts.one("sys-resource") == "yes";
    facts.default_interface =
        Some(facts.one("default-interface").to_owned()).filter(|name| !name.is_empty());
    facts.addresses = facts
        .all("address")
        .iter()
        .filter_map(|line| address(line))
        .collect();
    facts.kube = kube(&facts);
    facts.certificates = facts
        .all("certificate")
        .iter()
        .filter_map(|line| Certificate::read(line))
        .collect();
    Ok(facts)
}

fn family(id: &str, like: &str) -> Family {
    let mut names = std::iter::once(id).chain(like.split(' '));
    names
        .find_map(|name| match name {
            "debian" | "ubuntu" => Some(Family::Debian),
            "rhel" | "fedora" | "centos" | "rocky" | "almalinux" => Some(Family::RedHat),
            _ => None,
        })
        .unwrap_or_default()
}

fn arch(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn address(line: &str) -> Option<InterfaceAddress> {
    let (interface, address) = line.split_once(' ')?;
    let (address, prefix) = address.split_once('/')?;
    Some(InterfaceAddress {
        interface: interface.to_owned(),
        address: address.parse().ok()?,
        prefix: prefix.parse().ok()?,
    })
}

fn kube(facts: &Facts) -> KubeFacts {
    let has = |key: &str, value: &str| facts.all(key).iter().any(|one| one == value);
    KubeFacts {
        admin_conf: has("conf", "admin.conf"),
        kubelet_conf: has("conf", "kubelet.conf"),
        manifests: facts.all("manifest").to_vec(),
        etcd_data: facts.one("etcd-data") == "yes",
        ca_hash: certificate::public_key_hash(facts.one("ca")),
        server: Some(facts.one("server").to_owned()).filter(|server| !server.is_empty()),
        apiserver_ready: facts.one("apiserver") == "ready",
        kubelet_active: facts.unit_active("kubelet.service"),
        holds_vip: facts
            .one("vip-wanted")
            .parse::<IpAddr>()
            .is_ok_and(|vip| facts.addresses.iter().any(|one| one.address == vip)),
        shared_files: facts
            .all("shared")
            .iter()
            .filter_map(|line| line.split_once(' '))
            .map(|(sum, path)| (path.to_owned(), sum.to_owned()))
            .collect(),
        times: facts
            .all("time")
            .iter()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(time, path)| Some((path.to_owned(), microseconds(time)?)))
            .collect(),
        kubelet_flags: facts.all("kubelet-flags").first().cloned(),
        kubelet_config: facts
            .all("kubelet-config")
            .first()
            .and_then(|text| decoded(text))
            .and_then(|text| serde_yaml::from_str(&text).ok()),
        etcd_args: facts.all("etcd-arg").to_vec(),
        apiserver_names: facts
            .all("apiserver-certificate")
            .first()
            .map(|text| certificate::alternative_names(text).unwrap_or_default()),
        patches: facts.all("patch").to_vec(),
    }
}

/// Of seconds with a fraction: `1732203000.123456789`.
fn microseconds(time: &str) -> Option<u64> {
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, ""));
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(seconds.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

fn decoded(base64: &str) -> Option<String> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(base64)
        .ok()?;
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_answer_is_no_answer() {
        assert!(parse_facts("os=debian\n").is_err());
    }

    #[test]
    fn reads_what_a_host_prints() {
        let facts = parse_facts(
            "os=rocky\nos-like=rhel centos fedora\nmachine=aarch64\ncgroup=2\ncpus=4\nmemory-kb=2048\n\
             address=eth0 10.0.0.1/24\naddress=eth0 10.0.0.9/32\naddress=eth0 fe80::1/64\nvip-wanted=10.0.0.9\n\
             conf=kubelet.conf\nmanifest=etcd.yaml\ntime=1732203000.000000001 /a\ntime=1732203000.5 /b c\n\
             kubelet-flags=--v=3 --node-ip=10.0.0.1\nkubelet-config=bWF4UG9kczogMjAwCg==\netcd-arg=name=cp1\n\
             apiserver-certificate=\npatch=a.yaml\nunit=kubelet.service loaded active enabled\n\
             shared=00ff /etc/kubernetes/pki/ca.crt\nserver=https://10.0.0.9:6443\n\
             containerd=containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\nend=yes\n",
        )
        .unwrap();
        assert_eq!(
            (facts.family, facts.arch.as_str()),
            (Family::RedHat, "arm64")
        );
        assert_eq!(
            (facts.cpus, facts.memory, facts.cgroup),
            (4, 2048 * 1024, 2)
        );
        assert!(facts.kube.holds_vip && facts.kube.kubelet_conf && facts.kube.kubelet_active);
        assert!(!facts.kube.admin_conf && !facts.kube.etcd_data && !facts.kube.apiserver_ready);
        assert_eq!(facts.kube.manifests, ["etcd.yaml"]);
        assert_eq!(facts.kube.server.as_deref(), Some("https://10.0.0.9:6443"));
        assert_eq!(
            facts.kube.shared_files["/etc/kubernetes/pki/ca.crt"],
            "00ff"
        );
        assert_eq!(
            facts.kube.times,
            [
                ("/a".to_owned(), 1_732_203_000_000_000),
                ("/b c".to_owned(), 1_732_203_000_500_000)
            ]
            .into()
        );
        assert_eq!(
            facts.kube.kubelet_flags.as_deref(),
            Some("--v=3 --node-ip=10.0.0.1")
        );
        assert_eq!(
            facts.kube.kubelet_config,
            Some(serde_json::json!({"maxPods": 200}))
        );
        assert_eq!(facts.kube.etcd_args, ["name=cp1"]);
        assert_eq!(
            facts.kube.apiserver_names,
            Some(Vec::new()),
            "a certificate that is lost"
        );
        assert_eq!(facts.kube.patches, ["a.yaml"]);
        assert_eq!(facts.containerd(), Some(semver::Version::new(1, 6, 20)));
        assert_eq!(
            facts.interface_of("10.0.0.1".parse().unwrap()),
            Some("eth0")
        );
    }
}
