use std::net::IpAddr;

use super::*;
use crate::inventory::{LoadOptions, Role, load_text};

fn sight(addresses: &[(&str, &str, u8)]) -> Sight {
    Sight {
        addresses: addresses
            .iter()
            .map(|(interface, address, prefix)| InterfaceAddress {
                interface: (*interface).to_owned(),
                address: address.parse().expect("an address"),
                prefix: *prefix,
            })
            .collect(),
        default_interface: addresses.first().map(|one| one.0.to_owned()),
    }
}

fn addresses(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

fn named(list: &str, planes: usize) -> Vec<NewHost> {
    let mut hosts = from_list(list).expect("a list");
    assign_roles(&mut hosts, planes);
    hosts
}

/// What `--yes` answers; the text loads.
fn accepted(hosts: Vec<NewHost>, seen: &Seen) -> String {
    let proposals = propose(&hosts, seen);
    let value = |proposal: &Option<Proposal>| proposal.clone().expect("a proposal").value;
    let answers = Answers {
        cluster: "homelab".to_owned(),
        kubernetes: "1.33.4".to_owned(),
        user: Some("ops".to_owned()),
        endpoint: value(&proposals.endpoint),
        interface: value(&proposals.interface),
        metallb: value(&proposals.metallb),
        pods: value(&proposals.pods),
        services: value(&proposals.services),
        longhorn: value(&proposals.longhorn) == "yes",
        hosts,
        ..Answers::default()
    };
    let text = text(&answers, &proposals);
    let loaded = load_text(
        &text,
        std::path::Path::new("a.yaml"),
        &LoadOptions::default(),
    );
    let cluster = loaded.unwrap_or_else(|error| panic!("{error:#}\n{text}"));
    assert_eq!(cluster.hosts.len(), answers.hosts.len());
    assert!(cluster.warnings.is_empty(), "{:?}", cluster.warnings);
    text
}

#[test]
fn three_control_planes_and_two_workers() {
    let mut hosts = named(
        "cp1 10.0.0.11\ncp2 10.0.0.12\ncp3 10.0.0.13\nworker-1 10.0.0.21\nworker-2 10.0.0.22\n",
        3,
    );
    let hosts_seen = hosts.iter().map(|host| {
        (
            host.name.clone(),
            sight(&[
                ("eth0", host.address.as_str(), 24),
                ("docker0", "172.17.0.1", 16),
                ("lo", "127.0.0.1", 8),
            ]),
        )
    });
    let seen = Seen {
        hosts: hosts_seen.collect(),
        asker: Some("cp1".to_owned()),
        taken: addresses(&["10.0.0.10", "10.0.0.205"]),
    };
    node_addresses(&mut hosts, &seen);
    let probed = to_probe(&hosts, &seen);
    assert_eq!(probed[0].to_string(), "10.0.0.10");
    assert_eq!(probed.len(), 86);
    insta::assert_snapshot!("five-hosts", accepted(hosts, &seen));
}

#[test]
fn hosts_by_name_whose_networks_overlap_the_usual_ones() {
    let config = "Host *\n  User me\nHost edge1\n HostName=10.100.3.1\nHost edge2 edge-two\n  HostName edge2.site.example\nHost edge3\nMatch host x\n  HostName 10.9.9.9\n";
    let mut hosts = from_ssh_config(config, &|_| Vec::new());
    let names: Vec<_> = hosts.iter().map(|host| host.name.clone()).collect();
    assert_eq!(names, ["edge1", "edge2", "edge-two", "edge3"]);
    assert_eq!(hosts[0].node_ip[0].to_string(), "10.100.3.1");
    hosts.remove(2);
    assign_roles(&mut hosts, 3);
    let seen = Seen {
        hosts: [
            ("edge1", "enp1s0", "10.100.3.1"),
            ("edge2", "enp1s0", "10.100.3.2"),
            ("edge3", "enp2s0", "10.100.3.3"),
        ]
        .map(|(name, interface, address)| {
            (
                name.to_owned(),
                sight(&[
                    (interface, "fe80::1", 64),
                    (interface, address, 20),
                    ("eth9", "10.244.7.1", 24),
                ]),
            )
        })
        .into(),
        asker: None,
        taken: BTreeSet::new(),
    };
    node_addresses(&mut hosts, &seen);
    assert_eq!(hosts[1].node_ip[0].to_string(), "10.100.3.2");
    insta::assert_snapshot!("three-by-name", accepted(hosts, &seen));
}

#[test]
fn hosts_of_included_files_are_found_and_the_block_goes_on_after_them() {
    let config = "Host rack1\n\tInclude \"my hosts\" more\n\tHostName 10.0.0.1\n  # Include never\nInclude = rest # all of them\nHost rack1 rack9\n HostName 10.0.0.9\n";
    let included = |word: &str| -> Vec<String> {
        let text = match word {
            "my hosts" => "HostName 10.0.0.111\nHost Rack2\nHostName 10.0.0.2\n",
            "rest" => "Host rack4\n  HostName \"10.0.0.4\"\nInclude rest\n",
            "more" => return vec![],
            other => panic!("{other:?} is asked for"),
        };
        vec![text.to_owned()]
    };
    let hosts: Vec<_> = from_ssh_config(config, &included)
        .into_iter()
        .map(|host| (host.address, host.name, host.node_ip[0].to_string()))
        .collect();
    let wanted = [
        // The first value counts, as for ssh.
        ("rack1", "rack1", "10.0.0.111"),
        ("Rack2", "rack2", "10.0.0.2"),
        ("rack4", "rack4", "10.0.0.4"),
        ("rack9", "rack9", "10.0.0.9"),
    ]
    .map(|(address, name, ip)| (address.to_owned(), name.to_owned(), ip.to_owned()));
    assert_eq!(hosts, wanted);
}

#[test]
fn one_host_that_nobody_looked_at() {
    insta::assert_snapshot!(
        "one-offline",
        accepted(named("root@192.168.7.4\n", 1), &Seen::default())
    );
}

#[test]
fn what_is_not_known_is_not_proposed() {
    let hosts = named("cp1 10.0.1.11\ncp2 10.0.2.12\ncp3 10.0.3.13\n", 3);
    let proposals = propose(&hosts, &Seen::default());
    assert_eq!(proposals.endpoint, None);
    assert_eq!(proposals.metallb.expect("none").value, NONE);
    let names = named("cp1 cp1.example.org\n", 1);
    assert_eq!(propose(&names, &Seen::default()).endpoint, None);
}

#[test]
fn six_addresses_and_small_networks() {
    let hosts = named("a fd00:7::11\nb fd00:7::12\nc fd00:7::13\n", 3);
    let proposals = propose(&hosts, &Seen::default());
    assert_eq!(proposals.endpoint.expect("one").value, "fd00:7::10");
    assert_eq!(proposals.pods.expect("one").value, "fd00:10:244::/56");
    let mut hosts = named("a 192.0.2.66\n", 1);
    let seen = Seen {
        hosts: [("a".to_owned(), sight(&[("eth0", "192.0.2.66", 29)]))].into(),
        ..Seen::default()
    };
    node_addresses(&mut hosts, &seen);
    let proposals = propose(&hosts, &seen);
    assert_eq!(proposals.endpoint.expect("one").value, "192.0.2.67");
    assert_eq!(proposals.metallb.expect("none").value, NONE);
}

#[test]
fn lines_of_hosts() {
    let host = |line: &str| parse_host(line, 7).expect("a host");
    assert_eq!(host("cp1 10.0.0.1").name, "cp1");
    assert_eq!(host("10.0.0.1 CP1"), NewHost::new("cp1", "10.0.0.1"));
    assert_eq!(host("10.0.0.1"), NewHost::new("node7", "10.0.0.1"));
    assert_eq!(
        host("cp1.example.org"),
        NewHost::new("cp1.example.org", "cp1.example.org")
    );
    let full = host("w1 = ops@fd00::1, worker control-plane");
    assert_eq!(
        (full.name.as_str(), full.address.as_str()),
        ("w1", "fd00::1")
    );
    assert_eq!(full.ssh_user.as_deref(), Some("ops"));
    assert_eq!(full.roles, [Role::Worker, Role::ControlPlane]);
    assert!(parse_host(" , ", 1).is_err());
    assert_eq!(
        from_list("# all\n\na 10.0.0.1 # first\nb c d\n").expect_err("wrong"),
        "line 4: `d` is no role; write `NAME ADDRESS`, then `control-plane`, `worker` or `load-balancer`"
    );
}
