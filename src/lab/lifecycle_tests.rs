use tokio::task::JoinSet;

use super::{
    super::{
        boot::{at, together},
        container::Environment,
        hosts::name_servers,
    },
    *,
};

fn cluster(hosts: &str) -> Cluster {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lab.yaml");
    let text = format!(
        "cluster: some-lab\nkubernetes: 1.33.4\nendpoint: 10.9.8.10\nlab: {{subnet: 10.9.8.0/24, memory: 2g}}\nhosts:\n{hosts}"
    );
    fs::write(&file, text).unwrap();
    crate::inventory::load(&file).unwrap()
}

fn two() -> Cluster {
    cluster(
        "  cp1: {address: 10.9.8.11, role: control-plane}\n  w1: {address: 10.9.8.21, role: worker}\n",
    )
}

const INSPECTED: &str = r#"[
  {"Id": "aaa", "Name": "/baremetal_some-lab_w1", "State": {"Status": "exited", "Running": false},
   "Config": {"Labels": {"baremetal.lab": "some-lab", "baremetal.lab.host": "w1", "baremetal.lab.address": "10.9.8.21"}}},
  {"Id": "bbb", "Name": "/baremetal_some-lab_old", "State": {"Status": "running", "Running": true},
   "Config": {"Labels": {"baremetal.lab": "some-lab", "baremetal.lab.host": "old", "baremetal.lab.address": "10.9.8.30"}}},
  {"Id": "ccc", "Name": "/stranger", "State": {"Status": "running", "Running": true}, "Config": {"Labels": null}}
]"#;

#[test]
fn what_runs_is_compared_with_the_inventory() {
    let containers = container::parse_inspect(INSPECTED).unwrap();
    let states: Vec<_> = compare(&two(), &containers)
        .into_iter()
        .map(|status| (status.host, status.state, status.in_inventory))
        .collect();
    assert_eq!(
        states,
        [
            ("cp1".to_owned(), HostState::Missing, true),
            ("w1".to_owned(), HostState::Stopped, true),
            ("old".to_owned(), HostState::Running, false),
        ]
    );
}

#[test]
fn a_host_is_one_run_command() {
    let cluster = two();
    let given = Environment {
        image: "baremetal-lab:abc".into(),
        public_key: "ssh-ed25519 AAAA lab".into(),
        name_servers: vec!["192.0.2.1".into()],
        dropped: vec!["SYS_RESOURCE", "SYS_TIME"],
        devices: vec!["/dev/kmsg"],
        kernel_modules: false,
        podman: false,
    };
    let lab = cluster.lab.as_ref().unwrap();
    let args = container::run(&cluster, lab, &cluster.hosts[0], &given);
    for wanted in [
        "--name=baremetal_some-lab_cp1",
        "--hostname=cp1",
        "--label=baremetal.lab=some-lab",
        "--label=baremetal.lab.address=10.9.8.11",
        "--network=baremetal_some-lab",
        "--ip=10.9.8.11",
        "--volume=baremetal_some-lab_cp1_var:/var",
        "--security-opt=systempaths=unconfined",
        "--cap-drop=SYS_RESOURCE",
        "--device=/dev/kmsg",
        "--memory=2g",
    ] {
        assert!(args.iter().any(|arg| arg == wanted), "{wanted} in {args:?}");
    }
    assert_eq!(args.last().unwrap(), "baremetal-lab:abc");
    assert!(!args.iter().any(|arg| arg == "--privileged"));
    let podman = Environment {
        podman: true,
        ..given
    };
    let args = container::run(&cluster, lab, &cluster.hosts[0], &podman);
    assert!(args.iter().any(|arg| arg == "--security-opt=unmask=ALL"));
    assert!(!args.iter().any(|arg| arg.contains("systempaths")));
}

#[test]
fn every_address_mistake_is_told_at_once() {
    let mut cluster = two();
    cluster.hosts[0].address = "10.9.7.11".into();
    cluster.hosts[1].address = "10.9.8.1".into();
    let failure = address::check(&cluster, cluster.lab.as_ref().unwrap()).unwrap_err();
    assert_eq!(failure.code, Code::Inventory);
    assert!(failure.message.contains("host cp1: 10.9.7.11 lies outside"));
    assert!(
        failure
            .message
            .contains("host w1: 10.9.8.1 is the address of the machine")
    );
}

#[test]
fn a_stub_resolver_on_loopback_is_of_no_use_to_a_container() {
    let stub = "search example\nnameserver 127.0.0.53\n".to_owned();
    let real = "nameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver 192.0.2.54\n".to_owned();
    assert_eq!(
        name_servers(&[stub.clone(), real]),
        ["192.0.2.53", "192.0.2.54"]
    );
    assert!(name_servers(&[stub]).is_empty());
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_with_what_to_install() {
    let mut cluster = two();
    let lab = Lab {
        engine: Some("/nowhere/docker".into()),
        ..cluster.lab.clone().unwrap()
    };
    cluster.lab = Some(lab);
    let error = status(&cluster).await.unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.code, Code::Preflight);
    assert!(
        failure
            .message
            .contains("/nowhere/docker ps --all: cannot be run")
    );
    assert!(failure.hint.as_ref().unwrap().contains("install"));
}

#[tokio::test]
async fn failures_of_several_hosts_are_told_together() {
    let mut tasks = JoinSet::new();
    for host in ["cp1", "cp2", "cp3"] {
        tasks.spawn(async move {
            anyhow::ensure!(host == "cp3", "host {host}: no room");
            Ok(host)
        });
    }
    let message = together(tasks).await.unwrap_err().to_string();
    assert!(message.contains("host cp1: no room") && message.contains("host cp2: no room"));
}

#[test]
fn commands_of_a_lab_need_a_lab_and_one_of_its_hosts() {
    let mut cluster = two();
    let error = ssh(&cluster, "cp9", &[]).unwrap_err();
    assert!(error.to_string().contains("no host is named `cp9`"));
    cluster.lab = None;
    let error = ssh(&cluster, "cp1", &[]).unwrap_err();
    assert!(error.to_string().contains("no `lab:` block"));
}

#[test]
fn a_host_is_named_and_code_and_hint_are_kept() {
    let cause = Failure::new(Code::Preflight, "lab: docker run: no space").hint("make room");
    let error = at("cp1", cause.into());
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.message, "host cp1: lab: docker run: no space");
    assert_eq!(failure.code, Code::Preflight);
    assert_eq!(failure.hint.as_deref(), Some("make room"));
    let error = at("cp1", anyhow::anyhow!("inner").context("outer"));
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(
        (failure.message.as_str(), failure.code),
        ("host cp1: outer: inner", Code::Unreachable)
    );
}
