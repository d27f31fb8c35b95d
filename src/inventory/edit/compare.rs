//! Whether an edited inventory is the old one but for the hosts that were to change.

use serde_json::{Map, Value};

use super::Change;
use crate::inventory::{Cluster, Host};

/// What was written, and what it means.
type Read = (Value, Cluster);

/// Fails, with the reason, where anything else is written or means something else.
///
/// Numbers that follow from how many hosts there are may differ: VRRP priorities that nobody wrote, Longhorn's replicas.
pub fn only_hosts(before: &Read, after: &Read, changes: &[Change]) -> Result<(), String> {
    let mut expected = before.0.clone();
    let mut names: Vec<&str> = before
        .1
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    let hosts = expected.get_mut("hosts").and_then(Value::as_object_mut);
    let hosts = hosts.ok_or("it has no hosts")?;
    for change in changes {
        match change {
            Change::Add(host) => {
                let settings = host.settings().into_iter();
                let settings: Map<String, Value> = settings
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect();
                hosts.insert(host.name.clone(), Value::Object(settings));
            }
            Change::Remove(name) => {
                hosts.remove(name);
                names.retain(|have| have != name);
            }
        }
    }
    let mut written = after.0.clone();
    for hosts in [&mut expected, &mut written] {
        in_full(hosts);
    }
    if let Some(key) = difference(&expected, &written) {
        return Err(format!("`{key}` would change with it"));
    }
    names.retain(|name| after.1.host(name).is_some());
    let order: Vec<&str> = after
        .1
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    if !names
        .iter()
        .eq(order.iter().filter(|name| names.contains(name)))
    {
        return Err("the order of the other hosts would change with it".to_owned());
    }
    meaning(&before.1, &after.1, &names)
}

/// A host that is written as an address alone is a mapping like any other.
fn in_full(document: &mut Value) {
    let hosts = document.get_mut("hosts").and_then(Value::as_object_mut);
    for host in hosts.into_iter().flat_map(Map::values_mut) {
        if let Value::String(address) = host {
            *host = serde_json::json!({ "address": address });
        }
    }
}

/// The first key whose value differs, below `hosts` the host's.
fn difference(one: &Value, other: &Value) -> Option<String> {
    let empty = Map::new();
    let (one, other) = (
        one.as_object().unwrap_or(&empty),
        other.as_object().unwrap_or(&empty),
    );
    let key = one
        .keys()
        .chain(other.keys())
        .find(|key| one.get(*key) != other.get(*key))?;
    match (key.as_str(), one.get(key), other.get(key)) {
        ("hosts", Some(one), Some(other)) => {
            difference(one, other).map(|host| format!("hosts.{host}"))
        }
        _ => Some(key.clone()),
    }
}

/// What is not written may follow from the hosts: the role of an only host, the endpoint of an only control plane.
fn meaning(before: &Cluster, after: &Cluster, kept: &[&str]) -> Result<(), String> {
    let pairs = kept
        .iter()
        .filter_map(|name| Some((before.host(name)?, after.host(name)?)));
    for (host, now) in pairs {
        if now.roles != host.roles {
            let roles: Vec<_> = host
                .roles
                .iter()
                .copied()
                .map(super::new_host::word)
                .collect();
            return Err(format!(
                "`{}` has its roles only as long as it is the only host; write `role: [{}]` in its entry first",
                host.name,
                roles.join(", ")
            ));
        }
        if let Some(key) = difference(&settings(host), &settings(now)) {
            return Err(format!(
                "`{key}` of host `{}` would change with it",
                host.name
            ));
        }
    }
    match difference(&rest(before), &rest(after)) {
        Some(key) => Err(format!(
            "`{key}` would change with it; write it in the inventory first"
        )),
        None => Ok(()),
    }
}

fn settings(host: &Host) -> Value {
    without(host, &["position", "vrrp_priority"])
}

fn rest(cluster: &Cluster) -> Value {
    without(cluster, &["hosts", "warnings", "longhorn", "metallb"])
}

fn without(value: &impl serde::Serialize, keys: &[&str]) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.retain(|key, _| !keys.contains(&key.as_str()));
    }
    value
}
