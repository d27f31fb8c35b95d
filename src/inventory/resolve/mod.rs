//! What was written, with every default filled in: [`Document`] → [`Cluster`].

mod addons;
mod audit;
mod control_plane;
mod endpoint;
mod hosts;
mod longhorn;
mod metallb;
mod network;
mod platform;
mod version;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Cluster, LoadOptions, context::Context, schema::Document};

/// Fills in a cluster. Mistakes land in the context; where one makes a value unusable, a harmless one stands in for it.
pub fn cluster(
    context: &mut Context<'_>,
    value: &Value,
    document: Document,
    options: &LoadOptions,
    file: &Path,
) -> Cluster {
    let lab = document.lab.is_some();
    let artifacts = platform::artifacts(context, document.artifacts, options);
    if let super::ArtifactSource::Bundle(path) = &artifacts {
        context.bundle = crate::artifacts::bundle_components(path);
    }
    let version = version::version(context, document.kubernetes, &artifacts, options);
    let ssh = hosts::ssh(context, &["ssh"], document.ssh.unwrap_or_default());
    let mut machines = hosts::hosts(context, value, &ssh, lab);
    let endpoint = endpoint::endpoint(context, document.endpoint, &mut machines);
    let network = network::network(context, document.network);
    let kube_proxy = network::kube_proxy(document.kube_proxy, &version, lab);
    let control_plane =
        control_plane::control_plane(context, document.control_plane.unwrap_or_default());
    let system = platform::system(document.system.unwrap_or_default(), lab);
    let metallb = document
        .metallb
        .map(|entry| metallb::metallb(context, entry, &machines));
    let longhorn = document
        .longhorn
        .and_then(|entry| longhorn::longhorn(context, entry, &machines));
    let harbor = document
        .harbor
        .map(|harbor| longhorn::harbor(context, harbor));
    let addons = addons::addons(context, document.addons);
    let kubelet = document.kubelet.unwrap_or_default();
    let lab = document
        .lab
        .map(|lab| platform::lab(context, lab, &machines));
    Cluster {
        name: document.cluster.map(|name| name.0).unwrap_or_default(),
        version,
        endpoint,
        hosts: machines,
        network,
        kube_proxy,
        kubelet: super::Kubelet {
            args: kubelet.args.into_iter().collect(),
            config: kubelet.config,
        },
        control_plane,
        runtime: platform::runtime(context, document.runtime.unwrap_or_default()),
        registries: platform::registries(context, document.registries),
        system,
        metallb,
        longhorn,
        harbor,
        addons,
        artifacts,
        lab,
        run: platform::run(context, document.run.unwrap_or_default()),
        verify: platform::verify(context, document.verify.unwrap_or_default()),
        allow_even_control_planes: document.allow_even_control_planes.unwrap_or(false),
        warnings: Vec::new(),
        file: absolute(file),
    }
}

fn absolute(file: &Path) -> PathBuf {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned())
}
