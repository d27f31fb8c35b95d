//! kubespray's variables in our words.

mod hosts;
mod settings;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::{Map, Value, json};

use super::{
    Converted,
    source::{self, CLUSTER_GROUPS, Inventory, Var},
};
use crate::inventory::forms;

/// Variables that say nothing we must carry over.
const SILENT: &[&str] = &[
    "ansible_become",
    "ansible_connection",
    "ansible_python_interpreter",
    "ansible_ssh_common_args",
    "bin_dir",
    "container_manager",
    "etcd_deployment_type",
    "etcd_member_name",
    "kube_proxy_strict_arp",
    "kube_vip_arp_enabled",
    "kube_vip_controlplane_enabled",
    "kube_vip_enabled",
    "kubeconfig_localhost",
    "kubectl_localhost",
    "ntp_enabled",
    "ntp_manage_config",
    "loadbalancer_apiserver_localhost",
    "metallb_enabled",
    "metallb_speaker_enabled",
    "metallb_protocol",
    "dns_mode",
    "enable_nodelocaldns",
    "retry_stagger",
    "kube_config_dir",
    "kube_cert_dir",
    "local_release_dir",
];

pub fn convert(path: &Path, inventory: &Inventory) -> Converted {
    let mut convert = Convert {
        inventory,
        used: SILENT.iter().map(|name| (*name).to_owned()).collect(),
        sections: Vec::new(),
        out: Converted::default(),
    };
    convert
        .out
        .warnings
        .extend(inventory.problems.iter().cloned());
    convert
        .out
        .origins
        .insert("hosts".to_owned(), source::start(path));
    convert.basics(path);
    convert.endpoint();
    convert.ssh();
    convert.hosts();
    convert.network();
    convert.control_plane();
    convert.metallb();
    convert.platform();
    convert.leftovers();
    convert.finish()
}

struct Convert<'a> {
    inventory: &'a Inventory,
    /// Variables that were carried over or mean nothing here.
    used: BTreeSet<String>,
    sections: Vec<(&'static str, Value)>,
    out: Converted,
}

impl<'a> Convert<'a> {
    /// A variable of the cluster, recorded as the origin of one of our settings.
    fn var(&mut self, name: &str, ours: &str) -> Option<&'a Value> {
        self.used.insert(name.to_owned());
        let var = self.inventory.var(name)?;
        self.usable(var, name).then(|| {
            self.out.origins.insert(ours.to_owned(), var.origin.clone());
            &var.value
        })
    }

    /// Templates are not evaluated; empty values mean the default.
    fn usable(&mut self, var: &Var, name: &str) -> bool {
        let text = var.value.as_str().unwrap_or_default();
        if text.contains("{{") {
            let warning = format!(
                "{}: `{name}` is a template and was not carried over",
                place(var)
            );
            self.warn(warning);
            return false;
        }
        !(var.value.is_null()
            || var.value == Value::String(String::new())
            || var.value == json!([]))
    }

    fn warn(&mut self, warning: String) {
        if !self.out.warnings.contains(&warning) {
            self.out.warnings.push(warning);
        }
    }

    fn put(&mut self, key: &'static str, value: Value) {
        self.sections.push((key, value));
    }

    /// kubespray's own `cluster_name` is the DNS domain; the cluster is called after its directory.
    fn basics(&mut self, path: &Path) {
        let directory = std::path::absolute(path).ok();
        let directory = directory
            .as_deref()
            .and_then(Path::parent)
            .and_then(Path::file_name);
        let name = directory.map(|name| {
            name.to_string_lossy()
                .to_lowercase()
                .replace(['_', '.', ' '], "-")
        });
        let name = name
            .filter(|name| forms::dns_label(name).is_ok())
            .unwrap_or_else(|| "cluster".to_owned());
        self.put("cluster", json!(name));
        if let Some(version) = self.var("kube_version", "kubernetes") {
            self.put("kubernetes", text_of(version));
        }
        if let Some(manager) = self
            .inventory
            .var("container_manager")
            .filter(|var| var.value != "containerd")
        {
            self.warn(format!(
                "{}: `container_manager` {} is not supported; containerd is used",
                place(manager),
                manager.value
            ));
        }
    }

    fn endpoint(&mut self) {
        let name = self
            .var("apiserver_loadbalancer_domain_name", "endpoint")
            .cloned();
        let port = self.var("kube_apiserver_port", "endpoint").cloned();
        let balancer = self
            .var("loadbalancer_apiserver", "endpoint")
            .and_then(Value::as_object);
        if let Some(balancer) = balancer {
            let address = balancer.get("address").map(text_of).unwrap_or_default();
            let host = name
                .as_ref()
                .and_then(Value::as_str)
                .or(address.as_str())
                .unwrap_or_default()
                .to_owned();
            let port = balancer.get("port").and_then(Value::as_u64).unwrap_or(6443);
            self.put("endpoint", json!({"external": format!("{host}:{port}")}));
        } else if let Some(vip) = self.var("kube_vip_address", "endpoint.vip") {
            let mut endpoint = Map::from_iter([("vip".to_owned(), text_of(vip))]);
            endpoint.extend(name.map(|name| ("name".to_owned(), name)));
            endpoint.extend(port.map(|port| ("port".to_owned(), port)));
            self.put("endpoint", Value::Object(endpoint));
        } else if self.inventory.members("kube_control_plane").len() > 1 {
            self.warn("kubespray's load balancer on every node is not carried over: set `kube_vip_address` to a free address, which keepalived and haproxy then serve".to_owned());
        }
    }

    /// Everything else that was written, named with its place.
    fn leftovers(&mut self) {
        let mut left: BTreeMap<&str, &Var> = BTreeMap::new();
        for group in CLUSTER_GROUPS
            .iter()
            .filter_map(|name| self.inventory.groups.get(*name))
        {
            left.extend(group.vars.iter().map(|(name, var)| (name.as_str(), var)));
        }
        for vars in self.inventory.host_vars.values() {
            left.extend(vars.iter().map(|(name, var)| (name.as_str(), var)));
        }
        for (name, var) in left {
            let off = matches!(&var.value, Value::Bool(false) | Value::Null)
                || var.value == ""
                || var.value == json!({})
                || var.value == json!([]);
            if off || self.used.contains(name) {
                continue;
            }
            let more = match name.strip_suffix("_enabled") {
                Some(addon) => format!("; install {} through `addons`", addon.replace('_', "-")),
                None => String::new(),
            };
            let warning = format!("{}: `{name}` was not carried over{more}", place(var));
            self.warn(warning);
        }
    }

    fn finish(mut self) -> Converted {
        let mut text = String::new();
        for (key, value) in &self.sections {
            text.extend([*key, ": ", &flow(value), "\n"]);
        }
        text.push_str(&self.out.text);
        self.out.text = text;
        self.out
    }
}

fn place(var: &Var) -> String {
    format!("{}:{}", var.origin.file.display(), var.origin.at.line)
}

fn text_of(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        other => json!(other.to_string()),
    }
}

fn number_of(value: &Value) -> Value {
    match value.as_str().and_then(|text| text.parse::<u64>().ok()) {
        Some(number) => json!(number),
        None => value.clone(),
    }
}

/// YAML in one line, quoted only where it must be.
fn flow(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let entries: Vec<String> = object
                .iter()
                .map(|(key, value)| format!("{}: {}", flow(&json!(key)), flow(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::Array(items) => format!(
            "[{}]",
            items.iter().map(flow).collect::<Vec<_>>().join(", ")
        ),
        Value::String(text) => {
            let plain = !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_./@".contains(&byte))
                && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
                && !matches!(
                    text.as_str(),
                    "true" | "false" | "null" | "yes" | "no" | "on" | "off"
                )
                && text.parse::<f64>().is_err();
            if plain {
                text.clone()
            } else {
                value.to_string()
            }
        }
        other => other.to_string(),
    }
}
