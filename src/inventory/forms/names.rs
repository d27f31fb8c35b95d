//! Names, labels and taints as Kubernetes takes them.

use super::Refusal;
use crate::inventory::Taint;

/// DNS-1123 label: what a cluster and most objects are called.
pub fn dns_label(text: &str) -> Result<String, Refusal> {
    if is_dns_label(text) {
        return Ok(text.to_owned());
    }
    let allowed = "a-z, 0-9 and `-`, at most 63 characters, a letter or digit at both ends";
    Err(name_refusal(text, allowed, '-'))
}

/// DNS-1123 subdomain: what a node is called.
pub fn dns_subdomain(text: &str) -> Result<String, Refusal> {
    if is_dns_subdomain(text) {
        return Ok(text.to_owned());
    }
    let allowed = "a-z, 0-9, `-` and `.`, a letter or digit at both ends";
    Err(name_refusal(text, allowed, '.'))
}

fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

fn name_refusal(text: &str, allowed: &str, extra: char) -> Refusal {
    let allowed_char = |c: char| c.is_ascii_alphanumeric() || c == extra;
    let better: String = text
        .to_lowercase()
        .chars()
        .map(|c| if allowed_char(c) { c } else { '-' })
        .take(63)
        .collect();
    let better = better.trim_matches(['-', '.']);
    let write = if is_dns_subdomain(better) && better != text {
        format!("; write `{better}`")
    } else {
        String::new()
    };
    format!("is not a name that Kubernetes takes ({allowed}){write}")
}

/// `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
pub fn taint(text: &str) -> Result<Taint, Refusal> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let Some((left, effect)) = text.rsplit_once(':') else {
        return Err(format!("has no effect; write `{text}:NoSchedule`"));
    };
    let (key, value) = match left.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (left, None),
    };
    if !EFFECTS.contains(&effect) {
        let right = EFFECTS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(effect))
            .unwrap_or(&"NoSchedule");
        return Err(format!(
            "has the unknown effect `{effect}`; write `{left}:{right}` (or {})",
            others(&EFFECTS, right)
        ));
    }
    label_key(key)?;
    if let Some(value) = value {
        label_value(value)?;
    }
    let value = value
        .filter(|value| !value.is_empty())
        .map(ToOwned::to_owned);
    Ok(Taint {
        key: key.to_owned(),
        value,
        effect: effect.to_owned(),
    })
}

fn others(all: &[&str], but: &str) -> String {
    let rest: Vec<&str> = all.iter().copied().filter(|one| *one != but).collect();
    rest.join(", ")
}

/// A label or taint key: an optional DNS prefix and a name.
pub fn label_key(text: &str) -> Result<(), Refusal> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if prefix.is_some_and(|prefix| !is_dns_subdomain(prefix))
        || name.is_empty()
        || !is_label_text(name)
    {
        return Err(
            "has no valid key; write `name` or `example.org/name` (letters, digits, `-`, `_`, `.`)"
                .to_owned(),
        );
    }
    Ok(())
}

pub fn label_value(text: &str) -> Result<(), Refusal> {
    if is_label_text(text) {
        Ok(())
    } else {
        Err("is no valid label value; write at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends".to_owned())
    }
}

fn is_label_text(text: &str) -> bool {
    text.len() <= 63
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.starts_with(['-', '_', '.'])
        && !text.ends_with(['-', '_', '.'])
}
