//! What hosts saw of a trial, and whether each claim holds.

use std::collections::BTreeMap;

use super::{
    claims::{OBJECTS, broken, holds, unknown},
    said::{Pairs, Said},
    trial::no_pods,
};
use crate::{
    inventory::Cluster,
    observe::{TrialPod, section, trial_pods},
    phases::preflight::Finding,
};

/// Pods that the API shows in what `verify-wait.sh` printed.
pub fn pods_of(stdout: &str) -> Result<Vec<TrialPod>, String> {
    section(stdout, "pods").map(|pods| trial_pods(&pods))
}

/// Pods of every two nodes, from each of the nodes that were asked.
pub fn pods(
    cluster: &Cluster,
    stand_in: bool,
    pods: &Result<Vec<TrialPod>, String>,
    pairs: &BTreeMap<String, Result<Pairs, String>>,
) -> Vec<Finding> {
    let id = "pods";
    if let Some(why) = no_pods(cluster, stand_in) {
        let nodes = cluster.nodes();
        return nodes.map(|host| unknown(id, &host.name, why)).collect();
    }
    cluster
        .nodes()
        .map(|host| {
            let name = host.name.as_str();
            let pod = match pods {
                Ok(pods) => pods.iter().find(|pod| pod.node == name),
                Err(why) => return broken(id, name, format!("its pod is not known: {why}"), "`kubectl get pods -A -o wide`"),
            };
            let Some(pod) = pod.filter(|pod| pod.ready) else {
                let why = pod.map_or("the API shows none", |pod| &pod.why);
                return broken(
                    id,
                    name,
                    format!("the pod for it does not run: {why}"),
                    "`kubectl get events -A --sort-by .lastTimestamp`; where the image is missing, `verify.image` in the inventory names one that every node has",
                );
            };
            match pairs.get(name) {
                Some(Ok(Pairs::Tried(tried))) => pair(name, pod, tried),
                Some(Ok(Pairs::Untried(why)) | Err(why)) => unknown(id, name, why),
                None => unknown(id, name, "the host cannot be worked on: its pod was asked from outside alone"),
            }
        })
        .collect()
}

fn pair(name: &str, pod: &TrialPod, tried: &BTreeMap<String, Said>) -> Finding {
    let id = "pods";
    let mut silent: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, said) in tried {
        if let Said::Failed(why) | Said::Skipped(why) = said {
            silent.entry(why).or_default().push(node);
        }
    }
    if !silent.is_empty() {
        let told: Vec<String> = silent
            .iter()
            .map(|(why, nodes)| format!("{} ({why})", nodes.join(", ")))
            .collect();
        return broken(
            id,
            name,
            format!(
                "its pod {} does not reach the pods on {}",
                pod.ip,
                told.join(", ")
            ),
            "is the port of the pod network open between the hosts (`baremetal check`: reach, mtu), does its pod run on both nodes (`kubectl get pods -A -o wide`)?",
        );
    }
    if tried.is_empty() {
        return unknown(id, name, "no other node has a pod that runs");
    }
    holds(
        id,
        name,
        "its pod reaches the pods of all other nodes over HTTP",
    )
}

/// Whether all that was made is gone again.
pub fn cleaned(via: &str, namespace: &str, end: &Result<(), String>) -> Finding {
    match end {
        Ok(()) => holds(
            "cleanup",
            via,
            format!("namespace {namespace} and all in it are gone"),
        ),
        Err(why) => broken(
            "cleanup",
            via,
            why,
            "`kubectl get namespaces -l baremetal.dev/verify` and `kubectl get volumes -n longhorn-system` show what hangs; the next `baremetal verify` tries again",
        ),
    }
}

/// The API took none of the objects.
pub fn not_made(via: &str, why: &str) -> Finding {
    broken(
        "pods",
        via,
        format!("the objects could not be made: {why}"),
        "mend what it says (a policy of the cluster may refuse them) and run the same command again",
    )
}

/// Claims that need objects, where none were made.
pub fn none_made(cluster: &Cluster, via: &str, why: &str) -> Vec<Finding> {
    OBJECTS
        .into_iter()
        .flat_map(|id| {
            if id == "pods" {
                cluster
                    .nodes()
                    .map(|host| unknown(id, &host.name, why))
                    .collect()
            } else {
                vec![unknown(id, via, why)]
            }
        })
        .collect()
}

/// What the inventory has not, or nobody can show here.
pub fn without(via: &str, ids: &[&'static str], why: &str) -> Vec<Finding> {
    ids.iter().map(|id| unknown(id, via, why)).collect()
}
