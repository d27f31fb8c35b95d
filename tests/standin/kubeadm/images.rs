//! `kubeadm config images list`.

use anyhow::{Result, bail};

use crate::{args::Flags, identity::Identity, say, versions};

const FLAGS: &str = "config= kubernetes-version= image-repository= feature-gates= o,output= experimental-output= kubeconfig= show-managed-fields allow-missing-template-keys v,v=";

pub fn list(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let version = flags.get("kubernetes-version").unwrap_or(&identity.version);
    let repository = flags.get("image-repository").unwrap_or(versions::REGISTRY);
    let images = versions::images(version, repository);
    match flags.get("output").or(flags.get("experimental-output")) {
        None | Some("text") => images.iter().for_each(say),
        Some("json") => say(serde_json::json!({
            "kind": "Images", "apiVersion": "output.kubeadm.k8s.io/v1alpha3", "images": images
        })),
        Some(other) => bail!("output format {other:?} is not supported"),
    }
    Ok(0)
}
