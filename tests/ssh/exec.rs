//! `exec` and `ssh` as a user calls them, against a real sshd on two loopback addresses.

use std::process::{Command, Stdio};

use super::sshd::Sshd;
use crate::support::{Run, run};

pub struct Hosts {
    pub sshd: Sshd,
}

impl Hosts {
    /// `cp1`, `w1` and `w2`; nobody listens for `w2`.
    pub fn start() -> Self {
        let sshd = Sshd::start();
        let at = |name: &str| sshd.file(name).display().to_string();
        let text = format!(
            "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nssh: {{user: root, port: {}, key: {}, config: /dev/null, known-hosts: {}}}\n\
             hosts:\n  cp1: {{address: 127.0.0.1, node-ip: 10.0.0.11, role: control-plane}}\n  w1: {{address: 127.0.0.2, node-ip: 10.0.0.21, group: edge}}\n  \
             w2: {{address: 127.0.0.3, node-ip: 10.0.0.22}}\ngroups: {{edge: {{}}}}\n",
            sshd.port,
            at("user_key"),
            at("known_hosts")
        );
        std::fs::write(sshd.file("inventory.yaml"), text).unwrap();
        Self { sshd }
    }

    pub fn run(&self, verb: &str, more: &[&str]) -> Run {
        run(Command::new(env!("CARGO_BIN_EXE_baremetal"))
            .current_dir(self.sshd.directory.path())
            .args([verb, "inventory.yaml"])
            .args(more)
            .env_remove("BAREMETAL_BUNDLE")
            .env("XDG_STATE_HOME", self.sshd.file("state"))
            .env("NO_COLOR", "1")
            .stdin(Stdio::null()))
    }
}

#[test]
fn a_command_runs_on_the_hosts_that_are_meant_and_the_same_output_stands_once() {
    let hosts = Hosts::start();
    let same = hosts.run(
        "exec",
        &["--limit", "!w2", "--", "echo '::exit 7'; printf '  two'"],
    );
    assert_eq!(same.ok().stdout, "== cp1, w1\n::exit 7\n  two\n");
    let one = hosts.run("exec", &["--limit", "edge", "--", "echo", "a  b", "$HOME"]);
    assert_eq!(one.ok().stdout, "== w1\na  b $HOME\n");
    let wrong = hosts.run("exec", &["--limit", "w3", "--", "true"]).code(2);
    assert!(
        wrong
            .stderr
            .contains("no host, group or role is named `w3`")
            && wrong.stderr.contains("hosts: cp1, w1, w2; groups: edge;"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn the_exit_code_is_the_worst() {
    let hosts = Hosts::start();
    let line = "echo to-out; echo to-err >&2; case $SSH_CONNECTION in *127.0.0.2*) exit 9;; esac";
    let end = hosts
        .run("exec", &["--limit", "cp1,w1", "--", line])
        .code(9);
    assert_eq!(
        end.stdout,
        "== cp1\nto-out\nstderr: to-err\n\n== w1: exit 9\nto-out\nstderr: to-err\n"
    );
    assert!(
        end.stderr.contains("done on 1 of 2 hosts"),
        "{}",
        end.stderr
    );
    let missing = hosts.run("exec", &["--", "true"]).code(4);
    assert_eq!(missing.stdout, "== cp1, w1\n");
    assert!(
        missing.stderr.contains("w2   UNREACHABLE: ")
            && missing.stderr.contains("done on 2 of 3 hosts"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_command_that_hangs_is_ended_and_what_it_said_is_shown() {
    let hosts = Hosts::start();
    let hung = [
        "--limit",
        "cp1",
        "--timeout",
        "1",
        "--",
        "echo begun; sleep 60",
    ];
    let end = hosts.run("exec", &hung).code(4);
    assert_eq!(end.stdout, "== cp1: it did not end within 1 s\nbegun\n");
}

#[test]
fn a_pipeline_reads_an_event_per_host() {
    let hosts = Hosts::start();
    let run = hosts.run(
        "exec",
        &["--limit", "cp1", "--output", "json", "--", "echo x; exit 3"],
    );
    let events: Vec<serde_json::Value> = run
        .code(3)
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |name: &str| events.iter().find(|event| event["event"] == name).unwrap();
    let ran = of("host-ran");
    assert_eq!(
        (&ran["host"], &ran["status"], &ran["stdout"]),
        (&"cp1".into(), &3.into(), &"x\n".into())
    );
    assert_eq!(of("run-finished")["code"], 3);
}

#[test]
fn ssh_goes_the_way_of_the_inventory_and_passes_the_exit_code_on() {
    let hosts = Hosts::start();
    let end = hosts.run("ssh", &["w1", "--", "echo", "a  b"]).ok();
    assert_eq!(end.stdout, "a  b\n");
    hosts.run("ssh", &["cp1", "--", "exit 5"]).code(5);
    let unknown = hosts.run("ssh", &["cp9"]).code(2);
    assert!(
        unknown.stderr.contains("no host is named `cp9`")
            && unknown.stderr.contains("hosts: cp1, w1, w2"),
        "{}",
        unknown.stderr
    );
}

/// What `up` would need is not there; whoever wants to see to a host gets there all the same.
#[test]
fn neither_a_bundle_nor_a_key_is_needed_to_get_at_a_host() {
    let hosts = Hosts::start();
    let path = hosts.sshd.file("inventory.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let bare =
        "artifacts: {bundle: ./gone}\ncontrol-plane: {encryption: {key: {env: BM_NOT_SET}}}\n";
    std::fs::write(&path, text.replace("kubernetes: 1.33.4\n", bare)).unwrap();
    let line = "umask; echo here";
    let end = hosts.run("exec", &["--limit", "cp1", "--", line]).ok();
    // As after a login, not as our own scripts.
    assert_eq!(end.stdout, "== cp1\n0022\nhere\n");
    assert_eq!(
        hosts.run("ssh", &["cp1", "--", "echo here"]).ok().stdout,
        "here\n"
    );
    let kubeconfig = hosts.run("kubeconfig", &["--output", "json"]).code(4);
    for line in kubeconfig.stdout.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}
