//! Preflight checks: one planted fault each, on a cluster that is otherwise fine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::fmt::Write as _;

use baremetal::{
    artifacts::{Artifacts, From, Item, Kind},
    failure::{Code, Failure},
    inventory::{self, Cluster},
    observe::{HostSeen, Observation, parse_facts},
    phases::preflight::{Finding, IDS, Level, check, known_skips},
};

const INVENTORY: &str = "\
cluster: prod
kubernetes: 1.33.4
endpoint: 10.0.0.10
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker}
";

fn load(text: &str) -> Cluster {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    std::fs::write(&file, text).unwrap();
    inventory::load(&file).unwrap()
}

/// What a good machine says; `change` replaces lines by their key (`key=` alone removes them) or adds them.
fn facts(name: &str, ip: &str, change: &[&str]) -> HostSeen {
    let mut lines: Vec<String> = format!(
        "uid=0\nsent=1000\nepoch=1000.4\nvip-wanted=10.0.0.10\nos=debian\nos-version=12\nos-name=Debian GNU/Linux 12\n\
         kernel=6.1.0-28-amd64\nmachine=x86_64\nsystemd=yes\ncgroup=2\ncpus=4\nmemory-kb=8000000\nhostname={name}\n\
         machine-id=id-{name}\nproduct-uuid=uuid-{name}\naddress=lo 127.0.0.1/8\naddress=eth0 {ip}/24\n\
         default-interface=eth0\nmac=eth0 52:54:00:00:00:{} physical\nvip-asked=yes\nresolv-conf=/etc/resolv.conf\n\
         nameserver=10.0.0.1\nunit=chrony.service loaded active enabled\nsys-resource=yes\n\
         disk=/ 50000000 99000000 900000:1000000 /\ndisk=/usr/local/bin 50000000 99000000 900000:1000000 /\n\
         disk=/var/lib/containerd 50000000 99000000 900000:1000000 /\ndisk=/var/lib/etcd 50000000 99000000 900000:1000000 /\n",
        ip.rsplit('.').next().unwrap()
    )
    .lines()
    .map(str::to_owned)
    .collect();
    for line in change {
        let (key, value) = line.split_once('=').unwrap();
        if let Some(key) = key.strip_prefix('+') {
            lines.push(format!("{key}={value}"));
            continue;
        }
        lines.retain(|old| !old.starts_with(&format!("{key}=")));
        if !value.is_empty() {
            lines.push((*line).to_owned());
        }
    }
    let mut text = String::new();
    for line in lines {
        writeln!(text, "{line}").unwrap();
    }
    HostSeen {
        facts: parse_facts(&(text + "end=yes\n")).unwrap(),
        ..HostSeen::default()
    }
}

/// Every host of the inventory, with what is changed on one of them.
fn seen(cluster: &Cluster, changed: &str, change: &[&str]) -> Observation {
    let mut seen = Observation {
        elected: "cp1".into(),
        ..Observation::default()
    };
    for host in &cluster.hosts {
        let lines = if host.name == changed { change } else { &[] };
        let one = facts(&host.name, &host.node_ip.to_string(), lines);
        seen.hosts.insert(host.name.clone(), one);
    }
    seen
}

fn find(inventory: &str, host: &str, change: &[&str]) -> Vec<Finding> {
    let cluster = load(inventory);
    check(
        &cluster,
        &Artifacts::default(),
        &seen(&cluster, host, change),
    )
}

#[test]
fn a_good_cluster_has_no_findings() {
    assert_eq!(find(INVENTORY, "", &[]), vec![]);
}

/// (host, planted fault, id, level, what the finding must say)
type Case = (
    &'static str,
    &'static [&'static str],
    &'static str,
    Level,
    &'static str,
);

#[rustfmt::skip]
const CASES: &[Case] = &[
    ("w1",  &["uid=1000"], "sudo", Level::Failure, "user 1000"),
    ("w1",  &["os=arch", "os-name=Arch Linux"], "os", Level::Failure, "Arch Linux"),
    ("w1",  &["os-version=11", "os-name=Debian GNU/Linux 11"], "os", Level::Failure, "Debian GNU/Linux 11"),
    ("w1",  &["machine=riscv64"], "arch", Level::Failure, "riscv64"),
    ("w1",  &["kernel=4.18.0-553.el8"], "kernel", Level::Failure, "4.18.0-553.el8"),
    ("w1",  &["kernel=odd"], "kernel", Level::Skipped, "could not be checked"),
    ("w1",  &["systemd="], "systemd", Level::Failure, "no systemd"),
    ("w1",  &["cgroup=1"], "cgroup", Level::Warning, "cgroup version 1"),
    ("cp1", &["cpus=1"], "cpus", Level::Failure, "1 CPU"),
    ("cp1", &["memory-kb=1500000"], "memory", Level::Failure, "1464 MiB"),
    ("cp1", &["memory-kb=1500000", "+conf=kubelet.conf"], "memory", Level::Warning, "1464 MiB"),
    ("w1",  &["memory-kb=800000"], "memory", Level::Failure, "781 MiB"),
    ("w1",  &["disk=/var/lib/containerd 3000000 99000000 900000:1000000 /var"], "disk", Level::Failure, "2.8 GiB free on /var"),
    ("w1",  &["disk=/var/lib/containerd 13000000 99000000 900000:1000000 /var"], "disk", Level::Warning, "12.3 GiB free on /var"),
    ("w1",  &["disk=/var/lib/containerd 93000000 99000000 10:1000000 /var"], "disk", Level::Failure, "10 inodes"),
    ("w1",  &["disk="], "disk", Level::Skipped, "could not be checked"),
    ("w1",  &["+read-only=/etc"], "file-system", Level::Failure, "/etc cannot be written"),
    ("w1",  &["+noexec=/usr/local/bin"], "noexec", Level::Failure, "noexec"),
    ("w1",  &["+swap=/dev/sda2", "+container=yes"], "swap", Level::Failure, "/dev/sda2"),
    ("w1",  &["machine-id=id-cp2"], "machine-id", Level::Failure, "id-cp2 is on cp2 and w1"),
    ("w1",  &["machine-id="], "machine-id", Level::Failure, "none"),
    ("w1",  &["product-uuid=UUID-cp3"], "product-uuid", Level::Failure, "uuid-cp3 is on cp3 and w1"),
    ("w1",  &["product-uuid="], "product-uuid", Level::Skipped, "could not be checked"),
    ("w1",  &["mac=eth0 52:54:00:00:00:11 physical"], "mac", Level::Failure, "52:54:00:00:00:11 is on cp1 and w1"),
    ("w1",  &["epoch=1005.4"], "clock", Level::Warning, "5.0 s ahead"),
    ("w1",  &["epoch=940.4"], "clock", Level::Failure, "60.0 s behind"),
    ("w1",  &["epoch="], "clock", Level::Skipped, "could not be checked"),
    ("w1",  &["address=eth0 192.168.1.5/24"], "address", Level::Failure, "10.0.0.21 is on no interface; there are 192.168.1.5 on eth0"),
    ("w1",  &["address="], "address", Level::Skipped, "could not be checked"),
    ("w1",  &["+address=eth0 10.0.0.10/32"], "vip", Level::Failure, "10.0.0.10 is on an interface"),
    ("cp2", &["+vip-answer=AA:BB:CC:00:00:01"], "vip", Level::Failure, "aa:bb:cc:00:00:01, none of the hosts"),
    ("cp2", &["+vip-answer=52:54:00:00:00:21"], "vip", Level::Failure, "w1 (52:54:00:00:00:21) answers"),
    ("cp2", &["vip-asked="], "vip", Level::Skipped, "could not be checked"),
    ("cp2", &["+port=6443 0.0.0.0 nginx"], "ports", Level::Failure, "port 6443 is used by nginx"),
    ("cp2", &["+port=2379 127.0.0.1 etcd"], "ports", Level::Failure, "port 2379 is used by etcd"),
    ("w1",  &["+port=10250 *  "], "ports", Level::Failure, "a program without a name"),
    ("w1",  &["+missing=ss"], "ports", Level::Skipped, "could not be checked"),
    ("w1",  &["nameserver=127.0.0.53"], "resolv-conf", Level::Failure, "127.0.0.53"),
    ("w1",  &["nameserver="], "resolv-conf", Level::Warning, "no name server"),
    ("w1",  &["+unit=firewalld.service loaded active enabled"], "firewall", Level::Warning, "firewalld"),
    ("w1",  &["+etcd-data=yes"], "leftovers", Level::Failure, "no configuration of Kubernetes"),
    ("w1",  &["+conf=kubelet.conf", "+server=https://172.16.0.1:6443"], "leftovers", Level::Failure, "another cluster (API at https://172.16.0.1:6443)"),
    ("w1",  &["+cni=10-calico.conflist"], "leftovers", Level::Warning, "10-calico.conflist"),
    ("w1",  &["+package-lock=/var/lib/dpkg/lock unattended-upgr 812"], "package-lock", Level::Warning, "unattended-upgr (process 812)"),
    ("w1",  &["+unit=docker.service loaded active enabled"], "container-runtime", Level::Warning, "Docker"),
    ("w1",  &["+selinux=1"], "selinux", Level::Warning, "enforcing"),
    ("cp2", &["+selinux=1"], "selinux", Level::Failure, "confines haproxy and keepalived"),
    ("cp2", &["+selinux=1", "+seboolean=haproxy_connect_any on", "+seboolean=keepalived_connect_any off"], "selinux", Level::Failure, "confines"),
    ("cp2", &["+selinux=1", "+seboolean=haproxy_connect_any on", "+seboolean=keepalived_connect_any on"], "selinux", Level::Warning, "is enforcing"),
    ("w1",  &["os=rocky", "os-version=9.6"], "containerd", Level::Failure, "no containerd"),
    ("w1",  &["+containerd=containerd github.com/containerd/containerd 1.6.20~ds1"], "containerd", Level::Warning, "containerd 1.6.20"),
    ("w1",  &["+containerd-candidate=1.7.24~ds1-6"], "containerd", Level::Warning, "containerd 1.7.24"),
    ("cp2", &["+haproxy-config=foreign", "+unit=haproxy.service loaded active enabled"], "load-balancer", Level::Failure, "/etc/haproxy/haproxy.cfg"),
    ("cp2", &["+keepalived-config=foreign", "+unit=keepalived.service loaded active enabled"], "load-balancer", Level::Failure, "/etc/keepalived/keepalived.conf"),
    ("cp2", &["+etcd-other=lost+found"], "etcd-directory", Level::Failure, "/var/lib/etcd is not empty: lost+found"),
];

/// What of the same is no fault.
#[rustfmt::skip]
const FINE: &[(&str, &[&str])] = &[
    ("w1",  &["+etcd-other=lost+found"]),
    ("cp2", &["+etcd-other=lost+found", "+conf=kubelet.conf", "+server=https://10.0.0.10:6443"]),
    // The distribution starts haproxy with a file that serves nothing; what does not run may be overwritten.
    ("cp2", &["+haproxy-config=none", "+unit=haproxy.service loaded active enabled"]),
    ("cp2", &["+haproxy-config=ours", "+unit=haproxy.service loaded active enabled"]),
    ("cp2", &["+keepalived-config=foreign", "+unit=keepalived.service loaded inactive disabled"]),
    ("w1",  &["+haproxy-config=foreign", "+unit=haproxy.service loaded active enabled"]),
    ("w1",  &["+containerd=containerd containerd.io v2.0.5 fb4c30d"]),
    ("w1",  &["os=rocky", "os-version=9.6", "+containerd=containerd containerd.io v2.0.5 fb4c30d"]),
];

#[test]
fn what_does_no_harm_is_no_fault() {
    for (host, change) in FINE {
        assert_eq!(find(INVENTORY, host, change), vec![], "{host} {change:?}");
    }
}

/// From 1.36 on the kubelet does not speak with containerd 1.x, wherever that is from.
#[test]
fn containerd_must_go_with_kubernetes() {
    let with = |version: Option<&str>, change: &[&str]| {
        let cluster = load(&INVENTORY.replace("1.33.4", "1.36.4"));
        let items = version.map(|version| Item {
            name: "containerd".to_owned(),
            kind: Kind::Archive,
            version: version.to_owned(),
            arch: None,
            sha256: String::new(),
            size: None,
            images: Vec::new(),
            from: From::Url(String::new()),
        });
        let artifacts = Artifacts {
            items: items.into_iter().collect(),
            ..Artifacts::default()
        };
        let found = check(&cluster, &artifacts, &seen(&cluster, "w1", change));
        let short = |one: Finding| (one.id, one.level, one.found);
        found.into_iter().map(short).collect::<Vec<_>>()
    };
    let old = |level, version: &str| vec![("containerd", level, format!("containerd {version}"))];
    let candidate = "+containerd-candidate=1.7.24~ds1-6";
    assert_eq!(with(None, &[candidate]), old(Level::Failure, "1.7.24"));
    assert_eq!(
        with(None, &["+containerd=containerd x v2.1.4 y"]),
        old(Level::Warning, "2.1.4")
    );
    assert_eq!(with(None, &["+containerd=containerd x v2.2.1 y"]), []);
    // An artifact that Debian does not use says nothing; Rocky has no other.
    assert_eq!(
        with(Some("2.3.4"), &[candidate]),
        old(Level::Failure, "1.7.24")
    );
    let rocky = ["os=rocky", "os-version=9.6"];
    assert_eq!(with(Some("2.3.4"), &rocky), []);
    assert_eq!(with(Some("1.7.34"), &rocky), old(Level::Failure, "1.7.34"));
}

#[test]
fn a_data_disk_must_be_the_one_that_is_mounted() {
    let inventory = INVENTORY.replace(
        "10.0.0.21, role: worker}",
        "10.0.0.21, role: worker, data-disks: [{path: /data, device: /dev/disk/by-id/x}]}",
    );
    let found = |lines: &[&str]| {
        let mut all = vec![
            "+device=/dev/disk/by-id/x",
            "+device-is=/dev/disk/by-id/x /dev/sdb",
        ];
        all.extend(lines);
        let found = find(&inventory, "w1", &all);
        found
            .into_iter()
            .map(|one| {
                assert_eq!((one.id, one.level), ("data-disk", Level::Failure));
                one.found
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), ["nothing is mounted on /data"]);
    assert_eq!(
        found(&["+mounted=/data /dev/sdc1"]),
        ["/dev/sdc1 is mounted on /data"]
    );
    assert_eq!(
        found(&["+mounted=/data /dev/sdba"]),
        ["/dev/sdba is mounted on /data"]
    );
    let none: [&str; 0] = [];
    assert_eq!(found(&["+mounted=/data /dev/sdb"]), none);
    assert_eq!(
        found(&["+mounted=/data /dev/sdc", "+mounted=/data /dev/sdb1"]),
        none
    );
}

#[test]
fn each_planted_fault_is_found_on_its_host_alone() {
    for (host, change, id, level, text) in CASES {
        let findings = find(INVENTORY, host, change);
        let found: Vec<&Finding> = findings
            .iter()
            .filter(|one| one.id == *id && one.host == *host)
            .collect();
        assert_eq!(found.len(), 1, "{id} {change:?}: {findings:?}");
        assert_eq!(found[0].level, *level, "{id} {change:?}: {findings:?}");
        assert!(found[0].found.contains(text), "{id}: {:?}", found[0].found);
        assert!(
            !found[0].needed.is_empty() && !found[0].fix.is_empty(),
            "{id} says nothing of what to do"
        );
        // Both twins are named; everything else is this host's alone.
        let pairs = ["machine-id", "product-uuid", "mac"];
        assert!(
            findings
                .iter()
                .all(|one| one.host == *host || pairs.contains(&one.id)),
            "{id} {change:?}: {findings:?}"
        );
    }
}

#[test]
fn five_faults_on_three_hosts_are_reported_in_one_run() {
    let cluster = load(INVENTORY);
    let mut all = seen(&cluster, "cp1", &["cpus=1", "systemd="]);
    all.hosts.insert(
        "cp3".into(),
        facts("cp3", "10.0.0.13", &["uid=1000", "os=gentoo"]),
    );
    all.hosts.insert(
        "w1".into(),
        facts("w1", "10.0.0.21", &["+noexec=/usr/local/bin"]),
    );
    let found: Vec<(String, &str)> = check(&cluster, &Artifacts::default(), &all)
        .into_iter()
        .map(|one| (one.host, one.id))
        .collect();
    let expected = [
        ("cp1", "systemd"),
        ("cp1", "cpus"),
        ("cp3", "sudo"),
        ("cp3", "os"),
        ("w1", "noexec"),
    ];
    assert_eq!(found, expected.map(|(host, id)| (host.to_owned(), id)));
}

#[test]
fn what_is_ours_is_no_fault() {
    let joined = [
        "+conf=kubelet.conf",
        "+conf=admin.conf",
        "+server=https://10.0.0.10:6443",
        "+manifest=etcd.yaml",
        "+etcd-data=yes",
        "+cni=10-flannel.conflist",
    ];
    let ports = [
        "+port=6443 * haproxy",
        "+port=6444 * kube-apiserver",
        "+port=2379 10.0.0.12 etcd",
        "+port=10257 127.0.0.1 kube-controller",
        "+port=10250 * kubelet",
    ];
    let mut lines = joined.to_vec();
    lines.extend(ports);
    lines.push("+address=eth0 10.0.0.10/24");
    assert_eq!(find(INVENTORY, "cp2", &lines), vec![]);
    // Another of our holders answers for the virtual IP.
    assert_eq!(
        find(INVENTORY, "cp2", &["+vip-answer=52:54:00:00:00:13"]),
        vec![]
    );
    // So may one that did not answer us.
    let cluster = load(INVENTORY);
    let mut seen = seen(&cluster, "cp2", &["+vip-answer=aa:bb:cc:00:00:01"]);
    seen.hosts.remove("cp3");
    seen.unreachable.insert("cp3".into(), "timed out".into());
    assert_eq!(check(&cluster, &Artifacts::default(), &seen), vec![]);
}

#[test]
fn another_cluster_is_known_by_its_ca() {
    let certificate = || {
        use base64::Engine as _;
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["ca".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let pem = base64::engine::general_purpose::STANDARD.encode(certificate.pem());
        format!("+ca={pem}")
    };
    let (ours, theirs) = (certificate(), certificate());
    let cluster = load(INVENTORY);
    let server = "+server=https://10.0.0.10:6443";
    let mut seen = seen(&cluster, "cp1", &[&ours, "+conf=kubelet.conf", server]);
    seen.hosts.insert(
        "cp2".into(),
        facts("cp2", "10.0.0.12", &[&ours, "+conf=kubelet.conf", server]),
    );
    assert_eq!(check(&cluster, &Artifacts::default(), &seen), vec![]);
    seen.hosts.insert(
        "w1".into(),
        facts("w1", "10.0.0.21", &[&theirs, "+conf=kubelet.conf", server]),
    );
    let found = check(&cluster, &Artifacts::default(), &seen);
    assert_eq!(
        (found.len(), found[0].id, found[0].host.as_str()),
        (1, "leftovers", "w1")
    );
    assert!(
        found[0].found.contains("its CA is not the one of cp1"),
        "{found:?}"
    );
}

#[test]
fn longhorn_asks_for_more() {
    let inventory = format!("{INVENTORY}longhorn: {{}}\n");
    let fine = ["+module=iscsi_tcp", "+module=nfs"];
    let cluster = load(&inventory);
    let mut seen = seen(&cluster, "", &[]);
    for host in &cluster.hosts {
        seen.hosts.insert(
            host.name.clone(),
            facts(&host.name, &host.node_ip.to_string(), &fine),
        );
    }
    assert_eq!(
        check(&cluster, &Artifacts::default(), &seen)
            .into_iter()
            .filter(|one| one.level == Level::Failure)
            .collect::<Vec<_>>(),
        vec![]
    );
    let lines = ["+unit=multipathd.service loaded active enabled"];
    seen.hosts
        .insert("w1".into(), facts("w1", "10.0.0.21", &lines));
    let ids: Vec<&str> = check(&cluster, &Artifacts::default(), &seen)
        .iter()
        .map(|one| one.id)
        .collect();
    for id in ["longhorn-iscsi", "longhorn-nfs", "multipath"] {
        assert!(ids.contains(&id), "{id} is not in {ids:?}");
    }
}

#[test]
fn old_cgroups_are_refused_by_new_releases() {
    let inventory = INVENTORY.replace("1.33.4", "1.35.8");
    let found = find(&inventory, "w1", &["cgroup=1"]);
    assert_eq!(
        (found.len(), found[0].id, found[0].level),
        (1, "cgroup", Level::Failure)
    );
}

#[test]
fn checks_are_skipped_by_id_and_unknown_ids_are_refused() {
    let skip = |line: &str| format!("{INVENTORY}{line}");
    let mut cluster = load(&skip(""));
    cluster.run.skip_checks = vec!["cpus".into()];
    let seen = seen(&cluster, "cp1", &["cpus=1", "noexec=/usr/local/bin"]);
    known_skips(&cluster).unwrap();
    assert_eq!(
        check(&cluster, &Artifacts::default(), &seen)
            .iter()
            .map(|one| one.id)
            .collect::<Vec<_>>(),
        ["noexec"]
    );
    cluster.hosts[0].skip_checks = vec!["noexec".into()];
    assert_eq!(check(&cluster, &Artifacts::default(), &seen), vec![]);

    cluster.hosts[1].skip_checks = vec!["swop".into()];
    let error = known_skips(&cluster).unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.code, Code::Usage);
    assert_eq!(
        failure.message,
        "no such check to skip: `swop` (did you mean `swap`?)"
    );
    assert!(
        IDS.iter()
            .all(|(id, _)| failure.hint.as_ref().unwrap().contains(id))
    );
}

#[test]
fn ids_are_kebab_case_and_unique() {
    let mut ids: Vec<&str> = IDS.iter().map(|(id, _)| *id).collect();
    assert!(
        ids.iter()
            .all(|id| id.chars().all(|one| one.is_ascii_lowercase() || one == '-'))
    );
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all);
}

/// Of many clones of one disk each host has one finding, which names some of the others.
#[test]
fn clones_of_one_disk_are_named_as_far_as_anybody_reads() {
    let found = |hosts: u8| {
        let mut text =
            String::from("cluster: prod\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n");
        for number in 0..hosts {
            let role = if number == 0 {
                "control-plane"
            } else {
                "worker"
            };
            let address = number + 11;
            writeln!(
                text,
                "  w{number}: {{address: 10.0.0.{address}, role: {role}}}"
            )
            .unwrap();
        }
        let cluster = load(&text);
        let mut seen = Observation {
            elected: "w0".into(),
            ..Observation::default()
        };
        for host in &cluster.hosts {
            let one = facts(&host.name, &host.node_ip.to_string(), &["machine-id=same"]);
            seen.hosts.insert(host.name.clone(), one);
        }
        let all = check(&cluster, &Artifacts::default(), &seen);
        assert!(all.iter().all(|one| one.id == "machine-id"), "{all:#?}");
        all.into_iter().map(|one| one.found).collect::<Vec<_>>()
    };
    // The same words on each, so that they are shown as one line.
    assert_eq!(found(2), ["same is on w0 and w1", "same is on w0 and w1"]);
    assert_eq!(found(3)[0], "same is on w0, w1 and w2");
    let many = found(200);
    assert_eq!(many.len(), 200);
    assert_eq!(many[0], "same is on w0, w1, w2, w3, w4, w5 and 194 more");
}
