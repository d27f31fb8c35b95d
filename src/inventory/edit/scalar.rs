//! Values as YAML text that reads back as the same values, here and in other tools.

use serde_json::Value;

use crate::inventory::{walk, yaml};

/// How values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writing {
    /// Quotes around text that needs them: `"` or `'`.
    pub quote: char,
    /// Quotes around every text and key, as JSON needs them.
    pub json: bool,
    /// `{ a: b }` instead of `{a: b}`.
    pub padded: bool,
    /// `{"a":"b","c":"d"}`: no space after `:` and `,`.
    pub dense: bool,
}

impl Default for Writing {
    fn default() -> Self {
        Self {
            quote: '"',
            json: false,
            padded: false,
            dense: false,
        }
    }
}

impl Writing {
    /// A value on one line.
    pub fn value(self, value: &Value) -> String {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                let items = items.iter().map(|item| self.value(item));
                ["[", &self.list(items), "]"].concat()
            }
            Value::Object(map) => {
                let entries = map.iter().map(|(key, value)| (key.as_str(), value));
                self.map(entries)
            }
            other => other.to_string(),
        }
    }

    /// A mapping on one line.
    pub fn map<'a>(self, entries: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
        let colon = if self.dense { ":" } else { ": " };
        let entries =
            entries.map(|(key, value)| [&self.text(key), colon, &self.value(value)].concat());
        let inside = self.list(entries);
        match (inside.is_empty(), self.padded) {
            (false, true) => ["{ ", &inside, " }"].concat(),
            _ => ["{", &inside, "}"].concat(),
        }
    }

    fn list(self, items: impl Iterator<Item = String>) -> String {
        let comma = if self.dense { "," } else { ", " };
        items.collect::<Vec<_>>().join(comma)
    }

    /// A text or key.
    pub fn text(self, text: &str) -> String {
        if !self.json && is_plain(text) {
            return text.to_owned();
        }
        if self.quote == '\'' && !self.json && !text.chars().any(char::is_control) {
            return ["'", &text.replace('\'', "''"), "'"].concat();
        }
        // A JSON string is a double-quoted scalar.
        Value::String(text.to_owned()).to_string()
    }
}

/// Whether a text reads as itself without quotes in flow and block style, in YAML 1.1 as in 1.2.
fn is_plain(text: &str) -> bool {
    let first_fits = text.starts_with(|c: char| c.is_ascii_alphanumeric() || "/_.~".contains(c));
    let rest_fits = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_./@+=~-".contains(c));
    let words = [
        "y", "n", "yes", "no", "on", "off", "true", "false", "null", "~",
    ];
    let is_word = words.iter().any(|word| text.eq_ignore_ascii_case(word));
    let like_number = text.parse::<f64>().is_ok()
        || text.trim_start_matches('.').eq_ignore_ascii_case("inf")
        || text.trim_start_matches('.').eq_ignore_ascii_case("nan")
        || text.starts_with(|c: char| c.is_ascii_digit())
            && text
                .chars()
                .all(|c| c.is_ascii_hexdigit() || "_x-".contains(c));
    let scalar = yaml::Node {
        at: super::super::diagnostic::Position::default(),
        value: yaml::Yaml::Scalar(yaml::Scalar {
            text: text.to_owned(),
            plain: true,
        }),
    };
    first_fits
        && rest_fits
        && !is_word
        && !like_number
        && walk::plain_value(&scalar) == Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_is_quoted_where_it_would_read_as_something_else() {
        let writing = Writing::default();
        for plain in [
            "10.0.0.14",
            "worker",
            "/var/lib/longhorn",
            "~/.ssh/id",
            "node-1.site",
            "ops@bastion",
        ] {
            assert_eq!(writing.text(plain), plain);
        }
        for quoted in [
            "",
            "1",
            "0x1f",
            "1.5",
            "1e3",
            "yes",
            "No",
            "~",
            "null",
            "fd00::1",
            "a b",
            "a: b",
            "#a",
            "-a",
            "2026-11-21",
            "a,b",
            "x=1:NoSchedule",
            ".inf",
            "é",
        ] {
            assert_eq!(writing.text(quoted), format!("\"{quoted}\""));
        }
        let single = Writing {
            quote: '\'',
            ..writing
        };
        assert_eq!(single.text("it's 1"), "'it''s 1'");
        assert_eq!(single.text("a\nb"), "\"a\\nb\"");
    }

    #[test]
    fn collections_stand_on_one_line() {
        let value = json!({"a": ["x", 1, true], "b": {}});
        let writing = Writing::default();
        assert_eq!(writing.value(&value), "{a: [x, 1, true], b: {}}");
        let padded = Writing {
            padded: true,
            ..writing
        };
        assert_eq!(padded.value(&value), "{ a: [x, 1, true], b: {} }");
        let json = Writing {
            json: true,
            dense: true,
            ..writing
        };
        assert_eq!(json.value(&value), value.to_string());
    }
}
