//! Configuration files: read, checked field by field, defaulted.

use std::{fs, net::IpAddr};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    components::{check_gates, check_kube_proxy, check_kubelet},
    schema,
};
use crate::{versions, yaml};

/// What a configuration file says; absent documents are `Null`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    pub init: Value,
    pub join: Value,
    pub cluster: Value,
    pub kubelet: Value,
    pub kube_proxy: Value,
    pub reset: Value,
    /// `kubeadm.k8s.io/v1beta4`.
    pub api_version: String,
}

impl Config {
    pub fn read(path: &str, version: &str) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("unable to read config from {path:?}"))?;
        Self::parse(&text, version)
    }

    /// Parses documents as strictly as `kubeadm config validate` of that version does.
    pub fn parse(text: &str, version: &str) -> Result<Self> {
        let mut config = Self::default();
        for document in yaml::documents(text)? {
            let api = document["apiVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let kind = document["kind"].as_str().unwrap_or_default().to_owned();
            check_api(&api, &kind, version)?;
            let Some(tree) = schema::tree(&api, &kind) else {
                bail!("no kind {kind:?} is registered for version {api:?} in scheme");
            };
            schema::check(&document, &tree).map_err(|problem| {
                anyhow::anyhow!("error unmarshaling configuration {api}, Kind={kind}: strict decoding error: {problem}")
            })?;
            let place = match kind.as_str() {
                "InitConfiguration" => &mut config.init,
                "JoinConfiguration" => &mut config.join,
                "ClusterConfiguration" => &mut config.cluster,
                "KubeletConfiguration" => &mut config.kubelet,
                "KubeProxyConfiguration" => &mut config.kube_proxy,
                "ResetConfiguration" => &mut config.reset,
                _ => continue,
            };
            if !place.is_null() {
                bail!("invalid configuration: kind {kind:?} is specified twice in YAML file");
            }
            if api.starts_with("kubeadm.k8s.io/") {
                config.api_version = api;
            }
            *place = document;
        }
        config.check_values(version)?;
        Ok(config)
    }

    fn check_values(&self, version: &str) -> Result<()> {
        let cluster = &self.cluster;
        if let Some(wanted) = cluster["kubernetesVersion"].as_str() {
            let (own, wanted_minor) = (versions::minor(version), versions::minor(wanted));
            if !wanted.starts_with(['v', '1']) || wanted_minor == 0 {
                bail!("could not parse {wanted:?} as version");
            }
            if wanted_minor > own || wanted_minor + 1 < own {
                bail!(
                    "this version of kubeadm only supports deploying clusters with the control plane version >= 1.{}.0. Current version: {wanted}",
                    own - 1
                );
            }
        }
        for (network, what) in [
            ("podSubnet", "networking.podSubnet"),
            ("serviceSubnet", "networking.serviceSubnet"),
        ] {
            for cidr in cluster["networking"][network]
                .as_str()
                .into_iter()
                .flat_map(|all| all.split(','))
            {
                if cidr.parse::<ipnet::IpNet>().is_err() {
                    bail!("{what}: Invalid value: {cidr:?}: couldn't parse subnet");
                }
            }
        }
        if let Some(endpoint) = cluster["controlPlaneEndpoint"].as_str() {
            check_endpoint(endpoint)?;
        }
        for key in [
            &self.init["certificateKey"],
            &self.join["controlPlane"]["certificateKey"],
        ] {
            if let Some(key) = key.as_str() {
                check_certificate_key(key)?;
            }
        }
        for address in [
            &self.init["localAPIEndpoint"]["advertiseAddress"],
            &self.join["controlPlane"]["localAPIEndpoint"]["advertiseAddress"],
        ] {
            if let Some(address) = address.as_str()
                && address.parse::<IpAddr>().is_err()
            {
                bail!(
                    "couldn't use {address:?} as \"apiserver-advertise-address\", must be ipv4 or ipv6 address"
                );
            }
        }
        for pointer in ["/init/nodeRegistration", "/join/nodeRegistration"] {
            let node = if pointer.starts_with("/init") {
                &self.init
            } else {
                &self.join
            };
            if let Some(socket) = node["nodeRegistration"]["criSocket"].as_str()
                && !socket.starts_with("unix:///")
            {
                bail!(
                    "nodeRegistration.criSocket: Invalid value: {socket:?}: only URL scheme \"unix\" is supported"
                );
            }
        }
        check_gates(cluster, version)?;
        self.check_discovery()?;
        check_kubelet(&self.kubelet)?;
        check_kube_proxy(&self.kube_proxy, version)
    }

    fn check_discovery(&self) -> Result<()> {
        if self.join.is_null() {
            return Ok(());
        }
        let discovery = &self.join["discovery"];
        let token = &discovery["bootstrapToken"];
        if token.is_null() == discovery["file"].is_null() {
            bail!("discovery: Invalid value: \"\": bootstrapToken or file must be set");
        }
        if token.is_null() {
            return Ok(());
        }
        check_token(token["token"].as_str().unwrap_or_default())?;
        check_endpoint(token["apiServerEndpoint"].as_str().unwrap_or_default())?;
        let hashes = token["caCertHashes"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if hashes.is_empty() && token["unsafeSkipCAVerification"] != true {
            bail!(
                "discovery.bootstrapToken.caCertHashes: Invalid value: \"\": using token-based discovery without caCertHashes can be unsafe. Set unsafeSkipCAVerification as true in your kubeadm config file to continue"
            );
        }
        for hash in &hashes {
            let hex = hash
                .as_str()
                .and_then(|hash| hash.strip_prefix("sha256:"))
                .unwrap_or_default();
            if hex.len() != 64 || !hex.chars().all(|letter| letter.is_ascii_hexdigit()) {
                bail!(
                    "invalid discovery token CA certificate hash: expected a 32 byte SHA-256 hash, found {hash}"
                );
            }
        }
        Ok(())
    }

    /// Version of the control plane without `v`.
    pub fn kubernetes(&self, version: &str) -> String {
        self.cluster["kubernetesVersion"]
            .as_str()
            .unwrap_or(version)
            .trim_start_matches('v')
            .to_owned()
    }

    pub fn repository(&self) -> &str {
        self.cluster["imageRepository"]
            .as_str()
            .unwrap_or(versions::REGISTRY)
    }
}

/// Flags of a component in either shape, in order.
pub fn extra_args(value: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        Value::Array(list) => list
            .iter()
            .map(|pair| (text(&pair["name"]), text(&pair["value"])))
            .collect(),
        _ => Vec::new(),
    }
}

/// kubeadm's defaults, where a document leaves a field out.
pub fn or<'a>(value: &'a Value, default: &'a str) -> &'a str {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .unwrap_or(default)
}

pub fn bind_port(endpoint: &Value) -> u64 {
    endpoint["bindPort"].as_u64().unwrap_or(6443)
}

fn check_api(api: &str, kind: &str, version: &str) -> Result<()> {
    let minor = versions::minor(version);
    match api {
        "kubeadm.k8s.io/v1beta4" if minor < 31 => bail!(
            "your configuration file uses an unsupported API spec: {api:?} (kind: {kind:?}): kubeadm v{version} knows kubeadm.k8s.io/v1beta3"
        ),
        "kubeadm.k8s.io/v1beta3" if minor > 36 => {
            bail!("your configuration file uses an old API spec: {api:?} (kind: {kind:?})")
        }
        "kubeadm.k8s.io/v1beta2" | "kubeadm.k8s.io/v1beta1" => bail!(
            "your configuration file uses an old API spec: {api:?} (kind: {kind:?}). Please use kubeadm v1.22 instead and run 'kubeadm config migrate'"
        ),
        "" => bail!("invalid configuration: apiVersion is mandatory field that must be specified"),
        _ => Ok(()),
    }
}

/// `abcdef.0123456789abcdef`.
pub fn check_token(token: &str) -> Result<()> {
    let fits = |text: &str, length| {
        text.len() == length
            && text
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    match token.split_once('.') {
        Some((id, secret)) if fits(id, 6) && fits(secret, 16) => Ok(()),
        _ => bail!(
            "the bootstrap token is invalid: it must be of the form \"[a-z0-9]{{6}}.[a-z0-9]{{16}}\""
        ),
    }
}

pub fn check_certificate_key(key: &str) -> Result<()> {
    let hex = key.chars().all(|letter| letter.is_ascii_hexdigit());
    if key.len() != 64 || !hex {
        bail!(
            "certificateKey: Invalid value: the key must be a hex encoded string that is an AES key of size 32 bytes (64 digits), found {} characters",
            key.len()
        );
    }
    Ok(())
}

fn check_endpoint(endpoint: &str) -> Result<()> {
    let port = endpoint.rsplit_once(':').map(|(_, port)| port);
    if endpoint.is_empty()
        || endpoint.contains("://")
        || port.is_some_and(|port| port.parse::<u16>().is_err())
    {
        bail!("invalid control plane endpoint {endpoint:?}: it must be HOST:PORT");
    }
    Ok(())
}

/// An empty document of a kind, where a file has none.
pub fn empty(kind: &str, api_version: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind})
}
