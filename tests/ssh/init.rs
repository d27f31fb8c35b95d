//! `baremetal init` looks at a real host over SSH.

use std::{fs, process::Stdio};

use super::sshd::Sshd;
use crate::support::run;

#[test]
fn init_sees_the_host_and_writes_an_inventory_that_loads() {
    let sshd = Sshd::start();
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| sshd.file(name).display().to_string();
    let config = format!(
        "Host node-a\n  HostName 127.0.0.1\n  Port {}\n  User root\n  IdentityFile {}\n  IdentitiesOnly yes\n  UserKnownHostsFile {}\n",
        sshd.port,
        path("user_key"),
        path("known_hosts")
    );
    fs::write(directory.path().join("ssh_config"), config).unwrap();
    let init = |more: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_baremetal"));
        command
            .args([
                "init",
                "lab.yaml",
                "--ssh-config",
                "ssh_config",
                "--ssh-host",
                "node-*",
                "--yes",
            ])
            .args(more)
            .current_dir(directory.path())
            .env_remove("BAREMETAL_BUNDLE")
            .stdin(Stdio::null());
        run(&mut command)
    };
    init(&["--endpoint", "192.0.2.10", "--metallb", "none"]).ok();
    let text = fs::read_to_string(directory.path().join("lab.yaml")).unwrap();
    assert!(
        text.contains("\n  node-a: {address: node-a, node-ip: "),
        "{text}"
    );
    assert!(text.contains("It has the address of every host."), "{text}");
    let cluster = baremetal::inventory::load(&directory.path().join("lab.yaml")).unwrap();
    assert!(!cluster.hosts[0].node_ip.is_loopback());
    assert!(cluster.hosts[0].interface.is_some());
    // A host whose key nobody knows is not worked on, and nothing is written.
    fs::write(sshd.file("known_hosts"), "").unwrap();
    let refused = init(&["--force", "--cluster", "other"]).code(4);
    assert!(
        refused
            .stderr
            .contains("cannot be worked on (node-a); nothing was written"),
        "{}",
        refused.stderr
    );
    assert_eq!(
        fs::read_to_string(directory.path().join("lab.yaml")).unwrap(),
        text
    );
}
