use std::fs;

use proptest::prelude::*;

use super::{BASE, complaints, load};

#[test]
fn expansion_bombs_and_deep_nesting_are_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let alias = format!("*a{}, ", level - 1).repeat(10);
        bomb.push_str(&format!(
            "a{level}: &a{level} [{}]\n",
            alias.trim_end_matches(", ")
        ));
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
