//! `status` as a user calls it, against real sshds on loopback: whoever is silent keeps nobody waiting.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::sshd::{Sshd, free_port};
use crate::support::{Run, run};

/// `cp1` answers, `cp2` accepts and says nothing, `cp3` refuses, `w1` logs in and hangs.
struct Hosts {
    sshd: Sshd,
    _hanging: Sshd,
    _silent: TcpListener,
}

impl Hosts {
    fn start() -> Self {
        let sshd = Sshd::start();
        let hanging = Sshd::start_with("ForceCommand sleep 60");
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let of = |sshd: &Sshd, port: u16| {
            let at = |name: &str| sshd.file(name).display().to_string();
            format!(
                "ssh: {{user: root, port: {port}, key: {}, config: /dev/null, known-hosts: {}}}",
                at("user_key"),
                at("known_hosts")
            )
        };
        let silent_port = silent.local_addr().unwrap().port();
        let text = format!(
            "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n  \
             cp1: {{address: 127.0.0.1, node-ip: 10.0.0.11, role: control-plane, {}}}\n  \
             cp2: {{address: localhost, node-ip: 10.0.0.12, role: control-plane, {}}}\n  \
             cp3: {{address: 127.0.0.3, node-ip: 10.0.0.13, role: control-plane, {}}}\n  \
             w1: {{address: 127.0.0.2, node-ip: 10.0.0.21, {}}}\n",
            of(&sshd, sshd.port),
            of(&sshd, silent_port),
            of(&sshd, free_port()),
            of(&hanging, hanging.port),
        );
        std::fs::write(sshd.file("inventory.yaml"), text).unwrap();
        Self {
            sshd,
            _hanging: hanging,
            _silent: silent,
        }
    }

    fn status(&self, more: &[&str]) -> Run {
        run(Command::new(env!("CARGO_BIN_EXE_baremetal"))
            .current_dir(self.sshd.directory.path())
            .args(["status", "inventory.yaml"])
            .args(more)
            .env_remove("BAREMETAL_BUNDLE")
            .env("XDG_STATE_HOME", self.sshd.file("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null()))
    }
}

#[test]
fn a_silent_host_is_named_in_time_and_the_others_are_shown() {
    let hosts = Hosts::start();
    // More than by default: a machine that builds meanwhile logs in slowly.
    let json = hosts.status(&["-o", "json", "--timeout", "10"]).code(4);
    assert!(json.took.as_secs() < 13, "{:?}", json.took);
    assert_eq!(json.stderr, "");
    assert_eq!(json.stdout.lines().count(), 1);
    let status: Value = serde_json::from_str(&json.stdout).unwrap();
    let why = |index: usize| status["hosts"][index]["unreachable"].as_str();
    assert_eq!(why(0), None, "{status}");
    for (index, reason) in [
        (1, "did not answer within 5 s"),
        (2, "refuse"),
        (3, "did not answer within "),
    ] {
        let said = why(index).unwrap();
        assert!(said.contains(reason), "{said}");
    }
    assert!(
        !hosts.sshd.file("state/baremetal/runs").exists(),
        "a look leaves no log"
    );

    let table = hosts.status(&["--timeout", "2"]).code(4);
    assert!(table.took.as_secs() < 5, "{:?}", table.took);
    assert!(
        table.stdout.starts_with(
            "home: NOT EVERYTHING COULD BE ASKED\nKubernetes 1.33.4, API at 10.0.0.10:6443\n"
        ),
        "{}",
        table.stdout
    );
    assert!(
        table.stdout.contains("  - cp3 was not reached: "),
        "{}",
        table.stdout
    );
    assert_eq!(table.stderr, "");
}

/// Ends with the test, however that ends.
struct Watching(std::process::Child);

impl Watching {
    fn start(hosts: &Hosts) -> (Self, impl Iterator<Item = String> + use<>) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_baremetal"))
            .current_dir(hosts.sshd.directory.path())
            .args([
                "status",
                "inventory.yaml",
                "-o",
                "json",
                "--watch=1",
                "--timeout",
                "2",
            ])
            .env_remove("BAREMETAL_BUNDLE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        (
            Self(child),
            std::io::BufRead::lines(stdout).map(Result::unwrap),
        )
    }

    fn code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("it goes on");
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn it_is_shown_again_until_it_is_interrupted_or_nobody_reads() {
    let hosts = Hosts::start();
    let (mut watching, mut lines) = Watching::start(&hosts);
    for _ in 0..2 {
        let status: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        assert_eq!(status["cluster"], "home");
    }
    let interrupt = ["-INT", &watching.0.id().to_string()];
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(watching.code(), Some(0));

    let (mut watching, lines) = Watching::start(&hosts);
    drop(lines);
    assert_eq!(watching.code(), Some(0));
}
