//! `baremetal check`: every preflight check on every host, and nothing changed.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;

use super::{
    limited::Scope,
    open::{self, Opened},
    run::{Ending, Run},
};
use crate::{
    artifacts,
    cli::CheckArgs,
    failure::Code,
    inventory::ArtifactSource,
    phases::{
        self,
        preflight::{self, Level},
    },
    report::text::count,
};

pub async fn run(args: &CheckArgs) -> Result<Code> {
    let run = Run::start("check", &args.target.output);
    if args.offline {
        let end = offline(args);
        return run.finish(None, end).await;
    }
    let (session, end) = match begin(&run, args).await {
        Ok((opened, scope)) => {
            let end = check(&opened, scope.as_ref(), &args.target.inventory).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn begin(run: &Run, args: &CheckArgs) -> Result<(Opened, Option<Scope>)> {
    let cluster = Box::new(open::cluster(&args.target)?);
    let scope = Scope::of(&cluster, &args.limit)?;
    Ok((Opened::with(run, &args.target, cluster).await?, scope))
}

fn offline(args: &CheckArgs) -> Result<Ending> {
    let cluster = open::cluster(&args.target)?;
    // A selector that means nothing is a mistake here too.
    Scope::of(&cluster, &args.limit)?;
    // A bundle is looked into; what lies elsewhere would have to be asked for.
    artifacts::assumed(&cluster)?;
    let right = match cluster.artifacts {
        ArtifactSource::Bundle(_) => "the inventory and its bundle are right",
        _ => "the inventory is right",
    };
    Ok(Ending::new(
        Code::Done,
        format!("{}: {right}; nobody was asked for anything", cluster.name),
    ))
}

/// Every host is looked at, within a limit too: two with one machine-id are told by both, and ports are tried from each.
async fn check(opened: &Opened, scope: Option<&Scope>, inventory: &Path) -> Result<Ending> {
    let seen = opened.facts_to_check().await?;
    phases::accept_port(&opened.cluster, &seen, inventory)?;
    let mut findings = preflight::check(&opened.cluster, &opened.artifacts, &seen);
    findings.extend(opened.session.wire(&opened.artifacts, &seen).await?);
    // Host by host, as the inventory has them.
    let place = |name: &str| {
        opened
            .cluster
            .hosts
            .iter()
            .position(|host| host.name == name)
    };
    findings.sort_by_key(|finding| place(&finding.host));
    if let Some(scope) = scope {
        scope.keep(&mut findings);
    }
    super::show_findings(&opened.session, &findings);
    // A check that failed is said before a host that was not reached.
    super::fit(&findings)?;
    let meant = if let Some(scope) = scope {
        scope.all_reached(opened)?;
        scope.names.len()
    } else {
        opened.gate(&seen, &findings)?;
        opened.all_reached()?;
        opened.cluster.hosts.len()
    };
    let of = |level: Level| findings.iter().filter(|one| one.level == level).count();
    let hosts = count(meant, "host");
    let mut message = format!("{hosts} fit for {}", opened.cluster.name);
    if of(Level::Warning) > 0 {
        let _ = write!(message, ", {}", count(of(Level::Warning), "warning"));
    }
    if of(Level::Skipped) > 0 {
        let _ = write!(message, ", {} not checked", of(Level::Skipped));
    }
    Ok(Ending::new(Code::Done, message))
}
