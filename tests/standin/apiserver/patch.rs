//! Patches of every type, server-side apply, selectors. Pure.

use serde_json::{Map, Value, json};

use super::{Failure, objects::Live};

/// Keys by which lists of objects are merged, in the order in which they are looked for.
const MERGE_KEYS: &[&str] = &[
    "name",
    "mountPath",
    "containerPort",
    "port",
    "ip",
    "uid",
    "topologyKey",
];

/// Applies a merge, strategic merge or JSON patch.
pub fn patch(content_type: &str, live: &Value, patch: &Value) -> Result<Value, Failure> {
    let mut object = live.clone();
    match content_type.split(';').next().unwrap_or_default() {
        "application/merge-patch+json" => merge(&mut object, patch),
        "application/strategic-merge-patch+json" => strategic(&mut object, patch),
        "application/json-patch+json" => {
            for step in patch.as_array().into_iter().flatten() {
                json_step(&mut object, step)?;
            }
        }
        other => {
            return Err(Failure::new(
                415,
                "UnsupportedMediaType",
                format!("the body of the request was in an unknown format: {other}"),
            ));
        }
    }
    Ok(object)
}

/// RFC 7386.
pub fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = json!({});
    }
    for (name, value) in patch {
        match value {
            Value::Null => {
                object.as_object_mut().map(|object| object.remove(name));
            }
            value => merge(&mut object[name], value),
        }
    }
}

/// As a merge patch, with lists of named objects merged by their key.
pub fn strategic(object: &mut Value, patch: &Value) {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            for (name, value) in patch {
                if value.is_null() {
                    object.remove(name);
                } else {
                    strategic(object.entry(name.clone()).or_insert(Value::Null), value);
                }
            }
        }
        (Value::Array(list), Value::Array(patch)) if merge_key(patch).is_some() => {
            let key = merge_key(patch).unwrap_or_default();
            for item in patch {
                let at = list.iter().position(|have| have[key] == item[key]);
                match (at, item["$patch"] == "delete") {
                    (Some(at), true) => {
                        list.remove(at);
                    }
                    (Some(at), false) => strategic(&mut list[at], item),
                    (None, true) => {}
                    (None, false) => list.push(item.clone()),
                }
            }
        }
        (object, patch) => {
            let mut fresh = patch.clone();
            drop_nulls(&mut fresh);
            *object = fresh;
        }
    }
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, value| !value.is_null());
        map.values_mut().for_each(drop_nulls);
    }
}

/// The key that every object of a list has with distinct values.
fn merge_key(list: &[Value]) -> Option<&'static str> {
    if list.is_empty() || !list.iter().all(Value::is_object) {
        return None;
    }
    MERGE_KEYS.iter().copied().find(|key| {
        let mut values: Vec<String> = list.iter().map(|item| item[key].to_string()).collect();
        values.sort();
        values.dedup();
        values.len() == list.len() && list.iter().all(|item| !item[key].is_null())
    })
}

fn json_step(object: &mut Value, step: &Value) -> Result<(), Failure> {
    let wrong = |what: &str| {
        Failure::invalid(format!(
            "the server rejected our request due to an error in our request: {what}"
        ))
    };
    let path = step["path"].as_str().ok_or_else(|| wrong("path"))?;
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| wrong("path"))?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let parent = object.pointer_mut(parent).ok_or_else(|| wrong(path))?;
    match (step["op"].as_str().unwrap_or_default(), parent) {
        ("add", Value::Array(list)) => match last.parse::<usize>() {
            Ok(at) if at <= list.len() => list.insert(at, step["value"].clone()),
            _ if last == "-" => list.push(step["value"].clone()),
            _ => return Err(wrong(path)),
        },
        ("add", Value::Object(map)) => {
            map.insert(last, step["value"].clone());
        }
        ("replace" | "test", parent) => {
            let found = match parent {
                Value::Array(list) => last.parse().ok().and_then(|at: usize| list.get_mut(at)),
                parent => parent.as_object_mut().and_then(|map| map.get_mut(&last)),
            };
            let found = found.ok_or_else(|| wrong(path))?;
            if step["op"] == "test" && *found != step["value"] {
                return Err(wrong("testing value failed"));
            }
            *found = step["value"].clone();
        }
        ("remove", Value::Object(map)) => {
            map.remove(&last).ok_or_else(|| wrong(path))?;
        }
        ("remove", Value::Array(list)) => {
            let at = last.parse().ok().filter(|&at: &usize| at < list.len());
            list.remove(at.ok_or_else(|| wrong(path))?);
        }
        (other, _) => return Err(wrong(other)),
    }
    Ok(())
}

/// Server-side apply: what this manager applied before and leaves out now goes, the rest is merged in.
pub fn apply(mut live: Live, body: &Value, manager: &str, force: bool) -> Result<Live, Failure> {
    let mut wanted = body.clone();
    if let Some(meta) = wanted["metadata"].as_object_mut() {
        for field in [
            "managedFields",
            "resourceVersion",
            "uid",
            "creationTimestamp",
            "generation",
        ] {
            meta.remove(field);
        }
    }
    wanted.as_object_mut().map(|wanted| wanted.remove("status"));
    if live.object.is_null() {
        live.object = json!({});
    }
    let before = live.applied.get(manager).cloned().unwrap_or(Value::Null);
    if !force {
        let mut conflicts = Vec::new();
        find_conflicts(&live.object, &before, &wanted, "", &mut conflicts);
        if !conflicts.is_empty() {
            let message = format!(
                "Apply failed with {} conflict{}: conflicts with another manager: {}",
                conflicts.len(),
                if conflicts.len() == 1 { "" } else { "s" },
                conflicts.join(", ")
            );
            return Err(Failure::new(409, "Conflict", message));
        }
    }
    drop_missing(&mut live.object, &before, &wanted);
    strategic(&mut live.object, &wanted);
    live.applied.insert(manager.to_owned(), wanted);
    Ok(live)
}

/// Removes from `live` what `before` had and `wanted` has not.
fn drop_missing(live: &mut Value, before: &Value, wanted: &Value) {
    match (live, before) {
        (Value::Object(live), Value::Object(before)) => {
            for (name, old) in before {
                match wanted.get(name) {
                    None => {
                        live.remove(name);
                    }
                    Some(new) => {
                        if let Some(live) = live.get_mut(name) {
                            drop_missing(live, old, new);
                        }
                    }
                }
            }
        }
        (Value::Array(live), Value::Array(before)) => {
            let empty = Vec::new();
            let wanted = wanted.as_array().unwrap_or(&empty);
            let Some(key) = merge_key(before) else { return };
            for old in before {
                let Some(at) = live.iter().position(|item| item[key] == old[key]) else {
                    continue;
                };
                match wanted.iter().find(|item| item[key] == old[key]) {
                    None => {
                        live.remove(at);
                    }
                    Some(new) => drop_missing(&mut live[at], old, new),
                }
            }
        }
        _ => {}
    }
}

/// Paths whose live value differs, though this manager did not set it.
fn find_conflicts(
    live: &Value,
    before: &Value,
    wanted: &Value,
    path: &str,
    found: &mut Vec<String>,
) {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => {
            for (name, wanted) in wanted {
                if let Some(live) = live.get(name) {
                    find_conflicts(
                        live,
                        &before[name],
                        wanted,
                        &format!("{path}.{name}"),
                        found,
                    );
                }
            }
        }
        (live, wanted) => {
            if live != wanted && before.is_null() && !wanted.is_array() {
                found.push(path.to_owned());
            }
        }
    }
}

/// Whether labels satisfy a selector: `a=b,c!=d,e,!f,g in (h,i)`.
pub fn selected(labels: &Value, selector: &str) -> bool {
    let mut depth = 0;
    selector
        .split(|letter| {
            depth += i32::from(letter == '(') - i32::from(letter == ')');
            letter == ',' && depth == 0
        })
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .all(|term| {
            let label = |name: &str| labels[name.trim()].as_str();
            let among = |list: &str, value: &str| {
                list.trim()
                    .trim_matches(['(', ')'])
                    .split(',')
                    .any(|one| one.trim() == value)
            };
            if let Some((name, list)) = term.split_once(" notin ") {
                label(name).is_none_or(|value| !among(list, value))
            } else if let Some((name, list)) = term.split_once(" in ") {
                label(name).is_some_and(|value| among(list, value))
            } else if let Some((name, value)) = term.split_once("!=") {
                label(name) != Some(value.trim())
            } else if let Some((name, value)) = term.split_once('=') {
                label(name) == Some(value.trim_start_matches('=').trim())
            } else if let Some(name) = term.strip_prefix('!') {
                label(name).is_none()
            } else {
                label(term).is_some()
            }
        })
}

/// `metadata.name=x,spec.nodeName=y`.
pub fn fields_selected(object: &Value, selector: &str) -> bool {
    selector
        .split(',')
        .filter(|term| !term.is_empty())
        .all(|term| {
            let (path, value, equal) = match term.split_once("!=") {
                Some((path, value)) => (path, value, false),
                None => term
                    .split_once('=')
                    .map_or((term, "", true), |(path, value)| (path, value, true)),
            };
            let pointer = format!("/{}", path.replace('.', "/"));
            let found = object
                .pointer(&pointer)
                .and_then(Value::as_str)
                .unwrap_or_default();
            (found == value.trim_start_matches('=')) == equal
        })
}

/// A map of labels as a selector.
pub fn selector_of(labels: &Value) -> String {
    let empty = Map::new();
    let pairs = labels.as_object().unwrap_or(&empty).iter();
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.join(",")
}
