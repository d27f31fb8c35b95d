//! The README's reference of settings is made of the schema's own descriptions.

use std::{env, fs, path::Path};

use baremetal::inventory::json_schema;
use serde_json::Value;

const START: &str =
    "<!-- inventory reference: made by `cargo test reference` with UPDATE_README=1 -->";
const END: &str = "<!-- end of inventory reference -->";

struct Reference<'a> {
    root: &'a Value,
    rows: String,
}

impl<'a> Reference<'a> {
    /// What a schema stands for: itself, or the choices of its `anyOf`.
    fn choices(&self, schema: &'a Value) -> Vec<&'a Value> {
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = self
                .root
                .pointer(target.trim_start_matches('#'))
                .expect(target);
            return self.choices(target);
        }
        match schema
            .get("anyOf")
            .or_else(|| schema.get("oneOf"))
            .and_then(Value::as_array)
        {
            Some(choices) => choices
                .iter()
                .flat_map(|choice| self.choices(choice))
                .collect(),
            None => vec![schema],
        }
    }

    /// How a value is written, for the middle column.
    fn form(&self, schema: &'a Value) -> String {
        let mut forms: Vec<String> = Vec::new();
        for choice in self.choices(schema) {
            let form = match choice.get("type").and_then(Value::as_str) {
                Some("boolean") => "`true` or `false`".to_owned(),
                Some("integer") => "number".to_owned(),
                Some("array") => format!(
                    "list of {}",
                    self.form(choice.get("items").unwrap_or(&Value::Bool(true)))
                ),
                Some("object") if choice.get("properties").is_some() => "mapping".to_owned(),
                Some("object") => match choice
                    .get("additionalProperties")
                    .filter(|value| value.is_object())
                {
                    Some(values) => format!("NAME: {}", self.form(values)),
                    None => "mapping".to_owned(),
                },
                Some("string") if choice.get("const").is_some() => {
                    format!("`{}`", choice["const"].as_str().unwrap_or_default())
                }
                Some("string") if choice.get("enum").is_some() => {
                    let words = choice["enum"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(Value::as_str);
                    words
                        .map(|word| format!("`{word}`"))
                        .collect::<Vec<_>>()
                        .join(", ")
                }
                Some("string") => match choice.pointer("/examples/0").and_then(Value::as_str) {
                    Some(example) => format!("`{example}`"),
                    None => "text".to_owned(),
                },
                _ => "anything".to_owned(),
            };
            if !forms.contains(&form) {
                forms.push(form);
            }
        }
        forms.join(", ")
    }

    fn object(&mut self, schema: &'a Value, prefix: &str) {
        let properties = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten();
        let required = schema
            .get("required")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for (key, property) in properties {
            let path = format!("{prefix}{key}");
            let about = property
                .get("description")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .replace('\n', " ")
                .replace('|', "\\|");
            let must = if required.iter().any(|name| name == key) {
                " **Required.**"
            } else {
                ""
            };
            let form = self.form(property).replace('|', "\\|");
            self.rows
                .push_str(&["| `", &path, "` | ", &form, " | ", &about, must, " |\n"].concat());
            if !AS_ELSEWHERE.contains(&path.as_str()) {
                self.inner(property, &path);
            }
        }
    }

    fn inner(&mut self, schema: &'a Value, path: &str) {
        for choice in self.choices(schema) {
            if choice.get("properties").is_some() {
                self.object(choice, &format!("{path}."));
            } else if let Some(values) = choice
                .get("additionalProperties")
                .filter(|value| value.is_object())
            {
                self.inner(values, &format!("{path}.NAME"));
            } else if let Some(items) = choice.get("items") {
                self.inner(items, &format!("{path}[]"));
            }
        }
    }
}

/// Settings that take what another one takes: `hosts.NAME`, `ssh`, `control-plane.api-server`.
const AS_ELSEWHERE: [&str; 5] = [
    "groups",
    "defaults",
    "hosts.NAME.ssh",
    "control-plane.controller-manager",
    "control-plane.scheduler",
];

/// Sections in the order in which a reader needs them.
const SECTIONS: &[(&str, &[&str])] = &[
    (
        "The cluster",
        &[
            "cluster",
            "kubernetes",
            "endpoint",
            "allow-even-control-planes",
        ],
    ),
    ("Hosts", &["hosts", "groups", "defaults", "ssh"]),
    ("Networks", &["network", "kube-proxy"]),
    (
        "Services and storage",
        &["metallb", "longhorn", "harbor", "addons"],
    ),
    ("Kubernetes", &["control-plane", "kubelet"]),
    ("Machines", &["runtime", "registries", "system"]),
    (
        "Artifacts, lab, run",
        &["artifacts", "lab", "run", "verify"],
    ),
];

fn reference() -> String {
    let schema = json_schema();
    let properties = schema["properties"].as_object().expect("properties");
    let mut text = String::new();
    for (title, keys) in SECTIONS {
        text.push_str(
            &[
                "\n#### ",
                title,
                "\n\n| setting | form | meaning |\n|---|---|---|\n",
            ]
            .concat(),
        );
        for key in *keys {
            let section = serde_json::json!({"properties": {*key: properties[*key]}, "required": schema["required"]});
            text.push_str(&rows(&schema, &section));
        }
    }
    let listed: usize = SECTIONS.iter().map(|(_, keys)| keys.len()).sum();
    assert_eq!(listed, properties.len(), "a setting stands in no section");
    text
}

fn rows(schema: &Value, section: &Value) -> String {
    let mut reference = Reference {
        root: schema,
        rows: String::new(),
    };
    reference.object(section, "");
    reference.rows
}

#[test]
fn the_reference_in_the_readme_is_the_schemas() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&readme).unwrap_or_default();
    let made = format!("{START}\n{}\n{END}", reference());
    if let Some(fragment) = env::var_os("INVENTORY_REFERENCE") {
        fs::write(fragment, &made).unwrap();
    }
    let Some((before, rest)) = text.split_once(START) else {
        // A README without the reference is checked for what it must mention.
        assert!(reference().contains("| `hosts.NAME.address` |"));
        return;
    };
    let (_, after) = rest.split_once(END).expect("the end of the reference");
    let wanted = format!("{before}{made}{after}");
    if env::var_os("UPDATE_README").is_some() {
        fs::write(&readme, &wanted).unwrap();
    } else {
        assert!(
            text == wanted,
            "README.md differs from the schema; run `UPDATE_README=1 cargo test reference`"
        );
    }
}
