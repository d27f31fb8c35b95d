//! What is made for a lab, as arguments of the container engine; pure.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Deserialize;

use crate::inventory::{Cluster, Host, Lab};

/// Everything made for a lab carries this label; its value is the cluster's name.
pub const LABEL: &str = "baremetal.lab";
/// Host and address of a container.
pub const HOST_LABEL: &str = "baremetal.lab.host";
pub const ADDRESS_LABEL: &str = "baremetal.lab.address";

/// `LABEL=<cluster>`.
pub fn label(cluster: &Cluster) -> String {
    format!("{LABEL}={}", cluster.name)
}

/// An underscore is in no host or cluster name, so no two labs share a name.
pub fn network_name(cluster: &Cluster) -> String {
    format!("baremetal_{}", cluster.name)
}

pub fn container_name(cluster: &Cluster, host: &str) -> String {
    format!("baremetal_{}_{host}", cluster.name)
}

pub fn volume_name(cluster: &Cluster, host: &str) -> String {
    format!("baremetal_{}_{host}_var", cluster.name)
}

pub fn create_network(cluster: &Cluster, subnet: Ipv4Net, gateway: Ipv4Addr) -> Vec<String> {
    strings(&[
        "network",
        "create",
        "--driver=bridge",
        &format!("--subnet={subnet}"),
        &format!("--gateway={gateway}"),
        &format!("--label={}", label(cluster)),
        &network_name(cluster),
    ])
}

pub fn create_volume(cluster: &Cluster, host: &str) -> Vec<String> {
    strings(&[
        "volume",
        "create",
        &format!("--label={}", label(cluster)),
        &volume_name(cluster, host),
    ])
}

/// What the machine and the engine give to a host besides what the inventory says.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    pub image: String,
    /// The lab's public key.
    pub public_key: String,
    /// Name servers that the hosts can reach.
    pub name_servers: Vec<String>,
    /// Capabilities that hosts do not get.
    pub dropped: Vec<&'static str>,
    /// Devices of the machine that are there.
    pub devices: Vec<&'static str>,
    pub kernel_modules: bool,
    /// Podman's names for the same options.
    pub podman: bool,
}

/// `run` for one host.
///
/// Not `--privileged`: that asks for every capability, which an engine may lack, and hands out the machine's disks. The volume
/// on `/var` is there because overlayfs does not stack on overlayfs.
pub fn run(cluster: &Cluster, lab: &Lab, host: &Host, given: &Environment) -> Vec<String> {
    let mut args = strings(&[
        "run",
        "--detach",
        &format!("--name={}", container_name(cluster, &host.name)),
        &format!("--hostname={}", host.name),
        &format!("--label={}", label(cluster)),
        &format!("--label={HOST_LABEL}={}", host.name),
        &format!("--label={ADDRESS_LABEL}={}", host.address),
        &format!("--network={}", network_name(cluster)),
        &format!("--ip={}", host.address),
        "--cap-add=ALL",
        "--security-opt=seccomp=unconfined",
        "--security-opt=apparmor=unconfined",
        "--device-cgroup-rule=a *:* rwm",
        "--cgroupns=private",
        "--pids-limit=-1",
        "--tmpfs=/run:exec",
        "--tmpfs=/tmp:exec",
        &format!("--volume={}:/var", volume_name(cluster, &host.name)),
        &format!("--env=LAB_KEY={}", given.public_key),
        &format!("--env=LAB_NAME_SERVERS={}", given.name_servers.join(" ")),
        // systemd's "halt".
        "--stop-signal=SIGRTMIN+3",
    ]);
    if given.podman {
        args.extend(strings(&["--security-opt=unmask=ALL", "--systemd=false"]));
    } else {
        args.push("--security-opt=systempaths=unconfined".into());
    }
    args.extend(
        given
            .dropped
            .iter()
            .map(|name| format!("--cap-drop={name}")),
    );
    args.extend(
        given
            .devices
            .iter()
            .map(|device| format!("--device={device}")),
    );
    if given.kernel_modules {
        args.push("--volume=/lib/modules:/lib/modules:ro".into());
    }
    if let Some(memory) = &lab.memory {
        args.push(format!("--memory={memory}"));
    }
    args.push(given.image.clone());
    args
}

/// A container of a lab, as `inspect` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    pub id: String,
    pub name: String,
    pub host: String,
    pub address: String,
    /// `created`, `running`, `paused`, `exited` or `dead`.
    pub state: String,
}

impl Container {
    pub fn running(&self) -> bool {
        self.state == "running"
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    name: String,
    state: InspectedState,
    config: InspectedConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedState {
    status: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InspectedConfig {
    /// `null` where there is none.
    #[serde(default)]
    labels: Option<std::collections::BTreeMap<String, String>>,
}

/// Reads the output of `inspect`; containers without a host's label are left out.
pub fn parse_inspect(json: &str) -> serde_json::Result<Vec<Container>> {
    let inspected: Vec<Inspected> = serde_json::from_str(json)?;
    let mut containers: Vec<Container> = inspected
        .into_iter()
        .filter_map(|container| {
            let labels = container.config.labels?;
            Some(Container {
                id: container.id,
                name: container.name.trim_start_matches('/').to_owned(),
                host: labels.get(HOST_LABEL)?.clone(),
                address: labels.get(ADDRESS_LABEL)?.clone(),
                state: container.state.status,
            })
        })
        .collect();
    containers.sort_by(|one, other| one.host.cmp(&other.host));
    Ok(containers)
}

pub fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}
