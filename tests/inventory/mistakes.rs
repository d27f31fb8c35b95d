//! One snippet for each mistake and its exact message at its exact place.
//!
//! The tables lie in `mistakes/*.txt`. A case is a block of lines: `~ FROM => TO` replaces a part of [`BASE`], `+ LINE` adds a
//! line at its end, and indented lines are all that is said about the result.

use super::{BASE, complaints};

struct Case<'a> {
    changes: Vec<&'a str>,
    text: String,
    says: Vec<&'a str>,
}

fn cases(table: &str) -> Vec<Case<'_>> {
    let unescape = |text: &str| text.replace("\\n", "\n").replace("\\t", "\t");
    let case = |block| {
        let (mut changes, mut text, mut says) = (Vec::new(), BASE.to_owned(), Vec::new());
        for line in str::lines(block) {
            if let Some(added) = line.strip_prefix("+ ") {
                text.push_str(&unescape(added));
                text.push('\n');
                changes.push(line);
            } else if let Some((from, to)) = line
                .strip_prefix("~ ")
                .and_then(|change| change.split_once(" => "))
            {
                let from = unescape(from);
                assert!(text.contains(&from), "{from} is not in the text");
                text = text.replacen(&from, &unescape(to), 1);
                changes.push(line);
            } else {
                says.push(line.trim_start());
            }
        }
        Case {
            changes,
            text,
            says,
        }
    };
    table.split("\n\n").map(str::trim_end).map(case).collect()
}

#[track_caller]
fn check(table: &str, least: usize) {
    let cases = cases(table);
    assert!(
        cases.len() >= least,
        "{} cases are fewer than {least}",
        cases.len()
    );
    let mut wrong = Vec::new();
    for Case {
        changes,
        text,
        says,
    } in cases
    {
        let said = complaints(&text);
        assert!(!says.is_empty(), "{changes:?} expects nothing");
        if said != says {
            wrong.push(format!(
                "{}\nsaid {said:#?}\nnot  {says:#?}\n",
                changes.join("\n")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every text of the tables with what is said about it.
pub fn all() -> Vec<(String, Vec<String>)> {
    const TABLES: [&str; 6] = [
        include_str!("mistakes/keys-and-yaml.txt"),
        include_str!("mistakes/values.txt"),
        include_str!("mistakes/endpoint.txt"),
        include_str!("mistakes/hosts-and-networks.txt"),
        include_str!("mistakes/services.txt"),
        include_str!("mistakes/kubernetes.txt"),
    ];
    let all = TABLES.iter().flat_map(|table| cases(table));
    all.map(|case| {
        let says = case.says.iter().map(|line| (*line).to_owned());
        (case.text, says.collect())
    })
    .collect()
}

#[test]
fn the_base_is_right() {
    assert_eq!(complaints(BASE), Vec::<String>::new());
}

#[test]
fn keys_and_yaml() {
    check(include_str!("mistakes/keys-and-yaml.txt"), 25);
}

#[test]
fn values() {
    check(include_str!("mistakes/values.txt"), 40);
}

#[test]
fn endpoint() {
    check(include_str!("mistakes/endpoint.txt"), 20);
}

#[test]
fn hosts_and_networks() {
    check(include_str!("mistakes/hosts-and-networks.txt"), 28);
}

#[test]
fn kubernetes() {
    check(include_str!("mistakes/kubernetes.txt"), 24);
}

#[test]
fn services() {
    check(include_str!("mistakes/services.txt"), 30);
}

#[test]
fn many_mistakes_are_told_at_once_in_the_order_of_the_file() {
    let error = super::load(include_str!("mistakes/tired.yaml")).unwrap_err();
    insta::assert_snapshot!(error.to_string());
}
