//! What a place in the inventory may hold.

use serde_json::Value;

use crate::inventory::{keys, yaml::Scalar};

/// What a place in the inventory may hold, gathered from `$ref`, `anyOf` and `oneOf`.
#[derive(Default)]
pub struct Choices<'a> {
    pub free: bool,
    pub objects: Vec<&'a Value>,
    pub arrays: Vec<&'a Value>,
    pub strings: Vec<&'a Value>,
    pub integer: Option<&'a Value>,
    pub boolean: bool,
    pub words: Vec<&'a str>,
    pub secret: bool,
    pub instead: Option<&'a str>,
}

impl<'a> Choices<'a> {
    pub fn add(&mut self, root: &'a Value, schema: &'a Value) {
        let Some(object) = schema.as_object() else {
            self.free = schema == &Value::Bool(true);
            return;
        };
        self.secret |= object.contains_key("x-secret");
        if let Some(text) = object.get("x-instead").and_then(Value::as_str) {
            self.instead = Some(text);
        }
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            if let Some(target) = root.pointer(target.trim_start_matches('#')) {
                self.add(root, target);
            }
            return;
        }
        for branch in ["anyOf", "oneOf"] {
            for choice in object
                .get(branch)
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
            {
                self.add(root, choice);
            }
        }
        if let Some(word) = object.get("const").and_then(Value::as_str) {
            self.words.push(word);
            return;
        }
        if let Some(words) = object.get("enum").and_then(Value::as_array) {
            self.words.extend(words.iter().filter_map(Value::as_str));
            return;
        }
        match object.get("type").and_then(Value::as_str) {
            Some("object") => self.objects.push(schema),
            Some("array") => self.arrays.push(schema),
            Some("string") => self.strings.push(schema),
            Some("integer" | "number") => self.integer = Some(schema),
            Some("boolean") => self.boolean = true,
            _ => {
                let shaped = ["anyOf", "oneOf", "$ref"]
                    .iter()
                    .any(|key| object.contains_key(*key));
                self.free |= !shaped;
            }
        }
    }

    pub fn takes_scalars(&self) -> bool {
        self.boolean || self.integer.is_some() || !self.strings.is_empty() || !self.words.is_empty()
    }

    /// The message for a scalar that is nothing of what is wanted.
    pub fn refuse(&self, scalar: &Scalar) -> String {
        let text = &scalar.text;
        if self.boolean && self.words.is_empty() && self.strings.is_empty() {
            let lower = text.to_lowercase();
            let write = match lower.as_str() {
                "yes" | "on" | "y" | "true" | "1" => "write `true`".to_owned(),
                "no" | "off" | "n" | "false" | "0" => "write `false`".to_owned(),
                _ => format!("write {}", self.wanted()),
            };
            return format!("`{text}` is not a boolean; {write}");
        }
        if let Some(schema) = self.integer.filter(|_| self.words.is_empty()) {
            let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
            let range = match (bound("minimum"), bound("maximum")) {
                (Some(least), Some(most)) => format!(" from {least} to {most}"),
                _ => String::new(),
            };
            let quotes = if scalar.plain { "" } else { ", without quotes" };
            return format!("`{text}` is not a whole number; write one{range}{quotes}");
        }
        match keys::nearest_word(text, &self.words) {
            Some(near) => format!("`{text}` is unknown; write `{near}`"),
            None => format!("`{text}` is unknown; write {}", self.wanted()),
        }
    }

    /// `one of …`, for messages.
    pub fn wanted(&self) -> String {
        if let Some(text) = self.instead {
            return text.to_owned();
        }
        let mut wanted: Vec<String> = Vec::new();
        if self.boolean {
            wanted.push("`true` or `false`".to_owned());
        }
        wanted.extend(self.words.iter().map(|word| format!("`{word}`")));
        if self.integer.is_some() {
            wanted.push("a whole number".to_owned());
        }
        for schema in &self.strings {
            let example = schema.pointer("/examples/0").and_then(Value::as_str);
            wanted.push(example.map_or_else(
                || "text".to_owned(),
                |example| format!("a value such as `{example}`"),
            ));
        }
        if !self.arrays.is_empty() {
            wanted.push("a list".to_owned());
        }
        if let Some(object) = self.objects.first() {
            let names: Vec<&String> = object
                .get("properties")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .map(|(name, _)| name)
                .collect();
            wanted.push(match names.first() {
                Some(name) => format!("a mapping with keys such as `{name}:`"),
                None => "a mapping".to_owned(),
            });
        }
        join_or(&wanted)
    }
}

fn join_or(words: &[String]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
