//! Settings and hosts of a cluster that runs: what the file changes is rolled out one control plane at a time under a client that
//! never waits long; what cannot be changed is refused and nothing happens.

use std::{collections::BTreeSet, fs, process::Command, time::Duration};

use serde_json::Value;

use crate::support::{
    HostLine, Lab, Run, run,
    watch::{Watch, killed_at_a_new_boundary},
};

const WITHIN: Duration = Duration::from_secs(5);
const PLANES: [&str; 3] = ["cp1", "cp2", "cp3"];
const HOSTS: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("cp2", "control-plane", 12),
    ("cp3", "control-plane", 13),
    ("w1", "worker", 21),
];

#[test]
#[ignore = "needs a container engine"]
fn e2e_settings() {
    let lab = Lab::new("e2e-set", 61, HOSTS);
    lab.up().ok();
    no_token_of_init_is_left(&lab);
    lab.nothing_to_do();

    write(&lab, &Settings::FIRST);
    plan_shows_exactly(&lab);
    let client = Watch::start(&lab);
    let done = lab.up().ok();
    let gap = client.stop();
    assert!(
        gap < WITHIN,
        "no answer for {gap:?} while settings rolled out"
    );
    one_control_plane_at_a_time(&done);
    every_setting_is_there(&lab, &Settings::FIRST);
    lab.nothing_to_do();

    killed_on_the_way(&lab);
    a_setting_that_cannot_work(&lab);
    what_cannot_be_is_refused(&lab);
}

/// The settings that this test changes.
struct Settings {
    verbosity: &'static str,
    max_pods: &'static str,
    profiling: &'static str,
    name: &'static str,
    keepalive: &'static str,
    idle: &'static str,
    pool: &'static str,
    /// Further kubelet configuration.
    kubelet: &'static str,
}

impl Settings {
    const FIRST: Self = Self {
        verbosity: "3",
        max_pods: "123",
        profiling: "false",
        name: "api.settings.example",
        keepalive: "601",
        idle: "5h",
        pool: "209",
        kubelet: "",
    };
    const SECOND: Self = Self {
        verbosity: "4",
        max_pods: "124",
        profiling: "true",
        name: "api2.settings.example",
        ..Self::FIRST
    };
}

fn write(lab: &Lab, settings: &Settings) {
    let Settings {
        verbosity,
        max_pods,
        profiling,
        name,
        keepalive,
        idle,
        pool,
        kubelet,
    } = settings;
    lab.write(
        HOSTS,
        &format!(
            "kubelet: {{args: {{v: '{verbosity}'}}, config: {{maxPods: {max_pods}{kubelet}}}}}\n\
             control-plane: {{api-server: {{args: {{profiling: '{profiling}'}}}}, cert-sans: [{name}]}}\n\
             system: {{sysctls: {{net.ipv4.tcp_keepalive_time: '{keepalive}'}}}}\n"
        ),
    );
    let text = fs::read_to_string(lab.inventory()).unwrap();
    let (net, vip) = (&lab.net, lab.vip());
    let text = text
        .replace(
            &format!("endpoint: {vip}\n"),
            &format!("endpoint: {{vip: {vip}, haproxy: {{idle-timeout: {idle}}}}}\n"),
        )
        .replace(&format!("{net}.219"), &format!("{net}.{pool}"));
    fs::write(lab.inventory(), text).unwrap();
}

fn no_token_of_init_is_left(lab: &Lab) {
    let secrets = lab
        .kubectl(&["get", "secrets", "-n", "kube-system", "-o", "name"])
        .ok()
        .stdout;
    assert!(!secrets.contains("bootstrap-token-"), "{secrets}");
}

/// Every step of the plan: phase, host, and what it is called or which things it changes.
fn plan_shows_exactly(lab: &Lab) {
    let plan = lab
        .run(&["plan"], &["--output", "json", "--exit-code"])
        .code(7);
    let line = plan
        .stdout
        .lines()
        .rfind(|line| line.contains("\"steps\""))
        .expect("a plan");
    let plan: Value = serde_json::from_str(line).unwrap();
    let mut shown = BTreeSet::new();
    for step in plan["steps"].as_array().unwrap() {
        let (phase, host) = (
            step["phase"].as_str().unwrap(),
            step["host"].as_str().unwrap(),
        );
        for change in step["work"]["apply"].as_array().into_iter().flatten() {
            let summary = change["summary"].as_str().unwrap();
            let label = summary.split(" (").next().unwrap();
            shown.insert(format!("{phase} {host} {label}"));
        }
        if let Some(title) = step["work"]["run"]["title"].as_str() {
            shown.insert(format!("{phase} {host} {title}"));
        }
    }
    let mut expected = BTreeSet::new();
    for (host, role, _) in HOSTS {
        let plane = *role == "control-plane";
        let mut add = |text: &str| expected.insert(text.replace("HOST", host));
        add("os HOST file /etc/sysctl.d/90-baremetal.conf");
        add("os HOST sysctl net.ipv4.tcp_keepalive_time");
        add("control-plane-files HOST file /etc/kubernetes/kubeadm/kubelet.yaml");
        if plane {
            add("load-balancer HOST file /etc/haproxy/haproxy.cfg");
            add("load-balancer HOST service haproxy.service");
            add("control-plane-files HOST file /etc/kubernetes/kubeadm/cluster.yaml");
            add(
                "settings HOST roll out changed settings: certificate of the API server, control plane, kubelet",
            );
        } else {
            add("settings HOST roll out changed settings: kubelet");
        }
    }
    let through_the_api: Vec<String> = shown.difference(&expected).cloned().collect();
    assert_eq!(
        shown.intersection(&expected).count(),
        expected.len(),
        "{shown:#?}"
    );
    let mut phases: Vec<_> = through_the_api
        .iter()
        .filter(|line| !line.starts_with("verify"))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    phases.dedup();
    assert_eq!(phases, ["configuration", "metallb"], "{through_the_api:#?}");
}

/// A control plane's settings begin when those of the one before have ended, and the worker's after them.
fn one_control_plane_at_a_time(done: &Run) {
    let mut order = Vec::new();
    let mut at_work: Option<String> = None;
    for event in done.events() {
        if event["phase"] != "settings" {
            continue;
        }
        let host = event["host"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("step-started") => {
                assert_eq!(at_work, None, "{host} began");
                order.push(host.clone());
                at_work = Some(host);
            }
            Some("step-finished") => {
                assert_eq!(at_work.take(), Some(host));
            }
            _ => {}
        }
    }
    assert_eq!(order.len(), HOSTS.len(), "{order:?}");
    assert_eq!(order.last().map(String::as_str), Some("w1"), "{order:?}");
}

fn every_setting_is_there(lab: &Lab, settings: &Settings) {
    let nodes = lab
        .kubectl(&[
            "get",
            "nodes",
            "-o",
            r#"jsonpath={range .items[*]}{.metadata.name}{"="}{.status.capacity.pods}{"\n"}{end}"#,
        ])
        .ok()
        .stdout;
    for line in HOSTS {
        let host = line.0;
        assert!(
            nodes.contains(&format!("{host}={}", settings.max_pods)),
            "{nodes}"
        );
        host_has_settings(lab, line, settings);
    }
    let pools = lab
        .kubectl(&["get", "ipaddresspools.metallb.io", "-A", "-o", "yaml"])
        .ok()
        .stdout;
    assert!(
        pools.contains(&format!("{}.200-{}.{}", lab.net, lab.net, settings.pool)),
        "{pools}"
    );
    let stored = lab
        .kubectl(&[
            "get",
            "configmap",
            "kubeadm-config",
            "-n",
            "kube-system",
            "-o",
            "yaml",
        ])
        .ok()
        .stdout;
    assert!(stored.contains(settings.name), "{stored}");
}

/// Kubelet, sysctl and, on a control plane, haproxy, manifest and certificate.
fn host_has_settings(lab: &Lab, (host, role, last): &HostLine<'_>, settings: &Settings) {
    let read = |path: &str| lab.on(host, &format!("cat {path}")).ok().stdout;
    let flags = read("/var/lib/kubelet/kubeadm-flags.env");
    assert!(
        flags.contains(&format!("--v={}", settings.verbosity)),
        "{flags}"
    );
    assert!(
        flags.contains(&format!("--node-ip={}.{last}", lab.net)),
        "{flags}"
    );
    let pid = lab.on(
        host,
        "tr '\\0' ' ' </proc/$(systemctl show -p MainPID --value kubelet)/cmdline",
    );
    assert!(
        pid.stdout.contains(&format!("--v={}", settings.verbosity)),
        "the kubelet of {host} runs with {}",
        pid.stdout
    );
    assert_eq!(
        read("/proc/sys/net/ipv4/tcp_keepalive_time").trim(),
        settings.keepalive
    );
    if *role != "control-plane" {
        return;
    }
    let manifest = read("/etc/kubernetes/manifests/kube-apiserver.yaml");
    let profiling = format!("--profiling={}", settings.profiling);
    assert!(manifest.contains(&profiling), "{manifest}");
    assert!(
        read("/etc/haproxy/haproxy.cfg").contains("18000s"),
        "haproxy of {host}"
    );
    serves(lab, *last, settings.name);
}

/// The API server of a host proves to be `name`, with a certificate of the cluster's CA.
fn serves(lab: &Lab, last: u8, name: &str) {
    let ca = lab.directory.path().join("ca.crt");
    fs::write(
        &ca,
        lab.on("cp1", "cat /etc/kubernetes/pki/ca.crt").ok().stdout,
    )
    .unwrap();
    run(Command::new("curl")
        .args(["-sf", "--max-time", "5", "--cacert"])
        .arg(&ca)
        .arg("--resolve")
        .arg(format!("{name}:6444:{}.{last}", lab.net))
        .arg(format!("https://{name}:6444/readyz")))
    .ok();
}

/// Killed when the configuration is in the cluster and on one control plane: the next run does the rest, and all of it.
fn killed_on_the_way(lab: &Lab) {
    write(lab, &Settings::SECOND);
    kill_at(lab, "configuration", "step-started");
    kill_at(lab, "settings", "step-started");
    kill_at(lab, "settings", "step-finished");
    lab.up().ok();
    every_setting_is_there(lab, &Settings::SECOND);
    lab.nothing_to_do();
}

fn kill_at(lab: &Lab, phase: &str, kind: &str) {
    let there =
        |event: &Value| (event["phase"] == phase && event["event"] == kind).then(String::new);
    let mut up = lab.command(&["up"], &["--output", "json"]);
    killed_at_a_new_boundary(&mut up, &BTreeSet::new(), there)
        .unwrap_or_else(|| panic!("no {kind} of {phase}"));
}

/// What the kubelet does not take is found on one host, which has its old settings again; the others have never changed.
fn a_setting_that_cannot_work(lab: &Lab) {
    let bad = Settings {
        kubelet: ", shutdownGracePeriod: 10s, shutdownGracePeriodCriticalPods: 30s",
        ..Settings::SECOND
    };
    let configs = || -> Vec<String> {
        HOSTS
            .iter()
            .map(|(host, ..)| lab.on(host, "cat /var/lib/kubelet/config.yaml").ok().stdout)
            .collect()
    };
    let before = configs();
    write(lab, &bad);
    let failed = lab.run(&["up"], &[]).code(6);
    let said = ["shutdownGracePeriod must be", "old ones again"];
    assert!(
        said.iter().any(|said| failed.text().contains(said)),
        "{}",
        failed.text()
    );
    assert_eq!(configs(), before);
    let nodes = lab.kubectl(&["get", "nodes", "--no-headers"]).ok().stdout;
    assert_eq!(nodes.matches(" Ready ").count(), HOSTS.len(), "{nodes}");
    write(lab, &Settings::SECOND);
    lab.up().ok();
    lab.nothing_to_do();
    assert_eq!(
        configs()
            .concat()
            .matches("shutdownGracePeriodCriticalPods: 30s")
            .count(),
        0
    );
}

/// Roles, addresses, names and what a cluster keeps: exit 8 with the way out, before anything changes.
fn what_cannot_be_is_refused(lab: &Lab) {
    let good = fs::read_to_string(lab.inventory()).unwrap();
    let net = &lab.net;
    let edits = [
        (
            "role: worker".to_owned(),
            "role: [control-plane, worker]".to_owned(),
            "w1 is a control plane in the file, but a worker of the cluster",
            "remove-node",
        ),
        (
            format!("cp3: {{address: {net}.13, role: control-plane}}"),
            format!("cp3: {{address: {net}.13, role: worker}}"),
            "cp3 is a worker in the file, but a control plane of the cluster",
            "add-node",
        ),
        (
            format!("  cp3: {{address: {net}.13, role: control-plane}}\n"),
            String::new(),
            "is a control plane of the cluster, but not in the file",
            "remove-node",
        ),
        (
            "hosts:".to_owned(),
            "network: {pods: 10.200.0.0/16}\nhosts:".to_owned(),
            "network.pods is 10.200.0.0/16 in the file",
            "10.244.0.0/16",
        ),
    ];
    for (from, to, what, instead) in edits {
        let text = good.replace(&from, &to);
        assert_ne!(text, good, "{from}");
        fs::write(
            lab.inventory(),
            format!("allow-even-control-planes: true\n{text}"),
        )
        .unwrap();
        for verb in ["plan", "up"] {
            let refused = lab.run(&[verb], &[]).code(8);
            assert!(refused.text().contains(what), "{}", refused.text());
            assert!(refused.text().contains(instead), "{}", refused.text());
            assert!(
                refused.text().contains("nothing was changed"),
                "{}",
                refused.text()
            );
        }
    }
    fs::write(lab.inventory(), &good).unwrap();
    a_worker_that_the_file_lost_stays(lab, &good);
}

fn a_worker_that_the_file_lost_stays(lab: &Lab, good: &str) {
    let net = &lab.net;
    // Some host must run workloads.
    let without = good
        .replace(&format!("  w1: {{address: {net}.21, role: worker}}\n"), "")
        .replace(
            &format!("{net}.13, role: control-plane"),
            &format!("{net}.13, role: [control-plane, worker]"),
        );
    assert!(!without.contains("w1") && without.contains("[control-plane, worker]"));
    fs::write(lab.inventory(), without).unwrap();
    let said = lab.run(&["plan"], &[]).ok();
    assert!(
        said.text().contains("w1") && said.text().contains("remove-node"),
        "{}",
        said.text()
    );
    assert!(lab.kubectl(&["get", "node", "w1"]).code == Some(0));
    fs::write(lab.inventory(), good).unwrap();
    lab.nothing_to_do();
    let ready = PLANES.map(|host| {
        lab.on(host, "test -s /etc/kubernetes/manifests/etcd.yaml")
            .code
    });
    assert_eq!(ready, [Some(0); 3]);
}
