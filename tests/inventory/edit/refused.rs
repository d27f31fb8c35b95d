//! What cannot be edited safely is refused, with the lines to write by hand.

use std::path::Path;

use baremetal::inventory::edit::{Change, NewHost};

use super::{remove, run, with_head, worker};

/// The failure as a user reads it, its hint included.
#[track_caller]
fn said(text: &str, changes: &[Change]) -> String {
    said_of("inventory.yaml", text, changes)
}

#[track_caller]
fn said_of(file: &str, text: &str, changes: &[Change]) -> String {
    let file = Path::new(file);
    let refusal = baremetal::inventory::edit::edit(
        text,
        file,
        &baremetal::inventory::LoadOptions::default(),
        changes,
    )
    .expect_err("refused");
    let failure = refusal.failure(file);
    format!("{}\n{}", failure.message, failure.hint.unwrap_or_default())
}

const PLANE: &str = "hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n";

#[test]
fn an_anchor_that_others_use() {
    let text = with_head(&format!(
        "{PLANE}  w1: {{address: 10.0.0.21, labels: &fast {{disk: nvme}}}}\n  w2: {{address: 10.0.0.22, labels: *fast}}\n"
    ));
    assert_eq!(
        said(&text, &[remove("w1")]),
        "inventory.yaml:6:3: host `w1` holds an anchor that line 7 refers to; move what both share under `defaults` or a group; the file was not changed\nby hand:\ntake `w1` out of line 6:\n  w1: {address: 10.0.0.21, labels: &fast {disk: nvme}}"
    );
}

#[test]
fn hosts_that_come_by_merges_and_aliases() {
    let merged = with_head(
        "defaults: {role: [control-plane, worker]}\nhosts:\n  <<: &more {n1: 10.0.0.1, n2: 10.0.0.2}\n  n3: 10.0.0.3\n",
    );
    assert!(
        said(&merged, &[remove("n1")])
            .starts_with("inventory.yaml:6:3: host `n1` may come by this merge"),
        "{}",
        said(&merged, &[remove("n1")])
    );
    let aliased = "cluster: &c demo\nkubernetes: 1.33.4\n".to_owned()
        + "defaults: {labels: &h {n1: 10.0.0.1}}\nhosts: *h\n";
    let text = said(&aliased, &[Change::Add(worker("w1", 9))]);
    assert!(
        text.starts_with("inventory.yaml:4:8: its hosts come by an alias"),
        "{text}"
    );
    assert!(
        text.ends_with("by hand:\nadd below `hosts`:\n  w1: {address: 10.0.0.9, role: worker}"),
        "{text}"
    );
}

#[test]
fn entries_in_rare_notation() {
    for entry in [
        "? w1\n  : {address: 10.0.0.21}",
        "&a w1: {address: 10.0.0.21}",
        "!!str w1: {address: 10.0.0.21}",
    ] {
        let text = with_head(&format!("{PLANE}  {entry}\n"));
        let answer = run(&text, &[remove("w1")]);
        // What an anchor or tag stands before is its own: nothing is left behind.
        if let Ok(edited) = answer {
            assert_eq!(edited.after, with_head(PLANE), "{entry}");
        } else {
            let text = said(&text, &[remove("w1")]);
            assert!(
                text.contains("is not written in a way that is edited here"),
                "{text}"
            );
        }
    }
    let tabs = with_head(PLANE) + "\tw1: 10.0.0.21\n";
    let text = said(&tabs, &[remove("cp1")]);
    assert!(text.contains("indent with spaces, not with tabs"), "{text}");
    let cr = with_head(PLANE).replace('\n', "\r");
    let text = said(&cr, &[Change::Add(worker("w1", 21))]);
    assert!(text.contains("line breaks of an old kind"), "{text}");
}

#[test]
fn what_would_be_wrong_or_mean_something_else() {
    let text = with_head(PLANE);
    let plane = NewHost {
        roles: vec![baremetal::inventory::Role::ControlPlane],
        ..worker("cp2", 12)
    };
    let even = said(&text, &[Change::Add(plane)]);
    assert!(
        even.starts_with("inventory.yaml: it would be wrong after that: hosts: 2 control planes tolerate no more failures than 1;"),
        "{even}"
    );
    let same = said(&text, &[Change::Add(worker("w1", 11))]);
    assert!(same.contains("10.0.0.11"), "{same}");
    assert!(
        same.ends_with("by hand:\nadd below `hosts`:\n  w1: {address: 10.0.0.11, role: worker}"),
        "{same}"
    );
    let twice = said(&text, &[Change::Add(worker("cp1", 21))]);
    assert!(
        twice.starts_with("inventory.yaml:5:3: there is a host `cp1` already"),
        "{twice}"
    );
    let absent = said(&text, &[remove("w7")]);
    assert!(
        absent.starts_with("inventory.yaml: there is no host `w7`"),
        "{absent}"
    );
    let last = said(&text, &[remove("cp1")]);
    assert!(
        last.starts_with("inventory.yaml: it would be wrong after that: "),
        "{last}"
    );
    let wrong = said(
        &text.replace("1.33.4", "1.11.0"),
        &[Change::Add(worker("w1", 21))],
    );
    assert!(
        wrong.starts_with("inventory.yaml: it has mistakes already: kubernetes: "),
        "{wrong}"
    );
    let group = NewHost {
        groups: vec!["gpu".to_owned()],
        ..worker("w1", 21)
    };
    let group = said(&text, &[Change::Add(group)]);
    assert!(group.contains("there is no group `gpu`"), "{group}");
}

#[test]
fn the_roles_of_an_only_host_are_not_lost() {
    let text = "cluster: one\nkubernetes: 1.33.4\nendpoint: {external: 10.0.0.1:6443}\nhosts:\n  n1: 10.0.0.1\n";
    assert!(
        said(text, &[Change::Add(worker("w1", 2))]).starts_with("inventory.yaml: "),
        "{}",
        said(text, &[Change::Add(worker("w1", 2))])
    );
    let written = text.replace(
        "n1: 10.0.0.1",
        "n1: {address: 10.0.0.1, role: [control-plane, worker]}",
    );
    assert!(run(&written, &[Change::Add(worker("w1", 2))]).is_ok());
    // The other way round: two hosts, of which the one that stays had its role by being one of two.
    let pair = "cluster: one\nkubernetes: 1.33.4\nendpoint: {external: 10.0.0.1:6443}\nhosts:\n  n1: {address: 10.0.0.1, role: control-plane}\n  w1: 10.0.0.2\n";
    assert!(run(pair, &[remove("w1")]).is_ok());
}

#[test]
fn inventories_of_kubespray() {
    let ini = "[all]\nnode1 ansible_host=10.0.0.1\nnode2 ansible_host=10.0.0.2\n\n[kube_control_plane]\nnode1\n\n[kube_node]\nnode2\n";
    assert_eq!(
        said_of(
            "inventory.ini",
            ini,
            &[Change::Add(worker("node3", 3)), remove("node2")]
        ),
        "inventory.ini: an inventory of kubespray's is read, never written; the file was not changed\nby hand:\nadd below `[all]`:\nnode3 ansible_host=10.0.0.3\nadd below `[kube_node]`:\nnode3\ntake `node2` out of line 3: node2 ansible_host=10.0.0.2\ntake `node2` out of line 9: node2"
    );
    let yaml = "all:\n  hosts:\n    node1: {ansible_host: 10.0.0.1}\n  children:\n    kube_control_plane: {hosts: {node1: }}\n";
    let text = said_of(
        "hosts.yaml",
        yaml,
        &[Change::Add(worker("node3", 3)), remove("node1")],
    );
    assert!(
        text.ends_with("add below `all.hosts`:\nnode3: {ansible_host: 10.0.0.3}\nadd below `all.children.kube_node.hosts`:\nnode3:\ntake `node1` out of line 3: node1: {ansible_host: 10.0.0.1}\ntake `node1` out of line 5: kube_control_plane: {hosts: {node1: }}"),
        "{text}"
    );
}
