//! `status`: what was seen becomes what a reader sees, at 80 and at 160 columns, and what a pipeline reads.

use std::{collections::BTreeMap, io::Write as _, process::Stdio};

use baremetal::{
    failure::Code,
    inventory::{Cluster, Host},
    observe::{Certificate, Facts, Observation},
    report::{self, PlanStyle},
    status::{Answers, Drift, Part, Seen, Status, api_script, host_script, make, read_host},
};
use serde_json::{Value, json};

use crate::topologies::{self, PAIR, SINGLE, bare, cluster, member, untouched};

const HOME: &str = "
cluster: home
kubernetes: 1.33.4
endpoint: 10.0.0.10
metallb: 10.0.0.200-10.0.0.219
longhorn: true
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker}
  w2: {address: 10.0.0.22, role: worker}
";
const NOW: i64 = 1_795_219_200;
const DAY: i64 = 24 * 60 * 60;
const OFF: &str = "no answer from root@10.0.0.13 within 2 s";

/// A cluster as it answers; tests spoil it.
struct World {
    cluster: Cluster,
    observation: Observation,
    answers: BTreeMap<String, String>,
    nodes: Vec<Value>,
    services: String,
    volumes: String,
    api: Result<(), String>,
    drift: Result<Drift, String>,
}

impl World {
    /// All is well.
    fn new(inventory: &str) -> Self {
        let cluster = cluster(inventory);
        let mut world = Self {
            observation: untouched(&cluster),
            answers: BTreeMap::new(),
            nodes: cluster.nodes().map(node).collect(),
            services: "ClusterIP||default/kubernetes|\nLoadBalancer||shop/web|10.0.0.200\n\
                       LoadBalancer||shop/api|10.0.0.201 \nLoadBalancer|other|shop/none|\n"
                .to_owned(),
            volumes: "healthy|pvc-1|shop/db\nunknown|pvc-2|shop/cache\n".to_owned(),
            api: Ok(()),
            drift: Ok(Drift::default()),
            cluster,
        };
        let leads = |index| index == 1;
        let planes: Vec<Host> = world.cluster.control_planes().cloned().collect();
        let list: String = planes
            .iter()
            .enumerate()
            .map(|(index, host)| {
                format!(
                    "{:x}, started, {}, https://{ip}:2380, https://{ip}:2379, false\n",
                    id(index),
                    host.name,
                    ip = host.node_ip
                )
            })
            .collect();
        for (index, host) in planes.iter().enumerate() {
            let facts = &mut world.observation.hosts.get_mut(&host.name).unwrap().facts;
            facts.certificates = [("ca.crt", 3600), ("apiserver.crt", 364)]
                .map(|(name, days)| Certificate {
                    name: name.to_owned(),
                    not_after: NOW + days * DAY + 60,
                })
                .into();
            facts.kube.holds_vip = leads(index) && world.cluster.vip().is_some();
            let status = json!([{"Endpoint": "https://127.0.0.1:2379", "Status": {
                "header": {"member_id": id(index)}, "leader": id(1.min(planes.len() - 1)),
                "dbSize": 4_210_688 + index, "version": "3.5.21",
            }}]);
            world.says(&host.name, "etcd-status", &status.to_string());
            world.says(
                &host.name,
                "etcd-health",
                "https://127.0.0.1:2379 is healthy",
            );
            world.says(&host.name, "etcd-members", &list);
        }
        for host in world.cluster.nodes() {
            let facts = &mut world.observation.hosts.get_mut(&host.name).unwrap().facts;
            facts.kube = baremetal::observe::KubeFacts {
                holds_vip: facts.kube.holds_vip,
                ..member(host)
            };
        }
        world
    }

    fn says(&mut self, host: &str, question: &str, text: &str) {
        let answers = self.answers.entry(host.to_owned()).or_default();
        answers.push_str(&format!("%% {question} 0\n{text}\n%% {question}.err 0\n\n"));
    }

    /// What was answered is forgotten; it failed.
    fn fails(&mut self, host: &str, question: &str, error: &str) {
        let answers = self.answers.get_mut(host).unwrap();
        let begin = answers.find(&format!("%% {question} 0\n")).unwrap();
        let end = answers[begin + 3..]
            .match_indices("\n%% ")
            .map(|(at, _)| begin + 4 + at)
            .find(|at| !answers[*at..].starts_with(&format!("%% {question}.err")))
            .unwrap_or(answers.len());
        answers.replace_range(begin..end, "");
        answers.push_str(&format!(
            "%% {question} 1\n\n%% {question}.err 0\nwarn\n{error}\n"
        ));
    }

    fn facts(&mut self, host: &str) -> &mut Facts {
        &mut self.observation.hosts.get_mut(host).unwrap().facts
    }

    fn is_off(&mut self, host: &str, why: &str) {
        self.observation.hosts.remove(host).unwrap();
        self.observation
            .unreachable
            .insert(host.to_owned(), why.to_owned());
        self.answers.remove(host);
    }

    fn is_not_ready(&mut self, host: &str, message: &str) {
        let node = self
            .nodes
            .iter_mut()
            .find(|node| node["metadata"]["name"] == host)
            .unwrap();
        node["status"]["conditions"] = json!([
            {"type": "MemoryPressure", "status": "Unknown", "message": "something else"},
            {"type": "Ready", "status": "Unknown", "message": message},
        ]);
    }

    fn status(&self) -> Status {
        let api = self.api.clone().map(|()| {
            let nodes = json!({"kind": "List", "items": self.nodes});
            Answers::parse(&format!(
                "%% nodes 0\n{nodes}\n%% nodes.err 0\n\n%% services 0\n{}\n%% volumes 0\n{}\n",
                self.services, self.volumes
            ))
        });
        let answers = self.answers.iter();
        let seen = Seen {
            observation: &self.observation,
            answers: &answers
                .map(|(host, text)| (host.clone(), Answers::parse(text)))
                .collect(),
            api,
            drift: self.drift.clone(),
            now: NOW,
        };
        make(&self.cluster, true, &seen)
    }

    fn problems(&self) -> Vec<String> {
        self.status()
            .problems
            .into_iter()
            .map(|one| one.what)
            .collect()
    }
}

fn id(index: usize) -> u64 {
    // Larger than a signed number: etcd's are random.
    0xf000_0000_0000_0001 + index as u64
}

fn node(host: &Host) -> Value {
    json!({
        "metadata": {"name": host.name, "labels": {}},
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": host.node_ip.to_string()}],
            "conditions": [{"type": "Ready", "status": "True", "message": "kubelet is posting ready status"}],
            "nodeInfo": {"kubeletVersion": "v1.33.4"},
        },
    })
}

fn text(status: &Status, width: usize) -> String {
    let style = PlanStyle {
        width,
        ..PlanStyle::default()
    };
    let text = report::status(status, style);
    for line in text.lines() {
        assert!(line.chars().count() <= width, "wider than {width}: {line}");
        assert!(!line.ends_with(' '), "{line:?}");
    }
    text
}

fn snapshots(name: &str, status: &Status) {
    for width in [80, 160] {
        insta::assert_snapshot!(format!("{name}-{width}"), text(status, width));
    }
}

#[test]
fn a_cluster_that_is_well() {
    let world = World::new(HOME);
    let status = world.status();
    assert_eq!((status.code(), status.problems.len()), (Code::Done, 0));
    snapshots("well", &status);
    insta::assert_snapshot!("well-json", serde_json::to_string_pretty(&status).unwrap());
}

#[test]
fn one_node_without_load_balancing_and_storage() {
    let mut world = World::new(SINGLE);
    world.nodes.push(json!({
        "metadata": {"name": "stray", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "spec": {"unschedulable": true}, "status": {},
    }));
    world.drift = Ok(Drift {
        changes: 3,
        steps: [("cp1: operating system".to_owned(), 2), ("cp1: Longhorn".to_owned(), 1)].into(),
        differences: vec!["etcd has a member old (https://10.0.0.9:2380) that is neither in the file nor a node: it counts for quorum".to_owned()],
    });
    let status = world.status();
    assert_eq!(status.vip, Part::Off);
    assert_eq!(
        (status.hosts[1].in_inventory, status.hosts[1].cordoned),
        (false, true)
    );
    assert_eq!(world.problems(), ["node stray is not ready"]);
    assert_eq!(status.code(), Code::Phase);
    snapshots("single", &status);
}

/// A control plane and a worker are off, one kubelet is silent, an API server and a volume suffer, a Service waits.
fn half_down() -> World {
    let mut world = World::new(HOME);
    world.is_off("cp3", OFF);
    world.is_off("w2", "connection refused by root@10.0.0.22");
    for host in ["cp3", "w2"] {
        world.is_not_ready(host, "Kubelet stopped posting node status.");
    }
    let cp2 = world.facts("cp2");
    cp2.kube.apiserver_ready = false;
    cp2.kube.holds_vip = false;
    cp2.certificates[1].not_after = NOW + 12 * DAY;
    let units = [
        "kubelet.service loaded failed enabled",
        "containerd.service loaded active enabled",
    ];
    cp2.raw
        .insert("unit".to_owned(), units.map(str::to_owned).to_vec());
    world
        .observation
        .hosts
        .get_mut("cp1")
        .unwrap()
        .facts
        .kube
        .holds_vip = true;
    world.nodes[3]["spec"]["unschedulable"] = json!(true);
    world.services.push_str("LoadBalancer||shop/late|\n");
    world
        .volumes
        .push_str("degraded|pvc-3|shop/files\nfaulted|pvc-4|/\n");
    world.drift = Err("it took too long; `--timeout SECONDS` gives more time".to_owned());
    world
}

#[test]
fn half_of_a_cluster() {
    let status = half_down().status();
    assert_eq!(status.code(), Code::Unreachable);
    snapshots("half-down", &status);
    insta::assert_snapshot!(
        "half-down-json",
        serde_json::to_string_pretty(&status).unwrap()
    );
}

#[test]
fn etcd_without_a_majority_takes_the_api_with_it() {
    let mut world = World::new(HOME);
    world.is_off("cp2", OFF);
    world.is_off("cp3", OFF);
    world.fails("cp1", "etcd-health", "Error: unhealthy cluster");
    world.fails("cp1", "etcd-members", "Error: context deadline exceeded");
    let cp1 = world.facts("cp1");
    cp1.kube.apiserver_ready = false;
    let why = "no API server that was reached is ready".to_owned();
    (world.api, world.drift) = (Err(why.clone()), Err(why));
    let status = world.status();
    assert_eq!(status.code(), Code::Unreachable);
    snapshots("no-majority", &status);
}

type Spoil = fn(&mut World);

/// What is wrong, the exit code, and what is said.
const SPOILT: &[(Spoil, Code, &[&str])] = &[
    (
        |world| world.is_not_ready("w1", ""),
        Code::Phase,
        &["node w1 is not ready"],
    ),
    (
        |world| drop(world.nodes.pop()),
        Code::Phase,
        &["w2 is no node of the cluster: `baremetal up` joins it"],
    ),
    (
        |world| world.fails("cp3", "etcd-health", "Error: unhealthy cluster"),
        Code::Phase,
        &["etcd on cp3 is not healthy: unhealthy cluster"],
    ),
    (
        |world| {
            for host in ["cp1", "cp2"] {
                let text = world.answers.get_mut(host).unwrap();
                *text = text.replace("10.0.0.13:2379, false", "10.0.0.13:2379, true");
            }
        },
        Code::Phase,
        &["etcd on cp3 is still a learner: it does not vote"],
    ),
    (
        |world| {
            let text = world.answers.get_mut("cp1").unwrap();
            let errors = format!(
                "\"errors\":[\"memberID:{} alarm:NOSPACE \"],\"dbSize\"",
                id(2)
            );
            *text = text.replace("\"dbSize\"", &errors);
        },
        Code::Phase,
        &["etcd has the alarm NOSPACE on cp3"],
    ),
    (
        |world| {
            world.facts("cp2").kube.holds_vip = false;
        },
        Code::Phase,
        &["no host has the virtual IP 10.0.0.10: `journalctl -u keepalived` on its holders"],
    ),
    (
        |world| {
            world.facts("cp3").kube.holds_vip = true;
        },
        Code::Phase,
        &[
            "cp2 and cp3 have the virtual IP 10.0.0.10 at once: do they hear each other's VRRP (IP protocol 112)?",
        ],
    ),
    (
        |world| {
            world.facts("cp1").certificates[1].not_after = NOW - 1;
        },
        Code::Phase,
        &["the certificate apiserver.crt on cp1 has ended"],
    ),
    (
        |world| {
            let facts = world.facts("w1");
            let units = [
                "kubelet.service loaded activating enabled",
                "containerd.service loaded inactive enabled",
                "haproxy.service not-found inactive ",
                "keepalived.service loaded inactive disabled",
            ];
            facts
                .raw
                .insert("unit".to_owned(), units.map(str::to_owned).to_vec());
        },
        Code::Phase,
        &["containerd does not run on w1: `journalctl -u containerd` there"],
    ),
    (
        |world| world.is_off("cp2", OFF),
        Code::Unreachable,
        &[
            "cp2 was not reached: no answer from root@10.0.0.13 within 2 s",
            "virtual IP: no host that was reached has 10.0.0.10; cp2 may",
        ],
    ),
    (
        |world| world.api = Err("asked on cp1: connection refused".to_owned()),
        Code::Unreachable,
        &["nodes and Services are not known: asked on cp1: connection refused"],
    ),
    (
        |world| {
            for host in ["cp1", "cp2", "cp3"] {
                world.is_off(host, "off");
            }
            world.api = Err("no control plane was reached".to_owned());
        },
        Code::Unreachable,
        &[
            "cp1 was not reached: off",
            "cp2 was not reached: off",
            "cp3 was not reached: off",
            "nodes and Services are not known: no control plane was reached",
            "etcd: no control plane that has etcd was reached",
            "virtual IP: no host that was reached has 10.0.0.10; cp1 or cp2 or cp3 may",
        ],
    ),
    (
        |world| {
            world.observation = untouched(&world.cluster);
            world.api = Err("no API server that was reached is ready".to_owned());
        },
        Code::Phase,
        &["there is no cluster on these hosts yet: `baremetal up` makes it"],
    ),
    (
        |world| world.drift = Err("the bundle is not there".to_owned()),
        Code::Done,
        &[],
    ),
];

#[test]
fn every_problem_has_a_line_of_its_own() {
    for (spoil, code, said) in SPOILT {
        let mut world = World::new(HOME);
        spoil(&mut world);
        assert_eq!(world.problems(), *said);
        assert_eq!(world.status().code(), *code, "{said:?}");
        text(&world.status(), 60);
    }
}

#[test]
fn who_leads_is_known_although_its_host_was_not_reached() {
    let mut world = World::new(HOME);
    world.is_off("cp2", OFF);
    let status = world.status();
    let etcd = status.etcd.known().unwrap();
    let leads: Vec<bool> = etcd.members.iter().map(|one| one.leader).collect();
    assert_eq!(leads, [false, true, false]);
    assert_eq!((etcd.quorum, etcd.listed), (2, true));
}

#[test]
fn load_balancers_are_no_nodes() {
    let world = World::new(PAIR);
    let status = world.status();
    let first = text(&status, 80);
    assert!(
        first.contains("lb1   load-balancer  -        10.0.0.5   reached\n"),
        "{first}"
    );
}

#[test]
fn facts_and_answers_of_a_host_are_told_apart() {
    let (facts, answers) = read_host(
        "hostname=cp1\nend=yes\n%% etcd-status 0\n[{\"a\"=\"b\"}]\n\n%% etcd-status.err 0\n\n",
    )
    .unwrap();
    assert_eq!(facts.hostname, "cp1");
    assert_eq!(facts.raw.len(), 2);
    assert_eq!(
        answers,
        Answers::parse("%% etcd-status 0\n[{\"a\"=\"b\"}]\n\n%% etcd-status.err 0\n\n")
    );
    let (_, none) = read_host("end=yes\n").unwrap();
    assert_eq!(none, Answers::default());
    assert!(
        read_host("%% etcd-status 0\nend=yes\n").is_err(),
        "facts that are cut"
    );
}

#[test]
fn what_is_printed_fits_the_schema_that_is_published() {
    let schema = serde_json::to_value(schemars::schema_for!(Status)).unwrap();
    for status in [World::new(HOME).status(), half_down().status()] {
        let value = serde_json::to_value(&status).unwrap();
        let keys = |value: &Value| {
            value
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(&value), keys(&schema["properties"]));
        for host in value["hosts"].as_array().unwrap() {
            assert_eq!(
                keys(host),
                keys(&schema["$defs"]["HostState"]["properties"])
            );
        }
    }
}

#[test]
fn scripts_that_look_please_shellcheck() {
    let cluster = cluster(HOME);
    for script in [
        host_script(&cluster, &cluster.hosts[0]),
        api_script(&cluster, &cluster.hosts[0]),
        baremetal::support::host_script(&cluster, &cluster.hosts[0], true),
    ] {
        assert!(!script.mutating);
        let shellcheck = std::process::Command::new("shellcheck")
            .args([
                "-s",
                "sh",
                "-e",
                "SC2086,SC2016,SC1090,SC2317,SC2329,SC2034",
                "-",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut shellcheck = shellcheck.expect("shellcheck is needed");
        let mut stdin = shellcheck.stdin.take().unwrap();
        stdin.write_all(script.body.as_bytes()).unwrap();
        drop(stdin);
        let output = shellcheck.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

/// Calico keeps a kubeconfig with a token beside the network's configuration.
#[test]
fn a_support_bundle_takes_no_kubeconfig_of_a_pod_network() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    for name in [
        "10-calico.conflist",
        "calico-kubeconfig",
        "multus.kubeconfig",
    ] {
        std::fs::write(path(name), format!("text of {name}\n")).unwrap();
    }
    let cluster = cluster(HOME);
    let script = baremetal::support::host_script(&cluster, &cluster.hosts[0], false).body;
    let (head, rest) = script.split_once("section system/uname").unwrap();
    assert!(rest.contains("/etc/cni/net.d/* ") && rest.contains("file \"$path\"\n"));
    let files = format!(
        "{head}for path in {}/*; do file \"$path\"; done\n",
        path("")
    );
    let ran = std::process::Command::new("sh")
        .args(["-c", &files])
        .env("BM", directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(ran.stdout).unwrap();
    assert!(said.contains(".text of 10-calico.conflist"), "{said}");
    assert!(!said.contains("kubeconfig"), "{said}");
}

/// The script of a control plane, with an etcdctl that answers two questions and hangs at the third.
#[test]
fn an_answer_that_does_not_come_keeps_back_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("bin")).unwrap();
    std::fs::create_dir(path("bm")).unwrap();
    std::fs::write(path("etcd.yaml"), "").unwrap();
    let etcdctl = "#!/bin/sh\ncase $* in *'member list') sleep 20 ;; *'endpoint health') echo cut >&2; exit 1 ;; *) echo '[{}]' ;; esac\n";
    std::fs::write(path("bin/etcdctl"), etcdctl).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(path("bin/etcdctl"), mode).unwrap();
    let cluster = cluster(HOME);
    let script = host_script(&cluster, &cluster.hosts[0])
        .body
        .replace("/etc/kubernetes/manifests/etcd.yaml", &path("etcd.yaml"))
        .replace("PATH=/usr", &format!("PATH={}:/usr", path("bin")));
    let begun = std::time::Instant::now();
    let output = std::process::Command::new("sh")
        .args(["-c", &script])
        .env("BM", path("bm"))
        .output()
        .unwrap();
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let (facts, answers) = read_host(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert!(!facts.hostname.is_empty());
    let expected = "%% etcd-health 1\n\n%% etcd-health.err 0\ncut\n\n%% etcd-status 0\n[{}]\n\n%% etcd-status.err 0\n\n";
    assert_eq!(answers, Answers::parse(expected));
}

#[test]
fn a_bare_host_has_no_certificates() {
    let cluster = cluster(topologies::STACKED);
    assert!(bare(&cluster.hosts[0]).certificates.is_empty());
    let world = World::new(HOME);
    let days: Vec<i64> = world
        .status()
        .certificates
        .iter()
        .map(|one| one.days)
        .collect();
    assert_eq!(days, [364, 364, 364]);
}
