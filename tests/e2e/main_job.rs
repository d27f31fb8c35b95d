//! Bare hosts become a cluster; again, nothing; then hosts and services go, and the API stays.

use std::{collections::BTreeSet, time::Duration};

use serde_json::Value;

use crate::support::{Lab, THREE_AND_TWO};

const WITHIN: Duration = Duration::from_secs(5);

#[test]
#[ignore = "needs a container engine"]
fn e2e_main_job() {
    let lab = Lab::new("e2e-main", 51, THREE_AND_TWO);
    let first = lab.up().ok();
    assert_eq!(first.finished()["failed"], 0);
    every_node_is_ready(&lab, 5);
    assert_eq!(lab.voters("cp1").len(), 3);
    dns_outlives_a_node(&lab);
    again_changes_nothing(&lab);
    the_kubeconfig_is_private(&lab);

    assert_eq!(lab.vip_holders(THREE_AND_TWO).len(), 1);
    for service in ["keepalived", "haproxy"] {
        let holder = lab.vip_holders(THREE_AND_TWO).remove(0);
        lab.on(&holder, &format!("systemctl stop {service}")).ok();
        let gap = lab.gap(Duration::from_mins(1));
        assert!(gap < WITHIN, "{service} stopped: no answer for {gap:?}");
        assert_ne!(
            lab.vip_holders(THREE_AND_TWO),
            std::slice::from_ref(&holder)
        );
        // A stopped service is a difference that `up` mends.
        let mended = lab.up().ok();
        assert!(mended.text().contains(service), "{}", mended.text());
        assert_eq!(lab.vip_holders(THREE_AND_TWO).len(), 1);
    }

    let holder = lab.vip_holders(THREE_AND_TWO).remove(0);
    lab.destroy(&holder);
    let gap = lab.gap(Duration::from_mins(1));
    assert!(gap < WITHIN, "{holder} destroyed: no answer for {gap:?}");
    truthful_with_a_host_gone(&lab, &holder);
}

fn every_node_is_ready(lab: &Lab, count: usize) {
    let nodes: Value =
        serde_json::from_str(&lab.kubectl(&["get", "nodes", "-o", "json"]).ok().stdout)
            .expect("kubectl prints JSON");
    let ready = nodes["items"]
        .as_array()
        .expect("a list of nodes")
        .iter()
        .filter(|node| {
            node["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        })
        .count();
    assert_eq!(ready, count, "{nodes:#}");
}

/// kubeadm starts every pod of `CoreDNS` on the first control plane, and the scheduler leaves them there.
fn dns_outlives_a_node(lab: &Lab) {
    let pods = ["get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns"];
    let nodes = "jsonpath={range .items[*]}{.spec.nodeName}{\"\\n\"}{end}";
    let nodes = lab.kubectl(&[&pods[..], &["-o", nodes]].concat()).ok();
    let nodes: BTreeSet<_> = nodes.stdout.lines().collect();
    assert!(nodes.len() > 1, "{nodes:?}");
}

fn again_changes_nothing(lab: &Lab) {
    let end = lab.nothing_to_do().finished();
    for (host, trips) in end["round-trips"].as_object().expect("a count per host") {
        assert!(
            trips.as_u64().is_some_and(|trips| trips <= 3),
            "{host}: {trips}"
        );
    }
    let plain = lab.run(&["up"], &[]).ok();
    assert!(plain.text().contains("nothing to do"), "{}", plain.text());
    lab.run(&["plan"], &["--exit-code"]).ok();
}

fn the_kubeconfig_is_private(lab: &Lab) {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(lab.kubeconfig()).expect("up leaves a kubeconfig");
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
}

/// With one host gone: the others are looked at, the missing one is named, and the exit code says so.
fn truthful_with_a_host_gone(lab: &Lab, gone: &str) {
    let run = lab.run(&["up"], &[]).code(4);
    assert!(run.text().contains(gone), "{}", run.text());
    assert!(run.took < Duration::from_secs(40), "{:?}", run.took);
}
