//! `JSONPath` templates, as far as scripts use them. Pure.

use anyhow::{Result, bail};
use serde_json::Value;

/// Renders `text{.path}{range .items[*]}…{end}`.
pub fn render(template: &str, object: &Value) -> Result<String> {
    let mut out = String::new();
    let template = template.trim_matches('\'');
    let template = if template.contains('{') {
        template.to_owned()
    } else {
        format!("{{{template}}}")
    };
    block(&template, object, &mut out)?;
    Ok(out)
}

fn block(mut template: &str, object: &Value, out: &mut String) -> Result<()> {
    while let Some((text, rest)) = template.split_once('{') {
        out.push_str(text);
        let Some((expression, rest)) = split(rest) else {
            bail!("error: error parsing jsonpath {template}, unclosed action");
        };
        template = rest;
        let expression = expression.trim();
        if let Some(path) = expression.strip_prefix("range ") {
            let Some((inner, after)) = to_end(rest) else {
                bail!("error: error parsing jsonpath {template}, unexpected end of range");
            };
            for item in select(path.trim(), object)? {
                block(inner, item, out)?;
            }
            template = after;
        } else if let Some(literal) = expression.strip_prefix('"') {
            let literal = literal.trim_end_matches('"');
            out.push_str(&literal.replace("\\n", "\n").replace("\\t", "\t"));
        } else {
            let values: Vec<String> = select(expression, object)?
                .into_iter()
                .map(text_of)
                .collect();
            out.push_str(&values.join(" "));
        }
    }
    out.push_str(template);
    Ok(())
}

/// Up to the closing brace that is not within quotes.
fn split(text: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    for (at, letter) in text.char_indices() {
        match letter {
            '"' => quoted = !quoted,
            '}' if !quoted => return Some((&text[..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}

fn to_end(text: &str) -> Option<(&str, &str)> {
    text.split_once("{end}")
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Values at a path: `.a.b[0]`, `[*]`, `[?(@.x=="y")]`, `..` is not there; dots in names are escaped.
pub fn select<'a>(path: &str, object: &'a Value) -> Result<Vec<&'a Value>> {
    let mut values = vec![object];
    let mut rest = path.trim_start_matches(['$', '@']);
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let Some((inside, after)) = bracket(inner) else {
                bail!("error: unterminated array in {path}")
            };
            rest = after;
            values = values
                .into_iter()
                .flat_map(|value| index(inside, value))
                .collect();
        } else {
            let (name, after) = step(rest.trim_start_matches('.'));
            rest = after;
            if name.is_empty() {
                break;
            }
            values = values
                .into_iter()
                .flat_map(|value| match name.as_str() {
                    "*" => children(value),
                    name => value.get(name).into_iter().collect(),
                })
                .collect();
        }
    }
    Ok(values)
}

fn bracket(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' if depth == 0 => return Some((&text[..at], &text[at + 1..])),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// One name, with `\.` read as a dot.
fn step(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.extend(letters.next().map(|(_, escaped)| escaped)),
            '.' | '[' => return (name, &text[at..]),
            letter => name.push(letter),
        }
    }
    (name, "")
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

fn index<'a>(inside: &str, value: &'a Value) -> Vec<&'a Value> {
    let inside = inside.trim();
    if inside == "*" {
        return children(value);
    }
    if let Some(name) = inside.strip_prefix(['\'', '"']) {
        return value
            .get(name.trim_end_matches(['\'', '"']))
            .into_iter()
            .collect();
    }
    if let Some(filter) = inside.strip_prefix("?(") {
        let filter = filter.trim_end_matches(')');
        let (path, wanted, equal) = match filter.split_once("!=") {
            Some((path, wanted)) => (path, wanted, false),
            None => filter
                .split_once("==")
                .map_or((filter, "", true), |(path, wanted)| (path, wanted, true)),
        };
        let wanted = wanted.trim().trim_matches(['"', '\'']);
        let holds = |item: &&Value| {
            let found = select(path.trim(), item).unwrap_or_default();
            found.first().is_some_and(|found| text_of(found) == wanted) == equal
        };
        return children(value).into_iter().filter(holds).collect();
    }
    let list = value.as_array().map_or(&[][..], Vec::as_slice);
    let at = inside.parse::<i64>().ok().map(|at| {
        if at < 0 {
            list.len().cast_signed() as i64 + at
        } else {
            at
        }
    });
    at.and_then(|at| list.get(usize::try_from(at).ok()?))
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_paths_filters_and_ranges() {
        let object = json!({"items": [
            {"metadata": {"name": "a", "labels": {"x.io/y": "1"}}, "c": [{"type": "Ready", "status": "True"}]},
            {"metadata": {"name": "b", "labels": {}}, "c": [{"type": "Ready", "status": "False"}]},
        ]});
        let show = |template: &str| render(template, &object).unwrap();
        assert_eq!(show("{.items[*].metadata.name}"), "a b");
        assert_eq!(show("{.items[0].metadata.labels.x\\.io/y}"), "1");
        assert_eq!(
            show(r#"{range .items[*]}{.metadata.name}={.c[?(@.type=="Ready")].status}{"\n"}{end}"#),
            "a=True\nb=False\n"
        );
    }
}
