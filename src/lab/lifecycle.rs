//! Labs come and go: up, status, down, and the loss of one host.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::task::JoinSet;

use super::{
    access::{self, Files},
    address, capabilities,
    container::{self, Container, Environment, strings},
    engine::Engine,
    image,
};
use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Host, Lab},
    report::Reporter,
};

/// Longest time from a container's start to the greeting of its SSH server.
const BOOT: Duration = Duration::from_mins(1);

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

/// Makes the lab's hosts, starts those that stopped, and fills in how they are reached.
///
/// The cluster comes back as it is when it has no `lab:` block. Changes nothing when every host runs.
pub async fn up(cluster: &Cluster, reporter: &Reporter) -> Result<Cluster> {
    let Some(lab) = &cluster.lab else {
        return Ok(cluster.clone());
    };
    address::check(cluster, lab)?;
    let files = Files::of(cluster)?;
    let (engine, containers) = Engine::find(cluster, lab).await?;
    if !complete(cluster, &containers, &files) {
        access::make_directory(&access::state_directory()?)?;
        let _lock = lock(files.lock.clone()).await?;
        // Another run may have done it while this one waited.
        let containers = engine.containers(cluster).await?;
        if !complete(cluster, &containers, &files) {
            start(cluster, lab, &engine, &containers, &files, reporter).await?;
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

/// Makes and starts what is missing, then learns the host keys.
async fn start(
    cluster: &Cluster,
    lab: &Lab,
    engine: &Engine,
    containers: &[Container],
    files: &Files,
    reporter: &Reporter,
) -> Result<()> {
    let begun = Instant::now();
    for host in &cluster.hosts {
        if let Some(made) = containers.iter().find(|made| made.host == host.name)
            && made.address != host.address
        {
            return Err(Failure::new(
                Code::Refused,
                format!(
                    "lab: host {} runs with address {}, the inventory now says {}",
                    host.name, made.address, host.address
                ),
            )
            .hint("`baremetal lab down` removes the hosts of this lab; `up` makes them again")
            .into());
        }
    }
    let public_key = files.public_key().await?;
    // What was never started has no first boot to keep.
    let usable: Vec<&Container> = containers
        .iter()
        .filter(|made| made.state != "created")
        .collect();
    let missing: Vec<&Host> = cluster
        .hosts
        .iter()
        .filter(|host| !usable.iter().any(|made| made.host == host.name))
        .collect();
    if !missing.is_empty() {
        let names: Vec<&str> = missing.iter().map(|host| host.name.as_str()).collect();
        let environment = prepare(cluster, lab, engine, public_key, reporter).await?;
        reporter.note(format!("lab {}: making {}", cluster.name, names.join(", ")));
        make(cluster, lab, engine, &missing, &environment).await?;
    }
    let stopped: Vec<&&Container> = usable.iter().filter(|made| !made.running()).collect();
    if !stopped.is_empty() {
        let names: Vec<&str> = stopped.iter().map(|made| made.host.as_str()).collect();
        reporter.note(format!(
            "lab {}: starting {}",
            cluster.name,
            names.join(", ")
        ));
        let mut args = strings(&["start"]);
        args.extend(stopped.iter().map(|made| made.id.clone()));
        engine.run(&args).await?;
    }
    learn(cluster, engine, files, reporter).await?;
    reporter.note(format!(
        "lab {}: {} ready after {:.1} s",
        cluster.name,
        count(cluster.hosts.len()),
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn count(hosts: usize) -> String {
    if hosts == 1 {
        "1 host".into()
    } else {
        format!("{hosts} hosts")
    }
}

/// Image, network and what the machine can give.
async fn prepare(
    cluster: &Cluster,
    lab: &Lab,
    engine: &Engine,
    public_key: String,
    reporter: &Reporter,
) -> Result<Environment> {
    ensure_network(cluster, lab, engine).await?;
    // Two labs that start at once make one image.
    let lock = lock(access::state_directory()?.join("image.lock")).await?;
    let image = image::ensure(engine, lab, reporter).await?;
    drop(lock);
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let podman = engine.podman().await?;
    let daemon = text("/run/docker.pid");
    let of_engine = match daemon.trim() {
        pid if !pid.is_empty() && !podman => text(&format!("/proc/{pid}/status")),
        _ => text("/proc/self/status"),
    };
    let last = text("/proc/sys/kernel/cap_last_cap")
        .trim()
        .parse()
        .unwrap_or(40);
    Ok(Environment {
        image,
        public_key,
        name_servers: name_servers(&[
            text("/etc/resolv.conf"),
            text("/run/systemd/resolve/resolv.conf"),
        ]),
        dropped: capabilities::dropped(&of_engine, last),
        devices: ["/dev/kmsg", "/dev/fuse"]
            .into_iter()
            .filter(|path| Path::new(path).exists())
            .collect(),
        kernel_modules: Path::new("/lib/modules").is_dir(),
        podman,
    })
}

/// The IPv4 name servers of the first file that has any a container can reach: a stub on loopback is not one.
fn name_servers(files: &[String]) -> Vec<String> {
    files
        .iter()
        .map(|text| {
            text.lines()
                .filter_map(|line| {
                    line.strip_prefix("nameserver")?
                        .trim()
                        .parse::<Ipv4Addr>()
                        .ok()
                })
                .filter(|address| !address.is_loopback())
                .map(|address| address.to_string())
                .collect::<Vec<_>>()
        })
        .find(|servers| !servers.is_empty())
        .unwrap_or_default()
}

async fn ensure_network(cluster: &Cluster, lab: &Lab, engine: &Engine) -> Result<()> {
    let (subnet, gateway) = address::network(lab)?;
    let name = container::network_name(cluster);
    let filter = format!("--filter=label={}", container::label(cluster));
    if !engine
        .list(&["network", "ls", "--quiet", &filter])
        .await?
        .is_empty()
    {
        let json = engine.run(&strings(&["network", "inspect", &name])).await?;
        if json.contains(&format!("\"{subnet}\"")) {
            return Ok(());
        }
        return Err(Failure::new(
            Code::Refused,
            format!("lab: the network of this lab is not {subnet}, which the inventory now says"),
        )
        .hint("`baremetal lab down` removes this lab; `up` makes it again")
        .into());
    }
    let conflict = |what: String| {
        Failure::new(
            Code::Preflight,
            format!("lab: {subnet} cannot be used: {what}"),
        )
        .hint("choose another `lab.subnet`, and addresses in it")
    };
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    if let Some((interface, route)) = address::overlapping_route(&routes, subnet) {
        return Err(conflict(format!("this machine reaches {route} through {interface}")).into());
    }
    engine
        .run(&container::create_network(cluster, subnet, gateway))
        .await
        .map(drop)
        .map_err(|error| conflict(format!("{error:#}")).into())
}

/// Makes the containers in parallel; every failure is told.
async fn make(
    cluster: &Cluster,
    lab: &Lab,
    engine: &Engine,
    hosts: &[&Host],
    environment: &Environment,
) -> Result<()> {
    let mut tasks = JoinSet::new();
    for host in hosts {
        let volume = container::volume_name(cluster, &host.name);
        // A container that was never started, or a disk whose host is gone: this host begins bare.
        let steps = [
            strings(&[
                "rm",
                "--force",
                &container::container_name(cluster, &host.name),
            ]),
            strings(&["volume", "rm", "--force", &volume]),
            container::create_volume(cluster, &host.name),
            container::run(cluster, lab, host, environment),
        ];
        let (engine, name) = (engine.clone(), host.name.clone());
        tasks.spawn(async move {
            for (number, step) in steps.iter().enumerate() {
                match engine.run(step).await {
                    // Nothing to remove is what is hoped for; some engines call it an error.
                    Ok(_) => {}
                    Err(_) if number < 2 => {}
                    Err(error) => return Err(error.context(format!("host {name}"))),
                }
            }
            Ok(())
        });
    }
    together(tasks).await.map(drop)
}

/// Waits for every host's SSH server and writes down the host keys as the engine shows them.
async fn learn(
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
            boot(&engine, &container)
                .await
                .with_context(|| format!("host {}", container.host))?;
            match line {
                Some(line) => Ok(line),
                None => read_key(&engine, &container, &reporter).await,
            }
        });
    }
    let lines = together(tasks).await?;
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
        .with_context(|| format!("host {}: no SSH host key: {out}", container.host))
}

/// Waits for all tasks; one failure is given as it is, several together.
async fn together<T: Send + 'static>(mut tasks: JoinSet<Result<T>>) -> Result<Vec<T>> {
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

/// Waits for an exclusive lock; the kernel releases it when this process ends.
async fn lock(path: std::path::PathBuf) -> Result<File> {
    tokio::task::spawn_blocking(move || {
        let file = File::create(&path)?;
        file.lock()?;
        Ok(file)
    })
    .await?
    .map_err(|error: std::io::Error| anyhow::Error::from(error).context("lab: lock"))
}

#[cfg(test)]
#[path = "lifecycle_tests.rs"]
mod tests;
