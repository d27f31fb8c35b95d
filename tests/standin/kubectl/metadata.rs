//! `kubectl patch`, `label` and `annotate`.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Api, api::shown, get};
use crate::{args::Flags, say, yaml};

pub const FLAGS: &str = "overwrite all l,selector= field-selector= A,all-namespaces dry-run= o,output= list field-manager= resource-version= local f,filename=";
pub const FLAGS_OF_PATCH: &str =
    "p,patch= patch-file= type= dry-run= o,output= subresource= field-manager= local f,filename=";

pub async fn patch(api: &Api, flags: &Flags) -> Result<u8> {
    let text = match (flags.get("patch"), flags.get("patch-file")) {
        (Some(text), None) => text.to_owned(),
        (None, Some("-")) => std::io::read_to_string(std::io::stdin())?,
        (None, Some(path)) => std::fs::read_to_string(path)
            .with_context(|| format!("error: unable to read patch file {path}"))?,
        _ => bail!(
            "error: must specify --patch or --patch-file containing the contents of the patch"
        ),
    };
    let patch = yaml::documents(&text)
        .context("error: unable to parse patch")?
        .into_iter()
        .next();
    let patch = patch.context("error: the patch is empty")?;
    let content = match flags.get("type").unwrap_or("strategic") {
        "strategic" => "application/strategic-merge-patch+json",
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        other => bail!("error: --type must be one of [json merge strategic], not {other:?}"),
    };
    for wanted in api.wanted(&flags.rest).await? {
        let name = wanted
            .name
            .clone()
            .context("error: resource(s) were provided, but no name was specified")?;
        if wanted.kind.custom && content.contains("strategic") {
            bail!(
                "Error from server (UnsupportedMediaType): the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
            );
        }
        let mut path = format!("{}/{name}", wanted.kind.path(Some(&api.namespace)));
        if let Some(part) = flags.get("subresource") {
            path = format!("{path}/{part}");
        }
        let before = api.get(&path).await?;
        let query: &[(&str, &str)] = if flags.get("dry-run").is_some() {
            &[("dryRun", "All")]
        } else {
            &[]
        };
        let after = api
            .call(
                "PATCH",
                &path,
                content,
                query,
                patch.to_string().into_bytes(),
            )
            .await?;
        let how = if before == after {
            "patched (no change)"
        } else {
            "patched"
        };
        say(format!("{} {how}", shown(&wanted.kind, &name)));
    }
    Ok(0)
}

/// Sets `k=v` and removes `k-` in `metadata.FIELD`.
pub async fn run(api: &Api, flags: &Flags, field: &str) -> Result<u8> {
    let is_change = |word: &&String| word.contains('=') || word.ends_with('-');
    let (changes, words): (Vec<&String>, Vec<&String>) = flags.rest.iter().partition(is_change);
    let words: Vec<String> = words.into_iter().cloned().collect();
    if changes.is_empty() {
        bail!(
            "error: at least one {} update is required",
            field.trim_end_matches('s')
        );
    }
    let selector = flags.get("selector").unwrap_or_default();
    for wanted in api.wanted(&words).await? {
        if wanted.name.is_none() && selector.is_empty() && !flags.on("all") {
            bail!("error: resource(s) were provided, but no name was specified");
        }
        for object in api
            .find(&wanted, selector, "", flags.on("all-namespaces"))
            .await?
        {
            let mut patch = json!({});
            for change in &changes {
                let live = |name: &str| object["metadata"][field][name].as_str().map(str::to_owned);
                let Some((name, value)) = change.split_once('=') else {
                    patch[change.trim_end_matches('-')] = Value::Null;
                    continue;
                };
                check_value(field, value)?;
                if live(name).is_some_and(|live| live != value) && !flags.on("overwrite") {
                    bail!(
                        "error: '{name}' already has a value ({}), and --overwrite is false",
                        live(name).unwrap_or_default()
                    );
                }
                patch[name] = json!(value);
            }
            let (path, _) = api.path(&wanted.kind, &object);
            let patch = json!({"metadata": {field: patch}}).to_string().into_bytes();
            let after = api
                .call("PATCH", &path, "application/merge-patch+json", &[], patch)
                .await?;
            let done = if field == "labels" {
                "labeled"
            } else {
                "annotated"
            };
            let how = if after["metadata"][field] == object["metadata"][field] {
                format!("not {done}")
            } else {
                done.to_owned()
            };
            say(format!("{} {how}", shown(&wanted.kind, get::name(&object))));
        }
    }
    Ok(0)
}

fn check_value(field: &str, value: &str) -> Result<()> {
    let right = value.len() <= 63
        && value
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter));
    if field == "labels" && !right {
        bail!(
            "error: invalid label value: {value:?}: a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.'"
        );
    }
    Ok(())
}
