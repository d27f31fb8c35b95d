//! `verify`: every claim broken fails, what nobody can know is never passed, and the scripts do on a host what they say.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod failover;
mod objects;
mod scripts;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::{Command, Stdio},
};

use baremetal::{
    inventory::{self, Cluster},
    observe::{
        ApiSeen, ClusterSaid, EtcdMember, EtcdSaid, HostSeen, NodeSeen, Observation, parse_cluster,
        parse_facts,
    },
    phases::{
        preflight::{Finding, Level},
        verify::{
            self, HostSaid, Pairs, Said, balanced,
            quick::{self, Answers},
        },
    },
    report,
};

use crate::support::{Run, run};

const INVENTORY: &str = "\
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

fn load(text: &str) -> Cluster {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, text).unwrap();
    inventory::load(&file).unwrap_or_else(|error| panic!("{error:#}"))
}

/// Hosts on one network, each with a card of its own.
fn seen(cluster: &Cluster) -> Observation {
    let mut seen = Observation {
        elected: "cp1".to_owned(),
        ..Observation::default()
    };
    for host in &cluster.hosts {
        let ip = host.node_ip;
        let last = ip.to_string().rsplit('.').next().unwrap().to_owned();
        let text = format!(
            "machine=x86_64\naddress=lo 127.0.0.1/8\naddress=eth0 {ip}/24\nmac=eth0 52:54:00:00:00:{last} physical\nend=yes\n"
        );
        let one = HostSeen {
            facts: parse_facts(&text).unwrap(),
            ..HostSeen::default()
        };
        seen.hosts.insert(host.name.clone(), one);
    }
    seen
}

fn member(name: &str) -> EtcdMember {
    EtcdMember {
        id: format!("{name}id"),
        name: name.to_owned(),
        peer_urls: vec![format!("https://{name}:2380")],
        learner: false,
        healthy: true,
    }
}

/// Answers of a cluster in which all is well.
fn whole(cluster: &Cluster) -> Answers {
    let said = HostSaid {
        api: Some(Said::Ok),
        dns: Some(Said::Ok),
        holds: Some(false),
    };
    let mut hosts: BTreeMap<_, _> = (cluster.hosts.iter())
        .map(|host| (host.name.clone(), Ok(said.clone())))
        .collect();
    hosts.get_mut("cp2").unwrap().as_mut().unwrap().holds = Some(true);
    let node = |name: &str| NodeSeen {
        name: name.to_owned(),
        ready: true,
        version: "v1.33.4".to_owned(),
        ..NodeSeen::default()
    };
    Answers {
        hosts,
        unreachable: BTreeMap::new(),
        via: "cp1".to_owned(),
        cluster: Ok(ClusterSaid {
            nodes: Ok(cluster.nodes().map(|host| node(&host.name)).collect()),
            etcd: Ok(EtcdSaid {
                members: ["cp1", "cp2", "cp3"].map(member).into(),
                leaders: vec!["cp3id".to_owned()],
            }),
            dns_image: Some("registry.k8s.io/coredns/coredns:v1.12.0".to_owned()),
            stand_in: false,
        }),
    }
}

fn said<'a>(answers: &'a mut Answers, host: &str) -> &'a mut HostSaid {
    answers.hosts.get_mut(host).unwrap().as_mut().unwrap()
}

fn cluster_of(answers: &mut Answers) -> &mut ClusterSaid {
    answers.cluster.as_mut().unwrap()
}

fn nodes_of(answers: &mut Answers) -> &mut Vec<NodeSeen> {
    cluster_of(answers).nodes.as_mut().unwrap()
}

fn etcd_of(answers: &mut Answers) -> &mut EtcdSaid {
    cluster_of(answers).etcd.as_mut().unwrap()
}

/// `level id host: found` of all that did not pass.
fn lines(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|one| one.level != Level::Passed)
        .map(|one| {
            let level = match one.level {
                Level::Failure => "FAIL",
                _ => "skip",
            };
            format!("{level} {} {}: {}", one.id, one.host, one.found)
        })
        .collect()
}

#[test]
fn a_whole_cluster_passes_every_claim() {
    let cluster = load(INVENTORY);
    let findings = quick::judge(&cluster, &whole(&cluster));
    assert_eq!(lines(&findings), [""; 0]);
    let ids: BTreeSet<&str> = findings.iter().map(|one| one.id).collect();
    assert_eq!(ids, BTreeSet::from(["api", "dns", "etcd", "nodes", "vip"]));
    let found = |id: &str| &findings.iter().find(|one| one.id == id).unwrap().found;
    assert_eq!(found("api"), "https://10.0.0.10:6443/readyz answers");
    assert_eq!(
        found("dns"),
        "10.96.0.10 knows kubernetes.default.svc.cluster.local"
    );
    assert_eq!(found("vip"), "cp2 has 10.0.0.10");
    assert_eq!(found("etcd"), "3 members, all healthy; cp3 leads");
    assert_eq!(found("nodes"), "Ready, v1.33.4");
}

type Break = fn(&mut Answers);

/// What breaks, and the lines that must come of it.
#[rustfmt::skip]
const BROKEN: &[(Break, &[&str])] = &[
    (|all| said(all, "w1").api = Some(Said::Failed("connection refused".to_owned())),
        &["FAIL api w1: https://10.0.0.10:6443/readyz does not answer from here: connection refused"]),
    (|all| said(all, "w1").dns = Some(Said::Failed("no answer within 2 s".to_owned())),
        &["FAIL dns w1: 10.96.0.10 does not answer for kubernetes.default.svc.cluster.local from here: no answer within 2 s"]),
    (|all| said(all, "w1").dns = Some(Said::Skipped("there is no bash".to_owned())),
        &["skip dns w1: not checked: there is no bash"]),
    (|all| { all.hosts.insert("w2".to_owned(), Err("it did not end within 60 s".to_owned())); },
        &["skip api w2: not checked: it did not end within 60 s", "skip dns w2: not checked: it did not end within 60 s"]),
    (|all| { all.hosts.remove("w2"); all.unreachable.insert("w2".to_owned(), "no route".to_owned()); },
        &["skip api w2: not checked: the host cannot be worked on: no route", "skip dns w2: not checked: the host cannot be worked on: no route"]),
    (|all| *said(all, "w2") = HostSaid::default(),
        &["skip api w2: not checked: the host's answer was cut short", "skip dns w2: not checked: the host's answer was cut short"]),
    (|all| said(all, "cp2").holds = Some(false),
        &["FAIL vip cp1: no host has 10.0.0.10"]),
    (|all| said(all, "w1").holds = Some(true),
        &["FAIL vip cp2: 10.0.0.10 is on cp2 and w1 at once", "FAIL vip w1: 10.0.0.10 is on cp2 and w1 at once"]),
    (|all| { all.hosts.remove("cp2"); },
        &["skip api cp2: not checked: the host was not asked", "skip dns cp2: not checked: the host was not asked",
          "skip vip cp2: not checked: no host that answers has 10.0.0.10, and cp2 may have it"]),
    (|all| nodes_of(all)[3].ready = false,
        &["FAIL nodes w1: it is not Ready"]),
    (|all| nodes_of(all)[4].version = String::from("v1.33.3"),
        &["FAIL nodes w2: its kubelet is v1.33.3, the inventory says v1.33.4"]),
    (|all| { nodes_of(all).pop(); },
        &["FAIL nodes w2: it is no node of the cluster"]),
    (|all| cluster_of(all).nodes = Err("connection refused".to_owned()),
        &["FAIL nodes cp1: cp1 has no answer: connection refused"]),
    (|all| all.cluster = Err("the connection to cp1 was lost".to_owned()),
        &["FAIL nodes cp1: cp1 has no answer: the connection to cp1 was lost", "FAIL etcd cp1: cp1 has no answer: the connection to cp1 was lost"]),
    (|all| etcd_of(all).members[1].healthy = false,
        &["FAIL etcd cp2: member cp2: it does not answer, or cannot commit"]),
    (|all| etcd_of(all).members[2].learner = true,
        &["FAIL etcd cp3: member cp3: it is still a learner, without a vote"]),
    (|all| etcd_of(all).members[2].name.clear(),
        &["FAIL etcd cp1: member https://cp3:2380: it has never started"]),
    (|all| { etcd_of(all).members.pop(); },
        &["FAIL etcd cp1: 2 members, and the inventory has 3 control planes"]),
    (|all| etcd_of(all).members.push(member("old")),
        &["FAIL etcd cp1: 4 members, and the inventory has 3 control planes"]),
    (|all| etcd_of(all).leaders.clear(),
        &["FAIL etcd cp1: no member leads"]),
    (|all| etcd_of(all).leaders.push("other".to_owned()),
        &["FAIL etcd cp1: members follow 2 leaders at once"]),
    (|all| cluster_of(all).etcd = Err("context deadline exceeded".to_owned()),
        &["FAIL etcd cp1: cp1 has no answer: context deadline exceeded"]),
];

#[test]
fn every_claim_of_the_quick_half_that_is_broken_fails() {
    let cluster = load(INVENTORY);
    for (index, (spoil, expected)) in BROKEN.iter().enumerate() {
        let mut answers = whole(&cluster);
        spoil(&mut answers);
        let mut findings = quick::judge(&cluster, &answers);
        verify::sort(&mut findings, &cluster);
        let mut expected = expected.to_vec();
        let mut got = lines(&findings);
        expected.sort_unstable();
        got.sort();
        assert_eq!(got, expected, "case {index}");
        for one in findings.iter().filter(|one| one.level == Level::Failure) {
            assert!(!one.needed.is_empty() && !one.fix.is_empty(), "{one:?}");
        }
    }
}

#[test]
fn a_stand_in_is_asked_for_no_dns_and_passes_none() {
    let cluster = load(INVENTORY);
    let mut answers = whole(&cluster);
    cluster_of(&mut answers).stand_in = true;
    said(&mut answers, "w1").dns = Some(Said::Failed("no answer".to_owned()));
    let findings = quick::judge(&cluster, &answers);
    let dns: Vec<_> = findings.iter().filter(|one| one.id == "dns").collect();
    assert_eq!(dns.len(), 5);
    for one in dns {
        assert_eq!(one.level, Level::Skipped);
        assert!(one.found.contains("stand-in"), "{}", one.found);
    }
}

#[test]
fn an_endpoint_of_the_users_own_has_no_holder() {
    let text = INVENTORY.replace(
        "endpoint: 10.0.0.10",
        "endpoint: {external: api.example.org}",
    );
    let cluster = load(&text);
    let mut answers = whole(&cluster);
    said(&mut answers, "cp2").holds = Some(false);
    let findings = quick::judge(&cluster, &answers);
    assert!(findings.iter().all(|one| one.id != "vip"));
    assert_eq!(lines(&findings), [""; 0]);
}

#[test]
fn what_up_sees_by_the_way_names_what_ails_and_nothing_else() {
    let cluster = load(INVENTORY);
    let mut answers = whole(&cluster);
    let api = |answers: &mut Answers| ApiSeen {
        via: "cp1".to_owned(),
        nodes: nodes_of(answers).clone(),
        etcd: etcd_of(answers).members.clone(),
        ..ApiSeen::default()
    };
    assert_eq!(quick::at_rest(&cluster, &api(&mut answers)), []);
    nodes_of(&mut answers)[3].ready = false;
    etcd_of(&mut answers).members[0].healthy = false;
    assert_eq!(
        lines(&quick::at_rest(&cluster, &api(&mut answers))),
        [
            "FAIL nodes w1: it is not Ready",
            "FAIL etcd cp1: member cp1: it does not answer, or cannot commit"
        ]
    );
    let bare = load(&INVENTORY.replace("longhorn: true", "network: {plugin: none}"));
    etcd_of(&mut answers).members[0].healthy = true;
    assert_eq!(quick::at_rest(&bare, &api(&mut answers)), []);
}

#[test]
fn answers_are_read_as_they_are_printed() {
    assert_eq!(
        HostSaid::parse("api ok\ndns fail no answer within 2 s\nholds yes\n"),
        HostSaid {
            api: Some(Said::Ok),
            dns: Some(Said::Failed("no answer within 2 s".to_owned())),
            holds: Some(true),
        }
    );
    assert_eq!(
        HostSaid::parse("api fail \nnoise\n").api,
        Some(Said::Failed("no reason is known".to_owned()))
    );
    let tried = Pairs::parse("w1 ok\nw2 fail no answer\n");
    let expected = [
        ("w1".to_owned(), Said::Ok),
        ("w2".to_owned(), Said::Failed("no answer".to_owned())),
    ];
    assert_eq!(tried, Pairs::Tried(expected.into()));
    assert_eq!(
        Pairs::parse("none no network namespace\n"),
        Pairs::Untried("no network namespace".to_owned())
    );
    assert_eq!(balanced::heard("mac 52:54:00:00:00:0A\n").unwrap().len(), 1);
    assert_eq!(
        balanced::heard("skip no python3\n"),
        Err("no python3".to_owned())
    );
}

/// What `verify-cluster.sh` prints.
const PRINTED: &str = r#"%% coredns 0
{"spec": {"template": {"spec": {"containers": [{"image": "registry.k8s.io/coredns/coredns:v1.10.1"}]}}}}
%% coredns.err 0
%% etcd-health 1
https://10.0.0.11:2379 is healthy: successfully committed proposal: took = 9ms
%% etcd-health.err 0
https://10.0.0.12:2379 is unhealthy: failed to commit proposal: context deadline exceeded
Error: unhealthy cluster
%% etcd-members 0
8e9e05c52164694d, started, cp1, https://10.0.0.11:2380, https://10.0.0.11:2379, false
1a, started, cp2, https://10.0.0.12:2380, https://10.0.0.12:2379, false
%% etcd-status 1
[{"Endpoint":"https://10.0.0.11:2379","Status":{"header":{"member_id":10276657743932975437},"leader":10276657743932975437,"raftTerm":2}}]
%% nodes 1
%% nodes.err 0
The connection to the server was refused
%% version 0
{"gitVersion": "v1.28.4", "gitCommit": "bae2c62678db2b5053817bc97181fcc2e8388103"}
"#;

#[test]
fn half_of_a_cluster_is_read_as_half() {
    let said = parse_cluster(PRINTED);
    assert_eq!(
        said.nodes.unwrap_err(),
        "the list of nodes: The connection to the server was refused"
    );
    let etcd = said.etcd.unwrap();
    let healthy: Vec<bool> = etcd.members.iter().map(|one| one.healthy).collect();
    assert_eq!(healthy, [true, false]);
    assert_eq!(etcd.leaders, ["8e9e05c52164694d"]);
    assert_eq!(
        said.dns_image.as_deref(),
        Some("registry.k8s.io/coredns/coredns:v1.10.1")
    );
    assert!(!said.stand_in);
    let double = PRINTED.replace("bae2c62678db2b5053817bc97181fcc2e8388103", "stand-in");
    assert!(parse_cluster(&double).stand_in);
    let nothing = parse_cluster("");
    assert!(nothing.nodes.is_err() && nothing.etcd.is_err() && nothing.dns_image.is_none());
}

/// How a run ends that found a bit of everything, as people see it.
#[test]
fn claims_are_shown_failures_first_and_what_passed_is_told() {
    let cluster = load(INVENTORY);
    let mut answers = whole(&cluster);
    nodes_of(&mut answers)[3].ready = false;
    said(&mut answers, "w2").dns = Some(Said::Skipped(
        "there is no bash on the host, which opens the socket".to_owned(),
    ));
    let mut findings = quick::judge(&cluster, &answers);
    verify::sort(&mut findings, &cluster);
    for width in [80, 160] {
        insta::assert_snapshot!(
            format!("claims-{width}"),
            report::findings(&findings, width)
        );
    }
    let well = quick::judge(&cluster, &whole(&cluster));
    assert!(report::findings(&well, 80).ends_with("\n\n17 passed\n"));
    let mut junit = report::Junit::new("unused.xml".into());
    report::Render::event(&mut junit, 0, &report::Event::Verified { findings }).ok();
    fs::remove_file("unused.xml").ok();
    let text = junit.render();
    assert!(
        text.contains(
            "<testsuite name=\"verify\" tests=\"17\" failures=\"1\" errors=\"0\" skipped=\"1\""
        ),
        "{text}"
    );
    assert!(
        text.contains("<testcase classname=\"w1\" name=\"nodes\""),
        "{text}"
    );
}

#[test]
fn a_claim_that_does_not_exist_cannot_be_left_out() {
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    let known = verify::left_out(&ids(&["storage", "storage-move"])).unwrap();
    assert_eq!(known.len(), 2);
    assert!(verify::needs_objects(&known));
    let objects = ids(&[
        "pods",
        "load-balancer",
        "load-balancer-arp",
        "load-balancer-http",
        "storage",
        "storage-move",
    ]);
    assert!(!verify::needs_objects(&verify::left_out(&objects).unwrap()));
    assert!(verify::left_out(&ids(&["swap"])).is_err());
    for (id, title) in verify::CLAIMS {
        assert!(!title.is_empty() && verify::title(id) == *title);
    }
}

/// `verify` beside an inventory which no host answers for.
fn command(inventory: &str, more: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("inventory.yaml"), inventory).unwrap();
    run(Command::new(env!("CARGO_BIN_EXE_baremetal"))
        .args(["verify", "inventory.yaml"])
        .args(more)
        .env_remove("BAREMETAL_BUNDLE")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .current_dir(directory.path()))
}

#[test]
fn what_cannot_be_is_refused_before_any_host_is_asked() {
    let unknown = command(INVENTORY, &["--skip-check", "swap"]).code(2);
    assert_eq!(
        unknown.stderr,
        "error: verify looks at nothing called `swap`\n  → what can be left out: api, vip, nodes, etcd, dns, pods, load-balancer, \
         load-balancer-arp, load-balancer-http, storage, storage-move, cleanup, failover\n"
    );
    let one = "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n";
    assert_eq!(
        command(one, &["--failover"]).code(8).stderr,
        "error: nothing is taken out of service: one host alone can hold the virtual IP, and clients would lose it\n  \
         → add control planes first (`baremetal add-node`), or a second load balancer\n"
    );
    assert_eq!(
        command(one, &["--failover=node"]).code(8).stderr,
        "error: no control plane is taken out of service: 1 cannot spare one, etcd would lose its quorum\n  \
         → three control planes can spare one: `baremetal add-node`\n"
    );
    let external = INVENTORY.replace(
        "endpoint: 10.0.0.10",
        "endpoint: {external: api.example.org}",
    );
    assert_eq!(
        command(&external, &["--failover=vip"]).code(8).stderr,
        "error: nothing is taken out of service: the endpoint api.example.org:6443 is no virtual IP that hosts of this inventory hold\n  \
         → `--failover=node` takes a control plane out of service instead\n"
    );
    for (flags, word) in [
        (&["--quick", "--failover"][..], "cannot be used with"),
        (&["--max-gap", "2s"], "--failover"),
        (&["--failover", "--max-gap", "10m"], "write at most `5m`"),
        (&["--failover", "--max-gap", "5"], "`10m`"),
        (&["--failover=all"], "possible values: vip, node"),
    ] {
        let wrong = command(INVENTORY, flags).code(2);
        assert!(wrong.stderr.contains(word), "{flags:?}: {}", wrong.stderr);
    }
    for (own, words) in [
        ("verify: {port: 80}\n", "write `image` too"),
        ("verify: {image: web, path: up}\n", "`up` is not a path"),
        ("verify: {imag: web}\n", "`image`"),
    ] {
        let wrong = command(&format!("{INVENTORY}{own}"), &[]).code(3);
        assert!(wrong.stderr.contains(words), "{own}: {}", wrong.stderr);
    }
}
