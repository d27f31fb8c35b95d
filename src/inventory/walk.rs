//! Checks a tree against the JSON Schema and turns what is right into a value; every mistake is collected with its position.
//!
//! What is wrong is left out of the value, so that the rules that follow can judge the rest in the same run.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use super::{
    diagnostic::Mistake,
    forms, keys,
    yaml::{Node, Scalar, Yaml},
};

/// Checks a document; the value holds everything that is right.
pub fn check(schema: &Value, node: &Node, mistakes: &mut Vec<Mistake>) -> Value {
    let mut walk = Walk {
        root: schema,
        mistakes,
        path: Path::default(),
    };
    walk.node(schema, node).unwrap_or(Value::Object(Map::new()))
}

/// The way to a value: `hosts.cp1.taints[0]`.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn text(&self) -> String {
        let mut text = String::new();
        for segment in &self.0 {
            if !text.is_empty() && !segment.starts_with('[') {
                text.push('.');
            }
            text.push_str(segment);
        }
        text
    }
}

struct Walk<'a> {
    root: &'a Value,
    mistakes: &'a mut Vec<Mistake>,
    path: Path,
}

impl<'a> Walk<'a> {
    fn node(&mut self, schema: &'a Value, node: &Node) -> Option<Value> {
        let mut choices = Choices::default();
        choices.add(self.root, schema);
        if choices.free {
            return Some(plain_value(node));
        }
        if node.is_null() {
            self.mistake(node, "has no value; write one, or remove the key");
            return None;
        }
        match &node.value {
            Yaml::Map(entries) if !choices.objects.is_empty() => {
                let object = choices.objects[0];
                Some(Value::Object(self.object(object, node, entries)))
            }
            Yaml::List(items) if !choices.arrays.is_empty() => {
                Some(self.list(choices.arrays[0], items))
            }
            Yaml::Scalar(scalar) if choices.takes_scalars() && !choices.secret => {
                self.scalar(&choices, node, scalar)
            }
            Yaml::Scalar(scalar) if choices.words.iter().any(|word| **word == *scalar.text) => {
                Some(Value::String(scalar.text.clone()))
            }
            _ if choices.secret => {
                self.mistake(node, SECRET);
                None
            }
            value => {
                let found = match value {
                    Yaml::Map(_) => "a mapping",
                    Yaml::List(_) => "a list",
                    Yaml::Scalar(_) => "a single value",
                };
                let message = format!("is {found}; write {}", choices.wanted());
                self.mistake(node, message);
                None
            }
        }
    }

    fn list(&mut self, schema: &'a Value, items: &[Node]) -> Value {
        let item_schema = schema.get("items").unwrap_or(&Value::Bool(true));
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            self.path.0.push(format!("[{index}]"));
            values.extend(self.node(item_schema, item));
            self.path.0.pop();
        }
        Value::Array(values)
    }

    fn object(
        &mut self,
        schema: &'a Value,
        node: &Node,
        entries: &[(super::yaml::Key, Node)],
    ) -> Map<String, Value> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties");
        let mut object = Map::new();
        let mut meant = Vec::new();
        for (key, value) in entries {
            let known = properties.and_then(|properties| properties.get(&key.text));
            let item_schema = match known.or(others) {
                Some(Value::Bool(false)) => {
                    meant.extend(self.unknown_key(properties, key));
                    continue;
                }
                Some(schema) => schema,
                None => &Value::Bool(true),
            };
            self.path.0.push(key.text.clone());
            if let Some(value) = self.node(item_schema, value) {
                object.insert(key.text.clone(), value);
            }
            self.path.0.pop();
        }
        for required in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(name) = required.as_str() else {
                continue;
            };
            if node.get(name).is_none() && !meant.iter().any(|word| word == name) {
                let about = properties
                    .and_then(|properties| properties.get(name))
                    .and_then(|property| property.get("description"))
                    .and_then(Value::as_str)
                    .and_then(|text| text.split(['.', ':']).next())
                    .map(|text| format!(": {}", lower_first(text)))
                    .unwrap_or_default();
                self.mistake(node, format!("`{name}` is missing; add it{about}"));
            }
        }
        object
    }

    fn scalar(&mut self, choices: &Choices<'a>, node: &Node, scalar: &Scalar) -> Option<Value> {
        let text = scalar.text.as_str();
        if scalar.plain {
            if choices.boolean
                && let Ok(value) = text.parse::<bool>()
            {
                return Some(Value::Bool(value));
            }
            if let Some(schema) = choices.integer
                && let Some(number) = integer(text)
            {
                return self.in_range(schema, node, number);
            }
        }
        if choices.words.contains(&text) {
            return Some(Value::String(text.to_owned()));
        }
        let mut refusal = None;
        for schema in &choices.strings {
            let form = schema
                .get("format")
                .and_then(Value::as_str)
                .unwrap_or_default();
            match forms::check(form, text) {
                Ok(()) => return Some(Value::String(text.to_owned())),
                Err(why) => refusal = Some(why),
            }
        }
        let message = match refusal {
            Some(why) if choices.words.is_empty() && !choices.boolean => format!("`{text}` {why}"),
            _ => choices.refuse(scalar),
        };
        self.mistake(node, message);
        None
    }

    fn in_range(&mut self, schema: &Value, node: &Node, number: i64) -> Option<Value> {
        let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
        let least = bound("minimum").unwrap_or(f64::MIN);
        let most = bound("maximum").unwrap_or(f64::MAX);
        #[expect(
            clippy::cast_precision_loss,
            reason = "bounds in the schema are far below 2^52"
        )]
        let inside = (least..=most).contains(&(number as f64));
        if inside {
            return Some(Value::Number(Number::from(number)));
        }
        let message = match (bound("minimum"), bound("maximum")) {
            (Some(least), Some(most)) => {
                format!("{number} is out of range; write a number from {least} to {most}")
            }
            (Some(least), None) => {
                format!("{number} is too small; write a number of at least {least}")
            }
            _ => format!("{number} is too large; write a number of at most {most}"),
        };
        self.mistake(node, message);
        None
    }

    /// Returns the key that was probably meant.
    fn unknown_key(
        &mut self,
        properties: Option<&Map<String, Value>>,
        key: &super::yaml::Key,
    ) -> Option<String> {
        let known: Vec<&str> = properties
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        let (meant, advice) = keys::advice(self.root, &self.path.text(), &known, &key.text);
        self.path.0.push(key.text.clone());
        let message = format!("unknown key `{}`; {advice}", key.text);
        self.mistakes
            .push(Mistake::new(key.at, self.path.text(), message));
        self.path.0.pop();
        meant
    }

    fn mistake(&mut self, node: &Node, message: impl Into<String>) {
        self.mistakes
            .push(Mistake::new(node.at, self.path.text(), message));
    }
}

const SECRET: &str =
    "a secret never stands in the inventory; write `{file: PATH}`, `{env: NAME}` or `prompt`";

/// What a place in the inventory may hold, gathered from `$ref`, `anyOf` and `oneOf`.
#[derive(Default)]
struct Choices<'a> {
    free: bool,
    objects: Vec<&'a Value>,
    arrays: Vec<&'a Value>,
    strings: Vec<&'a Value>,
    integer: Option<&'a Value>,
    boolean: bool,
    words: Vec<&'a str>,
    secret: bool,
    instead: Option<&'a str>,
}

impl<'a> Choices<'a> {
    fn add(&mut self, root: &'a Value, schema: &'a Value) {
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

    fn takes_scalars(&self) -> bool {
        self.boolean || self.integer.is_some() || !self.strings.is_empty() || !self.words.is_empty()
    }

    /// The message for a scalar that is nothing of what is wanted.
    fn refuse(&self, scalar: &Scalar) -> String {
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
    fn wanted(&self) -> String {
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

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    let is_acronym = text
        .chars()
        .take(2)
        .filter(char::is_ascii_uppercase)
        .count()
        == 2;
    match chars.next() {
        Some(first) if !is_acronym => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

/// An integer of YAML 1.2's core schema.
fn integer(text: &str) -> Option<i64> {
    if let Some(hex) = text.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16).ok();
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return i64::from_str_radix(octal, 8).ok();
    }
    text.parse().ok()
}

/// A tree as it is, by YAML 1.2's core schema: for places where anything may be written.
pub fn plain_value(node: &Node) -> Value {
    match &node.value {
        Yaml::Scalar(scalar) => plain_scalar(scalar),
        Yaml::List(items) => Value::Array(items.iter().map(plain_value).collect()),
        Yaml::Map(entries) => {
            let object: BTreeMap<String, Value> = entries
                .iter()
                .map(|(key, value)| (key.text.clone(), plain_value(value)))
                .collect();
            Value::Object(object.into_iter().collect())
        }
    }
}

fn plain_scalar(scalar: &Scalar) -> Value {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Value::String(text.to_owned());
    }
    if scalar.is_null() {
        return Value::Null;
    }
    if let Some(number) = integer(text) {
        return Value::Number(Number::from(number));
    }
    match text {
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let looks_like_float = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if looks_like_float && let Some(number) = text.parse().ok().and_then(Number::from_f64) {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}
