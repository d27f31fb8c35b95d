//! What kubeadm puts into the cluster: configuration, certificates, add-ons.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{
    certificates::{PKI, SHARED},
    config::{Config, or},
    init::Own,
    kubelet, seal,
};
use crate::{kubeconfig, net::Client, pki, versions, yaml};

/// kubeadm tries calls again for this long.
const PATIENCE: Duration = Duration::from_mins(1);
pub const SYSTEM: &str = "/api/v1/namespaces/kube-system";

/// The API as kubeadm uses it.
pub struct Api {
    client: Client,
}

impl Api {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub async fn ready(&self) -> bool {
        self.client
            .get("/readyz")
            .await
            .is_ok_and(|answer| answer.status == 200)
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, "", &Value::Null).await
    }

    pub async fn patch(&self, path: &str, patch: &Value) -> Result<Value> {
        self.call("PATCH", path, "application/merge-patch+json", patch)
            .await
    }

    pub async fn delete(&self, path: &str) -> Result<Value> {
        self.call("DELETE", path, "", &Value::Null).await
    }

    pub async fn post(&self, path: &str, object: &Value) -> Result<Value> {
        self.call("POST", path, "application/json", object).await
    }

    /// Creates an object, or replaces it.
    pub async fn put(&self, directory: &str, object: &Value) -> Result<Value> {
        match self.post(directory, object).await {
            Err(error) if error.to_string().contains("already exists") => {
                let name = object["metadata"]["name"].as_str().unwrap_or_default();
                self.call(
                    "PUT",
                    &format!("{directory}/{name}"),
                    "application/json",
                    object,
                )
                .await
            }
            other => other,
        }
    }

    async fn call(&self, method: &str, path: &str, content: &str, body: &Value) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            let bytes = if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            };
            let failure = match self.client.call(method, path, content, &[], bytes).await {
                Ok(answer) if answer.status < 300 => return answer.value(),
                Ok(answer) => {
                    let message = answer
                        .value()
                        .ok()
                        .and_then(|status| status["message"].as_str().map(str::to_owned));
                    let message = message
                        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
                    if answer.status < 500 {
                        bail!("{message}");
                    }
                    message
                }
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() > end {
                bail!("{method} {path}: {failure}");
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}

/// `kubeadm-config` and `kubelet-config`.
pub async fn configuration(api: &Api, config: &Config, own: &Own) -> Result<()> {
    let mut cluster = config.cluster.clone();
    cluster["kubernetesVersion"] = json!(format!("v{}", own.version));
    for (name, default) in [
        ("certificatesDir", PKI),
        ("clusterName", "kubernetes"),
        ("imageRepository", versions::REGISTRY),
    ] {
        cluster[name] = json!(or(&cluster[name], default));
    }
    let networking = &mut cluster["networking"];
    networking["dnsDomain"] = json!(or(&networking["dnsDomain"], "cluster.local"));
    networking["serviceSubnet"] = json!(or(&networking["serviceSubnet"], "10.96.0.0/12"));
    let data = json!({"ClusterConfiguration": yaml::text(&cluster)?});
    config_map(api, "kubeadm-config", &data, &json!({})).await?;
    // As the real one: the patches of this node go to all.
    let patches = config.init["patches"]["directory"].as_str();
    let kubelet =
        super::patches::apply(patches, "kubeletconfiguration", kubelet::defaults(config))?;
    let data = json!({"kubelet": yaml::text(&kubelet)?});
    config_map(api, "kubelet-config", &data, &json!({})).await
}

async fn config_map(api: &Api, name: &str, data: &Value, labels: &Value) -> Result<()> {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "kube-system", "labels": labels}, "data": data,
    });
    api.put(&format!("{SYSTEM}/configmaps"), &object).await?;
    Ok(())
}

/// The Secret from which other control planes take the shared certificates.
pub async fn certificates(api: &Api, key: &str) -> Result<()> {
    let mut data = json!({});
    for name in SHARED {
        let content = fs::read(format!("{PKI}/{name}")).with_context(|| format!("{PKI}/{name}"))?;
        data[name.replace('/', "-")] = json!(BASE64.encode(seal::seal(key, &content)));
    }
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": "kubeadm-certs", "namespace": "kube-system"}, "data": data,
    });
    api.put(&format!("{SYSTEM}/secrets"), &object).await?;
    Ok(())
}

/// Takes the shared certificates from the cluster.
pub async fn download_certificates(api: &Api, key: &str) -> Result<()> {
    let secret = api
        .get(&format!("{SYSTEM}/secrets/kubeadm-certs"))
        .await
        .context("error downloading certs: error downloading the secret: Secret \"kubeadm-certs\" was not found in the \"kube-system\" Namespace. This Secret might have expired. Please, run `kubeadm init phase upload-certs --upload-certs` on a control plane to generate a new one")?;
    for name in SHARED {
        let sealed = secret["data"][name.replace('/', "-")]
            .as_str()
            .unwrap_or_default();
        let content = seal::open(key, &BASE64.decode(sealed)?)
            .with_context(|| format!("error decoding secret data with provided key: {name}"))?;
        let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
        pki::write(&format!("{PKI}/{name}"), &content, mode)?;
    }
    Ok(())
}

/// What a joining node reads before it trusts anybody.
pub async fn cluster_info(api: &Api, server: &str) -> Result<()> {
    let ca = fs::read(format!("{PKI}/ca.crt"))?;
    let config = kubeconfig::render("", server, "", &ca, &kubeconfig::Login::Nobody);
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "cluster-info", "namespace": "kube-public"}, "data": {"kubeconfig": config},
    });
    let directory = "/api/v1/namespaces/kube-public/configmaps";
    if api.get(&format!("{directory}/cluster-info")).await.is_err() {
        api.put(directory, &object).await?;
    }
    Ok(())
}

pub async fn coredns(api: &Api, config: &Config, own: &Own) -> Result<()> {
    let domain = or(&config.cluster["networking"]["dnsDomain"], "cluster.local");
    let corefile = format!(
        ".:53 {{\n    errors\n    health {{\n       lameduck 5s\n    }}\n    ready\n    kubernetes {domain} in-addr.arpa ip6.arpa {{\n       pods insecure\n       fallthrough in-addr.arpa ip6.arpa\n       ttl 30\n    }}\n    prometheus :9153\n    forward . /etc/resolv.conf {{\n       max_concurrent 1000\n    }}\n    cache 30\n    loop\n    reload\n    loadbalance\n}}\n"
    );
    config_map(api, "coredns", &json!({"Corefile": corefile}), &json!({})).await?;
    let image = versions::images(&own.version, config.repository()).swap_remove(4);
    let labels = json!({"k8s-app": "kube-dns"});
    let tolerations = json!([{"key": "CriticalAddonsOnly", "operator": "Exists"}, {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}]);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "coredns", "namespace": "kube-system", "labels": labels},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {
                "tolerations": tolerations, "serviceAccountName": "coredns",
                "containers": [{"name": "coredns", "image": image}],
            }},
        },
    });
    api.put(
        "/apis/apps/v1/namespaces/kube-system/deployments",
        &deployment,
    )
    .await?;
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kube-dns", "namespace": "kube-system", "labels": labels},
        "spec": {"selector": labels, "clusterIP": kubelet::defaults(config)["clusterDNS"][0],
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]},
    });
    api.put(&format!("{SYSTEM}/services"), &service).await?;
    Ok(())
}

pub async fn kube_proxy(api: &Api, config: &Config, own: &Own) -> Result<()> {
    let mut proxy = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "bindAddress": "0.0.0.0", "clientConnection": {"kubeconfig": "/var/lib/kube-proxy/kubeconfig.conf"},
        "clusterCIDR": config.cluster["networking"]["podSubnet"],
    });
    if !config.kube_proxy.is_null()
        && let Ok(merged) = crate::apiserver::patch_object(
            "application/merge-patch+json",
            &proxy,
            &config.kube_proxy,
        )
    {
        proxy = merged;
    }
    let labels = json!({"app": "kube-proxy"});
    let data = json!({"config.conf": yaml::text(&proxy)?, "kubeconfig.conf": "apiVersion: v1\nkind: Config\n"});
    config_map(api, "kube-proxy", &data, &labels).await?;
    let image = versions::images(&own.version, config.repository()).swap_remove(3);
    let labels = json!({"k8s-app": "kube-proxy"});
    let daemon_set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "kube-proxy", "namespace": "kube-system", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels}, "updateStrategy": {"type": "RollingUpdate"},
            "template": {"metadata": {"labels": labels}, "spec": {
                "hostNetwork": true, "priorityClassName": "system-node-critical", "serviceAccountName": "kube-proxy",
                "tolerations": [{"operator": "Exists"}], "nodeSelector": {"kubernetes.io/os": "linux"},
                "containers": [{"name": "kube-proxy", "image": image,
                    "command": ["/usr/local/bin/kube-proxy", "--config=/var/lib/kube-proxy/config.conf", "--hostname-override=$(NODE_NAME)"]}],
            }},
        },
    });
    api.put(
        "/apis/apps/v1/namespaces/kube-system/daemonsets",
        &daemon_set,
    )
    .await?;
    Ok(())
}
