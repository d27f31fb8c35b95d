//! `baremetal check`: every preflight check on every host, and nothing changed.

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
    let findings = preflight::check(&opened.cluster, &seen);
    super::show_findings(&opened.session, &findings);
    opened.gate(&seen, &findings)?;
    opened.all_reached()?;
    let warnings = findings
        .iter()
        .filter(|finding| finding.level == Level::Warning)
        .count();
    let hosts = count(opened.cluster.hosts.len(), "host");
    let message = if warnings == 0 {
        format!("{hosts} fit for {}", opened.cluster.name)
    } else {
        format!(
            "{hosts} fit for {}, {}",
            opened.cluster.name,
            count(warnings, "warning")
        )
    };
    Ok(Ending::new(Code::Done, message))
}
