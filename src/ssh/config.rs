//! What `ssh` is told: our own needs first, the user's configuration for all the rest.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::inventory::Host;

/// Keys that ssh tries by itself; named again where an own key is added for jump hosts.
const DEFAULT_KEYS: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// The configuration file for one connection. It is given with `-F`, so that jump hosts are reached under the same rules:
/// the first value of an option wins, and the user's own files follow. Fails where the host's own file cannot be read.
pub(super) fn file(host: &Host, accept_new: bool, timeout: Duration) -> io::Result<String> {
    let mut text = String::from("Match all\n");
    let check = if accept_new { "accept-new" } else { "yes" };
    let seconds = timeout.as_secs().max(1);
    for (key, value) in [
        ("BatchMode", "yes"),
        ("ConnectionAttempts", "1"),
        ("ConnectTimeout", &seconds.to_string()),
        ("ServerAliveInterval", "5"),
        ("ServerAliveCountMax", "3"),
        ("TCPKeepAlive", "yes"),
        ("StrictHostKeyChecking", check),
        ("UpdateHostKeys", "no"),
        ("LogLevel", "INFO"),
        ("ForwardAgent", "no"),
        ("ForwardX11", "no"),
        ("PermitLocalCommand", "no"),
        ("RequestTTY", "no"),
        ("RemoteCommand", "none"),
        ("ControlMaster", "no"),
        ("ControlPath", "none"),
    ] {
        let _ = writeln!(text, "    {key} {value}");
    }
    text.push_str(&wishes(host)?);
    Ok(text)
}

/// What the inventory says of a host, then the user's own configuration.
fn wishes(host: &Host) -> io::Result<String> {
    let mut text = String::new();
    if let Some(path) = &host.ssh.known_hosts {
        let _ = writeln!(text, "    UserKnownHostsFile {}", quoted(path));
    }
    if host.ssh.jump.is_some() && host.ssh.key.is_some() {
        for path in jump_keys(host) {
            let _ = writeln!(text, "    IdentityFile {}", quoted(&path));
        }
    }
    text.push_str("Match all\n");
    match &host.ssh.config {
        // By content: ssh includes no file that others of the user's group may write, though it takes such a one with -F.
        Some(path) => text.push_str(&own_file(path)?),
        None => text.push_str("Include ~/.ssh/config\nMatch all\nInclude /etc/ssh/ssh_config\n"),
    }
    Ok(text)
}

fn own_file(path: &Path) -> io::Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("configuration `{}`: {error}", path.display()),
        )
    })
}

/// Arguments for an `ssh` that the user types into: the same way to the host, and nothing else decided. A configuration file
/// is left in `directory`, for as long as ssh runs.
pub fn interactive(host: &Host, directory: &Path) -> io::Result<Vec<OsString>> {
    let config = directory.join("config");
    std::fs::write(&config, format!("Match all\n{}", wishes(host)?))?;
    Ok(arguments(host, &config))
}

/// Options for the host alone, not for its jump hosts.
pub(super) fn arguments(host: &Host, config: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = vec!["-F".into(), config.into()];
    if let Some(user) = &host.ssh.user {
        arguments.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = host.ssh.port {
        arguments.extend(["-p".into(), port.to_string().into()]);
    }
    if let Some(key) = &host.ssh.key {
        // A server counts keys that it refuses: with many in the agent the right one might never be tried.
        arguments.extend(["-o".into(), "IdentitiesOnly=yes".into(), "-i".into()]);
        arguments.push(key.into());
    }
    if let Some(jump) = &host.ssh.jump {
        arguments.extend(["-J".into(), jump.into()]);
    }
    arguments
}

fn jump_keys(host: &Host) -> Vec<PathBuf> {
    let home = std::env::home_dir().unwrap_or_default();
    let defaults = DEFAULT_KEYS.map(|name| home.join(".ssh").join(name));
    host.ssh
        .key
        .iter()
        .cloned()
        .chain(defaults.into_iter().filter(|path| path.exists()))
        .collect()
}

/// In double quotes, as ssh's configuration takes paths with spaces.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display().to_string().replace('"', "\\\""))
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::inventory::{Role, Ssh};

    /// A host with nothing but a name, an address and settings for ssh.
    pub(crate) fn host(name: &str, address: &str, ssh: Ssh) -> Host {
        Host {
            name: name.to_owned(),
            address: address.to_owned(),
            node_ip: std::net::Ipv4Addr::LOCALHOST.into(),
            node_ip_v6: None,
            roles: vec![Role::ControlPlane],
            groups: Vec::new(),
            ssh,
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            taints: Vec::new(),
            interface: None,
            data_disks: Vec::new(),
            kubelet: serde_json::Map::new(),
            bmc: None,
            vrrp_priority: 100,
            schedulable: true,
            skip_checks: Vec::new(),
            lab: false,
            position: (1, 1),
        }
    }

    #[test]
    fn strict_unless_asked_otherwise_and_the_users_file_last() {
        let own = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(own.path(), "Host *\n  User me\n").unwrap();
        let ssh = Ssh {
            config: Some(own.path().to_owned()),
            known_hosts: Some("/k/known hosts".into()),
            ..Ssh::default()
        };
        let of = |ssh: Ssh, accept_new| {
            let host = host("a", "10.0.0.1", ssh);
            file(&host, accept_new, Duration::from_secs(9)).unwrap()
        };
        let text = of(ssh, false);
        assert!(text.contains("StrictHostKeyChecking yes\n"));
        assert!(text.contains("ConnectTimeout 9\n"));
        assert!(text.contains("UserKnownHostsFile \"/k/known hosts\""));
        assert!(text.ends_with("Match all\nHost *\n  User me\n"));
        let text = of(Ssh::default(), true);
        assert!(text.contains("StrictHostKeyChecking accept-new\n"));
        assert!(text.contains("Include ~/.ssh/config\n"));
    }

    #[test]
    fn what_the_inventory_leaves_open_is_left_to_ssh() {
        let none = arguments(&host("a", "a", Ssh::default()), Path::new("c"));
        assert_eq!(none, ["-F", "c"]);
        let ssh = Ssh {
            user: Some("ops".to_owned()),
            port: Some(2222),
            key: Some("/k".into()),
            jump: Some("b@c:22".to_owned()),
            ..Ssh::default()
        };
        let all = arguments(&host("a", "a", ssh), Path::new("c"));
        assert_eq!(
            all[2..],
            [
                "-l",
                "ops",
                "-p",
                "2222",
                "-o",
                "IdentitiesOnly=yes",
                "-i",
                "/k",
                "-J",
                "b@c:22"
            ]
        );
    }
}
