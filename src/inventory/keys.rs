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

/// What to do about an unknown key: the known one that was probably meant, and advice in words.
pub fn advice(root: &Value, path: &str, known: &[&str], key: &str) -> (Option<String>, String) {
    if let Some(ours) = meant(known, key) {
        let more = match (path.rsplit('.').next(), ours) {
            (Some("ssh"), "sudo-password") => {
                " for sudo (ssh itself logs in with a key or an agent)"
            }
            (_, "ssh") => ": {user: …, port: …}",
            _ => "",
        };
        return (Some(ours.to_owned()), format!("write `{ours}`{more}"));
    }
    match elsewhere(root, &kebab_case(key)) {
        Some(Place::Top) if !path.is_empty() => {
            return (None, "it belongs to the top level, not here".to_owned());
        }
        Some(Place::Section(section)) if section != path => {
            return (None, format!("it belongs in `{section}`"));
        }
        _ => {}
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    (None, format!("known are {}", known.join(", ")))
}

/// The known key for a foreign, misspelt or differently cased one.
fn meant<'a>(known: &[&'a str], key: &str) -> Option<&'a str> {
    let ours = |foreign: &str| {
        let pair = FOREIGN.iter().find(|(theirs, _)| *theirs == foreign)?;
        known.iter().copied().find(|known| *known == pair.1)
    };
    let kebab = kebab_case(key);
    known
        .iter()
        .copied()
        .find(|known| *known == kebab)
        .or_else(|| ours(key))
        .or_else(|| nearest(&kebab, known.iter().copied()))
        .or_else(|| ours(nearest(key, FOREIGN.iter().map(|(theirs, _)| *theirs))?))
}

/// Words that people bring from elsewhere, and ours.
const FOREIGN_WORDS: &[(&str, &str)] = &[
    ("master", "control-plane"),
    ("controller", "control-plane"),
    ("server", "control-plane"),
    ("control", "control-plane"),
    ("node", "worker"),
    ("agent", "worker"),
    ("lb", "load-balancer"),
    ("haproxy", "load-balancer"),
    ("disable", "off"),
    ("disabled", "off"),
    ("keep", "allow"),
];

/// The value that was probably meant.
pub fn nearest_word<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let foreign = FOREIGN_WORDS.iter().find(|(theirs, _)| *theirs == word);
    let ours = foreign.and_then(|(_, ours)| known.iter().find(|known| *known == ours));
    ours.copied()
        .or_else(|| nearest(word, known.iter().copied()))
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

/// Where in the document a key belongs.
enum Place {
    Top,
    Section(String),
}

/// The place of the document that has this key, e.g. `network` for `pods`.
fn elsewhere(root: &Value, key: &str) -> Option<Place> {
    let properties = root.get("properties")?.as_object()?;
    if properties.contains_key(key) {
        return Some(Place::Top);
    }
    properties
        .iter()
        .find(|(_, schema)| has_key(root, schema, key, 0))
        .map(|(section, _)| Place::Section(section.clone()))
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
