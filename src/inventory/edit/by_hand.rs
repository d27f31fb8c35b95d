//! What to write by hand where an edit was refused.

use std::path::Path;

use serde_json::Value;

use super::{Change, NewHost, Refusal, layout, lines, scalar::Writing};
use crate::inventory::{Role, kubespray};

/// For an inventory of ours: the entries to add, and the lines that an entry to remove stands in.
pub fn ours(mut refusal: Refusal, text: &str, changes: &[Change]) -> Refusal {
    let root = layout::read(text);
    let hosts = root.as_ref().and_then(|root| root.entry("hosts"));
    for change in changes {
        match change {
            Change::Add(host) => {
                let settings = host.settings();
                let entries = settings.iter().map(|(key, value)| (*key, value));
                let writing = Writing::default();
                let entry = [&writing.text(&host.name), ": ", &writing.map(entries)].concat();
                refusal
                    .by_hand
                    .push(format!("add below `hosts`:\n  {entry}"));
            }
            Change::Remove(name) => {
                let Some((key, value)) = hosts.and_then(|(_, hosts)| hosts.entry(name)) else {
                    continue;
                };
                let line = |at: usize| text[..at].matches('\n').count() + 1;
                let (first, last) = (line(key.span.start), line(value.span.end));
                refusal.by_hand.push(if first == last {
                    let whole =
                        &text[lines::start(text, key.span.start)..lines::end(text, key.span.start)];
                    format!("take `{name}` out of line {first}:\n{}", whole.trim_end())
                } else {
                    format!("take `{name}` out of the lines {first} to {last}")
                });
            }
        }
    }
    refusal
}

/// For one of kubespray's.
pub fn kubespray(mut refusal: Refusal, file: &Path, text: &str, changes: &[Change]) -> Refusal {
    let ini = kubespray::is_ini(file, text);
    for change in changes {
        match change {
            Change::Add(host) if ini => refusal.by_hand.extend(ini_lines(host)),
            Change::Add(host) => refusal.by_hand.extend(yaml_lines(host)),
            Change::Remove(name) => {
                let names = |line: &str| {
                    line.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)))
                        .any(|word| word == name)
                };
                let lines = text.lines().enumerate().filter(|(_, line)| names(line));
                refusal.by_hand.extend(lines.map(|(index, line)| {
                    format!("take `{name}` out of line {}: {}", index + 1, line.trim())
                }));
            }
        }
    }
    refusal
}

fn ini_lines(host: &NewHost) -> Vec<String> {
    let vars = vars(host)
        .into_iter()
        .map(|(key, value)| format!(" {key}={value}"));
    let mut lines = vec![format!(
        "add below `[all]`:\n{}{}",
        host.name,
        vars.collect::<String>()
    )];
    lines.extend(
        groups(host)
            .into_iter()
            .map(|group| format!("add below `[{group}]`:\n{}", host.name)),
    );
    lines
}

fn yaml_lines(host: &NewHost) -> Vec<String> {
    let vars: serde_json::Map<String, Value> = vars(host)
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::String(value)))
        .collect();
    let mut lines = vec![format!(
        "add below `all.hosts`:\n{}: {}",
        host.name,
        Writing::default().value(&Value::Object(vars))
    )];
    lines.extend(
        groups(host)
            .into_iter()
            .map(|group| format!("add below `all.children.{group}.hosts`:\n{}:", host.name)),
    );
    lines
}

fn vars(host: &NewHost) -> Vec<(&'static str, String)> {
    let mut vars = vec![("ansible_host", host.address.clone())];
    vars.extend(
        host.node_ip
            .first()
            .map(|address| ("ip", address.to_string())),
    );
    vars.extend(host.ssh_user.clone().map(|user| ("ansible_user", user)));
    vars.extend(host.ssh_port.map(|port| ("ansible_port", port.to_string())));
    vars
}

fn groups(host: &NewHost) -> Vec<&'static str> {
    let mut groups = Vec::new();
    if host.roles.contains(&Role::ControlPlane) {
        groups.extend(["kube_control_plane", "etcd"]);
    }
    if host.roles.is_empty() || host.roles.contains(&Role::Worker) {
        groups.push("kube_node");
    }
    groups
}
