//! Sessions: all hosts at once, the lock, plans run for real, and what is left when the program is killed.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use baremetal::{
    artifacts::{self, Item},
    digest::sha256,
    engine::{Options, RunLog, Session, Stop},
    failure::{Code, Failure},
    inventory::{self, Cluster, Ssh},
    phases::PhaseId,
    plan::{Action, Plan, Step, Work},
    remote::Script,
    report::{Event, Reporter},
    resources::{Blob, Change, Resource},
    ssh::{Kind, Secrets},
};
use tokio::sync::mpsc::UnboundedReceiver;

use super::sshd::{Sshd, free_port};

const INVENTORY: &str = "
cluster: engine
kubernetes: 1.33.4
endpoint: 10.9.8.1
hosts:
  cp1: {address: 10.9.8.11, role: control-plane}
  w1: {address: 10.9.8.21, role: worker}
  w2: {address: 10.9.8.22, role: worker}
";

/// A cluster whose hosts are so reached, in the order cp1, w1, w2; hosts without settings are left out.
fn cluster(reached: [Option<Ssh>; 3]) -> Cluster {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").unwrap();
    std::fs::write(file.path(), INVENTORY).unwrap();
    let mut cluster = inventory::load(file.path()).unwrap();
    let hosts = cluster.hosts.drain(..).zip(reached);
    let hosts = hosts.filter_map(|(mut host, ssh)| {
        "127.0.0.1".clone_into(&mut host.address);
        host.ssh = ssh?;
        Some(host)
    });
    cluster.hosts = hosts.collect();
    cluster
}

async fn session(cluster: &Cluster) -> (Session, UnboundedReceiver<(u64, Event)>) {
    let (reporter, receiver) = Reporter::new();
    let session = Session::connect(cluster, Options::default(), &reporter)
        .await
        .unwrap();
    (session, receiver)
}

fn step(host: &str, needs: &[usize], script: Script) -> Step {
    Step {
        phase: PhaseId::Network,
        host: host.to_owned(),
        needs: needs.to_vec(),
        after: Vec::new(),
        work: Work::Run(Box::new(Action {
            id: script.name.clone(),
            title: script.name.clone(),
            detail: Vec::new(),
            script,
            units: Vec::new(),
            hint: "mend it".to_owned(),
        })),
    }
}

fn code_of(error: &anyhow::Error) -> Code {
    error.downcast_ref::<Failure>().unwrap().code
}

#[tokio::test]
async fn every_host_has_its_own_result() {
    let (good, other) = (Sshd::start(), Sshd::start());
    let refused = Ssh {
        port: Some(free_port()),
        ..good.ssh()
    };
    let stranger = Ssh {
        key: Some(other.file("other_key")),
        ..other.ssh()
    };
    let cluster = cluster([Some(good.ssh()), Some(refused), Some(stranger)]);
    let (session, mut events) = session(&cluster).await;
    let unreachable = session.unreachable();
    assert_eq!(unreachable["w1"].kind, Kind::Refused);
    assert_eq!(unreachable["w2"].kind, Kind::Authentication);
    let names: Vec<_> = session
        .reachable()
        .into_iter()
        .map(|host| host.name)
        .collect();
    assert_eq!(names, ["cp1"]);
    let error = session.all_reached().unwrap_err();
    assert_eq!(code_of(&error), Code::Unreachable);
    assert!(error.to_string().contains("2 of 3 hosts"), "{error}");
    let mut told = Vec::new();
    while let Ok((_, event)) = events.try_recv() {
        match event {
            Event::HostConnected { host, .. } | Event::HostUnreachable { host, .. } => {
                told.push(host);
            }
            other => panic!("{other:?}"),
        }
    }
    told.sort();
    assert_eq!(told, ["cp1", "w1", "w2"]);
}

#[tokio::test]
async fn a_plan_runs_and_a_failure_is_explained_and_isolated() {
    let sshd = Sshd::start();
    let cluster = cluster([Some(sshd.ssh()), Some(sshd.ssh()), None]);
    let (reporter, mut events) = Reporter::new();
    let logs = tempfile::tempdir().unwrap();
    let secrets = Secrets::default();
    let options = Options {
        log: Some(RunLog::open_in(logs.path(), secrets.clone()).unwrap()),
        secrets,
        ..Options::default()
    };
    let session = Session::connect(&cluster, options, &reporter)
        .await
        .unwrap();
    let failing = "echo ::run kubeadm init --token planted-token; echo out planted-token; i=0; while [ $i -lt 30 ]; do echo line $i; i=$((i+1)); done >&2; echo planted-token is bad >&2; exit 9";
    let plan = Plan {
        steps: vec![
            step(
                "cp1",
                &[],
                Script::change("capture", "echo ::secret TOKEN planted-token"),
            ),
            step("cp1", &[0], Script::change("fail", failing)),
            step("cp1", &[1], Script::change("never", "true")),
            step("w1", &[], Script::change("other", "sleep 0.3; true")),
            step(
                "w1",
                &[0, 3],
                Script::change("use", "grep -q planted-token \"$BM/c\"")
                    .attach_with_secrets("c", "@@TOKEN@@"),
            ),
        ],
        notes: Vec::new(),
    };
    let outcome = session.run(&plan).await;
    assert_eq!(outcome.code(), Code::Phase);
    assert_eq!(outcome.changed, 3);
    assert_eq!(outcome.skipped[&2], "fail on cp1 failed");
    let failure = &outcome.failed[&1];
    assert_eq!(failure.message, "*** is bad");
    assert_eq!((failure.status, failure.output.len()), (Some(9), 20));
    assert_eq!(failure.output[0], "line 11");
    assert_eq!(failure.command, "kubeadm init --token ***");
    assert_eq!(failure.hint, "mend it");
    assert_eq!(session.mutating().values().sum::<usize>(), 4);
    assert_eq!(session.round_trips()["w1"], 2);
    let log = std::fs::read_to_string(session.log_path().unwrap()).unwrap();
    assert!(log.contains("cp1 fail: status 9"), "{log}");
    assert!(log.contains("cp1 fail| line 29"), "{log}");
    let mut all = log;
    while let Ok((_, event)) = events.try_recv() {
        all.push_str(&serde_json::to_string(&event).unwrap());
    }
    assert!(all.contains("step-skipped"));
    assert!(!all.contains("planted-token"), "{all}");
}

/// A step that puts an artifact of the given file to `path`.
fn blob(host: &str, file: &std::path::Path, bytes: &[u8], path: &std::path::Path) -> Step {
    let resource = Resource::Blob(Blob {
        item: Item {
            name: "chart".to_owned(),
            kind: artifacts::Kind::Chart,
            version: "1.0".to_owned(),
            arch: None,
            sha256: sha256(bytes),
            size: Some(bytes.len() as u64),
            images: Vec::new(),
            from: artifacts::From::Local(file.to_owned()),
        },
        path: path.display().to_string(),
    });
    let change = Change {
        summary: resource.label(),
        resource,
        verb: "transfer",
        diff: None,
    };
    Step {
        phase: PhaseId::ControlPlaneFiles,
        work: Work::Apply(vec![change]),
        ..step(host, &[], Script::change("unused", ""))
    }
}

#[tokio::test]
async fn an_artifact_is_brought_before_its_step_and_its_absence_is_told() {
    let sshd = Sshd::start();
    let cluster = cluster([Some(sshd.ssh()), None, None]);
    let (session, _events) = session(&cluster).await;
    let bytes = format!("chart of process {}", std::process::id()).into_bytes();
    std::fs::write(sshd.file("chart"), &bytes).unwrap();
    let target = sshd.file("target");
    let plan = Plan {
        steps: vec![
            blob("cp1", &sshd.file("chart"), &bytes, &target),
            blob(
                "cp1",
                &sshd.file("no-such-file"),
                b"other",
                &sshd.file("other"),
            ),
        ],
        notes: Vec::new(),
    };
    let outcome = session.run(&plan).await;
    // Where artifacts are staged on this machine, which plays the host.
    let staged = format!("/var/lib/baremetal/artifacts/{}", sha256(&bytes));
    let _ = std::fs::remove_file(staged);
    assert_eq!(outcome.changed, 1, "{outcome:?}");
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
    let message = &outcome.failed[&1].message;
    assert!(
        message.starts_with("chart 1.0 could not be transferred: ")
            && message.contains("no-such-file"),
        "{message}"
    );
}

#[tokio::test]
async fn what_passes_by_itself_is_tried_again_and_the_cause_is_shown() {
    let sshd = Sshd::start();
    let cluster = cluster([Some(sshd.ssh()), None, None]);
    let (session, mut events) = session(&cluster).await;
    let body = "[ -e \"$1\" ] && exit 0; touch \"$1\"; echo 'E: Could not get lock /var/lib/dpkg/lock-frontend' >&2; exit 100";
    let mark = sshd.file("mark").display().to_string();
    let plan = Plan {
        steps: vec![step("cp1", &[], Script::change("apt", body).arg(mark))],
        notes: Vec::new(),
    };
    assert_eq!(session.run(&plan).await.code(), Code::Done);
    let mut causes = Vec::new();
    while let Ok((_, event)) = events.try_recv() {
        if let Event::StepProgress { text, .. } = event {
            causes.push(text);
        }
    }
    assert_eq!(
        causes,
        ["the package manager is locked by another process; trying again in 2 s"]
    );
}

#[tokio::test]
async fn ctrl_c_lets_what_runs_end_and_begins_nothing() {
    let sshd = Sshd::start();
    let cluster = cluster([Some(sshd.ssh()), None, None]);
    let (session, _events) = session(&cluster).await;
    let plan = Plan {
        steps: vec![
            step("cp1", &[], Script::change("first", "sleep 1")),
            step("cp1", &[0], Script::change("second", "true")),
        ],
        notes: Vec::new(),
    };
    let stop = session.stop().clone();
    let asked = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.raise();
    };
    let (outcome, ()) = tokio::join!(session.run(&plan), asked);
    assert_eq!(outcome.code(), Code::Interrupted);
    assert_eq!((outcome.changed, outcome.unfinished), (1, vec![1]));
}

#[tokio::test]
async fn ctrl_c_before_the_run_ends_it_at_once() {
    let sshd = Sshd::start();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = Ssh {
        port: Some(silent.local_addr().unwrap().port()),
        ..sshd.ssh()
    };
    let cluster = cluster([Some(sshd.ssh()), Some(silent), None]);
    let (reporter, _events) = Reporter::new();
    let stop = Stop::default();
    let options = Options {
        stop: stop.clone(),
        ..Options::default()
    };
    let started = Instant::now();
    let asked = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        stop.raise();
    };
    let (end, ()) = tokio::join!(Session::connect(&cluster, options, &reporter), asked);
    assert_eq!(code_of(&end.err().unwrap()), Code::Interrupted);
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// Begins a run of its own process: connects, locks, starts a change, and waits to be killed. See `killed`.
#[tokio::test]
#[ignore = "the other half of a test"]
async fn victim() {
    let Ok(settings) = std::env::var("VICTIM_SSH") else {
        return;
    };
    let (port, directory) = settings.split_once(' ').unwrap();
    let file = |name: &str| std::path::Path::new(directory).join(name);
    let ssh = Ssh {
        user: Some("root".to_owned()),
        port: Some(port.parse().unwrap()),
        key: Some(file("user_key")),
        config: Some("/dev/null".into()),
        known_hosts: Some(file("known_hosts")),
        ..Ssh::default()
    };
    let cluster = cluster([Some(ssh), None, None]);
    let (session, _events) = session(&cluster).await;
    let _lock = session.lock("baremetal up victim.yaml").await.unwrap();
    let body = "touch \"$1/locked\"; sleep 3; touch \"$1/done\"";
    let script = Script::change("slow", body).arg(directory);
    session.script("cp1", &script).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
}

/// Lines of `ps` with the path of a test's sshd directory: its masters.
fn masters(directory: &str) -> usize {
    let output = Command::new("pgrep")
        .args(["-fc", &format!("ssh -M.*{directory}")])
        .output();
    let count = String::from_utf8(output.unwrap().stdout).unwrap();
    count.trim().parse().unwrap()
}

/// One test, because every "host" of this machine has the same lock.
#[tokio::test]
async fn a_lock_excludes_names_its_holder_and_goes_with_it() {
    let sshd = Sshd::start();
    let cluster = cluster([Some(sshd.ssh()), None, None]);
    let directory = sshd.directory.path().display().to_string();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ssh::session::victim", "--ignored"])
        .env("VICTIM_SSH", format!("{} {directory}", sshd.port))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while !sshd.file("locked").exists() {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (session, _events) = session(&cluster).await;
    let error = session.lock("baremetal up mine.yaml").await.unwrap_err();
    assert_eq!(code_of(&error), Code::Locked);
    let text = error.to_string();
    let pid = format!("process {}", victim.id());
    assert!(
        text.contains(&pid) && text.contains("baremetal up victim.yaml"),
        "{text}"
    );
    let before = masters(&directory);
    victim.kill().unwrap();
    victim.wait().unwrap();
    // The janitor ends the victim's master, the host its lock; its change goes on and is waited for.
    let deadline = Instant::now() + Duration::from_secs(10);
    let lock = loop {
        match session.lock("baremetal up mine.yaml").await {
            Ok(lock) => break lock,
            Err(error) if Instant::now() < deadline => {
                assert_eq!(code_of(&error), Code::Locked, "{error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    };
    assert!(sshd.file("done").exists(), "the earlier change has ended");
    assert_eq!((before, masters(&directory)), (2, 1));
    lock.release().await;
    let lock = session.lock("baremetal up again.yaml").await.unwrap();
    lock.release().await;
    assert_eq!(std::fs::read_to_string("/run/baremetal.lock").unwrap(), "");
}
