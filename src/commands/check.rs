//! `baremetal check`: every preflight check on every host, and nothing changed.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    open::{self, Opened},
    run::{Ending, Run},
};
use crate::{
    artifacts,
    cli::CheckArgs,
    failure::Code,
    phases::preflight::{self, Level},
    report::text::count,
};

pub async fn run(args: &CheckArgs) -> Result<Code> {
    let run = Run::start("check", &args.target.output);
    if args.offline {
        let end = offline(args);
        return run.finish(None, end).await;
    }
    let (session, end) = match Opened::new(&run, &args.target).await {
        Ok(opened) => {
            let end = check(&opened).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

fn offline(args: &CheckArgs) -> Result<Ending> {
    let cluster = open::cluster(&args.target)?;
    artifacts::resolve(&cluster)?;
    Ok(Ending::new(
        Code::Done,
        format!(
            "{}: the inventory and its artifacts are right; no host was asked",
            cluster.name
        ),
    ))
}

async fn check(opened: &Opened) -> Result<Ending> {
    let seen = opened.facts_to_check().await?;
    let mut findings = preflight::check(&opened.cluster, &seen);
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
    super::show_findings(&opened.session, &findings);
    opened.gate(&seen, &findings)?;
    opened.all_reached()?;
    let of = |level: Level| findings.iter().filter(|one| one.level == level).count();
    let hosts = count(opened.cluster.hosts.len(), "host");
    let mut message = format!("{hosts} fit for {}", opened.cluster.name);
    if of(Level::Warning) > 0 {
        let _ = write!(message, ", {}", count(of(Level::Warning), "warning"));
    }
    if of(Level::Skipped) > 0 {
        let _ = write!(message, ", {} not checked", of(Level::Skipped));
    }
    Ok(Ending::new(Code::Done, message))
}
