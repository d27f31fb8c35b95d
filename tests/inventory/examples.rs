use std::{fs, path::Path};

use baremetal::inventory::{ArtifactSource, EndpointKind, Role, SecretSource, Sudo};

use super::example;

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
    assert_eq!(lab.kube_proxy.config["conntrack"]["maxPerCore"], 0);
}

#[test]
fn a_single_node_is_everything_and_its_own_endpoint() {
    let solo = example("single-node.yaml");
    assert_eq!(solo.hosts[0].roles, [Role::ControlPlane, Role::Worker]);
    assert_eq!(solo.endpoint.kind, EndpointKind::External);
    assert_eq!(solo.endpoint_address(), "10.0.0.11:6443");
    assert_eq!(solo.longhorn.unwrap().replicas, 1);
    assert!(solo.metallb.unwrap().ignore_exclude_lb);
    assert_eq!(solo.kube_proxy.mode, "nftables");
    assert!(
        solo.warnings
            .iter()
            .any(|warning| warning.contains("cannot grow")),
        "{:?}",
        solo.warnings
    );
}

#[test]
fn the_usual_cluster_inherits_from_groups_and_defaults() {
    let ha = example("ha.yaml");
    let gpu = ha.host("gpu1").unwrap();
    assert_eq!(gpu.roles, [Role::Worker]);
    assert_eq!(gpu.labels["example.org/gpu"], "true");
    assert_eq!(gpu.labels["example.org/site"], "cellar");
    assert_eq!(gpu.taints[0].effect, "NoSchedule");
    assert_eq!(gpu.kubelet["maxPods"], 60);
    assert_eq!(gpu.bmc.as_ref().unwrap().protocol, "redfish");
    let longhorn = ha.longhorn.as_ref().unwrap();
    assert_eq!(longhorn.storage_nodes, ["w1", "w2", "w3"]);
    assert_eq!(longhorn.replicas, 3);
    assert_eq!(longhorn.recurring_jobs[0].cron, "0 2 * * *");
    assert!(
        ha.control_plane
            .audit
            .as_ref()
            .unwrap()
            .policy
            .contains("kind: Policy")
    );
    assert_eq!(
        ha.control_plane.encryption.as_ref().unwrap().provider,
        "secretbox"
    );
    assert_eq!(ha.vip().unwrap().router_id, 10, "the VIP's last byte");
    let priorities: Vec<u8> = ha.vip_holders().map(|host| host.vrrp_priority).collect();
    assert_eq!(priorities, [150, 149, 148]);
}

#[test]
fn edge_has_schedulable_control_planes_only() {
    let edge = example("edge.yaml");
    assert!(edge.control_planes_only());
    assert!(edge.hosts.iter().all(|host| host.schedulable));
    assert_eq!(edge.vip().unwrap().prefix, 24);
    assert_eq!(
        edge.control_plane.guarantees.unwrap().resources["etcd"],
        ("500m".to_owned(), "1Gi".to_owned())
    );
    assert!(edge.metallb.unwrap().ignore_exclude_lb);
}

#[test]
fn an_external_pair_holds_the_vip_and_leaves_6443_to_the_apiservers() {
    let metro = example("external-lb.yaml");
    let holders: Vec<&str> = metro.vip_holders().map(|host| host.name.as_str()).collect();
    assert_eq!(holders, ["lb1", "lb2"]);
    assert_eq!(metro.apiserver_port(), 6443);
    assert_eq!(metro.endpoint_address(), "api.metro.example.org:6443");
    assert_eq!(metro.vip().unwrap().router_id, 77);
    assert_eq!(metro.nodes().count(), 6);
    let lb = metro.host("lb1").unwrap();
    assert_eq!(lb.ssh.jump.as_deref(), Some("ops@bastion.example.org"));
    assert_eq!(lb.ssh.sudo, Sudo::Password(SecretSource::Prompt));
    assert!(
        metro
            .control_plane
            .etcd
            .args
            .contains(&("election-timeout".to_owned(), "3000".to_owned()))
    );
}

#[test]
fn bgp_pools_keep_their_peers_and_families() {
    let fabric = example("bgp-frr.yaml");
    assert_eq!(fabric.network.pods.len(), 2);
    assert_eq!(fabric.network.node_mask, [24, 64]);
    assert_eq!(
        fabric.hosts[0].node_ip_v6.unwrap().to_string(),
        "fd00:30::11"
    );
    let metallb = fabric.metallb.unwrap();
    assert_eq!(metallb.bgp_mode, "frr-k8s");
    let names: Vec<&str> = metallb
        .pools
        .iter()
        .map(|pool| pool.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["public", "internal", "office"],
        "the order of the file"
    );
    assert!(metallb.pools[0].l2.is_none() && metallb.pools[0].bgp.is_some());
    assert!(metallb.pools[2].l2.is_some() && metallb.pools[2].bgp.is_none());
    assert_eq!(
        metallb.pools[1].bgp.as_ref().unwrap().node_selectors[0]["rack"],
        "a"
    );
    assert_eq!(
        metallb.peers[0].password,
        Some(SecretSource::Env("BGP_PASSWORD".to_owned()))
    );
    assert_eq!(metallb.peers[0].hold_time.as_deref(), Some("9s"));
}

#[test]
fn the_air_gapped_cluster_asks_nobody_outside() {
    let vault = example("air-gapped.yaml");
    let ArtifactSource::Bundle(bundle) = &vault.artifacts else {
        panic!("a bundle")
    };
    assert!(bundle.ends_with("inventories/air-gapped/bundle-1.33.4.tar.gz"));
    let site = vault
        .registries
        .iter()
        .find(|registry| registry.name == "registry.site.example:5000")
        .unwrap();
    assert_eq!(site.mirrors[0].url, "https://registry.site.example:5000");
    assert!(
        site.mirrors[0]
            .ca
            .as_ref()
            .unwrap()
            .contains("BEGIN CERTIFICATE")
    );
    assert_eq!(
        vault.harbor.unwrap().address.as_deref(),
        Some("172.20.0.200")
    );
    let names: Vec<&str> = vault
        .addons
        .iter()
        .map(|addon| addon.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["metrics-server", "site"],
        "installed in the order of the file"
    );
}

#[test]
fn every_example_is_tested_and_none_says_a_secret() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories");
    for entry in fs::read_dir(directory).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name)
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let cluster = example(&name);
            assert!(!cluster.hosts.is_empty(), "{name}");
        }
    }
}
