//! Other software on the host.

use super::{Found, Level, Look};

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

pub(super) fn selinux(look: &Look<'_>) -> Vec<Found> {
    if look.facts.one("selinux") != "1" || !look.host.is_node() || look.joined() {
        return Vec::new();
    }
    vec![Found::new(
        Level::Warning,
        "SELinux is enforcing",
        "container-selinux, which is installed, and add-ons that come with labels of their own",
        "nothing; look for `denied` in /var/log/audit/audit.log when a pod may not do what it should",
    )]
}
