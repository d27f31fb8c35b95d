//! Any inventory, any host: nothing but the entry changes.

use baremetal::inventory::edit::{Change, NewHost};
use proptest::prelude::*;

use super::{remove, run};

/// A part of a text: the entry of a host with its own comments, or what belongs to none.
#[derive(Debug, Clone)]
struct Part {
    host: Option<String>,
    text: String,
}

/// How one entry is written.
#[derive(Debug, Clone)]
struct Entry {
    form: u8,
    quote: u8,
    comments: Vec<bool>,
    tail: bool,
    deep: bool,
    blank: bool,
}

fn entry() -> impl Strategy<Value = Entry> {
    let comments = prop::collection::vec(any::<bool>(), 0..3);
    (
        0..5_u8,
        0..3_u8,
        comments,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(|(form, quote, comments, tail, deep, blank)| Entry {
            form,
            quote,
            comments,
            tail,
            deep,
            blank,
        })
}

impl Entry {
    fn part(&self, name: &str, last: usize, indent: usize) -> Part {
        let pad = " ".repeat(indent);
        let mut text = String::new();
        for at_margin in &self.comments {
            let pad = if *at_margin { "" } else { &pad };
            text.push_str(&format!("{pad}# about {name}: it's {{odd}}\n"));
        }
        let quote = ["", "'", "\""][usize::from(self.quote)];
        let tail = if self.tail { "  # {tail} of: it" } else { "" };
        let address = format!("{quote}10.0.0.{last}{quote}");
        let name_text = format!("{quote}{name}{quote}");
        match self.form {
            0 => text.push_str(&format!("{pad}{name_text}: {address}{tail}\n")),
            1 => text.push_str(&format!("{pad}{name_text}:   {{address: {address}, labels: {{a: 'b'}} }}{tail}\n")),
            2 => text.push_str(&format!("{pad}{name_text}: {{ address: {address},{tail}\n{pad} labels: {{ a: b }} }}\n")),
            3 => text.push_str(&format!("{pad}{name_text}:{tail}\n{pad}  address: {address}\n{pad}  labels:\n{pad}     a: b{tail}\n")),
            _ => text.push_str(&format!("{pad}{name_text}:\n{pad} annotations:\n{pad}  note: >\n{pad}     folded\n\n{pad}     # text\n{pad} address: {address}{tail}\n")),
        }
        if self.deep {
            text.push_str(&format!("{pad}   # below {name}\n"));
        }
        Part {
            host: Some(name.to_owned()),
            text,
        }
    }
}

#[derive(Debug, Clone)]
struct Written {
    parts: Vec<Part>,
    names: Vec<String>,
    dos: bool,
    final_break: bool,
}

impl Written {
    fn text(&self, without: Option<&str>) -> String {
        let parts = self
            .parts
            .iter()
            .filter(|part| part.host.is_none() || part.host.as_deref() != without);
        let mut text: String = parts.map(|part| part.text.as_str()).collect();
        if !self.final_break {
            text.truncate(text.trim_end().len());
        }
        if self.dos {
            text = text.replace('\n', "\r\n");
        }
        text
    }
}

fn written() -> impl Strategy<Value = Written> {
    let entries = prop::collection::vec(entry(), 2..7);
    (entries, 1..7_usize, any::<[bool; 5]>()).prop_map(|(entries, indent, [dos, final_break, header, footer, last])| {
        let free = |text: &str| Part {
            host: None,
            text: text.to_owned(),
        };
        let mut parts = vec![free("cluster: demo\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\n")];
        parts.push(free("groups:\n  planes: {role: [control-plane]}\n\n# keep: the machines\nhosts: # keep\n"));
        if header {
            parts.push(free("    # keep: hosts\n\n"));
        }
        let pad = " ".repeat(indent);
        parts.push(free(&format!("{pad}cp0: {{address: 10.0.0.9, group: planes}} # keep\n")));
        let mut names = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let name = format!("w{}{index}", "x".repeat(index % 3));
            if entry.blank {
                parts.push(free("\n"));
            }
            parts.push(entry.part(&name, 20 + index, indent));
            names.push(name);
        }
        if footer {
            parts.push(free("\n# keep: {below}\n"));
        }
        if !last {
            parts.push(free("metallb: 10.0.0.200-10.0.0.219\n"));
        }
        Written {
            parts,
            names,
            dos,
            final_break,
        }
    })
}

/// Blank lines around an entry may come and go with it.
fn without_blank_lines(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .collect()
}

fn new_host() -> impl Strategy<Value = NewHost> {
    let text = "[ -~é]{0,9}";
    let labels =
        prop::collection::btree_map("[a-z]{1,4}", "([a-z0-9][a-z0-9.-]{0,5})?[a-z0-9]", 0..3);
    let annotations = prop::collection::btree_map("[a-z]{1,4}", text, 0..3);
    (
        "(new[a-z0-9]{0,9}|true|n1|0x1f)",
        labels,
        annotations,
        prop::option::of(1..65535_u16),
        any::<bool>(),
    )
        .prop_map(|(name, labels, annotations, ssh_port, group)| NewHost {
            labels,
            annotations,
            ssh_port,
            groups: if group {
                vec!["more".to_owned()]
            } else {
                Vec::new()
            },
            ..NewHost::new(name, "10.0.0.99")
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_removed_host_takes_nothing_with_it(written in written(), pick in any::<prop::sample::Index>()) {
        let name = pick.get(&written.names);
        let text = written.text(None);
        let removed = run(&text, &[remove(name)]).map_err(|why| TestCaseError::fail(format!("{why:?}\n{text}")))?;
        let expected = written.text(Some(name));
        prop_assert_eq!(without_blank_lines(&removed.after), without_blank_lines(&expected));
        prop_assert_eq!(removed.after.ends_with('\n'), text.ends_with('\n'));
    }

    #[test]
    fn an_added_host_changes_nothing_else_and_goes_again(written in written(), host in new_host()) {
        let text = written.text(None).replace("groups:", "groups:\n  more: {labels: {c: d}}\n# and:").replace("# and:\r\n", "").replace("# and:\n", "");
        let added = run(&text, &[Change::Add(host.clone())]).map_err(|why| TestCaseError::fail(format!("{why:?}\n{text}")))?;
        // Every byte of the old text is there: one stretch is new.
        let same = |pair: &(u8, u8)| pair.0 == pair.1;
        let front = text.bytes().zip(added.after.bytes()).take_while(same).count();
        let back = text.bytes().rev().zip(added.after.bytes().rev()).take_while(same).count();
        prop_assert!(front + back >= text.len(), "{}\n---\n{}", text, added.after);
        let removed = run(&added.after, &[remove(&host.name)]).map_err(|why| TestCaseError::fail(format!("{why:?}\n{}", added.after)))?;
        prop_assert_eq!(removed.after, text);
    }

    #[test]
    fn flow_style_too(
        names in 1..5_usize, comma in any::<bool>(), breaks in prop::collection::vec(0..4_u8, 6), host in new_host()
    ) {
        let gap = |index: usize| ["", " ", "\n  ", "  # keep, {this}\n  "][usize::from(breaks[index])];
        let mut text = "cluster: demo\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\ngroups: {more: {}}\nhosts: {cp1: {address: 10.0.0.9, role: control-plane}".to_owned();
        for index in 0..names {
            text.push_str(&format!(",{}w{index}: 10.0.0.{}", gap(index), 20 + index));
        }
        if comma {
            text.push(',');
        }
        text.push_str(&format!("{}}}\n", gap(5)));
        let added = run(&text, &[Change::Add(host.clone())]).map_err(|why| TestCaseError::fail(format!("{why:?}\n{text}")))?;
        let kept = |text: &str| text.matches("# keep, {this}\n").count();
        prop_assert_eq!(kept(&added.after), kept(&text));
        let removed = run(&added.after, &[remove(&host.name)]).map_err(|why| TestCaseError::fail(format!("{why:?}\n{}", added.after)))?;
        prop_assert_eq!(&removed.after, &text);
        let fewer = run(&text, &[remove("w0")]).map_err(|why| TestCaseError::fail(format!("{why:?}\n{text}")))?;
        prop_assert!(kept(&fewer.after) + 1 >= kept(&text));
        prop_assert_eq!(fewer.cluster.hosts.len(), names);
    }

    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), yaml in "([a-z<*&!'\"\\[\\]{}:,#|>~? \\-\n\r\t0-9./]|cluster: |hosts:\n  |endpoint: |&a |\\*a|<<: |10.0.0.1){0,60}") {
        for text in [text, yaml] {
            for change in [Change::Add(NewHost::new("w", "10.0.0.99")), remove("w")] {
                let _ = run(&text, std::slice::from_ref(&change));
                let _ = run(&format!("cluster: a\nkubernetes: 1.33.4\nhosts:\n  w: {{address: 10.0.0.1}}\n{text}"), &[change]);
            }
        }
    }

    #[test]
    fn no_damage_to_a_good_inventory_makes_it_panic(written in written(), at in any::<prop::sample::Index>(), with in "[a-z?&*!|<:{}\\[\\]\\-0-9.,# \r\n\t]{0,6}") {
        let mut text = written.text(None);
        let at = at.index(text.len());
        if text.is_char_boundary(at) {
            text.insert_str(at, &with);
        }
        let name = &written.names[0];
        for change in [Change::Add(NewHost::new("w", "10.0.0.99")), remove(name)] {
            if let Ok(edited) = run(&text, std::slice::from_ref(&change)) {
                let hosts = edited.cluster.hosts.len();
                prop_assert!(hosts > 0);
            }
        }
    }
}
