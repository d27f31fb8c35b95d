//! Container images, loaded before they are needed.

use super::Context;
use crate::{
    artifacts::Kind,
    inventory::{Cluster, PodNetwork},
    resources::{Image, Resource},
};

/// Images that run on control planes alone.
const CONTROL_PLANE: &[&str] = &[
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "etcd",
];

pub(super) fn resources(context: &Context<'_>) -> Vec<Resource> {
    let (cluster, host) = (context.cluster, context.host);
    if !host.is_node() {
        return Vec::new();
    }
    context
        .artifacts
        .images(&context.facts.arch)
        .filter(|item| !item.images.is_empty())
        .filter(|item| host.is_control_plane() || !CONTROL_PLANE.contains(&item.name.as_str()))
        .filter(|item| cluster.kube_proxy.enabled || item.name != "kube-proxy")
        .filter(|item| !item.images.iter().all(|image| unused(cluster, image)))
        .map(|item| {
            Resource::Image(Image {
                references: item.images.clone(),
                item: Some(item.clone()),
            })
        })
        .collect()
}

/// Whether an image belongs to something that a bundle has and the cluster does not: loading it takes time and disk.
fn unused(cluster: &Cluster, image: &str) -> bool {
    let plugin = &cluster.network.plugin;
    let frr = cluster
        .metallb
        .as_ref()
        .is_some_and(|metallb| metallb.bgp_mode != "native");
    let owners = [
        ("/longhornio/", cluster.longhorn.is_some()),
        ("/goharbor/", cluster.harbor.is_some()),
        ("/metallb/frr-k8s", frr),
        ("/metallb/", cluster.metallb.is_some()),
        ("/frrouting/", frr),
        ("/flannel", matches!(plugin, PodNetwork::Flannel(_))),
        ("/calico/", matches!(plugin, PodNetwork::Calico { .. })),
        ("/cilium/", matches!(plugin, PodNetwork::Cilium { .. })),
    ];
    owners
        .iter()
        .find(|(part, _)| image.contains(part))
        .is_some_and(|(_, used)| !used)
}

/// The image that holds a pod's namespaces, as kubeadm of this release asks for it: the user's, the artifact source's (which
/// had it from kubeadm), else the one of the release.
pub(super) fn pause(context: &Context<'_>) -> String {
    let cluster = context.cluster;
    if let Some(image) = &cluster.runtime.pause_image {
        return image.clone();
    }
    let ours = context
        .artifacts
        .find(Kind::Image, "pause", &context.facts.arch)
        .and_then(|item| item.images.first());
    if let Some(image) = ours {
        return image.clone();
    }
    // `PauseVersion` in kubeadm's constants, per release.
    let version = match cluster.version.minor {
        ..=30 => "3.9",
        31..=33 => "3.10",
        34 | 35 => "3.10.1",
        _ => "3.10.2",
    };
    let repository = cluster
        .control_plane
        .image_repository
        .as_deref()
        .unwrap_or("registry.k8s.io");
    format!("{repository}/pause:{version}")
}
