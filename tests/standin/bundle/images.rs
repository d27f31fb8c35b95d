//! Tiny images that containerd imports like any other.

use anyhow::Result;
use serde_json::json;

use super::{archives, sha256};
use crate::versions;

/// An image of the bundle.
pub struct Image {
    /// Name of the item and its file.
    pub name: String,
    pub reference: String,
}

/// What add-ons of the inventory run, by reference.
const ADD_ONS: &[&str] = &[
    "ghcr.io/flannel-io/flannel:v0.28.9",
    "ghcr.io/flannel-io/flannel-cni-plugin:v1.9.1-flannel3",
    "quay.io/metallb/controller:v0.16.1",
    "quay.io/metallb/speaker:v0.16.1",
    "quay.io/metallb/frr-k8s:v0.0.25",
    "quay.io/frrouting/frr:10.4.3",
    "docker.io/longhornio/longhorn-engine:v1.12.1",
    "docker.io/longhornio/longhorn-manager:v1.12.1",
    "docker.io/longhornio/longhorn-instance-manager:v1.12.1",
    "docker.io/longhornio/longhorn-share-manager:v1.12.1",
    "docker.io/longhornio/longhorn-ui:v1.12.1",
    "docker.io/longhornio/csi-attacher:v4.12.0",
    "docker.io/longhornio/csi-provisioner:v5.3.0",
    "docker.io/goharbor/harbor-core:v2.15.1",
    "docker.io/goharbor/harbor-portal:v2.15.1",
    "docker.io/goharbor/harbor-registry:v2.15.1",
    "docker.io/goharbor/harbor-jobservice:v2.15.1",
    "docker.io/goharbor/harbor-nginx:v2.15.1",
    "quay.io/tigera/operator:v1.42.3",
    "quay.io/calico/node:v3.31.7",
    "quay.io/cilium/cilium:v1.20.1",
    "quay.io/cilium/operator-generic:v1.20.1",
    "registry.k8s.io/e2e-test-images/agnhost:2.53",
];

/// Every image of the bundle.
pub fn all(version: &str) -> Vec<Image> {
    versions::images(version, versions::REGISTRY)
        .into_iter()
        .chain(ADD_ONS.iter().map(|&reference| reference.to_owned()))
        .map(|reference| {
            let path = reference.rsplit_once(':').map_or("", |(path, _)| path);
            let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
            let name = match (parent.rsplit('/').next(), name) {
                (Some("metallb"), "controller" | "speaker") => format!("metallb-{name}"),
                (Some(parent @ ("calico" | "tigera")), name) => format!("{parent}-{name}"),
                _ => name.to_owned(),
            };
            Image { name, reference }
        })
        .collect()
}

/// A docker archive with one layer that holds one small file.
pub fn archive(reference: &str, arch: &str) -> Result<Vec<u8>> {
    let text = format!("{reference}: stand-in image, a test double that runs nothing\n");
    let layer = archives::tar(&[("stand-in".into(), 0o644, text.into_bytes())])?;
    let diff = sha256(&layer);
    let config = serde_json::to_vec(&json!({
        "architecture": arch,
        "os": "linux",
        "config": {"Labels": {"stand-in": "true"}, "Cmd": ["/stand-in"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{diff}")]},
        "history": [{"created_by": "stand-in"}],
    }))?;
    let config_name = format!("{}.json", sha256(&config));
    let layer_name = format!("{diff}/layer.tar");
    let manifest = serde_json::to_vec(&json!([{
        "Config": config_name, "RepoTags": [reference], "Layers": [layer_name],
    }]))?;
    archives::tar(&[
        (config_name, 0o644, config),
        (layer_name, 0o644, layer),
        ("manifest.json".into(), 0o644, manifest),
    ])
}
