//! `baremetal lab …`: the throw-away hosts of an inventory's `lab:` block.

use std::{fmt::Write as _, path::Path};

use anyhow::Result;

use super::run::{Ending, Run};
use crate::{
    cli::{Format, LabCommand, OutputArgs},
    failure::{Code, Failure},
    inventory::{self, Cluster},
    lab::{self, HostState},
};

pub async fn run(command: &LabCommand) -> Result<Code> {
    match command {
        LabCommand::Status { inventory } => status(&load(inventory)?).await,
        LabCommand::Ssh {
            inventory,
            host,
            command,
        } => match lab::ssh(&load(inventory)?, host, command)? {},
        LabCommand::Up { inventory } => {
            let cluster = load(inventory)?;
            let run = Run::start("lab up", &text());
            let end = lab::up(&cluster, &run.reporter).await.map(|cluster| {
                Ending::new(Code::Done, format!("the hosts of {} run", cluster.name))
            });
            run.finish(None, end).await
        }
        LabCommand::Down { inventory } => {
            let cluster = load(inventory)?;
            let run = Run::start("lab down", &text());
            let end = lab::down(&cluster, &run.reporter)
                .await
                .map(|()| Ending::new(Code::Done, format!("the lab of {} is gone", cluster.name)));
            run.finish(None, end).await
        }
    }
}

fn text() -> OutputArgs {
    OutputArgs {
        output: Format::Text,
        junit: None,
        verbose: false,
    }
}

fn load(path: &Path) -> Result<Cluster> {
    let cluster = inventory::load_with(path, &super::bundle_from_environment())?;
    if cluster.lab.is_none() {
        return Err(Failure::new(
            Code::Usage,
            format!("{} has no `lab:` block", path.display()),
        )
        .hint("its hosts are machines of your own; `lab` commands are for hosts that `baremetal` made")
        .into());
    }
    Ok(cluster)
}

fn state(state: HostState) -> &'static str {
    match state {
        HostState::Running => "running",
        HostState::Stopped => "stopped",
        HostState::Missing => "missing",
    }
}

async fn status(cluster: &Cluster) -> Result<Code> {
    let hosts = lab::status(cluster).await?;
    let width = hosts.iter().map(|host| host.host.len()).max().unwrap_or(0);
    let mut text = String::new();
    for host in &hosts {
        let more = if host.in_inventory {
            ""
        } else {
            "  (no longer in the inventory)"
        };
        let _ = writeln!(
            text,
            "{:<width$}  {:<15}  {}{more}",
            host.host,
            host.address,
            state(host.state)
        );
    }
    super::print(&text)?;
    Ok(Code::Done)
}
