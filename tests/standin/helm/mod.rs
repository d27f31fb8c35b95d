//! `helm`: releases in Secrets, objects from a chart's templates.

mod chart;
mod release;
mod template;

use std::{fs, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{
    args::Flags, block_on, identity::Identity, kubeconfig::Access, kubectl::Api, say, yaml,
};

use chart::Chart;
use release::{Release, Releases};

const FLAGS: &str = "kubeconfig= kube-context= n,namespace= debug i,install create-namespace f,values= set= set-string= set-json= set-file= wait wait-for-jobs timeout= version= repo= atomic force reuse-values reset-values reset-then-reuse-values description= history-max= dry-run= o,output= A,all-namespaces a,all all-values q,quiet d,date r,reverse deployed failed pending filter= max= offset= revision= skip-crds no-hooks include-crds api-versions= kube-version= s,show-only= keep-history ignore-not-found cascade= template= short l,selector= cleanup-on-fail render-subchart-notes show-resources disable-openapi-validation take-ownership";

/// Runs `helm ARGUMENT…`.
pub fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags =
        Flags::parse(FLAGS, arguments).map_err(|problem| anyhow::anyhow!("Error: {problem}"))?;
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["version"] => {
            let version = &identity.version;
            say(match (flags.on("short"), flags.get("template")) {
                (true, _) => format!("v{version}+gstandin"),
                (false, Some(_)) => format!("v{version}"),
                (false, None) => {
                    format!("version.BuildInfo{{Version:\"v{version}\", GitCommit:\"stand-in\"}}")
                }
            });
            Ok(0)
        }
        ["template", name, chart] => {
            let chart = Chart::read(chart, flags.get("version"))?;
            let values = values(&flags)?;
            let namespace = flags.get("namespace").unwrap_or("default");
            for object in chart.render(name, namespace, &values)? {
                say(format!("---\n{}", yaml::text(&object)?.trim_end()));
            }
            Ok(0)
        }
        ["show", "chart" | "values", chart] => {
            let read = Chart::read(chart, flags.get("version"))?;
            say(yaml::text(if words[1] == "chart" {
                &read.description
            } else {
                &read.values
            })?
            .trim_end());
            Ok(0)
        }
        _ => block_on(with_cluster(&flags, &words)),
    }
}

async fn with_cluster(flags: &Flags, words: &[&str]) -> Result<u8> {
    let api = connect(flags)?;
    let namespace = flags.get("namespace").unwrap_or("default");
    let releases = Releases { api: &api };
    match words {
        ["upgrade", name, chart] => install(&releases, flags, namespace, name, chart, true).await,
        ["install", name, chart] => install(&releases, flags, namespace, name, chart, false).await,
        ["list" | "ls"] => list(&releases, flags, namespace).await,
        ["get", what, name] => {
            let release = releases
                .last(namespace, name)
                .await?
                .context("Error: release: not found")?;
            let value = match *what {
                "values" if flags.on("all-values") => release.merged(),
                "values" => release.values.clone(),
                "metadata" => release.summary(),
                "manifest" => {
                    say(&release.manifest);
                    return Ok(0);
                }
                other => bail!("Error: unknown command {other:?} for \"helm get\""),
            };
            print(
                &value,
                flags,
                if *what == "values" {
                    "USER-SUPPLIED VALUES:\n"
                } else {
                    ""
                },
            )?;
            Ok(0)
        }
        ["status", name] => {
            let release = releases
                .last(namespace, name)
                .await?
                .context("Error: release: not found")?;
            print(&release.status_json(), flags, "")?;
            Ok(0)
        }
        ["history", name] => {
            let all = releases.of(namespace, name).await?;
            anyhow::ensure!(!all.is_empty(), "Error: release: not found");
            print(
                &json!(all.iter().map(Release::summary).collect::<Vec<_>>()),
                flags,
                "",
            )?;
            Ok(0)
        }
        ["uninstall" | "delete", name] => uninstall(&releases, flags, namespace, name).await,
        other => bail!("Error: unknown command {:?} for \"helm\"", other.join(" ")),
    }
}

fn connect(flags: &Flags) -> Result<Api> {
    let path = match flags
        .get("kubeconfig")
        .map(str::to_owned)
        .or_else(|| std::env::var("KUBECONFIG").ok())
    {
        Some(path) => path,
        None => format!("{}/.kube/config", std::env::var("HOME").unwrap_or_default()),
    };
    let access = Access::read(&path).context("Error: Kubernetes cluster unreachable")?;
    Ok(Api::new(
        access.client()?,
        &access.server,
        flags.get("namespace").unwrap_or("default"),
    ))
}

async fn install(
    releases: &Releases<'_>,
    flags: &Flags,
    namespace: &str,
    name: &str,
    chart: &str,
    upgrade: bool,
) -> Result<u8> {
    if name.len() > 53
        || !name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
    {
        bail!("Error: release name is invalid: {name}");
    }
    let chart = Chart::read(chart, flags.get("version"))?;
    let values = values(flags)?;
    let last = releases
        .last(namespace, name)
        .await
        .context("Error: Kubernetes cluster unreachable")?;
    match &last {
        Some(_) if !upgrade => {
            bail!("Error: INSTALLATION FAILED: cannot re-use a name that is still in use")
        }
        Some(last) if last.status.starts_with("pending") => {
            bail!(
                "Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress"
            );
        }
        None if upgrade && !flags.on("install") => {
            bail!("Error: UPGRADE FAILED: {name:?} has no deployed releases")
        }
        _ => {}
    }
    if flags.on("create-namespace") {
        releases.ensure_namespace(namespace).await?;
    }
    let objects = chart.render(name, namespace, &values)?;
    let mut release = Release::new(name, namespace, &chart, &values, &objects, last.as_ref())?;
    releases.save(&release).await?;
    let outcome = async {
        releases.apply(&objects, namespace, last.as_ref()).await?;
        if flags.on("wait") || flags.on("atomic") {
            let timeout = flags
                .get("timeout")
                .and_then(crate::clock::duration)
                .unwrap_or(300);
            releases
                .wait(&objects, namespace, Duration::from_secs(timeout))
                .await?;
        }
        anyhow::Ok(())
    };
    let outcome = outcome.await;
    release.status = if outcome.is_ok() {
        "deployed"
    } else {
        "failed"
    }
    .to_owned();
    releases.save(&release).await?;
    if let Err(problem) = outcome {
        bail!(
            "Error: {} FAILED: {problem:#}",
            if last.is_some() {
                "UPGRADE"
            } else {
                "INSTALLATION"
            }
        );
    }
    if let Some(mut last) = last {
        last.status = "superseded".to_owned();
        releases.save(&last).await?;
    }
    match flags.get("output") {
        Some(_) => print(&release.status_json(), flags, "")?,
        None => say(format!(
            "Release {name:?} has been upgraded. Happy Helming! [stand-in]\nNAME: {name}\nNAMESPACE: {namespace}\nSTATUS: deployed\nREVISION: {}",
            release.revision
        )),
    }
    Ok(0)
}

async fn uninstall(
    releases: &Releases<'_>,
    flags: &Flags,
    namespace: &str,
    name: &str,
) -> Result<u8> {
    let Some(release) = releases.last(namespace, name).await? else {
        if flags.on("ignore-not-found") {
            return Ok(0);
        }
        bail!("Error: uninstall: Release not loaded: {name}: release: not found");
    };
    releases.remove(&release).await?;
    say(format!("release {name:?} uninstalled"));
    Ok(0)
}

async fn list(releases: &Releases<'_>, flags: &Flags, namespace: &str) -> Result<u8> {
    let space = (!flags.on("all-namespaces")).then_some(namespace);
    let mut all = releases.newest(space).await?;
    if !flags.on("all") && !flags.on("pending") && !flags.on("failed") {
        all.retain(|release| release.status == "deployed" || release.status == "failed");
    }
    if let Some(filter) = flags.get("filter") {
        let filter = filter.trim_start_matches('^').trim_end_matches('$');
        all.retain(|release| release.name.contains(filter));
    }
    if flags.on("quiet") {
        for release in &all {
            say(&release.name);
        }
        return Ok(0);
    }
    match flags.get("output") {
        Some("json") => say(json!(all.iter().map(Release::row).collect::<Vec<_>>())),
        Some("yaml") => say(yaml::text(&json!(
            all.iter().map(Release::row).collect::<Vec<_>>()
        ))?),
        _ => {
            say("NAME\tNAMESPACE\tREVISION\tUPDATED\tSTATUS\tCHART\tAPP VERSION");
            for release in &all {
                let row = release.row();
                let cell = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
                let cells = [
                    "name",
                    "namespace",
                    "revision",
                    "updated",
                    "status",
                    "chart",
                    "app_version",
                ]
                .map(cell);
                say(cells.join("\t"));
            }
        }
    }
    Ok(0)
}

/// `--values` files over one another, then `--set`.
fn values(flags: &Flags) -> Result<Value> {
    let mut values = json!({});
    for file in flags.all("values") {
        let text = match file.as_str() {
            "-" => std::io::read_to_string(std::io::stdin())?,
            file => fs::read_to_string(file).with_context(|| format!("Error: open {file}"))?,
        };
        for document in
            yaml::documents(&text).with_context(|| format!("Error: failed to parse {file}"))?
        {
            if !document.is_object() {
                bail!("Error: failed to parse {file}: values must be a map");
            }
            chart::merge(&mut values, &document);
        }
    }
    for set in flags.all("set").iter().chain(flags.all("set-string")) {
        for pair in set.split(',') {
            let (path, value) = pair.split_once('=').with_context(|| {
                format!("Error: failed parsing --set data: key {pair:?} has no value")
            })?;
            let mut place = &mut values;
            for name in path.split('.') {
                place = &mut place[name];
            }
            *place = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        }
    }
    Ok(values)
}

fn print(value: &Value, flags: &Flags, header: &str) -> Result<()> {
    match flags.get("output") {
        Some("json") => say(value),
        Some("yaml") => say(yaml::text(value)?.trim_end()),
        _ => say(format!("{header}{}", yaml::text(value)?.trim_end())),
    }
    Ok(())
}
