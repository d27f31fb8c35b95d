//! `baremetal add-node`: hosts join a cluster that runs, and nothing else is touched but what must learn of them.

mod request;

use std::collections::BTreeSet;

use anyhow::Result;

use super::{
    confirm,
    open::Opened,
    run::{Ending, Run},
};
use crate::{
    cli::AddNodeArgs,
    engine::Outcome,
    failure::{Code, Failure},
    observe::Observation,
    phases::{self, preflight},
    plan::{self, Joining, Limited},
    report::{self, Event},
};
use request::Request;

pub async fn run(args: &AddNodeArgs) -> Result<Code> {
    let run = Run::start("add-node", &args.target.output);
    let (session, end) = match begin(&run, args).await {
        Ok((opened, request)) => {
            let end = add(&opened, &request, args).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn begin(run: &Run, args: &AddNodeArgs) -> Result<(Opened, Request)> {
    let request = request::resolve(args)?;
    let opened = Opened::with(run, &args.target, request.cluster.clone()).await?;
    Ok((opened, request))
}

async fn add(opened: &Opened, request: &Request, args: &AddNodeArgs) -> Result<Ending> {
    let seen = opened.facts().await?;
    phases::accept_port(&opened.cluster, &seen, &args.target.inventory)?;
    let mut findings = preflight::check(&opened.cluster, &opened.artifacts, &seen);
    findings.retain(|finding| request.names.contains(&finding.host));
    super::show_findings(&opened.session, &findings);
    joining(opened, request, args, &seen).can_begin()?;
    super::fit(&findings)?;
    let limited = look(opened, request, args, seen).await?;
    announce(opened, request, args, &limited);
    if args.dry_run {
        return dry_run(args, limited);
    }
    if limited.plan.is_empty() {
        request.write()?;
        return Ok(Ending::new(
            Code::Done,
            format!(
                "nothing to do: {} in {} already",
                request.are("is", "are"),
                opened.cluster.name
            ),
        ));
    }
    agreed(opened, request, args, &limited).await?;
    if args.write_first {
        request.write()?;
    }
    // Somebody else may have been at work until we held the lock: what is run was observed under it.
    let command = format!(
        "baremetal add-node {} {}",
        args.target.inventory.display(),
        args.names.join(" ")
    );
    let lock = opened.session.lock_for(&command, &request.names).await?;
    let end = join(opened, request, args).await;
    lock.release().await;
    end
}

async fn join(opened: &Opened, request: &Request, args: &AddNodeArgs) -> Result<Ending> {
    let seen = opened.facts().await?;
    joining(opened, request, args, &seen).can_begin()?;
    let limited = look(opened, request, args, seen).await?;
    opened.session.event(Event::Planned {
        steps: limited.plan.steps.len(),
        changes: limited.plan.changes(),
    });
    let outcome = opened.session.run(&limited.plan).await;
    let joined = limited.joined(&request.names, |step| outcome.is_done(step));
    conclude(opened, request, args, &outcome, &joined)
}

/// Second round trip, and the plan.
async fn look(
    opened: &Opened,
    request: &Request,
    args: &AddNodeArgs,
    seen: Observation,
) -> Result<Limited> {
    let seen = opened.session.observe(&opened.artifacts, seen).await?;
    joining(opened, request, args, &seen).may_join()?;
    plan::limit(&opened.cluster, &opened.artifacts, &seen, &request.names)
}

fn joining<'a>(
    opened: &'a Opened,
    request: &'a Request,
    args: &'a AddNodeArgs,
    seen: &'a Observation,
) -> Joining<'a> {
    Joining {
        cluster: &opened.cluster,
        seen,
        names: &request.names,
        file: &args.target.inventory,
    }
}

/// What is done elsewhere, what is not, and how the inventory changes: before anything is.
fn announce(opened: &Opened, request: &Request, args: &AddNodeArgs, limited: &Limited) {
    let note = |text: String| opened.session.event(Event::Note { text });
    if let Some(diff) = request.diff() {
        note(format!("the inventory, once they have joined:\n{diff}"));
    }
    if args.dry_run {
        return;
    }
    for line in limited.elsewhere(&request.names) {
        note(format!("elsewhere: {line}"));
    }
    if let Some(text) = left_out(limited) {
        note(text);
    }
}

fn left_out(limited: &Limited) -> Option<String> {
    (!limited.left_out.is_empty()).then(|| {
        format!(
            "other differences seen, not touched (`baremetal up` is for them): {}",
            limited.left_out.join("; ")
        )
    })
}

fn dry_run(args: &AddNodeArgs, limited: Limited) -> Result<Ending> {
    let note = left_out(&limited);
    let mut plan = limited.plan;
    plan.notes.extend(note);
    let mut end = super::plan::shown(&plan, args.target.output.output)?;
    if !plan.is_empty() {
        end.message.push_str("; nothing was changed");
    }
    Ok(end)
}

/// On a terminal, whether to go on; elsewhere nobody is asked: nothing is taken from anybody.
async fn agreed(
    opened: &Opened,
    request: &Request,
    args: &AddNodeArgs,
    limited: &Limited,
) -> Result<()> {
    if args.yes || !confirm::terminal() {
        return Ok(());
    }
    let question = format!(
        "{} to join {}: {} on them and {} elsewhere. Go on",
        request.are("is", "are"),
        opened.cluster.name,
        report::text::changes(limited.plan.changes()),
        report::text::count(limited.elsewhere(&request.names).len(), "step"),
    );
    if confirm::yes(question).await? {
        return Ok(());
    }
    Err(Failure::new(Code::Interrupted, "not confirmed; nothing was changed").into())
}

fn conclude(
    opened: &Opened,
    request: &Request,
    args: &AddNodeArgs,
    outcome: &Outcome,
    joined: &BTreeSet<String>,
) -> Result<Ending> {
    let name = &opened.cluster.name;
    let end = Ending::of(outcome);
    if end.code == Code::Done {
        request.write()?;
        let message = format!("{} joined {name}", request.are("has", "have"));
        return Ok(Ending { message, ..end });
    }
    let written = if request.diff().is_none() || args.write_first {
        String::new()
    } else {
        written(opened, request, joined)
    };
    let why = if end.code == Code::Interrupted {
        "interrupted: "
    } else {
        ""
    };
    let message = format!(
        "{why}{} not wholly joined {name}{written}; run the same command again",
        request.are("has", "have")
    );
    Ok(Ending { message, ..end })
}

/// What became of the inventory when not all have joined: those that have are nodes, and stand in it.
fn written(opened: &Opened, request: &Request, joined: &BTreeSet<String>) -> String {
    let not = "; the inventory was not changed".to_owned();
    match request.write_joined(joined) {
        Ok(names) if names.is_empty() => not,
        Ok(names) => format!("; {} stands in the inventory now", names.join(", ")),
        Err(error) => {
            let hint = error
                .downcast_ref::<Failure>()
                .and_then(|failure| failure.hint.clone())
                .unwrap_or_default();
            let names: Vec<&str> = joined.iter().map(String::as_str).collect();
            let text = format!(
                "{} joined, but could not be written into the inventory, without which `up` refuses to go on: {error}\n{hint}",
                names.join(", ")
            );
            opened.session.event(Event::Note { text });
            not
        }
    }
}
