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
    let harbor = "harbor: {host: harbor.example.org, admin-password: {file: password}}\n\
         run: {skip-checks: [longhorn-iscsi, longhorn-nfs, longhorn-crypt]}\n";
    lab.write(
        ONE,
        &format!("{harbor}longhorn: {}\n", classes("fast: {}, slow: {}")),
    );
    lab.up().ok();
    lab.nothing_to_do();
    objects_follow_the_inventory(&lab, harbor);
    lab.run(&["lab", "down"], &[]).ok();
    lab.write(ONE, "network: {plugin: calico}\n");
    lab.up().ok();
    lab.nothing_to_do();
}

fn classes(all: &str) -> String {
    format!("{{storage-classes: {{{all}}}}}")
}

/// What leaves the inventory leaves the cluster; what cannot be changed in place is made anew; what others made stays.
fn objects_follow_the_inventory(lab: &Lab, harbor: &str) {
    let foreign = lab.directory.path().join("foreign.yaml");
    let object = "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: foreign}\nprovisioner: example.org/disks\n";
    fs::write(&foreign, object).unwrap();
    lab.kubectl(&["apply", "-f", &foreign.to_string_lossy()])
        .ok();
    lab.write(
        ONE,
        &format!(
            "{harbor}longhorn: {}\n",
            classes("fast: {parameters: {dataLocality: best-effort}}")
        ),
    );
    rename_the_pool(lab);
    let plan = lab.run(&["plan"], &[]).ok();
    for gone in [
        "-ipaddresspool.metallb.io/default",
        "-l2advertisement.metallb.io/default",
        "-storageclass.storage.k8s.io/slow",
    ] {
        assert!(plan.stdout.contains(gone), "{gone}: {}", plan.stdout);
    }
    lab.up().ok();
    lab.nothing_to_do();
    let names = |kind: &str| {
        let all = lab.kubectl(&["-n", "metallb-system", "get", kind, "-o", "name"]);
        let mut names: Vec<String> = all.ok().stdout.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(
        names("ipaddresspools.metallb.io"),
        ["ipaddresspool.metallb.io/main"]
    );
    assert_eq!(
        names("l2advertisements.metallb.io"),
        ["l2advertisement.metallb.io/main"]
    );
    let all = names("storageclasses.storage.k8s.io");
    for (class, there) in [
        ("foreign", true),
        ("fast", true),
        ("longhorn-retain", true),
        ("slow", false),
    ] {
        let name = format!("storageclass.storage.k8s.io/{class}");
        assert_eq!(all.contains(&name), there, "{all:?}");
    }
    let locality = [
        "get",
        "storageclass",
        "fast",
        "-o",
        "jsonpath={.parameters.dataLocality}",
    ];
    assert_eq!(lab.kubectl(&locality).ok().stdout, "best-effort");
}

fn rename_the_pool(lab: &Lab) {
    let text = fs::read_to_string(lab.inventory()).unwrap();
    let range = format!("{0}.200-{0}.219", lab.net);
    let renamed = text.replace(
        &format!("metallb: {range}\n"),
        &format!("metallb: {{pools: {{main: {{addresses: {range}, l2: true}}}}}}\n"),
    );
    assert_ne!(renamed, text);
    fs::write(lab.inventory(), renamed).unwrap();
}
