//! What an object must be before it is stored.

use serde_json::{Value, json};

use super::{Failure, Objects, schema};
use crate::{
    kinds::{self, Kind},
    store,
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};

/// Refuses what the real API server or a webhook of the cluster would refuse.
pub async fn check(
    objects: &Objects,
    kind: &Kind,
    namespace: &str,
    body: &Value,
) -> Result<(), Failure> {
    if body["apiVersion"] != json!(kind.api_version()) || body["kind"] != json!(kind.kind) {
        return Err(Failure::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({})",
            body["apiVersion"].as_str().unwrap_or_default(),
            kind.api_version()
        )));
    }
    let name = body["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Err(Failure::invalid(format!(
            "{} \"\" is invalid: metadata.name: Required value: name or generateName is required",
            kind.kind
        )));
    }
    if !valid_name(name) {
        return Err(Failure::invalid(format!(
            "{} {name:?} is invalid: metadata.name: Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'",
            kind.kind
        )));
    }
    if kind.namespaced
        && objects
            .get(&kinds::of("Namespace"), "", namespace)
            .await?
            .is_none()
    {
        return Err(Failure::not_found("namespaces", namespace));
    }
    if let Some(unknown) = schema::unknown_field(kind, body) {
        return Err(Failure::bad_request(format!(
            "strict decoding error: unknown field {unknown:?}"
        )));
    }
    if let Some(problem) = schema::missing_field(kind, body) {
        return Err(Failure::invalid(format!(
            "{} {name:?} is invalid: {problem}",
            kind.kind
        )));
    }
    if kind.group == "metallb.io" {
        metallb_webhook(objects, namespace).await?;
        let denied = |problem: String| {
            let message = format!("admission webhook denied the request: {problem}");
            Failure::new(403, "Forbidden", message)
        };
        schema::metallb(kind, body).map_err(denied)?;
        if kind.kind == "IPAddressPool" {
            let pools = objects.list(kind, Some(namespace)).await?;
            let others = pools.iter().filter(|pool| pool["metadata"]["name"] != name);
            schema::apart(body, others).map_err(denied)?;
        }
    }
    Ok(())
}

/// Refuses a change of what stays for ever as it was made.
pub fn immutable(kind: &Kind, old: Option<&Value>, new: &Value) -> Result<(), Failure> {
    let Some(old) = old.filter(|_| kind.kind == "StorageClass") else {
        return Ok(());
    };
    for field in ["parameters", "provisioner", "reclaimPolicy"] {
        if old[field] != new[field] {
            let name = new["metadata"]["name"].as_str().unwrap_or_default();
            return Err(Failure::invalid(format!(
                "StorageClass {name:?} is invalid: {field}: Forbidden: updates to {field} are forbidden."
            )));
        }
    }
    Ok(())
}

/// MetalLB's webhooks fail closed until its controller runs.
async fn metallb_webhook(objects: &Objects, namespace: &str) -> Result<(), Failure> {
    let pods = objects.list(&kinds::of("Pod"), Some(namespace)).await?;
    let serves = pods
        .iter()
        .any(|pod| pod["metadata"]["labels"]["component"] == "controller" && is_ready(pod));
    if serves {
        return Ok(());
    }
    Err(Failure::internal(format!(
        "Internal error occurred: failed calling webhook \"ipaddresspoolvalidationwebhook.metallb.io\": failed to call webhook: Post \"https://metallb-webhook-service.{namespace}.svc:443/validate\": no endpoints available for service \"metallb-webhook-service\""
    )))
}

/// Whether a pod's Ready condition is true.
pub fn is_ready(object: &Value) -> bool {
    object["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The object as it is stored: write-only fields folded in.
pub fn convert(kind: &Kind, mut object: Value) -> Value {
    if kind.kind == "Secret"
        && let Some(Value::Object(texts)) = object
            .as_object_mut()
            .and_then(|all| all.remove("stringData"))
    {
        for (name, text) in texts {
            object["data"][name] = json!(BASE64.encode(text.as_str().unwrap_or_default()));
        }
    }
    if kind.kind == "CustomResourceDefinition" {
        object["status"]["conditions"] = json!([
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
        ]);
    }
    if kind.kind == "Namespace" {
        object["status"] = json!({"phase": "Active"});
    }
    object
}

pub fn unchanged_selector(old: &Value, new: &Value) -> Result<(), Failure> {
    if old["spec"]["selector"]["matchLabels"] == new["spec"]["selector"]["matchLabels"] {
        return Ok(());
    }
    Err(Failure::invalid(
        "spec.selector: Invalid value: field is immutable",
    ))
}

/// Deletes everything in a namespace.
pub async fn empty_namespace(objects: &Objects, namespace: &str) -> Result<(), Failure> {
    if matches!(namespace, "default" | "kube-system" | "kube-public") {
        return Err(Failure::new(
            403,
            "Forbidden",
            format!("namespaces {namespace:?} is forbidden: this namespace may not be deleted"),
        ));
    }
    let all = objects.store.range("/registry/").await?;
    for (key, held) in all {
        if held.value["object"]["metadata"]["namespace"] == namespace {
            let expected = held.revision;
            objects
                .store
                .propose(&store::Proposal::Write {
                    key,
                    expected,
                    value: None,
                })
                .await?;
        }
    }
    Ok(())
}

/// A new object's uid.
pub fn uid(kind: &Kind, namespace: &str, name: &str) -> String {
    let now = std::time::SystemTime::now();
    let hex = crate::bundle::sha256(format!("{now:?}{}{namespace}{name}", kind.kind).as_bytes());
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..32]
    )
}

fn valid_name(name: &str) -> bool {
    let letters = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.:".contains(letter)
    };
    name.len() <= 253 && name.chars().all(letters)
}
