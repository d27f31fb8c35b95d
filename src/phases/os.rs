//! Packages, kernel modules, sysctls, swap, time and name resolution.

use std::{collections::BTreeMap, fmt::Write as _};

use super::{Context, runtime};
use crate::{
    artifacts::{From, Item},
    inventory::{PodNetwork, Swap},
    observe::Family,
    resources::{
        Block, File, Hostname, Module, Package, Resource, Service, ServiceState, SwapOff, Sysctl,
    },
};

const HEADER: &str = "# Written by baremetal; changes are overwritten.\n";

pub(super) fn resources(context: &Context<'_>) -> Vec<Resource> {
    let mut resources = Vec::new();
    resources.extend(packages(context));
    resources.extend(modules(context));
    resources.extend(sysctls(context));
    // The swap of a container is its machine's.
    if context.host.is_node()
        && context.cluster.system.swap == Swap::Off
        && !context.facts.container
    {
        resources.push(Resource::SwapOff(SwapOff));
    }
    resources.extend(iscsi(context));
    resources.extend(network_manager(context));
    resources.extend(time(context));
    if context.cluster.system.manage_hostname {
        let name = context.host.name.clone();
        resources.push(Resource::Hostname(Hostname { name }));
    }
    if context.cluster.system.manage_hosts_file {
        resources.push(hosts_file(context));
    }
    resources
}

/// The container runtime's package with all others: everything after this phase waits for it, and the package manager, which
/// lets one call in at a time, does part of its work once for each call. What the package starts by itself, the runtime phase
/// starts again with its configuration. haproxy and keepalived come with their own phase, while images are loaded.
fn packages(context: &Context<'_>) -> Vec<Resource> {
    let mut packages = base_packages(context);
    packages.extend(runtime::packages(context));
    if chrony(context) {
        packages.push(Package::new("chrony"));
    }
    let mut listed: Vec<Package> = Vec::new();
    for package in packages {
        if !listed.iter().any(|one| one.name == package.name) {
            listed.push(package);
        }
    }
    listed.into_iter().map(Resource::Package).collect()
}

fn base_packages(context: &Context<'_>) -> Vec<Package> {
    let (cluster, host, family) = (context.cluster, context.host, context.facts.family);
    let mut names: Vec<&str> = match family {
        Family::Debian => vec!["ca-certificates", "iproute2", "kmod"],
        Family::RedHat => vec!["ca-certificates", "iproute", "kmod"],
        Family::Unknown => return Vec::new(),
    };
    if host.is_node() {
        names.extend(node_packages(context));
    }
    let fetches = |item: &Item| matches!(item.from, From::Url(_));
    if context.artifacts.items.iter().any(fetches) {
        names.push("curl");
    }
    names.extend(cluster.system.packages.iter().map(String::as_str));
    names
        .into_iter()
        .map(|name| Package {
            name: name.to_owned(),
            or: match (family, name) {
                // Part of every minimal installation, and in the way of the whole one.
                (Family::RedHat, "curl") => vec!["curl-minimal".to_owned()],
                (Family::RedHat, "iptables-nft") => vec!["iptables".to_owned()],
                _ => Vec::new(),
            },
        })
        .collect()
}

fn node_packages(context: &Context<'_>) -> Vec<&'static str> {
    let (cluster, facts) = (context.cluster, context.facts);
    let debian = facts.family == Family::Debian;
    let mut names = vec!["ethtool", "socat"];
    if debian {
        names.extend(["conntrack", "iptables"]);
    } else {
        names.extend([
            "conntrack-tools",
            "iptables-nft",
            "iproute-tc",
            "container-selinux",
        ]);
    }
    // Cloud images of release 10 come without modules that kube-proxy and pod networks need.
    if !debian && facts.os_version.starts_with("10") {
        names.push("kernel-modules-extra");
    }
    if cluster.kube_proxy.enabled && cluster.kube_proxy.mode == "ipvs" {
        names.extend(["ipset", "ipvsadm"]);
    }
    if let Some(longhorn) = &cluster.longhorn {
        names.extend(if debian {
            ["open-iscsi", "nfs-common"]
        } else {
            ["iscsi-initiator-utils", "nfs-utils"]
        });
        if longhorn.encryption {
            names.push("cryptsetup");
        }
    }
    names
}

/// The iSCSI daemon, over which Longhorn attaches volumes. A container's kernel is not for it to drive.
fn iscsi(context: &Context<'_>) -> Option<Resource> {
    let wanted = context.cluster.longhorn.is_some() && context.host.is_node();
    (wanted && !context.facts.container && context.facts.family != Family::Unknown).then(|| {
        Resource::Service(Service {
            unit: "iscsid.service".to_owned(),
            state: ServiceState::Running,
            enabled: true,
            restart_on: Vec::new(),
            reload_on: Vec::new(),
            required: true,
        })
    })
}

/// `NetworkManager`, where it runs, keeps its hands off the interfaces of pods.
fn network_manager(context: &Context<'_>) -> Vec<Resource> {
    const FILE: &str = "/etc/NetworkManager/conf.d/90-baremetal.conf";
    let unit = "NetworkManager.service";
    if !context.host.is_node() || !context.facts.unit_active(unit) {
        return Vec::new();
    }
    let interfaces = [
        "cali*",
        "cilium*",
        "cni*",
        "flannel*",
        "kube-ipvs0",
        "lxc*",
        "tunl*",
        "veth*",
        "vxlan.calico",
    ]
    .map(|name| format!("interface-name:{name}"))
    .join(";");
    let text = format!("{HEADER}[keyfile]\nunmanaged-devices+={interfaces}\n");
    vec![
        Resource::File(File::new(FILE, text, 0o644)),
        Resource::Service(Service {
            unit: unit.to_owned(),
            state: ServiceState::Any,
            enabled: true,
            restart_on: Vec::new(),
            reload_on: vec![FILE.to_owned()],
            required: false,
        }),
    ]
}

fn modules(context: &Context<'_>) -> Vec<Resource> {
    let (cluster, host) = (context.cluster, context.host);
    let mut modules: Vec<(&str, Option<&str>, bool)> = Vec::new();
    if host.is_node() {
        modules.push(("overlay", None, true));
        let bridge = matches!(cluster.network.plugin, PodNetwork::Flannel(_));
        modules.push(("br_netfilter", Some("/proc/sys/net/bridge"), bridge));
        modules.push(("nf_conntrack", Some("/proc/sys/net/netfilter"), true));
        if cluster.kube_proxy.enabled {
            match cluster.kube_proxy.mode.as_str() {
                "ipvs" => modules.extend(
                    [
                        "ip_vs",
                        "ip_vs_rr",
                        "ip_vs_wrr",
                        "ip_vs_sh",
                        "ip_vs_wlc",
                        "ip_vs_lc",
                    ]
                    .map(|name| (name, None, true)),
                ),
                "nftables" => modules.push(("nf_tables", None, true)),
                _ => {}
            }
        }
        if let Some(longhorn) = &cluster.longhorn {
            modules.push(("iscsi_tcp", None, true));
            modules.push(("nfs", None, false));
            if longhorn.encryption {
                modules.push(("dm_crypt", None, true));
            }
        }
    }
    modules.extend(
        cluster
            .system
            .modules
            .iter()
            .map(|name| (name.as_str(), None, true)),
    );
    if modules.is_empty() {
        return Vec::new();
    }
    let names: String = modules.iter().flat_map(|(name, ..)| [name, "\n"]).collect();
    let mut resources = vec![Resource::File(File::new(
        "/etc/modules-load.d/baremetal.conf",
        format!("{HEADER}{names}"),
        0o644,
    ))];
    resources.extend(modules.into_iter().map(|(name, proof, required)| {
        Resource::Module(Module {
            name: name.to_owned(),
            proof: proof.map(str::to_owned),
            // A container has the modules of its machine, whose they are to load.
            required: required && !context.facts.container,
        })
    }));
    resources
}

/// One kernel setting: its value, and whether a kernel without it is a failure.
type Settings = BTreeMap<String, (String, bool)>;

fn sysctls(context: &Context<'_>) -> Vec<Resource> {
    let cluster = context.cluster;
    let mut settings = wanted(context);
    if context.facts.container {
        // Everything else in a container is its machine's.
        settings.retain(|key, _| key.starts_with("net."));
        for (_, required) in settings.values_mut() {
            *required = false;
        }
    }
    for (key, value) in &cluster.system.sysctls {
        settings.insert(key.clone(), (value.clone(), true));
    }
    if settings.is_empty() {
        return Vec::new();
    }
    let mut text = HEADER.to_owned();
    for (key, (value, required)) in &settings {
        // With the dash systemd passes over a key that the kernel does not have.
        let dash = if *required { "" } else { "-" };
        let _ = writeln!(text, "{dash}{key} = {value}");
    }
    let mut resources = vec![Resource::File(File::new(
        "/etc/sysctl.d/90-baremetal.conf",
        text,
        0o644,
    ))];
    resources.extend(settings.into_iter().map(|(key, (value, required))| {
        Resource::Sysctl(Sysctl {
            key,
            value,
            required,
        })
    }));
    resources
}

fn wanted(context: &Context<'_>) -> Settings {
    let (cluster, host) = (context.cluster, context.host);
    let mut settings = Settings::new();
    let mut set = |key: &str, value: &str, required: bool| {
        settings.insert(key.to_owned(), (value.to_owned(), required));
    };
    let has = |v6: bool| {
        cluster
            .network
            .pods
            .iter()
            .any(|net| net.network().is_ipv6() == v6)
    };
    if host.is_node() {
        let bridge = matches!(cluster.network.plugin, PodNetwork::Flannel(_));
        set("net.ipv4.ip_forward", "1", true);
        set("net.bridge.bridge-nf-call-iptables", "1", bridge);
        set("net.bridge.bridge-nf-call-ip6tables", "1", false);
        if has(true) {
            set("net.ipv6.conf.all.forwarding", "1", true);
            // A router takes no advertisements any more unless it is told to.
            set("net.ipv6.conf.all.accept_ra", "2", false);
        }
        // Ports of Services are not given to outgoing connections.
        set("net.ipv4.ip_local_reserved_ports", "30000-32767", false);
        set("fs.inotify.max_user_instances", "8192", true);
        set("fs.inotify.max_user_watches", "1048576", true);
        // What kubelet sets itself, and insists on with `protectKernelDefaults`.
        set("vm.overcommit_memory", "1", true);
        set("vm.panic_on_oom", "0", true);
        set("kernel.panic", "10", true);
        set("kernel.panic_on_oops", "1", true);
        set("kernel.keys.root_maxkeys", "1000000", true);
        set("kernel.keys.root_maxbytes", "25000000", true);
    }
    if let Some(vip) = cluster.vip()
        && cluster.vip_holders().any(|holder| holder.name == host.name)
    {
        let key = if vip.address.is_ipv6() {
            "net.ipv6.ip_nonlocal_bind"
        } else {
            "net.ipv4.ip_nonlocal_bind"
        };
        set(key, "1", true);
    }
    settings
}

/// Whether one of these services runs.
fn runs(context: &Context<'_>, names: &[&str]) -> bool {
    names
        .iter()
        .any(|name| context.facts.unit_active(&format!("{name}.service")))
}

/// Whether the time is ours to keep.
fn keeps_time(context: &Context<'_>) -> bool {
    let facts = context.facts;
    // A container has its machine's clock.
    context.cluster.system.manage_time
        && !facts.container
        && facts.family != Family::Unknown
        && !runs(context, &["ntp", "ntpd", "ntpsec"])
}

/// Whether it is kept by chrony: where nothing else does already.
fn chrony(context: &Context<'_>) -> bool {
    keeps_time(context) && !runs(context, &["systemd-timesyncd"])
}

/// The daemon that keeps the time: the one that runs already, else chrony.
fn time(context: &Context<'_>) -> Vec<Resource> {
    let (system, facts) = (&context.cluster.system, context.facts);
    if !keeps_time(context) {
        return Vec::new();
    }
    if !chrony(context) {
        if system.time_servers.is_empty() {
            return Vec::new();
        }
        let path = "/etc/systemd/timesyncd.conf.d/baremetal.conf";
        let text = format!("{HEADER}[Time]\nNTP={}\n", system.time_servers.join(" "));
        return vec![
            Resource::File(File::new(path, text, 0o644)),
            daemon("systemd-timesyncd.service", path),
        ];
    }
    let servers: String = system
        .time_servers
        .iter()
        .flat_map(|server| ["server ", server.as_str(), " iburst\n"])
        .collect();
    let (unit, path) = match facts.family {
        Family::Debian => ("chrony.service", "/etc/chrony/sources.d/baremetal.sources"),
        _ => ("chronyd.service", "/etc/chrony.conf"),
    };
    let mut resources = Vec::new();
    if !servers.is_empty() {
        resources.push(if facts.family == Family::Debian {
            Resource::File(File::new(path, format!("{HEADER}{servers}"), 0o644))
        } else {
            Resource::Block(Block {
                path: path.to_owned(),
                marker: "time".to_owned(),
                content: servers,
            })
        });
    }
    resources.push(daemon(unit, path));
    resources
}

fn daemon(unit: &str, file: &str) -> Resource {
    Resource::Service(Service {
        unit: unit.to_owned(),
        state: ServiceState::Running,
        enabled: true,
        restart_on: vec![file.to_owned()],
        reload_on: Vec::new(),
        required: true,
    })
}

/// The host itself and the endpoint by name, so that the cluster does not hang on somebody's DNS. Other hosts are reached by
/// address: nodes that come and go touch nobody else's file.
fn hosts_file(context: &Context<'_>) -> Resource {
    let (cluster, host) = (context.cluster, context.host);
    let mut lines = String::new();
    for address in std::iter::once(host.node_ip).chain(host.node_ip_v6) {
        let _ = writeln!(lines, "{address} {}", host.name);
    }
    if let Some(vip) = cluster.vip()
        && cluster.endpoint.host.parse::<std::net::IpAddr>().is_err()
    {
        let _ = writeln!(lines, "{} {}", vip.address, cluster.endpoint.host);
    }
    // Nodes pull from the cluster's own registry before any DNS server knows its name.
    if let Some(harbor) = &cluster.harbor
        && let Some(address) = &harbor.address
    {
        let name = harbor.host.split(':').next().unwrap_or_default();
        if name.parse::<std::net::IpAddr>().is_err() && !name.is_empty() {
            let _ = writeln!(lines, "{address} {name}");
        }
    }
    Resource::Block(Block {
        path: "/etc/hosts".to_owned(),
        marker: "hosts".to_owned(),
        content: lines,
    })
}
