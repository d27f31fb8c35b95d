//! kubeadm, kubelet, kubectl, crictl, CNI plugins, helm and the kubelet unit.

use serde::Serialize;

use super::Context;
use crate::{
    artifacts::Kind,
    observe::Family,
    resources::{Archive, Binary, Directory, File, Resource, Service, ServiceState},
    templates,
};

const BIN: &str = "/usr/local/bin";
const CNI: &str = "/opt/cni/bin";
const UNIT: &str = "/etc/systemd/system/kubelet.service";
const DROP_IN: &str = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf";

pub(super) fn resources(context: &Context<'_>) -> Vec<Resource> {
    let host = context.host;
    if !host.is_node() {
        return Vec::new();
    }
    let mut resources = vec![directory(CNI)];
    for name in ["kubeadm", "kubelet", "kubectl", "crictl"] {
        resources.extend(program(context, name, 0));
    }
    if host.is_control_plane() {
        resources.extend(program(context, "helm", 1));
        resources.extend(program(context, "etcdctl", 0));
        resources.extend(program(context, "etcdutl", 0));
    }
    if let Some(plugins) = context
        .artifacts
        .find(Kind::Archive, "cni-plugins", &context.facts.arch)
    {
        resources.push(Resource::Archive(Archive {
            item: plugins.clone(),
            directory: CNI.to_owned(),
            members: Vec::new(),
            strip: 0,
        }));
    }
    resources.push(directory("/etc/systemd/system/kubelet.service.d"));
    let unit = templates::text("etc/systemd/system/kubelet.service");
    resources.push(Resource::File(File::new(UNIT, unit, 0o644)));
    resources.push(Resource::File(File::new(DROP_IN, drop_in(context), 0o644)));
    resources.push(Resource::Service(Service {
        unit: "kubelet.service".to_owned(),
        // kubeadm starts it once its configuration is there.
        state: ServiceState::Any,
        enabled: true,
        restart_on: vec![
            UNIT.to_owned(),
            DROP_IN.to_owned(),
            format!("{BIN}/kubelet"),
        ],
        reload_on: Vec::new(),
        required: true,
    }));
    resources
}

/// Programs by name alone, for a reset: which artifact they came from does not matter then.
pub(super) fn programs() -> impl Iterator<Item = Resource> {
    [
        "kubeadm", "kubelet", "kubectl", "crictl", "helm", "etcdctl", "etcdutl",
    ]
    .into_iter()
    .map(|name| Resource::File(File::new(format!("{BIN}/{name}"), "", 0o755)))
}

fn directory(path: &str) -> Resource {
    Resource::Directory(Directory {
        path: path.to_owned(),
        mode: 0o755,
    })
}

/// A program in `/usr/local/bin`: a binary as it is, or the member of that name of upstream's archive, `strip` levels down.
fn program(context: &Context<'_>, name: &str, strip: u8) -> Option<Resource> {
    let find = |kind| {
        context
            .artifacts
            .find(kind, name, &context.facts.arch)
            .cloned()
    };
    if let Some(item) = find(Kind::Binary) {
        return Some(Resource::Binary(Binary {
            item,
            path: format!("{BIN}/{name}"),
        }));
    }
    find(Kind::Archive).map(|item| {
        Resource::Archive(Archive {
            item,
            directory: BIN.to_owned(),
            members: vec![(name.to_owned(), name.to_owned())],
            strip,
        })
    })
}

#[derive(Serialize)]
struct DropInValues {
    environment: &'static str,
}

fn drop_in(context: &Context<'_>) -> String {
    let environment = match context.facts.family {
        Family::RedHat => "/etc/sysconfig/kubelet",
        Family::Debian | Family::Unknown => "/etc/default/kubelet",
    };
    templates::render(
        "etc/systemd/system/kubelet.service.d/10-kubeadm.conf.j2",
        DropInValues { environment },
    )
    .expect("every value of the template is in its struct")
}
