//! Reads an inventory from its file.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use semver::Version;
use serde_json::Value;

use super::{
    Cluster,
    context::Context,
    diagnostic::{self, Mistake, Position},
    kubespray::{self, Converted},
    resolve, rules,
    schema::Document,
    walk,
    yaml::{self, Node, Yaml},
};
use crate::failure::{Code, Failure};

/// What the command line says over the inventory.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Used instead of the inventory's artifact source.
    pub bundle: Option<PathBuf>,
    /// Used instead of the inventory's `kubernetes`.
    pub kubernetes: Option<Version>,
    /// Accept an even number of control planes, which is there while nodes leave one after the other.
    pub even_control_planes: bool,
}

/// Reads an inventory; every mistake is found at once. Fails with [`Code::Inventory`].
pub fn load(path: &Path) -> anyhow::Result<Cluster> {
    load_with(path, &LoadOptions::default())
}

/// As [`load`], with what the command line says over it. A directory is taken for an inventory of kubespray's.
pub fn load_with(path: &Path, options: &LoadOptions) -> anyhow::Result<Cluster> {
    let path = &file_of(path);
    let text = read(path)?;
    if let Some(converted) = foreign(path, &text) {
        let converted = converted.map_err(|mistakes| diagnostic::failure(path, mistakes))?;
        return Ok(from_kubespray(path, converted, options)?);
    }
    from_text(&text, path, options).map_err(|mistakes| diagnostic::failure(path, mistakes).into())
}

/// As [`load_with`], of a text that is to lie at `path`.
pub fn load_text(text: &str, path: &Path, options: &LoadOptions) -> anyhow::Result<Cluster> {
    from_text(text, path, options).map_err(|mistakes| diagnostic::failure(path, mistakes).into())
}

/// An inventory of kubespray's as a text of ours, and what was not carried over. Fails with [`Code::Inventory`].
pub fn converted(path: &Path) -> anyhow::Result<(String, Vec<String>)> {
    let file = file_of(path);
    let text = read(&file)?;
    let Some(converted) = foreign(&file, &text) else {
        let what = format!("{} is no inventory of kubespray's", file.display());
        let hint =
            "give the directory that holds inventory.ini or hosts.yaml, with group_vars beside it";
        return Err(Failure::new(Code::Inventory, what).hint(hint).into());
    };
    let converted = converted.map_err(|mistakes| diagnostic::failure(&file, mistakes))?;
    let (text, warnings) = (converted.text.clone(), converted.warnings.clone());
    // What the loader refuses is told in terms of kubespray's files.
    let cluster = from_kubespray(&file, converted, &LoadOptions::default())?;
    drop(cluster);
    Ok((text, warnings))
}

/// The file of an inventory: kubespray's inside when a directory is given.
pub(super) fn file_of(path: &Path) -> PathBuf {
    let inside = path.is_dir().then(|| kubespray::file_in(path)).flatten();
    inside.unwrap_or_else(|| path.to_owned())
}

/// An inventory of kubespray's in our words, when this is one.
pub(super) fn foreign(path: &Path, text: &str) -> Option<Result<Converted, Vec<Mistake>>> {
    if kubespray::is_ini(path, text) {
        return Some(kubespray::from_ini(path, text));
    }
    if !text.lines().any(|line| line.starts_with("all:")) {
        return None;
    }
    let tree = yaml::parse(text).0.filter(kubespray::is_ansible_yaml)?;
    Some(kubespray::from_yaml(path, &tree))
}

fn from_kubespray(
    path: &Path,
    converted: Converted,
    options: &LoadOptions,
) -> Result<Cluster, Failure> {
    match from_text(&converted.text, path, options) {
        Ok(mut cluster) => {
            cluster.warnings.splice(0..0, converted.warnings);
            for host in &mut cluster.hosts {
                if let Some(origin) = converted.origins.get(&format!("hosts.{}", host.name)) {
                    host.position = (origin.at.line, origin.at.column);
                }
            }
            Ok(cluster)
        }
        Err(mistakes) => {
            let lines = mistakes
                .iter()
                .map(|mistake| converted.original(path, mistake));
            Err(diagnostic::failure_of_lines(
                path,
                &lines.collect::<Vec<_>>(),
            ))
        }
    }
}

/// The JSON Schema of the inventory, for editors and for our own checks.
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

/// [`json_schema`] for programs that read the file as YAML does: where we take any text, `1.33` is a number to them and `true` no text.
pub fn published_schema() -> Value {
    let mut schema = json_schema();
    with_plain_scalars(&mut schema);
    schema
}

fn with_plain_scalars(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let text = object.get("type").is_some_and(|name| name == "string");
            if text && !object.contains_key("enum") && !object.contains_key("const") {
                let types = ["string", "number", "boolean"];
                object.insert("type".to_owned(), types.as_slice().into());
            }
            object.values_mut().for_each(with_plain_scalars);
        }
        Value::Array(items) => items.iter_mut().for_each(with_plain_scalars),
        _ => {}
    }
}

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = schemars::schema_for!(Document).to_value();
    without_null(&mut schema);
    schema
});

/// A key is left out, not set to null.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|name| name != "null");
                if let [one] = types.as_slice() {
                    let one = one.clone();
                    object.insert("type".to_owned(), one);
                }
            }
            for branch in ["anyOf", "oneOf"] {
                let Some(Value::Array(choices)) = object.get_mut(branch) else {
                    continue;
                };
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if choices.len() == 1 {
                    let only = choices.remove(0);
                    object.remove(branch);
                    if let Value::Object(only) = only {
                        for (key, value) in only {
                            object.entry(key).or_insert(value);
                        }
                    }
                }
            }
            if let Some(Value::Array(words)) = object.get_mut("enum") {
                words.retain(|word| !word.is_null());
            }
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// Reads a document from its text.
fn from_text(text: &str, path: &Path, options: &LoadOptions) -> Result<Cluster, Vec<Mistake>> {
    read_text(text, path, options).map(|(_, cluster)| cluster)
}

/// As [`from_text`], with what was written before defaults were filled in.
pub(super) fn read_text(
    text: &str,
    path: &Path,
    options: &LoadOptions,
) -> Result<(Value, Cluster), Vec<Mistake>> {
    let (tree, mut mistakes) = yaml::parse(text);
    let Some(tree) = tree.filter(|tree| !tree.is_null()) else {
        if mistakes.is_empty() {
            mistakes.push(Mistake::new(
                Position { line: 1, column: 1 },
                "",
                "the file is empty; see inventories/ for examples",
            ));
        }
        return Err(mistakes);
    };
    if let Some(stranger) = stranger(&tree) {
        return Err(vec![stranger]);
    }
    let value = walk::check(&SCHEMA, &tree, &mut mistakes);
    let document = match Document::deserialize_checked(&value) {
        Ok(document) => document,
        Err(why) => {
            if mistakes.is_empty() {
                mistakes.push(Mistake::new(tree.at, "", why));
            }
            return Err(mistakes);
        }
    };
    let mut context = Context::new(&tree, path, mistakes);
    let mut cluster = resolve::cluster(&mut context, &value, document, options, path);
    cluster.allow_even_control_planes |= options.even_control_planes;
    rules::check(&mut context, &cluster);
    if context.mistakes.is_empty() {
        cluster.warnings = context.warnings;
        Ok((value, cluster))
    } else {
        Err(context.mistakes)
    }
}

/// A document of another tool, told apart from an inventory with many mistakes.
fn stranger(tree: &Node) -> Option<Mistake> {
    let text = |key: &str| match &tree.get(key)?.value {
        Yaml::Scalar(scalar) => Some(scalar.text.clone()),
        _ => None,
    };
    let version = text("apiVersion").filter(|_| tree.get("cluster").is_none())?;
    let kind = text("kind").unwrap_or_else(|| "document".to_owned());
    let message = format!(
        "this is a {kind} of {version}, not an inventory of baremetal; write `cluster`, `kubernetes`, `endpoint` and `hosts` (inventories/ holds examples)"
    );
    Some(Mistake::new(tree.at, "", message))
}

/// The text of an inventory.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let shown = path.display();
    let fail = |what: String, hint: &str| Failure::new(Code::Inventory, what).hint(hint.to_owned());
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => fail(
            format!("there is no inventory {shown}"),
            "give the path of an inventory; inventories/ holds examples to copy",
        ),
        io::ErrorKind::IsADirectory => fail(
            format!("{shown} is a directory"),
            "give the inventory's file inside it; a directory is read as kubespray's when it holds inventory.ini or hosts.yaml",
        ),
        _ => fail(
            format!("the inventory {shown} cannot be read: {error}"),
            "check the file's permissions",
        ),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.split(|byte| *byte == b'\n').count();
        fail(
            format!("{shown}:{line}: this is not UTF-8 text"),
            "save the file as UTF-8",
        )
    })
}
