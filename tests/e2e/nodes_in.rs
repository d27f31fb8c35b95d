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

const REMARK: &str = "# the owner's own remark\n";

#[test]
#[ignore = "needs a container engine"]
fn e2e_nodes_in() {
    let lab = Lab::new("e2e-in", 74, BEFORE);
    let text = fs::read_to_string(lab.inventory()).unwrap();
    fs::write(lab.inventory(), format!("{REMARK}{text}")).unwrap();
    lab.up().ok();
    let watch = Watch::new(&lab);

    a_worker_from_another_machine(&lab);
    control_planes_through_kills(&lab);
    assert_eq!(ready(&lab), 5);
    assert_eq!(lab.vip_holders(THREE_AND_TWO).len(), 1);
    let text = fs::read_to_string(lab.inventory()).unwrap();
    assert!(text.starts_with(REMARK), "{text}");
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
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (
        lab.state().join("baremetal/lab"),
        home.path().join("state/baremetal"),
    );
    fs::create_dir_all(&to).unwrap();
    run(Command::new("cp").arg("-a").arg(&from).arg(&to)).ok();
    fs::remove_file(lab.kubeconfig()).unwrap();
    let worker = format!("w2={}.22", lab.net);
    let done = run(add(lab, &[&worker, "--label", "disk=ssd"])
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
    let text = fs::read_to_string(lab.inventory()).unwrap();
    assert!(
        text.contains("  w2: ") && text.contains("disk: ssd"),
        "{text}"
    );
    lab.run(&["kubeconfig"], &[]).ok();
    let labelled = ["get", "nodes", "-l", "disk=ssd", "-o", "name"];
    assert_eq!(lab.kubectl(&labelled).ok().stdout.trim(), "node/w2");
    let again = run(&mut add(lab, &["w2"])).ok().finished();
    assert_eq!(again["mutating"], 0, "{again}");
    assert!(
        again["message"].as_str().unwrap().contains("nothing to do"),
        "{again}"
    );
}

/// Two control planes; every run is killed at a place where none was killed before, until one ends.
fn control_planes_through_kills(lab: &Lab) {
    let [cp2, cp3] = [12, 13].map(|last| format!("cp{}={}.{last}", last - 10, lab.net));
    let planes = [cp2.as_str(), &cp3, "--role", "control-plane"];
    let before = fs::read_to_string(lab.inventory()).unwrap();
    let shown = lab.run(&["add-node"], &[&planes[..], &["--dry-run"]].concat());
    let shown = shown.ok();
    for words in [
        "haproxy.cfg",
        "server cp3",
        "kubeadm join as control plane",
        "+  cp3: ",
    ] {
        let said = shown.text();
        assert!(said.contains(words), "no `{words}` in {said}");
    }
    let mut known = BTreeSet::new();
    while let Some(boundary) = killed_at_a_new_boundary(lab, &planes, &known) {
        let text = fs::read_to_string(lab.inventory()).unwrap();
        assert_eq!(text, before, "{boundary}");
        known.insert(boundary);
        assert!(known.len() < 40, "no run came to its end: {known:?}");
    }
    assert!(known.len() > 8, "only {known:?}");
    let tokens = lab
        .kubectl(&["get", "secrets", "-n", "kube-system", "-o", "name"])
        .ok()
        .stdout;
    assert!(!tokens.contains("bootstrap-token"), "{tokens}");
    assert_eq!(voters(lab, "cp3"), ["cp1", "cp2", "cp3"]);
}

/// Names of etcd's members, of which none is a learner.
fn voters(lab: &Lab, host: &str) -> Vec<String> {
    let list = lab.on(
        host,
        "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt \
         --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key member list -w json",
    );
    let list: Value = serde_json::from_str(&list.ok().stdout).unwrap();
    let members = list["members"].as_array().unwrap();
    assert!(
        members.iter().all(|member| member["isLearner"] != true),
        "{list}"
    );
    let names = members
        .iter()
        .map(|member| member["name"].as_str().unwrap().to_owned());
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

fn killed_at_a_new_boundary(
    lab: &Lab,
    planes: &[&str],
    known: &BTreeSet<String>,
) -> Option<String> {
    let mut child = add(lab, planes)
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
        // What a host needs before it joins is killed through by the tests of `up`.
        let (phase, title) = (event["phase"].as_str().unwrap(), &event["title"]);
        let boundary = match (phase, kind) {
            ("join-control-plane", "step-finished") => format!("{title} on {host}"),
            ("load-balancer" | "join-control-plane" | "node-metadata" | "verify", _) => {
                format!("{phase} {kind}")
            }
            _ => continue,
        };
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
    let before = fs::read_to_string(lab.inventory()).unwrap();
    let fourth = format!("cp4={}.14", lab.net);
    let even = lab.run(&["add-node"], &[&fourth, "--role", "control-plane"]);
    let said = even.code(3).text();
    assert!(said.contains("allow-even-control-planes"), "{said}");
    assert_eq!(fs::read_to_string(lab.inventory()).unwrap(), before);
    // The machine burnt down, and a new one has its name and address.
    lab.destroy("cp3");
    lab.run(&["lab", "up"], &[]).ok();
    let dead = lab.run(&["add-node"], &["cp3"]).code(8);
    for words in ["cp3: ", "remove-node", "--dead"] {
        let said = dead.text();
        assert!(said.contains(words), "no `{words}` in {said}");
    }
}

/// One control plane, three, five; one of them burns down and is replaced; and back to one, the first one first.
#[test]
#[ignore = "needs a container engine"]
fn e2e_in_and_out() {
    let lab = Lab::new("e2e-in-out", 75, BEFORE);
    lab.up().ok();
    let watch = Watch::new(&lab);
    let yes = format!("--yes={}", lab.name);
    for pair in [[2, 3], [4, 5]] {
        let [first, second] = pair.map(|number| format!("cp{number}={}.{}", lab.net, number + 10));
        let planes = [first.as_str(), &second, "--role", "control-plane"];
        lab.run(&["add-node"], &planes).ok();
    }
    assert_eq!(voters(&lab, "cp1"), ["cp1", "cp2", "cp3", "cp4", "cp5"]);

    lab.destroy("cp5");
    let dead = ["cp5", "--dead", "--keep-entry", &yes];
    lab.run(&["remove-node"], &dead).ok();
    lab.run(&["lab", "up"], &[]).ok();
    lab.run(&["add-node"], &["cp5"]).ok();
    assert_eq!(voters(&lab, "cp1"), ["cp1", "cp2", "cp3", "cp4", "cp5"]);

    lab.run(&["remove-node"], &["cp1", "cp2", &yes]).ok();
    assert_eq!(voters(&lab, "cp5"), ["cp3", "cp4", "cp5"]);
    lab.run(&["remove-node"], &["cp3", "cp4", &yes]).ok();
    assert_eq!(voters(&lab, "cp5"), ["cp5"]);
    let gap = watch.end();
    assert!(gap < Duration::from_secs(5), "no answer for {gap:?}");
    let end = lab.up().ok().finished();
    assert_eq!(end["changed"], 0, "{end}");
    assert_eq!(ready(&lab), 2);
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
