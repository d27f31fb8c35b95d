//! Host keys that are not known yet: shown by fingerprint, and trusted when the user says so.

use std::{io, path::PathBuf, process::Stdio, time::Duration};

use tokio::process::Command;

use super::config;
use crate::inventory::Host;

/// A key that a host showed and no `known_hosts` file has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// `ED25519 SHA256:…`, as `ssh` and `ssh-keygen -l` show it.
    pub fingerprint: String,
    /// The line for `known_hosts`.
    pub line: String,
    /// The file that ssh looks into for this host; `None` where it does not say.
    pub file: Option<PathBuf>,
}

/// Trusts keys from now on: appends them to the host's own `known_hosts` file, else to the user's.
pub fn accept(host: &Host, keys: &[HostKey]) -> io::Result<()> {
    use std::{
        io::Write as _,
        os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    };
    let looked_into = keys.iter().find_map(|key| key.file.clone());
    let path = match host.ssh.known_hosts.clone().or(looked_into) {
        Some(path) => path,
        None => std::env::home_dir()
            .ok_or_else(|| io::Error::other("no home directory"))?
            .join(".ssh/known_hosts"),
    };
    if let Some(parent) = path.parent() {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    for key in keys {
        writeln!(file, "{}", key.line)?;
    }
    Ok(())
}

/// Asks the host (through its jump hosts) for the keys that are not known; nothing is trusted by that.
///
/// ssh itself is made to note them in a file of ours: so they are of the type and under the name that it will look for.
pub(super) async fn unknown(
    host: &Host,
    base: &std::path::Path,
    timeout: Duration,
) -> Vec<HostKey> {
    let settings = base.with_extension("probe");
    let keys = base.with_extension("keys");
    let known = known_files(host, base).await;
    let mut text = format!(
        "Match all\n    UserKnownHostsFile \"{}\"{known}\n    HashKnownHosts no\n",
        keys.display(),
    );
    let Ok(rest) = config::file(host, true, timeout) else {
        return Vec::new();
    };
    text.push_str(&rest);
    if tokio::fs::write(&settings, text).await.is_err() {
        return Vec::new();
    }
    let mut command = Command::new("ssh");
    command
        .args(config::arguments(host, &settings))
        .args(["-o", "PreferredAuthentications=none", "-N"])
        .arg(&host.address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    // It fails for want of a login; the key is noted before that.
    let _ = tokio::time::timeout(timeout, command.status()).await;
    // ssh's own word for it: it heeds the user's configuration, and not `HOME`.
    let file = known.split_whitespace().next().map(PathBuf::from);
    let mut found = read(&keys).await;
    for key in &mut found {
        key.file = file
            .clone()
            .filter(|file| file.is_absolute() && !file.starts_with("/dev"));
    }
    found
}

/// The files that ssh looks into without us, each with a space before it.
async fn known_files(host: &Host, base: &std::path::Path) -> String {
    let ask = Command::new("ssh")
        .arg("-G")
        .args(config::arguments(host, &base.with_extension("conf")))
        .arg(&host.address)
        .stdin(Stdio::null())
        .output()
        .await;
    let Ok(answer) = ask else {
        return String::new();
    };
    String::from_utf8_lossy(&answer.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("userknownhostsfile "))
        .map(|files| format!(" {files}"))
        .unwrap_or_default()
}

async fn read(path: &PathBuf) -> Vec<HostKey> {
    let Ok(lines) = tokio::fs::read_to_string(path).await else {
        return Vec::new();
    };
    let list = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .await;
    let list = list.map(|output| output.stdout).unwrap_or_default();
    let list = String::from_utf8_lossy(&list);
    lines
        .lines()
        .zip(list.lines())
        .map(|(line, listed)| HostKey {
            fingerprint: fingerprint(listed),
            line: line.to_owned(),
            file: None,
        })
        .collect()
}

/// `ED25519 SHA256:…` of `256 SHA256:… name (ED25519)`.
fn fingerprint(listed: &str) -> String {
    let hash = listed.split_whitespace().nth(1).unwrap_or("?");
    let kind = listed
        .rsplit_once('(')
        .map_or("", |(_, kind)| kind.trim_end_matches(')'));
    format!("{kind} {hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_as_ssh_shows_it() {
        assert_eq!(
            fingerprint("256 SHA256:AbC [127.0.0.1]:2222 (ED25519)"),
            "ED25519 SHA256:AbC"
        );
    }
}
