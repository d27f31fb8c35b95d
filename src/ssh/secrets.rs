//! Secrets of a run: captured from hosts or brought by the user, put into attachments, kept out of everything else.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

/// Shorter values are not searched for in outputs: they would turn ordinary words into stars.
const SHORTEST: usize = 6;
const STARS: &str = "***";

/// A value that no `Debug` shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the place where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(STARS)
    }
}

/// Names and values of all secrets of a run; clones share them.
#[derive(Clone, Default)]
pub struct Secrets(Arc<RwLock<BTreeMap<String, Secret>>>);

impl fmt::Debug for Secrets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.names()).finish()
    }
}

impl Secrets {
    pub fn insert(&self, name: impl Into<String>, value: Secret) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.into(), value);
    }

    pub fn get(&self, name: &str) -> Option<Secret> {
        self.read(|secrets| secrets.get(name).cloned())
    }

    pub fn names(&self) -> Vec<String> {
        self.read(|secrets| secrets.keys().cloned().collect())
    }

    /// `content` with every `@@NAME@@` replaced; the names that are not known when there are such.
    pub fn fill(&self, content: &[u8]) -> Result<Vec<u8>, Vec<String>> {
        let mut filled = Vec::with_capacity(content.len());
        let mut missing = Vec::new();
        let mut rest = content;
        while let Some((before, name, after)) = next_placeholder(rest) {
            filled.extend_from_slice(before);
            match self.get(name) {
                Some(secret) => filled.extend_from_slice(secret.expose().as_bytes()),
                None => missing.push(name.to_owned()),
            }
            rest = after;
        }
        filled.extend_from_slice(rest);
        if missing.is_empty() {
            Ok(filled)
        } else {
            Err(missing)
        }
    }

    /// `text` without any secret of six bytes or more, in any of its lines, also as JSON writes it.
    pub fn redact(&self, text: &str) -> String {
        let mut values: Vec<String> = self.read(|secrets| {
            secrets
                .values()
                .flat_map(|secret| std::iter::once(secret.expose()).chain(secret.expose().lines()))
                .filter(|value| value.len() >= SHORTEST)
                .flat_map(|value| [Some(value.to_owned()), escaped(value)])
                .flatten()
                .filter(|value| text.contains(value))
                .collect()
        });
        // The longest first: one secret may contain another.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values
            .iter()
            .fold(text.to_owned(), |text, value| text.replace(value, STARS))
    }

    fn read<T>(&self, with: impl FnOnce(&BTreeMap<String, Secret>) -> T) -> T {
        with(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A value within a string of JSON, where it is written otherwise there.
fn escaped(value: &str) -> Option<String> {
    let plain = |letter: char| letter != '"' && letter != '\\' && !letter.is_control();
    if value.chars().all(plain) {
        return None;
    }
    let json = serde_json::to_string(value).ok()?;
    json.get(1..json.len() - 1).map(str::to_owned)
}

/// What lies before the first `@@NAME@@`, the name, and what follows.
fn next_placeholder(content: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let mut from = 0;
    loop {
        let start = from + find(&content[from..], b"@@")?;
        let name_start = start + 2;
        let length = content[name_start..]
            .iter()
            .take_while(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b'_')
            .count();
        let end = name_start + length;
        if length > 0 && content[end..].starts_with(b"@@") {
            let name = str::from_utf8(&content[name_start..end]).ok()?;
            return Some((&content[..start], name, &content[end + 2..]));
        }
        from = start + 1;
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn secrets(pairs: &[(&str, &str)]) -> Secrets {
        let secrets = Secrets::default();
        for (name, value) in pairs {
            secrets.insert(*name, Secret::new(*value));
        }
        secrets
    }

    #[test]
    fn placeholders_are_filled_and_other_signs_stay() {
        let secrets = secrets(&[("TOKEN", "abc.def"), ("K_1", "x")]);
        let filled = secrets
            .fill(b"a @@TOKEN@@ @@K_1@@@@@@ @@lower@@ @@")
            .unwrap();
        assert_eq!(filled, b"a abc.def x@@@@ @@lower@@ @@");
        assert_eq!(secrets.fill(b"@@NONE@@").unwrap_err(), ["NONE"]);
    }

    #[test]
    fn debug_shows_names_only() {
        let secrets = secrets(&[("TOKEN", "planted-value")]);
        let shown = format!("{secrets:?} {:?}", Secret::new("planted-value"));
        assert!(shown.contains("TOKEN"));
        assert!(!shown.contains("planted"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_secret_survives_redaction(
            values in proptest::collection::vec("[a-z0-9.=\n]{6,24}", 1..5),
            noise in "[a-z0-9 \n*]{0,40}",
        ) {
            let secrets = Secrets::default();
            for (index, value) in values.iter().enumerate() {
                secrets.insert(format!("S{index}"), Secret::new(value.clone()));
            }
            let text = format!("{noise}{}{noise}{}", values.join(""), values.join(" "));
            let redacted = secrets.redact(&text);
            for value in &values {
                prop_assert!(!redacted.contains(value.as_str()), "{value:?} in {redacted:?}");
            }
        }
    }
}
