//! What the controller manager, the scheduler and MetalLB's controller would do, on the member that leads.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::{Etcd, Failure, Objects, admission::is_ready, workloads};
use crate::{kinds, store::Store};

/// A node that has not said that it lives for this long is not ready.
const GRACE: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(500);
const WORKLOADS: &[&str] = &["DaemonSet", "Deployment", "StatefulSet", "Job"];

/// Runs until the process ends.
pub async fn run(etcd: Etcd) {
    let mut leading_since: Option<Instant> = None;
    loop {
        tokio::time::sleep(TICK).await;
        let store = etcd
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        let Some(store) = store.filter(|store| store.is_leader()) else {
            leading_since = None;
            continue;
        };
        let since = *leading_since.get_or_insert_with(Instant::now);
        // What fails now is tried again at the next tick.
        let _ = tick(&store, since.elapsed() > GRACE).await;
    }
}

async fn tick(store: &Arc<Store>, settled: bool) -> Result<(), Failure> {
    let objects = Objects::new(store.clone());
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        let kind = kinds::of("Namespace");
        if objects.get(&kind, "", name).await?.is_none() {
            let named = |_| {
                Ok(super::objects::Live {
                    object: json!({"metadata": {"labels": {"kubernetes.io/metadata.name": name}}, "status": {"phase": "Active"}}),
                    ..Default::default()
                })
            };
            objects.change(&kind, ("", name), false, named).await?;
            let account = kinds::of("ServiceAccount");
            objects
                .change(&account, (name, "default"), false, |live| {
                    Ok(live.unwrap_or_default())
                })
                .await?;
        }
    }
    super::tokens::tick(&objects).await?;
    nodes(&objects, settled).await?;
    pods(&objects).await?;
    super::eviction::tick(&objects).await?;
    super::longhorn::tick(&objects).await?;
    super::services::tick(&objects).await
}

/// Replaces an object where a function changes it.
pub(super) async fn update(
    objects: &Objects,
    object: &Value,
    change: impl Fn(&mut Value),
) -> Result<(), Failure> {
    let kind = kinds::of(object["kind"].as_str().unwrap_or_default());
    let meta = &object["metadata"];
    let at = (
        meta["namespace"].as_str().unwrap_or(""),
        meta["name"].as_str().unwrap_or(""),
    );
    let mut wanted = object.clone();
    change(&mut wanted);
    if wanted == *object {
        return Ok(());
    }
    let resource = kind.resource();
    objects
        .change(&kind, at, false, |live| {
            let mut live = live.ok_or_else(|| Failure::not_found(&resource, at.1))?;
            change(&mut live.object);
            Ok(live)
        })
        .await?;
    Ok(())
}

/// Readiness, its taints, and pod networks.
async fn nodes(objects: &Objects, settled: bool) -> Result<(), Failure> {
    let nodes = objects.list(&kinds::of("Node"), None).await?;
    let taken: BTreeSet<String> = nodes
        .iter()
        .filter_map(|node| node["spec"]["podCIDR"].as_str().map(str::to_owned))
        .collect();
    for node in &nodes {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        let alive = objects
            .store
            .lock()
            .heartbeats
            .get(name)
            .map(|last| last.elapsed() < GRACE);
        let lost = alive == Some(false) || (alive.is_none() && settled);
        let cidr = match node["spec"]["podCIDR"].as_str() {
            Some(_) => None,
            None => free_network(objects, &taken).await?,
        };
        update(objects, node, |node| {
            if lost {
                for condition in node["status"]["conditions"]
                    .as_array_mut()
                    .into_iter()
                    .flatten()
                {
                    if condition["type"] == "Ready" {
                        condition["status"] = json!("Unknown");
                        condition["reason"] = json!("NodeStatusUnknown");
                        condition["message"] = json!("Kubelet stopped posting node status.");
                    }
                }
            }
            if let Some(cidr) = &cidr {
                node["spec"]["podCIDR"] = json!(cidr);
                node["spec"]["podCIDRs"] = json!([cidr]);
            }
            let ready = is_ready(node);
            let mut taints = node["spec"]["taints"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            taints.retain(|taint| {
                !matches!(
                    taint["key"].as_str(),
                    Some("node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable")
                )
            });
            if !ready {
                let key = if lost { "unreachable" } else { "not-ready" };
                taints.push(
                    json!({"key": format!("node.kubernetes.io/{key}"), "effect": "NoSchedule"}),
                );
            }
            if taints.is_empty() {
                node["spec"]
                    .as_object_mut()
                    .map(|spec| spec.remove("taints"));
            } else {
                node["spec"]["taints"] = json!(taints);
            }
        })
        .await?;
        if cidr.is_some() {
            // The next node's network is found at the next tick, with this one taken.
            return Ok(());
        }
    }
    Ok(())
}

/// The first /24 (or /64) of the pod network that no node has.
async fn free_network(
    objects: &Objects,
    taken: &BTreeSet<String>,
) -> Result<Option<String>, Failure> {
    let Some(config) = objects
        .get(&kinds::of("ConfigMap"), "kube-system", "kubeadm-config")
        .await?
    else {
        return Ok(None);
    };
    let text = config["data"]["ClusterConfiguration"]
        .as_str()
        .unwrap_or_default();
    let config: Value = serde_yaml::from_str(text).unwrap_or_default();
    let networks = config["networking"]["podSubnet"]
        .as_str()
        .unwrap_or_default();
    let Some(Ok(network)) = networks.split(',').next().map(str::parse::<ipnet::IpNet>) else {
        return Ok(None);
    };
    let length = if network.addr().is_ipv4() { 24 } else { 64 };
    let subnets = network
        .subnets(length.max(network.prefix_len()))
        .ok()
        .into_iter()
        .flatten();
    Ok(subnets
        .map(|subnet| subnet.to_string())
        .find(|subnet| !taken.contains(subnet)))
}

/// Pods of workloads, their states, and the workloads' own.
async fn pods(objects: &Objects) -> Result<(), Failure> {
    let kind = kinds::of("Pod");
    let nodes = objects.list(&kinds::of("Node"), None).await?;
    let by_name: BTreeMap<&str, &Value> = nodes
        .iter()
        .filter_map(|node| Some((node["metadata"]["name"].as_str()?, node)))
        .collect();
    let mut all = Vec::new();
    for workload in WORKLOADS {
        all.extend(objects.list(&kinds::of(workload), None).await?);
    }
    let live = objects.list(&kind, None).await?;
    let place = |pod: &Value| {
        let text = |name: &str| {
            pod["metadata"][name]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        (text("namespace"), text("name"))
    };
    let lives: BTreeSet<(String, String)> = live.iter().map(place).collect();
    let mut wanted = BTreeMap::new();
    for pod in all
        .iter()
        .flat_map(|workload| workloads::pods(workload, &nodes, &live))
    {
        let at = place(&pod);
        if !lives.contains(&at) {
            let made = |_| {
                Ok(super::objects::Live {
                    object: pod.clone(),
                    ..Default::default()
                })
            };
            objects.change(&kind, (&at.0, &at.1), false, made).await?;
        }
        wanted.insert(at, pod["spec"]["nodeName"].clone());
    }
    for pod in &live {
        let at = place(pod);
        let node = pod["spec"]["nodeName"].as_str();
        let node_gone = node.is_some_and(|node| !by_name.contains_key(node));
        let owned = pod["metadata"]["ownerReferences"][0]["kind"].as_str();
        let owner_gone =
            owned.is_some_and(|kind| WORKLOADS.contains(&kind)) && !wanted.contains_key(&at);
        if node_gone || owner_gone {
            objects.remove(&kind, &at.0, &at.1).await?;
            continue;
        }
        let node = node.and_then(|node| by_name.get(node).copied());
        if owned == Some("Node") {
            if node.is_some_and(is_lost) {
                update(objects, pod, not_ready).await?;
            }
            continue;
        }
        let status = workloads::pod_status(pod, node);
        let place = wanted.get(&at).cloned().unwrap_or_default();
        update(objects, pod, |pod| {
            // A pod that no node could take is placed when one can.
            if pod["spec"]["nodeName"].is_null() && !place.is_null() {
                pod["spec"]["nodeName"] = place.clone();
            }
            pod["status"] = status.clone();
        })
        .await?;
    }
    let live = objects.list(&kind, None).await?;
    for workload in &all {
        let own: Vec<&Value> = live
            .iter()
            .filter(|pod| {
                pod["metadata"]["ownerReferences"][0]["uid"] == workload["metadata"]["uid"]
            })
            .collect();
        let status = workloads::status(workload, &own);
        update(objects, workload, |workload| {
            workload["status"] = status.clone();
        })
        .await?;
    }
    Ok(())
}

/// Whether a node's kubelet has stopped speaking.
fn is_lost(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "Unknown")
}

fn not_ready(pod: &mut Value) {
    let conditions = pod["status"]["conditions"].as_array_mut();
    for condition in conditions.into_iter().flatten() {
        condition["status"] = json!("False");
    }
}
