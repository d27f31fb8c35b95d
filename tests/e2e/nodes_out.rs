//! Nodes leave: drained as budgets allow, dead or alive, the first control plane too; what must not leave stays.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{
    HostLine, Lab, Run, THREE_AND_TWO, bundle, kubectl,
    watch::{Watch, killed_at_a_new_boundary, phase_boundary},
};

const THREE_AND_ONE: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("cp2", "control-plane", 12),
    ("cp3", "control-plane", 13),
    ("w1", "worker", 21),
];
/// At most so long may the API not answer, whoever leaves.
const WITHIN: Duration = Duration::from_secs(5);

#[test]
#[ignore = "needs a container engine"]
fn e2e_out_workers() {
    let lab = Lab::new("e2e-out", 71, THREE_AND_TWO);
    lab.up().ok();
    two_pods_of_which_none_may_go(&lab);
    a_blocked_drain_leaves_everything_as_it_was(&lab);
    lab.kubectl(&["delete", "poddisruptionbudget", "web"]).ok();
    there_and_back(&lab);
    one_control_plane_at_a_time(&lab);
    replicas_move_first(&lab);
    a_worker_leaves(&lab);
}

#[test]
#[ignore = "needs a container engine"]
fn e2e_out_control_planes() {
    let lab = Lab::new("e2e-out-planes", 72, THREE_AND_ONE);
    lab.up().ok();
    let watch = Watch::start(&lab);
    the_first_one_leaves_although_we_are_killed(&lab);
    let gap = watch.stop();
    assert!(gap < WITHIN, "no answer for {gap:?}");
    it_comes_back(&lab);
    quorum_is_not_given_away(&lab);
    a_dead_one_leaves_and_is_replaced(&lab);
}

fn remove(lab: &Lab, names: &[&str], more: &[&str]) -> Run {
    let yes = format!("--yes={}", lab.name);
    let mut arguments = names.to_vec();
    arguments.push(&yes);
    arguments.extend(more);
    lab.run(&["remove-node"], &arguments)
}

/// Everything that a command which was refused, or undone, must leave as it was.
fn state(lab: &Lab) -> Value {
    let nodes = json_of(lab, &["get", "nodes"]);
    let nodes: Vec<Value> = items(&nodes)
        .map(|node| {
            let ours: Vec<_> = node["metadata"]["annotations"]
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(key, _)| key.starts_with("baremetal.dev/"))
                .collect();
            json!({
                "name": node["metadata"]["name"], "unschedulable": node["spec"]["unschedulable"],
                "annotations": ours, "labels": node["metadata"]["labels"],
            })
        })
        .collect();
    json!({
        "nodes": nodes,
        "members": lab.voters("cp3"),
        "inventory": fs::read_to_string(lab.inventory()).unwrap(),
        "haproxy": lab.on("cp3", "cat /etc/haproxy/haproxy.cfg").ok().stdout,
    })
}

fn json_of(lab: &Lab, arguments: &[&str]) -> Value {
    let mut all = arguments.to_vec();
    all.extend(["-o", "json"]);
    serde_json::from_str(&lab.kubectl(&all).ok().stdout).expect("kubectl prints JSON")
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

fn node(lab: &Lab, name: &str) -> Value {
    json_of(lab, &["get", "node", name])
}

fn nodes(lab: &Lab) -> BTreeSet<String> {
    items(&json_of(lab, &["get", "nodes"]))
        .filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

/// Names of the pods of `web` that run on a node.
fn pods_on(lab: &Lab, node: &str) -> Vec<String> {
    items(&json_of(lab, &["get", "pods", "-l", "app=web"]))
        .filter(|pod| pod["spec"]["nodeName"] == node)
        .filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

fn apply(lab: &Lab, documents: &[Value]) {
    let text: Vec<String> = documents.iter().map(Value::to_string).collect();
    let mut child = Command::new(kubectl())
        .arg("--kubeconfig")
        .arg(lab.kubeconfig())
        .args(["apply", "-f", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Begun like this it is YAML, whose documents may be JSON.
    let text = format!("---\n{}\n", text.join("\n---\n"));
    stdin.write_all(text.as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[track_caller]
fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn two_pods_of_which_none_may_go(lab: &Lab) {
    let coredns = json_of(lab, &["-n", "kube-system", "get", "deployment", "coredns"]);
    let image = &coredns["spec"]["template"]["spec"]["containers"][0]["image"];
    apply(
        lab,
        &[
            json!({
                "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
                "spec": {
                    "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [{"name": "web", "image": image}]},
                    },
                },
            }),
            json!({
                "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"},
                "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
            }),
        ],
    );
    lab.kubectl(&["rollout", "status", "deployment/web", "--timeout=90s"])
        .ok();
    eventually("the budget counts both pods", || {
        json_of(lab, &["get", "poddisruptionbudget", "web"])["status"]["currentHealthy"] == 2
    });
    assert_eq!(pods_on(lab, "w2").len(), 1);
}

fn a_blocked_drain_leaves_everything_as_it_was(lab: &Lab) {
    let before = state(lab);
    let pod = pods_on(lab, "w2").remove(0);
    let words = [
        format!("pod default/{pod} is kept by PodDisruptionBudget default/web"),
        "(2 of 2 healthy, 2 needed)".to_owned(),
        "as it was before".to_owned(),
    ];
    let blocked = remove(lab, &["w2"], &["--drain-timeout=7s", "--output", "json"]).code(6);
    for word in &words {
        assert!(blocked.text().contains(word), "{word}: {}", blocked.text());
    }
    assert_eq!(state(lab), before);
    let blocked = lab
        .run(
            &["maintenance", "on"],
            &["w2", "--drain-timeout=7s", "--output", "json"],
        )
        .code(6);
    for word in &words {
        assert!(blocked.text().contains(word), "{word}: {}", blocked.text());
    }
    assert_eq!(state(lab), before);
    assert_eq!(pods_on(lab, "w2"), [pod]);
    // Nobody has changed anything on the host.
    lab.on("w2", "systemctl is-active kubelet containerd").ok();
}

fn there_and_back(lab: &Lab) {
    let before = state(lab);
    lab.run(&["maintenance", "on"], &["w1", "--reason", "a new disk"])
        .ok();
    let w1 = node(lab, "w1");
    assert_eq!(w1["spec"]["unschedulable"], true);
    let mark = w1["metadata"]["annotations"]["baremetal.dev/maintenance"]
        .as_str()
        .expect("the node says who did that");
    let mark: Value = serde_json::from_str(mark).unwrap();
    assert_eq!(mark["reason"], "a new disk");
    assert!(mark["by"].as_str().is_some_and(|by| by.contains('@')));
    assert!(
        mark["since"]
            .as_str()
            .is_some_and(|since| since.ends_with('Z'))
    );
    assert!(pods_on(lab, "w1").is_empty());
    let again = lab.run(&["maintenance", "on"], &["w1"]).ok();
    assert!(again.text().contains("nothing to do"), "{}", again.text());
    // `up` leaves a node in maintenance as it is.
    lab.settled();
    lab.nothing_to_do();
    lab.run(&["maintenance", "off"], &["w1"]).ok();
    assert_eq!(state(lab), before);
    let again = lab.run(&["maintenance", "off"], &["w1"]).ok();
    assert!(again.text().contains("nothing to do"), "{}", again.text());
    there_and_back_although_we_are_killed(lab);
    // What somebody else cordoned stays so.
    lab.kubectl(&["cordon", "w1"]).ok();
    let before = state(lab);
    lab.run(&["maintenance", "on"], &["w1"]).ok();
    lab.run(&["maintenance", "off"], &["w1"]).ok();
    assert_eq!(state(lab), before);
    lab.kubectl(&["uncordon", "w1"]).ok();
}

fn there_and_back_although_we_are_killed(lab: &Lab) {
    let before = state(lab);
    for way in ["on", "off"] {
        let mut command = lab.command(&["maintenance", way], &["w1", "--output", "json"]);
        let mut known = BTreeSet::new();
        while let Some(name) = killed_at_a_new_boundary(&mut command, &known, phase_boundary) {
            known.insert(name);
            assert!(known.len() < 20, "{known:?}");
        }
        assert!(known.len() >= 2, "only {known:?}");
        let away = way == "on";
        assert_eq!(node(lab, "w1")["spec"]["unschedulable"] == true, away);
        // Nobody moves pods back.
        assert!(pods_on(lab, "w1").is_empty());
        if !away {
            assert_eq!(state(lab), before);
        }
        eventually("both pods run", || {
            pods_on(lab, "w1").len() + pods_on(lab, "w2").len() == 2
        });
    }
}

fn one_control_plane_at_a_time(lab: &Lab) {
    lab.run(&["maintenance", "on"], &["cp2", "--reason", "memory"])
        .ok();
    let before = state(lab);
    let second = lab.run(&["maintenance", "on"], &["cp1"]).code(8);
    for words in [
        "one control plane at a time",
        "cp2 is in maintenance",
        "(memory)",
    ] {
        assert!(second.text().contains(words), "{words}: {}", second.text());
    }
    assert_eq!(state(lab), before);
    lab.run(&["maintenance", "off"], &["cp2"]).ok();
}

/// Longhorn's own objects, kept by the stand-in's controller; with a real bundle Longhorn is not installed here.
fn replicas_move_first(lab: &Lab) {
    if !fs::read_to_string(bundle().join("bundle.yaml")).is_ok_and(|text| text.contains("stand-in"))
    {
        return;
    }
    longhorn(lab);
    // No other node takes them: refused, and nothing is changed.
    let before = (state(lab), longhorn_nodes(lab));
    let refused = remove(lab, &["w2"], &[]).code(8);
    assert!(
        refused.text().contains("no other node takes the replicas"),
        "{}",
        refused.text()
    );
    assert_eq!((state(lab), longhorn_nodes(lab)), before);
    // One that cannot go anywhere: undone when the time is over.
    longhorn_node(lab, "w1", true);
    replica(lab, "r2", "pvc-1", "w1");
    let before = (state(lab), longhorn_nodes(lab));
    let late = remove(lab, &["w2"], &["--replicas-timeout=4s", "--output", "json"]).code(6);
    assert!(
        late.text().contains("still has replicas on w2") && late.text().contains("pvc-1"),
        "{}",
        late.text()
    );
    assert_eq!((state(lab), longhorn_nodes(lab)), before);
    lab.kubectl(&[
        "-n",
        "longhorn-system",
        "delete",
        "replicas.longhorn.io",
        "r2",
    ])
    .ok();
}

fn longhorn(lab: &Lab) {
    let crd = |kind: &str, plural: &str| {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.longhorn.io")},
            "spec": {
                "group": "longhorn.io", "scope": "Namespaced",
                "names": {"kind": kind, "listKind": format!("{kind}List"), "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{
                    "name": "v1beta2", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                }],
            },
        })
    };
    apply(
        lab,
        &[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "longhorn-system"}}),
            crd("Node", "nodes"),
            crd("Replica", "replicas"),
            crd("Volume", "volumes"),
        ],
    );
    longhorn_node(lab, "w1", false);
    longhorn_node(lab, "w2", true);
    replica(lab, "r1", "pvc-1", "w2");
}

fn longhorn_node(lab: &Lab, name: &str, schedules: bool) {
    apply(
        lab,
        &[json!({
            "apiVersion": "longhorn.io/v1beta2", "kind": "Node",
            "metadata": {"name": name, "namespace": "longhorn-system"},
            "spec": {"allowScheduling": schedules, "evictionRequested": false},
        })],
    );
}

fn replica(lab: &Lab, name: &str, volume: &str, node: &str) {
    apply(
        lab,
        &[json!({
            "apiVersion": "longhorn.io/v1beta2", "kind": "Replica",
            "metadata": {"name": name, "namespace": "longhorn-system"},
            "spec": {"volumeName": volume, "nodeID": node, "healthyAt": "2026-01-01T00:00:00Z", "failedAt": ""},
        })],
    );
}

fn longhorn_nodes(lab: &Lab) -> Vec<Value> {
    let list = json_of(lab, &["-n", "longhorn-system", "get", "nodes.longhorn.io"]);
    items(&list)
        .map(|node| json!([node["metadata"]["name"], node["spec"]]))
        .collect()
}

fn a_worker_leaves(lab: &Lab) {
    let before = fs::read_to_string(lab.inventory()).unwrap();
    remove(lab, &["w2"], &[]).ok();
    assert!(!nodes(lab).contains("w2"));
    let after: Vec<&str> = before
        .lines()
        .filter(|line| !line.trim_start().starts_with("w2:"))
        .collect();
    let inventory = fs::read_to_string(lab.inventory()).unwrap();
    assert_eq!(inventory.lines().collect::<Vec<_>>(), after);
    eventually("both pods run on the worker that stayed", || {
        pods_on(lab, "w1").len() == 2
    });
    let left = lab.on(
        "w2",
        "ls /etc/kubernetes/kubelet.conf /var/lib/kubelet/config.yaml",
    );
    assert_ne!(left.code, Some(0), "{}", left.text());
    if lab
        .kubectl(&["get", "customresourcedefinition", "replicas.longhorn.io"])
        .code
        == Some(0)
    {
        assert_eq!(longhorn_nodes(lab).len(), 1);
        let replicas = json_of(
            lab,
            &["-n", "longhorn-system", "get", "replicas.longhorn.io"],
        );
        assert!(items(&replicas).all(|one| one["spec"]["nodeID"] == "w1"));
        assert_eq!(items(&replicas).count(), 1);
    }
    lab.settled();
    lab.nothing_to_do();
    let again = remove(lab, &["w2"], &[]).ok();
    assert!(again.text().contains("nothing to do"), "{}", again.text());
}

fn the_first_one_leaves_although_we_are_killed(lab: &Lab) {
    let mut boundaries = BTreeSet::new();
    let yes = format!("--yes={}", lab.name);
    let mut removal = lab.command(&["remove-node"], &["cp1", &yes, "--output", "json"]);
    while let Some(boundary) = killed_at_a_new_boundary(&mut removal, &boundaries, phase_boundary) {
        boundaries.insert(boundary);
        assert!(
            boundaries.len() < 40,
            "no run came to its end: {boundaries:?}"
        );
    }
    assert!(boundaries.len() > 8, "only {boundaries:?}");
    // The state of a run that nobody disturbed.
    assert!(!nodes(lab).contains("cp1"));
    assert_eq!(lab.voters("cp3"), ["cp2", "cp3"].map(str::to_owned).into());
    let inventory = fs::read_to_string(lab.inventory()).unwrap();
    assert!(!inventory.contains("cp1:"), "{inventory}");
    for host in ["cp2", "cp3"] {
        let haproxy = lab.on(host, "cat /etc/haproxy/haproxy.cfg").ok().stdout;
        assert!(!haproxy.contains("cp1"), "{haproxy}");
        let keepalived = lab
            .on(host, "cat /etc/keepalived/keepalived.conf")
            .ok()
            .stdout;
        let gone = format!("{}.11", lab.net);
        assert!(!keepalived.contains(&gone), "{keepalived}");
    }
    assert_eq!(lab.vip_holders(&THREE_AND_ONE[..3]).len(), 1);
    let left = lab.on(
        "cp1",
        "ls /etc/kubernetes/manifests/etcd.yaml /var/lib/etcd/member",
    );
    assert_ne!(left.code, Some(0), "{}", left.text());
    // An even number is the user's to say.
    let even = lab.run(&["up"], &[]).code(3);
    assert!(even.text().contains("allow-even-control-planes"));
    fs::write(
        lab.inventory(),
        format!("allow-even-control-planes: true\n{inventory}"),
    )
    .unwrap();
    lab.nothing_to_do();
}

fn it_comes_back(lab: &Lab) {
    lab.write(THREE_AND_ONE, "");
    lab.up().ok();
    assert_eq!(lab.voters("cp3").len(), 3);
    lab.nothing_to_do();
}

fn quorum_is_not_given_away(lab: &Lab) {
    lab.destroy("cp1");
    eventually("the endpoint answers", || lab.answers());
    let before = state(lab);
    let refused = remove(lab, &["cp2"], &[]).code(8);
    for words in [
        "cp2 is not removed: etcd would lose its quorum",
        "2 of 3 members alive, 2 needed, then 1 of 2 members alive, 2 needed",
        "dead: cp1",
        "baremetal remove-node",
    ] {
        assert!(
            refused.text().contains(words),
            "{words}: {}",
            refused.text()
        );
    }
    let refused = lab.run(&["maintenance", "on"], &["cp2"]).code(8);
    assert!(refused.text().contains("no quorum while it is away"));
    let all = remove(lab, &["cp1", "cp2", "cp3"], &[]).code(8);
    assert!(all.text().contains("baremetal reset"), "{}", all.text());
    // Nobody is there to say that it is dead.
    let silent = remove(lab, &["cp1"], &[]).code(4);
    assert!(silent.text().contains("--dead"), "{}", silent.text());
    let wrong = lab
        .run(&["remove-node"], &["cp1", "--dead", "--yes=other"])
        .code(8);
    assert!(wrong.text().contains("nothing was changed"));
    assert_eq!(state(lab), before);
}

fn a_dead_one_leaves_and_is_replaced(lab: &Lab) {
    let end = remove(
        lab,
        &["cp1"],
        &["--dead", "--keep-entry", "--output", "json"],
    )
    .ok()
    .finished();
    assert_eq!(end["failed"], 0, "{end}");
    // No SSH to it, not even an attempt.
    assert!(end["round-trips"]["cp1"].is_null(), "{end}");
    assert!(!nodes(lab).contains("cp1"));
    assert_eq!(lab.voters("cp3"), ["cp2", "cp3"].map(str::to_owned).into());
    lab.run(&["lab", "up"], &[]).ok();
    lab.up().ok();
    assert_eq!(lab.voters("cp3").len(), 3);
    assert_eq!(nodes(lab).len(), 4);
    lab.nothing_to_do();
}
