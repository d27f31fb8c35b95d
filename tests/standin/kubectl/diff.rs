//! `kubectl diff`: exit status 0 for no difference, 1 for some, more for trouble.

use anyhow::Result;
use serde_json::Value;
use similar::TextDiff;

use super::{Api, api, apply};
use crate::{args::Flags, say, yaml};

pub const FLAGS: &str = "f,filename= k,kustomize= server-side force-conflicts field-manager= concurrency= l,selector= prune prune-allowlist= show-managed-fields R,recursive";

pub async fn run(api: &Api, flags: &Flags) -> Result<u8> {
    let (objects, complete) = apply::read(api, flags).await?;
    anyhow::ensure!(complete, "error: some kinds are unknown");
    let manager = flags.get("field-manager").unwrap_or("kubectl");
    let force = flags.on("force-conflicts") || !flags.on("server-side");
    let mut differs = false;
    for (kind, object) in &objects {
        let (path, _) = api.path(kind, object);
        let live = match api.get(&path).await {
            Ok(live) => live,
            Err(error) if api::is_not_found(&error) => Value::Null,
            Err(error) => return Err(error),
        };
        let merged = apply::send(api, kind, object, manager, force, true).await?;
        let (mut live, mut merged) = (live, merged);
        if kind.kind == "Secret" {
            mask(&mut live, &mut merged);
        }
        let (before, after) = (text(&live)?, text(&merged)?);
        if before != after {
            differs = true;
            let meta = &merged["metadata"];
            let name = format!(
                "{}.{}.{}.{}",
                kind.version,
                kind.kind,
                meta["namespace"].as_str().unwrap_or(""),
                meta["name"].as_str().unwrap_or("")
            );
            let diff = TextDiff::from_lines(&before, &after);
            say(format!("diff -u -N /tmp/LIVE/{name} /tmp/MERGED/{name}"));
            let mut unified = diff.unified_diff();
            say(unified
                .header(&format!("/tmp/LIVE/{name}"), &format!("/tmp/MERGED/{name}"))
                .to_string()
                .trim_end());
        }
    }
    Ok(u8::from(differs))
}

fn text(object: &Value) -> Result<String> {
    Ok(if object.is_null() {
        String::new()
    } else {
        yaml::text(object)?
    })
}

/// Values of Secrets are not shown, only whether they differ.
fn mask(live: &mut Value, merged: &mut Value) {
    let names: Vec<String> = [&*live, &*merged]
        .iter()
        .filter_map(|secret| secret["data"].as_object())
        .flat_map(|data| data.keys().cloned())
        .collect();
    for name in names {
        let same = live["data"][&name] == merged["data"][&name];
        for (secret, text) in [(&mut *live, "*** (before)"), (&mut *merged, "*** (after)")] {
            if secret["data"].get(&name).is_some() {
                secret["data"][&name] = Value::from(if same { "***" } else { text });
            }
        }
    }
}
