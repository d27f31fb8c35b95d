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
    // Bare hosts are there before anybody runs `up` on them.
    lab.run(&["lab", "up"], &[]).ok();
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

const MANY: usize = 200;

/// `check` on 200 hosts: one SSH server of our own under 200 addresses of the loopback network. This machine plays all of them, so
/// what is compared is as many `ssh true` to the same server; figures of processor time do not depend on what else runs here.
fn many_hosts() {
    for (kind, settings) in [
        ("key exchange of OpenSSH 9.0 and later", ""),
        // Debian 11, Ubuntu 22.04, RHEL 9: most of the time of a login is the client's part of the newer one.
        (
            "key exchange of hosts older than that",
            "KexAlgorithms curve25519-sha256\n",
        ),
    ] {
        println!("{MANY} loopback hosts, {kind}:");
        let server = LoopbackServer::start(settings);
        let inventory = server.inventory();
        let bare = measure(&server, || server.many_logins());
        let mut peak = 0;
        let ours = measure(&server, || peak = check(&inventory));
        row(
            "    `check`",
            ours.took,
            "as many `ssh true`, paced alike",
            bare.took,
        );
        row(
            "    processor time on our side",
            ours.client,
            "`ssh true`",
            bare.client,
        );
        row(
            "    processor time on the hosts' side",
            ours.hosts,
            "`ssh true`",
            bare.hosts,
        );
        println!("    {} MiB in our process", peak / 1024);
    }
}

/// What something cost: on the clock, and of processors on either side of the connections.
struct Cost {
    took: Duration,
    client: Duration,
    hosts: Duration,
}

fn measure(server: &LoopbackServer, work: impl FnOnce()) -> Cost {
    let client = || processor_time("self", false);
    let hosts = || processor_time(&server.child.id().to_string(), true);
    let (start, before, hosts_before) = (Instant::now(), client(), hosts());
    work();
    let (took, spent) = (start.elapsed(), client().saturating_sub(before));
    // Until the server has waited for the last of its sessions.
    std::thread::sleep(Duration::from_secs(2));
    Cost {
        took,
        client: spent,
        hosts: hosts().saturating_sub(hosts_before),
    }
}

/// Processor time of a process's children that it has waited for, and of itself where `own` says so (proc(5), `stat`).
fn processor_time(process: &str, own: bool) -> Duration {
    const TICK: Duration = Duration::from_millis(10);
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a process");
    let (_, rest) = stat.rsplit_once(')').expect("a name in brackets");
    let times: Vec<u32> = rest
        .split_whitespace()
        .skip(11)
        .take(4)
        .map(|field| field.parse().expect("a number"))
        .collect();
    let ticks: u32 = times[if own { 0 } else { 2 }..].iter().sum();
    TICK * ticks
}

/// Runs `check`; the most memory that it held, in KiB.
fn check(inventory: &Path) -> u64 {
    let events = inventory.with_extension("events");
    let mut child = Command::new(env!("CARGO_BIN_EXE_baremetal"))
        .arg("check")
        .arg(inventory)
        // All these hosts are one machine: they cannot all listen on the same ports.
        .args(["--skip-check", "wire"])
        .args(["--output", "json", "--parallel", "200"])
        .env("BAREMETAL_BUNDLE", support::bundle())
        .stdout(fs::File::create(&events).expect("a file"))
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
    // Hosts that were given up are no fast hosts.
    let events = fs::read_to_string(events).expect("events");
    let reached = events.matches("\"host-connected\"").count();
    assert_eq!(reached, MANY, "{events}");
    assert!(!events.contains("\"host-unreachable\""), "{events}");
    peak
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
    fn start(settings: &str) -> Self {
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
             PermitRootLogin yes\nMaxStartups 1000\nMaxSessions 100\nPidFile none\n\
             SetEnv HOME={}\n{settings}",
            at("host"),
            at("authorized_keys"),
            // The login shell of a bare host: what this machine's user has in a profile is no cost of a host.
            directory.path().display()
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

    fn file(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn address(number: usize) -> String {
        format!("127.9.{}.{}", number / 100, number % 100 + 1)
    }

    fn inventory(&self) -> PathBuf {
        let mut text = format!(
            "cluster: many\nkubernetes: 1.33.4\nendpoint: 127.9.255.1\n\
             ssh: {{user: root, port: {}, key: {}, known-hosts: {}}}\nhosts:\n",
            self.port,
            self.file("key"),
            self.file("known_hosts")
        );
        for number in 0..MANY {
            let role = if number < 3 {
                "control-plane"
            } else {
                "worker"
            };
            let address = Self::address(number);
            text.push_str(&format!(
                "  h{number}: {{address: {address}, role: {role}}}\n"
            ));
        }
        let inventory = self.directory.path().join("many.yaml");
        fs::write(&inventory, text).expect("the inventory");
        inventory
    }

    /// `ssh true` on every host, as many at once as `check` has logins in progress.
    fn many_logins(&self) {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from) * 8;
        let numbers: Vec<usize> = (0..MANY).collect();
        let next = std::sync::Mutex::new(numbers.into_iter());
        std::thread::scope(|scope| {
            for _ in 0..at_once {
                scope.spawn(|| {
                    loop {
                        let number = next.lock().expect("no panic before").next();
                        let Some(number) = number else { break };
                        run(Command::new("ssh")
                            .args(["-F", "none", "-p", &self.port.to_string()])
                            .args(["-i", &self.file("key"), "-o", "BatchMode=yes", "-o"])
                            .arg(format!("UserKnownHostsFile={}", self.file("known_hosts")))
                            .arg(format!("root@{}", Self::address(number)))
                            .arg("true"))
                        .ok();
                    }
                });
            }
        });
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
