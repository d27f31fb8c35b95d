//! What must lie on a node before kubeadm runs there and kubeadm does not copy: patches, audit policy, and on control planes
//! the charts and manifests that are installed through the API. The encryption configuration is secret: init and join bring it.

use super::{Context, addon, kubeadm};
use crate::{
    artifacts::Kind,
    resources::{Blob, Directory, File, Resource},
};

pub(super) fn resources(context: &Context<'_>) -> Vec<Resource> {
    let host = context.host;
    if !host.is_node() {
        return Vec::new();
    }
    let mut resources = vec![directory("/etc/kubernetes"), directory(kubeadm::PATCHES)];
    let patches = kubeadm::patches(context.cluster, host, context.facts)
        .expect("values of JSON are values of YAML");
    for (name, content) in patches {
        resources.push(Resource::File(File::new(
            format!("{}/{name}", kubeadm::PATCHES),
            content,
            0o600,
        )));
    }
    if !host.is_control_plane() {
        return resources;
    }
    if let Some(audit) = &context.cluster.control_plane.audit {
        resources.push(directory("/etc/kubernetes/audit"));
        resources.push(Resource::File(File::new(
            kubeadm::AUDIT_POLICY,
            audit.policy.clone(),
            0o600,
        )));
    }
    let mut blobs = context
        .artifacts
        .items
        .iter()
        .filter(|item| matches!(item.kind, Kind::Chart | Kind::Manifest))
        .peekable();
    if blobs.peek().is_some() {
        resources.push(directory(addon::BLOBS));
    }
    resources.extend(blobs.map(|item| {
        Resource::Blob(Blob {
            item: item.clone(),
            path: addon::blob_path(item),
        })
    }));
    resources
}

fn directory(path: &str) -> Resource {
    Resource::Directory(Directory {
        path: path.to_owned(),
        mode: 0o755,
    })
}
