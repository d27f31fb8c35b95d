//! The eviction subresource, and the budgets that it must respect.

use serde_json::{Value, json};

use super::{Failure, Objects, admission::is_ready, controllers::update, patch};
use crate::{
    kinds,
    net::{Request, Response},
};

/// `POST …/pods/NAME/eviction`: deletes the pod where every budget allows it, else 429 in the real server's words.
pub async fn evict(
    objects: &Objects,
    namespace: &str,
    name: &str,
    request: &Request,
) -> Result<Response, Failure> {
    let body = request
        .json()
        .map_err(|error| Failure::bad_request(format!("{error:#}")))?;
    if body["apiVersion"] != "policy/v1" || body["kind"] != "Eviction" {
        return Err(Failure::bad_request(format!(
            "no kind {} is registered for version {} [stand-in]",
            body["kind"], body["apiVersion"]
        )));
    }
    if body["metadata"]["name"] != name {
        return Err(Failure::bad_request(
            "name in URL does not match name in Eviction object",
        ));
    }
    let kind = kinds::of("Pod");
    let pod = objects
        .get(&kind, namespace, name)
        .await?
        .ok_or_else(|| Failure::not_found("pods", name))?;
    let ended = matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed" | "Pending")
    );
    let budgets: Vec<Value> = if ended {
        Vec::new()
    } else {
        let all = objects
            .list(&kinds::of("PodDisruptionBudget"), Some(namespace))
            .await?;
        all.into_iter()
            .filter(|budget| covers(budget, &pod))
            .collect()
    };
    match budgets.as_slice() {
        [] => {}
        [budget] => allow(objects, budget, &pod).await?,
        _ => {
            return Err(Failure::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
    }
    objects.remove(&kind, namespace, name).await?;
    Ok(Response::json(
        201,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Success", "code": 201}),
    ))
}

async fn allow(objects: &Objects, budget: &Value, pod: &Value) -> Result<(), Failure> {
    let pods = covered(objects, budget).await?;
    let status = status(budget, &pods);
    let number = |name: &str| status[name].as_u64().unwrap_or(0);
    let always = budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow";
    if !is_ready(pod) && (always || number("currentHealthy") >= number("desiredHealthy").max(1)) {
        return Ok(());
    }
    if number("disruptionsAllowed") > 0 {
        return Ok(());
    }
    Err(Failure::new(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
    ))
}

/// Keeps the status of every budget.
pub async fn tick(objects: &Objects) -> Result<(), Failure> {
    for budget in objects
        .list(&kinds::of("PodDisruptionBudget"), None)
        .await?
    {
        let pods = covered(objects, &budget).await?;
        let status = status(&budget, &pods);
        update(objects, &budget, |budget| budget["status"] = status.clone()).await?;
    }
    Ok(())
}

/// What is wrong with a budget's `spec`.
pub fn problem(object: &Value) -> Option<String> {
    let spec = &object["spec"];
    let is_amount = |value: &Value| {
        let text = value.as_str().and_then(|text| text.strip_suffix('%'));
        value.is_null() || value.is_u64() || text.is_some_and(|text| text.parse::<u8>().is_ok())
    };
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        return Some(
            "spec: Invalid value: minAvailable and maxUnavailable cannot be both set".into(),
        );
    }
    ["minAvailable", "maxUnavailable"]
        .into_iter()
        .find(|name| !is_amount(&spec[*name]))
        .map(|name| format!("spec.{name}: Invalid value: {}", spec[name]))
}

fn covers(budget: &Value, pod: &Value) -> bool {
    let selector = &budget["spec"]["selector"];
    // An empty selector is every pod of the namespace, none at all is no pod.
    selector.is_object()
        && patch::selected(
            &pod["metadata"]["labels"],
            &patch::selector_of(&selector["matchLabels"]),
        )
}

async fn covered(objects: &Objects, budget: &Value) -> Result<Vec<Value>, Failure> {
    let namespace = budget["metadata"]["namespace"].as_str();
    let mut pods = objects.list(&kinds::of("Pod"), namespace).await?;
    pods.retain(|pod| covers(budget, pod));
    Ok(pods)
}

fn status(budget: &Value, pods: &[Value]) -> Value {
    let expected = pods.len() as u64;
    let healthy = pods.iter().filter(|pod| is_ready(pod)).count() as u64;
    let amount = |value: &Value| -> Option<u64> {
        let percent = value.as_str().and_then(|text| text.strip_suffix('%'));
        match percent {
            Some(percent) => Some((expected * percent.parse::<u64>().ok()?).div_ceil(100)),
            None => value.as_u64(),
        }
    };
    let spec = &budget["spec"];
    let desired = match amount(&spec["maxUnavailable"]) {
        Some(unavailable) => expected.saturating_sub(unavailable),
        None => amount(&spec["minAvailable"]).unwrap_or(1),
    };
    json!({
        "expectedPods": expected, "currentHealthy": healthy, "desiredHealthy": desired,
        "disruptionsAllowed": healthy.saturating_sub(desired), "observedGeneration": budget["metadata"]["generation"],
    })
}
