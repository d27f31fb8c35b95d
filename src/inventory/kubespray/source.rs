//! What kubespray's files say: hosts, groups and variables, each with its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::Origin;
use crate::inventory::{
    diagnostic::Position,
    walk::plain_value,
    yaml::{self, Node},
};

/// A variable and where it was set.
#[derive(Debug, Clone)]
pub struct Var {
    pub value: Value,
    pub origin: Origin,
}

pub type Vars = BTreeMap<String, Var>;

/// An Ansible group.
#[derive(Debug, Default)]
pub struct Group {
    pub hosts: Vec<String>,
    pub children: Vec<String>,
    pub vars: Vars,
}

/// Hosts in the order of the file, groups by name.
#[derive(Debug, Default)]
pub struct Inventory {
    pub order: Vec<String>,
    pub host_origins: BTreeMap<String, Origin>,
    pub host_vars: BTreeMap<String, Vars>,
    pub groups: BTreeMap<String, Group>,
    /// Files that could not be read, in words.
    pub problems: Vec<String>,
}

/// Groups whose variables hold for the whole cluster, weakest first.
pub const CLUSTER_GROUPS: [&str; 5] = [
    "all",
    "etcd",
    "kube_node",
    "kube_control_plane",
    "k8s_cluster",
];

impl Inventory {
    pub fn add_host(&mut self, group: &str, name: &str, origin: Origin) {
        if !self.order.iter().any(|have| have == name) {
            self.order.push(name.to_owned());
            self.host_origins.insert(name.to_owned(), origin);
        }
        let hosts = &mut self.groups.entry(group.to_owned()).or_default().hosts;
        if !hosts.iter().any(|have| have == name) {
            hosts.push(name.to_owned());
        }
    }

    /// Hosts of a group and of its children. Old names of groups are known.
    pub fn members(&self, group: &str) -> BTreeSet<&str> {
        let mut members = BTreeSet::new();
        let mut open = vec![group.to_owned(), group.replace('_', "-")];
        if group == "kube_control_plane" {
            open.push("kube-master".to_owned());
        }
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            let Some(group) = self.groups.get(&name) else {
                continue;
            };
            members.extend(group.hosts.iter().map(String::as_str));
            open.extend(group.children.iter().cloned());
        }
        members
    }

    /// A variable of the whole cluster.
    pub fn var(&self, name: &str) -> Option<&Var> {
        CLUSTER_GROUPS
            .iter()
            .rev()
            .find_map(|group| self.groups.get(*group)?.vars.get(name))
    }

    /// A variable of one host: its own, or that of the whole cluster.
    pub fn host_var(&self, host: &str, name: &str) -> Option<&Var> {
        self.host_vars
            .get(host)
            .and_then(|vars| vars.get(name))
            .or_else(|| self.var(name))
    }

    /// Reads `group_vars` and `host_vars` beside the inventory.
    pub fn read_vars(&mut self, directory: &Path) {
        for name in CLUSTER_GROUPS {
            for file in var_files(&directory.join("group_vars"), name) {
                let vars = self.vars_of(&file);
                self.groups
                    .entry(name.to_owned())
                    .or_default()
                    .vars
                    .extend(vars);
            }
        }
        for name in self.order.clone() {
            for file in var_files(&directory.join("host_vars"), &name) {
                let vars = self.vars_of(&file);
                self.host_vars.entry(name.clone()).or_default().extend(vars);
            }
        }
    }

    fn vars_of(&mut self, file: &Path) -> Vars {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                self.problems
                    .push(format!("{}: not read: {error}", file.display()));
                return Vars::new();
            }
        };
        let (tree, mistakes) = yaml::parse(&text);
        for mistake in &mistakes {
            self.problems.push(format!("{}:{mistake}", file.display()));
        }
        tree.as_ref()
            .map(|tree| vars(file, tree))
            .unwrap_or_default()
    }
}

/// `NAME.yml`, `NAME.yaml` and every YAML file in the directory `NAME`, sorted.
fn var_files(directory: &Path, name: &str) -> Vec<PathBuf> {
    let is_yaml = |file: &PathBuf| {
        file.is_file()
            && file
                .extension()
                .is_some_and(|extension| extension == "yml" || extension == "yaml")
    };
    let mut files: Vec<PathBuf> = ["yml", "yaml"]
        .iter()
        .map(|extension| directory.join(format!("{name}.{extension}")))
        .filter(is_yaml)
        .collect();
    let inside = fs::read_dir(directory.join(name))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let mut inside: Vec<PathBuf> = inside.filter(is_yaml).collect();
    inside.sort();
    files.extend(inside);
    files
}

/// The entries of a mapping as variables.
pub fn vars(file: &Path, tree: &Node) -> Vars {
    let entry = |(key, node): &(yaml::Key, Node)| {
        let origin = Origin {
            file: file.to_owned(),
            at: key.at,
        };
        (
            key.text.clone(),
            Var {
                value: plain_value(node),
                origin,
            },
        )
    };
    tree.entries().iter().map(entry).collect()
}

/// Reads the tree of a YAML inventory.
pub fn from_yaml(path: &Path, tree: &Node) -> Inventory {
    let mut inventory = Inventory::default();
    for (key, node) in tree.entries() {
        group(&mut inventory, path, &key.text, node, 0);
    }
    inventory
}

fn group(inventory: &mut Inventory, path: &Path, name: &str, node: &Node, depth: usize) {
    // Deeper than any inventory; trees are finite, this only bounds the stack.
    if depth > 32 {
        return;
    }
    inventory.groups.entry(name.to_owned()).or_default();
    for (host, host_vars) in node.get("hosts").map(Node::entries).unwrap_or_default() {
        for host_name in super::ini::expand(&host.text) {
            let origin = Origin {
                file: path.to_owned(),
                at: host.at,
            };
            inventory.add_host(name, &host_name, origin);
            inventory
                .host_vars
                .entry(host_name)
                .or_default()
                .extend(vars(path, host_vars));
        }
    }
    if let Some(node) = node.get("vars") {
        inventory
            .groups
            .entry(name.to_owned())
            .or_default()
            .vars
            .extend(vars(path, node));
    }
    for (child, node) in node.get("children").map(Node::entries).unwrap_or_default() {
        inventory
            .groups
            .entry(name.to_owned())
            .or_default()
            .children
            .push(child.text.clone());
        group(inventory, path, &child.text, node, depth + 1);
    }
}

/// The start of a file.
pub fn start(file: &Path) -> Origin {
    Origin {
        file: file.to_owned(),
        at: Position { line: 1, column: 1 },
    }
}
