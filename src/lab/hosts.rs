//! Makes the hosts of a lab that are missing and starts those that stopped.

use std::{fs, net::Ipv4Addr, path::Path, time::Instant};

use anyhow::Result;
use tokio::task::JoinSet;

use super::{
    access::{self, Files, lock},
    address,
    boot::{at, learn, together},
    capabilities,
    container::{self, Container, Environment, strings},
    engine::Engine,
    image,
};
use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Host, Lab},
    report::Reporter,
};

/// Makes and starts what is missing, then learns the host keys.
pub async fn start(
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
pub fn name_servers(files: &[String]) -> Vec<String> {
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
                    Err(error) => return Err(at(&name, error)),
                }
            }
            Ok(())
        });
    }
    together(tasks).await.map(drop)
}
