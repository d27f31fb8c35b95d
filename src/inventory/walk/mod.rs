//! Checks a tree against the JSON Schema and turns what is right into a value; every mistake is collected with its position.
//!
//! What is wrong is left out of the value, so that the rules that follow can judge the rest in the same run.

mod choices;
mod plain;

use serde_json::{Map, Number, Value};

use choices::Choices;
use plain::integer;
pub use plain::plain_value;

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
