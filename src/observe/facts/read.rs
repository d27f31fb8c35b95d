//! What a host's answer means.

use std::net::IpAddr;

use anyhow::{Result, bail};

use super::{
    super::certificate::{self, Certificate},
    Facts, Family, InterfaceAddress, KubeFacts,
};

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
