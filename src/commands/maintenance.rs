//! `baremetal maintenance`: a node goes out of service for a while, and comes back.

use std::net::IpAddr;

use anyhow::Result;

use super::{
    leaving,
    open::{self, Opened},
    run::{Ending, Run},
};
use crate::{
    cli::{DrainArgs, MaintenanceCommand, Target},
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    observe::LeavingSeen,
    phases::leaving::{MAINTENANCE, Maintenance, Mark, off, on},
    plan::Plan,
    report::Event,
};

/// What is asked for.
enum Way<'a> {
    On {
        reason: Option<&'a String>,
        drain: &'a DrainArgs,
    },
    Off,
}

pub async fn run(command: &MaintenanceCommand) -> Result<Code> {
    let (target, name, way) = match command {
        MaintenanceCommand::On(args) => {
            let way = Way::On {
                reason: args.reason.as_ref(),
                drain: &args.drain,
            };
            (&args.target, &args.name, way)
        }
        MaintenanceCommand::Off(args) => (&args.target, &args.name, Way::Off),
    };
    let options = leaving::load_options(&target.source);
    let whole = open::cluster_with(target, &options)?;
    known(&whole, name)?;
    let mut cluster = whole.clone();
    // Everything is done through another control plane; the host itself may be off.
    cluster
        .hosts
        .retain(|host| host.is_control_plane() && (host.name != *name || matches!(way, Way::Off)));
    let run = Run::start("maintenance", &target.output);
    if cluster.hosts.is_empty() {
        let error = Failure::new(
            Code::Refused,
            format!(
                "{name} is not put into maintenance: it is the only control plane, without it there is no API"
            ),
        )
        .hint("add control planes first: one alone cannot be spared");
        return run.finish(None, Err(error.into())).await;
    }
    let (session, end) = match Opened::of(&run, target, cluster).await {
        Ok(opened) => {
            let end = change(&opened, &whole, target, name, &way).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

fn known(cluster: &Cluster, name: &str) -> Result<()> {
    if cluster.host(name).is_some_and(Host::is_node) {
        return Ok(());
    }
    let nodes: Vec<&str> = cluster.nodes().map(|host| host.name.as_str()).collect();
    Err(Failure::new(
        Code::Usage,
        format!("the inventory has no node `{name}`; nothing was changed"),
    )
    .hint(format!("its nodes are {}", nodes.join(", ")))
    .into())
}

async fn change(
    opened: &Opened,
    whole: &Cluster,
    target: &Target,
    name: &str,
    way: &Way<'_>,
) -> Result<Ending> {
    let seen = opened.facts().await?;
    let via = leaving::via(opened, whole, &opened.cluster, &seen)?;
    let session = &opened.session;
    let view = session.leaving(&via, name).await?;
    let addresses = addresses(whole, name);
    let plan = |view: &LeavingSeen| plan(way, name, &addresses, &via, view);
    if plan(&view)?.is_empty() {
        return Ok(Ending::new(Code::Done, nothing_to_do(way, name, &view)));
    }
    let verb = match way {
        Way::On { .. } => "on",
        Way::Off => "off",
    };
    let command = format!(
        "baremetal maintenance {verb} {} {name}",
        target.inventory.display()
    );
    let lock = session.lock(&command).await?;
    let work = async {
        let view = session.leaving(&via, name).await?;
        let plan = plan(&view)?;
        for text in plan.notes.clone() {
            session.event(Event::Note { text });
        }
        session.event(Event::Planned {
            steps: plan.steps.len(),
            changes: plan.changes(),
        });
        anyhow::Ok(session.run(&plan).await)
    };
    let outcome = work.await;
    lock.release().await;
    let outcome = outcome?;
    let code = outcome.code();
    let message = match (code, way) {
        (Code::Done, Way::On { .. }) => format!(
            "{name} is in maintenance; back to service: baremetal maintenance off {} {name}",
            target.inventory.display()
        ),
        (Code::Done, Way::Off) => format!("{name} is back in service"),
        (Code::Interrupted, _) => {
            format!("interrupted: {name} may be cordoned; the same command goes on")
        }
        (_, Way::On { .. }) => format!("{name} is not in maintenance"),
        (_, Way::Off) => format!("{name} is still in maintenance"),
    };
    Ok(Ending {
        code,
        message,
        ..Ending::of(&outcome)
    })
}

/// Addresses by which the cluster must know the node; none where a flag of the user's decides that.
fn addresses(whole: &Cluster, name: &str) -> Vec<IpAddr> {
    let decides = |(flag, _): &(String, String)| flag == "node-ip" || flag == "cloud-provider";
    whole
        .host(name)
        .filter(|_| !whole.kubelet.args.iter().any(decides))
        .into_iter()
        .flat_map(|host| std::iter::once(host.node_ip).chain(host.node_ip_v6))
        .collect()
}

fn plan(
    way: &Way<'_>,
    name: &str,
    addresses: &[IpAddr],
    via: &Host,
    seen: &LeavingSeen,
) -> Result<Plan> {
    let plan = match way {
        Way::On { reason, drain } => on(&Maintenance {
            name,
            addresses: addresses.to_vec(),
            via,
            seen,
            mark: leaving::mark(reason.cloned()),
            drain: drain.drain_timeout,
            delete_unmanaged_pods: drain.delete_unmanaged_pods,
        }),
        Way::Off => off(name, via, seen),
    };
    Ok(plan?)
}

fn nothing_to_do(way: &Way<'_>, name: &str, seen: &LeavingSeen) -> String {
    let node = seen.nodes.iter().find(|node| node.name == name);
    let told = node
        .and_then(|node| Mark::on(node, MAINTENANCE))
        .map(|mark| mark.told())
        .unwrap_or_default();
    let cordoned = node.is_some_and(|node| node.unschedulable);
    match way {
        Way::On { .. } => format!("nothing to do: {name} is in maintenance by {told}"),
        Way::Off if cordoned => {
            format!("nothing to do: {name} is not in maintenance; someone else has cordoned it")
        }
        Way::Off => format!("nothing to do: {name} is not in maintenance"),
    }
}
