//! What kubeadm writes on Node objects, and what it finds out about this host.

use std::{fs, net::UdpSocket, time::Duration};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::{certificates::PKI, init::within, upload::Api};
use crate::{
    net::{der, tls},
    say,
};

const LABEL: &str = "node-role.kubernetes.io/control-plane";

/// Labels the node as a control plane and taints it, unless the configuration says otherwise.
pub async fn mark_control_plane(api: &Api, node: &str, registration: &Value) -> Result<()> {
    let path = format!("/api/v1/nodes/{node}");
    within(
        Duration::from_mins(2),
        &format!("node {node:?}"),
        || async { api.get(&path).await.is_ok() },
    )
    .await?;
    let taints = match registration["taints"].as_array() {
        Some(taints) => taints.clone(),
        None => vec![json!({"key": LABEL, "effect": "NoSchedule"})],
    };
    let live = api.get(&path).await?;
    let mut all = live["spec"]["taints"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    for taint in taints {
        if !all
            .iter()
            .any(|have| have["key"] == taint["key"] && have["effect"] == taint["effect"])
        {
            all.push(taint);
        }
    }
    let patch = json!({
        "metadata": {"labels": {LABEL: "", "node.kubernetes.io/exclude-from-external-load-balancers": ""},
            "annotations": {"kubeadm.alpha.kubernetes.io/cri-socket": "unix:///run/containerd/containerd.sock"}},
        "spec": {"taints": if all.is_empty() { Value::Null } else { json!(all) }},
    });
    api.patch(&path, &patch).await?;
    say(format!(
        "[stand-in] [mark-control-plane] Marking the node {node} as control-plane"
    ));
    Ok(())
}

/// `sha256:…` of this host's CA.
pub fn ca_hash() -> Result<String> {
    let pem = fs::read(format!("{PKI}/ca.crt")).context("ca.crt")?;
    let certificates = tls::certificates(&pem)?;
    der::public_key_hash(
        certificates
            .first()
            .context("ca.crt holds no certificate")?,
    )
}

/// Address of the interface with the default route.
pub fn default_address() -> String {
    // Connecting a datagram socket sends nothing; it chooses the source address.
    let chosen = UdpSocket::bind("0.0.0.0:0").and_then(|socket| {
        socket.connect("198.51.100.1:9")?;
        socket.local_addr()
    });
    chosen.map_or_else(
        |_| "127.0.0.1".to_owned(),
        |address| address.ip().to_string(),
    )
}
