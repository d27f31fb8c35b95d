//! `baremetal ssh`: a shell on a host, reached as the inventory says.

use std::{io::IsTerminal as _, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use anyhow::{Context as _, Result};

use super::open;
use crate::{
    cli::SshArgs,
    failure::{Code, Failure},
    inventory::{self, Cluster, Host},
    lab, ssh,
};

/// Runs `ssh` in the foreground; the exit code is its own.
pub async fn run(args: &SshArgs) -> Result<u8> {
    let cluster = open::reachable_cluster(&args.inventory)?;
    let host = named(&cluster, &args.host)?;
    let line = match args.command.as_slice() {
        [] => None,
        [line] => Some(line.clone()),
        words => Some(shlex::try_join(words.iter().map(String::as_str))?),
    };
    if cluster.lab.is_some() {
        let command: Vec<String> = line.into_iter().collect();
        match lab::ssh(&cluster, &host.name, &command)? {}
    }
    let directory = tempfile::tempdir().context("no place for ssh's configuration")?;
    let arguments = ssh::interactive(host, directory.path())
        .with_context(|| format!("ssh cannot be told how to reach {}", host.name))?;
    let mut command = tokio::process::Command::new("ssh");
    command.args(arguments);
    if line.is_some() && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        // For sudo's question and for full-screen programs.
        command.arg("-t");
    }
    command.arg(&host.address).args(line);
    // Ctrl-C is for ssh; this process stays until it has ended, to take its configuration away.
    let mut child = command.spawn().context("ssh cannot be started")?;
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    Ok(code(status))
}

/// As a shell tells it: 128 and the signal for a process that was killed.
fn code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| Some(128 + status.signal()?))
        .unwrap_or(i32::from(u8::MAX));
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn named<'a>(cluster: &'a Cluster, name: &str) -> Result<&'a Host> {
    let exact = cluster.host(name);
    if exact.is_none() && name.contains(['*', '?', '[', ':', '!', ',']) {
        return selected(cluster, name);
    }
    exact.ok_or_else(|| {
        let names: Vec<&str> = cluster
            .hosts
            .iter()
            .map(|host| host.name.as_str())
            .collect();
        let near = inventory::nearest(name, names.iter().copied());
        let guess = near.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
        Failure::new(Code::Usage, format!("no host is named `{name}`{guess}"))
            .hint(format!("hosts: {}", names.join(", ")))
            .into()
    })
}

/// The one host that a selector means.
fn selected<'a>(cluster: &'a Cluster, selector: &str) -> Result<&'a Host> {
    let names = inventory::select(cluster, selector)?;
    if let [name] = names.as_slice()
        && let Some(host) = cluster.host(name)
    {
        return Ok(host);
    }
    let message = format!(
        "`{selector}` means {}: ssh goes to one host",
        names.join(", ")
    );
    Err(Failure::new(Code::Usage, message)
        .hint("name one of them; `baremetal exec --limit` runs a command on all")
        .into())
}
