//! Hosts join a cluster that runs: from any machine, through kills, without touching anybody else, and with the API answering.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use serde_json::Value;

use crate::support::{
    HostLine, Lab, Run, THREE_AND_TWO, run,
    watch::{Watch, killed_at_a_new_boundary, phase_boundary},
};

const BEFORE: &[HostLine<'_>] = &[("cp1", "control-plane", 11), ("w1", "worker", 21)];

const REMARK: &str = "# the owner's own remark\n";

#[test]
#[ignore = "needs a container engine"]
fn e2e_nodes_in() {
    let lab = Lab::new("e2e-in", 74, BEFORE);
    let text = fs::read_to_string(lab.inventory()).unwrap();
    fs::write(lab.inventory(), format!("{REMARK}{text}")).unwrap();
    lab.up().ok();
    let watch = Watch::start(&lab);

    a_worker_from_another_machine(&lab);
    control_planes_through_kills(&lab);
    assert_eq!(ready(&lab), 5);
    assert_eq!(lab.vip_holders(THREE_AND_TWO).len(), 1);
    let text = fs::read_to_string(lab.inventory()).unwrap();
    assert!(text.starts_with(REMARK), "{text}");
    lab.nothing_to_do();
    let gap = watch.stop();
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
    while let Some(boundary) = killed_at_a_new_boundary(&mut add(lab, &planes), &known, boundary) {
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
    assert_eq!(
        lab.voters("cp3"),
        ["cp1", "cp2", "cp3"].map(str::to_owned).into()
    );
}

/// Where a run is killed, of what only `add-node` does: what a host needs before it joins is killed through by the tests of `up`.
fn boundary(event: &Value) -> Option<String> {
    let name = phase_boundary(event)?;
    let host = event["host"].as_str().expect("a step has a host");
    assert!(["cp1", "cp2", "cp3"].contains(&host), "{event}");
    match event["phase"].as_str()? {
        "join-control-plane" if event["event"] == "step-finished" => {
            Some(format!("{} on {host}", event["title"]))
        }
        "load-balancer" | "join-control-plane" | "node-metadata" | "verify" => Some(name),
        _ => None,
    }
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
    let watch = Watch::start(&lab);
    let yes = format!("--yes={}", lab.name);
    for pair in [[2, 3], [4, 5]] {
        let [first, second] = pair.map(|number| format!("cp{number}={}.{}", lab.net, number + 10));
        let planes = [first.as_str(), &second, "--role", "control-plane"];
        lab.run(&["add-node"], &planes).ok();
    }
    assert_eq!(
        lab.voters("cp1"),
        ["cp1", "cp2", "cp3", "cp4", "cp5"]
            .map(str::to_owned)
            .into()
    );

    lab.destroy("cp5");
    let dead = ["cp5", "--dead", "--keep-entry", &yes];
    lab.run(&["remove-node"], &dead).ok();
    lab.run(&["lab", "up"], &[]).ok();
    lab.run(&["add-node"], &["cp5"]).ok();
    assert_eq!(
        lab.voters("cp1"),
        ["cp1", "cp2", "cp3", "cp4", "cp5"]
            .map(str::to_owned)
            .into()
    );

    lab.run(&["remove-node"], &["cp1", "cp2", &yes]).ok();
    assert_eq!(
        lab.voters("cp5"),
        ["cp3", "cp4", "cp5"].map(str::to_owned).into()
    );
    lab.run(&["remove-node"], &["cp3", "cp4", &yes]).ok();
    assert_eq!(lab.voters("cp5"), ["cp5"].map(str::to_owned).into());
    let gap = watch.stop();
    assert!(gap < Duration::from_secs(5), "no answer for {gap:?}");
    lab.settled();
    lab.nothing_to_do();
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
