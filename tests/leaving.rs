//! What `remove-node` and `maintenance` refuse before any host is asked, with whole messages and exit codes.

use std::{
    fs,
    process::{Command, Stdio},
};

use crate::support::{Run, run};

const THREE: &str = "\
cluster: home
kubernetes: 1.33.4
endpoint: 10.0.0.10
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, labels: &fast {disk: nvme}}
  w2: {address: 10.0.0.22, labels: *fast}
";

/// Runs the program beside an inventory, which must be as it was afterwards.
fn baremetal(inventory: &str, arguments: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.yaml");
    fs::write(&path, inventory).unwrap();
    let ended = run(Command::new(env!("CARGO_BIN_EXE_baremetal"))
        .args(arguments)
        .env_remove("BAREMETAL_BUNDLE")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .current_dir(directory.path()));
    assert_eq!(fs::read_to_string(&path).unwrap(), inventory);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    ended
}

#[test]
fn the_last_control_plane_is_not_removed() {
    let all = ["remove-node", "inventory.yaml", "cp3", "cp1", "cp2"];
    assert_eq!(
        baremetal(THREE, &all).code(8).stderr,
        "error: no control plane would be left: home would end, and all that it stores\n  \
         → to take the whole cluster down: baremetal reset INVENTORY\n"
    );
}

#[test]
fn the_name_of_another_cluster_changes_nothing() {
    let wrong = ["remove-node", "inventory.yaml", "w2", "--yes=homme"];
    assert_eq!(
        baremetal(THREE, &wrong).code(8).stderr,
        "error: the inventory is of cluster `home`, not of `homme`; nothing was changed\n  \
         → look at which inventory is meant, then give the name of its cluster\n"
    );
}

#[test]
fn an_entry_that_cannot_be_taken_out_is_said_before_anything_is_done() {
    let anchor = ["remove-node", "inventory.yaml", "w1", "--yes=home"];
    let refused = baremetal(THREE, &anchor).code(3);
    for words in [
        "inventory.yaml:8:3: host `w1` holds an anchor that line 9 refers to",
        "by hand:",
        "--keep-entry",
    ] {
        assert!(
            refused.stderr.contains(words),
            "{words}: {}",
            refused.stderr
        );
    }
}

#[test]
fn usage_is_said() {
    let none = baremetal(THREE, &["remove-node", "inventory.yaml"]).code(2);
    assert!(none.stderr.contains("<NAME>..."), "{}", none.stderr);
    let time = [
        "remove-node",
        "inventory.yaml",
        "w2",
        "--drain-timeout",
        "7",
    ];
    let time = baremetal(THREE, &time).code(2);
    assert!(time.stderr.contains("`10m`"), "{}", time.stderr);
}

#[test]
fn maintenance_names_the_nodes_that_there_are() {
    let unknown = ["maintenance", "on", "inventory.yaml", "w9"];
    assert_eq!(
        baremetal(THREE, &unknown).code(2).stderr,
        "error: the inventory has no node `w9`; nothing was changed\n  → its nodes are cp1, cp2, cp3, w1, w2\n"
    );
}

#[test]
fn the_only_control_plane_cannot_be_spared() {
    let one = "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n  cp1: 10.0.0.11\n";
    let only = ["maintenance", "on", "inventory.yaml", "cp1"];
    assert_eq!(
        baremetal(one, &only).code(8).stderr,
        "error: cp1 is not put into maintenance: it is the only control plane, without it there is no API\n  \
         → add control planes first: one alone cannot be spared\n"
    );
}
