//! Hosts that join a cluster that runs: what the plan for them holds, what it leaves alone, and what is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use baremetal::{
    digest,
    failure::Code,
    inventory::{Cluster, Host},
    observe::{ApiSeen, EtcdMember, NodeSeen, Observation},
    phases::{self, Context, PhaseId, kubeadm, resources},
    plan::{Joining, Limited, Work, limit, resources_of},
    resources::{Observed, Resource},
};
use serde_json::json;

use crate::{
    support::played::Host as Played,
    topologies::{self, artifacts, cluster, member, untouched},
};

/// The cluster of an inventory in which all hosts but `new` are members.
pub fn without(text: &str, new: &[&str]) -> (Cluster, Observation) {
    let cluster = cluster(text);
    let mut seen = untouched(&cluster);
    let mut api = ApiSeen {
        via: seen.elected.clone(),
        cluster_configuration: Some(json!({"kubernetesVersion": "v1.33.4"})),
        coredns: true,
        kube_proxy_daemon_set: true,
        kube_proxy_rolled: true,
        ..ApiSeen::default()
    };
    for host in &cluster.hosts {
        let one = seen.hosts.get_mut(&host.name).unwrap();
        if !new.contains(&host.name.as_str()) {
            if host.is_node() {
                one.facts.kube = member(host);
                api.nodes.push(node(host));
            }
            if host.is_control_plane() {
                api.etcd.push(etcd_member(host));
            }
            let running = vec!["keepalived.service loaded active enabled".to_owned()];
            one.facts.raw.insert("unit".to_owned(), running);
        }
        let wanted = resources_of(&cluster, &artifacts(), host, &one.facts);
        one.resources = wanted
            .iter()
            .map(|(phase, resources)| (*phase, vec![Observed::default(); resources.len()]))
            .collect();
    }
    seen.api = Some(api);
    (cluster, seen)
}

fn node(host: &Host) -> NodeSeen {
    NodeSeen {
        name: host.name.clone(),
        ready: true,
        internal_ips: vec![host.node_ip.to_string()],
        ..NodeSeen::default()
    }
}

fn etcd_member(host: &Host) -> EtcdMember {
    EtcdMember {
        id: "1".to_owned(),
        name: host.name.clone(),
        peer_urls: vec![format!("https://{}:2380", host.node_ip)],
        learner: false,
        healthy: true,
    }
}

/// The load balancer of `host` runs as `before` described it, when there were fewer hosts.
pub fn balances_as(seen: &mut Observation, cluster: &Cluster, before: &Cluster, host: &str) {
    let wanted = |cluster: &Cluster| {
        resources(
            PhaseId::LoadBalancer,
            &Context {
                cluster,
                host: cluster.host(host).unwrap(),
                facts: &seen.hosts[host].facts,
                artifacts: &artifacts(),
            },
        )
    };
    let observed = wanted(before).iter().map(satisfied).collect();
    assert_eq!(wanted(before).len(), wanted(cluster).len());
    let phases = &mut seen.hosts.get_mut(host).unwrap().resources;
    phases.insert(PhaseId::LoadBalancer, observed);
}

fn placed(sha256: &str, mode: &str) -> Vec<(&'static str, String)> {
    vec![
        ("state", "file".to_owned()),
        ("sha256", sha256.to_owned()),
        ("mode", mode.to_owned()),
        ("owner", "ours".to_owned()),
    ]
}

/// What a probe sees of a resource that is as it should be.
pub fn satisfied(resource: &Resource) -> Observed {
    let values: Vec<(&str, String)> = match resource {
        Resource::File(file) => vec![
            ("state", "file".to_owned()),
            ("sha256", digest::sha256(file.content.as_bytes())),
            ("content", file.content.clone()),
            ("mode", format!("{:o}", file.mode)),
            ("owner", "ours".to_owned()),
        ],
        Resource::Directory(directory) => vec![
            ("state", "directory".to_owned()),
            ("mode", format!("{:o}", directory.mode)),
            ("owner", "ours".to_owned()),
        ],
        Resource::Package(package) => vec![("installed", package.name.clone())],
        Resource::Service(_) => vec![
            ("load", "loaded".to_owned()),
            ("active", "active".to_owned()),
            ("enabled", "enabled".to_owned()),
            ("since", "100".to_owned()),
        ],
        Resource::Module(_) => vec![("state", "loaded".to_owned())],
        Resource::Sysctl(sysctl) => vec![("value", sysctl.value.clone())],
        Resource::SwapOff(_) => Vec::new(),
        Resource::Image(_) => vec![("missing", String::new())],
        Resource::Hostname(hostname) => {
            vec![
                ("name", hostname.name.clone()),
                ("file", hostname.name.clone()),
            ]
        }
        Resource::Absent(_) => vec![("state", "missing".to_owned())],
        Resource::Block(block) => {
            let name = &block.marker;
            let content = format!("# BEGIN baremetal {name}\n{}", block.content);
            vec![
                ("state", "file".to_owned()),
                ("content", format!("{content}# END baremetal {name}\n")),
            ]
        }
        Resource::Binary(binary) => placed(&binary.item.sha256, "755"),
        Resource::Blob(blob) => placed(&blob.item.sha256, "644"),
        other @ Resource::Archive(_) => panic!("not needed until now: {other:?}"),
    };
    let values = values.into_iter();
    Observed {
        values: values.map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

pub fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn limited(cluster: &Cluster, seen: &Observation, new: &[&str]) -> Limited {
    limit(cluster, &artifacts(), seen, &names(new)).unwrap()
}

/// `HOST PHASE` of steps, each once.
pub fn done(limited: &Limited) -> Vec<String> {
    let mut done = Vec::new();
    for step in &limited.plan.steps {
        let text = format!("{} {}", step.host, baremetal::phases::name(step.phase));
        if !done.contains(&text) {
            done.push(text);
        }
    }
    done
}

#[test]
fn a_worker_joins_and_every_difference_of_others_is_left_alone() {
    let (cluster, seen) = without(topologies::STACKED, &["w2"]);
    let limited = limited(&cluster, &seen, &["w2"]);
    assert_eq!(
        done(&limited),
        [
            "w2 os",
            "w2 runtime",
            "w2 binaries",
            "w2 images",
            "w2 control-plane-files",
            "cp1 join-worker",
            "w2 join-worker",
            "cp1 node-metadata",
            "w2 verify",
            "cp1 verify",
        ]
    );
    assert_eq!(
        limited.elsewhere(&names(&["w2"])),
        [
            "cp1: token for the workers",
            "cp1: take back the token of workers",
            "cp1: set labels, annotations and taints of nodes",
        ]
    );
    let left = &limited.left_out;
    for (place, host) in ["cp1", "cp2", "cp3", "w1"].iter().enumerate() {
        let line = &left[place];
        assert!(
            line.starts_with(&format!("{host}: operating system, ")),
            "{left:?}"
        );
        assert!(line.contains("labels, taints and roles"), "{left:?}");
    }
    assert!(
        left.iter().any(|line| line.starts_with("cluster: ")),
        "{left:?}"
    );
}

#[test]
fn only_the_metadata_of_the_new_node_is_set() {
    let (cluster, seen) = without(topologies::STACKED, &["w1", "w2"]);
    let limited = limited(&cluster, &seen, &["w2"]);
    let step = limited
        .plan
        .steps
        .iter()
        .find(|step| step.phase == PhaseId::NodeMetadata)
        .unwrap();
    let Work::Run(action) = &step.work else {
        panic!("{step:?}")
    };
    assert!(
        action.detail.iter().all(|line| line.starts_with("w2: ")),
        "{:?}",
        action.detail
    );
    assert!(!action.script.body.contains("node cp1"));
    // Nor is the other one joined with it, or verified.
    let said = format!("{:?}", limited.plan);
    assert!(!said.contains("\"w1\""), "{said}");
    assert!(limited.left_out.contains(&"w1: is no node yet".to_owned()));
}

#[test]
fn balancers_learn_of_new_control_planes_before_these_hold_the_virtual_ip() {
    let alone = topologies::STACKED
        .lines()
        .filter(|line| !line.contains("cp2") && !line.contains("cp3"))
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    let before = cluster(&alone);
    let (cluster, mut seen) = without(topologies::STACKED, &["cp2", "cp3"]);
    balances_as(&mut seen, &cluster, &before, "cp1");
    let limited = limited(&cluster, &seen, &["cp2", "cp3"]);
    let elsewhere = limited.elsewhere(&names(&["cp2", "cp3"]));
    assert_eq!(
        elsewhere[0],
        "cp1: update file /etc/haproxy/haproxy.cfg, update file /etc/keepalived/keepalived.conf, \
         reload service haproxy.service (for /etc/haproxy/haproxy.cfg), \
         reload service keepalived.service (for /etc/keepalived/keepalived.conf)"
    );
    assert!(
        elsewhere[1..].iter().all(|line| line.starts_with("cp1: ")),
        "{elsewhere:?}"
    );
    let steps = &limited.plan.steps;
    let balancer = |host: &str| {
        steps
            .iter()
            .position(|step| step.phase == PhaseId::LoadBalancer && step.host == host)
            .unwrap()
    };
    for new in ["cp2", "cp3"] {
        assert!(
            steps[balancer(new)].needs.contains(&balancer("cp1")),
            "{new} may take the address before cp1 knows it"
        );
    }
    // One control plane after the other.
    let joins: Vec<usize> = (0..steps.len())
        .filter(|&index| {
            steps[index].phase == PhaseId::JoinControlPlane && steps[index].host != "cp1"
        })
        .collect();
    assert_eq!(joins.len(), 2);
    assert!(
        steps[joins[1]]
            .needs
            .iter()
            .chain(&steps[joins[1]].after)
            .any(|step| *step > joins[0]),
        "cp3 does not wait for cp2"
    );
}

#[test]
fn a_pair_of_load_balancers_learns_of_control_planes_and_not_of_workers() {
    let (cluster, mut seen) = without(topologies::PAIR, &["cp3", "w1"]);
    let before = topologies::cluster(&topologies::PAIR.replace(
        "cp3: {address: 10.0.0.13, role: control-plane}",
        "cp3: {address: 10.0.0.14, role: control-plane}",
    ));
    for host in ["lb1", "lb2"] {
        balances_as(&mut seen, &cluster, &before, host);
    }
    let plane = limited(&cluster, &seen, &["cp3"]);
    for host in ["lb1", "lb2"] {
        assert!(done(&plane).contains(&format!("{host} load-balancer")));
    }
    let worker = limited(&cluster, &seen, &["w1"]);
    assert!(
        !done(&worker).iter().any(|line| line.starts_with("lb")),
        "{:?}",
        done(&worker)
    );
    assert!(
        worker
            .left_out
            .iter()
            .any(|line| line.starts_with("lb1: ") && line.contains("load balancer")),
        "{:?}",
        worker.left_out
    );
}

#[test]
fn nothing_is_planned_for_a_node_that_is_there_and_one_that_is_not_ready_is_looked_at() {
    let text = format!(
        "{}system: {{manage-hosts-file: false}}\n",
        topologies::STACKED.trim_start()
    );
    let (cluster, mut seen) = without(&text, &[]);
    let host = seen.hosts.get_mut("w1").unwrap();
    let wanted = resources_of(
        &cluster,
        &artifacts(),
        cluster.host("w1").unwrap(),
        &host.facts,
    );
    for (phase, resources) in wanted {
        let observed = resources.iter().map(satisfied).collect();
        host.resources.insert(phase, observed);
    }
    let nodes = &mut api(&mut seen).nodes;
    let node = nodes.iter_mut().find(|node| node.name == "w1").unwrap();
    let role = "node-role.kubernetes.io/worker".to_owned();
    let managed = format!(r#"{{"labels":["{role}"],"annotations":[],"taints":[]}}"#);
    node.labels.insert(role, String::new());
    node.annotations
        .insert("baremetal.dev/managed".to_owned(), managed);
    assert_eq!(done(&limited(&cluster, &seen, &["w1"])), [""; 0]);
    api(&mut seen)
        .nodes
        .iter_mut()
        .for_each(|node| node.ready = node.name != "w1");
    assert_eq!(
        done(&limited(&cluster, &seen, &["w1"])),
        ["w1 verify", "cp1 verify"]
    );
}

/// Adding a host changes no file of any other host but those that tell of control planes.
#[test]
fn what_others_are_does_not_hang_on_who_else_is_there() {
    let fewer: String = topologies::STACKED
        .lines()
        .filter(|line| !["cp2", "cp3", "w2"].iter().any(|name| line.contains(name)))
        .map(|line| format!("{line}\n"))
        .collect();
    let (before, after) = (cluster(&fewer), cluster(topologies::STACKED));
    assert_eq!(
        kubeadm::cluster_configuration(&before).unwrap(),
        kubeadm::cluster_configuration(&after).unwrap()
    );
    let all = |cluster: &Cluster, host: &str| -> BTreeMap<PhaseId, Vec<Resource>> {
        let host = cluster.host(host).unwrap();
        resources_of(cluster, &artifacts(), host, &topologies::bare(host))
            .into_iter()
            .filter(|(phase, _)| *phase != PhaseId::LoadBalancer)
            .collect()
    };
    for host in ["cp1", "w1"] {
        assert_eq!(all(&before, host), all(&after, host), "{host}");
    }
}

fn api(seen: &mut Observation) -> &mut ApiSeen {
    seen.api.as_mut().unwrap()
}

fn kube<'a>(seen: &'a mut Observation, host: &str) -> &'a mut baremetal::observe::KubeFacts {
    &mut seen.hosts.get_mut(host).unwrap().facts.kube
}

type Change = fn(&Cluster, &mut Observation);

/// A name, who joins, what makes [`without`] unfit for it, the code, and words of the reason and of the advice.
type Case = (
    &'static str,
    &'static [&'static str],
    Change,
    Code,
    &'static [&'static str],
);

const REFUSED: &[Case] = &[
    (
        "out of reach",
        &["w2"],
        |_, seen| drop(seen.hosts.remove("w2")),
        Code::Unreachable,
        &["w2 cannot be worked on; nothing was changed"],
    ),
    (
        "no control plane in reach",
        &["w2"],
        |_, seen| seen.hosts.retain(|host, _| host.starts_with('w')),
        Code::Unreachable,
        &["no control plane of stacked", "cp1, cp2, cp3"],
    ),
    (
        "no cluster yet",
        &["cp1", "cp2", "cp3", "w1", "w2"],
        |_, seen| seen.api = None,
        Code::Refused,
        &["has no control plane yet", "baremetal up in.yaml"],
    ),
    (
        "quorum lost",
        &["w2"],
        |_, seen| {
            seen.api = None;
            for host in ["cp1", "cp2", "cp3"] {
                kube(seen, host).apiserver_ready = false;
            }
        },
        Code::Refused,
        &["does not answer on cp1, cp2, cp3", "quorum"],
    ),
    (
        "address of a live node",
        &["w2"],
        |cluster, seen| {
            let name = "old".to_owned();
            let live = node(cluster.host("w2").unwrap());
            api(seen).nodes.push(NodeSeen { name, ..live });
        },
        Code::Refused,
        &["w2: 10.0.0.22 is the address of a live node, old"],
    ),
    (
        "address of a dead node",
        &["w2"],
        |cluster, seen| {
            let name = "old".to_owned();
            let dead = NodeSeen {
                name,
                ready: false,
                ..node(cluster.host("w2").unwrap())
            };
            api(seen).nodes.push(dead);
        },
        Code::Refused,
        &["a dead node, old", "remove-node in.yaml old --dead"],
    ),
    (
        "name of a live node",
        &["w2"],
        |cluster, seen| {
            let internal_ips = vec!["10.0.0.99".to_owned()];
            let live = node(cluster.host("w2").unwrap());
            api(seen).nodes.push(NodeSeen {
                internal_ips,
                ..live
            });
        },
        Code::Refused,
        &["w2: a live node at 10.0.0.99 has this name"],
    ),
    (
        "a dead worker of the same name",
        &["w2"],
        |cluster, seen| {
            let live = node(cluster.host("w2").unwrap());
            api(seen).nodes.push(NodeSeen {
                ready: false,
                ..live
            });
        },
        Code::Refused,
        &[
            "w2: the cluster has a dead node of this name",
            "baremetal remove-node in.yaml w2 --dead --keep-entry",
        ],
    ),
    (
        "a worker that died just now",
        &["w2"],
        |cluster, seen| api(seen).nodes.push(node(cluster.host("w2").unwrap())),
        Code::Refused,
        &["calls this node Ready, but the host at 10.0.0.22 is empty"],
    ),
    (
        "a dead control plane of the same name",
        &["cp3"],
        |cluster, seen| {
            let dead = EtcdMember {
                healthy: false,
                ..etcd_member(cluster.host("cp3").unwrap())
            };
            api(seen).etcd.push(dead);
        },
        Code::Refused,
        &[
            "etcd has a member of this name",
            "remove-node in.yaml cp3 --dead --keep-entry",
        ],
    ),
    (
        "a sick member",
        &["cp3"],
        |_, seen| api(seen).etcd[1].healthy = false,
        Code::Refused,
        &[
            "etcd has 1 of 2 members healthy and needs 2; cp2 is not: with another member it would need 2 of 3",
            "remove-node in.yaml cp2 --dead",
        ],
    ),
    (
        "an even number",
        &["cp2", "cp3"],
        |_, seen| {
            api(seen).etcd.push(EtcdMember {
                name: "other".to_owned(),
                peer_urls: vec!["https://10.0.0.77:2380".to_owned()],
                healthy: true,
                ..EtcdMember::default()
            });
        },
        Code::Refused,
        &[
            "would make 4 control planes of 2",
            "allow-even-control-planes: true",
        ],
    ),
    (
        "another version",
        &["w2"],
        |_, seen| {
            api(seen).cluster_configuration = Some(json!({"kubernetesVersion": "v1.32.1"}));
        },
        Code::Refused,
        &[
            "runs Kubernetes v1.32.1",
            "says v1.33.4",
            "--kubernetes 1.32.1",
        ],
    ),
    (
        "a holder of the virtual IP that cannot be told",
        &["cp3"],
        |_, seen| drop(seen.hosts.remove("cp2")),
        Code::Unreachable,
        &["cp2 may hold the virtual IP and cannot be told of cp3"],
    ),
];

fn verdict(
    cluster: &Cluster,
    seen: &Observation,
    new: &[&str],
) -> Result<(), baremetal::failure::Failure> {
    let names = names(new);
    let joining = Joining {
        cluster,
        seen,
        names: &names,
        file: Path::new("in.yaml"),
    };
    joining.can_begin().and_then(|()| joining.may_join())
}

#[test]
fn what_would_harm_the_cluster_is_refused_with_its_reason_and_the_way_out() {
    for (case, new, change, code, words) in REFUSED {
        let (cluster, mut seen) = without(topologies::STACKED, new);
        if *case != "no cluster yet" {
            verdict(&cluster, &seen, new).unwrap_or_else(|error| panic!("{case}: {error}"));
        }
        change(&cluster, &mut seen);
        let refused = verdict(&cluster, &seen, new).expect_err(case);
        assert_eq!(refused.code, *code, "{case}: {refused}");
        let said = format!("{refused}\n{}", refused.hint.as_deref().unwrap_or_default());
        for word in *words {
            assert!(said.contains(word), "{case}: no `{word}` in {said}");
        }
    }
}

#[test]
fn an_interrupted_join_goes_on() {
    let begun: [Change; 3] = [
        // Registered, with a kubelet that is not up yet.
        |cluster, seen| {
            let live = node(cluster.host("cp3").unwrap());
            api(seen).nodes.push(NodeSeen {
                ready: false,
                ..live
            });
            kube(seen, "cp3").kubelet_conf = true;
        },
        // A member that has not started.
        |cluster, seen| {
            api(seen).etcd.push(EtcdMember {
                name: String::new(),
                healthy: false,
                ..etcd_member(cluster.host("cp3").unwrap())
            });
        },
        // A learner.
        |cluster, seen| {
            kube(seen, "cp3").ca_hash = Some("sha256:ours".to_owned());
            api(seen).etcd.push(EtcdMember {
                learner: true,
                ..etcd_member(cluster.host("cp3").unwrap())
            });
        },
    ];
    for (case, change) in begun.into_iter().enumerate() {
        let (cluster, mut seen) = without(topologies::STACKED, &["cp3"]);
        change(&cluster, &mut seen);
        verdict(&cluster, &seen, &["cp3"]).unwrap_or_else(|error| panic!("{case}: {error}"));
    }
}

#[test]
fn an_even_number_is_for_the_user_to_allow() {
    let text = format!(
        "{}allow-even-control-planes: true\n",
        topologies::STACKED.trim_start()
    );
    let (cluster, mut seen) = without(&text, &["cp2", "cp3"]);
    verdict(&cluster, &seen, &["cp2"]).unwrap();
    seen.api.as_mut().unwrap().etcd[0].healthy = false;
    verdict(&cluster, &seen, &["cp2"]).unwrap_err();
}

/// A node that was deleted by hand while the API is hardly reached: its pods run, and joining must not end them.
#[test]
fn a_worker_with_pods_is_waited_for_and_never_reset() {
    let (cluster, seen) = without(topologies::STACKED, &["w1"]);
    let steps = phases::actions(PhaseId::JoinWorker, &cluster, &artifacts(), &seen).unwrap();
    let join = steps
        .into_iter()
        .find(|step| step.action.id == "join-w1")
        .unwrap();
    // Of the clock ten seconds pass with every look at it.
    let date = "now=$(cat \"$home/now\" 2>/dev/null || echo 0)
echo $((now + 10)) >\"$home/now\"
echo \"$now\"";
    let kubectl = "[ -e \"$home/joined\" ] || { [ -e \"$home/registers\" ] && [ \"$(cat \"$home/now\")\" -gt 600 ]; }";
    let kubeadm = "echo \"$*\" >>\"$home/kubeadm\"; [ \"$1\" != join ] || touch \"$home/joined\"";
    let host = || {
        let host = Played::new(&[
            ("date", date),
            ("kubectl", kubectl),
            ("kubeadm", kubeadm),
            ("sleep", ":"),
            ("systemctl", ":"),
            ("flock", ":"),
        ]);
        for directory in ["etc/kubernetes", "run", "var/lib/kubelet/pods/uid-1"] {
            fs::create_dir_all(host.path(directory)).unwrap();
        }
        fs::write(host.path("etc/kubernetes/kubelet.conf"), "conf").unwrap();
        host
    };
    let places = ["/etc/kubernetes", "/run/", "/var/lib/kubelet"];
    let run = |host: &Played| host.run(&join.action.script, &places);

    let stays = host();
    let failed = run(&stays);
    assert_ne!(failed.code, Some(0), "{failed:?}");
    for words in ["has pods", "nothing is reset", "baremetal reset"] {
        assert!(failed.stderr.contains(words), "{failed:?}");
    }
    assert_eq!(stays.text("kubeadm"), "");
    // Later than half a minute, within two.
    let late = host();
    fs::write(late.path("registers"), "").unwrap();
    fs::write(late.path("now"), "500").unwrap();
    run(&late).ok();
    assert_eq!(late.text("kubeadm"), "");
    // Where there never was a pod the join was interrupted: it begins again.
    let half = host();
    fs::remove_dir(half.path("var/lib/kubelet/pods/uid-1")).unwrap();
    run(&half).ok();
    let ran = half.text("kubeadm");
    assert!(
        ran.starts_with("reset -f") && ran.contains("\njoin "),
        "{ran}"
    );
}

#[test]
fn of_several_hosts_those_whose_join_is_done_have_joined() {
    let (cluster, seen) = without(topologies::STACKED, &["w1", "w2"]);
    let both = names(&["w1", "w2"]);
    let limited = limit(&cluster, &artifacts(), &seen, &both).unwrap();
    let join = |name: &str| {
        let joins =
            |work: &Work| matches!(work, Work::Run(action) if action.id == format!("join-{name}"));
        limited
            .plan
            .steps
            .iter()
            .position(|step| joins(&step.work))
            .unwrap()
    };
    let (first, second) = (join("w1"), join("w2"));
    assert_eq!(limited.joined(&both, |_| true), both);
    assert_eq!(limited.joined(&both, |step| step != second), names(&["w1"]));
    // Labels and checks come after it.
    assert_eq!(limited.joined(&both, |step| step <= first), names(&["w1"]));
    assert_eq!(limited.joined(&both, |_| false), names(&[]));
}
