//! Changed settings of nodes that run: what is outdated, in which order it is renewed, and what is refused.

use baremetal::{
    inventory::Cluster,
    observe::{KubeFacts, Observation},
    phases::{ActionStep, PhaseId, actions, differences},
};
use serde_json::json;

use crate::{
    membership::live,
    topologies::{self, artifacts, cluster},
};

const KUBELET: &str = "/etc/kubernetes/kubeadm/kubelet.yaml";
const CLUSTER: &str = "/etc/kubernetes/kubeadm/cluster.yaml";
const PATCHES: &str = "/etc/kubernetes/patches";
const AUDIT: &str = "/etc/kubernetes/audit/policy.yaml";
const APISERVER: &str = "/etc/kubernetes/manifests/kube-apiserver.yaml";
const OUTPUTS: [&str; 4] = [
    "/var/lib/kubelet/config.yaml",
    APISERVER,
    "/etc/kubernetes/manifests/kube-controller-manager.yaml",
    "/etc/kubernetes/manifests/kube-scheduler.yaml",
];

/// A cluster whose nodes run with what the file says.
fn settled(text: &str) -> (Cluster, Observation) {
    let (cluster, mut seen) = live(text);
    for host in cluster.nodes() {
        let kube = &mut seen.hosts.get_mut(&host.name).unwrap().facts.kube;
        let mut time = |path: &str, at| kube.times.insert(path.to_owned(), at);
        for input in [KUBELET, PATCHES] {
            time(input, 100);
        }
        time(OUTPUTS[0], 200);
        if host.is_control_plane() {
            for input in [CLUSTER, AUDIT] {
                time(input, 100);
            }
            for output in &OUTPUTS[1..] {
                time(output, 200);
            }
            kube.apiserver_names = Some(
                [
                    "kubernetes",
                    "kubernetes.default",
                    "kubernetes.default.svc",
                    "kubernetes.default.svc.cluster.local",
                    &host.name,
                    "localhost",
                    "10.96.0.1",
                    &host.node_ip.to_string(),
                    "10.0.0.10",
                    "127.0.0.1",
                ]
                .map(str::to_owned)
                .to_vec(),
            );
            kube.etcd_args = ["name=cp1", "data-dir=/var/lib/etcd", "initial-cluster=a=b"]
                .map(str::to_owned)
                .to_vec();
        }
        kube.kubelet_flags = Some(format!(
            "--container-runtime-endpoint=unix:///run/containerd/containerd.sock --node-ip={} --pod-infra-container-image=pause:3.9",
            host.node_ip
        ));
        kube.kubelet_config = Some(json!({
            "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
            "cgroupDriver": "systemd", "rotateCertificates": true, "resolvConf": "/etc/resolv.conf",
            "clusterDNS": ["10.96.0.10"], "syncFrequency": "0s",
        }));
    }
    (cluster, seen)
}

fn kube<'a>(seen: &'a mut Observation, host: &str) -> &'a mut KubeFacts {
    &mut seen.hosts.get_mut(host).unwrap().facts.kube
}

fn steps(cluster: &Cluster, seen: &Observation) -> Vec<ActionStep> {
    actions(PhaseId::Settings, cluster, &artifacts(), seen).unwrap()
}

/// Host, and what its step renews: certificate, etcd, components, restart, kubelet.
fn renewed(cluster: &Cluster, seen: &Observation) -> Vec<(String, String)> {
    const PARTS: [&str; 5] = ["certificate", "etcd", "components", "restart", "kubelet"];
    steps(cluster, seen)
        .into_iter()
        .map(|step| {
            let flags = &step.action.script.args[3..8];
            let parts: Vec<_> = PARTS
                .into_iter()
                .zip(flags)
                .filter(|(_, flag)| *flag == "yes")
                .map(|(part, _)| part)
                .collect();
            (step.host, parts.join(" "))
        })
        .collect()
}

#[test]
fn nothing_is_renewed_where_everything_is_as_the_file_says() {
    let (cluster, seen) = settled(topologies::STACKED);
    assert_eq!(renewed(&cluster, &seen), []);
    let upload = actions(PhaseId::Configuration, &cluster, &artifacts(), &seen).unwrap();
    assert_eq!(upload, []);
}

#[test]
fn what_is_older_than_what_was_asked_for_is_renewed() {
    type Make = fn(&mut KubeFacts);
    #[rustfmt::skip]
    let cases: [(&str, Make, &str); 13] = [
        ("w1",  |kube| { kube.times.insert(KUBELET.to_owned(), 300); }, "kubelet"),
        ("w1",  |kube| { kube.times.insert(OUTPUTS[0].to_owned(), 86_400_000_000); kube.times.insert(KUBELET.to_owned(), 86_400_000_001); }, "kubelet"),
        ("w1",  |kube| { kube.times.insert(PATCHES.to_owned(), 300); }, "kubelet"),
        ("cp2", |kube| { kube.times.insert(PATCHES.to_owned(), 300); }, "etcd components kubelet"),
        ("cp2", |kube| { kube.times.insert(CLUSTER.to_owned(), 300); }, "components"),
        ("cp2", |kube| { kube.times.insert(AUDIT.to_owned(), 300); }, "components restart"),
        ("cp2", |kube| { kube.times.insert(OUTPUTS[3].to_owned(), 50); }, "etcd components restart"),
        ("cp2", |kube| { kube.apiserver_names.as_mut().unwrap().retain(|name| name != "10.0.0.10"); }, "certificate"),
        ("cp2", |kube| { kube.apiserver_names = Some(Vec::new()); }, "certificate"),
        ("cp2", |kube| { kube.apiserver_names.as_mut().unwrap().push("old.example".to_owned()); }, ""),
        ("cp2", |kube| { kube.apiserver_names.as_mut().unwrap().push("old.example".to_owned()); kube.times.insert(CLUSTER.to_owned(), 300); }, "certificate components"),
        ("cp2", |kube| { kube.etcd_args.push("quota-backend-bytes=1".to_owned()); kube.times.insert(CLUSTER.to_owned(), 300); }, "etcd components"),
        ("w1",  |kube| { kube.kubelet_config.as_mut().unwrap()["rotateCertificates"] = false.into(); }, "kubelet"),
    ];
    for (index, (host, make, expected)) in cases.into_iter().enumerate() {
        let (cluster, mut seen) = settled(topologies::STACKED);
        make(kube(&mut seen, host));
        let expected = match expected {
            "" => Vec::new(),
            expected => vec![(host.to_owned(), expected.to_owned())],
        };
        assert_eq!(renewed(&cluster, &seen), expected, "case {index}");
        let upload = actions(PhaseId::Configuration, &cluster, &artifacts(), &seen).unwrap();
        assert_eq!(upload.len(), expected.len(), "case {index}");
    }
}

#[test]
fn differences_of_a_kubelet_are_shown() {
    let (_, mut seen) = settled(topologies::STACKED);
    let text = topologies::STACKED.replace(
        "hosts:",
        "kubelet: {args: {v: '4'}, config: {maxPods: 200, syncFrequency: 90s}}\nhosts:",
    );
    let cluster = cluster(&text);
    let flags = kube(&mut seen, "w1").kubelet_flags.as_mut().unwrap();
    flags.push_str(" --image-gc-high-threshold=80");
    let w1 = steps(&cluster, &seen)
        .into_iter()
        .find(|step| step.host == "w1")
        .unwrap();
    assert_eq!(
        w1.action.detail,
        [
            "kubelet --v: none → 4",
            "kubelet --image-gc-high-threshold: 80 → none",
            "kubelet maxPods: null → 200",
            "kubelet syncFrequency: \"0s\" → \"90s\"",
        ]
    );
    assert_eq!(w1.action.script.args[8], "--node-ip=10.0.0.21 --v=4");
    // The same time in Go's words is the same.
    kube(&mut seen, "w1").kubelet_config.as_mut().unwrap()["syncFrequency"] = json!("1m30s");
    let w1 = steps(&cluster, &seen)
        .into_iter()
        .find(|step| step.host == "w1")
        .unwrap();
    assert!(
        !w1.action.detail.join("\n").contains("syncFrequency"),
        "{:?}",
        w1.action.detail
    );
}

#[test]
fn arguments_of_etcd_are_compared_with_its_manifest() {
    let (_, mut seen) = settled(topologies::STACKED);
    let text = topologies::STACKED.replace(
        "hosts:",
        "control-plane: {etcd: {args: {quota-backend-bytes: '8589934592'}}}\nhosts:",
    );
    let cluster = cluster(&text);
    for host in ["cp1", "cp3"] {
        kube(&mut seen, host)
            .etcd_args
            .push("quota-backend-bytes=8589934592".to_owned());
    }
    assert_eq!(
        renewed(&cluster, &seen),
        [("cp2".to_owned(), "etcd".to_owned())]
    );
}

#[test]
fn control_planes_one_after_the_other_then_one_worker_then_the_rest() {
    let (cluster, mut seen) = settled(topologies::STACKED);
    for host in ["cp1", "cp2", "cp3", "w1", "w2"] {
        kube(&mut seen, host).times.insert(KUBELET.to_owned(), 300);
    }
    let steps = steps(&cluster, &seen);
    let order: Vec<_> = steps
        .iter()
        .map(|step| (step.host.as_str(), step.needs.clone()))
        .collect();
    // The cluster is asked through cp1, so it comes last of the control planes.
    assert_eq!(
        order,
        [
            ("cp2", vec![]),
            ("cp3", vec![0]),
            ("cp1", vec![1]),
            ("w1", vec![2]),
            ("w2", vec![3]),
        ]
    );
    let three = topologies::STACKED.replace(
        "  w2: {address: 10.0.0.22, role: worker}\n",
        "  w2: {address: 10.0.0.22, role: worker}\n  w3: {address: 10.0.0.23, role: worker}\n",
    );
    let (cluster, mut seen) = settled(&three);
    for host in ["w1", "w2", "w3"] {
        kube(&mut seen, host).times.insert(KUBELET.to_owned(), 300);
    }
    let needs: Vec<_> = self::steps(&cluster, &seen)
        .into_iter()
        .map(|step| step.needs)
        .collect();
    assert_eq!(needs, [vec![], vec![0], vec![0]]);
}

#[test]
fn hosts_that_are_no_members_yet_get_their_settings_when_they_join() {
    let (cluster, mut seen) = settled(topologies::STACKED);
    for host in ["cp2", "w1"] {
        kube(&mut seen, host).times.insert(KUBELET.to_owned(), 300);
        kube(&mut seen, host).kubelet_conf = false;
    }
    assert_eq!(renewed(&cluster, &seen), []);
    kube(&mut seen, "cp2").kubelet_conf = true;
    seen.api = None;
    assert_eq!(renewed(&cluster, &seen), []);
}

#[test]
fn the_configuration_of_kubeadm_knows_no_host_that_may_come_or_go() {
    use baremetal::phases::kubeadm::cluster_configuration;
    let more = format!(
        "{}  cp4: {{address: 10.0.0.14, role: control-plane}}\n  cp5: {{address: 10.0.0.15, role: control-plane}}\n",
        topologies::STACKED
    );
    assert_eq!(
        cluster_configuration(&cluster(topologies::STACKED)).unwrap(),
        cluster_configuration(&cluster(&more)).unwrap()
    );
}

#[test]
fn patches_that_nobody_wants_any_more_go_and_other_files_stay() {
    use baremetal::{
        phases::{Context, resources},
        resources::Resource,
    };
    let (cluster, mut seen) = settled(topologies::STACKED);
    kube(&mut seen, "cp1").patches = [
        "kubeletconfiguration-host+merge.yaml",
        "kube-apiserver-guarantees+strategic.yaml",
        "README",
    ]
    .map(str::to_owned)
    .to_vec();
    let host = cluster.host("cp1").unwrap();
    let context = Context {
        cluster: &cluster,
        host,
        facts: &seen.hosts["cp1"].facts,
        artifacts: &artifacts(),
    };
    let gone: Vec<_> = resources(PhaseId::ControlPlaneFiles, &context)
        .into_iter()
        .filter_map(|resource| match resource {
            Resource::Absent(file) => Some(file.path),
            _ => None,
        })
        .collect();
    assert_eq!(
        gone,
        ["/etc/kubernetes/patches/kube-apiserver-guarantees+strategic.yaml"]
    );
}

#[test]
fn what_a_kubelet_with_pods_does_not_take_is_refused() {
    let cases = [
        (
            "kubelet: {config: {memoryManagerPolicy: Static}}",
            "memoryManagerPolicy of cp1's kubelet is Static in the file, but None in the cluster",
        ),
        (
            "control-plane: {guarantees: {reserved-cpus: 0-1}}",
            "cpuManagerPolicy of cp1's kubelet is static in the file, but none in the cluster",
        ),
    ];
    for (setting, what) in cases {
        let (_, seen) = settled(topologies::STACKED);
        let text = topologies::STACKED.replace("hosts:", &format!("{setting}\nhosts:"));
        let found = differences(&cluster(&text), &seen, std::path::Path::new("lab.yaml"));
        assert!(
            found.refusals.iter().any(|one| one.what.contains(what)),
            "{found:#?}"
        );
    }
}

/// kubeadm uploads what it was given with the patches of the node on which it runs.
#[test]
fn settings_of_one_kubelet_do_not_reach_all() {
    let text = topologies::STACKED.replace(
        "cp1: {address: 10.0.0.11, role: control-plane}",
        "cp1: {address: 10.0.0.11, role: control-plane, kubelet: {systemReserved: {cpu: 500m}}}",
    );
    let upload = |cluster: &Cluster, seen: &Observation| {
        actions(PhaseId::Configuration, cluster, &artifacts(), seen).unwrap()
    };
    let cluster = cluster(&text);
    let bare = topologies::untouched(&cluster);
    let step = upload(&cluster, &bare);
    assert_eq!(step.len(), 1, "after `kubeadm init`");
    let given = String::from_utf8(step[0].action.script.attachments[0].content.clone()).unwrap();
    assert!(
        !given.contains("/etc/kubernetes/patches") && !given.contains("500m"),
        "{given}"
    );
    let (same, mut seen) = settled(&text);
    for (live, expected) in [
        (json!({"maxPods": 110}), 0),
        (json!({"systemReserved": {"cpu": "500m"}}), 1),
    ] {
        seen.api.as_mut().unwrap().kubelet = Some(live);
        let config = kube(&mut seen, "cp1").kubelet_config.as_mut().unwrap();
        config["systemReserved"] = json!({"cpu": "500m"});
        assert_eq!(upload(&same, &seen).len(), expected);
    }
    let plain = cluster_of_nothing_special();
    assert_eq!(upload(&plain, &topologies::untouched(&plain)), []);
}

fn cluster_of_nothing_special() -> Cluster {
    cluster(topologies::STACKED)
}
