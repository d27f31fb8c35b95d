//! Strict ARP, and whatever else the inventory says of kube-proxy, in its live configuration: kubeadm writes it once and never again.

use anyhow::Result;
use serde_json::json;

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
    let differences = kubeadm::differences(live, &wanted, "");
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
