//! The rows of the design's table of numbers, as ratios measured in one run: `cargo bench`.
//!
//! Needs what `.ci/setup` installs, the stand-in bundle of `tests/standin.sh`, and a Python with `venv` for Ansible.

#![allow(
    clippy::print_stdout,
    reason = "the table of numbers is what a benchmark prints"
)]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "inventories and plays are short, and read best as they are written"
)]

#[path = "support/mod.rs"]
#[expect(dead_code, reason = "the end-to-end tests ask more of a lab")]
mod support;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use support::{Lab, Run, THREE_AND_TWO, run};

/// `cargo bench -- check` measures many hosts alone.
fn main() {
    if std::env::args().any(|word| word == "check") {
        return many_hosts();
    }
    let lab = Lab::new("bench", 60, THREE_AND_TWO);
    let first = lab.up().ok();
    whole_run(&first);
    nothing_to_do(&lab);
    many_hosts();
}

/// `up` on bare hosts against kubeadm's own time on the critical path and the transfer of artifacts.
fn whole_run(first: &Run) {
    let mut by_phase: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for event in first.events() {
        if event["event"] == "step-finished" {
            let phase = event["phase"].as_str().unwrap_or_default().to_owned();
            by_phase
                .entry(phase)
                .or_default()
                .push(event["ms"].as_u64().unwrap_or_default());
        }
    }
    let longest = |phase: &str| {
        by_phase
            .get(phase)
            .and_then(|all| all.iter().max())
            .copied()
            .unwrap_or(0)
    };
    let total = |phase: &str| by_phase.get(phase).map_or(0, |all| all.iter().sum());
    let kubeadm = longest("init") + total("join-control-plane") + longest("join-worker");
    let transfer = longest("binaries") + longest("images");
    let floor = Duration::from_millis(kubeadm + transfer);
    row(
        "`up` on five bare hosts",
        first.took,
        "kubeadm's critical path + transfer",
        floor,
    );
    for (phase, all) in &by_phase {
        println!(
            "    {phase:<20} {} steps, longest {} ms",
            all.len(),
            longest(phase)
        );
    }
}

/// Nothing to do: the whole `up`, an Ansible play that checks as much, and as many bare connections.
fn nothing_to_do(lab: &Lab) {
    let up = median(5, || lab.run(&["up"], &[]).ok().took);
    let end = lab.up().ok().finished();
    assert_eq!(end["mutating"], 0);
    let ssh = median(5, || parallel_ssh(lab));
    row(
        "`up`, nothing to do, five hosts",
        up,
        "five parallel `ssh true`",
        ssh,
    );
    let trips = end["round-trips"]
        .as_object()
        .map(|all| all.values().filter_map(Value::as_u64).max());
    println!(
        "    round trips per host, at most: {}",
        trips.flatten().unwrap_or(0)
    );
    let Some(ansible) = Ansible::install() else {
        println!("    Ansible could not be installed; no comparison");
        return;
    };
    ansible.play(lab).ok();
    let play = median(3, || ansible.play(lab).ok().took);
    row(
        "`up`, nothing to do, five hosts",
        up,
        "Ansible, the same checks, nothing to do",
        play,
    );
}

fn parallel_ssh(lab: &Lab) -> Duration {
    let start = Instant::now();
    let children: Vec<_> = THREE_AND_TWO
        .iter()
        .map(|(host, ..)| {
            let mut command = Command::new("ssh");
            command
                .args(ssh_options(lab))
                .arg(format!("root@{}", address(lab, host)))
                .arg("true");
            command.stdin(Stdio::null()).spawn().expect("ssh starts")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("ssh ends").success());
    }
    start.elapsed()
}

fn address(lab: &Lab, host: &str) -> String {
    let (.., last) = THREE_AND_TWO
        .iter()
        .find(|(name, ..)| *name == host)
        .expect("a host of the lab");
    format!("{}.{last}", lab.net)
}

fn state(lab: &Lab) -> PathBuf {
    lab.directory
        .path()
        .join("state/baremetal/lab")
        .join(&lab.name)
}

fn ssh_options(lab: &Lab) -> Vec<String> {
    let state = state(lab);
    vec![
        "-i".into(),
        state.join("id_ed25519").display().to_string(),
        "-o".into(),
        format!("UserKnownHostsFile={}", state.join("known_hosts").display()),
        "-o".into(),
        "BatchMode=yes".into(),
    ]
}

struct Ansible {
    python: PathBuf,
}

const PACKAGES: [&str; 5] = ["haproxy", "keepalived", "containerd", "conntrack", "socat"];
const SERVICES: [&str; 3] = ["containerd", "haproxy", "keepalived"];

impl Ansible {
    fn install() -> Option<Self> {
        let venv = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ansible");
        let python = venv.join("bin/python");
        if !venv.join("bin/ansible-playbook").exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
            let pip = run(Command::new(&python).args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "ansible-core>=2.18",
            ]));
            if pip.code != Some(0) {
                return None;
            }
        }
        Some(Self { python })
    }

    /// 20 files, a sysctl, services and packages on the control planes: what `up` looks at, without its binaries and images.
    fn play(&self, lab: &Lab) -> Run {
        let directory = lab.directory.path().join("ansible");
        fs::create_dir_all(&directory).expect("a directory");
        let files: Vec<_> = (0..20).map(|number| format!("bench-{number}")).collect();
        for file in &files {
            fs::write(directory.join(file), format!("{file}\n").repeat(40)).expect("a file");
        }
        fs::write(directory.join("play.yml"), playbook(&files)).expect("the play");
        let hosts: String = THREE_AND_TWO
            .iter()
            .map(|(name, role, _)| {
                format!("{name} ansible_host={} role={role}\n", address(lab, name))
            })
            .collect();
        fs::write(directory.join("hosts"), hosts).expect("the hosts");
        let extra = format!("--ssh-extra-args={}", ssh_options(lab).join(" "));
        run(Command::new(self.python.with_file_name("ansible-playbook"))
            .args([
                "--forks", "20", "-i", "hosts", "-u", "root", &extra, "play.yml",
            ])
            .current_dir(&directory)
            .env("ANSIBLE_PIPELINING", "True")
            .env("ANSIBLE_PYTHON_INTERPRETER", "/usr/bin/python3"))
    }
}

fn playbook(files: &[String]) -> String {
    let mut text = String::from("- hosts: all\n  gather_facts: true\n  tasks:\n");
    for file in files {
        text.push_str(&format!(
            "  - copy: {{src: {file}, dest: /var/tmp/{file}, mode: '0644'}}\n"
        ));
    }
    text.push_str("  - command: sysctl -n net.ipv4.ip_forward\n    changed_when: false\n");
    let packages = PACKAGES.join(", ");
    text.push_str(&format!(
        "  - apt: {{name: [{packages}], state: present}}\n    when: role == 'control-plane'\n"
    ));
    for service in SERVICES {
        text.push_str(&format!(
            "  - systemd: {{name: {service}, state: started, enabled: true}}\n    when: role == 'control-plane'\n"
        ));
    }
    text
}

/// `check` on 200 hosts: one SSH server of our own under 200 addresses of the loopback network.
fn many_hosts() {
    let server = LoopbackServer::start();
    let mut text = String::from("cluster: many\nkubernetes: 1.33.4\nendpoint: 127.9.255.1\n");
    text.push_str(&format!(
        "ssh: {{user: root, port: {}, key: {}, known-hosts: {}}}\nhosts:\n",
        server.port,
        server.directory.path().join("key").display(),
        server.directory.path().join("known_hosts").display()
    ));
    for number in 0..200u32 {
        let role = if number < 3 {
            "control-plane"
        } else {
            "worker"
        };
        text.push_str(&format!(
            "  h{number}: {{address: 127.9.{}.{}, role: {role}}}\n",
            number / 100,
            number % 100 + 1
        ));
    }
    let inventory = server.directory.path().join("many.yaml");
    fs::write(&inventory, text).expect("the inventory");
    let (check, peak) = check(&inventory);
    println!(
        "`check` on 200 loopback hosts: {:.1} s, {} MiB in our process",
        check.as_secs_f64(),
        peak / 1024
    );
    let one = run(Command::new("ssh")
        .args(["-p", &server.port.to_string(), "-i"])
        .arg(server.directory.path().join("key"))
        .args([
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ])
        .args(["root@127.9.0.1", "true"]))
    .ok();
    row(
        "`check` on 200 hosts",
        check,
        "200 × one `ssh true`",
        one.took * 200,
    );
}

/// How long `check` takes, and the most memory it held, in KiB.
fn check(inventory: &Path) -> (Duration, u64) {
    let start = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_baremetal"))
        .arg("check")
        .arg(inventory)
        .args(["--output", "json", "--parallel", "200"])
        .env("BAREMETAL_BUNDLE", support::bundle())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let status = Path::new("/proc")
        .join(child.id().to_string())
        .join("status");
    let mut peak = 0;
    while child
        .try_wait()
        .expect("the program can be asked")
        .is_none()
    {
        peak = peak.max(peak_kib(&status));
        std::thread::sleep(Duration::from_millis(20));
    }
    (start.elapsed(), peak)
}

fn peak_kib(status: &Path) -> u64 {
    fs::read_to_string(status)
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0)
}

struct LoopbackServer {
    child: std::process::Child,
    directory: tempfile::TempDir,
    port: u16,
}

impl LoopbackServer {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name).display().to_string();
        for key in ["key", "host"] {
            run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &at(key)]))
                .ok();
        }
        fs::copy(at("key.pub"), at("authorized_keys")).expect("a key");
        fs::create_dir_all("/run/sshd").expect("sshd's own directory");
        let port = 22_200;
        let host_key = fs::read_to_string(at("host.pub")).expect("a host key");
        fs::write(at("known_hosts"), format!("[127.9.*.*]:{port} {host_key}"))
            .expect("known hosts");
        let config = format!(
            "Port {port}\nListenAddress 0.0.0.0\nHostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nMaxStartups 1000\nMaxSessions 100\nPidFile none\n",
            at("host"),
            at("authorized_keys")
        );
        fs::write(at("sshd_config"), config).expect("sshd's configuration");
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f", &at("sshd_config")])
            .spawn()
            .expect("sshd starts");
        std::thread::sleep(Duration::from_millis(500));
        Self {
            child,
            directory,
            port,
        }
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn median(times: usize, mut work: impl FnMut() -> Duration) -> Duration {
    let mut all: Vec<_> = (0..times).map(|_| work()).collect();
    all.sort();
    all[times / 2]
}

fn row(what: &str, took: Duration, against: &str, other: Duration) {
    println!(
        "{what}: {:.2} s; {against}: {:.2} s; ratio {:.2}",
        took.as_secs_f64(),
        other.as_secs_f64(),
        took.as_secs_f64() / other.as_secs_f64()
    );
}
