//! Labs come and go: up, status, down, and the loss of one host.

use std::{fs, os::unix::process::CommandExt as _};

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{
    access::{self, Files, lock},
    address,
    container::{self, Container, strings},
    engine::Engine,
    hosts, image,
};
use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Lab},
    report::Reporter,
};

/// What became of one host of a lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostState {
    Running,
    /// The container is there and does not run.
    Stopped,
    /// In the inventory, not made.
    Missing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostStatus {
    pub host: String,
    pub address: String,
    pub state: HostState,
    /// Name of the container.
    pub container: String,
    /// Whether the inventory still names the host.
    pub in_inventory: bool,
}

/// Makes the lab's hosts, starts those that stopped, and fills in how they are reached. A host that is gone is made anew, bare.
///
/// The cluster comes back as it is when it has no `lab:` block. Changes nothing when every host runs.
pub async fn up(cluster: &Cluster, reporter: &Reporter) -> Result<Cluster> {
    bring_up(cluster, reporter, true).await
}

/// As [`up`], but a host that was there and is gone stays gone while others of its lab run: machines do not come back by
/// themselves, and a cluster must be told so rather than be given an empty host under a member's name.
pub async fn ready(cluster: &Cluster, reporter: &Reporter) -> Result<Cluster> {
    bring_up(cluster, reporter, false).await
}

async fn bring_up(cluster: &Cluster, reporter: &Reporter, anew: bool) -> Result<Cluster> {
    let Some(lab) = &cluster.lab else {
        return Ok(cluster.clone());
    };
    address::check(cluster, lab)?;
    let files = Files::of(cluster)?;
    let (engine, containers) = Engine::find(cluster, lab).await?;
    let gone = if anew {
        Vec::new()
    } else {
        gone(cluster, &containers, &files)
    };
    for host in &gone {
        reporter.note(format!(
            "lab {}: the container of {host} is gone; `baremetal lab up` makes it anew, bare",
            cluster.name
        ));
    }
    let mut wanted = cluster.clone();
    wanted.hosts.retain(|host| !gone.contains(&host.name));
    if !complete(&wanted, &containers, &files) {
        access::make_directory(&access::state_directory()?)?;
        let _lock = lock(files.lock.clone()).await?;
        // Another run may have done it while this one waited.
        let containers = engine.containers(cluster).await?;
        if !complete(&wanted, &containers, &files) {
            hosts::start(&wanted, lab, &engine, &containers, &files, reporter).await?;
        }
    }
    let mut cluster = cluster.clone();
    for host in &mut cluster.hosts {
        files.fill(host);
    }
    Ok(cluster)
}

/// The hosts of the inventory and any further ones of the lab, in that order.
pub async fn status(cluster: &Cluster) -> Result<Vec<HostStatus>> {
    let (_, containers) = Engine::find(cluster, lab_of(cluster)?).await?;
    Ok(compare(cluster, &containers))
}

/// Removes everything that carries the cluster's label, and the lab's key. Images stay: other labs share them.
pub async fn down(cluster: &Cluster, reporter: &Reporter) -> Result<()> {
    let files = Files::of(cluster)?;
    let (engine, _) = Engine::find(cluster, lab_of(cluster)?).await?;
    access::make_directory(&access::state_directory()?)?;
    let lock = lock(files.lock.clone()).await?;
    let [containers, volumes, networks] = engine.remove_all(cluster).await?;
    if files.directory.exists() {
        fs::remove_dir_all(&files.directory)
            .with_context(|| files.directory.display().to_string())?;
    }
    drop(lock);
    reporter.note(format!(
        "lab {}: removed hosts: {containers}, volumes: {volumes}, networks: {networks}",
        cluster.name
    ));
    Ok(())
}

/// Destroys one host with its disk, as a machine that burnt down; `up` makes it anew, bare.
pub async fn destroy(cluster: &Cluster, host: &str) -> Result<()> {
    let (engine, containers) = Engine::find(cluster, lab_of(cluster)?).await?;
    let container = containers
        .iter()
        .find(|container| container.host == host)
        .ok_or_else(|| Failure::new(Code::Usage, format!("lab: no container is host `{host}`")))?;
    engine
        .run(&strings(&["rm", "--force", "--volumes", &container.id]))
        .await?;
    let volume = container::volume_name(cluster, host);
    engine
        .run(&strings(&["volume", "rm", "--force", &volume]))
        .await?;
    Ok(())
}

/// Removes the images that labs made.
pub async fn remove_images(cluster: &Cluster, reporter: &Reporter) -> Result<()> {
    let (engine, _) = Engine::find(cluster, lab_of(cluster)?).await?;
    let filter = format!("--filter=label={}", image::LABEL);
    let mut images = engine
        .list(&["image", "ls", "--quiet", "--no-trunc", &filter])
        .await?;
    images.sort();
    images.dedup();
    reporter.note(format!("lab images: removed {}", images.len()));
    if images.is_empty() {
        return Ok(());
    }
    let mut args = strings(&["image", "rm", "--force"]);
    args.extend(images);
    engine.run(&args).await.map(drop)
}

/// Becomes `ssh` into a host; returns only when that fails.
pub fn ssh(cluster: &Cluster, host: &str, command: &[String]) -> Result<std::convert::Infallible> {
    lab_of(cluster)?;
    let error = access::ssh_command(cluster, host, command)?.exec();
    Err(error).context("ssh: cannot be run; install openssh-client")
}

fn lab_of(cluster: &Cluster) -> Result<&Lab> {
    cluster.lab.as_ref().ok_or_else(|| {
        Failure::new(
            Code::Usage,
            format!(
                "{}: the inventory has no `lab:` block",
                cluster.file.display()
            ),
        )
        .into()
    })
}

/// Whether every host runs and its key is known.
fn complete(cluster: &Cluster, containers: &[Container], files: &Files) -> bool {
    let known = files.known();
    files.key.exists()
        && files.config.exists()
        && cluster.hosts.iter().all(|host| {
            containers.iter().any(|container| {
                container.host == host.name
                    && container.address == host.address
                    && container.running()
                    && access::line_of(&known, container).is_some()
            })
        })
}

/// Hosts that were made once and have no container now, although others of the lab have theirs.
fn gone(cluster: &Cluster, containers: &[Container], files: &Files) -> Vec<String> {
    if containers.is_empty() {
        return Vec::new();
    }
    let known = files.known();
    cluster
        .hosts
        .iter()
        .filter(|host| {
            let names = format!("{},{} ", host.name, host.address);
            known.iter().any(|line| line.starts_with(&names))
                && !containers.iter().any(|made| made.host == host.name)
        })
        .map(|host| host.name.clone())
        .collect()
}

fn compare(cluster: &Cluster, containers: &[Container]) -> Vec<HostStatus> {
    let named = cluster.hosts.iter().map(|host| {
        let container = containers.iter().find(|made| made.host == host.name);
        HostStatus {
            host: host.name.clone(),
            address: host.address.clone(),
            state: container.map_or(HostState::Missing, state),
            container: container::container_name(cluster, &host.name),
            in_inventory: true,
        }
    });
    let further = containers
        .iter()
        .filter(|container| cluster.host(&container.host).is_none())
        .map(|container| HostStatus {
            host: container.host.clone(),
            address: container.address.clone(),
            state: state(container),
            container: container.name.clone(),
            in_inventory: false,
        });
    named.chain(further).collect()
}

fn state(container: &Container) -> HostState {
    if container.running() {
        HostState::Running
    } else {
        HostState::Stopped
    }
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
