//! Hosts join a cluster that runs: from any machine, through kills, without touching anybody else, and with the API answering.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{HostLine, Lab, Run, THREE_AND_TWO, run};

const BEFORE: &[HostLine<'_>] = &[("cp1", "control-plane", 11), ("w1", "worker", 21)];

#[test]
#[ignore = "needs a container engine"]
fn e2e_nodes_in() {
    let lab = Lab::new("e2e-in", 71, BEFORE);
    lab.up().ok();
    let watch = Watch::new(&lab);

    a_worker_from_another_machine(&lab);
    control_planes_through_kills(&lab);
    assert_eq!(ready(&lab), 5);
    assert_eq!(lab.vip_holders(THREE_AND_TWO).len(), 1);
    let end = lab.up().ok().finished();
    assert_eq!(
        (&end["changed"], &end["mutating"]),
        (&0.into(), &0.into()),
        "{end}"
    );
    let gap = watch.end();
    assert!(gap < Duration::from_secs(5), "no answer for {gap:?}");

    what_is_refused(&lab);
}

/// `add-node` with events.
fn add(lab: &Lab, more: &[&str]) -> Command {
    let mut command = lab.command(&["add-node"], more);
    command.args(["--output", "json"]);
    command
}

/// With nothing but the inventory and a key: another home, no kubeconfig, no log of an earlier run.
fn a_worker_from_another_machine(lab: &Lab) {
    lab.write(&[BEFORE, &[("w2", "worker", 22)]].concat(), "");
    // Its machine is there before anybody asks for it.
    lab.run(&["lab", "up"], &[]).ok();
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (
        lab.state().join("baremetal/lab"),
        home.path().join("state/baremetal"),
    );
    fs::create_dir_all(&to).unwrap();
    run(Command::new("cp").arg("-a").arg(&from).arg(&to)).ok();
    fs::remove_file(lab.kubeconfig()).unwrap();
    let done = run(add(lab, &["w2"])
        .env("HOME", home.path())
        .env("XDG_STATE_HOME", home.path().join("state")))
    .ok();
    let end = done.finished();
    let touched: Vec<_> = end["mutating-on"].as_object().unwrap().keys().collect();
    assert_eq!(touched, ["cp1", "w2"], "{end}");
    for step in steps(&done) {
        let (host, phase) = (
            step["host"].as_str().unwrap(),
            step["phase"].as_str().unwrap(),
        );
        let through_the_api = ["join-worker", "node-metadata", "verify"].contains(&phase);
        assert!(host == "w2" || (host == "cp1" && through_the_api), "{step}");
    }
    let notes = done.text();
    assert!(
        notes.contains("elsewhere: cp1: token for the workers"),
        "{notes}"
    );
    lab.run(&["kubeconfig"], &[]).ok();
    assert_eq!(ready(lab), 3);
    let again = run(&mut add(lab, &["w2"])).ok().finished();
    assert_eq!(again["mutating"], 0, "{again}");
    assert!(
        again["message"].as_str().unwrap().contains("nothing to do"),
        "{again}"
    );
}

/// Two control planes; every run is killed at a place where none was killed before, until one ends.
fn control_planes_through_kills(lab: &Lab) {
    lab.write(THREE_AND_TWO, "");
    let shown = lab.run(&["add-node"], &["cp2", "cp3", "--dry-run"]).ok();
    for words in ["haproxy.cfg", "server cp3", "kubeadm join as control plane"] {
        let said = shown.text();
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    let mut known = BTreeSet::new();
    while let Some(boundary) = killed_at_a_new_boundary(lab, &known) {
        known.insert(boundary);
        assert!(known.len() < 40, "no run came to its end: {known:?}");
    }
    assert!(known.len() > 12, "only {known:?}");
    let tokens = lab
        .kubectl(&["get", "secrets", "-n", "kube-system", "-o", "name"])
        .ok()
        .stdout;
    assert!(!tokens.contains("bootstrap-token"), "{tokens}");
    let members = lab.on(
        "cp3",
        "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt \
         --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key member list -w json",
    );
    let members: Value = serde_json::from_str(&members.ok().stdout).unwrap();
    let members = members["members"].as_array().unwrap().clone();
    assert_eq!(members.len(), 3);
    assert!(members.iter().all(|member| member["isLearner"] != true));
}

fn killed_at_a_new_boundary(lab: &Lab, known: &BTreeSet<String>) -> Option<String> {
    let mut child = add(lab, &["cp2", "cp3"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let kind = event["event"].as_str().unwrap_or_default();
        if !["step-started", "step-finished"].contains(&kind) {
            continue;
        }
        let host = event["host"].as_str().unwrap();
        assert!(["cp1", "cp2", "cp3"].contains(&host), "{event}");
        let boundary = format!("{} {kind}", event["phase"].as_str().unwrap());
        if !known.contains(&boundary) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some(boundary);
        }
    }
    assert!(
        child.wait().unwrap().success(),
        "the run that nobody killed failed"
    );
    None
}

fn what_is_refused(lab: &Lab) {
    // The machine burnt down, and a new one has its name and address.
    lab.destroy("cp3");
    lab.run(&["lab", "up"], &[]).ok();
    let dead = lab.run(&["add-node"], &["cp3"]).code(8);
    for words in ["cp3: ", "remove-node", "--dead"] {
        let said = dead.text();
        assert!(said.contains(words), "no `{words}` in {said}");
    }
}

fn steps(run: &Run) -> Vec<Value> {
    let events = run.events().into_iter();
    events
        .filter(|event| event["event"] == "step-started")
        .collect()
}

fn ready(lab: &Lab) -> usize {
    let nodes = lab.kubectl(&["get", "nodes", "--no-headers"]).ok().stdout;
    nodes
        .lines()
        .filter(|line| line.contains(" Ready "))
        .count()
}

/// A client that asks the API through the virtual IP all the time.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Watch {
    fn new(lab: &Lab) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, asked) = (format!("https://{}:6443/readyz", lab.vip()), stop.clone());
        let thread = std::thread::spawn(move || {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !asked.load(Ordering::Relaxed) {
                let curl = ["-ksf", "--max-time", "1", &url];
                if run(Command::new("curl").args(curl)).code == Some(0) {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            longest.max(last.elapsed())
        });
        Self { stop, thread }
    }

    /// The longest time without an answer.
    fn end(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
