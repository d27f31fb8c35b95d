//! Edits of an inventory's text: exact texts by hand, and any text by properties.

mod by_property;
mod file;
mod refused;

use std::path::Path;

use baremetal::inventory::{
    LoadOptions, Role,
    edit::{Change, Edited, NewHost, Refusal, edit},
};

fn run(text: &str, changes: &[Change]) -> Result<Edited, Refusal> {
    let file = Path::new("inventory.yaml");
    edit(text, file, &LoadOptions::default(), changes)
}

fn worker(name: &str, last: u8) -> NewHost {
    NewHost {
        roles: vec![Role::Worker],
        ..NewHost::new(name, format!("10.0.0.{last}"))
    }
}

fn remove(name: &str) -> Change {
    Change::Remove(name.to_owned())
}

/// Adding gives exactly the text expected, and removing it again the one before.
#[track_caller]
fn adds(text: &str, host: &NewHost, expected: &str) {
    let added = run(text, &[Change::Add(host.clone())]).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(added.after, expected);
    assert_eq!(
        added.cluster.host(&host.name).unwrap().address,
        host.address
    );
    let removed = run(&added.after, &[remove(&host.name)]).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(removed.after, text);
}

#[track_caller]
fn removes(text: &str, name: &str, expected: &str) {
    let removed = run(text, &[remove(name)]).unwrap_or_else(|why| panic!("{why:?}"));
    assert_eq!(removed.after, expected);
    assert!(removed.cluster.host(name).is_none());
}

const HEAD: &str = "cluster: demo\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\n";

fn with_head(hosts: &str) -> String {
    format!("{HEAD}{hosts}")
}

#[test]
fn a_new_entry_looks_as_its_neighbours() {
    let text = with_head(
        "hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n  w1:  {address: 10.0.0.21}   # rack a\n\nmetallb: 10.0.0.200-10.0.0.219\n",
    );
    adds(
        &text,
        &worker("w2", 22),
        &text.replace(
            "# rack a\n",
            "# rack a\n  w2:  {address: 10.0.0.22, role: worker}\n",
        ),
    );
    adds(
        &text,
        &NewHost {
            roles: Vec::new(),
            labels: [("example.org/fast".to_owned(), "true".to_owned())].into(),
            taints: vec!["gpu=yes:NoSchedule".to_owned()],
            ssh_port: Some(2222),
            ..worker("storage-1", 22)
        },
        &text.replace(
            "# rack a\n",
            "# rack a\n  storage-1: {address: 10.0.0.22, ssh: {port: 2222}, labels: {example.org/fast: \"true\"}, taints: [\"gpu=yes:NoSchedule\"]}\n",
        ),
    );
}

#[test]
fn short_entries_stay_short_and_block_entries_block() {
    let short = "cluster: edge\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n    n1: 10.0.0.1\n    n2: '10.0.0.2'\n    n3: 10.0.0.3\ndefaults: {role: [control-plane, worker]}\nallow-even-control-planes: true\n";
    adds(
        short,
        &NewHost::new("n4", "10.0.0.4"),
        &short.replace("n3: 10.0.0.3\n", "n3: 10.0.0.3\n    n4: 10.0.0.4\n"),
    );
    adds(
        short,
        &worker("w1", 5),
        &short.replace(
            "n3: 10.0.0.3\n",
            "n3: 10.0.0.3\n    w1: {address: 10.0.0.5, role: worker}\n",
        ),
    );
    let block = with_head(
        "hosts:\n   cp1:\n     role: control-plane\n     address: 10.0.0.11\n   w1:\n       role: worker\n       labels:\n          a: \"1\"\n       address: '10.0.0.21'\n       # its disk is slow\n# the end\n",
    );
    adds(
        &block,
        &NewHost {
            labels: [("b".to_owned(), "2".to_owned())].into(),
            ..worker("w2", 22)
        },
        &block.replace(
            "# the end",
            "   w2:\n       role: worker\n       labels:\n           b: \"2\"\n       address: 10.0.0.22\n# the end",
        ),
    );
}

#[test]
fn hosts_stand_beside_those_with_the_same_roles() {
    let text = with_head(
        "hosts:\n  # control planes\n  cp1: {address: 10.0.0.11, role: control-plane}\n\n  # workers\n  w1: {address: 10.0.0.21}\n",
    );
    let plane = |name: &str, last: u8| {
        Change::Add(NewHost {
            roles: vec![Role::ControlPlane],
            ..worker(name, last)
        })
    };
    let edited = run(&text, &[plane("cp2", 12), plane("cp3", 13)]).unwrap();
    assert_eq!(
        edited.after,
        text.replace(
            "\n\n  # workers",
            "\n  cp2: {address: 10.0.0.12, role: control-plane}\n  cp3: {address: 10.0.0.13, role: control-plane}\n\n  # workers"
        )
    );
    assert_eq!(
        edited.diff(Path::new("a.yaml")),
        "--- a.yaml\n+++ a.yaml\n@@ -4,6 +4,8 @@\n hosts:\n   # control planes\n   cp1: {address: 10.0.0.11, role: control-plane}\n+  cp2: {address: 10.0.0.12, role: control-plane}\n+  cp3: {address: 10.0.0.13, role: control-plane}\n \n   # workers\n   w1: {address: 10.0.0.21}\n"
    );
    // One address is given to another machine: out and in at once.
    let swapped = run(&text, &[remove("w1"), Change::Add(worker("w1", 29))]).unwrap();
    assert_eq!(swapped.cluster.host("w1").unwrap().address, "10.0.0.29");
}

#[test]
fn an_entry_goes_with_its_own_comments_alone() {
    let text = with_head(
        "hosts:\n  # every machine of the cellar\n\n  cp1: {address: 10.0.0.11, role: control-plane}\n  # w1 is loud,\n  # and old\n  w1: # bought in May\n    address: 10.0.0.21\n    # no label yet\n\n    # nor a taint\n  # w2 is new\n  w2: {address: 10.0.0.22}\n  # w9: {address: 10.0.0.29}\n\n# the pool\nmetallb: 10.0.0.200-10.0.0.219\n",
    );
    removes(
        &text,
        "w1",
        &with_head(
            "hosts:\n  # every machine of the cellar\n\n  cp1: {address: 10.0.0.11, role: control-plane}\n  # w2 is new\n  w2: {address: 10.0.0.22}\n  # w9: {address: 10.0.0.29}\n\n# the pool\nmetallb: 10.0.0.200-10.0.0.219\n",
        ),
    );
    removes(
        &text,
        "w2",
        &text.replace("  # w2 is new\n  w2: {address: 10.0.0.22}\n", ""),
    );
    let apart = with_head(
        "hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n\n  # one\n  w1: {address: 10.0.0.21}\n\n  w2: {address: 10.0.0.22}\n",
    );
    removes(
        &apart,
        "w1",
        &apart.replace("\n  # one\n  w1: {address: 10.0.0.21}\n", ""),
    );
    removes(
        &apart,
        "w2",
        &apart.replace("\n  w2: {address: 10.0.0.22}\n", ""),
    );
    adds(
        &apart,
        &worker("w3", 23),
        &format!("{apart}\n  w3: {{address: 10.0.0.23, role: worker}}\n"),
    );
}

#[test]
fn line_breaks_and_the_end_of_the_file_stay() {
    let text = with_head(
        "hosts:\n  cp1: {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21}",
    );
    adds(
        &text,
        &worker("w2", 22),
        &format!("{text}\n  w2: {{address: 10.0.0.22, role: worker}}"),
    );
    let dos = format!("\u{feff}{text}\n").replace('\n', "\r\n");
    adds(
        &dos,
        &worker("w2", 22),
        &format!("{dos}  w2: {{address: 10.0.0.22, role: worker}}\r\n"),
    );
    let dos = dos.trim_end();
    adds(
        dos,
        &worker("w2", 22),
        &format!("{dos}\r\n  w2: {{address: 10.0.0.22, role: worker}}"),
    );
    // No indentation at all, an end of the document, a block scalar above.
    let odd = with_head(
        "hosts:\n cp1:\n    address: 10.0.0.11\n    role: control-plane\n    annotations:\n     note: |\n      # no comment\n\n      end\n\n...\n",
    );
    adds(
        &odd,
        &worker("w2", 22),
        &odd.replace(
            "      end\n",
            "      end\n w2:\n    address: 10.0.0.22\n    role: worker\n",
        ),
    );
}

#[test]
fn flow_style_on_one_line() {
    let text = "{cluster: demo, kubernetes: 1.33.4, hosts: {cp1: {address: 10.0.0.11, role: control-plane}, w1: 10.0.0.21}, endpoint: 10.0.0.10}\n";
    let added = text.replace(
        "10.0.0.21}",
        "10.0.0.21, w2: {address: 10.0.0.22, role: worker}}",
    );
    adds(text, &worker("w2", 22), &added);
    removes(&added, "w1", &added.replace(", w1: 10.0.0.21", ""));
    removes(text, "w1", &text.replace(", w1: 10.0.0.21", ""));
    let json = r#"{"cluster":"demo","kubernetes":"1.33.4","endpoint":"10.0.0.10","hosts":{"cp1":{"address":"10.0.0.11","role":"control-plane"},"w1":{"address":"10.0.0.21"}}}"#;
    adds(
        json,
        &worker("w2", 22),
        &json.replace(
            r#""10.0.0.21"}"#,
            r#""10.0.0.21"},"w2":{"address":"10.0.0.22","role":"worker"}"#,
        ),
    );
    removes(
        json,
        "w1",
        &json.replace(r#","w1":{"address":"10.0.0.21"}"#, ""),
    );
    let padded = with_head(
        "hosts: { cp1: { address: 10.0.0.11, role: control-plane }, w1: 10.0.0.21, } # all\n",
    );
    adds(
        &padded,
        &worker("w2", 22),
        &padded.replace("21, }", "21, w2: { address: 10.0.0.22, role: worker }, }"),
    );
}

#[test]
fn flow_style_on_many_lines() {
    for (last, closing) in [
        ("", "\n}"),
        (",", "\n}"),
        ("", "}"),
        ("   # the last", "\n}"),
        (",   # the last", "\n  # none yet\n}"),
    ] {
        let text = with_head(&format!(
            "hosts: {{\n  cp1: {{address: 10.0.0.11, role: control-plane}},   # first\n  # old\n  w1: {{address: 10.0.0.21}}{last}{closing}\n"
        ));
        let (comma, own) = if last.starts_with(',') {
            ("", ",")
        } else {
            (",", "")
        };
        let expected = text.replace(
            &format!("10.0.0.21}}{last}"),
            &format!("10.0.0.21}}{comma}{last}\n  w2: {{address: 10.0.0.22, role: worker}}{own}"),
        );
        adds(&text, &worker("w2", 22), &expected);
    }
    let text = with_head(
        "hosts: {\n  cp1: {address: 10.0.0.11, role: control-plane},   # first\n  # old\n  w1: {address: 10.0.0.21},\n  w2: {\n    address: 10.0.0.22\n  }\n}\n",
    );
    removes(
        &text,
        "w1",
        &text.replace("  # old\n  w1: {address: 10.0.0.21},\n", ""),
    );
    removes(
        &text,
        "w2",
        &text.replace("21},\n  w2: {\n    address: 10.0.0.22\n  }\n", "21}\n"),
    );
    let crowded = with_head(
        "hosts: {cp1: {address: 10.0.0.11, role: control-plane}, # first\n w1: 10.0.0.21, w2: 10.0.0.22, # two\n w3: 10.0.0.23}\n",
    );
    removes(&crowded, "w1", &crowded.replace("w1: 10.0.0.21,", ""));
    removes(&crowded, "w2", &crowded.replace(" w2: 10.0.0.22,", ""));
    removes(
        &crowded,
        "w3",
        &crowded.replace("22, # two\n w3: 10.0.0.23", "22 # two\n "),
    );
}

#[test]
fn anchors_of_others_stay_usable() {
    let text = with_head(
        "hosts:\n  cp1: &cp {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21, labels: &fast {disk: nvme}}\n  w2: {address: 10.0.0.22, labels: *fast}\n",
    );
    removes(
        &text,
        "w2",
        &text.replace("  w2: {address: 10.0.0.22, labels: *fast}\n", ""),
    );
    adds(
        &text,
        &worker("w3", 23),
        &format!("{text}  w3: {{address: 10.0.0.23, role: worker}}\n"),
    );
}
