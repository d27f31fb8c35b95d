//! `kubeadm upgrade node phase`: what changes a node that runs.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use super::{
    kubelet,
    upload::{Api, SYSTEM},
};
use crate::{args::Flags, kubeconfig::Access, say, yaml};

const FLAGS: &str = "dry-run kubeconfig= patches= rootfs= v,v=";

pub async fn run(arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["node", "phase", "kubelet-config"] => kubelet_config(&flags).await?,
        other => bail!(
            "unknown command {:?} for \"kubeadm upgrade\" [stand-in]",
            other.join(" ")
        ),
    }
    Ok(0)
}

/// Writes the kubelet's configuration anew from the cluster's; its flags and the kubelet itself are left alone.
async fn kubelet_config(flags: &Flags) -> Result<()> {
    let path = flags
        .get("kubeconfig")
        .unwrap_or("/etc/kubernetes/kubelet.conf");
    if !Path::new(path).exists() {
        bail!(
            "couldn't create a Kubernetes client from file {path:?}: failed to load admin kubeconfig"
        );
    }
    if let Some(directory) = flags.get("patches") {
        fs::read_dir(directory)
            .with_context(|| format!("could not list patch files for path {directory:?}"))?;
    }
    let api = Api::new(Access::read(path)?.client()?);
    let map = api
        .get(&format!("{SYSTEM}/configmaps/kubelet-config"))
        .await
        .context(
            "could not download the kubelet configuration from ConfigMap \"kubelet-config\"",
        )?;
    let text = map["data"]["kubelet"].as_str().unwrap_or_default();
    let kubelet = yaml::documents(text)?
        .into_iter()
        .next()
        .context("kubelet-config is empty")?;
    kubelet::write_config(&kubelet, flags.get("patches"))?;
    say("[upgrade] The configuration for this node was successfully updated! [stand-in]");
    say(
        "[upgrade] Now you should go ahead and upgrade the kubelet package using your package manager.",
    );
    Ok(())
}
