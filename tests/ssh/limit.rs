//! `--limit` as a user gives it, against a real sshd: who is looked at, who is reported on, and what the exit code is about.

use super::exec::Hosts;
use crate::support::Run;

/// `verb` with a limit; nothing is fetched, for every checksum of this version is pinned, and no ports are tried.
fn limited(hosts: &Hosts, verb: &str, limit: &str) -> Run {
    let flags = ["--kubernetes", "1.36.4", "--skip-check", "wire"];
    let output = ["--output", "json", "--limit", limit];
    hosts.run(verb, &[flags, output].concat())
}

#[test]
fn a_check_reports_on_those_that_are_meant_and_sees_the_others() {
    let hosts = Hosts::start();
    let found = limited(&hosts, "check", "w1").code(5);
    let findings: Vec<(String, String)> = found
        .events()
        .iter()
        .flat_map(|event| event["findings"].as_array().cloned().unwrap_or_default())
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text("host"), text("id"))
        })
        .collect();
    assert!(
        findings.iter().all(|(host, _)| host == "w1"),
        "{findings:?}"
    );
    // Both are this machine: that can only be seen by looking at both.
    assert!(
        findings.iter().any(|(_, id)| id == "machine-id"),
        "{findings:?}"
    );
    // Nobody listens for w2, which is nobody's concern but its own.
    let end = limited(&hosts, "check", "w2").code(4).finished();
    assert_eq!(
        end["message"],
        "1 of 1 host cannot be worked on (w2); nothing was changed"
    );
}

#[test]
fn a_part_of_a_cluster_that_is_not_there_is_not_made_and_the_run_is_kept() {
    let hosts = Hosts::start();
    for verb in ["plan", "up"] {
        let refused = limited(&hosts, verb, "role:worker,!w2").code(8);
        let end = refused.finished();
        assert_eq!(
            end["message"],
            "home is not there yet, and a part of it cannot be made alone; nothing was changed"
        );
        assert_eq!(end["mutating"], 0, "{end}");
        let hint = "make the cluster first: baremetal up inventory.yaml";
        assert!(refused.stderr.contains(hint), "{}", refused.stderr);
    }
    let gone = limited(&hosts, "up", "w2").code(4).finished();
    assert_eq!(
        gone["message"],
        "w2 cannot be worked on; nothing was changed"
    );
    // What was done is there to be drawn afterwards.
    let runs = hosts.sshd.file("state/baremetal/runs/home");
    assert_eq!(std::fs::read_dir(runs).unwrap().count(), 3);
    let mut report = std::process::Command::new(env!("CARGO_BIN_EXE_baremetal"));
    let page = report
        .args(["report", "--last", "--out", "-"])
        .env("XDG_STATE_HOME", hosts.sshd.file("state"))
        .output()
        .unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    assert!(page.contains("w2 is unreachable"), "{page}");
    assert!(page.contains(">10.0.0.10:6443</text>"), "{page}");
}
