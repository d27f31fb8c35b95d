//! Waits until hosts answer, and learns their keys.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use tokio::task::JoinSet;

use super::{
    access::{self, Files},
    container::{Container, strings},
    engine::Engine,
};
use crate::{
    failure::{Code, Failure},
    inventory::Cluster,
    report::Reporter,
};

/// Longest time from a container's start to the greeting of its SSH server.
const BOOT: Duration = Duration::from_mins(1);

/// Waits for every host's SSH server and writes down the host keys as the engine shows them.
pub async fn learn(
    cluster: &Cluster,
    engine: &Engine,
    files: &Files,
    reporter: &Reporter,
) -> Result<()> {
    let containers = engine.containers(cluster).await?;
    let known = files.known();
    let mut tasks = JoinSet::new();
    for container in &containers {
        if cluster.host(&container.host).is_none() {
            continue;
        }
        let (engine, container) = (engine.clone(), container.clone());
        let line = access::line_of(&known, &container).cloned();
        let reporter = reporter.clone();
        tasks.spawn(async move {
            let learnt = async {
                boot(&engine, &container).await?;
                match line {
                    Some(line) => Ok(line),
                    None => read_key(&engine, &container, &reporter).await,
                }
            };
            learnt.await.map_err(|error| at(&container.host, error))
        });
    }
    let mut lines = together(tasks).await?;
    // A host that is gone stays known, so that it is told from one that was never made.
    let gone = known.into_iter().filter(|line| {
        !containers
            .iter()
            .any(|made| line.split(',').next().is_some_and(|host| host == made.host))
    });
    lines.extend(gone);
    files.write(&lines, &containers)
}

async fn boot(engine: &Engine, container: &Container) -> Result<()> {
    let address: SocketAddr = format!("{}:22", container.address).parse()?;
    let begun = Instant::now();
    let mut looked = Instant::now();
    loop {
        let greeted =
            tokio::task::spawn_blocking(move || access::greets(address, Duration::from_secs(2)))
                .await?;
        if greeted {
            return Ok(());
        }
        if looked.elapsed() > Duration::from_secs(2) {
            looked = Instant::now();
            let state = strings(&[
                "inspect",
                "--type=container",
                "--format={{.State.Status}}",
                &container.id,
            ]);
            let state = engine.run(&state).await?;
            if state.trim() != "running" || begun.elapsed() > BOOT {
                let logs = strings(&["logs", "--tail=15", &container.id]);
                let logs = engine.command(&logs).output().await?;
                return Err(Failure::new(
                    Code::Unreachable,
                    format!(
                        "lab: no SSH server at {address} after {} s, container {}\n{}{}",
                        begun.elapsed().as_secs(),
                        state.trim(),
                        String::from_utf8_lossy(&logs.stdout),
                        String::from_utf8_lossy(&logs.stderr),
                    ),
                )
                .hint(format!(
                    "look inside: `docker exec -it {} sh`",
                    container.name
                ))
                .into());
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The host key as the engine shows it; says so when systemd did not come up whole.
async fn read_key(engine: &Engine, container: &Container, reporter: &Reporter) -> Result<String> {
    let script = "systemctl is-system-running --wait; cat /etc/ssh/ssh_host_ed25519_key.pub";
    let out = engine
        .run(&strings(&["exec", &container.id, "sh", "-c", script]))
        .await?;
    let (state, key) = out.split_once('\n').unwrap_or_default();
    if state.trim() != "running" {
        reporter.note(format!(
            "lab: systemd on {} is {}",
            container.host,
            state.trim()
        ));
    }
    access::known_line(container, key)
        .with_context(|| format!("lab: no SSH host key in `{}`", out.trim()))
}

/// The error with its host, and with the exit code and hint that it had.
pub fn at(host: &str, error: anyhow::Error) -> anyhow::Error {
    let whole = format!("host {host}: {error:#}");
    let failure = error
        .downcast::<Failure>()
        .unwrap_or_else(|error| Failure::new(Code::Unreachable, error.to_string()));
    Failure {
        message: whole,
        ..failure
    }
    .into()
}

/// Waits for all tasks; one failure is given as it is, several together.
pub async fn together<T: Send + 'static>(mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    while let Some(outcome) = tasks.join_next().await {
        match outcome? {
            Ok(value) => done.push(value),
            Err(error) => failed.push(error),
        }
    }
    if failed.len() < 2 {
        return failed.pop().map_or(Ok(done), Err);
    }
    let messages: Vec<String> = failed.iter().map(|error| format!("{error:#}")).collect();
    Err(Failure::new(Code::Unreachable, messages.join("\n")).into())
}
