//! What Longhorn's manager does when a node is to be emptied: its replicas go to other nodes, where there are any.

use serde_json::{Value, json};

use super::{Failure, Objects};
use crate::kinds::{self, Kind};

const NAMESPACE: &str = "longhorn-system";

/// Moves one replica of a node whose eviction is requested, as slowly as one at a tick.
pub async fn tick(objects: &Objects) -> Result<(), Failure> {
    let crds = objects
        .list(&kinds::of("CustomResourceDefinition"), None)
        .await?;
    let kind = |plural: &str| {
        let kinds = crds.iter().filter_map(Kind::of_crd);
        kinds
            .into_iter()
            .find(|kind| kind.group == "longhorn.io" && kind.plural == plural)
    };
    let (Some(node_kind), Some(replica_kind)) = (kind("nodes"), kind("replicas")) else {
        return Ok(());
    };
    let nodes = objects.list(&node_kind, Some(NAMESPACE)).await?;
    let replicas = objects.list(&replica_kind, Some(NAMESPACE)).await?;
    for node in nodes
        .iter()
        .filter(|node| node["spec"]["evictionRequested"] == true)
    {
        let own = |replica: &&Value| {
            replica["spec"]["nodeID"] == name(node) && replica["spec"]["failedAt"] == ""
        };
        let Some(replica) = replicas.iter().find(own) else {
            continue;
        };
        let Some(target) = nodes.iter().find(|other| takes(other, replica, &replicas)) else {
            continue;
        };
        let to = name(target).to_owned();
        objects
            .change(&replica_kind, (NAMESPACE, name(replica)), false, |live| {
                let mut live = live.ok_or_else(|| Failure::not_found("replicas", name(replica)))?;
                live.object["spec"]["nodeID"] = json!(to);
                Ok(live)
            })
            .await?;
    }
    Ok(())
}

/// Whether a node may hold a replica: it schedules, and holds none of the same volume.
fn takes(node: &Value, replica: &Value, replicas: &[Value]) -> bool {
    node["spec"]["allowScheduling"] == true
        && node["spec"]["evictionRequested"] != true
        && !replicas.iter().any(|other| {
            other["spec"]["volumeName"] == replica["spec"]["volumeName"]
                && other["spec"]["nodeID"] == name(node)
        })
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
