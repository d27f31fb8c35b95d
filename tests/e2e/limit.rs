//! `--limit` on lab hosts: what is meant is changed, what is not is only looked at; and the run as a page afterwards.

use crate::support::{HostLine, Lab};

const HOSTS: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("w1", "worker", 21),
    ("w2", "worker", 22),
];

/// A file that every host has, as somebody has spoilt it.
const SPOIL: &str = "printf '# spoilt\\n' >>/etc/sysctl.d/90-baremetal.conf";
const SPOILT: &str = "grep -c spoilt /etc/sysctl.d/90-baremetal.conf";

#[test]
#[ignore = "needs a container engine"]
fn e2e_limit() {
    let lab = Lab::new("e2e-limit", 59, HOSTS);
    // No part of a cluster is made alone.
    lab.run(&["lab", "up"], &[]).ok();
    let bare = lab.run(&["up"], &["--limit", "w1"]).code(8);
    assert!(
        bare.stderr.contains("e2e-limit is not there yet"),
        "{}",
        bare.stderr
    );
    lab.up().ok();
    page(&lab);
    for (host, ..) in HOSTS {
        lab.on(host, SPOIL).ok();
    }
    let plan = lab
        .run(&["plan"], &["--limit", "w1", "--exit-code"])
        .code(7);
    assert!(plan.stdout.contains("90-baremetal.conf"), "{}", plan.stdout);
    assert!(
        plan.text()
            .contains("differences outside the limit, not touched: "),
        "{}",
        plan.text()
    );
    let up = lab
        .run(&["up"], &["--limit", "w1", "--output", "json"])
        .ok();
    let end = up.finished();
    assert_eq!(end["message"], "w1 is as the inventory says");
    let spoilt = |host: &str| lab.on(host, SPOILT).stdout.trim().to_owned();
    assert_eq!(["cp1", "w1", "w2"].map(spoilt), ["1", "0", "1"]);
    // The lock is held on control planes; w2 was only looked at.
    assert!(end["mutating-on"].get("w2").is_none(), "{end}");
    let again = lab
        .run(&["up"], &["--limit", "w1", "--output", "json"])
        .ok()
        .finished();
    assert_eq!(
        again["message"],
        "nothing to do: w1 is as the inventory says"
    );
    assert_eq!(again["mutating"], 0, "{again}");
    other_verbs(&lab);
}

fn other_verbs(lab: &Lab) {
    lab.run(&["plan"], &["--limit", "!w1", "--exit-code"])
        .code(7);
    let check = lab
        .run(&["check"], &["--limit", "role:worker", "--output", "json"])
        .ok();
    assert!(
        check.finished()["message"]
            .as_str()
            .unwrap()
            .starts_with("2 hosts fit for ")
    );
    let ssh = lab.run(&["ssh"], &["w?,!w1", "--", "hostname"]).ok();
    assert_eq!(ssh.stdout.trim(), "w2");
    // Whoever has left is not brought back by being named.
    lab.run(&["remove-node"], &["w2", "--keep-entry", "--yes=e2e-limit"])
        .ok();
    let outside = lab.run(&["up"], &["--limit", "role:worker"]).code(8);
    assert!(
        outside
            .stderr
            .contains("w2 is no whole member of e2e-limit yet"),
        "{}",
        outside.stderr
    );
}

/// The `up` before as a page: every host a lane, and times that add up.
fn page(lab: &Lab) {
    let file = lab.directory.path().join("up.html");
    let mut report = lab.command_with(&["report", "--last", "--out"], &file, &[]);
    crate::support::run(&mut report).ok();
    let page = std::fs::read_to_string(&file).unwrap();
    for (host, ..) in HOSTS {
        assert!(page.contains(&format!(">{host}</text>")), "{host}");
    }
    assert!(page.contains("first control plane: kubeadm init"), "{page}");
    assert!(page.contains("on the critical path"));
    assert!(!page.contains("not understood"));
    let listed = lab
        .command_with(
            &["report"],
            std::path::Path::new("--cluster=e2e-limit"),
            &[],
        )
        .output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    assert!(
        listed.lines().nth(1).unwrap().ends_with("e2e-limit is up"),
        "{listed}"
    );
}
