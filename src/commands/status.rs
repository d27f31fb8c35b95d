//! `baremetal status`: how the cluster is now.

use std::time::Duration;

use anyhow::Result;

use super::{
    host_keys,
    look::Look,
    run::{Ending, Run},
};
use crate::{
    cli::{StatusArgs, StatusFormat},
    engine::{self, Level},
    failure::Code,
    report::{self, PlanStyle},
    status::Status,
};

/// Seconds until what has not answered is said not to have.
const PATIENCE: u64 = 4;
/// One second more for each so many hosts.
const HOSTS_A_SECOND: usize = 20;

pub async fn run(args: &StatusArgs) -> Result<Code> {
    let run = Run::quiet("status");
    let patience = |hosts: usize| {
        let more = u64::try_from(hosts.saturating_sub(1) / HOSTS_A_SECOND).unwrap_or(0);
        Duration::from_secs(args.timeout.map_or(PATIENCE + more, u64::from))
    };
    let how = (&args.source, &args.reach);
    let (session, end) = match Look::new(&run, &args.inventory, how, patience).await {
        Ok(look) => {
            let end = Box::pin(show(&look, args)).await;
            (Some(look.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn show(look: &Look, args: &StatusArgs) -> Result<Ending> {
    let mut first = look.once(&args.inventory).await?.status;
    if host_keys::ask(&look.cluster, &look.session).await? {
        first = look.once(&args.inventory).await?.status;
    }
    let Some(seconds) = args.watch else {
        return Ok(Ending {
            result: text(&first, args)?,
            ..Ending::new(first.code(), "")
        });
    };
    let pause = Duration::from_secs(seconds.into());
    let mut status = first;
    loop {
        let screen = console::Term::stdout();
        if screen.is_term() && args.output == StatusFormat::Table {
            screen.clear_screen()?;
        }
        let mut text = text(&status, args)?;
        if args.output == StatusFormat::Table {
            text = format!("{}\n{text}\n", engine::time());
        }
        if !super::print_to_reader(&text)? {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = look.session.stop().reached(Level::Drain) => break,
        }
        status = match look.once(&args.inventory).await {
            Ok(view) => view.status,
            Err(_) if look.session.stop().level() > Level::Go => break,
            Err(error) => return Err(error),
        };
    }
    // Ctrl-C is its proper end, and so is a reader that has seen enough.
    Ok(Ending::new(Code::Done, ""))
}

fn text(status: &Status, args: &StatusArgs) -> Result<String> {
    Ok(match args.output {
        StatusFormat::Table => report::status(status, PlanStyle::of_stdout()),
        StatusFormat::Json => format!("{}\n", serde_json::to_string(status)?),
    })
}
