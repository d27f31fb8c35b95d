//! Ansible's INI inventories.

use std::path::Path;

use serde_json::Value;

use super::{
    Origin,
    source::{Inventory, Var},
};
use crate::inventory::diagnostic::{Mistake, Position};

/// Hosts that one pattern may stand for.
const MAX_PATTERN: usize = 10_000;

#[derive(Clone, Copy)]
enum Section {
    Hosts,
    Children,
    Vars,
}

/// Reads sections of hosts, `:children` and `:vars`.
pub fn parse(path: &Path, text: &str) -> Result<Inventory, Vec<Mistake>> {
    let mut inventory = Inventory::default();
    let mut mistakes = Vec::new();
    let (mut group, mut section) = ("ungrouped".to_owned(), Section::Hosts);
    for (index, raw) in text.lines().enumerate() {
        let line = raw.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some((name, kind)) = header(line) {
            (group, section) = (name, kind);
            inventory.groups.entry(group.clone()).or_default();
            continue;
        }
        let at = Position {
            line: index + 1,
            column: raw.len() - raw.trim_start().len() + 1,
        };
        let origin = Origin {
            file: path.to_owned(),
            at,
        };
        let read = match section {
            Section::Hosts => host_line(&mut inventory, &group, line, &origin),
            Section::Vars => var_line(&mut inventory, &group, line, origin),
            Section::Children => {
                let child = line.split_whitespace().map(ToOwned::to_owned).next();
                let entry = inventory.groups.entry(group.clone()).or_default();
                entry.children.extend(child);
                Ok(())
            }
        };
        mistakes.extend(read.err());
    }
    if mistakes.is_empty() {
        Ok(inventory)
    } else {
        Err(mistakes)
    }
}

/// `[group]`, `[group:children]` or `[group:vars]`.
fn header(line: &str) -> Option<(String, Section)> {
    let (inner, _) = line.strip_prefix('[')?.split_once(']')?;
    Some(match inner.split_once(':') {
        Some((name, "children")) => (name.to_owned(), Section::Children),
        Some((name, "vars")) => (name.to_owned(), Section::Vars),
        _ => (inner.to_owned(), Section::Hosts),
    })
}

fn var_line(
    inventory: &mut Inventory,
    group: &str,
    line: &str,
    origin: Origin,
) -> Result<(), Mistake> {
    let Some((key, value)) = line.split_once('=') else {
        return Err(no_variable(origin.at, line));
    };
    let value = self::value(value.trim().trim_matches(['"', '\'']));
    let vars = &mut inventory.groups.entry(group.to_owned()).or_default().vars;
    vars.insert(key.trim().to_owned(), Var { value, origin });
    Ok(())
}

fn no_variable(at: Position, text: &str) -> Mistake {
    let message = format!("`{text}` is no variable; write `NAME=VALUE`");
    Mistake::new(at, "", message)
}

fn host_line(
    inventory: &mut Inventory,
    group: &str,
    line: &str,
    origin: &Origin,
) -> Result<(), Mistake> {
    let Some(words) = shlex::split(line) else {
        let message = "a quote is not closed; close it";
        return Err(Mistake::new(origin.at, "", message));
    };
    let Some((pattern, settings)) = words.split_first() else {
        return Ok(());
    };
    for name in expand(pattern) {
        inventory.add_host(group, &name, origin.clone());
        let vars = inventory.host_vars.entry(name).or_default();
        for setting in settings {
            let Some((key, text)) = setting.split_once('=') else {
                return Err(no_variable(origin.at, setting));
            };
            let var = Var {
                value: value(text),
                origin: origin.clone(),
            };
            vars.insert(key.to_owned(), var);
        }
    }
    Ok(())
}

/// Ansible reads values as literals where it can.
fn value(text: &str) -> Value {
    match text {
        "True" | "true" | "yes" => return Value::Bool(true),
        "False" | "false" | "no" => return Value::Bool(false),
        _ => {}
    }
    if text.starts_with(['{', '['])
        && let Ok(value) =
            serde_json::from_str(text).or_else(|_| serde_json::from_str(&text.replace('\'', "\"")))
    {
        return value;
    }
    Value::String(text.to_owned())
}

/// `node[1:3]` and `node[a:c]` stand for several hosts.
pub fn expand(pattern: &str) -> Vec<String> {
    let parts = pattern.split_once('[').and_then(|(before, rest)| {
        let (range, after) = rest.split_once(']')?;
        let (from, to) = range.split_once(':')?;
        Some((before, from, to, after))
    });
    let Some((before, from, to, after)) = parts else {
        return vec![pattern.to_owned()];
    };
    let middle: Vec<String> = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(first), Ok(last)) if last.saturating_sub(first) < MAX_PATTERN => {
            let width = from.len();
            (first..=last)
                .map(|number| format!("{number:0width$}"))
                .collect()
        }
        _ => match (from.chars().next(), to.chars().next()) {
            (Some(first), Some(last)) if from.len() == 1 && to.len() == 1 => {
                (first..=last).map(String::from).collect()
            }
            _ => return vec![pattern.to_owned()],
        },
    };
    let whole = middle
        .into_iter()
        .map(|middle| format!("{before}{middle}{after}"));
    whole
        .flat_map(|name| expand(&name))
        .take(MAX_PATTERN)
        .collect()
}
