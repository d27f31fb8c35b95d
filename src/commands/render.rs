//! `baremetal render`: every file of every host, without connecting to any.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Component, Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    artifacts::{self, Artifacts},
    cli::RenderArgs,
    failure::{Code, Failure},
    inventory::{self, Cluster},
    observe::{Facts, Family, HostSeen, Observation},
    plan::{self, Step, Work},
    report::text::count,
    resources::{Observed, Resource},
};

/// Writes below `--out`: `<host>/<path on the host>` for files, `<host>/actions/<action>/…` for what actions are given.
pub fn run(args: &RenderArgs) -> Result<Code> {
    let cluster = inventory::load_with(&args.inventory, &super::load_options(&args.source))?;
    let artifacts = artifacts::assumed(&cluster)?;
    let plan = plan::make(&cluster, &artifacts, &bare(&cluster, &artifacts))?;
    let names = match &args.limit.limit {
        Some(limit) => inventory::select(&cluster, limit)?,
        None => cluster.hosts.iter().map(|host| host.name.clone()).collect(),
    };
    let steps = plan.steps.iter().filter(|step| names.contains(&step.host));
    let files: BTreeMap<_, _> = steps.flat_map(files).collect();
    let out = &args.out;
    make_room(out)?;
    let list: Vec<_> = files.keys().map(|path| path.to_string_lossy()).collect();
    write(&out.join(LIST), list.join("\n").as_bytes(), 0o644)?;
    for (path, (content, mode)) in &files {
        write(&out.join(path), content, *mode)?;
    }
    super::print(&format!(
        "{} for {} in {}\n",
        count(files.len(), "file"),
        count(names.len(), "host"),
        out.display()
    ))?;
    Ok(Code::Done)
}

/// Names what an earlier `render` wrote: that is removed, and nothing else.
const LIST: &str = ".baremetal-render";

/// Contents and mode, by path below the output directory.
type Files = Vec<(PathBuf, (Vec<u8>, u32))>;

fn files(step: &Step) -> Files {
    let host = Path::new(&step.host);
    match &step.work {
        Work::Apply(changes) => changes
            .iter()
            .filter_map(|change| match &change.resource {
                Resource::File(file) => {
                    let mode = if file.secret { 0o600 } else { file.mode };
                    Some((&file.path, file.content.as_bytes(), mode))
                }
                Resource::Block(block) => Some((&block.path, block.content.as_bytes(), 0o644)),
                _ => None,
            })
            .map(|(path, content, mode)| (host.join(relative(path)), (content.to_vec(), mode)))
            .collect(),
        Work::Run(action) => {
            let directory = host.join("actions").join(&action.id);
            let script = action.script.body.clone().into_bytes();
            action
                .script
                .attachments
                .iter()
                .map(|attachment| {
                    let path = directory.join(relative(&attachment.name));
                    (path, (attachment.content.clone(), 0o600))
                })
                .chain([(directory.join("script.sh"), (script, 0o644))])
                .collect()
        }
    }
}

fn make_room(out: &Path) -> Result<()> {
    let empty = match fs::read_dir(out) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(error).with_context(|| format!("{}", out.display())),
    };
    let earlier = match fs::read_to_string(out.join(LIST)) {
        Ok(list) => list,
        Err(_) if empty => String::new(),
        Err(_) => {
            let message = format!(
                "{} is not empty and was not made by `render`",
                out.display()
            );
            return Err(Failure::new(Code::Usage, message)
                .hint("name a new directory, or empty this one")
                .into());
        }
    };
    for path in earlier.lines().map(relative) {
        match fs::remove_file(out.join(&path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| out.join(&path).display().to_string());
            }
            _ => {}
        }
    }
    fs::create_dir_all(out).with_context(|| out.display().to_string())
}

/// Hosts on which nothing is: what has to be written on them is everything.
fn bare(cluster: &Cluster, artifacts: &Artifacts) -> Observation {
    let hosts = cluster
        .hosts
        .iter()
        .map(|host| {
            let facts = assumed(host.node_ip, host.interface.as_deref());
            let resources = plan::resources_of(cluster, artifacts, host, &facts)
                .into_iter()
                .map(|(phase, resources)| (phase, vec![Observed::default(); resources.len()]))
                .collect::<BTreeMap<_, _>>();
            (host.name.clone(), HostSeen { facts, resources })
        })
        .collect();
    Observation {
        hosts,
        elected: cluster
            .control_planes()
            .next()
            .map(|host| host.name.clone())
            .unwrap_or_default(),
        ..Observation::default()
    }
}

/// What is taken for granted of a host that nobody asked: Debian 13 on amd64 with systemd and cgroup v2.
fn assumed(address: std::net::IpAddr, interface: Option<&str>) -> Facts {
    let interface = interface.unwrap_or("eth0").to_owned();
    Facts {
        os_id: "debian".into(),
        os_version: "13".into(),
        os_name: "Debian GNU/Linux 13 (trixie)".into(),
        family: Family::Debian,
        arch: "amd64".into(),
        kernel: "6.12.0".into(),
        systemd: true,
        cgroup: 2,
        addresses: vec![crate::observe::InterfaceAddress {
            interface: interface.clone(),
            address,
            prefix: if address.is_ipv4() { 24 } else { 64 },
        }],
        default_interface: Some(interface),
        resolv_conf: "/etc/resolv.conf".into(),
        sys_resource: true,
        ..Facts::default()
    }
}

/// A path on a host as one below a directory here.
fn relative(path: &str) -> PathBuf {
    Path::new(path)
        .components()
        .filter(|part| matches!(part, Component::Normal(_)))
        .collect()
}

fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let what = || path.display().to_string();
    fs::create_dir_all(path.parent().unwrap_or(path)).with_context(what)?;
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .with_context(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_directory() {
        assert_eq!(relative("/etc/../../passwd"), Path::new("etc/passwd"));
    }
}
