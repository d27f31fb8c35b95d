//! The kubelet's configuration, flags and start.

use anyhow::{Result, bail};
use serde_json::Value;

use super::{
    certificates::PKI,
    components::check_kubelet,
    config::{Config, extra_args, or},
    init::Own,
    manifests, patches,
};
use crate::{pki, runtime, say, yaml};

/// kubeadm's defaults under the user's `KubeletConfiguration`.
pub fn defaults(config: &Config) -> Value {
    let services = or(
        &config.cluster["networking"]["serviceSubnet"],
        "10.96.0.0/12",
    );
    let first: Option<ipnet::IpNet> = services.split(',').next().and_then(|net| net.parse().ok());
    let dns = first
        .and_then(|net| net.hosts().nth(9))
        .map(|address| address.to_string());
    let mut kubelet = serde_json::json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": false}, "webhook": {"enabled": true}, "x509": {"clientCAFile": format!("{PKI}/ca.crt")}},
        "authorization": {"mode": "Webhook"}, "cgroupDriver": "systemd", "clusterDNS": [dns],
        "clusterDomain": or(&config.cluster["networking"]["dnsDomain"], "cluster.local"),
        "healthzBindAddress": "127.0.0.1", "healthzPort": 10248, "rotateCertificates": true,
        "staticPodPath": manifests::DIRECTORY,
    });
    if !config.kubelet.is_null()
        && let Ok(merged) = crate::apiserver::patch_object(
            "application/merge-patch+json",
            &kubelet,
            &config.kubelet,
        )
    {
        kubelet = merged;
    }
    kubelet
}

/// The kubelet's configuration file and flags of this node.
pub fn write(
    own: &Own,
    registration: &Value,
    kubelet: &Value,
    directory: Option<&str>,
    cluster: &Value,
) -> Result<()> {
    write_config(kubelet, directory)?;
    let socket = or(
        &registration["criSocket"],
        "unix:///run/containerd/containerd.sock",
    );
    let mut flags = vec![format!("--container-runtime-endpoint={socket}")];
    flags.extend(
        extra_args(&registration["kubeletExtraArgs"])
            .iter()
            .map(|(name, value)| format!("--{name}={value}")),
    );
    if own.node != runtime::hostname() {
        flags.push(format!("--hostname-override={}", own.node));
    }
    if crate::versions::minor(&own.version) < 35 {
        let repository = or(&cluster["imageRepository"], crate::versions::REGISTRY);
        let pause = crate::versions::companions(&own.version).2;
        flags.push(format!(
            "--pod-infra-container-image={repository}/pause:{pause}"
        ));
    }
    let taints: Vec<String> = registration["taints"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|taint| {
            format!(
                "{}={}:{}",
                or(&taint["key"], ""),
                or(&taint["value"], ""),
                or(&taint["effect"], "")
            )
        })
        .collect();
    if !taints.is_empty() {
        flags.push(format!("--register-with-taints={}", taints.join(",")));
    }
    let line = format!("KUBELET_KUBEADM_ARGS=\"{}\"\n", flags.join(" "));
    pki::write("/var/lib/kubelet/kubeadm-flags.env", line.as_bytes(), 0o644)
}

/// The configuration file alone.
pub fn write_config(kubelet: &Value, directory: Option<&str>) -> Result<()> {
    let kubelet = patches::apply(directory, "kubeletconfiguration", kubelet.clone())?;
    check_kubelet(&kubelet)?;
    pki::write(
        "/var/lib/kubelet/config.yaml",
        yaml::text(&kubelet)?.as_bytes(),
        0o644,
    )
}

pub fn start() -> Result<()> {
    say("[stand-in] [kubelet-start] Starting the kubelet");
    if !runtime::systemctl(&["daemon-reload"])
        || !runtime::systemctl(&["restart", "kubelet.service"])
    {
        bail!("couldn't start the kubelet service: systemctl restart kubelet.service failed");
    }
    Ok(())
}
