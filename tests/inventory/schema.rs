use std::{fs, path::Path, sync::LazyLock};

use baremetal::inventory::{json_schema, published_schema};
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

/// What the published schema says of a text, as an editor asks it; none where it is not even YAML.
fn published(text: &str) -> Option<Result<(), String>> {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        jsonschema::validator_for(&published_schema()).expect("the published schema is a schema")
    });
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).ok()?;
    value.apply_merge().ok()?;
    let value = serde_json::to_value(value).ok()?;
    Some(SCHEMA.validate(&value).map_err(|error| error.to_string()))
}

#[test]
fn an_editor_takes_every_example() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories");
    let mut count = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(published(&text), Some(Ok(())), "{}", path.display());
            count += 1;
        }
    }
    assert!(count >= 7, "{count} examples");
    // Those of the README too.
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let blocks = readme
        .split("```yaml")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let inventories: Vec<&str> = blocks.filter(|block| block.contains("cluster: ")).collect();
    assert!(inventories.len() >= 2);
    for text in inventories {
        let indent = text.lines().nth(1).unwrap();
        let indent = indent.len() - indent.trim_start().len();
        let text: String = text
            .lines()
            .map(|line| format!("{}\n", line.get(indent..).unwrap_or("")))
            .collect();
        assert_eq!(published(&text), Some(Ok(())), "{text}");
        super::load(&text).unwrap();
    }
}

#[test]
fn an_editor_and_the_program_take_the_same() {
    // What YAML reads as a number, a truth or a merged mapping is taken as the text it is.
    for change in [
        "labels: {gpu: true, slot: 3, version: 1.10}",
        "labels: {gpu: 'true'}",
        "kubelet: {maxPods: 60}",
        "role: [worker]",
    ] {
        let text = super::BASE.replace(
            "w1: {address: 10.0.0.21}",
            &format!("w1: {{address: 10.0.0.21, {change}}}"),
        );
        assert_eq!(published(&text), Some(Ok(())), "{change}");
        super::load(&text).unwrap_or_else(|error| panic!("{change}: {error:#}"));
    }
    for more in [
        "metallb: 10.0.0.200-10.0.0.219",
        "metallb: {pools: {a: 10.0.0.200/29, b: {addresses: [10.0.0.220-10.0.0.225]}}}",
        "longhorn: true\nallow-even-control-planes: true",
        "network: {pods: 10.244.0.0/16, services: [10.96.0.0/16]}\ndefaults: {}",
        "groups: {edge: {labels: {a: b}}}\ndefaults: {annotations: {n: 1}}",
        "x: &w {labels: {a: b}}",
    ] {
        let text = format!("{}{more}\n", super::BASE);
        let program = super::load(&text).is_ok();
        assert_eq!(
            published(&text).map(|said| said.is_ok()),
            Some(program),
            "{more}"
        );
    }
}

/// What is wrong with a key or a value by itself: an editor sees it, and the program. `FROM`, `TO` in [`super::BASE`].
const BOTH: &[(&str, &str)] = &[
    ("ssh: {user: ops}", "ssh: {usr: ops}"),
    ("ssh: {user: ops}", "ssh: {port: 70000}"),
    ("ssh: {user: ops}", "ssh: {port: ssh}"),
    ("ssh: {user: ops}", "ssh: [ops]"),
    ("ssh: {user: ops}", "ssh: {sudo-password: hunter2}"),
    ("ssh: {user: ops}", "kube-proxy: {mode: userspace}"),
    ("ssh: {user: ops}", "network: {plugin: flanel}"),
    ("ssh: {user: ops}", "longhorn: {replicas: many}"),
    ("ssh: {user: ops}", "system: {swap: maybe}"),
    ("ssh: {user: ops}", "run: {parallel: 0}"),
    ("cluster: demo\n", ""),
    ("endpoint: 10.0.0.10", "endpiont: 10.0.0.10"),
    (
        "endpoint: 10.0.0.10",
        "endpoint: {vip: 10.0.0.10, router-id: 300}",
    ),
    ("{address: 10.0.0.21}", "{adress: 10.0.0.21}"),
    ("{address: 10.0.0.21}", "{role: worker}"),
    ("{address: 10.0.0.21}", "{address: 10.0.0.21, role: master}"),
    ("{address: 10.0.0.21}", "{address: 10.0.0.21, labels: [a]}"),
    (
        "{address: 10.0.0.21}",
        "{address: 10.0.0.21, data-disks: 3}",
    ),
];
/// What the program alone sees, and why: a schema knows one value at a time, and of texts no more than that they are.
const PROGRAM_ALONE: &[(&str, &str, &str)] = &[
    (
        "10.0.0.21}",
        "10.0.0.321}",
        "an address is a text to a schema",
    ),
    (
        "1.33.4",
        "1.27.3",
        "which versions are supported is in the catalog",
    ),
    ("cluster: demo", "cluster: Demo_1", "a name is a text"),
    ("10.0.0.22}", "10.0.0.21}", "two hosts with one address"),
    (
        "endpoint: 10.0.0.10",
        "endpoint: 10.0.0.11",
        "the virtual IP is a host's",
    ),
    (
        "  cp2: {address: 10.0.0.12, role: control-plane}\n",
        "",
        "an even number of control planes",
    ),
    (
        "{user: ops}",
        "{user: ops}\nmetallb: 10.0.0.5-10.0.0.15",
        "hosts in a pool",
    ),
    (
        "{user: ops}",
        "{user: ops}\nnetwork: {pods: 10.0.0.0/16}",
        "hosts in the pods' network",
    ),
    (
        "{user: ops}",
        "{user: ops}\nartifacts: {bundle: a, mirror: 'https://b'}",
        "exactly one source",
    ),
    (
        "address: 10.0.0.21",
        "address: 10.0.0.21, group: nowhere",
        "a group that is not there",
    ),
];

#[test]
fn what_an_editor_refuses_the_program_refuses_and_the_rest_is_known() {
    let changed = |from: &str, to: &str| {
        assert!(super::BASE.contains(from), "{from}");
        super::BASE.replacen(from, to, 1)
    };
    for (from, to) in BOTH {
        let text = changed(from, to);
        assert!(super::load(&text).is_err(), "the program takes {to}");
        assert!(
            matches!(published(&text), Some(Err(_))),
            "an editor takes {to}"
        );
    }
    for (from, to, why) in PROGRAM_ALONE {
        let text = changed(from, to);
        assert!(super::load(&text).is_err(), "the program takes {to}");
        assert_eq!(
            published(&text),
            Some(Ok(())),
            "not for the program alone: {why}"
        );
    }
}

/// Every snippet of `mistakes/`: what is wrong with a key or a value by itself is seen by both.
#[test]
fn mistakes_of_keys_and_kinds_are_seen_by_an_editor_too() {
    let (mut both, mut alone, mut blind) = (0, 0, Vec::new());
    for (text, says) in super::mistakes::all() {
        let Some(said) = published(&text) else {
            continue;
        };
        let plain = says
            .iter()
            .any(|line| line.contains("unknown key `") || line.contains(" is out of range; "));
        match said {
            Err(_) => both += 1,
            Ok(()) if plain => blind.push(says),
            Ok(()) => alone += 1,
        }
    }
    assert_eq!(blind, Vec::<Vec<String>>::new());
    assert!(both > 30 && alone > 30, "{both} {alone}");
}
