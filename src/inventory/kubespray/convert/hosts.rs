//! Hosts, and how ssh reaches them.

use serde_json::{Map, Value, json};

use super::{Convert, flow, number_of, place, text_of};

impl Convert<'_> {
    pub(super) fn ssh(&mut self) {
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
    pub(super) fn ssh_of(&mut self, host: Option<&str>) -> Map<String, Value> {
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

    pub(super) fn hosts(&mut self) {
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

    pub(super) fn host(&mut self, name: &str, plane: bool, worker: bool) -> Map<String, Value> {
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
}
