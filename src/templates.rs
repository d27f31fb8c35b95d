//! The templates, compiled in, and the one environment that renders them.
//!
//! Undefined variables, lists and none are errors rather than text; booleans print as `true` and `false`.

use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use include_dir::{Dir, include_dir};
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, syntax::SyntaxConfig,
    value::ValueKind,
};
use serde::Serialize;

static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(environment);

/// Renders `templates/<name>` with `values`; the name includes `.j2`.
pub fn render(name: &str, values: impl Serialize) -> Result<String> {
    ENVIRONMENT
        .get_template(name)
        .and_then(|template| template.render(minijinja::value::Serde(values)))
        .with_context(|| format!("template `{name}`"))
}

/// The text of `templates/<name>` as it is.
pub fn text(name: &str) -> &'static str {
    TEMPLATES
        .get_file(name)
        .and_then(include_dir::File::contents_utf8)
        .unwrap_or_else(|| unreachable!("no template `{name}` was compiled in"))
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| {
        if name.ends_with(".html.j2") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .expect("the default delimiters are valid"),
    );
    environment.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Bool => Ok(out.write_str(if value.is_true() { "true" } else { "false" })?),
        ValueKind::String | ValueKind::Number => minijinja::escape_formatter(out, state, value),
        kind => Err(Error::new(
            ErrorKind::InvalidOperation,
            format!("{kind} cannot be printed; use |tojson"),
        )),
    });
    environment.add_filter("sh", |text: &str| {
        shlex::try_quote(text)
            .map(std::borrow::Cow::into_owned)
            .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    });
    add_all(&mut environment, &TEMPLATES);
    environment
}

fn add_all(environment: &mut Environment<'static>, directory: &'static Dir<'static>) {
    for file in directory.files() {
        let name = file.path().to_str().expect("template names are UTF-8");
        if file.path().extension().is_some_and(|end| end == "j2") {
            let source = file.contents_utf8().expect("templates are UTF-8");
            environment
                .add_template(name, source)
                .expect("templates are checked by a test");
        }
    }
    for child in directory.dirs() {
        add_all(environment, child);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_compiles() {
        assert!(ENVIRONMENT.templates().count() > 0);
    }
}
