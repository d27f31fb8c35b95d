//! Which pods a workload has, and what its status says of them. Pure.

use serde_json::{Value, json};

use super::{admission::is_ready, patch};
use crate::{bundle, clock};

/// Seconds after which a pod that can run counts as ready.
const START: u64 = 1;

/// The pods that a workload should have now; those that are not among the `live` ones go where the fewest of their kind are.
pub fn pods(workload: &Value, nodes: &[Value], live: &[Value]) -> Vec<Value> {
    let spec = &workload["spec"];
    let template = &spec["template"];
    let pod = &template["spec"];
    let daemon = workload["kind"] == "DaemonSet";
    let fitting: Vec<&Value> = nodes
        .iter()
        .filter(|node| fits(pod, node, daemon))
        .collect();
    let hash = &bundle::sha256(template.to_string().as_bytes())[..9];
    let name = workload["metadata"]["name"].as_str().unwrap_or_default();
    if daemon {
        return fitting
            .iter()
            .map(|node| {
                let node_name = node["metadata"]["name"].as_str().unwrap_or_default();
                let suffix = &bundle::sha256(format!("{hash}{node_name}").as_bytes())[..5];
                make(workload, &format!("{name}-{suffix}"), Some(node))
            })
            .collect();
    }
    let replicas = spec["replicas"]
        .as_u64()
        .or(spec["completions"].as_u64())
        .unwrap_or(1);
    let mut taken: Vec<&Value> = live
        .iter()
        .filter(|pod| pod["metadata"]["ownerReferences"][0]["uid"] == workload["metadata"]["uid"])
        .map(|pod| &pod["spec"]["nodeName"])
        .collect();
    (0..replicas)
        .map(|index| {
            let pod_name = if let Some("StatefulSet") = workload["kind"].as_str() {
                format!("{name}-{index}")
            } else {
                let suffix = &bundle::sha256(format!("{hash}{index}").as_bytes())[..5];
                format!("{name}-{hash}-{suffix}")
            };
            let lives = live.iter().any(|pod| {
                pod["metadata"]["name"] == pod_name
                    && pod["metadata"]["namespace"] == workload["metadata"]["namespace"]
                    && !pod["spec"]["nodeName"].is_null()
            });
            let place = fitting.iter().copied().min_by_key(|node| {
                let name = &node["metadata"]["name"];
                taken.iter().filter(|on| **on == name).count()
            });
            if let (false, Some(node)) = (lives, place) {
                taken.push(&node["metadata"]["name"]);
            }
            make(workload, &pod_name, place)
        })
        .collect()
}

fn make(workload: &Value, name: &str, node: Option<&Value>) -> Value {
    let mut spec = workload["spec"]["template"]["spec"].clone();
    if let Some(node) = node {
        spec["nodeName"] = node["metadata"]["name"].clone();
    }
    let meta = &workload["spec"]["template"]["metadata"];
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": workload["metadata"]["namespace"],
            "labels": meta["labels"], "annotations": meta["annotations"],
            "ownerReferences": [{
                "apiVersion": workload["apiVersion"], "kind": workload["kind"],
                "name": workload["metadata"]["name"], "uid": workload["metadata"]["uid"], "controller": true,
            }],
        },
        "spec": spec,
    })
}

/// Whether a pod may be placed on a node.
fn fits(pod: &Value, node: &Value, daemon: bool) -> bool {
    let selector = patch::selector_of(&pod["nodeSelector"]);
    if !patch::selected(&node["metadata"]["labels"], &selector) {
        return false;
    }
    if node["spec"]["unschedulable"] == true && !daemon {
        return false;
    }
    let taints = node["spec"]["taints"].as_array();
    taints.into_iter().flatten().all(|taint| {
        let key = taint["key"].as_str().unwrap_or_default();
        taint["effect"] == "PreferNoSchedule"
            || (daemon && key.starts_with("node.kubernetes.io/"))
            || pod["tolerations"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|toleration| tolerates(toleration, taint))
    })
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let effect = toleration["effect"].is_null() || toleration["effect"] == taint["effect"];
    let exists = toleration["operator"] == "Exists";
    let key = toleration["key"] == taint["key"] || (exists && toleration["key"].is_null());
    let empty = json!("");
    let value = |of: &Value| {
        if of["value"].is_null() {
            empty.clone()
        } else {
            of["value"].clone()
        }
    };
    effect && key && (exists || value(toleration) == value(taint))
}

/// The status of a pod on its node: running a second after it was made, where network and images allow.
pub fn pod_status(pod: &Value, node: Option<&Value>) -> Value {
    let made = pod["metadata"]["creationTimestamp"]
        .as_str()
        .unwrap_or_default();
    let old_enough = !made.is_empty() && made <= clock::format(clock::seconds() - START).as_str();
    let problem = node.and_then(|node| obstacle(pod, node));
    let containers = pod["spec"]["containers"].as_array();
    let scheduled = node.is_some();
    let runs = scheduled && old_enough && problem.is_none();
    let done = runs && pod["metadata"]["ownerReferences"][0]["kind"] == "Job";
    let state = match (&problem, done, runs) {
        (Some(reason), _, _) => json!({"waiting": {"reason": reason}}),
        (None, true, _) => json!({"terminated": {"exitCode": 0, "reason": "Completed"}}),
        (None, false, true) => json!({"running": {"startedAt": made}}),
        (None, false, false) => json!({"waiting": {"reason": "ContainerCreating"}}),
    };
    let ready = runs && !done;
    let statuses: Vec<Value> = containers
        .into_iter()
        .flatten()
        .map(|container| json!({
            "name": container["name"], "image": container["image"], "imageID": container["image"],
            "ready": ready, "started": ready, "restartCount": 0, "state": state,
        }))
        .collect();
    let condition =
        |kind: &str, on: bool| json!({"type": kind, "status": if on { "True" } else { "False" }});
    let address = node.map_or(Value::Null, |node| {
        node["status"]["addresses"][0]["address"].clone()
    });
    json!({
        "phase": match (done, runs) { (true, _) => "Succeeded", (_, true) => "Running", _ => "Pending" },
        "hostIP": address, "podIP": address, "startTime": made,
        "conditions": [
            condition("PodScheduled", scheduled), condition("Initialized", runs),
            condition("ContainersReady", ready), condition("Ready", ready),
        ],
        "containerStatuses": if scheduled { statuses } else { vec![] },
    })
}

/// Why a node cannot run a pod.
fn obstacle(pod: &Value, node: &Value) -> Option<&'static str> {
    if !is_ready(node) && pod["spec"]["hostNetwork"] != true {
        return Some("ContainerCreating");
    }
    let have = node["status"]["images"].as_array();
    let missing = pod["spec"]["containers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|container| container["image"].as_str())
        .map(full_reference)
        .any(|image| {
            !have.into_iter().flatten().any(|held| {
                held["names"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|name| *name == image)
            })
        });
    missing.then_some("ErrImagePull")
}

/// `nginx` is `docker.io/library/nginx:latest`.
pub fn full_reference(image: &str) -> String {
    let first = image.split('/').next().unwrap_or_default();
    let mut full = match image.contains('/') {
        true if first.contains(['.', ':']) || first == "localhost" => image.to_owned(),
        true => format!("docker.io/{image}"),
        false => format!("docker.io/library/{image}"),
    };
    if !full
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .contains([':', '@'])
    {
        full.push_str(":latest");
    }
    full
}

/// Status of a workload, from its pods.
pub fn status(workload: &Value, pods: &[&Value]) -> Value {
    let count = pods.len();
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let generation = &workload["metadata"]["generation"];
    match workload["kind"].as_str().unwrap_or_default() {
        "DaemonSet" => json!({
            "desiredNumberScheduled": count, "currentNumberScheduled": count, "numberReady": ready,
            "numberAvailable": ready, "updatedNumberScheduled": count, "numberMisscheduled": 0,
            "numberUnavailable": count - ready, "observedGeneration": generation,
        }),
        "Job" => {
            let done = pods
                .iter()
                .filter(|pod| pod["status"]["phase"] == "Succeeded")
                .count();
            let complete = count > 0 && done == count;
            json!({
                "succeeded": done, "active": count - done,
                "conditions": if complete { json!([{"type": "Complete", "status": "True"}]) } else { json!([]) },
            })
        }
        _ => {
            let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
            let available = ready as u64 >= wanted;
            let text = if available { "True" } else { "False" };
            json!({
                "replicas": count, "updatedReplicas": count, "readyReplicas": ready, "availableReplicas": ready,
                "currentReplicas": count, "unavailableReplicas": count - ready, "observedGeneration": generation,
                "conditions": [
                    {"type": "Available", "status": text, "reason": if available { "MinimumReplicasAvailable" } else { "MinimumReplicasUnavailable" }},
                    {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
                ],
            })
        }
    }
}
