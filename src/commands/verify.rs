//! `baremetal verify`: the cluster does what it is for, or it is said what it does not.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use base64::Engine as _;

use super::{
    open::{self, Opened},
    run::{Ending, Run},
};
use crate::{
    cli::{FailoverArg, VerifyArgs},
    engine::{Level as Asked, Verification},
    failure::{Code, Failure},
    inventory::{self, Cluster},
    observe::Observation,
    phases::{
        preflight::{Finding, Level},
        verify::{self, failover::Away, quick},
    },
    report::{Event, text::count},
};

pub async fn run(args: &VerifyArgs) -> Result<Code> {
    let run = Run::start("verify", &args.target.output);
    let (session, end) = match begin(&run, args).await {
        Ok((opened, left_out)) => {
            let end = Box::pin(verify(&opened, args, &left_out)).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn begin(run: &Run, args: &VerifyArgs) -> Result<(Opened, BTreeSet<&'static str>)> {
    let (cluster, left_out) = wanted(args)?;
    let opened = Opened::of(run, &args.target, cluster).await?;
    Ok((opened, left_out))
}

/// What can be said before any host is asked.
fn wanted(args: &VerifyArgs) -> Result<(Cluster, BTreeSet<&'static str>)> {
    let target = &args.target;
    let mut cluster =
        inventory::load_with(&target.inventory, &super::load_options(&target.source))?;
    let left_out = verify::left_out(&target.connection.skip_checks)?;
    open::reach(&mut cluster, &target.connection.reach);
    if let Some(failover) = args.failover {
        verify::failover::possible(&cluster, away(failover))?;
    }
    Ok((cluster, left_out))
}

fn away(arg: FailoverArg) -> Away {
    match arg {
        FailoverArg::Vip => Away::Vip,
        FailoverArg::Node => Away::Node,
    }
}

async fn verify(
    opened: &Opened,
    args: &VerifyArgs,
    left_out: &BTreeSet<&'static str>,
) -> Result<Ending> {
    let seen = opened.facts_to_check().await?;
    if seen.elected.is_empty() {
        return Err(
            Failure::new(Code::Unreachable, "no control plane can be worked on")
                .hint(
                    "the cluster is asked through one; the lines above say what keeps us from each",
                )
                .into(),
        );
    }
    if args.quick {
        let begun = Verification::begin(&opened.session, &opened.cluster, &seen).await?;
        let findings = quick::judge(&opened.cluster, &begun.answers);
        return Ok(show(opened, findings, left_out, &begun));
    }
    let command = format!("baremetal verify {}", args.target.inventory.display());
    // Two at once would take each other's objects for what a killed run has left; and nobody changes hosts meanwhile.
    let lock = opened.session.lock(&command).await?;
    let end = Box::pin(whole(opened, args, left_out, &seen)).await;
    lock.release().await;
    end
}

async fn whole(
    opened: &Opened,
    args: &VerifyArgs,
    left_out: &BTreeSet<&'static str>,
    seen: &Observation,
) -> Result<Ending> {
    let session = &opened.session;
    let begun = Verification::begin(session, &opened.cluster, seen).await?;
    let mut findings = quick::judge(&opened.cluster, &begun.answers);
    // Refused before anything is made; what speaks against it is shown all the same.
    let plan = match args.failover {
        Some(failover) => begun
            .choose(away(failover), args.max_gap)
            .inspect_err(|_| {
                show(opened, findings.clone(), left_out, &begun);
            })
            .map(Some)?,
        None => None,
    };
    if verify::needs_objects(left_out) {
        findings.extend(begun.try_out(left_out).await?);
    }
    if let Some(plan) = plan.filter(|_| session.stop().level() == Asked::Go) {
        if verify::failover::is_safe(&findings) {
            let ca = authority(seen)?;
            findings.extend(begun.fail_over(&plan, &ca).await);
        } else {
            findings.push(verify::failover::unsafe_now(&plan));
        }
    }
    Ok(show(opened, findings, left_out, &begun))
}

/// The cluster's CA, as the control plane has it through which we ask.
fn authority(seen: &Observation) -> Result<Vec<u8>> {
    let facts = seen.hosts.get(&seen.elected).map(|host| &host.facts);
    let text = facts.map_or("", |facts| facts.one("ca"));
    base64::engine::general_purpose::STANDARD
        .decode(text)
        .ok()
        .filter(|pem| !pem.is_empty())
        .with_context(|| format!("{} has no CA of the cluster", seen.elected))
}

/// Shows how every claim ended, and how the command ends with that.
fn show(
    opened: &Opened,
    mut findings: Vec<Finding>,
    left_out: &BTreeSet<&'static str>,
    begun: &Verification<'_>,
) -> Ending {
    let session = &opened.session;
    findings.retain(|finding| !left_out.contains(finding.id));
    verify::sort(&mut findings, &opened.cluster);
    if begun.answers.stand_in() {
        session.event(Event::Note {
            text: "Kubernetes is a stand-in: what it has no way to show is not checked".to_owned(),
        });
    }
    session.event(Event::Verified {
        findings: findings.clone(),
    });
    let name = &opened.cluster.name;
    let of = |level: Level| findings.iter().filter(|one| one.level == level).count();
    let (failed, unknown) = (of(Level::Failure), of(Level::Skipped));
    let more = match unknown {
        0 => String::new(),
        unknown => format!(", {unknown} not checked"),
    };
    let missing = session.unreachable().len();
    let (code, message) = if session.stop().level() > Asked::Go {
        let message = format!("interrupted: {name} was not looked at to the end");
        (Code::Interrupted, message)
    } else if failed > 0 {
        let message = format!(
            "{name} does not do all that it is for: {}{more}",
            count(failed, "failure")
        );
        (Code::Phase, message)
    } else if missing > 0 {
        let message = format!(
            "{name} does what it is for as far as was seen, {} cannot be worked on{more}",
            count(missing, "host")
        );
        (Code::Unreachable, message)
    } else {
        (Code::Done, format!("{name} does what it is for{more}"))
    };
    Ending {
        failed,
        ..Ending::new(code, message)
    }
}
