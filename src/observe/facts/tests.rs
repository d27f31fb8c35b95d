use super::*;

#[test]
fn a_cut_answer_is_no_answer() {
    assert!(parse_facts("os=debian\n").is_err());
}

#[test]
fn reads_what_a_host_prints() {
    let facts = parse_facts(
        "os=rocky\nos-like=rhel centos fedora\nmachine=aarch64\ncgroup=2\ncpus=4\nmemory-kb=2048\n\
         address=eth0 10.0.0.1/24\naddress=eth0 10.0.0.9/32\naddress=eth0 fe80::1/64\nvip-wanted=10.0.0.9\n\
         conf=kubelet.conf\nmanifest=etcd.yaml\ntime=1732203000.000000001 /a\ntime=1732203000.5 /b c\n\
         kubelet-flags=--v=3 --node-ip=10.0.0.1\nkubelet-config=bWF4UG9kczogMjAwCg==\netcd-arg=name=cp1\n\
         apiserver-certificate=\npatch=a.yaml\nunit=kubelet.service loaded active enabled\n\
         shared=00ff /etc/kubernetes/pki/ca.crt\nserver=https://10.0.0.9:6443\n\
         containerd=containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\nend=yes\n",
    )
    .unwrap();
    assert_eq!(
        (facts.family, facts.arch.as_str()),
        (Family::RedHat, "arm64")
    );
    assert_eq!(
        (facts.cpus, facts.memory, facts.cgroup),
        (4, 2048 * 1024, 2)
    );
    assert!(facts.kube.holds_vip && facts.kube.kubelet_conf && facts.kube.kubelet_active);
    assert!(!facts.kube.admin_conf && !facts.kube.etcd_data && !facts.kube.apiserver_ready);
    assert_eq!(facts.kube.manifests, ["etcd.yaml"]);
    assert_eq!(facts.kube.server.as_deref(), Some("https://10.0.0.9:6443"));
    assert_eq!(
        facts.kube.shared_files["/etc/kubernetes/pki/ca.crt"],
        "00ff"
    );
    assert_eq!(
        facts.kube.times,
        [
            ("/a".to_owned(), 1_732_203_000_000_000),
            ("/b c".to_owned(), 1_732_203_000_500_000)
        ]
        .into()
    );
    assert_eq!(
        facts.kube.kubelet_flags.as_deref(),
        Some("--v=3 --node-ip=10.0.0.1")
    );
    assert_eq!(
        facts.kube.kubelet_config,
        Some(serde_json::json!({"maxPods": 200}))
    );
    assert_eq!(facts.kube.etcd_args, ["name=cp1"]);
    assert_eq!(
        facts.kube.apiserver_names,
        Some(Vec::new()),
        "a certificate that is lost"
    );
    assert_eq!(facts.kube.patches, ["a.yaml"]);
    assert_eq!(facts.containerd(), Some(semver::Version::new(1, 6, 20)));
    assert_eq!(
        facts.interface_of("10.0.0.1".parse().unwrap()),
        Some("eth0")
    );
}
