//! The least of Go's templates: `{{ .Path.To.Value }}` with `quote`, `toYaml`, `default`. Pure.

use anyhow::{Result, bail};
use serde_json::Value;

/// Replaces every action of a text.
pub fn render(text: &str, scope: &Value) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((action, after)) = after.split_once("}}") else {
            bail!("unclosed action")
        };
        match action.starts_with('-') {
            true => out.push_str(before.trim_end()),
            false => out.push_str(before),
        }
        out.push_str(&value(action.trim_matches(['-', ' ']), scope)?);
        rest = if action.ends_with('-') {
            after.trim_start()
        } else {
            after
        };
    }
    out.push_str(rest);
    Ok(out)
}

fn value(action: &str, scope: &Value) -> Result<String> {
    if action.starts_with("/*") {
        return Ok(String::new());
    }
    let mut parts = action.split('|').map(str::trim);
    let path = parts.next().unwrap_or_default();
    let Some(path) = path.strip_prefix('.') else {
        bail!("function {path:?} not defined [stand-in: only values are played]");
    };
    let mut found = scope;
    for name in path.split('.') {
        found = &found[name];
    }
    let mut text = match found {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    for function in parts {
        text = match function.split_once(' ').unwrap_or((function, "")) {
            ("quote", _) => format!("{text:?}"),
            ("toYaml" | "toJson", _) => found.to_string(),
            ("default", fallback) if text.is_empty() => fallback.trim_matches('"').to_owned(),
            ("default" | "nindent" | "indent" | "trunc", _) => text,
            (other, _) => bail!("function {other:?} not defined [stand-in]"),
        };
    }
    Ok(text)
}
