//! The host's real systemd and containerd, asked through their own clients.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    process::{Command, Stdio},
};

/// Runs `systemctl`; true where it succeeds.
pub fn systemctl(arguments: &[&str]) -> bool {
    quiet(Command::new("systemctl").args(arguments))
}

/// Whether systemd manages this host.
pub fn has_systemd() -> bool {
    std::path::Path::new("/run/systemd/system").exists()
}

/// Runs a command without output; true where it succeeds.
pub fn quiet(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// References in containerd's namespace of Kubernetes.
pub fn images() -> BTreeSet<String> {
    let listed = Command::new("ctr")
        .args(["-n", "k8s.io", "images", "ls", "-q"])
        .output();
    let listed = listed.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&listed)
        .lines()
        .map(str::to_owned)
        .collect()
}

/// Where a program is on PATH.
pub fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into(), "/usr/local/bin".into()])
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// The host's name as the kernel has it, in lower case.
pub fn hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_lowercase()
}
