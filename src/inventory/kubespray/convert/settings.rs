//! Networks, the control plane, MetalLB, time and registries.

use serde_json::{Map, Value, json};

use super::{Convert, number_of, text_of};

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

impl Convert<'_> {
    /// kubespray's defaults hold where it is silent: a running cluster was made with them.
    pub(super) fn network(&mut self) {
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

    pub(super) fn plugin(&mut self) -> &'static str {
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

    pub(super) fn control_plane(&mut self) {
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

    pub(super) fn metallb(&mut self) {
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

    pub(super) fn platform(&mut self) {
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
}
