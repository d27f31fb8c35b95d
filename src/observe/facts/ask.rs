//! What a host is asked.

use std::{collections::BTreeMap, fmt::Write as _};

use crate::{
    inventory::{Cluster, Host, RuntimeSource},
    remote::Script,
    templates,
};

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
    // From 1.36 on containerd 1.x is a failure: its version is worth the wait.
    let versions = purpose != For::Check || cluster.version.minor >= 36;
    let yes = |asked: bool| if asked { "yes" } else { "" }.to_owned();
    let devices: Vec<String> = host
        .data_disks
        .iter()
        .filter_map(|disk| disk.device.clone())
        .collect();
    let ports: Vec<String> = ports(cluster, host).keys().map(u16::to_string).collect();
    let holder = cluster.vip_holders().any(|one| one.name == host.name);
    let asks = holder && purpose != For::Status;
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
        ("ask", yes(asks)),
        (
            "arp",
            if asks {
                templates::text("observe/arp.py")
            } else {
                ""
            }
            .to_owned(),
        ),
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
