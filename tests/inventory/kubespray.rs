use std::fs;

use baremetal::inventory::{self, EndpointKind, PodNetwork, Role};

use super::example;

#[test]
fn an_inventory_of_kubespray_is_read_directly() {
    for path in ["kubespray", "kubespray/inventory.ini"] {
        let cluster = example(path);
        assert_eq!(cluster.name, "kubespray");
        assert_eq!(cluster.version.to_string(), "1.33.4");
        let hosts: Vec<&str> = cluster
            .hosts
            .iter()
            .map(|host| host.name.as_str())
            .collect();
        assert_eq!(hosts, ["node1", "node2", "node3", "node4", "node5"]);
        assert_eq!(cluster.hosts[0].roles, [Role::ControlPlane]);
        assert_eq!(cluster.hosts[4].roles, [Role::Worker]);
        assert_eq!(cluster.hosts[3].labels["example.org/rack"], "b");
        assert_eq!(cluster.hosts[0].ssh.user.as_deref(), Some("ops"));
        assert_eq!(cluster.endpoint_address(), "10.40.0.10:6443");
        assert!(matches!(cluster.endpoint.kind, EndpointKind::Vip(_)));
        assert_eq!(cluster.network.pods[0].to_string(), "10.233.64.0/18");
        assert!(matches!(cluster.network.plugin, PodNetwork::Flannel(_)));
        assert_eq!(cluster.kube_proxy.mode, "ipvs");
        assert_eq!(
            cluster.system.time_servers,
            ["ntp1.example.org", "ntp2.example.org"]
        );
        let pool = &cluster.metallb.as_ref().unwrap().pools[0];
        assert_eq!(
            (pool.name.as_str(), pool.addresses[0].as_str()),
            ("primary", "10.40.0.200-10.40.0.219")
        );
        assert!(pool.l2.is_some());
        assert!(
            cluster.control_plane.encryption.is_none(),
            "kubespray encrypts only when asked to"
        );
        let warnings = cluster.warnings.join("\n");
        assert!(warnings.contains("addons.yml:9: `metrics_server_enabled` was not carried over; install metrics-server through `addons`"), "{warnings}");
    }
}

#[test]
fn yaml_inventories_children_bastions_and_host_vars_are_read() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("hosts.yaml"),
        "\
all:
  hosts:
    a1: {ansible_host: 192.0.2.1, ip: 10.0.0.1, ansible_user: root}
    a2: {ansible_host: 192.0.2.2, ip: 10.0.0.2}
    gate: {ansible_host: 192.0.2.9, ansible_user: jumper}
  children:
    kube_control_plane: {hosts: {a1: }}
    kube_node: {hosts: {a1: , a2: }}
    etcd: {hosts: {a1: }}
    bastion: {hosts: {gate: }}
    k8s_cluster: {children: {kube_control_plane: , kube_node: }}
",
    )
    .unwrap();
    fs::create_dir_all(directory.path().join("host_vars")).unwrap();
    fs::write(
        directory.path().join("host_vars/a2.yml"),
        "node_taints: ['x=y:NoSchedule']\n",
    )
    .unwrap();
    fs::create_dir_all(directory.path().join("group_vars")).unwrap();
    fs::write(
        directory.path().join("group_vars/all.yml"),
        "kube_version: v1.34.1\nansible_become_password: hunter2\nkube_pods_subnet: '{{ pods }}'\n",
    )
    .unwrap();
    let cluster = inventory::load(directory.path()).unwrap_or_else(|error| panic!("{error:#}"));
    let a1 = cluster.host("a1").unwrap();
    assert_eq!(
        (a1.address.as_str(), a1.node_ip.to_string().as_str()),
        ("192.0.2.1", "10.0.0.1")
    );
    assert_eq!(a1.roles, [Role::ControlPlane, Role::Worker]);
    assert_eq!(a1.ssh.jump.as_deref(), Some("jumper@192.0.2.9"));
    assert_eq!(cluster.hosts.len(), 2);
    assert_eq!(cluster.host("a2").unwrap().taints[0].key, "x");
    let warnings = cluster.warnings.join("\n");
    assert!(
        !warnings.contains("hunter2"),
        "a secret is never shown: {warnings}"
    );
    assert!(
        warnings.contains("`ansible_become_password` was not carried over"),
        "{warnings}"
    );
    assert!(
        warnings.contains("`kube_pods_subnet` is a template"),
        "{warnings}"
    );
}

#[test]
fn mistakes_are_told_at_their_place_in_kubesprays_files() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("inventory.ini"),
        "[kube_control_plane]\nm1 ansible_host=10.0.0.1\n[kube_node]\nw1 ansible_host=10.0.0.400\n",
    )
    .unwrap();
    fs::create_dir_all(directory.path().join("group_vars/k8s_cluster")).unwrap();
    let vars = directory.path().join("group_vars/k8s_cluster/k8s.yml");
    fs::write(
        vars,
        "kube_version: 1.33.4\nkube_pods_subnet: 10.233.64.1/18\n",
    )
    .unwrap();
    let error = inventory::load(directory.path()).unwrap_err().to_string();
    let error = error.replace(&format!("{}/", directory.path().display()), "");
    assert_eq!(
        error,
        "\
group_vars/k8s_cluster/k8s.yml:2:1: network.pods: `10.233.64.1/18` has host bits set; write `10.233.64.0/18`
inventory.ini:4:1: hosts.w1.address: `10.0.0.400` is not an IP address; write one such as `10.0.0.11` or `fd00::11`
2 mistakes in inventory.ini; nothing was changed on any host"
    );
}
