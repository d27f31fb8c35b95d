//! Lab hosts on a real container engine.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::{path::Path, process::Command};

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

/// Hosts come up, stay as they are, come back after they were lost, and leave nothing behind.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a container engine"]
async fn e2e_lab_hosts_come_and_go() {
    let directory = tempfile::tempdir().unwrap();
    let name = "lab-comes-and-goes";
    let cluster = cluster(
        directory.path(),
        name,
        "10.123.61",
        &[("cp1", 11), ("w1", 21)],
    );
    let (reporter, mut events) = Reporter::new();
    lab::down(&cluster, &reporter).await.unwrap();

    let filled = lab::up(&cluster, &reporter).await.unwrap();
    assert!(
        filled
            .hosts
            .iter()
            .all(|host| host.lab && host.ssh.user.as_deref() == Some("root"))
    );
    for host in ["cp1", "w1"] {
        assert_eq!(runs(&filled, host, "hostname"), (true, host.to_owned()));
    }
    let identity = "cat /etc/machine-id; ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub";
    let first = runs(&filled, "cp1", identity);
    assert_ne!(
        first,
        runs(&filled, "w1", identity),
        "hosts have identities of their own"
    );
    // The tool's own offline repository, and what kubelet and containerd need of the kernel.
    let (installed, text) = runs(
        &filled,
        "w1",
        "apt-get -qq -y install ipset >/dev/null 2>&1 && ipset --version && systemctl is-system-running",
    );
    assert!(installed, "{text}");

    while events.try_recv().is_ok() {}
    let made = labelled(name);
    let begun = std::time::Instant::now();
    lab::up(&cluster, &reporter).await.unwrap();
    let took = begun.elapsed();
    assert_eq!(made, labelled(name), "a lab that runs is left as it is");
    assert!(events.try_recv().is_err(), "and there is nothing to tell");
    assert!(took.as_millis() < 1000, "{took:?}");

    runs(&filled, "w1", "touch /var/lib/trace /etc/trace");
    lab::destroy(&cluster, "w1").await.unwrap();
    let states: Vec<HostState> = lab::status(&cluster)
        .await
        .unwrap()
        .iter()
        .map(|host| host.state)
        .collect();
    assert_eq!(states, [HostState::Running, HostState::Missing]);
    let again = lab::up(&cluster, &reporter).await.unwrap();
    assert!(
        runs(
            &again,
            "w1",
            "test ! -e /var/lib/trace && test ! -e /etc/trace"
        )
        .0
    );
    assert_eq!(
        first,
        runs(&again, "cp1", identity),
        "the other host was not touched"
    );

    lab::down(&cluster, &reporter).await.unwrap();
    assert_eq!(labelled(name), Vec::<String>::new());
    assert!(lab::ssh_command(&cluster, "cp1", &[]).is_err());
}
