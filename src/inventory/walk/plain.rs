//! Scalars by YAML 1.2's core schema.

use std::collections::BTreeMap;

use serde_json::{Number, Value};

use crate::inventory::yaml::{Node, Scalar, Yaml};

/// An integer of YAML 1.2's core schema.
pub fn integer(text: &str) -> Option<i64> {
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
