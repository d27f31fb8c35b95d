//! `kubectl get`.

use std::io::Write as _;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{
    Api,
    api::{self, is_not_found, shown},
    jsonpath,
};
use crate::{args::Flags, complain, kinds::Kind, say, yaml};

pub const FLAGS: &str = "o,output= l,selector= field-selector= A,all-namespaces ignore-not-found no-headers raw= f,filename= k,kustomize= show-labels sort-by= w,watch show-managed-fields chunk-size= L,label-columns= R,recursive allow-missing-template-keys subresource= output-watch-events server-print";

pub async fn run(api: &Api, flags: &Flags) -> Result<u8> {
    if let Some(path) = flags.get("raw") {
        let answer = api.raw(path).await?;
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        if answer.status >= 300 {
            bail!("Error from server: {text}");
        }
        // As the real one: exactly what the server sent.
        let _ = std::io::stdout().write_all(text.as_bytes());
        return Ok(0);
    }
    let output = flags.get("output").unwrap_or_default();
    check_output(output)?;
    let all = flags.on("all-namespaces");
    let (selector, fields) = (
        flags.get("selector").unwrap_or_default(),
        flags.get("field-selector").unwrap_or_default(),
    );
    let mut found: Vec<(Kind, Value)> = Vec::new();
    let mut single = true;
    let mut failed = None;
    let mut wanted = Vec::new();
    for document in api::documents(flags.all("filename"), flags.get("kustomize"))? {
        let kind = api.kind_of(&document).await?;
        wanted.push(api::Wanted {
            kind,
            name: document["metadata"]["name"].as_str().map(str::to_owned),
        });
    }
    if wanted.is_empty() {
        wanted = api.wanted(&flags.rest).await?;
    }
    single &= wanted.len() == 1;
    for wanted in &wanted {
        single &= wanted.name.is_some();
        match api.find(wanted, selector, fields, all).await {
            Ok(objects) => found.extend(
                objects
                    .into_iter()
                    .map(|object| (wanted.kind.clone(), object)),
            ),
            Err(error) if is_not_found(&error) && flags.on("ignore-not-found") => {}
            Err(error) => failed = Some(error),
        }
    }
    if single && let Some(error) = failed.take() {
        return Err(error);
    }
    show(&found, single, output, flags)?;
    match failed {
        Some(error) => Err(error),
        None => Ok(0),
    }
}

fn check_output(output: &str) -> Result<()> {
    let name = output.split('=').next().unwrap_or_default();
    match name {
        "" | "json" | "yaml" | "name" | "wide" | "jsonpath" | "custom-columns" => Ok(()),
        _ => bail!(
            "error: unable to match a printer suitable for the output format {output:?}, allowed formats are: custom-columns,json,jsonpath,name,wide,yaml [stand-in]"
        ),
    }
}

fn show(found: &[(Kind, Value)], single: bool, output: &str, flags: &Flags) -> Result<()> {
    let whole = || match found {
        [(_, object)] if single => object.clone(),
        found => json!({
            "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""},
            "items": found.iter().map(|(_, object)| object.clone()).collect::<Vec<_>>(),
        }),
    };
    if found.is_empty() && single {
        return Ok(());
    }
    let (format, template) = output.split_once('=').unwrap_or((output, ""));
    match format {
        "json" => say(serde_json::to_string_pretty(&whole())?),
        "yaml" => say(yaml::text(&whole())?.trim_end()),
        "name" => found
            .iter()
            .for_each(|(kind, object)| say(shown(kind, name(object)))),
        "jsonpath" => {
            use std::io::Write as _;
            let _ = write!(
                std::io::stdout(),
                "{}",
                jsonpath::render(template, &whole())?
            );
        }
        "custom-columns" => columns(found, template, flags.on("no-headers"))?,
        _ if found.is_empty() => complain("No resources found"),
        _ => table(found, flags),
    }
    Ok(())
}

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn columns(found: &[(Kind, Value)], template: &str, bare: bool) -> Result<()> {
    let columns: Vec<(&str, &str)> = template
        .split(',')
        .filter_map(|column| column.split_once(':'))
        .collect();
    if !bare {
        say(columns
            .iter()
            .map(|(title, _)| *title)
            .collect::<Vec<_>>()
            .join("   "));
    }
    for (_, object) in found {
        let values: Result<Vec<String>> = columns
            .iter()
            .map(|(_, path)| {
                let value = jsonpath::render(&format!("{{{path}}}"), object)?;
                Ok(if value.is_empty() {
                    "<none>".to_owned()
                } else {
                    value
                })
            })
            .collect();
        say(values?.join("   "));
    }
    Ok(())
}

fn table(found: &[(Kind, Value)], flags: &Flags) {
    let spaces = flags.on("all-namespaces");
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (kind, object) in found {
        let mut row = vec![name(object).to_owned()];
        if spaces {
            row.insert(
                0,
                object["metadata"]["namespace"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
        row.extend(details(kind, object));
        rows.push(row);
    }
    if !flags.on("no-headers") {
        let mut header = vec!["NAME".to_owned()];
        if spaces {
            header.insert(0, "NAMESPACE".to_owned());
        }
        let of_kind: &[&str] = match found.first().map_or("", |(kind, _)| kind.kind.as_str()) {
            "Node" => &["STATUS", "ROLES", "VERSION"],
            "Pod" => &["READY", "STATUS", "NODE"],
            "Deployment" | "DaemonSet" | "StatefulSet" => &["READY"],
            _ => &[],
        };
        header.extend(of_kind.iter().map(|&title| title.to_owned()));
        rows.insert(0, header);
    }
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..8).map(width).collect();
    for row in &rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        say(cells.join("   ").trim_end());
    }
}

fn details(kind: &Kind, object: &Value) -> Vec<String> {
    let ready = object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    let ready = ready
        .clone()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match kind.kind.as_str() {
        "Node" => {
            let mut status = if ready { "Ready" } else { "NotReady" }.to_owned();
            if object["spec"]["unschedulable"] == true {
                status.push_str(",SchedulingDisabled");
            }
            let roles: Vec<&str> = object["metadata"]["labels"]
                .as_object()
                .into_iter()
                .flat_map(|labels| labels.keys())
                .filter_map(|label| label.strip_prefix("node-role.kubernetes.io/"))
                .collect();
            let roles = if roles.is_empty() {
                "<none>".to_owned()
            } else {
                roles.join(",")
            };
            vec![
                status,
                roles,
                text(&object["status"]["nodeInfo"]["kubeletVersion"]),
            ]
        }
        "Pod" => {
            let count = object["spec"]["containers"].as_array().map_or(0, Vec::len);
            vec![
                format!("{}/{count}", if ready { count } else { 0 }),
                text(&object["status"]["phase"]),
                text(&object["spec"]["nodeName"]),
            ]
        }
        "Deployment" | "StatefulSet" => {
            let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
            vec![format!(
                "{}/{wanted}",
                object["status"]["readyReplicas"].as_u64().unwrap_or(0)
            )]
        }
        "DaemonSet" => {
            let status = &object["status"];
            vec![format!(
                "{}/{}",
                status["numberReady"], status["desiredNumberScheduled"]
            )]
        }
        _ => Vec::new(),
    }
}
