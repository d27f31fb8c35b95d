//! The container engine, as a command on this machine.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result};
use tokio::process::Command;

use super::container::{self, Container, LABEL};
use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Lab},
};

/// Long enough for a busy machine, short enough that a hung daemon is noticed.
const TIMEOUT: Duration = Duration::from_mins(2);

const KNOWN: [&str; 2] = ["docker", "podman"];

/// An engine that answered.
#[derive(Debug, Clone)]
pub struct Engine {
    program: String,
}

impl Engine {
    /// The engine that the inventory names, else the first one that answers; with the containers of the cluster's lab.
    pub async fn find(cluster: &Cluster, lab: &Lab) -> Result<(Self, Vec<Container>)> {
        let candidates: Vec<&str> = match &lab.engine {
            Some(engine) => vec![engine],
            None => KNOWN.to_vec(),
        };
        let mut causes = Vec::new();
        for program in &candidates {
            let engine = Self {
                program: (*program).to_owned(),
            };
            match engine.containers(cluster).await {
                Ok(containers) => return Ok((engine, containers)),
                Err(error) => causes.push(error.to_string().replacen("lab: ", "", 1)),
            }
        }
        Err(Failure::new(
            Code::Preflight,
            format!("lab: no container engine answers\n{}", causes.join("\n")),
        )
        .hint(
            "install and start one (Debian and Ubuntu: `apt-get install docker.io`, then `systemctl start docker`), \
             as a user who may use it",
        )
        .into())
    }

    /// Whether it is Podman, whatever its name: distributions ship it as `docker` too.
    pub async fn podman(&self) -> Result<bool> {
        let version = self.run(&container::strings(&["--version"])).await?;
        Ok(version.starts_with("podman"))
    }

    /// A command of this engine, for callers that need its streams.
    pub fn command(&self, args: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Runs one command of the engine and gives its stdout.
    pub async fn run(&self, args: &[String]) -> Result<String> {
        let refused = |why: &str| {
            let verb = args.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
            Failure::new(
                Code::Preflight,
                format!("lab: {} {verb}: {}", self.program, why.trim()),
            )
        };
        let output = tokio::time::timeout(TIMEOUT, self.command(args).output())
            .await
            .map_err(|_| refused(&format!("no answer in {} s", TIMEOUT.as_secs())))?
            .map_err(|error| refused(&format!("cannot be run: {error}")))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(refused(&String::from_utf8_lossy(&output.stderr)).into())
    }

    /// The containers of the cluster's lab, by host name.
    pub async fn containers(&self, cluster: &Cluster) -> Result<Vec<Container>> {
        let filter = format!("--filter=label={}", container::label(cluster));
        let ids = self
            .list(&["ps", "--all", "--quiet", "--no-trunc", &filter])
            .await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut args = container::strings(&["inspect", "--type=container"]);
        args.extend(ids);
        let json = self.run(&args).await?;
        container::parse_inspect(&json).with_context(|| format!("{} inspect", self.program))
    }

    /// Lines of a command's output.
    pub async fn list(&self, args: &[&str]) -> Result<Vec<String>> {
        let out = self.run(&container::strings(args)).await?;
        Ok(out.split_whitespace().map(str::to_owned).collect())
    }

    pub async fn image_id(&self, image: &str) -> Option<String> {
        let args = container::strings(&["image", "inspect", "--format={{.Id}}", image]);
        let id = self.run(&args).await.ok()?;
        Some(id.trim().to_owned())
    }

    /// Removes everything with the cluster's label; says how many containers, volumes and networks there were.
    pub async fn remove_all(&self, cluster: &Cluster) -> Result<[usize; 3]> {
        let filter = format!("--filter=label={LABEL}={}", cluster.name);
        let kinds: [(&[&str], &[&str]); 3] = [
            (
                &["ps", "--all", "--quiet", "--no-trunc", &filter],
                &["rm", "--force", "--volumes"],
            ),
            (
                &["volume", "ls", "--quiet", &filter],
                &["volume", "rm", "--force"],
            ),
            (&["network", "ls", "--quiet", &filter], &["network", "rm"]),
        ];
        let mut removed = [0; 3];
        for (count, (list, remove)) in removed.iter_mut().zip(kinds) {
            let names = self.list(list).await?;
            *count = names.len();
            if !names.is_empty() {
                let mut args = container::strings(remove);
                args.extend(names);
                self.run(&args).await?;
            }
        }
        Ok(removed)
    }
}
