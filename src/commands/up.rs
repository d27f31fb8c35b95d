//! `baremetal up`: hosts become the cluster that the inventory describes.

use std::path::Path;

use anyhow::Result;

use super::{
    kubeconfig,
    limited::Scope,
    open::{self, Opened},
    run::{Ending, Run},
};
use crate::{
    cli::{Format, Target, UpArgs},
    engine::{Outcome, Session},
    failure::Code,
    phases::verify,
    report::{self, Event},
};

pub async fn run(args: &UpArgs) -> Result<Code> {
    let target = &args.target;
    let run = Run::start("up", &target.output);
    let (session, end) = match begin(&run, args).await {
        Ok((opened, scope)) => {
            let end = match scope {
                Some(scope) => scope.up(&opened, target).await,
                None => up(&opened, target).await,
            };
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn begin(run: &Run, args: &UpArgs) -> Result<(Opened, Option<Scope>)> {
    let cluster = Box::new(open::cluster(&args.target)?);
    let scope = Scope::of(&cluster, &args.limit)?;
    Ok((Opened::with(run, &args.target, cluster).await?, scope))
}

async fn up(opened: &Opened, target: &Target) -> Result<Ending> {
    let (seen, plan) = opened.observed(&target.inventory).await?;
    for note in &plan.notes {
        // Of hosts out of reach everything has been said.
        if !seen.unreachable.keys().any(|host| note.starts_with(host)) {
            let text = note.clone();
            opened.session.event(Event::Note { text });
        }
    }
    if plan.is_empty() {
        // What was observed anyway tells whether nodes and etcd do what they are for; more would be a further round trip.
        let ailing = (seen.api.as_ref()).map(|api| verify::quick::at_rest(&opened.cluster, api));
        for one in ailing.into_iter().flatten() {
            if !seen.unreachable.contains_key(&one.host) {
                let text = format!("{}: {}; {}", one.host, one.found, one.fix);
                opened.session.event(Event::Note { text });
            }
        }
        let kubeconfig = kubeconfig::refresh(opened, &seen, None).await?;
        return Ok(nothing_to_do(opened, target, &kubeconfig));
    }
    // Somebody else may have been at work until we held the lock: what is run was observed under it.
    let command = format!("baremetal up {}", target.inventory.display());
    let lock = opened.session.lock(&command).await?;
    let seen = opened.facts().await?;
    let (_, plan) = opened.plan(seen, &target.inventory).await?;
    opened.session.event(Event::Planned {
        steps: plan.steps.len(),
        changes: plan.changes(),
    });
    let outcome = opened.session.run(&plan).await;
    let end = conclude(opened, target, &outcome).await;
    lock.release().await;
    end
}

fn nothing_to_do(opened: &Opened, target: &Target, kubeconfig: &Path) -> Ending {
    let name = &opened.cluster.name;
    let missing = left_out(&opened.session);
    if missing.is_empty() {
        return Ending {
            result: summary(opened, target, kubeconfig),
            ..Ending::new(
                Code::Done,
                format!("nothing to do: {name} is as the inventory says"),
            )
        };
    }
    Ending::new(
        Code::Unreachable,
        format!("nothing to do on the hosts that answer; not looked at: {missing}"),
    )
}

pub(super) async fn conclude(
    opened: &Opened,
    target: &Target,
    outcome: &Outcome,
) -> Result<Ending> {
    let name = &opened.cluster.name;
    let end = Ending::of(outcome);
    if end.code != Code::Done {
        let message = match end.code {
            Code::Interrupted => format!("interrupted: {name} is not complete"),
            _ => format!("{name} is not complete"),
        };
        return Ok(Ending { message, ..end });
    }
    let seen = opened.facts().await?;
    let kubeconfig = kubeconfig::refresh(opened, &seen, None).await?;
    let missing = left_out(&opened.session);
    if !missing.is_empty() {
        return Ok(Ending {
            code: Code::Unreachable,
            message: format!("done on the hosts that answer; nothing was done for {missing}"),
            ..end
        });
    }
    Ok(Ending {
        message: format!("{name} is up"),
        result: summary(opened, target, &kubeconfig),
        ..end
    })
}

/// Names of the hosts that could not be worked on, or nothing.
fn left_out(session: &Session) -> String {
    let names: Vec<_> = session.unreachable().into_keys().collect();
    names.join(", ")
}

fn summary(opened: &Opened, target: &Target, kubeconfig: &Path) -> String {
    match target.output.output {
        Format::Text => report::summary(&opened.cluster, kubeconfig),
        Format::Json => String::new(),
    }
}
