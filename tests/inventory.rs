//! Inventories: the examples load, and every mistake has its message at its place.

use std::path::Path;

use baremetal::inventory::{self, Cluster, LoadOptions};

fn example(name: &str) -> Cluster {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("inventories")
        .join(name);
    let options = LoadOptions {
        kubernetes: Some("1.33.4".parse().unwrap()),
        ..LoadOptions::default()
    };
    inventory::load_with(&path, &options).unwrap_or_else(|error| panic!("{error:#}"))
}

#[test]
fn the_lab_has_three_control_planes_behind_a_virtual_ip() {
    let lab = example("lab.yaml");
    assert_eq!(lab.endpoint_address(), "10.123.45.10:6443");
    assert_eq!(lab.apiserver_port(), 6444);
    let names: Vec<&str> = lab.vip_holders().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["cp1", "cp2", "cp3"]);
    assert_eq!(lab.workers().count(), 1);
    assert_eq!(
        lab.metallb.unwrap().pools[0].addresses,
        ["10.123.45.200-10.123.45.219"]
    );
    assert!(lab.hosts.iter().all(|host| host.lab));
    assert_eq!(lab.kube_proxy.mode, "iptables");
}
