//! Checks between hosts: what is probed, what the answers mean, and the script itself between addresses of this machine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod script;

use std::{collections::BTreeMap, fs};

use baremetal::{
    artifacts::{Artifacts, From, Item, Kind},
    inventory::{self, Cluster},
    observe::{HostSeen, Observation, parse_facts},
    phases::preflight::{
        Finding, Level,
        wire::{Answer, Task, Unanswered, judge, plan},
    },
};

const INVENTORY: &str = "\
cluster: prod
kubernetes: 1.33.4
endpoint: 10.0.0.10
metallb: 10.0.0.200-10.0.0.203
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker}
";

fn load(text: &str) -> Cluster {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, text).unwrap();
    inventory::load(&file).unwrap()
}

/// Bare hosts on one network; `more` is what each says besides.
fn seen(cluster: &Cluster, more: &[(&str, &str)]) -> Observation {
    let mut seen = Observation::default();
    for host in &cluster.hosts {
        let more: String = more
            .iter()
            .filter(|(name, _)| *name == host.name)
            .map(|(_, line)| format!("{line}\n"))
            .collect();
        let ip = host.node_ip;
        let mac = ip.to_string().rsplit('.').next().unwrap().to_owned();
        let text = format!(
            "machine=x86_64\naddress=eth0 {ip}/24\nnameserver=10.0.0.1\nmac=eth0 52:54:00:00:00:{mac} physical\n{more}end=yes\n"
        );
        let facts = parse_facts(&text).unwrap();
        let one = HostSeen {
            facts,
            ..HostSeen::default()
        };
        seen.hosts.insert(host.name.clone(), one);
    }
    seen
}

/// From a bundle: nothing outside is needed.
fn bundle() -> Artifacts {
    Artifacts {
        offline: true,
        ..Artifacts::default()
    }
}

fn tasks(cluster: &Cluster, more: &[(&str, &str)]) -> BTreeMap<String, Task> {
    plan(cluster, &bundle(), &seen(cluster, more), "token")
}

/// `to proto port` of every probe of a host.
fn probes(tasks: &BTreeMap<String, Task>, host: &str) -> Vec<String> {
    let probes = &tasks[host].probes;
    probes
        .iter()
        .map(|one| {
            let proto = serde_json::to_string(&one.proto).unwrap();
            format!("{} {} {}", one.to, proto.trim_matches('"'), one.port)
        })
        .collect()
}

#[test]
fn the_matrix_is_what_the_configuration_needs() {
    let all = tasks(&load(INVENTORY), &[]);
    let to_cp = |name: &str| {
        [
            "tcp 2379",
            "tcp 2380",
            "tcp 6443",
            "tcp 6444",
            "tcp 7946",
            "tcp 10250",
            "udp 7946",
            "udp 8472",
            "vrrp 0",
        ]
        .map(|port| format!("{name} {port}"))
    };
    let mut expected = [to_cp("cp2"), to_cp("cp3")].concat();
    expected
        .extend(["w1 tcp 7946", "w1 tcp 10250", "w1 udp 7946", "w1 udp 8472"].map(str::to_owned));
    assert_eq!(probes(&all, "cp1"), expected);
    let of_worker = |name: &str| {
        ["tcp 6443", "tcp 6444", "tcp 7946", "udp 7946", "udp 8472"]
            .map(|port| format!("{name} {port}"))
    };
    let expected = [of_worker("cp1"), of_worker("cp2"), of_worker("cp3")].concat();
    assert_eq!(probes(&all, "w1"), expected);
    // Everything that is probed is listened for.
    for (host, task) in &all {
        for probe in &task.probes {
            let there = |one: &&baremetal::phases::preflight::wire::Listen| {
                (one.proto, one.port, &one.address) == (probe.proto, probe.port, &probe.address)
            };
            assert!(probe.ours, "{host} {probe:?}");
            assert!(
                all[&probe.to].listen.iter().any(|one| there(&one)),
                "{host} {probe:?}"
            );
        }
    }
    assert_eq!(all["cp1"].disk, "/var/lib/etcd");
    assert_eq!(all["w1"].disk, "");
    assert_eq!(all["cp1"].pool.len(), 4, "the first host asks for the pool");
    assert!(all["w1"].pool.is_empty(), "and nobody again");
    assert!(all["cp1"].adverts > 3.0 && all["w1"].adverts == 0.0);
    assert_eq!(all["w1"].name_servers, ["10.0.0.1"]);
}

#[test]
fn other_networks_need_other_ports() {
    let of = |line: &str| {
        let text = INVENTORY.replace("metallb: 10.0.0.200-10.0.0.203", line);
        let all = tasks(&load(&text), &[]);
        let mut ports: Vec<_> = probes(&all, "w1")
            .iter()
            .filter_map(|one| one.strip_prefix("cp1 "))
            .map(str::to_owned)
            .collect();
        ports.retain(|port| !port.starts_with("tcp 644"));
        ports
    };
    assert_eq!(
        of("network: {plugin: calico}"),
        ["tcp 179", "tcp 5473", "udp 4789"]
    );
    assert_eq!(of("network: {plugin: cilium}"), ["tcp 4240", "udp 8472"]);
    assert_eq!(
        of("network: {plugin: {flannel: {backend: wireguard}}}"),
        ["udp 51820"]
    );
    assert_eq!(
        of("network: {plugin: {flannel: {backend: host-gw}}}"),
        [""; 0]
    );
}

#[test]
fn nothing_listens_on_a_node() {
    let joined = [
        ("cp1", "conf=kubelet.conf"),
        ("cp1", "unit=keepalived.service loaded active enabled"),
    ];
    let all = tasks(&load(INVENTORY), &joined);
    assert_eq!(all["cp1"].listen, vec![]);
    let mut to: Vec<_> = all["cp2"]
        .probes
        .iter()
        .filter(|one| one.to == "cp1")
        .collect();
    assert!(to.iter().all(|one| !one.ours), "{to:?}");
    to.retain(|one| serde_json::to_value(one.proto).unwrap() != "tcp");
    assert!(to.is_empty(), "{to:?}");
}

#[test]
fn checks_are_left_out_alone_or_together() {
    let of = |skip: &str| {
        tasks(
            &load(&format!("{INVENTORY}run: {{skip-checks: [{skip}]}}\n")),
            &[],
        )
    };
    assert!(of("wire").is_empty());
    let without = of("reach, mtu, vrrp-id, pool, dns");
    assert_eq!(without.keys().collect::<Vec<_>>(), ["cp1", "cp2", "cp3"]);
    assert!(
        without
            .values()
            .all(|task| task.probes.is_empty() && !task.disk.is_empty())
    );
    let text = INVENTORY.replace("role: worker", "role: worker, skip-checks: [reach]");
    let without = tasks(&load(&text), &[]);
    assert!(without["cp1"].probes.iter().all(|one| one.to != "w1"));
    assert!(!without["w1"].probes.is_empty());
}

#[test]
fn registries_and_servers_are_asked_for_where_there_is_no_bundle() {
    let inventory = format!(
        "{INVENTORY}registries: {{ghcr.io: {{mirrors: [{{url: 'https://mirror:5000'}}], fallback: false}}}}\n"
    );
    let cluster = load(&inventory);
    let artifacts = Artifacts {
        items: vec![Item {
            name: "kubeadm".into(),
            kind: Kind::Binary,
            version: "1.33.4".into(),
            arch: Some("amd64".into()),
            sha256: "0".repeat(64),
            size: None,
            images: Vec::new(),
            from: From::Url("https://dl.k8s.io/v1/kubeadm".into()),
        }],
        ..Artifacts::default()
    };
    let all = plan(&cluster, &artifacts, &seen(&cluster, &[]), "token");
    let urls: Vec<_> = all["w1"]
        .sites
        .iter()
        .map(|site| site.url.as_str())
        .collect();
    let expected = [
        "https://mirror:5000",
        "https://quay.io/v2/",
        "https://registry.k8s.io/v2/",
        "https://dl.k8s.io/",
    ];
    assert_eq!(urls, expected);
}

/// Findings that say that something is wrong, when hosts answer this.
fn wrong(inventory: &str, more: &[(&str, &str)], said: &[(&str, &str)]) -> Vec<Finding> {
    let mut found = found(inventory, more, said);
    found.retain(|one| one.level != Level::Skipped);
    found
}

/// Findings when hosts answer this; every other host has nothing to say.
fn found(inventory: &str, more: &[(&str, &str)], said: &[(&str, &str)]) -> Vec<Finding> {
    let cluster = load(inventory);
    let seen = seen(&cluster, more);
    let tasks = plan(&cluster, &bundle(), &seen, "token");
    let answers = tasks
        .keys()
        .map(|host| {
            let said = said.iter().find(|(name, _)| name == host);
            let answer = Answer::parse(said.map_or("{}", |(_, text)| text)).unwrap();
            (host.clone(), Ok(answer))
        })
        .collect();
    judge(&cluster, &seen, &tasks, &answers)
}

#[test]
fn nothing_is_found_where_all_is_well() {
    assert_eq!(found(INVENTORY, &[], &[]), vec![]);
}

/// (host that says it, its answer, id, host of the finding, level, what the finding must say)
type Case = (
    &'static str,
    &'static str,
    &'static str,
    &'static str,
    Level,
    &'static str,
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("cp1", r#"{"reach": [{"to": "w1", "proto": "tcp", "port": 10250, "why": "no answer"}]}"#, "reach", "w1", Level::Failure, "tcp 10250 (kubelet) cannot be reached from cp1: no answer"),
    ("cp1", r#"{"reach": [{"to": "cp2", "proto": "vrrp", "port": 0, "why": "no answer"}]}"#, "reach", "cp2", Level::Failure, "protocol 112 (VRRP) cannot be reached from cp1"),
    ("cp1", r#"{"reach": [{"to": "cp2", "proto": "tcp", "port": 2379, "why": "no answer"}, {"to": "cp2", "proto": "tcp", "port": 2380, "why": "no answer"}]}"#, "reach", "cp2", Level::Failure, "tcp 2379 (etcd), tcp 2380 (etcd) cannot be reached from cp1: no answer"),
    ("w1",  r#"{"mtu": 9000, "paths": [{"to": "cp1", "largest": 1500}, {"to": "cp2", "largest": 1500}]}"#, "mtu", "w1", Level::Failure, "packets of 9000 bytes, the MTU of eth0, do not get to cp1, cp2; 1500 bytes do"),
    ("w1",  r#"{"mtu": 1500, "paths": [{"to": "cp1", "largest": 0}]}"#, "mtu", "w1", Level::Skipped, "cp1 do not answer ICMP echo"),
    ("cp3", r#"{"adverts": [{"from": "10.0.0.77", "id": 10}, {"from": "10.0.0.78", "id": 1}]}"#, "vrrp-id", "cp3", Level::Failure, "10.0.0.77 uses VRRP id 10 already"),
    ("cp1", r#"{"pool": [{"address": "10.0.0.201", "mac": "02:00:00:00:00:99"}]}"#, "pool", "cp1", Level::Failure, "02:00:00:00:00:99, none of the hosts, answers for 10.0.0.201"),
    ("cp2", r#"{"disk": {"directory": "/var/lib", "writes": 300, "p99": 23.42}}"#, "etcd-disk", "cp2", Level::Warning, "more than 23.4 ms to be on the disk of /var/lib"),
    ("w1",  r#"{"name-servers": [{"name": "10.0.0.1", "why": "no answer"}]}"#, "dns", "w1", Level::Warning, "name server 10.0.0.1: no answer"),
    ("w1",  r#"{"names": [{"name": "api.example", "why": "Name or service not known"}]}"#, "dns", "w1", Level::Failure, "api.example: Name or service not known"),
    ("w1",  r#"{"time-servers": [{"name": "a.example", "why": "no answer"}, {"name": "b.example", "why": "no answer"}]}"#, "time-servers", "w1", Level::Failure, "time server a.example: no answer; b.example: no answer"),
    ("w1",  r#"{"time-servers": [{"name": "a.example", "why": "no answer within 20 s"}]}"#, "time-servers", "w1", Level::Warning, "time server a.example: no answer within 20 s"),
    ("w1",  r#"{"errors": {"sites": "no end within 25 s"}}"#, "registries", "w1", Level::Skipped, "not checked: no end within 25 s"),
    ("w1",  r#"{"errors": {"paths": "Operation not permitted"}}"#, "mtu", "w1", Level::Skipped, "not checked: Operation not permitted"),
];

#[test]
fn each_answer_has_one_finding() {
    for (says, answer, id, host, level, text) in CASES {
        let inventory = format!("{INVENTORY}system: {{time-servers: [a.example, b.example]}}\n");
        let found = found(&inventory, &[], &[(says, answer)]);
        assert_eq!(found.len(), 1, "{answer}: {found:?}");
        let one = &found[0];
        assert_eq!(
            (one.id, one.host.as_str(), one.level),
            (*id, *host, *level),
            "{one:?}"
        );
        assert!(one.found.contains(text), "{one:?}");
        assert!(!one.needed.is_empty() && !one.fix.is_empty(), "{one:?}");
    }
}

#[test]
fn what_is_ours_is_no_stranger() {
    let said = [
        (
            "cp1",
            r#"{"pool": [{"address": "10.0.0.201", "mac": "52:54:00:00:00:21"}], "disk": {"directory": "/", "writes": 9, "p99": 9.9}}"#,
        ),
        ("cp3", r#"{"adverts": [{"from": "10.0.0.11", "id": 10}]}"#),
    ];
    assert_eq!(found(INVENTORY, &[], &said), vec![]);
}

#[test]
fn a_port_that_nobody_reaches_reads_the_same_on_every_host() {
    let missed = |to: &[&str]| {
        let one = |to: &&str| serde_json::json!({"to": to, "proto": "udp", "port": 8472, "why": "no answer"});
        serde_json::json!({"reach": to.iter().map(one).collect::<Vec<_>>()}).to_string()
    };
    let (a, b) = (missed(&["cp2", "cp3", "w1"]), missed(&["cp1", "cp3", "w1"]));
    let (c, d) = (
        missed(&["cp1", "cp2", "w1"]),
        missed(&["cp1", "cp2", "cp3"]),
    );
    let said = [("cp1", &*a), ("cp2", &*b), ("cp3", &*c), ("w1", &*d)];
    let found = found(INVENTORY, &[], &said);
    assert_eq!(found.len(), 4);
    assert!(
        found.iter().all(|one| one.found == found[0].found),
        "{found:?}"
    );
    assert!(
        found[0].found.contains("from every other host"),
        "{found:?}"
    );
}

#[test]
fn a_node_refuses_where_nothing_of_it_listens() {
    let refused =
        r#"{"reach": [{"to": "cp1", "proto": "tcp", "port": 2379, "why": "Connection refused"}]}"#;
    let joined = ("cp1", "conf=kubelet.conf");
    assert_eq!(wrong(INVENTORY, &[joined], &[("cp2", refused)]), vec![]);
    let listens = ("cp1", "port=2379 10.0.0.11 etcd");
    assert_eq!(
        wrong(INVENTORY, &[joined, listens], &[("cp2", refused)]).len(),
        1
    );
    let silent = refused.replace("Connection refused", "no answer");
    assert_eq!(wrong(INVENTORY, &[joined], &[("cp2", &silent)]).len(), 1);
}

#[test]
fn a_stranger_on_a_port_is_the_business_of_another_check() {
    let silent = r#"{"reach": [{"to": "cp1", "proto": "tcp", "port": 2379, "why": "no answer"}]}"#;
    let of = |owner: &str| {
        let used = format!("port=2379 0.0.0.0 {owner}");
        found(INVENTORY, &[("cp1", &used)], &[("cp2", silent)]).len()
    };
    // haproxy is our own there, and what keeps others from it is not.
    assert_eq!((of("squatter"), of("haproxy")), (0, 1));
}

#[test]
fn registries_that_do_not_answer_are_named() {
    let cluster = load(INVENTORY);
    let seen = seen(&cluster, &[]);
    let tasks = plan(&cluster, &Artifacts::default(), &seen, "token");
    let judged = |host: &str, said: &str| {
        let answers = tasks.keys().map(|name| {
            let said = if name == host { said } else { "{}" };
            (name.clone(), Ok(Answer::parse(said).unwrap()))
        });
        let mut found = judge(&cluster, &seen, &tasks, &answers.collect());
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    };
    let one = judged(
        "w1",
        r#"{"sites": [{"url": "https://quay.io/v2/", "why": "no answer within 20 s"}]}"#,
    );
    assert_eq!(
        (one.id, &*one.host, one.level),
        ("registries", "w1", Level::Failure)
    );
    let text = "https://quay.io/v2/ does not answer: no answer within 20 s";
    assert_eq!(one.found, text);
    let one = judged("w1", r#"{"errors": {"sites": "no end within 25 s"}}"#);
    assert_eq!((one.id, one.level), ("registries", Level::Skipped));
}

#[test]
fn a_listener_that_could_not_listen_accuses_no_other_host() {
    let deaf = r#"{"listen": [{"proto": "udp", "port": 8472, "why": "used"}, {"proto": "tcp", "port": 7946, "why": "used", "owner": "dockerd"},
                              {"proto": "tcp", "port": 10250, "why": "Permission denied"}, {"proto": "udp", "port": 7946, "why": "Permission denied"}]}"#;
    let missed = r#"{"reach": [{"to": "w1", "proto": "udp", "port": 8472, "why": "no answer"},
                               {"to": "w1", "proto": "tcp", "port": 10250, "why": "Connection refused"}]}"#;
    let of = |more: &[(&str, &str)]| {
        let found = found(INVENTORY, more, &[("w1", deaf), ("cp1", missed)]);
        let lines = found.into_iter().map(|one| {
            assert_eq!(one.host, "w1");
            (one.id, one.level, one.found)
        });
        lines.collect::<Vec<_>>()
    };
    let flannel = (
        "ports",
        Level::Failure,
        "udp 8472 is used by a program without a name, or the kernel (as for VXLAN)".to_owned(),
    );
    let metallb = (
        "ports",
        Level::Failure,
        "tcp 7946 is used by dockerd".to_owned(),
    );
    let unknown = (
        "reach",
        Level::Skipped,
        "not checked: nothing could listen on tcp 10250, udp 7946: Permission denied".to_owned(),
    );
    let all = [flannel, metallb.clone(), unknown.clone()];
    assert_eq!(of(&[]), all);
    // What flannel has left behind, it takes over.
    let left = ("w1", "mac=flannel.1 02:00:00:00:00:01 virtual");
    assert_eq!(of(&[left]), [metallb, unknown.clone()]);
    // On a host that was to become a node, our own programs may have them.
    assert_eq!(of(&[("w1", "manifest=etcd.yaml")]), [unknown]);
}

#[test]
fn another_check_at_the_same_time_is_no_stranger() {
    let deaf = r#"{"listen": [{"proto": "tcp", "port": 7946, "why": "another check", "owner": "python3"}]}"#;
    let found = found(INVENTORY, &[], &[("w1", deaf)]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].id, found[0].level), ("reach", Level::Skipped));
    assert!(
        found[0].found.ends_with("tcp 7946: another check"),
        "{found:?}"
    );
}

#[test]
fn ports_that_the_check_of_ports_names_are_not_said_twice() {
    let deaf = r#"{"listen": [{"proto": "tcp", "port": 6443, "why": "used", "owner": "haproxy"}, {"proto": "tcp", "port": 2380, "why": "used", "owner": "squatter"}]}"#;
    let named = [
        ("cp1", "port=2380 0.0.0.0 squatter"),
        ("cp1", "unit=haproxy.service loaded active enabled"),
    ];
    let ports = |more: &[(&str, &str)]| found(INVENTORY, more, &[("cp1", deaf)]).len();
    assert_eq!((ports(&named), ports(&[])), (0, 2));
    let skip = format!("{INVENTORY}run: {{skip-checks: [ports]}}\n");
    assert_eq!(found(&skip, &[], &[("cp1", deaf)]), vec![]);
}

/// What a running cluster, or its networks, do not let be tried is said once.
#[test]
fn what_is_not_tried_is_said() {
    let of = |inventory: &str, more: &[(&str, &str)]| {
        let found = found(inventory, more, &[]);
        let lines = found.into_iter().map(|one| {
            assert_eq!(one.level, Level::Skipped, "{one:?}");
            assert!(!one.needed.is_empty() && !one.fix.is_empty());
            let found = one.found.strip_prefix("not checked: ").unwrap().to_owned();
            (one.id, one.host, found)
        });
        lines.collect::<Vec<_>>()
    };
    let joined = [("w1", "conf=kubelet.conf")];
    let (id, host, found) = &of(INVENTORY, &joined)[0];
    assert_eq!((*id, &**host), ("reach", "w1"));
    let text = "udp 7946 (MetalLB), udp 8472 (flannel): the cluster's own programs have them";
    assert!(found.starts_with(text), "{found}");
    let busy = [("cp2", "unit=keepalived.service loaded active enabled")];
    let said = of(INVENTORY, &busy);
    assert!(said[0].2.starts_with("protocol 112 (VRRP)"), "{said:?}");
    let pool = |addresses: &str| {
        let said = of(&INVENTORY.replace("10.0.0.200-10.0.0.203", addresses), &[]);
        assert!(
            said.iter()
                .all(|(id, host, _)| *id == "pool" && host == "cp1")
        );
        said.into_iter()
            .map(|(.., found)| found)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        pool("10.9.0.1-10.9.0.3"),
        ["10.9.0.1 and 2 more: no host that was reached is in their network"]
    );
    let large = pool("10.0.0.128-10.0.1.255");
    assert!(
        large
            .last()
            .unwrap()
            .ends_with("has 384 addresses; the first 256 are asked for"),
        "{large:?}"
    );
}

#[test]
fn nothing_is_written_beside_a_member_of_etcd() {
    let all = tasks(
        &load(INVENTORY),
        &[("cp1", "manifest=etcd.yaml"), ("cp1", "conf=kubelet.conf")],
    );
    assert!(all["cp1"].etcd && !all["cp2"].etcd);
    assert!(!all["cp1"].disk.is_empty(), "it is asked all the same");
}

#[test]
fn a_host_without_python_is_skipped_and_never_passes() {
    let cluster = load(INVENTORY);
    let seen = seen(&cluster, &[]);
    let tasks = plan(&cluster, &bundle(), &seen, "token");
    // The others miss it: it listens on nothing.
    let missed =
        r#"{"reach": [{"to": "w1", "proto": "tcp", "port": 10250, "why": "Connection refused"}]}"#;
    let mut answers: BTreeMap<String, Result<Answer, Unanswered>> = tasks
        .keys()
        .map(|host| (host.clone(), Ok(Answer::parse(missed).unwrap())))
        .collect();
    answers.insert("w1".into(), Err(Unanswered::NoPython));
    let found = judge(&cluster, &seen, &tasks, &answers);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].id, found[0].level), ("wire", Level::Skipped));
    assert!(found[0].found.contains("no python3"), "{found:?}");
    assert!(found[0].needed.contains("reach, mtu"), "{found:?}");
}
