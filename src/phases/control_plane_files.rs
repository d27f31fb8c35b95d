//! What must lie on a node before kubeadm runs there and kubeadm does not copy: patches, audit policy, and on control planes
//! the charts and manifests that are installed through the API. The encryption configuration is secret: init and join bring it.

use super::{Context, addon, kubeadm, settings};
use crate::{
    artifacts::Kind,
    resources::{Absent, Blob, Directory, File, Resource},
};

pub(super) fn resources(context: &Context<'_>) -> Vec<Resource> {
    let host = context.host;
    if !host.is_node() {
        return Vec::new();
    }
    let mut resources = vec![
        directory("/etc/kubernetes"),
        directory(kubeadm::PATCHES),
        directory(settings::DIRECTORY),
    ];
    resources.extend(wanted_of_kubeadm(context));
    let patches = kubeadm::patches(context.cluster, host, context.facts)
        .expect("values of JSON are values of YAML");
    // kubeadm applies whatever lies there: a patch that nobody wants any more must go.
    resources.extend(
        context
            .facts
            .kube
            .patches
            .iter()
            .filter(|name| kubeadm::is_patch(name) && !patches.contains_key(*name))
            .map(|name| {
                let path = format!("{}/{name}", kubeadm::PATCHES);
                Resource::Absent(Absent { path })
            }),
    );
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

/// What changed settings are told by: see [`settings`].
fn wanted_of_kubeadm(context: &Context<'_>) -> Vec<Resource> {
    let ours =
        "# Written by baremetal: what kubeadm was last asked for. Changes are overwritten.\n";
    let file = |path: &str, text: anyhow::Result<String>| {
        let text = text.expect("values of JSON are values of YAML");
        Resource::File(File::new(path, format!("{ours}{text}"), 0o600))
    };
    let mut files = vec![file(
        settings::KUBELET,
        kubeadm::kubelet_document(context.cluster),
    )];
    if context.host.is_control_plane() {
        files.push(file(
            settings::CLUSTER,
            kubeadm::cluster_document(context.cluster),
        ));
    }
    files
}

fn directory(path: &str) -> Resource {
    Resource::Directory(Directory {
        path: path.to_owned(),
        mode: 0o755,
    })
}
