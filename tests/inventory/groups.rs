use baremetal::inventory::Role;

use super::{BASE, load};

#[test]
fn hosts_win_over_groups_and_groups_over_defaults() {
    let text = BASE.replace(
        "w1: {address: 10.0.0.21}",
        "w1: {address: 10.0.0.21, group: [a, b], labels: {who: host}}",
    ) + "\
groups:
  a: {labels: {who: a, a: '1', both: a}, taints: ['a=1:NoSchedule']}
  b: {labels: {both: b}, taints: ['b:NoExecute'], ssh: {port: 2222}}
defaults: {labels: {who: default, site: x}, interface: eth1}
";
    let cluster = load(&text).unwrap();
    let host = cluster.host("w1").unwrap();
    let labels: Vec<String> = host
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(labels, ["a=1", "both=b", "site=x", "who=host"]);
    let taints: Vec<&str> = host.taints.iter().map(|taint| taint.key.as_str()).collect();
    assert_eq!(taints, ["b"], "lists are replaced");
    assert_eq!(host.ssh.port, Some(2222));
    assert_eq!(
        host.ssh.user.as_deref(),
        Some("ops"),
        "from the inventory's own ssh"
    );
    assert_eq!(host.interface.as_deref(), Some("eth1"));
    assert_eq!(cluster.host("w2").unwrap().ssh.port, None);
}

#[test]
fn a_host_without_a_role_is_a_worker_unless_it_is_alone() {
    let cluster = load(BASE).unwrap();
    assert_eq!(cluster.host("w1").unwrap().roles, [Role::Worker]);
    let alone = load("cluster: one\nkubernetes: 1.33.4\nhosts: {n1: 10.0.0.1}\n").unwrap();
    assert_eq!(alone.hosts[0].roles, [Role::ControlPlane, Role::Worker]);
}

#[test]
fn anchors_and_merge_keys_are_resolved() {
    let text = BASE.replace("w1: {address: 10.0.0.21}", "w1: {address: 10.0.0.21, <<: *worker}")
        .replace("w2: {address: 10.0.0.22}", "w2: {<<: [*worker, *more], address: 10.0.0.22}")
        .replace("ssh: {user: ops}", "ssh: {user: ops}\ndefaults: &worker\n  labels: {kind: &kind plain}\ngroups:\n  more: &more {interface: eth2, labels: {kind: *kind}}");
    let cluster = load(&text).unwrap();
    assert_eq!(cluster.host("w1").unwrap().labels["kind"], "plain");
    assert_eq!(
        cluster.host("w2").unwrap().interface.as_deref(),
        Some("eth2")
    );
    assert_eq!(cluster.warnings, ["group `more` has no host"]);
}

#[test]
fn versions_are_taken_as_people_write_them() {
    for (written, version) in [
        ("v1.33.4", "1.33.4"),
        ("'1.33.4'", "1.33.4"),
        ("1.34", "1.34.11"),
        ("1.34.0-rc.1", "1.34.0-rc.1"),
    ] {
        let text = BASE.replace("kubernetes: 1.33.4", &format!("kubernetes: {written}"));
        assert_eq!(
            load(&text).unwrap().version.to_string(),
            version,
            "{written}"
        );
    }
}
