//! containerd, registries, the operating system, artifacts, the lab, the run and the pods of a verification.

use std::{collections::BTreeMap, path::Path, time::Duration};

use ipnet::IpNet;

use crate::inventory::{
    ArtifactSource, Host, Lab, LoadOptions, Mirror, Registry, RunSettings, Runtime, RuntimeSource,
    Swap, System, VerifySettings,
    context::Context,
    schema::{
        self, ArtifactsEntry, LabEngine, MirrorCapability, MirrorEntry, OneOrMany, RegistryEntry,
        RuntimeSource as SourceName, Swap as SwapName,
    },
};

pub fn artifacts(
    context: &mut Context<'_>,
    entry: Option<ArtifactsEntry>,
    options: &LoadOptions,
) -> ArtifactSource {
    if let Some(bundle) = &options.bundle {
        return ArtifactSource::Bundle(bundle.clone());
    }
    let full = match entry {
        None | Some(ArtifactsEntry::Word(_)) => return ArtifactSource::Upstream,
        Some(ArtifactsEntry::Full(full)) => full,
    };
    match (full.mirror, full.bundle) {
        (Some(mirror), None) => ArtifactSource::Mirror(mirror.0),
        (None, Some(bundle)) => ArtifactSource::Bundle(context.resolve(&bundle)),
        _ => {
            if context.is_clean(&["artifacts"]) {
                let message = "needs exactly one of `mirror: URL` and `bundle: PATH`";
                context.refuse(&["artifacts"], message);
            }
            ArtifactSource::Upstream
        }
    }
}

pub fn runtime(context: &mut Context<'_>, written: schema::Runtime) -> Runtime {
    let version = written.version.and_then(|version| {
        let parsed = semver::Version::parse(version.0.trim_start_matches('v'));
        if parsed.is_err() {
            let message = format!(
                "`{}` is not a full version; write one such as `2.2.1`",
                version.0
            );
            context.refuse(&["runtime", "version"], message);
        }
        parsed.ok()
    });
    let source = match written.source {
        Some(SourceName::Artifact) => RuntimeSource::Artifact,
        Some(SourceName::Distribution) | None => RuntimeSource::Distribution,
    };
    if source == RuntimeSource::Distribution && version.is_some() {
        let message = "the distribution decides the version of its package; remove this, or add `source: artifact`";
        context.refuse(&["runtime", "version"], message);
    }
    Runtime {
        source,
        version,
        pause_image: written.pause_image,
        root: written
            .root
            .unwrap_or_else(|| "/var/lib/containerd".to_owned()),
    }
}

pub fn registries(
    context: &mut Context<'_>,
    written: BTreeMap<String, RegistryEntry>,
) -> Vec<Registry> {
    written
        .into_iter()
        .map(|(name, entry)| registry(context, name, entry))
        .collect()
}

fn registry(context: &mut Context<'_>, name: String, entry: RegistryEntry) -> Registry {
    let path = ["registries", name.as_str()];
    if name.contains("://") || name.contains('/') {
        let bare = name
            .split("://")
            .last()
            .unwrap_or_default()
            .split('/')
            .next()
            .unwrap_or_default();
        context.refuse_key(
            &path,
            format!("a registry is named by host and port; write `{bare}`"),
        );
    }
    let full = match entry {
        RegistryEntry::Urls(urls) => schema::Registry {
            mirrors: OneOrMany::into_vec(urls)
                .into_iter()
                .map(MirrorEntry::Url)
                .collect(),
            ..Default::default()
        },
        RegistryEntry::Full(full) => full,
    };
    let ca = full
        .ca
        .map(|file| certificate(context, &["registries", &name, "ca"], &file));
    let skip_verify = full.skip_verify.unwrap_or(false);
    let mut mirrors: Vec<Mirror> = Vec::new();
    for (index, entry) in full.mirrors.into_iter().enumerate() {
        let index = format!("[{index}]");
        mirrors.extend(mirror(
            context,
            &["registries", &name, "mirrors", &index],
            entry,
        ));
    }
    if mirrors.is_empty() && (ca.is_some() || skip_verify) {
        mirrors.push(itself(&name));
    }
    for mirror in &mut mirrors {
        mirror.ca = mirror.ca.take().or_else(|| ca.clone());
        mirror.skip_verify |= skip_verify;
    }
    if mirrors.is_empty() {
        context.refuse_key(
            &["registries", &name],
            "has neither mirrors nor trust; write a mirror's URL, or `{ca: FILE}`",
        );
    }
    Registry {
        name,
        mirrors,
        fallback: full.fallback.unwrap_or(true),
    }
}

/// Trust for the registry itself: it becomes a mirror of itself, which may have a CA.
fn itself(name: &str) -> Mirror {
    Mirror {
        url: format!("https://{name}"),
        ca: None,
        skip_verify: false,
        override_path: false,
        capabilities: vec!["pull".to_owned(), "resolve".to_owned()],
    }
}

fn certificate(context: &mut Context<'_>, path: &[&str], file: &Path) -> String {
    let before = context.mistakes.len();
    let pem = context.content(path, file);
    if context.mistakes.len() == before && !pem.contains("-----BEGIN CERTIFICATE-----") {
        let message = format!(
            "`{}` holds no certificate; give the CA as PEM (`-----BEGIN CERTIFICATE-----`)",
            file.display()
        );
        context.refuse(path, message);
    }
    pem
}

fn mirror(context: &mut Context<'_>, path: &[&str], entry: MirrorEntry) -> Option<Mirror> {
    let full = match entry {
        MirrorEntry::Url(url) => schema::Mirror {
            url: Some(url),
            ..Default::default()
        },
        MirrorEntry::Full(full) => full,
    };
    let name = |capability: MirrorCapability| match capability {
        MirrorCapability::Pull => "pull".to_owned(),
        MirrorCapability::Resolve => "resolve".to_owned(),
        MirrorCapability::Push => "push".to_owned(),
    };
    let capabilities = full
        .capabilities
        .unwrap_or_else(|| vec![MirrorCapability::Pull, MirrorCapability::Resolve]);
    Some(Mirror {
        url: full.url?.0,
        ca: full
            .ca
            .map(|file| certificate(context, &[path, &["ca"]].concat(), &file)),
        skip_verify: full.skip_verify.unwrap_or(false),
        override_path: full.override_path.unwrap_or(false),
        capabilities: capabilities.into_iter().map(name).collect(),
    })
}

/// In the lab, hosts share the machine's clock, swap and container names: those are left alone.
pub fn system(written: schema::System, lab: bool) -> System {
    let swap = match written.swap {
        Some(SwapName::Allow) => Swap::Allow,
        None if lab => Swap::Allow,
        Some(SwapName::Off) | None => Swap::Off,
    };
    System {
        sysctls: written.sysctls,
        modules: written.modules,
        packages: written.packages,
        swap,
        time_servers: written
            .time_servers
            .into_iter()
            .map(|server| server.0)
            .collect(),
        manage_time: written.manage_time.unwrap_or(!lab),
        manage_hosts_file: written.manage_hosts_file.unwrap_or(true),
        manage_hostname: written.manage_hostname.unwrap_or(!lab),
    }
}

pub fn lab(context: &mut Context<'_>, written: schema::Lab, hosts: &[Host]) -> Lab {
    let around_first = || {
        hosts.first().and_then(|host| {
            IpNet::new(host.node_ip, if host.node_ip.is_ipv4() { 24 } else { 64 }).ok()
        })
    };
    let subnet = written
        .subnet
        .map(|subnet| subnet.0)
        .or_else(around_first)
        .map(|subnet| subnet.trunc());
    if let Some(subnet) = subnet.filter(|subnet| !subnet.addr().is_ipv4()) {
        context.refuse(
            &["lab", "subnet"],
            format!(
                "{subnet} is an IPv6 network; the lab needs an IPv4 one such as `10.123.45.0/24`"
            ),
        );
    }
    let engine = written.engine.map(|engine| match engine {
        LabEngine::Docker => "docker".to_owned(),
        LabEngine::Podman => "podman".to_owned(),
    });
    Lab {
        subnet: subnet.unwrap_or_default(),
        engine,
        image: written.image,
        memory: written.memory,
    }
}

pub fn run(context: &mut Context<'_>, written: schema::Run) -> RunSettings {
    let connect_timeout = written
        .connect_timeout
        .map_or(Duration::from_secs(10), |time| time.0);
    if connect_timeout > Duration::from_secs(15) {
        context.refuse(
            &["run", "connect-timeout"],
            "is too long to tell in time that a host is unreachable; write at most `15s`",
        );
    }
    RunSettings {
        parallel: written.parallel.unwrap_or(64).into(),
        connect_timeout,
        skip_checks: written.skip_checks,
    }
}

/// The image of a verification; without one of the user's the rest has nothing to be about.
pub fn verify(context: &mut Context<'_>, written: schema::Verify) -> VerifySettings {
    let image = written.image.filter(|image| !image.trim().is_empty());
    if image.is_none()
        && (!written.args.is_empty() || written.port.is_some() || written.path.is_some())
    {
        context.refuse(
            &["verify"],
            "`args`, `port` and `path` are those of an image: write `image` too, or leave them out",
        );
    }
    let path = written.path.unwrap_or_else(|| "/".to_owned());
    let plain = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic());
    if !plain {
        context.refuse(
            &["verify", "path"],
            format!("`{path}` is not a path; write one such as `/healthz`"),
        );
    }
    VerifySettings {
        image,
        args: written.args,
        port: written.port.unwrap_or(8080),
        path,
    }
}
