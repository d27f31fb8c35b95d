//! Bootstrap tokens: cluster-info signed for each that lives, those that have ended removed.

use serde_json::{Value, json};

use super::{Failure, Objects, access::decoded, objects::Live};
use crate::{clock, kinds, kubeadm::token};

/// What the bootstrap signer and the token cleaner do.
pub async fn tick(objects: &Objects) -> Result<(), Failure> {
    let secrets = kinds::of("Secret");
    let mut signatures = Vec::new();
    let info = objects
        .get(&kinds::of("ConfigMap"), "kube-public", "cluster-info")
        .await?;
    let text = info
        .as_ref()
        .and_then(|info| info["data"]["kubeconfig"].as_str())
        .unwrap_or_default()
        .to_owned();
    for secret in objects.list(&secrets, Some("kube-system")).await? {
        if secret["type"] != "bootstrap.kubernetes.io/token" {
            continue;
        }
        let field = |name: &str| decoded(&secret["data"][name]).unwrap_or_default();
        let expiration = field("expiration");
        if !expiration.is_empty() && clock::is_past(&expiration) {
            let name = secret["metadata"]["name"].as_str().unwrap_or_default();
            objects.remove(&secrets, "kube-system", name).await?;
        } else if field("usage-bootstrap-signing") == "true" {
            let whole = format!("{}.{}", field("token-id"), field("token-secret"));
            signatures.push((
                format!("jws-kubeconfig-{}", field("token-id")),
                token::signature(&text, &whole),
            ));
        }
    }
    if info.is_none() {
        return Ok(());
    }
    let signed = |live: Option<Live>| {
        let mut live = live.ok_or_else(|| Failure::not_found("configmaps", "cluster-info"))?;
        let mut data = json!({ "kubeconfig": text });
        for (name, signature) in &signatures {
            data[name] = Value::clone(signature);
        }
        live.object["data"] = data;
        Ok(live)
    };
    objects
        .change(
            &kinds::of("ConfigMap"),
            ("kube-public", "cluster-info"),
            false,
            signed,
        )
        .await?;
    Ok(())
}
