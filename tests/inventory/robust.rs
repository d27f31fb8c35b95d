use std::fs;

use proptest::prelude::*;

use super::{BASE, complaints, load};

#[test]
fn expansion_bombs_and_deep_nesting_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        let list = alias.trim_end_matches(", ");
        let name = format!("a{level}");
        bomb.extend([&name, ": &", &name, " [", list, "]\n"]);
    }
    let said = complaints(&bomb);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].contains("larger than half a million values"),
        "{said:?}"
    );
    let deep = format!("cluster: {}{}\n", "[".repeat(200), "]".repeat(200));
    assert!(complaints(&deep)[0].contains("nested deeper than 64 levels"));
}

#[test]
fn what_is_no_inventory_is_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let say = |name: &str| {
        baremetal::inventory::load(&directory.path().join(name))
            .unwrap_err()
            .to_string()
    };
    assert!(
        say("absent.yaml").starts_with("there is no inventory "),
        "{}",
        say("absent.yaml")
    );
    assert!(say("").ends_with("is a directory"), "{}", say(""));
    fs::write(
        directory.path().join("latin.yaml"),
        b"cluster: a\nssh: {user: J\xfcrg}\n",
    )
    .unwrap();
    assert!(
        say("latin.yaml").ends_with("latin.yaml:2: this is not UTF-8 text"),
        "{}",
        say("latin.yaml")
    );
    for empty in ["", "\n", "# nothing\n", "---\n", "~\n"] {
        assert!(
            complaints(empty)[0].contains("empty"),
            "{empty:?}: {:?}",
            complaints(empty)
        );
    }
    fs::write(directory.path().join("ansible.ini"), "[web]\nhost1\n").unwrap();
    assert!(
        say("ansible.ini").contains("no hosts in the group `kube_control_plane`"),
        "{}",
        say("ansible.ini")
    );
}

#[test]
fn documents_of_other_tools_are_told_apart() {
    let k0sctl = "apiVersion: k0sctl.k0sproject.io/v1beta1\nkind: Cluster\nspec: {hosts: []}\n";
    assert_eq!(
        complaints(k0sctl),
        [
            "1:1: this is a Cluster of k0sctl.k0sproject.io/v1beta1, not an inventory of baremetal; write `cluster`, `kubernetes`, `endpoint` and `hosts` (inventories/ holds examples)"
        ]
    );
    let list = BASE.replace(
        "hosts:\n",
        "hosts:\n  - name: cp1\n    address: 10.0.0.1\nrest:\n",
    );
    assert!(
        complaints(&list)[0]
            .starts_with("6:3: hosts: is a list; write a mapping of names, such as `cp1: "),
        "{:?}",
        complaints(&list)
    );
}

#[test]
fn editors_of_every_system_may_have_saved_it() {
    assert_eq!(complaints(&format!("\u{feff}{BASE}")), Vec::<String>::new());
    assert_eq!(
        complaints(&BASE.replace('\n', "\r\n")),
        Vec::<String>::new()
    );
    let said = complaints(
        &BASE
            .replace("10.0.0.21", "10.0.0.321")
            .replace('\n', "\r\n"),
    );
    assert!(said[0].starts_with("9:17: hosts.w1.address: "), "{said:?}");
}

/// Not a benchmark: only that the time does not grow with the square of the hosts.
#[test]
fn a_thousand_hosts_are_read_and_judged() {
    let mut text = BASE.replace("10.0.0.10", "10.255.0.1")
        + "network: {pods: 100.64.0.0/10, services: 172.30.0.0/16}\n";
    let mut hosts = String::new();
    for number in 0..1000 {
        let (high, low) = (number / 250, number % 250 + 1);
        hosts.push_str(
            &[
                "  n",
                &number.to_string(),
                ": {address: 10.1.",
                &high.to_string(),
                ".",
                &low.to_string(),
                ", group: rack}\n",
            ]
            .concat(),
        );
    }
    text = text.replace(
        "hosts:\n",
        &["groups: {rack: {labels: {rack: a}}}\nhosts:\n", &hosts].concat(),
    );
    let cluster = load(&text).unwrap();
    assert_eq!(cluster.hosts.len(), 1005);
    assert_eq!(cluster.hosts[999].labels["rack"], "a");
}

#[test]
fn json_is_yaml_too() {
    let json =
        r#"{"cluster": "demo", "kubernetes": "1.33.4", "hosts": {"n1": {"address": "10.0.0.1"}}}"#;
    assert_eq!(load(json).unwrap().name, "demo");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in any::<String>()) {
        let _ = load(&text);
    }

    #[test]
    fn no_yaml_like_text_makes_it_panic(text in "([a-z<*&!'\"\\[\\]{}:,#|>~ \\-\n\t0-9./]|cluster: |hosts:\n  |endpoint: |&a |\\*a|<<: ){0,60}") {
        let _ = load(&text);
    }

    #[test]
    fn no_damage_to_a_good_inventory_makes_it_panic(at in 0..BASE.len(), end in 0..BASE.len(), with in "[a-z:{}\\[\\]\\-0-9. \n]{0,6}") {
        let (from, to) = (at.min(end), at.max(end));
        let damaged = format!("{}{with}{}", &BASE[..from], &BASE[to..]);
        if let Err(error) = load(&damaged) {
            prop_assert!(error.to_string().contains("mistake"), "{error}");
        }
    }
}

/// Processor time, which what else runs on this machine does not change.
#[test]
fn two_hundred_hosts_are_validated_within_100_milliseconds() {
    let hosts = |mistake: &str| {
        let mut text = BASE[..BASE.find("hosts:").unwrap()].to_owned() + "hosts:\n";
        for number in 0..200 {
            let role = if number < 3 {
                "control-plane"
            } else {
                "worker"
            };
            text += &format!(
                "  h{number}: {{address: 10.1.{}.{}, role: {role}, labels: {{rack: r{number}}}{mistake}}}\n",
                number / 100,
                number % 100 + 1
            );
        }
        text
    };
    let spent = || -> u64 {
        let times = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
        times.split(' ').next().unwrap().parse().unwrap()
    };
    let before = spent();
    assert_eq!(load(&hosts("")).unwrap().hosts.len(), 200);
    let middle = spent();
    // Every one of two hundred mistakes is found in that time too.
    let said = complaints(&hosts(", rolle: worker"));
    let after = spent();
    assert_eq!(said.len(), 200);
    for nanoseconds in [middle - before, after - middle] {
        assert!(nanoseconds < 100_000_000, "{} ms", nanoseconds / 1_000_000);
    }
}
