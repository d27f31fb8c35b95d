//! What to write instead of a key or word that nobody knows.

use serde_json::Value;

/// Keys that people bring from elsewhere, and ours.
const FOREIGN: &[(&str, &str)] = &[
    ("ansible_host", "address"),
    ("ansible_ssh_host", "address"),
    ("access_ip", "address"),
    ("ip", "address"),
    ("host", "address"),
    ("hostname", "address"),
    ("internalAddress", "node-ip"),
    ("privateAddress", "node-ip"),
    ("ansible_user", "ssh"),
    ("ansible_port", "ssh"),
    ("user", "ssh"),
    ("port", "ssh"),
    ("name", "cluster"),
    ("cluster-name", "cluster"),
    ("version", "kubernetes"),
    ("kube_version", "kubernetes"),
    ("kubernetes-version", "kubernetes"),
    ("kube_proxy_mode", "kube-proxy"),
    ("kube_pods_subnet", "network"),
    ("kube_service_addresses", "network"),
    ("vip", "endpoint"),
    ("nodes", "hosts"),
    ("machines", "hosts"),
    ("roles", "role"),
    ("groups", "group"),
    ("labels", "labels"),
    ("pool", "pools"),
    ("identity-file", "key"),
    ("keyPath", "key"),
    ("bastion", "jump"),
    ("become-password", "sudo-password"),
    ("sudo", "sudo-password"),
    ("password", "sudo-password"),
    ("storage", "longhorn"),
    ("registry", "registries"),
    ("bundle", "artifacts"),
];

/// Advice for an unknown key: the nearest known one, where it belongs, or all that are known.
pub fn advice(root: &Value, path: &str, known: &[&str], key: &str) -> String {
    let normal = key.replace('_', "-");
    if known.contains(&normal.as_str()) {
        return format!("write `{normal}`");
    }
    let foreign = FOREIGN
        .iter()
        .find(|(theirs, ours)| *theirs == key && known.contains(ours));
    if let Some((_, ours)) = foreign {
        return format!("write `{ours}`");
    }
    let kebab = kebab_case(key);
    if let Some(best) = nearest(&kebab, known.iter().copied()) {
        return format!("write `{best}`");
    }
    if let Some(place) = elsewhere(root, &kebab).filter(|place| place != path) {
        return format!("it belongs in `{place}`");
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    format!("known are {}", known.join(", "))
}

/// The word that was probably meant: at most a third of its letters differ.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance * 3 <= candidate.chars().count().max(lower.chars().count())
        })
        .min()
        .map(|(_, candidate)| candidate)
}

fn kebab_case(key: &str) -> String {
    let mut kebab = String::new();
    for c in key.chars() {
        if c.is_ascii_uppercase() {
            if !kebab.is_empty() && !kebab.ends_with('-') {
                kebab.push('-');
            }
            kebab.push(c.to_ascii_lowercase());
        } else {
            kebab.push(if c == '_' { '-' } else { c });
        }
    }
    kebab
}

/// The section of the document that has this key, e.g. `network` for `pods`.
fn elsewhere(root: &Value, key: &str) -> Option<String> {
    if root
        .pointer("/properties")
        .and_then(|properties| properties.get(key))
        .is_some()
    {
        return Some("the top level, not indented".to_owned());
    }
    let properties = root.get("properties")?.as_object()?;
    properties
        .iter()
        .find(|(_, schema)| has_key(root, schema, key, 0))
        .map(|(section, _)| section.clone())
}

fn has_key(root: &Value, schema: &Value, key: &str, depth: usize) -> bool {
    if depth > 4 {
        return false;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return root
            .pointer(target.trim_start_matches('#'))
            .is_some_and(|target| has_key(root, target, key, depth + 1));
    }
    if schema
        .pointer("/properties")
        .and_then(|properties| properties.get(key))
        .is_some()
    {
        return true;
    }
    let choices = schema.get("anyOf").and_then(Value::as_array);
    choices
        .into_iter()
        .flatten()
        .any(|choice| has_key(root, choice, key, depth + 1))
}
