//! Inventories in kubespray's format, read directly: hosts and groups from `inventory.ini` or `hosts.yaml`, settings from
//! `group_vars` and `host_vars` beside it. They become an inventory of ours; what cannot be carried over is listed.

mod convert;
mod ini;
mod source;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    diagnostic::{Mistake, Position},
    yaml::Node,
};

/// Where something stood in kubespray's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    pub file: PathBuf,
    pub at: Position,
}

/// An inventory of kubespray's, in our words.
#[derive(Debug, Default)]
pub struct Converted {
    /// Text of an inventory of ours.
    pub text: String,
    /// What was not carried over, each with its place.
    pub warnings: Vec<String>,
    /// Our path (`network.pods`) to the place it comes from.
    pub origins: BTreeMap<String, Origin>,
}

impl Converted {
    /// A mistake of the converted text, told in terms of kubespray's files.
    pub fn original(&self, file: &Path, mistake: &Mistake) -> String {
        let mut path = mistake.path.as_str();
        let origin = loop {
            if let Some(origin) = self.origins.get(path) {
                break Some(origin);
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = &path[..at],
                None => break None,
            }
        };
        let place = match origin {
            Some(origin) => format!(
                "{}:{}:{}",
                origin.file.display(),
                origin.at.line,
                origin.at.column
            ),
            None => format!("{}:1:1", file.display()),
        };
        let path = if mistake.path.is_empty() {
            String::new()
        } else {
            format!("{}: ", mistake.path)
        };
        format!("{place}: {path}{}", mistake.message)
    }
}

/// The inventory file of kubespray's in a directory.
pub fn file_in(directory: &Path) -> Option<PathBuf> {
    ["inventory.ini", "hosts.yaml", "hosts.yml", "hosts.ini"]
        .iter()
        .map(|name| directory.join(name))
        .find(|file| file.is_file())
}

/// Whether a file is an Ansible inventory rather than one of ours: INI, or YAML under `all`.
pub fn is_ini(path: &Path, text: &str) -> bool {
    let ini_name = path.extension().is_some_and(|extension| extension == "ini");
    let section = text
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    ini_name
        || section
            .is_some_and(|line| line.starts_with('[') && line.ends_with(']') && !line.contains(','))
}

/// Whether a YAML document is an Ansible inventory: `all` with hosts, children or vars.
pub fn is_ansible_yaml(tree: &Node) -> bool {
    tree.get("cluster").is_none()
        && tree.get("all").is_some_and(|all| {
            ["hosts", "children", "vars"]
                .iter()
                .any(|key| all.get(key).is_some())
        })
}

/// Reads an INI inventory.
pub fn from_ini(path: &Path, text: &str) -> Result<Converted, Vec<Mistake>> {
    let inventory = ini::parse(path, text)?;
    finish(path, inventory)
}

/// Reads a YAML inventory.
pub fn from_yaml(path: &Path, tree: &Node) -> Result<Converted, Vec<Mistake>> {
    finish(path, source::from_yaml(path, tree))
}

fn finish(path: &Path, mut inventory: source::Inventory) -> Result<Converted, Vec<Mistake>> {
    inventory.read_vars(path.parent().unwrap_or(Path::new("")));
    if inventory.members("kube_control_plane").is_empty() {
        let message = "this looks like an Ansible inventory, and it has no hosts in the group `kube_control_plane`; give an inventory of kubespray's, or write one of ours (inventories/ holds examples)";
        return Err(vec![Mistake::new(
            Position { line: 1, column: 1 },
            "",
            message,
        )]);
    }
    Ok(convert::convert(path, &inventory))
}
