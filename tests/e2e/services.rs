//! What is installed by chart, on one machine that is everything: Longhorn and Harbor, and Calico in flannel's place.

use std::fs;

use crate::support::{HostLine, Lab, bundle};

const ONE: &[HostLine<'_>] = &[("cp1", "[control-plane, worker]", 11)];

#[test]
#[ignore = "needs a container engine"]
fn e2e_services_by_chart() {
    if !bundle().join("charts").is_dir() {
        eprintln!("skipped: the bundle has no charts");
        return;
    }
    let lab = Lab::new("e2e-charts", 56, ONE);
    fs::write(lab.directory.path().join("password"), "Planted12345\n").unwrap();
    for more in [
        "longhorn: true\nharbor: {host: harbor.example.org, admin-password: {file: password}}\n\
         run: {skip-checks: [longhorn-iscsi, longhorn-nfs, longhorn-crypt]}\n",
        "network: {plugin: calico}\n",
    ] {
        lab.write(ONE, more);
        lab.up().ok();
        lab.nothing_to_do();
        lab.run(&["lab", "down"], &[]).ok();
    }
}
