//! Findings of the preflight checks, and how the claims of a verification ended, as text.

use std::fmt::Write as _;

use console::measure_text_width;

use super::text::{count, printable, wrap};
use crate::phases::preflight::{Finding, Level};

/// Narrower than this, five columns cannot be read: one block per finding instead.
const TABLE_FROM: usize = 100;

/// All findings within `width` columns, failures first; hosts that found the same share an entry. Empty without findings.
pub fn findings(findings: &[Finding], width: usize) -> String {
    let mut entries: Vec<Entry> = Vec::new();
    for finding in findings {
        match entries.iter_mut().find(|entry| entry.is_like(finding)) {
            Some(entry) => entry.hosts.push(&finding.host),
            None => entries.push(Entry {
                finding,
                hosts: vec![&finding.host],
            }),
        }
    }
    entries.sort_by_key(|entry| entry.finding.level as u8);
    if entries.is_empty() {
        return String::new();
    }
    let mut out = if width >= TABLE_FROM {
        table(&entries, width)
    } else {
        blocks(&entries, width)
    };
    let of = |level: Level| findings.iter().filter(|one| one.level == level).count();
    let mut totals: Vec<String> = [(Level::Failure, "failure"), (Level::Warning, "warning")]
        .into_iter()
        .filter(|(level, _)| of(*level) > 0)
        .map(|(level, word)| count(of(level), word))
        .collect();
    match of(Level::Skipped) {
        0 => {}
        skipped => totals.push(format!("{skipped} not checked")),
    }
    let advice = if totals.is_empty() {
        ""
    } else {
        "; `--skip-check ID` leaves a check out"
    };
    match of(Level::Passed) {
        0 => {}
        passed => totals.insert(0, format!("{passed} passed")),
    }
    let _ = writeln!(out, "\n{}{advice}", totals.join(", "));
    printable(&out)
}

struct Entry<'a> {
    finding: &'a Finding,
    hosts: Vec<&'a str>,
}

impl Entry<'_> {
    fn is_like(&self, other: &Finding) -> bool {
        let key = |finding: &Finding| {
            (
                finding.id,
                finding.level,
                finding.found.clone(),
                finding.needed.clone(),
                finding.fix.clone(),
            )
        };
        key(self.finding) == key(other)
    }

    fn level(&self) -> &'static str {
        match self.finding.level {
            Level::Failure => "FAIL",
            Level::Warning => "warn",
            Level::Skipped => "skip",
            Level::Passed => "ok  ",
        }
    }
}

fn blocks(entries: &[Entry<'_>], width: usize) -> String {
    let mut out = String::new();
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        let head = format!("{} {} on ", entry.level(), entry.finding.id);
        hanging(&mut out, &head, &entry.hosts.join(", "), width);
        for (name, text) in [
            ("     found   ", &entry.finding.found),
            ("     needed  ", &entry.finding.needed),
            ("     fix     ", &entry.finding.fix),
        ] {
            hanging(&mut out, name, text, width);
        }
    }
    out
}

fn hanging(out: &mut String, prefix: &str, text: &str, width: usize) {
    let indent = measure_text_width(prefix);
    for (index, line) in wrap(text, width.saturating_sub(indent).max(20))
        .iter()
        .enumerate()
    {
        let lead = if index == 0 { prefix } else { "" };
        let _ = writeln!(out, "{lead:indent$}{line}");
    }
}

fn table(entries: &[Entry<'_>], width: usize) -> String {
    let head = ["", "CHECK", "HOSTS", "FOUND", "NEEDED", "FIX"].map(str::to_owned);
    let rows: Vec<[String; 6]> = entries
        .iter()
        .map(|entry| {
            let finding = entry.finding;
            [
                entry.level().to_owned(),
                finding.id.to_owned(),
                entry.hosts.join(", "),
                finding.found.clone(),
                finding.needed.clone(),
                finding.fix.clone(),
            ]
        })
        .collect();
    let all: Vec<&[String; 6]> = std::iter::once(&head).chain(&rows).collect();
    let widths = columns(&all, width);
    let mut out = String::new();
    for row in all {
        let cells: Vec<Vec<String>> = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| fold(cell, width))
            .collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        for line in 0..height {
            let mut text = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let part = cell.get(line).map_or("", String::as_str);
                let padding = width.saturating_sub(measure_text_width(part)) + 2;
                let _ = write!(text, "{part}{:padding$}", "");
            }
            let _ = writeln!(out, "{}", text.trim_end());
        }
    }
    out
}

/// Widths of the columns: the first three as wide as they need (hosts at most 24), the texts share the rest by need.
fn columns(rows: &[&[String; 6]], width: usize) -> [usize; 6] {
    let need = |column: usize| {
        rows.iter()
            .map(|row| measure_text_width(&row[column]))
            .max()
            .unwrap_or(0)
    };
    let mut widths: [usize; 6] = std::array::from_fn(need);
    widths[2] = widths[2].min(24);
    let mut free = width.saturating_sub(widths[..3].iter().sum::<usize>() + 2 * 5);
    // The narrowest column first, so that what it does not need goes to the others.
    let mut texts = [3, 4, 5];
    texts.sort_by_key(|column| widths[*column]);
    for (done, column) in texts.into_iter().enumerate() {
        widths[column] = widths[column].min(free / (3 - done)).max(10);
        free = free.saturating_sub(widths[column]);
    }
    widths
}

/// Wraps at spaces, and breaks words that are wider than the column.
fn fold(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for line in wrap(text, width) {
        let mut part = String::new();
        for c in line.chars() {
            if measure_text_width(&part) + measure_text_width(c.encode_utf8(&mut [0; 4])) > width {
                lines.push(std::mem::take(&mut part));
            }
            part.push(c);
        }
        lines.push(part);
    }
    lines
}
