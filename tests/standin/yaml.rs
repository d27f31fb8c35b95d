//! YAML documents as JSON values, with duplicate keys refused.

use anyhow::{Context as _, Result};
use serde::Deserialize as _;
use serde_json::Value;

/// Every document that is not empty.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let mut documents = Vec::new();
    for document in serde_yaml::Deserializer::from_str(text) {
        let document =
            serde_yaml::Value::deserialize(document).context("error converting YAML to JSON")?;
        let value = serde_json::to_value(document).context("error converting YAML to JSON")?;
        if !value.is_null() {
            documents.push(value);
        }
    }
    Ok(documents)
}

pub fn text(value: &Value) -> Result<String> {
    Ok(serde_yaml::to_string(value)?)
}
