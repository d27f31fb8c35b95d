//! Against lab hosts: the real sudo, and a host that dies in the middle of a step.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use baremetal::{
    inventory::{self, Cluster},
    lab,
    remote::Script,
    report::Reporter,
    ssh::{Connection, Kind, Options, RunError, Secret, Secrets},
};

use super::sshd::options;

const INVENTORY: &str = "
cluster: eng-ssh
kubernetes: 1.33.4
endpoint: 10.123.68.10
lab: {subnet: 10.123.68.0/24}
hosts:
  cp1: {address: 10.123.68.11, role: control-plane}
";

async fn lab() -> (Cluster, Reporter) {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), INVENTORY).unwrap();
    let cluster = inventory::load(file.path()).unwrap();
    let (reporter, _) = Reporter::new();
    lab::down(&cluster, &reporter).await.unwrap();
    let cluster = lab::up(&cluster, &reporter).await.unwrap();
    (cluster, reporter)
}

/// What `id -un` and a secret's file say as that user.
async fn run_as(cluster: &Cluster, user: &str, password: Option<&str>) -> Result<String, RunError> {
    let mut host = cluster.hosts[0].clone();
    host.ssh.user = Some(user.to_owned());
    let options = Options {
        sudo_password: password.map(Secret::new),
        ..options()
    };
    let connection = Connection::open(&host, &options).await.unwrap();
    let secrets = Secrets::default();
    secrets.insert("TOKEN", Secret::new("planted-token"));
    let script =
        Script::change("who", "id -un; cat \"$BM/c\"").attach_with_secrets("c", "@@TOKEN@@");
    let output = connection.run(&script, &secrets, &|_| ()).await?;
    Ok(output.stdout)
}

async fn refused(cluster: &Cluster, user: &str, password: Option<&str>) -> Kind {
    match run_as(cluster, user, password).await {
        Err(RunError::Connect(error)) => error.kind,
        other => panic!("{other:?}"),
    }
}

async fn sudo_is_passed_and_its_refusals_are_told_apart(cluster: &Cluster) {
    let root = "root\nplanted-token";
    assert_eq!(run_as(cluster, "root", None).await.unwrap(), root);
    assert_eq!(run_as(cluster, "ops", None).await.unwrap(), root);
    let needless = run_as(cluster, "ops", Some("needless")).await;
    assert_eq!(needless.unwrap(), root);
    let right = run_as(cluster, "operator", Some("operator-pw")).await;
    assert_eq!(right.unwrap(), root);
    assert_eq!(refused(cluster, "operator", None).await, Kind::SudoPassword);
    let wrong = refused(cluster, "operator", Some("wrong")).await;
    assert_eq!(wrong, Kind::WrongSudoPassword);
}

async fn a_host_that_dies_is_noticed(cluster: &Cluster) {
    let connection = Connection::open(&cluster.hosts[0], &options())
        .await
        .unwrap();
    let container = Command::new("docker")
        .args(["ps", "-q", "--filter", "label=baremetal.lab=eng-ssh"])
        .output()
        .unwrap();
    let container = String::from_utf8(container.stdout).unwrap();
    let docker = |verb: &str| {
        let done = Command::new("docker")
            .args([verb, container.trim()])
            .output();
        assert!(done.unwrap().status.success());
    };
    let script = Script::change("long", "echo ::say running; sleep 100");
    let frozen = std::sync::Mutex::new(None);
    let freeze = |_: &str| {
        docker("pause");
        *frozen.lock().unwrap() = Some(Instant::now());
    };
    let end = connection.run(&script, &Secrets::default(), &freeze).await;
    docker("unpause");
    assert!(matches!(end, Err(RunError::Lost { .. })), "{end:?}");
    let elapsed = frozen.lock().unwrap().unwrap().elapsed();
    assert!(elapsed < Duration::from_secs(25), "{elapsed:?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn e2e_transport_to_lab_hosts() {
    let (cluster, reporter) = lab().await;
    sudo_is_passed_and_its_refusals_are_told_apart(&cluster).await;
    a_host_that_dies_is_noticed(&cluster).await;
    lab::down(&cluster, &reporter).await.unwrap();
}
