//! `baremetal exec`: a command on many hosts, with the connections and limits of `up`.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{
    open,
    run::{Ending, Run},
    secrets,
};
use crate::{
    cli::{ExecArgs, Format, OutputArgs},
    engine::Session,
    failure::Code,
    inventory::{self, Cluster},
    report::{self, HostOutput, text},
};

/// Runs the command; the exit code is the worst of the hosts'.
pub async fn run(args: &ExecArgs) -> Result<u8> {
    let output = OutputArgs {
        output: args.output,
        junit: None,
        verbose: false,
    };
    let run = Run::start("exec", &output);
    let (session, end) = match chosen(args) {
        Ok(cluster) => match connect(&run, &cluster, args).await {
            Ok((_, session)) => {
                let end = exec(&session, args).await;
                (Some(session), end)
            }
            Err(error) => (None, Err(error)),
        },
        Err(error) => (None, Err(error)),
    };
    let passed_on = end.as_ref().ok().and_then(|end| end.passed_on);
    let code = run.finish(session, end).await?;
    Ok(passed_on.unwrap_or(code as u8))
}

async fn connect(run: &Run, cluster: &Cluster, args: &ExecArgs) -> Result<(Cluster, Session)> {
    // None of them is needed; those that are here are kept out of what is shown.
    let (secrets, _) = secrets::at_hand(cluster);
    open::connect(run, cluster, None, secrets, &args.reach).await
}

/// The inventory with the hosts that are meant, and no other.
fn chosen(args: &ExecArgs) -> Result<Cluster> {
    let mut cluster = open::reachable_cluster(&args.inventory)?;
    open::reach(&mut cluster, &args.reach);
    // What the inventory warns of is about the cluster, not about this command.
    cluster.warnings.clear();
    if let Some(limit) = &args.limit.limit {
        let names = inventory::select(&cluster, limit)?;
        cluster.hosts.retain(|host| names.contains(&host.name));
    }
    Ok(cluster)
}

async fn exec(session: &Session, args: &ExecArgs) -> Result<Ending> {
    let timeout = Duration::from_secs(args.timeout.into());
    let all = session.everywhere(&line(&args.command)?, timeout).await?;
    let missing = session.unreachable();
    let worst = worst(&all, missing.len());
    let ok = all.iter().filter(|one| one.status == Some(0)).count();
    let hosts = text::count(all.len() + missing.len(), "host");
    let message = if worst == 0 {
        format!("done on {hosts}")
    } else {
        format!("done on {ok} of {hosts}")
    };
    let result = match args.output {
        Format::Text => shown(&all),
        Format::Json => String::new(),
    };
    Ok(Ending {
        failed: all.len() + missing.len() - ok,
        passed_on: Some(worst),
        result,
        ..Ending::new(if worst == 0 { Code::Done } else { Code::Phase }, message)
    })
}

/// What hosts say must not drive a terminal; a file or a pipe gets it as it is.
fn shown(all: &[HostOutput]) -> String {
    let text = report::outputs(all);
    if console::Term::stdout().is_term() {
        text::printable(&text)
    } else {
        text
    }
}

/// The highest status; a host that was not reached, or of which no end is known, counts as [`Code::Unreachable`].
fn worst(all: &[HostOutput], missing: usize) -> u8 {
    let unknown = (missing > 0).then_some(Code::Unreachable as u8);
    let of = |one: &HostOutput| match one.status {
        Some(status) => u8::try_from(status).unwrap_or(u8::MAX),
        None => Code::Unreachable as u8,
    };
    all.iter().map(of).chain(unknown).max().unwrap_or(0)
}

/// One word is a line of shell; several are a command and its arguments.
fn line(command: &[String]) -> Result<String> {
    match command {
        [line] => Ok(line.clone()),
        words => shlex::try_join(words.iter().map(String::as_str))
            .context("a command cannot hold a NUL byte"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_status_counts() {
        let of = |status| HostOutput {
            status,
            ..HostOutput::default()
        };
        for (all, missing, wanted) in [
            (vec![Some(0), Some(0)], 0, 0),
            (vec![Some(0), Some(3), Some(1)], 0, 3),
            (vec![Some(0)], 1, 4),
            (vec![Some(7)], 1, 7),
            (vec![Some(0), None], 0, 4),
            (vec![], 2, 4),
            (vec![Some(-1)], 0, 255),
        ] {
            let all: Vec<_> = all.into_iter().map(of).collect();
            assert_eq!(worst(&all, missing), wanted);
        }
    }

    #[test]
    fn arguments_stay_what_they_are() {
        let of = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            line(&words).unwrap()
        };
        assert_eq!(of(&["df -h | tail -n 1"]), "df -h | tail -n 1");
        assert_eq!(of(&["echo", "a b", "$HOME"]), "echo 'a b' '$HOME'");
    }
}
