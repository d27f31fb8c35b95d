//! What `remove-node` and `maintenance` refuse before any host is asked, with whole messages and exit codes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Run, run};

const THREE: &str = "\
cluster: home
kubernetes: 1.33.4
endpoint: 10.0.0.10
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, labels: &fast {disk: nvme}}
  w2: {address: 10.0.0.22, labels: *fast}
";

/// Runs the program beside an inventory, which must be as it was afterwards.
fn baremetal(inventory: &str, arguments: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.yaml");
    fs::write(&path, inventory).unwrap();
    let ended = run(Command::new(env!("CARGO_BIN_EXE_baremetal"))
        .args(arguments)
        .env_remove("BAREMETAL_BUNDLE")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .current_dir(directory.path()));
    assert_eq!(fs::read_to_string(&path).unwrap(), inventory);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    ended
}

#[test]
fn the_last_control_plane_is_not_removed() {
    let all = ["remove-node", "inventory.yaml", "cp3", "cp1", "cp2"];
    assert_eq!(
        baremetal(THREE, &all).code(8).stderr,
        "error: no control plane would be left: home would end, and all that it stores\n  \
         → to take the whole cluster down: baremetal reset INVENTORY\n"
    );
}

#[test]
fn the_name_of_another_cluster_changes_nothing() {
    let wrong = ["remove-node", "inventory.yaml", "w2", "--yes=homme"];
    assert_eq!(
        baremetal(THREE, &wrong).code(8).stderr,
        "error: the inventory is of cluster `home`, not of `homme`; nothing was changed\n  \
         → look at which inventory is meant, then give the name of its cluster\n"
    );
}

#[test]
fn an_entry_that_cannot_be_taken_out_is_said_before_anything_is_done() {
    let anchor = ["remove-node", "inventory.yaml", "w1", "--yes=home"];
    let refused = baremetal(THREE, &anchor).code(3);
    for words in [
        "inventory.yaml:8:3: host `w1` holds an anchor that line 9 refers to",
        "by hand:",
        "--keep-entry",
    ] {
        assert!(
            refused.stderr.contains(words),
            "{words}: {}",
            refused.stderr
        );
    }
}

#[test]
fn an_endpoint_is_not_given_up_for_a_flag() {
    let pair = THREE.replace(
        "  w1: {address: 10.0.0.21, labels: &fast {disk: nvme}}\n  w2: {address: 10.0.0.22, labels: *fast}\n",
        "  w1: 10.0.0.21\n  lb1: {address: 10.0.0.31, role: load-balancer}\n",
    );
    let pair = pair.replace("10.0.0.10", "{vip: 10.0.0.10, held-by: load-balancers}");
    let last = ["remove-node", "inventory.yaml", "lb1", "--yes=home"];
    let refused = baremetal(&pair, &last).code(3);
    assert!(
        refused.stderr.contains("it would be wrong after that"),
        "{}",
        refused.stderr
    );
    assert!(
        !refused.stderr.contains("--keep-entry"),
        "{}",
        refused.stderr
    );
}

#[test]
fn usage_is_said() {
    let none = baremetal(THREE, &["remove-node", "inventory.yaml"]).code(2);
    assert!(none.stderr.contains("<NAME>..."), "{}", none.stderr);
    let time = [
        "remove-node",
        "inventory.yaml",
        "w2",
        "--drain-timeout",
        "7",
    ];
    let time = baremetal(THREE, &time).code(2);
    assert!(time.stderr.contains("`10m`"), "{}", time.stderr);
}

#[test]
fn maintenance_names_the_nodes_that_there_are() {
    let unknown = ["maintenance", "on", "inventory.yaml", "w9"];
    assert_eq!(
        baremetal(THREE, &unknown).code(2).stderr,
        "error: the inventory has no node `w9`; nothing was changed\n  → its nodes are cp1, cp2, cp3, w1, w2\n"
    );
}

#[test]
fn the_only_control_plane_cannot_be_spared() {
    let one = "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n  cp1: 10.0.0.11\n";
    let only = ["maintenance", "on", "inventory.yaml", "cp1"];
    assert_eq!(
        baremetal(one, &only).code(8).stderr,
        "error: cp1 is not put into maintenance: it is the only control plane, without it there is no API\n  \
         → add control planes first: one alone cannot be spared\n"
    );
}

/// Runs a script of `templates/actions` beside stand-ins for what it calls, after the files of its `$BM` were written; all that it
/// printed, and whether it succeeded.
fn script(
    name: &str,
    arguments: &[&str],
    stand_ins: &str,
    files: &[(&str, &str)],
) -> (bool, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/actions");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    let body = [
        read("leaving.sh").as_str(),
        "fail() { echo \"$*\"; exit 1; }\nsay() { echo \"$*\"; }\n\
         within() { shift; \"$@\" >/dev/null 2>&1 || \"$@\" >/dev/null 2>&1; }\n",
        stand_ins,
        "\n",
        &if name.contains('\n') {
            name.to_owned()
        } else {
            read(name)
        },
    ]
    .concat();
    let done = Command::new("sh")
        .args(["-euc", &body, "sh"])
        .args(arguments)
        .env("BM", directory.path())
        .output()
        .unwrap();
    let calls = fs::read_to_string(directory.path().join("calls")).unwrap_or_default();
    let said = [done.stdout, done.stderr].concat();
    (
        done.status.success(),
        calls + &String::from_utf8(said).unwrap(),
    )
}

/// NODE|VOLUME|HEALTHY SINCE|FAILED SINCE|NAME
const REPLICAS: &str = "\
w1|failed-last|t|t|a
w1|failed|t|t|b
w2|failed|t||c
w1|healthy|t||d
w1|never||t|e
w1|only-failed-elsewhere|t||f
w2|only-failed-elsewhere|t|t|g
w2|other|t||h
";

#[test]
fn the_last_replica_of_a_volume_is_on_the_node_although_it_has_failed() {
    let kube = "kube() { cat \"$BM/answer\"; }";
    let on = |lose: &str| {
        let files = [("answer", REPLICAS), ("lose", lose)];
        script("replicas_on w1\n", &[], kube, &files)
    };
    assert_eq!(
        on(""),
        (
            true,
            "failed-last\nhealthy\nonly-failed-elsewhere\n".to_owned()
        )
    );
    // What may be lost need not be moved; what can be moved is.
    assert_eq!(
        on("failed-last\nhealthy\n").1,
        "healthy\nonly-failed-elsewhere\n"
    );
}

#[test]
fn what_longhorn_needs_to_salvage_a_volume_is_not_deleted() {
    let kube = r#"
kube() {
	case "$*" in
		*customresourcedefinition*) echo crd ;;
		*"get replicas"*) cat "$BM/answer" ;;
		*"get nodes.longhorn.io"*) echo node ;;
		*"delete nodes.longhorn.io"*) echo "webhook: engines are there" >&2; echo "$*" >>"$BM/calls"; [ -e "$BM/free" ] ;;
		*) echo "$*" | sed 's/"20[0-9T:Z-]*"/now/' >>"$BM/calls" ;;
	esac
}"#;
    let run = |files: &[(&str, &str)]| script("leaving-node.sh", &["w1"], kube, files);
    let (done, said) = run(&[("answer", REPLICAS), ("lose", "failed-last\n")]);
    assert!(!done);
    assert!(
        said.starts_with("w1 has the last replica of Longhorn's volumes ")
            && said.ends_with(": its Node is not deleted\n"),
        "{said}"
    );
    assert!(said.contains("healthy") && said.contains("only-failed-elsewhere"));
    let one = [("answer", "w1|v|t||a\nw2|x|t||b\n"), ("lose", "v\n")];
    let (done, said) = run(&[one[0], one[1], ("free", "")]);
    assert!(done, "{said}");
    assert_eq!(
        said,
        "delete node w1 --ignore-not-found --timeout=60s\n\
         -n longhorn-system patch nodes.longhorn.io w1 --type merge --patch {\"spec\":{\"allowScheduling\":false}}\n\
         -n longhorn-system patch replicas.longhorn.io a --type merge --patch {\"spec\":{\"failedAt\":now}}\n\
         -n longhorn-system delete replicas.longhorn.io a --ignore-not-found --timeout=30s\n\
         -n longhorn-system delete nodes.longhorn.io w1 --ignore-not-found --timeout=30s\n"
    );
    let (done, said) = run(&one);
    assert!(!done);
    assert!(
        said.ends_with("Longhorn does not let go of w1: webhook: engines are there\n"),
        "{said}"
    );
}

#[test]
fn only_a_member_without_a_name_goes_by_its_address() {
    let etcd = r#"
etcd() {
	case "$1 $2" in
		"member list") cat "$BM/list" ;;
		"endpoint health") for one in 1 2 3 4; do echo "https://10.0.0.1$one:2379 is healthy"; done ;;
		"member remove") echo "removed $3" >>"$BM/calls"; sed -i "/^$3,/d" "$BM/list" ;;
	esac
}"#;
    let list = "\
1a, started, cp1, https://10.0.0.11:2380, https://10.0.0.11:2379, false
2b, started, cp2, https://10.0.0.12:2380, https://10.0.0.12:2379, false
3c, started, cp3, https://10.0.0.13:2380, https://10.0.0.13:2379, false
4d, unstarted, , https://10.0.0.14:2380, , true
";
    let removed = |node: &str, peer: &str| {
        let arguments = [node, peer, "https://127.0.0.1:2379"];
        let (done, said) = script("leaving-member.sh", &arguments, etcd, &[("list", list)]);
        assert!(done, "{said}");
        said.lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(removed("cp1", "https://10.0.0.12:2380"), "removed 1a");
    assert_eq!(removed("cp4", "https://10.0.0.14:2380"), "removed 4d");
    assert_eq!(
        removed("cp9", "https://10.0.0.12:2380"),
        "cp9 is no member of etcd"
    );
    assert_eq!(removed("cp9", "-"), "cp9 is no member of etcd");
}
