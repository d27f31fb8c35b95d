//! kubespray's variables in our words.

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

    fn ssh(&mut self) {
        let jump = self
            .inventory
            .members("bastion")
            .into_iter()
            .next()
            .map(|bastion| {
                let text = |name| {
                    self.inventory
                        .host_var(bastion, name)
                        .map(|var| text_of(&var.value))
                };
                let host = text("ansible_host").unwrap_or_else(|| json!(bastion));
                let host = host.as_str().unwrap_or_default().to_owned();
                match text("ansible_user") {
                    Some(user) => format!("{}@{host}", user.as_str().unwrap_or_default()),
                    None => host,
                }
            });
        let mut ssh = self.ssh_of(None);
        ssh.extend(jump.map(|jump| ("jump".to_owned(), json!(jump))));
        if !ssh.is_empty() {
            self.put("ssh", Value::Object(ssh));
        }
        for name in [
            "ansible_become_password",
            "ansible_become_pass",
            "ansible_ssh_pass",
            "ansible_password",
        ] {
            self.used.insert(name.to_owned());
            if let Some(var) = self.inventory.var(name) {
                let warning = format!(
                    "{}: `{name}` was not carried over: secrets come from a file, the environment or a prompt (`ssh.sudo-password`)",
                    place(var)
                );
                self.warn(warning);
            }
        }
    }

    /// ssh settings of the cluster, or of one host alone.
    fn ssh_of(&mut self, host: Option<&str>) -> Map<String, Value> {
        let keys = [
            ("user", &["ansible_user", "ansible_ssh_user"][..]),
            ("port", &["ansible_port", "ansible_ssh_port"][..]),
            ("key", &["ansible_ssh_private_key_file"][..]),
        ];
        let mut ssh = Map::new();
        for (ours, theirs) in keys {
            for name in theirs {
                self.used.insert((*name).to_owned());
                let var = match host {
                    Some(host) => self
                        .inventory
                        .host_vars
                        .get(host)
                        .and_then(|vars| vars.get(*name)),
                    None => self.inventory.var(name),
                };
                if let Some(var) = var.filter(|var| {
                    !text_of(&var.value)
                        .as_str()
                        .is_some_and(|text| text.contains("{{"))
                }) {
                    let value = if ours == "port" {
                        number_of(&var.value)
                    } else {
                        text_of(&var.value)
                    };
                    ssh.insert(ours.to_owned(), value);
                }
            }
        }
        ssh
    }

    fn hosts(&mut self) {
        let planes = self.inventory.members("kube_control_plane");
        let workers = self.inventory.members("kube_node");
        let etcd = self.inventory.members("etcd");
        let mut hosts = String::from("hosts:\n");
        for name in &self.inventory.order {
            let (plane, worker) = (
                planes.contains(name.as_str()),
                workers.contains(name.as_str()),
            );
            if !plane && !worker {
                if etcd.contains(name.as_str()) {
                    self.warn(format!("host `{name}` runs etcd alone, which is not supported: etcd runs on the control planes; the host was left out"));
                }
                continue;
            }
            let host = self.host(name, plane, worker);
            hosts.extend([
                "  ",
                &flow(&json!(name)),
                ": ",
                &flow(&Value::Object(host)),
                "
",
            ]);
            if let Some(origin) = self.inventory.host_origins.get(name) {
                self.out
                    .origins
                    .insert(format!("hosts.{name}"), origin.clone());
            }
        }
        self.out.text = hosts;
        if !etcd.is_empty() && etcd != planes {
            self.warn("the group `etcd` is not the group `kube_control_plane`: etcd runs on the control planes here".to_owned());
        }
    }

    fn host(&mut self, name: &str, plane: bool, worker: bool) -> Map<String, Value> {
        let own = |key: &str| {
            self.inventory
                .host_vars
                .get(name)
                .and_then(|vars| vars.get(key))
        };
        let text = |key: &str| own(key).map(|var| text_of(&var.value));
        let address = ["ansible_host", "access_ip", "ip"]
            .iter()
            .find_map(|key| text(key));
        let address = address.unwrap_or_else(|| json!(name));
        let mut host = Map::from_iter([("address".to_owned(), address.clone())]);
        if let Some(ip) = text("ip")
            .or_else(|| text("access_ip"))
            .filter(|ip| *ip != address)
        {
            host.insert("node-ip".to_owned(), ip);
        }
        let role = match (plane, worker) {
            (true, true) => json!(["control-plane", "worker"]),
            (true, false) => json!("control-plane"),
            _ => json!("worker"),
        };
        host.insert("role".to_owned(), role);
        if let Some(labels) = own("node_labels").and_then(|var| var.value.as_object()) {
            let labels: Map<String, Value> = labels
                .iter()
                .map(|(key, value)| (key.clone(), text_of(value)))
                .collect();
            host.insert("labels".to_owned(), Value::Object(labels));
        }
        if let Some(taints) = own("node_taints").filter(|var| var.value.is_array()) {
            host.insert("taints".to_owned(), taints.value.clone());
        }
        let ssh = self.ssh_of(Some(name));
        if !ssh.is_empty() {
            host.insert("ssh".to_owned(), Value::Object(ssh));
        }
        self.used.extend(
            [
                "ansible_host",
                "ip",
                "access_ip",
                "node_labels",
                "node_taints",
            ]
            .map(ToOwned::to_owned),
        );
        host
    }

    /// kubespray's defaults hold where it is silent: a running cluster was made with them.
    fn network(&mut self) {
        let text =
            |value: Option<&Value>, default: &str| value.map_or_else(|| json!(default), text_of);
        let pods = text(
            self.var("kube_pods_subnet", "network.pods"),
            "10.233.64.0/18",
        );
        let services = text(
            self.var("kube_service_addresses", "network.services"),
            "10.233.0.0/18",
        );
        let mask = self
            .var("kube_network_node_prefix", "network.node-mask")
            .map_or(json!(24), number_of);
        let dual = ["enable_dual_stack_networks", "ipv6_stack"]
            .iter()
            .any(|name| self.var(name, "network") == Some(&Value::Bool(true)));
        let pods_v6 = text(
            self.var("kube_pods_subnet_ipv6", "network.pods"),
            "fd85:ee78:d8a6:8607::1:0000/112",
        );
        let services_v6 = text(
            self.var("kube_service_addresses_ipv6", "network.services"),
            "fd85:ee78:d8a6:8607::1000/116",
        );
        let mask_v6 = self
            .var("kube_network_node_prefix_ipv6", "network.node-mask")
            .map_or(json!(120), number_of);
        let domain = self
            .var("dns_domain", "network.dns-domain")
            .or_else(|| self.inventory.var("cluster_name").map(|var| &var.value));
        self.used.insert("cluster_name".to_owned());
        let domain = domain.filter(|domain| {
            !text_of(domain)
                .as_str()
                .is_some_and(|text| text.contains("{{"))
        });
        let plugin = self.plugin();
        let either = |v4: Value, v6: Value| if dual { json!([v4, v6]) } else { v4 };
        let mut network = Map::from_iter([
            ("pods".to_owned(), either(pods, pods_v6)),
            ("services".to_owned(), either(services, services_v6)),
            ("node-mask".to_owned(), either(mask, mask_v6)),
            ("plugin".to_owned(), json!(plugin)),
        ]);
        network.extend(domain.map(|domain| ("dns-domain".to_owned(), domain.clone())));
        self.put("network", Value::Object(network));
        if let Some(mode) = self.var("kube_proxy_mode", "kube-proxy") {
            self.put("kube-proxy", text_of(mode));
        }
    }

    fn plugin(&mut self) -> &'static str {
        let written = self
            .var("kube_network_plugin", "network.plugin")
            .map(text_of);
        match written.as_ref().and_then(Value::as_str) {
            None | Some("calico") => "calico",
            Some("flannel") => "flannel",
            Some("cilium") => "cilium",
            Some("cni" | "none") => "none",
            Some(other) => {
                let warning =
                    format!("`kube_network_plugin` {other} is not supported; `flannel` is used");
                self.warn(warning);
                "flannel"
            }
        }
    }

    fn control_plane(&mut self) {
        let mut plane = Map::new();
        if let Some(sans) = self.var(
            "supplementary_addresses_in_ssl_keys",
            "control-plane.cert-sans",
        ) {
            plane.insert("cert-sans".to_owned(), sans.clone());
        }
        let encrypted = self.var("kube_encrypt_secret_data", "control-plane.encryption")
            == Some(&Value::Bool(true));
        plane.insert("encryption".to_owned(), json!(encrypted));
        if self.var("kubernetes_audit", "control-plane.audit") == Some(&Value::Bool(true)) {
            plane.insert("audit".to_owned(), json!(true));
        }
        if let Some(directory) = self.var("etcd_data_dir", "control-plane.etcd.data-dir") {
            plane.insert("etcd".to_owned(), json!({"data-dir": directory}));
        }
        self.put("control-plane", Value::Object(plane));
        if let Some(most) = self
            .var("kubelet_max_pods", "kubelet.config.maxPods")
            .map(number_of)
        {
            self.put("kubelet", json!({"config": {"maxPods": most}}));
        }
    }

    fn metallb(&mut self) {
        let enabled = self
            .inventory
            .var("metallb_enabled")
            .is_some_and(|var| var.value == Value::Bool(true));
        let Some(config) = self
            .var("metallb_config", "metallb")
            .and_then(Value::as_object)
            .filter(|_| enabled)
        else {
            return;
        };
        let empty = Map::new();
        let pools = config
            .get("address_pools")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let peers = config
            .get("layer3")
            .and_then(|layer3| layer3.get("metallb_peers"))
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let layer2: Vec<&str> = config
            .get("layer2")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let pool = |(name, pool): (&String, &Value)| {
            let mut ours = renamed(pool, POOL);
            if !peers.is_empty() && layer2.contains(&name.as_str()) {
                ours.insert("l2".to_owned(), json!(true));
            }
            (name.replace('_', "-"), Value::Object(ours))
        };
        let peer = |(name, peer): (&String, &Value)| {
            (name.replace('_', "-"), Value::Object(renamed(peer, PEER)))
        };
        let mut ours = json!({"pools": pools.iter().map(pool).collect::<Map<_, _>>()});
        if !peers.is_empty() {
            ours["peers"] = Value::Object(peers.iter().map(peer).collect());
            self.warn("MetalLB's BGP communities and passwords were not carried over; write them as `metallb.communities` and `password`".to_owned());
        }
        self.put("metallb", ours);
    }

    fn platform(&mut self) {
        if let Some(servers) = self
            .var("ntp_servers", "system.time-servers")
            .filter(|servers| servers.is_array())
        {
            let servers: Vec<Value> = servers
                .as_array()
                .into_iter()
                .flatten()
                .map(|server| {
                    let text = text_of(server);
                    json!(text.as_str().unwrap_or_default().split_whitespace().next())
                })
                .collect();
            self.put("system", json!({"time-servers": servers}));
        }
        let mirrors = self
            .var("containerd_registries_mirrors", "registries")
            .and_then(Value::as_array);
        let mut registries = Map::new();
        for registry in mirrors.into_iter().flatten() {
            let Some(prefix) = registry.get("prefix").and_then(Value::as_str) else {
                continue;
            };
            let each = registry
                .get("mirrors")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            let ours: Vec<Value> = each
                .map(|mirror| {
                    let mut ours = json!({"url": mirror.get("host").cloned().unwrap_or_default()});
                    for (theirs, key) in [
                        ("capabilities", "capabilities"),
                        ("skip_verify", "skip-verify"),
                        ("override_path", "override-path"),
                    ] {
                        if let Some(value) = mirror.get(theirs) {
                            ours[key] = value.clone();
                        }
                    }
                    ours
                })
                .collect();
            registries.insert(prefix.to_owned(), json!({"mirrors": ours}));
        }
        if !registries.is_empty() {
            self.put("registries", Value::Object(registries));
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

/// Keys of kubespray's and ours, of a MetalLB pool.
const POOL: &[(&str, &str)] = &[
    ("ip_range", "addresses"),
    ("auto_assign", "auto-assign"),
    ("avoid_buggy_ips", "avoid-buggy-ips"),
];

/// The same of a BGP peer.
const PEER: &[(&str, &str)] = &[
    ("peer_address", "address"),
    ("peer_asn", "peer-asn"),
    ("my_asn", "my-asn"),
    ("holdtime", "hold-time"),
];

/// The entries of a mapping that have a name of ours, under that name.
fn renamed(theirs: &Value, names: &[(&str, &str)]) -> Map<String, Value> {
    let entry = |(theirs_key, ours): &(&str, &str)| {
        Some(((*ours).to_owned(), theirs.get(theirs_key)?.clone()))
    };
    names.iter().filter_map(entry).collect()
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
