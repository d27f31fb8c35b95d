//! Lab hosts on a real container engine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use baremetal::{
    inventory::{self, Cluster},
    lab::{self, HostState},
    report::Reporter,
};

fn cluster(directory: &Path, name: &str, subnet: &str, hosts: &[(&str, u8)]) -> Cluster {
    use std::fmt::Write as _;
    let mut text = format!(
        "cluster: {name}\nkubernetes: 1.33.4\nendpoint: {subnet}.10\nlab: {{subnet: {subnet}.0/24}}\nhosts:\n"
    );
    for (host, last) in hosts {
        let role = if host.starts_with("cp") {
            "control-plane"
        } else {
            "worker"
        };
        writeln!(text, "  {host}: {{address: {subnet}.{last}, role: {role}}}").unwrap();
    }
    let file = directory.join("lab.yaml");
    std::fs::write(&file, text).unwrap();
    inventory::load(&file).unwrap()
}

fn runs(cluster: &Cluster, host: &str, command: &str) -> (bool, String) {
    let output = lab::ssh_command(cluster, host, &[command.to_owned()])
        .unwrap()
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text.trim().to_owned())
}

/// What the engine holds with the lab's label: containers, volumes, networks.
fn labelled(name: &str) -> Vec<String> {
    let filter = format!("label={}={name}", lab::LABEL);
    [
        ["ps", "-a", "-q"].as_slice(),
        &["volume", "ls", "-q"],
        &["network", "ls", "-q"],
    ]
    .into_iter()
    .flat_map(|list| {
        let out = Command::new("docker")
            .args(list)
            .args(["--filter", &filter])
            .output()
            .unwrap();
        assert!(out.status.success(), "{out:?}");
        let text = String::from_utf8(out.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    })
    .collect()
}

/// Hosts come up, stay as they are while they run, and leave nothing behind.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn e2e_lab_hosts_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let name = "lab-comes-and-goes";
    let hosts = [("cp1", 11), ("w1", 21)];
    let cluster = cluster(directory.path(), name, "10.123.61", &hosts);
    let (reporter, mut events) = Reporter::new();
    lab::down(&cluster, &reporter).await.unwrap();

    let filled = lab::up(&cluster, &reporter).await.unwrap();
    assert!(filled.hosts.iter().all(|host| host.lab));
    for host in ["cp1", "w1"] {
        assert_eq!(runs(&filled, host, "hostname"), (true, host.to_owned()));
        let state = runs(&filled, host, "systemctl is-system-running --wait");
        assert_eq!(state, (true, "running".to_owned()));
    }
    while events.try_recv().is_ok() {}
    let made = labelled(name);
    let begun = Instant::now();
    lab::up(&cluster, &reporter).await.unwrap();
    let took = begun.elapsed();
    assert_eq!(made, labelled(name), "a lab that runs is left as it is");
    assert!(events.try_recv().is_err(), "and there is nothing to tell");
    assert!(took < Duration::from_secs(1), "{took:?}");
    eprintln!("up of a lab that runs: {took:?}");

    let mut elsewhere = cluster.clone();
    elsewhere.hosts[0].address = "10.123.61.12".into();
    let refused = lab::up(&elsewhere, &reporter).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("the inventory now says 10.123.61.12")
    );

    lab::down(&cluster, &reporter).await.unwrap();
    assert_eq!(labelled(name), Vec::<String>::new());
    assert!(lab::ssh_command(&cluster, "cp1", &[]).is_err());
}

/// A host that is lost comes back bare, with a new identity; one that stopped comes back as it was. The others stay.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn e2e_lab_hosts_are_replaced_one_by_one() {
    let directory = tempfile::tempdir().unwrap();
    let name = "lab-is-replaced";
    let hosts = [("cp1", 11), ("w1", 21), ("w2", 22)];
    let cluster = cluster(directory.path(), name, "10.123.62", &hosts);
    let (reporter, _events) = Reporter::new();
    lab::down(&cluster, &reporter).await.unwrap();
    let before = lab::up(&cluster, &reporter).await.unwrap();
    let identities = |cluster: &Cluster| -> Vec<(bool, String)> {
        let identity =
            "cat /etc/machine-id /var/lib/trace; ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub";
        let of = |host: &str| runs(cluster, host, identity);
        vec![of("cp1"), of("w1"), of("w2")]
    };
    for host in ["cp1", "w1", "w2"] {
        assert!(runs(&before, host, &format!("echo {host} > /var/lib/trace")).0);
    }
    let first = identities(&before);
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2]);

    lab::destroy(&cluster, "w1").await.unwrap();
    let stopped = Command::new("docker")
        .args(["kill", &format!("baremetal_{name}_w2")])
        .output()
        .unwrap();
    assert!(stopped.status.success());
    let states = lab::status(&cluster).await.unwrap();
    let states: Vec<HostState> = states.iter().map(|host| host.state).collect();
    assert_eq!(
        states,
        [HostState::Running, HostState::Missing, HostState::Stopped]
    );

    // `baremetal up` powers a machine on, but does not replace one that is gone.
    lab::ready(&cluster, &reporter).await.unwrap();
    lab::ready(&cluster, &reporter).await.unwrap();
    let states = lab::status(&cluster).await.unwrap();
    let states: Vec<HostState> = states.iter().map(|host| host.state).collect();
    assert_eq!(
        states,
        [HostState::Running, HostState::Missing, HostState::Running]
    );

    let after = lab::up(&cluster, &reporter).await.unwrap();
    let second = identities(&after);
    assert_eq!(first[0], second[0]);
    assert!(second[1].1.contains("No such file"), "{:?}", second[1]);
    assert_eq!(first[2], second[2]);
    lab::down(&cluster, &reporter).await.unwrap();
    assert_eq!(labelled(name), Vec::<String>::new());
}

/// What the program will ask of a host: users with sudo, offline packages, containers, a virtual IP that moves.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn e2e_lab_hosts_do_what_machines_do() {
    let directory = tempfile::tempdir().unwrap();
    let name = "lab-does-work";
    let hosts = [
        ("cp1", 11),
        ("cp2", 12),
        ("cp3", 13),
        ("w1", 21),
        ("w2", 22),
    ];
    let cluster = cluster(directory.path(), name, "10.123.63", &hosts);
    let (reporter, _events) = Reporter::new();
    lab::down(&cluster, &reporter).await.unwrap();
    let begun = Instant::now();
    let lab = lab::up(&cluster, &reporter).await.unwrap();
    eprintln!("five hosts: {:?}", begun.elapsed());

    let as_user = |user: &str, command: &str| {
        let mut cluster = lab.clone();
        cluster.hosts[0].ssh.user = Some(user.into());
        runs(&cluster, "cp1", command)
    };
    assert_eq!(as_user("ops", "sudo -n id -u"), (true, "0".into()));
    assert!(
        !as_user("operator", "sudo -n id -u").0,
        "operator needs a password"
    );
    let asked = as_user("operator", "echo operator-pw | sudo -S -p '' id -u");
    assert_eq!(asked, (true, "0".into()));

    let (ran, text) = runs(&lab, "w1", include_str!("lab/container.sh"));
    assert!(ran && text.ends_with("hello from a container"), "{text}");

    for (host, own, peer, priority) in [("cp1", 11, 12, 150), ("cp2", 12, 11, 100)] {
        let script = include_str!("lab/keepalived.sh");
        let set =
            format!("set -- 10.123.63.10 10.123.63.{own} 10.123.63.{peer} {priority}\n{script}");
        let (installed, text) = runs(&lab, host, &set);
        assert!(installed, "{text}");
    }
    assert_eq!(holder(&lab, Duration::from_secs(10)), "cp1");
    lab::destroy(&cluster, "cp1").await.unwrap();
    let lost = Instant::now();
    assert_eq!(holder(&lab, Duration::from_secs(10)), "cp2");
    eprintln!("the virtual IP moved in {:?}", lost.elapsed());
    lab::down(&cluster, &reporter).await.unwrap();
    assert_eq!(labelled(name), Vec::<String>::new());
}

/// Which host answers this machine at the virtual IP, by its SSH host key.
fn holder(lab: &Cluster, deadline: Duration) -> String {
    let known = lab.hosts[0].ssh.known_hosts.as_ref().unwrap();
    let known = std::fs::read_to_string(known).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < deadline {
        let scanned = Command::new("ssh-keyscan")
            .args(["-T", "1", "-t", "ed25519", "10.123.63.10"])
            .output()
            .unwrap();
        let scanned = String::from_utf8(scanned.stdout).unwrap();
        let key = scanned.split_whitespace().nth(2);
        let line = key.and_then(|key| known.lines().find(|line| line.contains(key)));
        if let Some((name, _)) = line.and_then(|line| line.split_once(',')) {
            return name.to_owned();
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    "nobody".into()
}
