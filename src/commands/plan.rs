//! `baremetal plan`: what `up` would do.

use anyhow::Result;

use super::{
    limited::Scope,
    open::{self, Opened},
    run::{Ending, Run},
};
use crate::{
    cli::{Format, PlanArgs},
    failure::Code,
    plan::Plan,
    report::{self, PlanStyle},
};

pub async fn run(args: &PlanArgs) -> Result<Code> {
    let run = Run::start("plan", &args.target.output);
    let (session, end) = match begin(&run, args).await {
        Ok((opened, scope)) => {
            let end = make(&opened, args, scope.as_ref()).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn begin(run: &Run, args: &PlanArgs) -> Result<(Opened, Option<Scope>)> {
    let cluster = Box::new(open::cluster(&args.target)?);
    let scope = Scope::of(&cluster, &args.limit)?;
    Ok((Opened::with(run, &args.target, cluster).await?, scope))
}

async fn make(opened: &Opened, args: &PlanArgs, scope: Option<&Scope>) -> Result<Ending> {
    let (plan, missing) = if let Some(scope) = scope {
        let limited = scope.look(opened, &args.target).await?;
        (limited.plan, !scope.missing(opened).is_empty())
    } else {
        let (_, plan) = opened.observed(&args.target.inventory).await?;
        (plan, !opened.session.unreachable().is_empty())
    };
    let code = match (plan.is_empty(), args.exit_code) {
        _ if missing => Code::Unreachable,
        (false, true) => Code::Changes,
        _ => Code::Done,
    };
    Ok(Ending {
        code,
        ..shown(&plan, args.target.output.output)?
    })
}

/// A plan as it is printed, with how much there is to do.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn shown(plan: &Plan, format: Format) -> Result<Ending> {
    let message = if plan.is_empty() {
        "nothing to do".to_owned()
    } else {
        format!(
            "{} in {}",
            report::text::changes(plan.changes()),
            report::text::count(plan.steps.len(), "step")
        )
    };
    let result = match format {
        Format::Text => report::plan(plan, PlanStyle::of_stdout()),
        Format::Json => format!("{}\n", serde_json::to_string(plan)?),
    };
    Ok(Ending {
        result,
        ..Ending::new(Code::Done, message)
    })
}
