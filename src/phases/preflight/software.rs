//! Other software on the host.

use super::{Found, Level, Look};
use crate::{
    catalog::catalog,
    observe::Family,
    phases::{Context, runtime},
};

pub(super) fn package_lock(look: &Look<'_>) -> Vec<Found> {
    let mut holders: Vec<String> = look
        .facts
        .all("package-lock")
        .iter()
        .map(|line| {
            let mut words = line.split(' ').skip(1);
            let name = words.next().filter(|name| !name.is_empty());
            let process = words.next().unwrap_or_default();
            format!("{} (process {process})", name.unwrap_or("a program"))
        })
        .collect();
    holders.dedup();
    if holders.is_empty() {
        return Vec::new();
    }
    vec![Found::new(
        Level::Warning,
        format!("the package manager is held by {}", holders.join(", ")),
        "a free package manager: packages are waited for up to three minutes",
        "let it end, or stop it",
    )]
}

pub(super) fn container_runtime(look: &Look<'_>) -> Vec<Found> {
    let facts = look.facts;
    if !look.host.is_node() || look.joined() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (unit, name) in [("docker.service", "Docker"), ("crio.service", "CRI-O")] {
        if facts.unit_active(unit) {
            found.push(Found::new(
                Level::Warning,
                format!("{name} runs"),
                "containerd alone: another engine changes the firewall and takes memory",
                format!("remove it where nothing needs it: `systemctl disable --now {unit}`"),
            ));
        }
    }
    if facts.one("containerd-config") == "foreign" && !facts.one("containerd").is_empty() {
        found.push(Found::new(
            Level::Warning,
            "/etc/containerd/config.toml is somebody else's",
            "our own: systemd cgroups, the pause image and the CNI directory are set in it",
            "nothing, if it may be replaced; what is in it for registries belongs under `registries` in the inventory",
        ));
    }
    found
}

/// The containerd that the host has, or will have: there is one, and it goes with this Kubernetes.
pub(super) fn containerd(look: &Look<'_>) -> Vec<Found> {
    let facts = look.facts;
    if !look.host.is_node() || look.joined() {
        return Vec::new();
    }
    let context = Context {
        cluster: look.cluster,
        host: look.host,
        facts,
        artifacts: look.artifacts,
    };
    let missing = runtime::artifact(&context).is_none() && facts.one("containerd").is_empty();
    if missing && facts.family == Family::RedHat {
        return vec![Found::new(
            Level::Failure,
            "no containerd: the distribution has no package of it, the artifact source no archive",
            "containerd and runc, on the host or in the artifact source",
            "add containerd's static archive and runc to the bundle (`baremetal bundle add`), or install `containerd.io` on the host",
        )];
    }
    let version = &look.cluster.version;
    let (Some(containerd), Some(minor)) = (runtime::version(&context), catalog().minor(version))
    else {
        return Vec::new();
    };
    let Err(ranges) = minor.containerd_fits(&containerd) else {
        return Vec::new();
    };
    // The kubelet of 1.36 no longer speaks with it.
    let level = if version.minor >= 36 && containerd.major < 2 {
        Level::Failure
    } else if look.host.lab {
        return Vec::new();
    } else {
        Level::Warning
    };
    let fix = if runtime::artifact(&context).is_some() {
        "choose another one with `runtime.version`, or another bundle"
    } else {
        "set `runtime: {source: artifact}` in the inventory"
    };
    vec![Found::new(
        level,
        format!("containerd {containerd}"),
        format!("{ranges} with Kubernetes {version}, say its makers"),
        fix,
    )]
}

/// haproxy and keepalived that serve somebody else already, on a host that is to hold the virtual IP.
pub(super) fn load_balancer(look: &Look<'_>) -> Vec<Found> {
    if !holds(look) {
        return Vec::new();
    }
    [
        ("haproxy", "/etc/haproxy/haproxy.cfg"),
        ("keepalived", "/etc/keepalived/keepalived.conf"),
    ]
    .into_iter()
    .filter(|(name, _)| {
        look.facts.unit_active(&format!("{name}.service"))
            && look.facts.one(&format!("{name}-config")) == "foreign"
    })
    .map(|(name, file)| {
        Found::new(
            Level::Failure,
            format!("{name} runs with a configuration of somebody else's: {file}"),
            format!("{name} for the API alone: the file would be replaced"),
            format!("choose other hosts for the endpoint, or move the file away and `systemctl stop {name}` where nothing needs it"),
        )
    })
    .collect()
}

/// Whether the host is one of those that may hold the virtual IP.
fn holds(look: &Look<'_>) -> bool {
    let mut holders = look.cluster.vip_holders();
    holders.any(|host| host.name == look.host.name)
}

/// haproxy may neither listen on the API's port nor connect to it, and keepalived's check may not ask haproxy.
fn confined(look: &Look<'_>) -> Option<Found> {
    if !holds(look) {
        return None;
    }
    let off: Vec<String> = ["haproxy_connect_any", "keepalived_connect_any"]
        .into_iter()
        .filter(|name| look.facts.about("seboolean", name) != Some("on"))
        .map(|name| format!("{name}=on"))
        .collect();
    if off.is_empty() {
        return None;
    }
    // Where it runs, somebody has found another way.
    let runs = ["haproxy.service", "keepalived.service"];
    let level = if look.facts.one("balancer") == "ours"
        && runs.iter().all(|unit| look.facts.unit_active(unit))
    {
        Level::Warning
    } else {
        look.real()
    };
    Some(Found::new(
        level,
        "SELinux is enforcing, and confines haproxy and keepalived",
        "haproxy that may use the API's ports, and keepalived that may ask haproxy",
        format!("`setsebool -P {}`", off.join(" ")),
    ))
}

pub(super) fn selinux(look: &Look<'_>) -> Vec<Found> {
    if look.facts.one("selinux") != "1" {
        return Vec::new();
    }
    let confined = confined(look);
    if confined.is_some() || !look.host.is_node() || look.joined() {
        return confined.into_iter().collect();
    }
    vec![Found::new(
        Level::Warning,
        "SELinux is enforcing",
        "container-selinux, which is installed, and add-ons that come with labels of their own",
        "nothing; look for `denied` in /var/log/audit/audit.log when a pod may not do what it should",
    )]
}
