//! Strict ARP, and whatever else the inventory says of kube-proxy, in its live configuration: kubeadm writes it once and never again.

use anyhow::Result;
use serde_json::{Value, json};

use super::{ActionStep, kubeadm, shell};
use crate::{
    artifacts::Artifacts,
    digest::sha256,
    inventory::Cluster,
    observe::{KUBE_PROXY_HASH, Observation},
    plan::Action,
};

pub(super) fn actions(
    cluster: &Cluster,
    _artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    // Without a live configuration there is none yet: `kubeadm init` is given the right one.
    let Some((api, live)) = seen
        .api
        .as_ref()
        .and_then(|api| Some((api, api.kube_proxy.as_ref()?)))
        .filter(|_| cluster.kube_proxy.enabled)
    else {
        return Ok(Vec::new());
    };
    let wanted = kubeadm::kube_proxy_configuration(cluster);
    let differences = differences(live, &wanted, "");
    if differences.is_empty() && api.kube_proxy_rolled {
        return Ok(Vec::new());
    }
    let mut merged = live.clone();
    kubeadm::merge(&mut merged, &wanted);
    let text = serde_yaml::to_string(&merged)?;
    let hash = &sha256(&text)[..32];
    let annotation = json!({KUBE_PROXY_HASH: hash});
    let config_map = json!({
        "metadata": {"annotations": annotation},
        "data": {"config.conf": text},
    });
    let daemon_set = json!({"spec": {"template": {"metadata": {"annotations": annotation}}}});
    Ok(vec![ActionStep {
        host: seen.elected.clone(),
        of: vec![seen.elected.clone()],
        action: Action {
            id: "kube-proxy".to_owned(),
            title: "change the live kube-proxy configuration and roll its pods".to_owned(),
            detail: differences,
            script: shell::change("strict-arp")
                .attach("config-map.json", config_map.to_string())
                .attach("daemon-set.json", daemon_set.to_string()),
            units: Vec::new(),
            hint:
                "`kubectl -n kube-system logs daemonset/kube-proxy` says why a pod does not start"
                    .to_owned(),
        },
        needs: Vec::new(),
        after: Vec::new(),
    }])
}

/// Where `live` is not what `wanted` says; what only `live` has is its own (defaults that kubeadm filled in).
fn differences(live: &Value, wanted: &Value, path: &str) -> Vec<String> {
    if let Value::Object(wanted) = wanted {
        return wanted
            .iter()
            .flat_map(|(key, wanted)| {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                differences(live.get(key).unwrap_or(&Value::Null), wanted, &path)
            })
            .collect();
    }
    let same_time = || Some(nanoseconds(live.as_str()?)? == nanoseconds(wanted.as_str()?)?);
    if live == wanted || same_time() == Some(true) {
        return Vec::new();
    }
    vec![format!("{path}: {live} → {wanted}")]
}

/// A duration as Go writes and reads it: `1h` and `1h0m0s` are one.
fn nanoseconds(text: &str) -> Option<u128> {
    const UNITS: [(&str, u128); 6] = [
        ("ns", 1),
        ("us", 1_000),
        ("ms", 1_000_000),
        ("h", 3_600_000_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
    ];
    let mut rest = text;
    let mut total = 0;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u128 = rest[..digits].parse().ok()?;
        let (unit, size) = UNITS
            .iter()
            .find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total += number * size;
        rest = &rest[digits + unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}
