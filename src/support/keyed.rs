//! Values that stand behind words such as `password`: where each begins is found by its key, where it ends by how it is written.
//!
//! Each pass moves on from where it has looked: the time it takes grows with the text's length.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::extent::{bare, bracketed, in_quotes, lines, scalar, trimmed};

const STARS: &str = "***";

/// What names a secret. More may stand before it (`harborAdminPassword`) and behind it (`PASSWORD_1`, `tokenValue`).
const KEY: &str = r"[\w.-]*(?P<core>pass(?:word|wd|phrase|wort)?|auth[-_]?pass|pwd|secret|token|cookie|credentials?|(?:api|access|secret|private|signing|encryption|certificate|account|client)[-_]?key|key[-_]?data|htpasswd)(?P<more>s?(?:\d[\w.-]*|[_.-][\w.-]*|(?-i:[A-Z])[\w.-]*)?)";

/// What a key ends in that says something about a secret and is none: `secretName`, `token-ttl`, `token.go`.
static ABOUT: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"(?i)(?:names?|namespace|files?|refs?|references?|paths?|dir|directory|ur[li]s?|ttl|seconds|types?|expir(?:y|ed|ation)|audiences?|mode|cert-hash|provider|class|controller|cleaner|manager|reviews?|requests?|versions?|policy|enabled|required|length|count|timeout|\.(?:go|py|sh|ya?ml|json|toml|conf|crt|pem|key|txt|log|service|io|com))$",
    )
});

/// `key:`, `"key" =`, and a `value:` of its own below or behind it.
static KEYED: LazyLock<Regex> = LazyLock::new(|| {
    let value = r#"(?:\s*\{?\s*\\*["']?(?:value|plain|text|content)\\*["']?[ \t]*[:=][ \t]*)?"#;
    regex(&format!(
        r#"(?i)(?P<key>{KEY})(?P<sep>(?P<quote>\\*["']?)[ \t]*(?::=|=>|[:=]){value}[ \t]*)"#
    ))
});

/// `name: DB_PASSWORD` and its `value:`, in YAML, JSON and what Go prints.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(
        r#"(?i)\b(?:name|key)\\*["']?[ \t]*[:=][ \t]*\\*["']?(?P<key>{KEY})(?P<sep>(?P<quote>\\*["']?)[ \t]*,?\s*\\*["']?value\\*["']?[ \t]*[:=][ \t]*)"#
    ))
});

/// `--token VALUE`, also as two members of a list.
static FLAG: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(
        r#"(?im)(?:^|[\s"'`\[,(])--?(?P<key>{KEY})(?P<sep>(?P<quote>\\*["']?)(?:[ \t]*,\s*|[ \t]*\n[ \t]*-[ \t]+|[ \t]+))"#
    ))
});

/// What is no secret wherever it stands; behind it, nothing more.
static LITERAL: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"^(?:\*\*\*|true|false|null|nil|""|''|<(?:nil|none|unset|set to the key [^>\n]*)>|/[\w./-]+\.(?:key|pem|crt))(?:$|[,;}\])"'\\\r\n]|[ \t]+(?:\n|$|Optional:))"#,
    )
});

/// Structures as Go prints them, lists of structures, structures: these have keys of their own.
static STRUCTURE: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r#"^(?:&[\w.]+\{|\[\](?:$|[&*\w.]+\{|[\s,;}\])])|map\[|\(\*|\[\s*\{|\{\s*(?:$|\\*["']?[\w./-]+\\*["']?[ \t]*:))"#,
    )
});

static BLOCK: LazyLock<Regex> = LazyLock::new(|| regex(r"^[|>][-+0-9]*[ \t]*(?:#[^\n]*)?(?:\n|$)"));

pub(super) fn regex(pattern: &str) -> Regex {
    // Constant, and each is used by a test.
    Regex::new(pattern).unwrap_or_else(|error| unreachable!("{error}"))
}

/// The text without values that stand behind keys.
pub(super) fn redact(text: &str) -> String {
    let named = pass(text, &NAMED, |found, value| match go_end(found, value) {
        Some(end) => Some(end),
        None if found["sep"].ends_with("Value:") => end(value, found, Until::Line),
        None => end(value, found, Until::LineIfSpaced),
    });
    let keyed = pass(&named, &KEYED, |found, value| {
        end(value, found, Until::Form)
    });
    pass(&keyed, &FLAG, |found, value| {
        let below = found["sep"].contains('\n');
        let until = if below { Until::Line } else { Until::Word };
        (!value.rest().starts_with('-')).then(|| end(value, found, until))?
    })
}

/// How far a value goes that has no quotes around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until {
    Line,
    Word,
    /// The line where there is a space before it, else the word.
    LineIfSpaced,
    /// As what stands around it tells.
    Form,
}

/// Where a value begins.
struct Value<'a> {
    text: &'a str,
    key: usize,
    at: usize,
    /// Within double quotes that were opened on its line before its key: a message in JSON.
    inside: bool,
}

impl<'a> Value<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Whether nothing but indentation, marks of lists and quotes stands before the key.
    fn first(&self) -> bool {
        let before = self.text[..self.key]
            .trim_end_matches([' ', '\t', '-', '#', '>', '|', '.', '"', '\'', '{', '?']);
        before.is_empty() || before.ends_with('\n')
    }

    /// Spaces and marks of lists before the key.
    fn column(&self) -> usize {
        let line = self.text[..self.key].rfind('\n').map_or(0, |end| end + 1);
        let line = &self.text[line..self.key];
        line.len() - line.trim_start_matches([' ', '\t', '-']).len()
    }

    /// Where the quotes end that stand before its key: `'PASSWORD=two words'`.
    fn quoted_whole(&self) -> Option<usize> {
        if self.inside || !self.text[..self.key].ends_with('\'') {
            return None;
        }
        let line = self.rest().lines().next()?;
        line.find('\'')
    }

    /// Whether the key is the end of a path: `open /run/secrets/token: no such file`.
    fn of_path(&self) -> bool {
        let before = &self.text[..self.key];
        let word = before
            .char_indices()
            .rev()
            .take(300)
            .find(|(_, letter)| letter.is_whitespace() || *letter == '"')
            .map_or(0, |(at, letter)| at + letter.len_utf8());
        let word = &before[word.min(before.len())..];
        before.ends_with('/') && word.starts_with(['/', '.'])
    }
}

/// Replaces what `end` finds of each value: the bytes to take out, none for one that stays.
fn pass(
    text: &str,
    form: &Regex,
    end: impl Fn(&Captures<'_>, &Value<'_>) -> Option<usize>,
) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut kept, mut from, mut counted, mut inside) = (0, 0, 0, false);
    while let Some(found) = form.captures_at(text, from) {
        let (Some(key), Some(sep)) = (found.name("key"), found.name("sep")) else {
            break;
        };
        inside = quoted(text, counted, sep.end(), inside);
        counted = sep.end();
        // A key that has its value below stands for the key of that line.
        let below = sep.as_str().rfind('\n').map(|end| sep.start() + end + 1);
        let indent = |line: usize| {
            line + text[line..].len() - text[line..].trim_start_matches([' ', '\t', '-']).len()
        };
        let value = Value {
            text,
            key: below.map_or(key.start(), indent).min(sep.end()),
            at: sep.end(),
            inside,
        };
        let length = secret(&found).then(|| end(&found, &value)).flatten();
        from = match length {
            Some(length) if length > 0 => {
                out.push_str(&text[kept..sep.end()]);
                if sep.as_str().ends_with([':', '=']) && value.rest().starts_with(['\n', '\r']) {
                    out.push(' ');
                }
                out.push_str(STARS);
                kept = sep.end() + length;
                kept
            }
            _ => sep.end(),
        };
    }
    out.push_str(&text[kept..]);
    out
}

/// Whether the key names a secret itself.
fn secret(found: &Captures<'_>) -> bool {
    let more = found["more"].trim_end_matches(['.', '-']);
    let bare =
        found["core"].eq_ignore_ascii_case("pass") || found["core"].eq_ignore_ascii_case("pwd");
    let numbered = more.trim_start_matches(['s', '_', '-', '.']);
    let plain = numbered.chars().all(|letter| letter.is_ascii_digit())
        || numbered.eq_ignore_ascii_case("value");
    !ABOUT.is_match(more) && (!bare || plain)
}

/// Whether double quotes are open at `to`, if they were `open` at `from`. Each line begins anew.
fn quoted(text: &str, from: usize, to: usize, open: bool) -> bool {
    let (mut open, mut escaped) = (open, false);
    for byte in text.as_bytes().get(from..to).unwrap_or_default() {
        match byte {
            b'\n' => open = false,
            b'"' if !escaped => open = !open,
            _ => {}
        }
        escaped = *byte == b'\\' && !escaped;
    }
    open
}

/// The end of a value of a Go structure `EnvVar{Name:…,Value:…,ValueFrom:…}`.
fn go_end(found: &Captures<'_>, value: &Value<'_>) -> Option<usize> {
    if !found["sep"].ends_with("Value:") {
        return None;
    }
    let rest = value.rest();
    let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
    let end = line.find("ValueFrom:")?;
    Some(end.saturating_sub(1))
}

/// How many bytes a value has; none where it is no secret.
fn end(value: &Value<'_>, found: &Captures<'_>, until: Until) -> Option<usize> {
    let (rest, sep) = (value.rest(), &found["sep"]);
    let colon = sep.trim_end().ends_with(':');
    let below = rest.trim_start_matches([' ', '\t', '\r']);
    let path = value.of_path() && sep.ends_with([' ', '\t']);
    if path || LITERAL.is_match(rest) || STRUCTURE.is_match(rest) {
        return None;
    }
    if colon && until != Until::Word && !value.inside {
        if let Some(head) = BLOCK.find(rest) {
            let lines = lines(&rest[head.end()..], value.column(), |_| true);
            return Some((head.end() + lines).min(trimmed(rest, head.end() + lines)));
        }
        if below.starts_with('\n') {
            let head = rest.len() - below.len() + 1;
            let more = value
                .first()
                .then(|| scalar(&rest[head..], value.column()))??;
            return Some(trimmed(rest, head + more));
        }
    }
    if below.is_empty() || below.starts_with('\n') || (value.inside && rest.starts_with('"')) {
        return None;
    }
    let line = match until {
        Until::Line => true,
        Until::Word => false,
        Until::LineIfSpaced => sep.ends_with([' ', '\t']),
        Until::Form => whole_line(value, found, colon),
    };
    if let Some(end) = bracketed(rest) {
        return Some(if line {
            end.max(bare(rest, value.inside, true, false))
        } else {
            end
        });
    }
    if let Some(end) = in_quotes(rest).or_else(|| value.quoted_whole()) {
        return Some(end);
    }
    // Numbers and the like of JSON.
    let tight = !found["quote"].is_empty() && colon && !sep.ends_with([' ', '\t']);
    Some(bare(rest, value.inside, line, tight))
}

/// Whether a value without quotes goes to the end of its line. Behind a `token:` amid a sentence only a word is taken: tokens
/// have no spaces, and what follows is why something failed.
fn whole_line(value: &Value<'_>, found: &Captures<'_>, colon: bool) -> bool {
    // All of a string, as of lists of variables: `"PASSWORD=two words"`.
    let alone = value.inside && value.text[..value.key].ends_with('"');
    if alone || (value.first() && !value.inside) {
        return true;
    }
    let core = found["core"].to_ascii_lowercase();
    let word = core.contains("pass") || core == "pwd";
    let key = &found["key"];
    let last = key.rsplit('.').next().unwrap_or(key);
    let sentence = !last.contains('_')
        && !last
            .chars()
            .skip(1)
            .any(|letter| letter.is_ascii_uppercase());
    colon && found["sep"].ends_with([' ', '\t']) && (word || !sentence)
}
