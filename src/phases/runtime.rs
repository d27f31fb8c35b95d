//! containerd and its registries.

use semver::Version;
use serde::Serialize;

use super::{Context, images};
use crate::{
    artifacts::{Item, Kind},
    inventory::{Mirror, Registry, RuntimeSource},
    observe::Family,
    resources::{Archive, Binary, Directory, File, Package, Resource, Service, ServiceState},
    templates,
};

const CONFIG: &str = "/etc/containerd/config.toml";
const CERTS: &str = "/etc/containerd/certs.d";
const UNIT: &str = "/etc/systemd/system/containerd.service";

pub(super) fn resources(context: &Context<'_>) -> Vec<Resource> {
    if !context.host.is_node() {
        return Vec::new();
    }
    let mut restart_on = vec![CONFIG.to_owned()];
    let mut resources = Vec::new();
    if let Some(containerd) = artifact(context) {
        resources.extend(program(context, containerd));
        restart_on.extend([UNIT.to_owned(), "/usr/local/bin/containerd".to_owned()]);
    }
    for path in ["/etc/containerd", CERTS, "/opt/cni/bin", "/etc/cni/net.d"] {
        resources.push(directory(path));
    }
    for registry in context.cluster.registries.iter().chain(&harbor(context)) {
        resources.extend(trust(registry));
    }
    resources.push(Resource::File(File::new(
        "/etc/crictl.yaml",
        templates::text("etc/crictl.yaml"),
        0o644,
    )));
    resources.push(Resource::File(File::new(CONFIG, config(context), 0o644)));
    resources.push(Resource::Service(Service {
        unit: "containerd.service".to_owned(),
        state: ServiceState::Running,
        enabled: true,
        restart_on,
        reload_on: Vec::new(),
        required: true,
    }));
    resources
}

/// containerd from the distribution, which is installed with everything else of it.
pub(super) fn packages(context: &Context<'_>) -> Option<Package> {
    let wanted = context.host.is_node()
        && context.facts.family != Family::Unknown
        && artifact(context).is_none();
    wanted.then(|| Package {
        name: "containerd".to_owned(),
        or: vec!["containerd.io".to_owned()],
    })
}

/// containerd from the artifact source: when the inventory says so, and on distributions that do not package it.
pub(super) fn artifact<'a>(context: &Context<'a>) -> Option<&'a Item> {
    let wanted = context.cluster.runtime.source == RuntimeSource::Artifact
        || context.facts.family == Family::RedHat;
    context
        .artifacts
        .find(Kind::Archive, "containerd", &context.facts.arch)
        .filter(|_| wanted)
}

/// The containerd that a host has once it is set up, where that is known.
pub(super) fn version(context: &Context<'_>) -> Option<Version> {
    match artifact(context) {
        Some(item) => Version::parse(item.version.trim_start_matches('v')).ok(),
        None => context.facts.containerd(),
    }
}

fn program(context: &Context<'_>, containerd: &Item) -> Vec<Resource> {
    let mut resources = vec![Resource::Archive(Archive {
        item: containerd.clone(),
        directory: "/usr/local".to_owned(),
        members: Vec::new(),
        strip: 0,
    })];
    if let Some(runc) = context
        .artifacts
        .find(Kind::Binary, "runc", &context.facts.arch)
    {
        resources.push(Resource::Binary(Binary {
            item: runc.clone(),
            path: "/usr/local/sbin/runc".to_owned(),
        }));
    }
    let unit = templates::text("etc/systemd/system/containerd.service");
    resources.push(Resource::File(File::new(UNIT, unit, 0o644)));
    resources
}

fn directory(path: &str) -> Resource {
    Resource::Directory(Directory {
        path: path.to_owned(),
        mode: 0o755,
    })
}

#[derive(Serialize)]
struct ConfigValues<'a> {
    version: u8,
    root: &'a str,
    pause: String,
    restrict_oom_score_adj: bool,
    bin_dirs: bool,
}

/// `config.toml`: version 2 up to containerd 1.7, version 3 from 2.0 (which reads version 2 too, where its own is not known).
fn config(context: &Context<'_>) -> String {
    let (major, minor) = version(context).map_or((1, 7), |known| (known.major, known.minor));
    let values = ConfigValues {
        version: if major >= 2 { 3 } else { 2 },
        root: &context.cluster.runtime.root,
        pause: images::pause(context),
        restrict_oom_score_adj: !context.facts.sys_resource,
        bin_dirs: (major, minor) >= (2, 1),
    };
    templates::render("etc/containerd/config.toml.j2", values)
        .expect("every value of the template is in its struct")
}

/// The registry on the cluster itself, unless the user says under `registries` how it is trusted.
///
/// Its chart makes a certificate of its own on the cluster, which no host knows when its containerd is set up: connections
/// are encrypted, the certificate is not checked.
fn harbor(context: &Context<'_>) -> Option<Registry> {
    let harbor = context.cluster.harbor.as_ref()?;
    let registries = &context.cluster.registries;
    if registries.iter().any(|one| one.name == harbor.host) {
        return None;
    }
    Some(Registry {
        name: harbor.host.clone(),
        mirrors: vec![Mirror {
            url: format!("https://{}", harbor.host),
            ca: None,
            skip_verify: true,
            override_path: false,
            capabilities: ["pull", "resolve", "push"].map(str::to_owned).into(),
        }],
        fallback: true,
    })
}

#[derive(Serialize)]
struct HostsValues<'a> {
    server: Option<String>,
    mirrors: Vec<MirrorValues<'a>>,
}

#[derive(Serialize)]
struct MirrorValues<'a> {
    url: &'a str,
    capabilities: Vec<&'a str>,
    ca: Option<String>,
    skip_verify: bool,
    override_path: bool,
}

/// `certs.d/<registry>/hosts.toml` and the CAs that it names; containerd reads them at each pull, without a restart.
fn trust(registry: &Registry) -> Vec<Resource> {
    let place = format!("{CERTS}/{}", registry.name);
    let ca = |index: usize| format!("{place}/ca-{}.crt", index + 1);
    let mut resources = vec![directory(&place)];
    let mirrors: Vec<MirrorValues<'_>> = registry
        .mirrors
        .iter()
        .enumerate()
        .map(|(index, mirror)| MirrorValues {
            url: &mirror.url,
            capabilities: capabilities(mirror),
            ca: mirror.ca.as_ref().map(|_| ca(index)),
            skip_verify: mirror.skip_verify,
            override_path: mirror.override_path,
        })
        .collect();
    for (index, mirror) in registry.mirrors.iter().enumerate() {
        if let Some(pem) = &mirror.ca {
            resources.push(Resource::File(File::new(ca(index), pem.clone(), 0o644)));
        }
    }
    let values = HostsValues {
        server: server(registry),
        mirrors,
    };
    let text = templates::render("etc/containerd/certs.d/hosts.toml.j2", values)
        .expect("every value of the template is in its struct");
    resources.push(Resource::File(File::new(
        format!("{place}/hosts.toml"),
        text,
        0o644,
    )));
    resources
}

fn capabilities(mirror: &Mirror) -> Vec<&str> {
    if mirror.capabilities.is_empty() {
        return vec!["pull", "resolve"];
    }
    mirror.capabilities.iter().map(String::as_str).collect()
}

/// What is asked when no mirror has the image: the registry itself, or the last mirror once more where that may not be.
fn server(registry: &Registry) -> Option<String> {
    match registry.name.as_str() {
        _ if !registry.fallback => registry.mirrors.last().map(|mirror| mirror.url.clone()),
        "_default" => None,
        "docker.io" => Some("https://registry-1.docker.io".to_owned()),
        name => Some(format!("https://{name}")),
    }
}
