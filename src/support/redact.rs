//! Takes secrets out of texts that leave this machine: the values that are known, and everything that has the form of one. Pure.
//!
//! It errs on the side of taking out too much; what is public and needed (certificates, digests, paths) is left.

use std::{borrow::Cow, sync::LazyLock};

use base64::Engine as _;
use regex::{Captures, Regex};

use super::keyed;
use crate::{digest::sha256, ssh::Secrets};

const STARS: &str = "***";

/// A form of a secret, and what stands in its place.
struct Form {
    found: Regex,
    by: Replaced,
}

enum Replaced {
    /// By a template of the regular expression's groups.
    Text(&'static str),
    With(fn(&Captures<'_>) -> String),
}

/// In this order: what spans a whole block first, the least certain last. Values behind keys come after these: [`keyed`].
static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    [
        // A whole key, its end cut off (within the text), or on one line with `\n` between.
        (
            r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)".to_owned(),
            Replaced::Text(STARS),
        ),
        // Its beginning cut off.
        (
            r"(?m)(?:^[.>| \t]*[A-Za-z0-9+/=]+\r?\n)*.*-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----".to_owned(),
            Replaced::Text(STARS),
        ),
        // PEM in base64 that is no certificate: `client-key-data`, wherever it stands.
        (r"LS0tLS1CRUdJTi[A-Za-z0-9+/=_-]*".to_owned(), Replaced::With(pem)),
        // JSON Web Tokens: of service accounts and OIDC.
        (
            r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*)?".to_owned(),
            Replaced::Text(STARS),
        ),
        (
            r"\b((?i:bearer)|Basic)([ \t]+)[A-Za-z0-9._~+/=-]{6,}".to_owned(),
            Replaced::Text("$1$2***"),
        ),
        (
            r#"(?i)(authorization["']?[ \t]*[:=][ \t]*).+"#.to_owned(),
            Replaced::Text("$1***"),
        ),
        // User and password in a URL.
        (
            r#"(://)[^/\s:@'"]*:[^\s'"]+@"#.to_owned(),
            Replaced::Text("$1***@"),
        ),
        // Bootstrap tokens (kubeadm: `[a-z0-9]{6}.[a-z0-9]{16}`).
        (
            r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b".to_owned(),
            Replaced::Text(STARS),
        ),
        // Certificate keys and the like; containers are called so too: a name of its own tells them apart.
        (
            r"(?i)(sha256:|@sha256-)?\b[0-9a-f]{64}\b".to_owned(),
            Replaced::With(hexadecimal),
        ),
        // User and password of `curl` and its like, and of MySQL's data source names.
        (
            r#"((?:^|[\s"'])(?:-u|--user|--proxy-user|--creds)(?:[ \t]+|=|["'][ \t]*,\s*)["']?[^\s:"'0-9][^\s:"']*:)[^\s"']+"#.to_owned(),
            Replaced::Text("$1***"),
        ),
        (
            r"([\w.%+-]+:)\S+(@(?:tcp6?|udp6?|unix)\()".to_owned(),
            Replaced::Text("$1***$2"),
        ),
        (
            r"(?i)\b(auth_pass|requirepass|stats[ \t]+auth|secret_key_base)([ \t]+)\S+".to_owned(),
            Replaced::Text("$1$2***"),
        ),
        // `auth = "dXNlcjpwYXNz"` of registries.
        (
            r#"(?i)(\bauth["']?[ \t]*[:=][ \t]*\\*["'])[^"'\\\s]+"#.to_owned(),
            Replaced::Text("$1***"),
        ),
    ]
    .into_iter()
    .map(|(found, by)| Form {
        // Constant, and each is used by a test.
        found: Regex::new(&found).unwrap_or_else(|error| unreachable!("{error}")),
        by,
    })
    .collect()
});

/// Takes out secrets; made once for all texts of a bundle.
#[derive(Debug)]
pub struct Redactor {
    secrets: Secrets,
    /// Known secrets in base64, as Secrets of Kubernetes and registries have them.
    encoded: Secrets,
}

impl Redactor {
    /// One that knows `secrets` by value.
    pub fn new(secrets: &Secrets) -> Self {
        let encoded = Secrets::default();
        let base64 = base64::engine::general_purpose::STANDARD;
        for name in secrets.names() {
            let Some(secret) = secrets.get(&name) else {
                continue;
            };
            for (index, text) in [secret.expose().to_owned(), format!("{}\n", secret.expose())]
                .into_iter()
                .enumerate()
            {
                let value = base64.encode(text);
                encoded.insert(format!("{name} {index}"), crate::ssh::Secret::new(value));
            }
        }
        Self {
            secrets: secrets.clone(),
            encoded,
        }
    }

    /// The text without anything that is a secret or looks like one.
    pub fn text(&self, text: &str) -> String {
        let known = self.encoded.redact(&self.secrets.redact(text));
        let known = self.short(known);
        let formed = FORMS.iter().fold(known, |text, form| {
            let out = match &form.by {
                Replaced::Text(by) => form.found.replace_all(&text, *by),
                Replaced::With(by) => form.found.replace_all(&text, by),
            };
            match out {
                Cow::Borrowed(_) => text,
                Cow::Owned(out) => out,
            }
        });
        keyed::redact(&formed)
    }

    /// Known secrets that are too short to be taken out of the middle of words: where they stand alone.
    fn short(&self, text: String) -> String {
        let names = self.secrets.names();
        let short = names.iter().filter_map(|name| self.secrets.get(name));
        short
            .filter(|secret| (1..6).contains(&secret.expose().len()))
            .fold(text, |text, secret| alone(&text, secret.expose()))
    }
}

/// `text` with `word` taken out where neither side of it is a letter or a digit.
fn alone(text: &str, word: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        let glued = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        let inside = glued(before.chars().next_back().or(out.chars().next_back()))
            || glued(after.chars().next());
        out.push_str(before);
        out.push_str(if inside { word } else { STARS });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Certificates are public.
fn pem(found: &Captures<'_>) -> String {
    /// `-----BEGIN CERTIFICAT` in base64.
    const CERTIFICATE: &str = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FU";
    if found[0].starts_with(CERTIFICATE) {
        found[0].to_owned()
    } else {
        STARS.to_owned()
    }
}

/// Digests are public. Anything else gets a name by which it is known again, from which nobody finds 32 random bytes.
fn hexadecimal(found: &Captures<'_>) -> String {
    if found.get(1).is_some() {
        return found[0].to_owned();
    }
    format!("***{}***", &sha256(found[0].as_bytes())[..8])
}

#[cfg(test)]
#[path = "redact_tests.rs"]
mod tests;
