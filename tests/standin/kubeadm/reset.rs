//! `kubeadm reset`.

use std::{fs, path::Path};

use anyhow::{Result, bail};

use super::{etcd, manifests};
use crate::{args::Flags, identity::Identity, pods, runtime, say, yaml};

const FLAGS: &str = "f,force cri-socket= cert-dir= config= ignore-preflight-errors= skip-phases= cleanup-tmp-dir dry-run kubeconfig= v,v=";
const CONFIGURATIONS: &[&str] = &[
    "admin",
    "super-admin",
    "kubelet",
    "bootstrap-kubelet",
    "controller-manager",
    "scheduler",
];

pub async fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    if let Some(path) = flags.get("config") {
        if identity.minor() < 31 {
            bail!("unknown flag: --config");
        }
        super::config::Config::read(path, &identity.version)?;
    }
    if !flags.on("force") {
        bail!("[stand-in] aborted reset operation: are you sure? use --force");
    }
    let skipped = flags.list("skip-phases");
    let data = data_directory();
    let leaves = !skipped.iter().any(|phase| phase == "remove-etcd-member");
    if data.is_some()
        && leaves
        && let Err(problem) = leave_etcd().await
    {
        say(format!(
            "[stand-in] [reset] Failed to remove etcd member: {problem:#}, please manually remove this etcd member using etcdctl"
        ));
    }
    say("[stand-in] [reset] Stopping the kubelet service");
    runtime::systemctl(&["stop", "kubelet.service"]);
    pods::stop();
    // Only now: a member that still runs would write again.
    if let Some(data) = &data {
        empty(data);
    }
    empty(manifests::DIRECTORY);
    empty(flags.get("cert-dir").unwrap_or("/etc/kubernetes/pki"));
    empty("/var/lib/kubelet");
    for name in CONFIGURATIONS {
        fs::remove_file(format!("/etc/kubernetes/{name}.conf")).ok();
    }
    say(
        "[stand-in] [reset] Deleting contents of directories: [/etc/kubernetes/manifests /var/lib/kubelet /etc/kubernetes/pki]",
    );
    say(
        "\nThe reset process does not perform cleanup of CNI plugin configuration,\nnetwork filtering rules and kubeconfig files.",
    );
    Ok(0)
}

/// etcd's data directory, where this host has a member.
fn data_directory() -> Option<String> {
    let text = fs::read_to_string(format!("{}/etcd.yaml", manifests::DIRECTORY)).ok()?;
    let pod = yaml::documents(&text).ok()?.into_iter().next()?;
    pods::flags(&pod).remove("data-dir")
}

async fn leave_etcd() -> Result<()> {
    let text = fs::read_to_string(format!("{}/etcd.yaml", manifests::DIRECTORY))?;
    let pod = yaml::documents(&text)?
        .into_iter()
        .next()
        .unwrap_or_default();
    let flags = pods::flags(&pod);
    let own = flags
        .get("initial-advertise-peer-urls")
        .cloned()
        .unwrap_or_default();
    let local = etcd::Cluster::of_host(&["https://127.0.0.1:2379".to_owned()])?;
    let members = local.members().await?;
    let Some(member) = members.iter().find(|member| member.peer_url == own) else {
        return Ok(());
    };
    let others: Vec<String> = members
        .iter()
        .filter(|other| other.id != member.id && !other.client_url.is_empty())
        .map(|other| other.client_url.clone())
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    etcd::Cluster::of_host(&others)?.remove(member.id).await
}

/// Removes what a directory holds, not the directory.
fn empty(directory: &str) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let _ = if path.is_dir() && !Path::is_symlink(&path) {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
    }
}
