//! Killed at every phase boundary and at random moments: `up` run again ends where an undisturbed run ends.

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{
    HostLine, Lab,
    watch::{killed_at_a_new_boundary, phase_boundary},
};

const THREE_AND_ONE: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("cp2", "control-plane", 12),
    ("cp3", "control-plane", 13),
    ("w1", "worker", 21),
];

#[test]
#[ignore = "needs a container engine"]
fn e2e_killed_at_every_phase_boundary() {
    let lab = Lab::new("e2e-killed", 52, THREE_AND_ONE);
    let mut boundaries = BTreeSet::new();
    let mut kills = 0;
    while let Some(boundary) = killed_at_a_new_boundary(&mut up(&lab), &boundaries, phase_boundary)
    {
        boundaries.insert(boundary);
        kills += 1;
        assert!(kills < 60, "no run came to its end: {boundaries:?}");
    }
    assert!(boundaries.len() > 20, "only {boundaries:?}");
    same_as_undisturbed(&lab);
}

#[test]
#[ignore = "needs a container engine"]
fn e2e_killed_at_random_moments() {
    let lab = Lab::new("e2e-random", 53, THREE_AND_ONE);
    // Fixed, so that a failure comes again. Each run goes on where the one before was killed: together the moments of a lab are
    // longer than a run, so that every phase is met.
    for moments in [
        [900, 14_000, 7_300, 22_000, 9_800, 5_200],
        [12_700, 30_000, 3_300, 8_400, 17_000, 10_900],
    ] {
        lab.run(&["lab", "down"], &[]).ok();
        for ms in moments {
            let mut child = start(&lab);
            std::thread::sleep(Duration::from_millis(ms));
            kill(&mut child);
        }
    }
    same_as_undisturbed(&lab);
}

fn up(lab: &Lab) -> Command {
    lab.command(&["up"], &["--output", "json"])
}

fn start(lab: &Lab) -> Child {
    up(lab)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

fn kill(child: &mut Child) {
    child.kill().expect("SIGKILL is sent");
    child.wait().expect("a killed program ends");
}

/// The state that a run without kills leaves: nothing to do, all nodes Ready, three voters, and no credentials of a join left behind.
fn same_as_undisturbed(lab: &Lab) {
    lab.up().ok();
    lab.nothing_to_do();
    let nodes = lab.kubectl(&["get", "nodes", "--no-headers"]).ok().stdout;
    assert_eq!(
        nodes
            .lines()
            .filter(|line| line.contains(" Ready "))
            .count(),
        4,
        "{nodes}"
    );
    let tokens = lab
        .kubectl(&[
            "get",
            "secrets",
            "-n",
            "kube-system",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name}{\" \"}{.data.description}{\"\\n\"}{end}",
        ])
        .ok()
        .stdout;
    // "baremetal: join" in base64.
    assert!(!tokens.contains("YmFyZW1ldGFsOiBqb2lu"), "{tokens}");
    assert!(!tokens.contains("kubeadm-certs"), "{tokens}");
    for (host, ..) in THREE_AND_ONE {
        // Beside the lock files, which stay, every script had a directory of its own.
        let left = lab.on(host, "find /run -maxdepth 1 -type d -name 'baremetal.*'");
        assert_eq!(left.stdout.trim(), "", "{host}");
    }
}
