use std::{fs, path::Path};

use baremetal::inventory::json_schema;
use serde_json::{Map, Value};

/// A validator of the few keywords that our schema uses, written apart from the one in the program.
fn valid(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(target.trim_start_matches('#')).expect(target);
        return valid(root, target, value);
    }
    let choices = schema.get("anyOf").or_else(|| schema.get("oneOf"));
    if let Some(choices) = choices.and_then(Value::as_array) {
        let fits = choices
            .iter()
            .any(|choice| valid(root, choice, value).is_ok());
        return ensure(fits, || format!("{value} is none of {schema}"));
    }
    if let Some(word) = schema.get("const") {
        return ensure(word == value, || format!("{value} is not {word}"));
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return ensure(words.contains(value), || {
            format!("{value} is none of {words:?}")
        });
    }
    match (schema.get("type").and_then(Value::as_str), value) {
        // YAML reads `1.33` and `3000` as numbers where the program takes the text.
        (None, _)
        | (Some("boolean"), Value::Bool(_))
        | (Some("string"), Value::String(_) | Value::Number(_) | Value::Bool(_)) => Ok(()),
        (Some("integer"), Value::Number(number)) => {
            let number = number.as_f64().unwrap();
            let bound =
                |key: &str, none: f64| schema.get(key).and_then(Value::as_f64).unwrap_or(none);
            let inside =
                (bound("minimum", f64::MIN)..=bound("maximum", f64::MAX)).contains(&number);
            ensure(inside, || format!("{number} is out of range"))
        }
        (Some("array"), Value::Array(items)) => items
            .iter()
            .try_for_each(|item| valid(root, &schema["items"], item)),
        (Some("object"), Value::Object(object)) => valid_object(root, schema, object),
        (Some(wanted), value) => Err(format!("{value} is no {wanted}")),
    }
}

fn valid_object(root: &Value, schema: &Value, object: &Map<String, Value>) -> Result<(), String> {
    for (key, value) in object {
        let known = schema
            .get("properties")
            .and_then(|properties| properties.get(key));
        match known.or_else(|| schema.get("additionalProperties")) {
            Some(Value::Bool(false)) => return Err(format!("unknown key {key}")),
            Some(schema) => valid(root, schema, value).map_err(|why| format!("{key}: {why}"))?,
            None => {}
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    let is_missing = |key: &&Value| !object.contains_key(key.as_str().unwrap());
    let missing: Vec<&Value> = required.into_iter().flatten().filter(is_missing).collect();
    ensure(missing.is_empty(), || format!("missing {missing:?}"))
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

#[test]
fn every_example_validates_against_the_published_schema() {
    let schema = json_schema();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let value: Value = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            valid(&schema, &schema, &value)
                .unwrap_or_else(|why| panic!("{}: {why}", path.display()));
            count += 1;
        }
    }
    assert!(count >= 7, "{count} examples");
}

#[test]
fn the_schema_refuses_what_the_program_refuses() {
    let schema = json_schema();
    for (text, why) in [
        (
            "{cluster: a, hosts: {}, kuberntes: 1.33.4}",
            "unknown key kuberntes",
        ),
        ("{cluster: a}", "missing"),
        (
            "{cluster: a, hosts: {a: {address: x, role: master}}}",
            "is none of",
        ),
        (
            "{cluster: a, hosts: {}, endpoint: {vip: 10.0.0.1, router-id: 256}}",
            "is none of",
        ),
        (
            "{cluster: a, hosts: {}, ssh: {sudo-password: hunter2}}",
            "is none of",
        ),
        ("{cluster: a, hosts: {}, ssh: {port: 0}}", "out of range"),
    ] {
        let value: Value = serde_yaml::from_str(text).unwrap();
        let said = valid(&schema, &schema, &value).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
        assert!(super::load(text).is_err(), "{text}");
    }
}

/// Editors show descriptions, and the README's reference is made of them.
#[test]
fn every_setting_is_described() {
    let schema = json_schema();
    let mut bare = Vec::new();
    let mut open = vec![(String::new(), &schema)];
    let definitions = schema["$defs"].as_object().unwrap();
    open.extend(
        definitions
            .iter()
            .map(|(name, schema)| (name.clone(), schema)),
    );
    for (name, schema) in open {
        for (key, property) in schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            if property.get("description").is_none() {
                bare.push(format!("{name}.{key}"));
            }
        }
        assert!(
            !schema.to_string().contains("\"null\""),
            "{name}: null is never written"
        );
    }
    assert_eq!(bare, Vec::<String>::new());
}
