//! `kubeadm config images`.

use anyhow::{Result, bail};

use super::config::Config;
use crate::{args::Flags, identity::Identity, runtime, say, versions};

const FLAGS: &str = "config= kubernetes-version= image-repository= feature-gates= o,output= experimental-output= kubeconfig= show-managed-fields allow-missing-template-keys cri-socket= v,v=";

pub fn list(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let images = wanted(identity, &flags)?;
    match flags.get("output").or(flags.get("experimental-output")) {
        None | Some("text") => images.iter().for_each(say),
        Some("json") => say(serde_json::json!({
            "kind": "Images", "apiVersion": "output.kubeadm.k8s.io/v1alpha3", "images": images
        })),
        Some(other) => bail!("output format {other:?} is not supported"),
    }
    Ok(0)
}

/// Nothing is pulled: what is not there stays missing.
pub fn pull(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let have = runtime::images();
    for image in wanted(identity, &flags)? {
        if !have.contains(&image) {
            bail!("failed to pull image {image:?}: no internet");
        }
        say(format!("[config/images] Pulled {image} [stand-in]"));
    }
    Ok(0)
}

fn wanted(identity: &Identity, flags: &Flags) -> Result<Vec<String>> {
    let config = match flags.get("config") {
        Some(path) => Config::read(path, &identity.version)?,
        None => Config::default(),
    };
    let version = config.kubernetes(flags.get("kubernetes-version").unwrap_or(&identity.version));
    let repository = flags.get("image-repository").unwrap_or(config.repository());
    Ok(versions::images(&version, repository))
}
