//! What the phases of a host ask for: golden listings by system, version and role, and the real thing on a lab host.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::too_many_lines,
    reason = "a test tells one story from its beginning to its end"
)]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
};

use baremetal::{
    artifacts::{self, Artifacts, From, Item, Kind},
    inventory::{self, Cluster, Harbor, Mirror, Registry, SecretSource},
    lab,
    observe::{Facts, HostSeen, Observation, facts_script, parse_facts},
    phases::{
        self, Context, PhaseId,
        preflight::{Finding, Level, check},
    },
    remote::Script,
    report::Reporter,
    resources::{
        Package, Resource, apply_script, compare, parse_probe, probe_script, staged_path,
        verify_apply,
    },
};

const PHASES: [PhaseId; 4] = [
    PhaseId::Os,
    PhaseId::Runtime,
    PhaseId::Binaries,
    PhaseId::Images,
];

fn load(text: &str) -> Cluster {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, text).unwrap();
    inventory::load(&file).unwrap()
}

fn item(kind: Kind, name: &str, version: &str, images: &[&str]) -> Item {
    Item {
        name: name.into(),
        kind,
        version: version.into(),
        arch: Some("amd64".into()),
        sha256: format!("{:0>64}", name.len()),
        size: None,
        images: images.iter().map(|&image| image.into()).collect(),
        from: From::Local(PathBuf::new()),
    }
}

fn bundle(kubernetes: &str, containerd: Option<&str>) -> Artifacts {
    let release = format!("v{kubernetes}");
    let image = |name: &str| {
        item(
            Kind::Image,
            name,
            &release,
            &[&format!("registry.k8s.io/{name}:{release}")],
        )
    };
    let mut items: Vec<Item> = ["kubeadm", "kubelet", "kubectl"]
        .map(|name| item(Kind::Binary, name, kubernetes, &[]))
        .into();
    items.extend([
        item(Kind::Archive, "crictl", "1.33.0", &[]),
        item(Kind::Archive, "helm", "3.18.4", &[]),
        item(Kind::Archive, "cni-plugins", "1.9.1", &[]),
        item(Kind::Binary, "etcdctl", "3.5.9", &[]),
        image("kube-apiserver"),
        image("kube-proxy"),
        image("etcd"),
        item(
            Kind::Image,
            "pause",
            "3.10",
            &["registry.k8s.io/pause:3.10"],
        ),
    ]);
    if let Some(version) = containerd {
        items.push(item(Kind::Archive, "containerd", version, &[]));
        items.push(item(Kind::Binary, "runc", "1.4.3", &[]));
    }
    Artifacts {
        items,
        offline: true,
        ..Artifacts::default()
    }
}

fn facts(lines: &str) -> Facts {
    parse_facts(&format!(
        "machine=x86_64\nresolv-conf=/etc/resolv.conf\n{lines}\nend=yes\n"
    ))
    .unwrap()
}

/// Everything that a host gets, as a reviewer reads it; every TOML file is parsed on the way.
fn listing(cluster: &Cluster, name: &str, facts: &Facts, artifacts: &Artifacts) -> String {
    let host = cluster.host(name).unwrap();
    let context = Context {
        cluster,
        host,
        facts,
        artifacts,
    };
    let mut out = String::new();
    for phase in PHASES {
        writeln!(out, "# {}", phases::name(phase)).unwrap();
        for resource in phases::resources(phase, &context) {
            match &resource {
                Resource::File(file) => {
                    writeln!(out, "{} {:o}", resource.label(), file.mode).unwrap();
                    indent(&mut out, &file.content);
                    if Path::new(&file.path)
                        .extension()
                        .is_some_and(|one| one == "toml")
                    {
                        file.content.parse::<toml::Table>().unwrap();
                    }
                }
                Resource::Block(block) => {
                    writeln!(out, "{}", resource.label()).unwrap();
                    indent(&mut out, &block.content);
                }
                Resource::Module(module) => {
                    writeln!(out, "{} required: {}", resource.label(), module.required).unwrap();
                }
                Resource::Sysctl(sysctl) => {
                    writeln!(
                        out,
                        "{} = {} required: {}",
                        resource.label(),
                        sysctl.value,
                        sysctl.required
                    )
                    .unwrap();
                }
                Resource::Service(service) => {
                    writeln!(
                        out,
                        "{} {:?} {:?}",
                        resource.label(),
                        service.state,
                        service.restart_on
                    )
                    .unwrap();
                }
                _ => writeln!(out, "{}", resource.label()).unwrap(),
            }
        }
    }
    out
}

fn indent(out: &mut String, text: &str) {
    for line in text.lines() {
        writeln!(out, "    {line}").unwrap();
    }
}

const DEBIAN: &str = "os=debian\nos-version=12\nsys-resource=yes";

#[test]
fn a_control_plane_in_a_lab_on_debian() {
    let cluster = load(
        "cluster: lab\nkubernetes: 1.28.4\nendpoint: 10.0.0.10\nlab: {subnet: 10.0.0.0/24}\nmetallb: 10.0.0.200-10.0.0.219\n\
         hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21, role: worker}\n",
    );
    let facts =
        facts("os=debian\nos-version=12\ncontainer=yes\ncontainerd-candidate=1.6.20~ds1-1+deb12u3");
    let listed = listing(&cluster, "cp1", &facts, &bundle("1.28.4", None));
    assert!(
        !listed.contains("vm.overcommit_memory"),
        "the machine around the lab is left alone"
    );
    assert!(!listed.contains("swap off"));
    insta::assert_snapshot!("host-debian-lab-control-plane", listed);
}

#[test]
fn a_worker_on_rocky_has_containerd_from_an_artifact() {
    let cluster = load(
        "cluster: prod\nkubernetes: 1.36.4\nendpoint: 10.0.0.10\n\
         hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21, role: worker}\n",
    );
    let facts = facts("os=rocky\nos-like=rhel centos fedora\nos-version=9.6\nsys-resource=yes");
    let listed = listing(&cluster, "w1", &facts, &bundle("1.36.4", Some("2.3.4")));
    assert!(
        !listed.contains("kube-apiserver") && !listed.contains("helm"),
        "a worker runs no control plane"
    );
    insta::assert_snapshot!("host-rocky-worker", listed);
}

/// The configuration follows the containerd that is there, or that the package index offers.
#[test]
fn containerd_is_configured_for_its_version() {
    let cluster = load(
        "cluster: c\nkubernetes: 1.33.4\nendpoint: 10.0.0.11\nhosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n",
    );
    let mut configs = BTreeMap::new();
    for (seen, name) in [
        (
            "containerd=containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3",
            "1.6.20",
        ),
        ("containerd-candidate=1.7.24~ds1-6", "1.7.24"),
        (
            "containerd=containerd containerd.io v2.0.5 fb4c30d4ede3531652d86197bf3fc9515e5276d9",
            "2.0.5",
        ),
        ("containerd-candidate=2.2.1-0ubuntu1", "2.2.1"),
        ("", "unknown"),
    ] {
        let facts = facts(&format!("{DEBIAN}\n{seen}"));
        let host = &cluster.hosts[0];
        let none = Artifacts::default();
        let context = Context {
            cluster: &cluster,
            host,
            facts: &facts,
            artifacts: &none,
        };
        let config = phases::resources(PhaseId::Runtime, &context)
            .into_iter()
            .find_map(|one| match one {
                Resource::File(file) if file.path == "/etc/containerd/config.toml" => {
                    Some(file.content)
                }
                _ => None,
            })
            .unwrap();
        let table: toml::Table = config.parse().unwrap();
        configs.insert(
            name,
            (
                table["version"].as_integer().unwrap(),
                config.contains("bin_dirs"),
            ),
        );
    }
    let expected = [
        ("1.6.20", (2, false)),
        ("1.7.24", (2, false)),
        ("2.0.5", (3, false)),
        ("2.2.1", (3, true)),
        ("unknown", (2, false)),
    ];
    assert_eq!(configs, BTreeMap::from(expected));
}

#[test]
fn a_running_time_daemon_is_left_alone() {
    let text = |more: &str| {
        load(&format!(
            "cluster: c\nkubernetes: 1.33.4\nendpoint: 10.0.0.11\n{more}hosts:\n  cp1: {{address: 10.0.0.11, role: control-plane}}\n"
        ))
    };
    let timesyncd = facts(&format!(
        "{DEBIAN}\nunit=systemd-timesyncd.service loaded active enabled"
    ));
    let none = Artifacts::default();
    let plain = listing(&text(""), "cp1", &timesyncd, &none);
    assert!(
        !plain.contains("chrony"),
        "installing chrony would remove systemd-timesyncd"
    );
    let fresh = listing(&text(""), "cp1", &facts(DEBIAN), &none);
    assert!(fresh.contains("package chrony") && fresh.contains("service chrony.service"));
}

#[test]
fn longhorn_and_network_manager_get_what_they_need() {
    let cluster = load(
        "cluster: c\nkubernetes: 1.33.4\nendpoint: 10.0.0.11\nlonghorn: {}\nhosts:\n  cp1: {address: 10.0.0.11, role: [control-plane, worker]}\n",
    );
    let rocky =
        facts("os=rocky\nos-version=10.1\nunit=NetworkManager.service loaded active enabled");
    let listed = listing(&cluster, "cp1", &rocky, &Artifacts::default());
    for wanted in [
        "package iscsi-initiator-utils\n",
        "package nfs-utils\n",
        "package kernel-modules-extra\n",
        "kernel module iscsi_tcp required: true\n",
        "service iscsid.service Running",
        "file /etc/NetworkManager/conf.d/90-baremetal.conf",
    ] {
        assert!(listed.contains(wanted), "{wanted}: {listed}");
    }
    let container = facts(&format!("{DEBIAN}\ncontainer=yes"));
    let listed = listing(&cluster, "cp1", &container, &Artifacts::default());
    assert!(listed.contains("package open-iscsi\n") && !listed.contains("iscsid.service"));
    assert!(!listed.contains("NetworkManager"));
}

#[test]
fn registries_are_trusted_and_mirrored() {
    let mut cluster = load(
        "cluster: c\nkubernetes: 1.33.4\nendpoint: 10.0.0.11\nhosts:\n  cp1: {address: 10.0.0.11, role: [control-plane, worker]}\n",
    );
    let mirror = |url: &str, ca: Option<&str>| Mirror {
        url: url.into(),
        ca: ca.map(str::to_owned),
        skip_verify: false,
        override_path: ca.is_some(),
        capabilities: vec![],
    };
    cluster.registries = vec![
        Registry {
            name: "docker.io".into(),
            mirrors: vec![
                mirror("https://a.local/v2/hub", Some("PEM\n")),
                mirror("https://b.local", None),
            ],
            fallback: true,
        },
        Registry {
            name: "_default".into(),
            mirrors: vec![mirror("https://a.local", None)],
            fallback: false,
        },
    ];
    cluster.harbor = Some(Harbor {
        version: "1.19.1".into(),
        host: "harbor.example:8443".into(),
        address: Some("10.0.0.200".into()),
        admin_password: SecretSource::Prompt,
        storage_class: None,
        size: "1Gi".into(),
        values: serde_json::Map::new(),
    });
    let listed = listing(&cluster, "cp1", &facts(DEBIAN), &Artifacts::default());
    let certs = "file /etc/containerd/certs.d";
    let hosts = |name: &str| -> toml::Table {
        let (_, rest) = listed
            .split_once(&format!("{certs}/{name}/hosts.toml 644\n"))
            .unwrap();
        let lines: Vec<&str> = rest
            .lines()
            .take_while(|line| line.starts_with("    "))
            .map(str::trim)
            .collect();
        lines.join("\n").parse().unwrap()
    };
    let hub = hosts("docker.io");
    assert_eq!(hub["server"].as_str(), Some("https://registry-1.docker.io"));
    let first = &hub["host"]["https://a.local/v2/hub"];
    assert_eq!(
        first["ca"].as_str(),
        Some("/etc/containerd/certs.d/docker.io/ca-1.crt")
    );
    assert_eq!(first["override_path"].as_bool(), Some(true));
    assert_eq!(first["capabilities"].as_array().unwrap().len(), 2);
    assert!(hub["host"]["https://b.local"].get("ca").is_none());
    assert!(listed.contains(&format!("{certs}/docker.io/ca-1.crt 644\n    PEM\n")));
    // Without fallback nothing but the mirror is ever asked.
    assert_eq!(
        hosts("_default")["server"].as_str(),
        Some("https://a.local")
    );
    let own = &hosts("harbor.example:8443")["host"]["https://harbor.example:8443"];
    assert_eq!(own["skip_verify"].as_bool(), Some(true));
    assert!(
        listed.contains("    10.0.0.200 harbor.example\n"),
        "{listed}"
    );
}

/// Every script that runs on hosts is fit for any POSIX shell.
#[test]
fn scripts_please_shellcheck() {
    let cluster = load(
        "cluster: c\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\n\
         hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21, role: worker}\n",
    );
    let facts = facts(DEBIAN);
    let artifacts = bundle("1.33.4", Some("2.1.4"));
    let host = &cluster.hosts[0];
    let context = Context {
        cluster: &cluster,
        host,
        facts: &facts,
        artifacts: &artifacts,
    };
    let resources: Vec<Resource> = PHASES
        .iter()
        .flat_map(|phase| phases::resources(*phase, &context))
        .collect();
    let list: Vec<&Resource> = resources.iter().collect();
    let changes = compare(&resources, &[]);
    for script in [
        facts_script(&cluster, host),
        probe_script(&list),
        apply_script("apply", &changes),
        Script::read("probe", baremetal::templates::text("init/probe.sh")),
    ] {
        let shellcheck = std::process::Command::new("shellcheck")
            // What the templates say of themselves counts only where they are first.
            .args(["-s", "sh", "-e", "SC2086,SC2016,SC1090,SC2317,SC2329", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let Ok(mut shellcheck) = shellcheck else {
            writeln!(std::io::stderr(), "skipped: shellcheck is not installed").unwrap();
            return;
        };
        shellcheck
            .stdin
            .take()
            .unwrap()
            .write_all(script.body.as_bytes())
            .unwrap();
        let output = shellcheck.wait_with_output().unwrap();
        assert!(
            output.status.success(),
            "{}: {}",
            script.name,
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

/// Runs a script on a lab host as the loader does.
fn run(cluster: &Cluster, host: &str, script: &Script) -> (bool, String, String) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        archive.append_data(&mut header, name, content).unwrap();
    };
    add("script", script.body.as_bytes());
    for attachment in &script.attachments {
        add(&attachment.name, &attachment.content);
    }
    let bytes = archive.into_inner().unwrap();
    let command = "BM=$(mktemp -d /run/baremetal.XXXXXX) && tar -xf - -C \"$BM\" && export BM && sh \"$BM/script\"; status=$?; rm -rf \"$BM\"; exit $status";
    feed(cluster, host, command, &bytes)
}

fn feed(cluster: &Cluster, host: &str, command: &str, bytes: &[u8]) -> (bool, String, String) {
    let mut child = lab::ssh_command(cluster, host, &[command.to_owned()])
        .unwrap()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.success(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// One phase on a host: observed, brought about, verified. Returns how many changes there were.
fn bring(cluster: &Cluster, artifacts: &Artifacts, facts: &Facts, phase: PhaseId) -> usize {
    let host = &cluster.hosts[0];
    let context = Context {
        cluster,
        host,
        facts,
        artifacts,
    };
    let resources = phases::resources(phase, &context);
    let list: Vec<&Resource> = resources.iter().collect();
    let began = std::time::Instant::now();
    let (done, stdout, stderr) = run(cluster, &host.name, &probe_script(&list));
    assert!(done, "{stderr}");
    println!("{} probed in {:?}", phases::name(phase), began.elapsed());
    let changes = compare(&resources, &parse_probe(&list, &stdout).unwrap());
    for change in &changes {
        println!("  {} {}", change.verb, change.summary);
        if let Some(Item {
            from: From::Local(path),
            ..
        }) = change.artifact()
        {
            let target = staged_path(change.artifact().unwrap());
            let command = format!("mkdir -p /var/lib/baremetal/artifacts && cat >{target}");
            assert!(feed(cluster, &host.name, &command, &fs::read(path).unwrap()).0);
        }
    }
    if !changes.is_empty() {
        let (done, stdout, stderr) = run(cluster, &host.name, &apply_script("apply", &changes));
        assert!(done, "{}: {stderr}", phases::name(phase));
        verify_apply(&changes, &stdout).unwrap();
    }
    changes.len()
}

/// Every phase of a host on a real one: applied, nothing left to do, and damage is seen and healed.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn e2e_host_phases_come_about_and_stay() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    let source = std::env::var("BAREMETAL_BUNDLE")
        .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/target/standin").to_owned());
    fs::write(
        &file,
        format!(
            "cluster: host-phases\nartifacts: {{bundle: {source}}}\nendpoint: 10.123.77.10\nlab: {{subnet: 10.123.77.0/24}}\n\
             hosts:\n  cp1: {{address: 10.123.77.11, role: control-plane}}\n"
        ),
    )
    .unwrap();
    let cluster = inventory::load(&file).unwrap();
    let artifacts = artifacts::resolve(&cluster).unwrap();
    let (reporter, _events) = Reporter::new();
    let cluster = lab::up(&cluster, &reporter).await.unwrap();
    let see = || {
        let began = std::time::Instant::now();
        let (done, stdout, stderr) =
            run(&cluster, "cp1", &facts_script(&cluster, &cluster.hosts[0]));
        assert!(done, "{stderr}");
        println!("facts in {:?}", began.elapsed());
        parse_facts(&stdout).unwrap()
    };
    let mut seen = Observation::default();
    let facts = see();
    seen.hosts.insert(
        "cp1".into(),
        HostSeen {
            facts,
            ..HostSeen::default()
        },
    );
    let failures: Vec<Finding> = check(&cluster, &Artifacts::default(), &seen)
        .into_iter()
        .filter(|finding| finding.level == Level::Failure)
        .collect();
    assert_eq!(failures, vec![], "a lab host is fit");
    for phase in PHASES {
        assert!(
            bring(&cluster, &artifacts, &see(), phase) > 0,
            "{phase:?} had nothing to do"
        );
    }
    for phase in PHASES {
        assert_eq!(
            bring(&cluster, &artifacts, &see(), phase),
            0,
            "{phase:?} is not done"
        );
    }
    let facts = see();
    assert!(
        facts.unit_active("containerd.service") && facts.container && facts.containerd().is_some()
    );

    let (broken, ..) = feed(
        &cluster,
        "cp1",
        "echo >/etc/crictl.yaml; rm /opt/cni/bin/bridge; echo 0 >/proc/sys/net/ipv4/ip_forward; touch /etc/containerd/config.toml",
        b"",
    );
    assert!(broken);
    assert_eq!(
        bring(&cluster, &artifacts, &see(), PhaseId::Os),
        1,
        "the sysctl"
    );
    assert_eq!(
        bring(&cluster, &artifacts, &see(), PhaseId::Runtime),
        2,
        "the file, and containerd older than its configuration"
    );
    assert_eq!(
        bring(&cluster, &artifacts, &see(), PhaseId::Binaries),
        1,
        "the plugin"
    );
    // A reload is done once, and known to be done although the process is older than its file.
    let lb = PhaseId::LoadBalancer;
    assert!(bring(&cluster, &artifacts, &see(), lb) > 0);
    assert_eq!(bring(&cluster, &artifacts, &see(), lb), 0);
    let process = || {
        feed(
            &cluster,
            "cp1",
            "systemctl show -p MainPID --value haproxy",
            b"",
        )
        .1
    };
    let before = process();
    feed(&cluster, "cp1", "touch /etc/haproxy/haproxy.cfg", b"");
    assert_eq!(bring(&cluster, &artifacts, &see(), lb), 1, "the reload");
    assert_eq!(bring(&cluster, &artifacts, &see(), lb), 0);
    assert_eq!(before, process(), "haproxy was restarted");
    broken_package_manager(&cluster);
    lab::down(&cluster, &reporter).await.unwrap();
}

/// An installation that was cut off is finished, and one that is held by another program is reported.
fn broken_package_manager(cluster: &Cluster) {
    let resources = [Resource::Package(Package::new("ipset"))];
    let changes = compare(&resources, &[]);
    let script = apply_script("apply", &changes);
    let cut = "cd /tmp && apt-get -qq download ipset libipset13 >/dev/null 2>&1; dpkg --unpack ./*.deb >/dev/null; touch /var/lib/dpkg/updates/0001; rm -f ./*.deb";
    let (done, _, stderr) = feed(cluster, "cp1", cut, b"");
    assert!(done, "{stderr}");
    let (done, stdout, stderr) = run(cluster, "cp1", &script);
    assert!(done, "{stderr}");
    verify_apply(&changes, &stdout).unwrap();

    let nothing = [Resource::Package(Package::new("no-such-package"))];
    let (done, _, stderr) = run(
        cluster,
        "cp1",
        &apply_script("apply", &compare(&nothing, &[])),
    );
    assert!(
        !done && stderr.contains("failed: package no-such-package:"),
        "{stderr}"
    );
}
