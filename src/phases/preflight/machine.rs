//! What the machine and its system are.

use super::{Found, Level, Look};
use crate::inventory::{PodNetwork, Swap};

/// Distributions and releases on which the phases are known to work; of RHEL and its kin every minor release.
const SUPPORTED: &[(&str, &[&str])] = &[
    ("debian", &["12", "13"]),
    ("ubuntu", &["22.04", "24.04"]),
    ("rhel", &["9", "10"]),
    ("rocky", &["9", "10"]),
    ("almalinux", &["9", "10"]),
];

pub(super) fn sudo(look: &Look<'_>) -> Vec<Found> {
    match look.facts.one("uid") {
        "0" => Vec::new(),
        uid => vec![Found::new(
            Level::Failure,
            format!("scripts run as user {uid}"),
            "root",
            "log in as root, or give the user sudo and say so under `ssh` in the inventory",
        )],
    }
}

pub(super) fn os(look: &Look<'_>) -> Vec<Found> {
    let facts = look.facts;
    let supported = SUPPORTED.iter().any(|(id, releases)| {
        let release = if *id == "debian" || *id == "ubuntu" {
            facts.os_version.as_str()
        } else {
            facts.os_version.split('.').next().unwrap_or_default()
        };
        facts.os_id == *id && releases.contains(&release)
    });
    if supported {
        return Vec::new();
    }
    let name = match (facts.os_name.as_str(), facts.os_id.as_str()) {
        ("", "") => "a system without /etc/os-release",
        ("", id) => id,
        (name, _) => name,
    };
    vec![Found::new(
        Level::Failure,
        name,
        "Debian 12 or 13, Ubuntu 22.04 or 24.04, RHEL, Rocky Linux or AlmaLinux 9 or 10",
        "install a supported system; `--skip-check os` tries another of the same families",
    )]
}

pub(super) fn arch(look: &Look<'_>) -> Vec<Found> {
    match look.facts.arch.as_str() {
        "amd64" | "arm64" => Vec::new(),
        other => vec![Found::new(
            Level::Failure,
            other,
            "amd64 or arm64",
            "use another machine",
        )],
    }
}

pub(super) fn kernel(look: &Look<'_>) -> Vec<Found> {
    let kernel = &look.facts.kernel;
    let mut numbers = kernel
        .split(|letter: char| !letter.is_ascii_digit())
        .map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return vec![Found::unknown(
            format!("the kernel calls itself `{kernel}`"),
            "Linux 4.19 or newer",
            "find out with `uname -r`",
        )];
    };
    let mut needs = vec![((4, 19), "for Kubernetes", "install a newer kernel")];
    let proxy = &look.cluster.kube_proxy;
    if look.host.is_node() {
        if proxy.enabled && proxy.mode == "nftables" {
            let fix = "install a newer kernel, or set `kube-proxy` to `iptables`";
            needs.push(((5, 13), "for kube-proxy with nftables", fix));
        }
        if matches!(look.cluster.network.plugin, PodNetwork::Cilium { .. }) {
            needs.push(((5, 10), "for Cilium", "install a newer kernel"));
        }
    }
    // The newest that is asked for satisfies all.
    needs
        .into_iter()
        .filter(|(least, ..)| (major, minor) < *least)
        .max_by_key(|(least, ..)| *least)
        .map(|((major, minor), why, fix)| {
            let needed = format!("Linux {major}.{minor} or newer {why}");
            Found::new(Level::Failure, format!("Linux {kernel}"), needed, fix)
        })
        .into_iter()
        .collect()
}

pub(super) fn systemd(look: &Look<'_>) -> Vec<Found> {
    if look.facts.systemd {
        return Vec::new();
    }
    vec![Found::new(
        Level::Failure,
        "no systemd: /run/systemd/system is missing",
        "a host whose first process is systemd",
        "install a system that boots with systemd",
    )]
}

pub(super) fn cgroup(look: &Look<'_>) -> Vec<Found> {
    let version = &look.cluster.version;
    if look.facts.cgroup == 2 || !look.host.is_node() {
        return Vec::new();
    }
    let fix = "boot with `systemd.unified_cgroup_hierarchy=1` on the kernel's command line";
    if version.minor >= 35 {
        let needed = format!("version 2: Kubernetes {version} does not start on version 1");
        return vec![Found::new(Level::Failure, "cgroup version 1", needed, fix)];
    }
    if version.minor >= 31 && !look.host.lab && !look.joined() {
        let needed = "version 2: Kubernetes 1.35 will not start on version 1";
        return vec![Found::new(Level::Warning, "cgroup version 1", needed, fix)];
    }
    Vec::new()
}

pub(super) fn cpus(look: &Look<'_>) -> Vec<Found> {
    let cpus = look.facts.cpus;
    if cpus == 0 {
        return vec![Found::unknown(
            "the host did not say",
            "2 CPUs",
            "find out with `nproc`",
        )];
    }
    // kubeadm's own limit.
    if !look.host.is_control_plane() || cpus >= 2 {
        return Vec::new();
    }
    vec![Found::new(
        look.sizing(),
        format!("{cpus} CPU"),
        "2 CPUs on a control plane",
        "give the machine more, or use another one",
    )]
}

pub(super) fn memory(look: &Look<'_>) -> Vec<Found> {
    const MIB: u64 = 1024 * 1024;
    let memory = look.facts.memory;
    if memory == 0 {
        return vec![Found::unknown(
            "the host did not say",
            "memory",
            "look at /proc/meminfo",
        )];
    }
    // kubeadm's own limit on control planes. What is left of a machine's memory after its firmware took some counts.
    let (least, role) = if look.host.is_control_plane() {
        (1700, "a control plane")
    } else if look.host.is_node() {
        (900, "a worker")
    } else {
        (256, "a load balancer")
    };
    if memory >= least * MIB {
        return Vec::new();
    }
    vec![Found::new(
        look.sizing(),
        format!("{} MiB", memory / MIB),
        format!("{least} MiB on {role}"),
        "give the machine more, or use another one",
    )]
}

pub(super) fn swap(look: &Look<'_>) -> Vec<Found> {
    let devices = look.facts.all("swap");
    // On a machine of its own it is switched off, as the plan shows; a container cannot do that to its machine.
    if devices.is_empty()
        || !look.facts.container
        || !look.host.is_node()
        || look.cluster.system.swap == Swap::Allow
    {
        return Vec::new();
    }
    vec![Found::new(
        Level::Failure,
        format!(
            "swap on {} belongs to the machine around this container",
            devices.join(", ")
        ),
        "no swap, or a kubelet that may live with it",
        "set `swap: allow` in the inventory, or switch it off on the machine",
    )]
}

/// Difference of each host's clock from this machine's, in seconds; the middle one is taken for right.
pub(super) fn clock(look: &Look<'_>) -> Vec<Found> {
    let mut offsets: Vec<f64> = look
        .seen
        .hosts
        .values()
        .filter_map(|host| offset(&host.facts))
        .collect();
    let Some(own) = offset(look.facts) else {
        return vec![Found::unknown(
            "the host printed no time",
            "a clock",
            "look at `date`",
        )];
    };
    offsets.sort_by(f64::total_cmp);
    let middle = offsets[(offsets.len() - 1) / 2];
    let skew = own - middle;
    let (level, limit) = match skew.abs() {
        // Certificates, leases and etcd go wrong.
        far if far > 10.0 => (Level::Failure, 10),
        // Scripts reach hosts a little apart.
        far if far > 2.0 => (Level::Warning, 2),
        _ => return Vec::new(),
    };
    let way = if skew > 0.0 { "ahead of" } else { "behind" };
    vec![Found::new(
        level,
        format!("the clock is {:.1} s {way} the other hosts'", skew.abs()),
        format!("at most {limit} s apart"),
        "synchronise it (`chronyc makestep`), and see that a time server is reachable",
    )]
}

fn offset(facts: &crate::observe::Facts) -> Option<f64> {
    let here: f64 = facts.one("sent").parse().ok()?;
    let there: f64 = facts.one("epoch").parse().ok()?;
    Some(there - here)
}

pub(super) fn time_sync(look: &Look<'_>) -> Vec<Found> {
    let facts = look.facts;
    let daemons = [
        "chrony",
        "chronyd",
        "systemd-timesyncd",
        "ntp",
        "ntpd",
        "ntpsec",
    ];
    let runs = daemons
        .iter()
        .any(|name| facts.unit_active(&format!("{name}.service")));
    // Where we manage it, chrony comes with the operating system phase; a container has its machine's clock.
    if facts.container || runs || look.cluster.system.manage_time || facts.one("ntp") == "yes" {
        return Vec::new();
    }
    vec![Found::new(
        Level::Warning,
        "nothing synchronises the clock",
        "chrony or another time service",
        "start one, or let `baremetal` do it: remove `manage-time: false` from the inventory",
    )]
}
