//! Objects that are made of the inventory's entries: when an entry goes, its object goes.

use anyhow::{Context as _, Result};
use serde::Deserialize as _;
use serde_json::Value;

use super::Unit;

/// Label of such objects: the name of the add-on that has them in its manifest. What does not bear it is never taken away.
const OBJECTS_OF: &str = "baremetal.dev/objects-of";

/// The attachments of a unit's manifest, by the last part of their names: the manifest; where the unit owns objects also `owned`,
/// where to look for them, and `kept`, those of the manifest.
pub(super) fn manifest(unit: &Unit, text: &str) -> Result<Vec<(&'static str, String)>> {
    if unit.owned.is_empty() {
        return Ok(vec![("yaml", text.to_owned())]);
    }
    let objects = objects(text)?;
    let kept = objects
        .iter()
        .map(|object| name_line(object) + "\n")
        .collect();
    let mut owned = format!("{}\n", unit.addon.namespace);
    for kind in unit.owned {
        owned.extend([kind, "\n"]);
    }
    let yaml = labelled(objects, &unit.addon.name)?;
    Ok(vec![("kept", kept), ("owned", owned), ("yaml", yaml)])
}

fn objects(manifest: &str) -> Result<Vec<Value>> {
    serde_yaml::Deserializer::from_str(manifest)
        .map(|document| Value::deserialize(document).context("our own manifest"))
        .filter(|object| !matches!(object, Ok(Value::Null)))
        .collect()
}

/// As `kubectl get -o name` prints an object of a group.
fn name_line(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&object["kind"]).to_lowercase();
    let version = text(&object["apiVersion"]);
    let group = version.split('/').next().unwrap_or_default();
    format!("{kind}.{group}/{}", text(&object["metadata"]["name"]))
}

fn labelled(objects: Vec<Value>, name: &str) -> Result<String> {
    let mut text = String::new();
    for mut object in objects {
        object["metadata"]["labels"][OBJECTS_OF] = name.into();
        text.push_str("---\n");
        text.push_str(&serde_yaml::to_string(&object)?);
    }
    Ok(text)
}
