//! A host to be written, in the inventory's words.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf};

use serde_json::{Map, Value, json};

use crate::inventory::Role;

/// A host to be added. What is empty is not written, and so inherited.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewHost {
    /// Node name; a DNS-1123 subdomain.
    pub name: String,
    /// Where SSH connects.
    pub address: String,
    /// The node's addresses in the cluster network, where `address` is not one.
    pub node_ip: Vec<IpAddr>,
    pub roles: Vec<Role>,
    /// Groups of the inventory, which must be there.
    pub groups: Vec<String>,
    pub ssh_user: Option<String>,
    pub ssh_port: Option<u16>,
    /// Private key file.
    pub ssh_key: Option<PathBuf>,
    /// Jump host, as `ssh -J` takes it.
    pub ssh_jump: Option<String>,
    pub interface: Option<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// `key=value:Effect`.
    pub taints: Vec<String>,
    /// Mount points for Longhorn.
    pub data_disks: Vec<String>,
    /// Address of the board controller.
    pub bmc: Option<String>,
    /// 1–254.
    pub vrrp_priority: Option<u8>,
    /// Ids of preflight checks.
    pub skip_checks: Vec<String>,
    /// Fields of `KubeletConfiguration`.
    pub kubelet: Map<String, Value>,
}

impl NewHost {
    pub fn new(name: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            address: address.into(),
            ..Self::default()
        }
    }

    /// The keys and values of its entry, in the order in which the examples have them.
    pub fn settings(&self) -> Vec<(&'static str, Value)> {
        let roles: Vec<&str> = self.roles.iter().copied().map(word).collect();
        let node_ip: Vec<String> = self.node_ip.iter().map(ToString::to_string).collect();
        let mut settings = vec![("address", json!(self.address))];
        let optional = [
            ("node-ip", one_or_many(&node_ip)),
            ("role", one_or_many(&roles)),
            ("group", one_or_many(&self.groups)),
            ("ssh", self.ssh()),
            ("interface", self.interface.as_ref().map(|it| json!(it))),
            ("labels", map(&self.labels)),
            ("annotations", map(&self.annotations)),
            ("taints", list(&self.taints)),
            ("data-disks", list(&self.data_disks)),
            ("bmc", self.bmc.as_ref().map(|it| json!(it))),
            ("vrrp-priority", self.vrrp_priority.map(|it| json!(it))),
            ("skip-checks", list(&self.skip_checks)),
            (
                "kubelet",
                Some(&self.kubelet)
                    .filter(|it| !it.is_empty())
                    .map(|it| json!(it)),
            ),
        ];
        settings.extend(
            optional
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?))),
        );
        settings
    }

    fn ssh(&self) -> Option<Value> {
        let mut ssh = Map::new();
        ssh.extend(
            self.ssh_user
                .iter()
                .map(|it| ("user".to_owned(), json!(it))),
        );
        ssh.extend(
            self.ssh_port
                .iter()
                .map(|it| ("port".to_owned(), json!(it))),
        );
        ssh.extend(
            self.ssh_key
                .iter()
                .map(|it| ("key".to_owned(), json!(it.to_string_lossy()))),
        );
        ssh.extend(
            self.ssh_jump
                .iter()
                .map(|it| ("jump".to_owned(), json!(it))),
        );
        (!ssh.is_empty()).then_some(Value::Object(ssh))
    }
}

/// A role as the inventory has it.
pub fn word(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "control-plane",
        Role::Worker => "worker",
        Role::LoadBalancer => "load-balancer",
    }
}

fn one_or_many<T: serde::Serialize>(items: &[T]) -> Option<Value> {
    match items {
        [] => None,
        [one] => Some(json!(one)),
        many => Some(json!(many)),
    }
}

fn list(items: &[String]) -> Option<Value> {
    (!items.is_empty()).then(|| json!(items))
}

fn map(items: &BTreeMap<String, String>) -> Option<Value> {
    (!items.is_empty()).then(|| json!(items))
}
