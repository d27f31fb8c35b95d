//! `baremetal support-bundle`: what helps to find a fault, of every host, in one archive without secrets.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    host_keys,
    look::{Look, View},
    run::{Ending, Run},
};
use crate::{
    cli::{Format, OutputArgs, SupportBundleArgs},
    engine::{self, Collected, RunLog},
    failure::Code,
    inventory,
    report::{
        self, PlanStyle,
        text::{self, count},
    },
    status::Part,
    support::{self, Archive, Manifest, Origin, Redactor},
};

/// For the first look at hosts and the plan.
const PATIENCE: Duration = Duration::from_secs(30);
/// Logs of runs that are taken along.
const LOGS: usize = 3;

pub async fn run(args: &SupportBundleArgs) -> Result<Code> {
    let output = OutputArgs {
        output: Format::Text,
        junit: None,
        verbose: false,
    };
    let run = Run::start("support-bundle", &output);
    let how = (&args.source, &args.reach);
    let (session, end) = match Look::new(&run, &args.inventory, how, |_| PATIENCE).await {
        Ok(look) => {
            let end = Box::pin(collect(&look, args)).await;
            (Some(look.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn collect(look: &Look, args: &SupportBundleArgs) -> Result<Ending> {
    let chosen = match &args.limit.limit {
        Some(limit) => inventory::select(&look.cluster, limit)?,
        None => look
            .cluster
            .hosts
            .iter()
            .map(|host| host.name.clone())
            .collect(),
    };
    let name = &look.cluster.name;
    let root = format!("support-{name}-{}", text::stamp(engine::now()));
    let path = (args.out.clone()).unwrap_or_else(|| PathBuf::from(format!("{root}.tar.gz")));
    let redactor = Redactor::new(look.session.secrets());
    // Before anybody is asked: a file that cannot be written is said at once.
    let mut archive = Archive::create(&path, &root, &redactor, engine::now())?;
    let mut view = look.once(&args.inventory).await?;
    if host_keys::ask(&look.cluster, &look.session).await? {
        view = look.once(&args.inventory).await?;
    }
    let mut manifest = Manifest {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster: name.clone(),
        made: engine::time(),
        ..Manifest::default()
    };
    of_cluster(&mut archive, &mut manifest, look, &view, &args.inventory)?;
    of_hosts(&mut archive, &mut manifest, look, &view, &chosen).await?;
    let path = archive.finish(&manifest)?;
    Ok(ending(&manifest, &path))
}

/// What this machine knows: inventory, logs, and what the look showed.
fn of_cluster(
    archive: &mut Archive<'_>,
    manifest: &mut Manifest,
    look: &Look,
    view: &View,
    file: &Path,
) -> Result<()> {
    let style = PlanStyle::default();
    archive.add("status.txt", &report::status(&view.status, style))?;
    archive.add("status.json", &serde_json::to_string_pretty(&view.status)?)?;
    match (&view.plan, &view.status.drift) {
        (Some(plan), _) => archive.add("plan.txt", &report::plan(plan, style))?,
        (None, Part::Unknown(why)) => manifest.missing.push(format!("plan.txt: {why}")),
        (None, _) => {
            let why = "plan.txt: the inventory asks for what `up` refuses; see status.txt";
            manifest.missing.push(why.to_owned());
        }
    }
    match std::fs::read_to_string(file) {
        Ok(text) => archive.add("inventory.yaml", &text)?,
        Err(error) => manifest.missing.push(format!("inventory.yaml: {error}")),
    }
    let logs = RunLog::newest(&look.cluster.name, LOGS).unwrap_or_default();
    if logs.is_empty() {
        let none = "runs: this machine keeps no log of a run of this cluster";
        manifest.missing.push(none.to_owned());
    }
    for log in logs {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        match std::fs::read(&log) {
            Ok(bytes) => archive.add(&format!("runs/{name}"), &String::from_utf8_lossy(&bytes))?,
            Err(error) => manifest.missing.push(format!("runs/{name}: {error}")),
        }
    }
    Ok(())
}

/// What the hosts say, one after the other as they answer.
async fn of_hosts(
    archive: &mut Archive<'_>,
    manifest: &mut Manifest,
    look: &Look,
    view: &View,
    chosen: &[String],
) -> Result<()> {
    let seen = &view.looked.seen;
    let live = engine::is_live(seen);
    let mut scripts = Vec::new();
    for host in &look.cluster.hosts {
        let name = &host.name;
        let origin = match (chosen.contains(name), seen.unreachable.get(name)) {
            (false, _) => Origin::LeftOut,
            (true, Some(why)) => Origin::Unreachable(why.clone()),
            (true, None) => {
                let asks_api = live && *name == seen.elected;
                scripts.push((
                    name.clone(),
                    support::host_script(&look.cluster, host, asks_api),
                ));
                continue;
            }
        };
        manifest.hosts.insert(name.clone(), origin);
    }
    if !live {
        manifest
            .missing
            .push("cluster: no API server that was reached is ready".to_owned());
    } else if !chosen.contains(&seen.elected) {
        manifest.missing.push(format!(
            "cluster: `--limit` leaves out {}, which would be asked",
            seen.elected
        ));
    }
    look.session
        .collect(scripts, |one| {
            let host = one.host.clone();
            let mut origin = of_host(archive, manifest, &one)?;
            if let Some(seen) = seen.hosts.get(&host) {
                let mut facts = seen.facts.clone();
                // Base64 hides from every search what is in it; what matters of these is there once more.
                for key in [
                    "ca",
                    "certificate",
                    "apiserver-certificate",
                    "kubelet-config",
                ] {
                    facts.raw.remove(key);
                }
                let facts = serde_json::to_string_pretty(&facts)?;
                archive.add(&format!("hosts/{host}/facts.json"), &facts)?;
                if let Origin::Collected { files } | Origin::Incomplete { files, .. } = &mut origin
                {
                    *files += 1;
                }
            }
            manifest.hosts.insert(host, origin);
            Ok(())
        })
        .await
        .context("the bundle is not complete, and was not written")
}

fn of_host(archive: &mut Archive<'_>, manifest: &mut Manifest, one: &Collected) -> Result<Origin> {
    let (sections, whole) = support::sections(&one.output.stdout);
    let files = archive.add_sections(&one.host, &sections, &mut manifest.failed)?;
    let errors = one.output.stderr.trim();
    Ok(match (&one.reason, whole) {
        (None, true) => Origin::Collected { files },
        (Some(reason), _) => Origin::Incomplete {
            files,
            reason: reason.clone(),
        },
        (None, false) => Origin::Incomplete {
            files,
            reason: errors
                .lines()
                .last()
                .unwrap_or("its answer is cut")
                .to_owned(),
        },
    })
}

fn ending(manifest: &Manifest, path: &Path) -> Ending {
    let not_whole: Vec<&str> = manifest
        .hosts
        .iter()
        .filter(|(_, origin)| matches!(origin, Origin::Unreachable(_) | Origin::Incomplete { .. }))
        .map(|(host, _)| host.as_str())
        .collect();
    let asked = manifest
        .hosts
        .values()
        .filter(|one| **one != Origin::LeftOut);
    let whole = asked.count() - not_whole.len();
    let mut message = format!("wrote {} with {}", path.display(), count(whole, "host"));
    let mut code = Code::Done;
    if !not_whole.is_empty() {
        message = format!("{message}; not whole: {}", not_whole.join(", "));
        code = Code::Unreachable;
    }
    Ending {
        result: format!("{}\n", path.display()),
        failed: not_whole.len(),
        ..Ending::new(code, message)
    }
}
