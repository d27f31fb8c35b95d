//! `baremetal reset`: hosts become what they were before `up`.

use std::path::Path;

use anyhow::Result;

use super::{
    confirm,
    open::Opened,
    run::{Ending, Run},
};
use crate::{
    cli::{Format, OutputArgs, ResetArgs},
    engine::Outcome,
    failure::{Code, Failure},
    observe::Observation,
    phases::reset::{self, Belongs, ClusterData, Depth, HostLeft, Options, Remains},
    plan::Plan,
    report::{self, Event, PlanStyle, text::count},
};

pub async fn run(args: &ResetArgs) -> Result<Code> {
    let cluster = super::open::bare_cluster(&args.target)?;
    confirm::early(&cluster.name, args.yes.as_deref())?;
    if let Some(unknown) = args.names.iter().find(|name| cluster.host(name).is_none()) {
        let names: Vec<&str> = cluster.hosts.iter().map(|host| &*host.name).collect();
        return Err(Failure::new(
            Code::Usage,
            format!("the inventory has no host `{unknown}`; nothing was changed"),
        )
        .hint(format!("its hosts are {}", names.join(", ")))
        .into());
    }
    let run = Run::start("reset", &args.target.output);
    let (session, end) = match Opened::bare(&run, &args.target).await {
        Ok(opened) => {
            let end = reset(&opened, args).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn reset(opened: &Opened, args: &ResetArgs) -> Result<Ending> {
    let seen = opened.facts().await?;
    let names = names(opened, args);
    no_other_cluster(opened, &seen, &names)?;
    let data = opened.session.cluster_data(&seen).await?;
    if !args.names.is_empty() {
        leaves_no_cluster_behind(opened, args, &seen, &data)?;
    }
    let options = Options {
        depth: Depth::Host,
        packages: args.packages,
        longhorn_data: args.longhorn_data,
    };
    let plan = plan(opened, &seen, &names, options).await?;
    let missing = missing(opened, &names);
    if plan.is_empty() {
        return Ok(nothing_to_do(opened, &missing));
    }
    // Of single hosts the plan says what they have; the cluster goes on, or was there before.
    let dies = if args.names.is_empty() {
        data.dies(&opened.cluster.name)
    } else {
        String::new()
    };
    show(opened, &args.target.output, &plan, &dies, "baremetal reset")?;
    let what = if args.names.is_empty() {
        format!("end it on {}", count(names.len() - missing.len(), "host"))
    } else {
        format!("reset {}", names.join(", "))
    };
    confirm::by_name(&opened.cluster.name, args.yes.as_deref(), &what).await?;
    let command = format!("baremetal reset {}", args.target.inventory.display());
    let lock = opened.session.lock(&command).await?;
    // Somebody else may have been at work until we held the lock.
    let plan = self::plan(opened, &seen, &names, options).await?;
    opened.session.event(Event::Planned {
        steps: plan.steps.len(),
        changes: plan.changes(),
    });
    let outcome = opened.session.run(&plan).await;
    lock.release().await;
    let missing = self::missing(opened, &names);
    Ok(conclude(opened, &names, &missing, &outcome))
}

/// The hosts that are meant.
fn names(opened: &Opened, args: &ResetArgs) -> Vec<String> {
    let hosts = opened.cluster.hosts.iter().map(|host| host.name.clone());
    hosts
        .filter(|name| args.names.is_empty() || args.names.contains(name))
        .collect()
}

/// Those of them that cannot be worked on.
fn missing(opened: &Opened, names: &[String]) -> Vec<String> {
    let unreachable = opened.session.unreachable();
    let missing = names.iter().filter(|name| unreachable.contains_key(*name));
    missing.cloned().collect()
}

/// What is on the hosts that answer, as a plan of removal.
pub(super) async fn plan(
    opened: &Opened,
    seen: &Observation,
    names: &[String],
    options: Options,
) -> Result<Plan> {
    let left = opened.session.left(seen, names).await?;
    let remains: Vec<Remains<'_>> = left
        .iter()
        .filter_map(|(name, left): (&String, &HostLeft)| {
            Some(Remains {
                host: opened.cluster.host(name)?,
                facts: &seen.hosts.get(name)?.facts,
                left,
            })
        })
        .collect();
    Ok(reset::plan(&opened.cluster, &remains, options))
}

/// A host that serves another cluster is not ours to reset, whatever the inventory says.
pub(super) fn no_other_cluster(
    opened: &Opened,
    seen: &Observation,
    names: &[String],
) -> Result<()> {
    let theirs: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let facts = &seen.hosts.get(name)?.facts;
            let server = reset::other_cluster(&opened.cluster, facts)?;
            Some(format!("{name} (its kubelet talks to {server})"))
        })
        .collect();
    if theirs.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!(
            "not of {}: {}; nothing was changed",
            opened.cluster.name,
            theirs.join(", ")
        ),
    )
    .hint("take the host out of this inventory, or give `reset` the inventory of its own cluster")
    .into())
}

/// Single hosts are reset only when no cluster that goes on counts on them.
fn leaves_no_cluster_behind(
    opened: &Opened,
    args: &ResetArgs,
    seen: &Observation,
    data: &ClusterData,
) -> Result<()> {
    let (mut members, mut perhaps) = (Vec::new(), Vec::new());
    for host in args
        .names
        .iter()
        .filter_map(|name| opened.cluster.host(name))
    {
        let kube = seen.hosts.get(&host.name).map(|seen| &seen.facts.kube);
        match data.belongs(host, kube) {
            Belongs::As(name) => members.push((host.name.as_str(), name)),
            Belongs::Perhaps => perhaps.push(host.name.as_str()),
            Belongs::No => {}
        }
    }
    let staying = |name: &String| !args.names.contains(name);
    let goes_on = seen.hosts.iter().any(|(name, host)| {
        staying(name) && (host.facts.kube.kubelet_conf || host.facts.kube.etcd_data)
    }) || seen.unreachable.keys().any(staying)
        || data
            .nodes
            .iter()
            .any(|node| members.iter().all(|(_, known)| known != node));
    if (members.is_empty() && perhaps.is_empty()) || !goes_on {
        return Ok(());
    }
    if let Some(reason) = &args.although_member {
        let known = members.iter().map(|(name, _)| *name);
        let names: Vec<&str> = known.chain(perhaps).collect();
        let text = format!("{} reset although a member: {reason}", names.join(", "));
        opened.session.event(Event::Note { text });
        return Ok(());
    }
    let (message, hint) = if members.is_empty() {
        (
            format!(
                "{} may still be a member of {}: no control plane answers who is",
                perhaps.join(", "),
                opened.cluster.name
            ),
            "bring a control plane back first; --although-member=REASON resets it all the same"
                .to_owned(),
        )
    } else {
        belongs(&opened.cluster.name, &args.target.inventory, &members)
    };
    Err(
        Failure::new(Code::Refused, format!("{message}; nothing was changed"))
            .hint(hint)
            .into(),
    )
}

/// What is said of `members`: hosts as the file calls them, and as the cluster does.
fn belongs(cluster: &str, file: &Path, members: &[(&str, String)]) -> (String, String) {
    let shown: Vec<String> = members
        .iter()
        .map(|(name, known)| {
            if known == name {
                known.clone()
            } else {
                format!("{name} (there called {known})")
            }
        })
        .collect();
    let known: Vec<&str> = members.iter().map(|(_, known)| known.as_str()).collect();
    let first = if members.iter().any(|(name, known)| name != known) {
        format!("call it in {} as the cluster does; then ", file.display())
    } else {
        String::new()
    };
    (
        format!(
            "{} belongs to {cluster}, which goes on without it",
            shown.join(", ")
        ),
        format!(
            "{first}`baremetal remove-node {} {}` drains it and keeps etcd's quorum; --although-member=REASON resets it all the same",
            file.display(),
            known.join(" ")
        ),
    )
}

/// What will be done and what dies with it, before anybody is asked.
pub(super) fn show(
    opened: &Opened,
    output: &OutputArgs,
    plan: &Plan,
    dies: &str,
    command: &'static str,
) -> Result<()> {
    match output.output {
        Format::Text => {
            let style = PlanStyle {
                command,
                ..PlanStyle::of_stdout()
            };
            super::print(&format!("{}\n{dies}", report::plan(plan, style)))
        }
        Format::Json => {
            for line in plan.notes.iter().map(String::as_str).chain(dies.lines()) {
                let text = line.to_owned();
                opened.session.event(Event::Note { text });
            }
            Ok(())
        }
    }
}

fn nothing_to_do(opened: &Opened, missing: &[String]) -> Ending {
    if missing.is_empty() {
        return Ending::new(
            Code::Done,
            format!("nothing to do: nothing of {} is left", opened.cluster.name),
        );
    }
    Ending::new(
        Code::Unreachable,
        format!(
            "nothing to do on the hosts that answer; not looked at: {}",
            missing.join(", ")
        ),
    )
}

fn conclude(opened: &Opened, names: &[String], missing: &[String], outcome: &Outcome) -> Ending {
    let name = &opened.cluster.name;
    let (code, message) = match outcome.code() {
        Code::Done if missing.is_empty() => {
            let done = format!("{} of {name} as before `up`", count(names.len(), "host"));
            (Code::Done, done)
        }
        Code::Done => (
            Code::Unreachable,
            format!(
                "done on the hosts that answer; nothing was done for {}",
                missing.join(", ")
            ),
        ),
        Code::Interrupted => (
            Code::Interrupted,
            format!("interrupted: {name} is half reset; the same command goes on"),
        ),
        code => (code, format!("{name} is not reset everywhere")),
    };
    Ending {
        code,
        message,
        ..Ending::of(outcome)
    }
}
