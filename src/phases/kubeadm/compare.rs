//! A live configuration against a wanted one, as a program of Kubernetes reads both.

use serde_json::Value;

/// Where `live` is not what `wanted` says; what only `live` has is its own (defaults that kubeadm filled in).
pub(in crate::phases) fn differences(live: &Value, wanted: &Value, path: &str) -> Vec<String> {
    if let Value::Object(wanted) = wanted {
        return wanted
            .iter()
            .flat_map(|(key, wanted)| {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                differences(live.get(key).unwrap_or(&Value::Null), wanted, &path)
            })
            .collect();
    }
    let same_time = || Some(nanoseconds(live.as_str()?)? == nanoseconds(wanted.as_str()?)?);
    if live == wanted || same_time() == Some(true) {
        return Vec::new();
    }
    vec![format!("{path}: {live} → {wanted}")]
}

/// A duration as Go writes and reads it: `1h` and `1h0m0s` are one.
fn nanoseconds(text: &str) -> Option<u128> {
    const UNITS: [(&str, u128); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    let mut rest = text;
    let mut total = 0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u128 = rest[..digits].parse().ok()?;
        let (unit, size) = UNITS
            .iter()
            .find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total += number * size;
        rest = &rest[digits + unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}
