//! `kubectl apply`, `create` and `replace`.

use anyhow::{Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{
    Api,
    api::{self, shown},
};
use crate::{args::Flags, complain, kinds::Kind, say, yaml};

pub const FLAGS: &str = "f,filename= k,kustomize= server-side force-conflicts field-manager= dry-run= o,output= validate= overwrite force grace-period= timeout= wait prune l,selector= all R,recursive openapi-patch show-managed-fields";
pub const FLAGS_OF_CREATE: &str = "f,filename= k,kustomize= field-manager= dry-run= o,output= validate= save-config from-literal= from-file= from-env-file= type= show-managed-fields cert= key=";

/// The objects of the command line with their kinds; a kind that is not there is reported and passed over, as kubectl does.
pub async fn read(api: &Api, flags: &Flags) -> Result<(Vec<(Kind, Value)>, bool)> {
    let documents = api::documents(flags.all("filename"), flags.get("kustomize"))?;
    if flags.all("filename").is_empty() && flags.get("kustomize").is_none() {
        bail!("error: must specify one of -f and -k");
    }
    if documents.is_empty() {
        bail!("error: no objects passed to apply");
    }
    let mut objects = Vec::new();
    let mut complete = true;
    for document in documents {
        match api.kind_of(&document).await {
            Ok(kind) => {
                if document["metadata"]["name"]
                    .as_str()
                    .is_none_or(str::is_empty)
                {
                    bail!(
                        "error: error when retrieving current configuration: resource name may not be empty"
                    );
                }
                objects.push((kind, document));
            }
            Err(problem) => {
                complain(&format!("{problem:#}"));
                complete = false;
            }
        }
    }
    Ok((objects, complete))
}

/// Applies one object on the server.
pub async fn send(
    api: &Api,
    kind: &Kind,
    object: &Value,
    manager: &str,
    force: bool,
    dry: bool,
) -> Result<Value> {
    let (path, _) = api.path(kind, object);
    let mut query = vec![
        ("fieldManager", manager),
        ("force", if force { "true" } else { "false" }),
    ];
    if dry {
        query.push(("dryRun", "All"));
    }
    let body = object.to_string().into_bytes();
    api.call("PATCH", &path, "application/apply-patch+yaml", &query, body)
        .await
}

pub async fn run(api: &Api, flags: &Flags) -> Result<u8> {
    if flags.on("force-conflicts") && !flags.on("server-side") {
        bail!("error: --force-conflicts only works with --server-side");
    }
    let (objects, mut complete) = read(api, flags).await?;
    let server_side = flags.on("server-side");
    let manager = flags.get("field-manager").unwrap_or(if server_side {
        "kubectl"
    } else {
        "kubectl-client-side-apply"
    });
    let dry = matches!(flags.get("dry-run"), Some("server" | "client"));
    for (kind, object) in &objects {
        let force = flags.on("force-conflicts") || !server_side;
        let (path, _) = api.path(kind, object);
        let before = if server_side {
            None
        } else {
            api.get(&path).await.ok()
        };
        match send(api, kind, object, manager, force, dry).await {
            Ok(applied) => {
                let how = match (server_side, &before) {
                    (true, _) => "serverside-applied",
                    (false, None) => "created",
                    (false, Some(before)) if *before == applied => "unchanged",
                    (false, Some(_)) => "configured",
                };
                report(flags, kind, &applied, how)?;
            }
            Err(problem) => {
                complain(&format!("{problem:#}"));
                complete = false;
            }
        }
    }
    Ok(u8::from(!complete))
}

fn report(flags: &Flags, kind: &Kind, object: &Value, how: &str) -> Result<()> {
    match flags.get("output") {
        Some("json") => say(serde_json::to_string_pretty(object)?),
        Some("yaml") => say(format!("---\n{}", yaml::text(object)?.trim_end())),
        Some("name") => say(shown(kind, super::get::name(object))),
        _ => say(format!("{} {how}", shown(kind, super::get::name(object)))),
    }
    Ok(())
}

pub async fn create(api: &Api, flags: &Flags) -> Result<u8> {
    let (objects, mut complete) = if flags.rest.is_empty() {
        read(api, flags).await?
    } else {
        let object = generated(api, flags)?;
        (vec![(api.kind_of(&object).await?, object)], true)
    };
    for (kind, object) in &objects {
        if flags.get("dry-run") == Some("client") {
            report(flags, kind, object, "created (dry run)")?;
            continue;
        }
        let (_, directory) = api.path(kind, object);
        match api
            .call(
                "POST",
                &directory,
                "application/json",
                &[],
                object.to_string().into_bytes(),
            )
            .await
        {
            Ok(created) => report(flags, kind, &created, "created")?,
            Err(problem) => {
                complain(&format!("{problem:#}"));
                complete = false;
            }
        }
    }
    Ok(u8::from(!complete))
}

pub async fn replace(api: &Api, flags: &Flags) -> Result<u8> {
    let (objects, complete) = read(api, flags).await?;
    for (kind, object) in &objects {
        let (path, _) = api.path(kind, object);
        let replaced = api
            .call(
                "PUT",
                &path,
                "application/json",
                &[],
                object.to_string().into_bytes(),
            )
            .await?;
        report(flags, kind, &replaced, "replaced")?;
    }
    Ok(u8::from(!complete))
}

/// `create namespace NAME`, `create configmap NAME`, `create secret generic NAME`.
fn generated(api: &Api, flags: &Flags) -> Result<Value> {
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    let meta = |name: &str| json!({"name": name, "namespace": api.namespace});
    let mut pairs = Vec::new();
    for literal in flags.all("from-literal") {
        let Some((name, value)) = literal.split_once('=') else {
            bail!("error: invalid literal source {literal}, expected key=value")
        };
        pairs.push((name.to_owned(), value.as_bytes().to_vec()));
    }
    for file in flags.all("from-file") {
        let (name, path) = file
            .split_once('=')
            .unwrap_or_else(|| (file.rsplit('/').next().unwrap_or(file), file));
        pairs.push((name.to_owned(), std::fs::read(path)?));
    }
    let mut data = json!({});
    match words.as_slice() {
        ["namespace" | "ns", name] => {
            Ok(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
        }
        ["configmap" | "cm", name] => {
            for (key, value) in pairs {
                data[key] = json!(String::from_utf8_lossy(&value));
            }
            Ok(
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(name), "data": data}),
            )
        }
        ["secret", "generic", name] => {
            for (key, value) in pairs {
                data[key] = json!(BASE64.encode(value));
            }
            let kind = flags.get("type").unwrap_or("Opaque");
            Ok(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta(name), "type": kind, "data": data}),
            )
        }
        other => bail!("error: [stand-in] cannot create {}", other.join(" ")),
    }
}
