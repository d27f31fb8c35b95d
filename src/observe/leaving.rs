//! What must be known before a node leaves: who else there is, which pods it has and what holds them, whose replicas it keeps.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{
    EtcdMember, NodeSeen,
    cluster::{answer, items, list, members, node, sections, text, texts},
};
use crate::{
    phases::{addon::Answer, script_body},
    remote::Script,
    templates,
};

/// The cluster as it matters to one node that leaves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeavingSeen {
    pub nodes: Vec<NodeSeen>,
    pub etcd: Vec<EtcdMember>,
    /// Pods of this node.
    pub pods: Vec<PodSeen>,
    /// Of all namespaces.
    pub budgets: Vec<Budget>,
    /// `None` where there is no Longhorn.
    pub longhorn: Option<LonghornSeen>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct PodSeen {
    pub namespace: String,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// Kind of its controller.
    pub owner: Option<String>,
    /// Whether it stands for a static pod.
    pub mirror: bool,
    /// Whether it has ended, well or not.
    pub over: bool,
}

/// A `PodDisruptionBudget`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Budget {
    pub namespace: String,
    pub name: String,
    pub selector: Value,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct LonghornSeen {
    pub nodes: Vec<LonghornNode>,
    pub replicas: Vec<Replica>,
    /// `namespace/claim` of volumes that a claim uses, by volume.
    pub claims: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct LonghornNode {
    pub name: String,
    pub allow_scheduling: bool,
    pub eviction_requested: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replica {
    pub volume: String,
    pub node: String,
    /// Whole once, and not failed since.
    pub healthy: bool,
    /// Whole once: Longhorn calls the last replica failed too when its node dies, and salvages the volume from it.
    pub was_healthy: bool,
}

const QUESTIONS: &str = r#"
node=$1 etcd_endpoint=$2
ask nodes kube get nodes -o json
ask etcd-members etcd member list
ask etcd-health etcd endpoint health --cluster
ask pods kube get pods --all-namespaces --field-selector "spec.nodeName=$node" -o json
ask budgets kube get poddisruptionbudgets --all-namespaces -o json
ask longhorn longhorn_objects
answers
"#;

/// The read-only script for a control plane that stays; `etcd_endpoint` is that of its own member.
pub fn leaving_script(node: &str, etcd_endpoint: &str) -> Script {
    let body = [
        script_body("leaving").as_str(),
        templates::text("actions/addon-observe.sh"),
        QUESTIONS,
    ]
    .concat();
    Script::read("leaving", body).arg(node).arg(etcd_endpoint)
}

/// Reads what [`leaving_script`] printed; half an answer is none.
pub fn parse_leaving(stdout: &str) -> Result<LeavingSeen> {
    let answers = sections(stdout);
    let json = |name: &str, what: &str| -> Result<Value> {
        serde_json::from_str(&answer(&answers, name, what)?.out).with_context(|| what.to_owned())
    };
    let health = Answer::default();
    let nodes = json("nodes", "the list of nodes")?;
    let pods = json("pods", "the pods of the node")?;
    let budgets = json("budgets", "the list of PodDisruptionBudgets")?;
    let longhorn = &answer(&answers, "longhorn", "the state of Longhorn")?.out;
    Ok(LeavingSeen {
        nodes: items(&nodes).map(node).collect(),
        etcd: members(
            &answer(&answers, "etcd-members", "the members of etcd")?.out,
            answers.get("etcd-health").unwrap_or(&health),
        ),
        pods: items(&pods).map(pod).collect(),
        budgets: items(&budgets).map(budget).collect(),
        longhorn: if longhorn.trim().is_empty() {
            None
        } else {
            let objects: Value = serde_json::from_str(longhorn).context("the state of Longhorn")?;
            Some(read_longhorn(&objects))
        },
    })
}

fn pod(value: &Value) -> PodSeen {
    let meta = &value["metadata"];
    let mirror = texts(&meta["annotations"]).contains_key("kubernetes.io/config.mirror");
    PodSeen {
        namespace: text(&meta["namespace"]),
        name: text(&meta["name"]),
        labels: texts(&meta["labels"]),
        owner: list(&meta["ownerReferences"])
            .find(|owner| owner["controller"] == true)
            .map(|owner| text(&owner["kind"])),
        mirror,
        over: matches!(
            value["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        ),
    }
}

fn budget(value: &Value) -> Budget {
    Budget {
        namespace: text(&value["metadata"]["namespace"]),
        name: text(&value["metadata"]["name"]),
        selector: value["spec"]["selector"].clone(),
    }
}

/// Fields of `longhorn.io/v1beta2`: `Node.spec`, `Replica.spec`, `Volume.status.kubernetesStatus`.
fn read_longhorn(objects: &Value) -> LonghornSeen {
    let mut seen = LonghornSeen::default();
    for object in items(objects) {
        let spec = &object["spec"];
        let name = text(&object["metadata"]["name"]);
        match object["kind"].as_str().unwrap_or_default() {
            "Node" => seen.nodes.push(LonghornNode {
                name,
                allow_scheduling: spec["allowScheduling"] == true,
                eviction_requested: spec["evictionRequested"] == true,
            }),
            "Replica" => seen.replicas.push(Replica {
                volume: text(&spec["volumeName"]),
                node: text(&spec["nodeID"]),
                healthy: !text(&spec["healthyAt"]).is_empty() && text(&spec["failedAt"]).is_empty(),
                was_healthy: !text(&spec["healthyAt"]).is_empty(),
            }),
            "Volume" => {
                let status = &object["status"]["kubernetesStatus"];
                let claim = text(&status["pvcName"]);
                if !claim.is_empty() {
                    seen.claims
                        .insert(name, format!("{}/{claim}", text(&status["namespace"])));
                }
            }
            _ => {}
        }
    }
    seen
}

impl Budget {
    /// Whether the budget is about a pod: an empty selector is every pod of its namespace, none is no pod.
    pub fn covers(&self, pod: &PodSeen) -> bool {
        if self.namespace != pod.namespace || !self.selector.is_object() {
            return false;
        }
        let labels = texts(&self.selector["matchLabels"]);
        labels
            .iter()
            .all(|(name, value)| pod.labels.get(name) == Some(value))
            && list(&self.selector["matchExpressions"]).all(|expression| fits(expression, pod))
    }
}

fn fits(expression: &Value, pod: &PodSeen) -> bool {
    let label = pod.labels.get(&text(&expression["key"]));
    let among = || label.is_some_and(|label| list(&expression["values"]).any(|one| one == label));
    match expression["operator"].as_str().unwrap_or_default() {
        "In" => among(),
        "NotIn" => !among(),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        _ => false,
    }
}

impl PodSeen {
    /// Whether a drain makes it leave and waits for its end.
    pub fn must_leave(&self) -> bool {
        !self.mirror && !self.over && self.owner.as_deref() != Some("DaemonSet")
    }

    /// Whether nobody makes it again elsewhere.
    pub fn is_unmanaged(&self) -> bool {
        self.must_leave() && self.owner.is_none()
    }

    /// `namespace/name`
    pub fn place(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn budgets_cover_what_their_selectors_say() {
        let pod = PodSeen {
            namespace: "default".to_owned(),
            name: "web-0".to_owned(),
            labels: [("app".to_owned(), "web".to_owned())].into(),
            ..PodSeen::default()
        };
        let covers = |selector: Value| {
            let budget = Budget {
                namespace: "default".to_owned(),
                name: "b".to_owned(),
                selector,
            };
            budget.covers(&pod)
        };
        let expression = |operator: &str, key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        assert!(covers(json!({})));
        assert!(covers(json!({"matchLabels": {"app": "web"}})));
        assert!(covers(expression("In", "app", &["x", "web"])));
        assert!(covers(expression("NotIn", "app", &["x"])));
        assert!(covers(expression("NotIn", "tier", &["x"])));
        assert!(covers(expression("Exists", "app", &[])));
        assert!(covers(expression("DoesNotExist", "tier", &[])));
        assert!(!covers(Value::Null));
        assert!(!covers(json!({"matchLabels": {"app": "db"}})));
        assert!(!covers(expression("In", "app", &["x"])));
        assert!(!covers(expression("Exists", "tier", &[])));
        assert!(!covers(
            json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]})
        ));
    }

    fn printed(longhorn: &str) -> String {
        let node =
            json!({"items": [{"metadata": {"name": "w1"}, "spec": {"unschedulable": true}}]});
        let pods = json!({"items": [
            {"metadata": {"name": "web-0", "namespace": "default", "ownerReferences": [{"kind": "StatefulSet", "controller": true}]}},
            {"metadata": {"name": "proxy", "namespace": "kube-system", "ownerReferences": [{"kind": "DaemonSet", "controller": true}]}},
            {"metadata": {"name": "etcd-cp1", "namespace": "kube-system", "annotations": {"kubernetes.io/config.mirror": "x"}, "ownerReferences": [{"kind": "Node", "controller": true}]}},
            {"metadata": {"name": "by-hand", "namespace": "default"}},
            {"metadata": {"name": "done", "namespace": "default"}, "status": {"phase": "Succeeded"}},
        ]});
        format!(
            "%% nodes 0\n{node}\n%% pods 0\n{pods}\n%% budgets 0\n{{\"items\": []}}\n%% etcd-members 0\n\
             1a, started, cp1, https://10.0.0.1:2380, https://10.0.0.1:2379, false\n%% etcd-health 0\n\
             https://10.0.0.1:2379 is healthy: x\n%% longhorn 0\n{longhorn}\n"
        )
    }

    #[test]
    fn reads_what_the_script_prints() {
        let seen = parse_leaving(&printed("")).unwrap();
        assert!(seen.nodes[0].unschedulable && seen.etcd[0].healthy && seen.longhorn.is_none());
        let leaving: Vec<_> = seen
            .pods
            .iter()
            .filter(|pod| pod.must_leave())
            .map(PodSeen::place)
            .collect();
        assert_eq!(leaving, ["default/web-0", "default/by-hand"]);
        let unmanaged: Vec<_> = seen.pods.iter().filter(|pod| pod.is_unmanaged()).collect();
        assert_eq!(unmanaged.len(), 1);
        let objects = json!({"items": [
            {"kind": "Node", "metadata": {"name": "w1"}, "spec": {"allowScheduling": true, "evictionRequested": false}},
            {"kind": "Replica", "spec": {"volumeName": "v", "nodeID": "w1", "healthyAt": "2026-01-01T00:00:00Z", "failedAt": ""}},
            {"kind": "Replica", "spec": {"volumeName": "v", "nodeID": "w2", "healthyAt": "2026-01-01T00:00:00Z", "failedAt": "2026-01-02T00:00:00Z"}},
            {"kind": "Replica", "spec": {"volumeName": "v", "nodeID": "w3", "healthyAt": "", "failedAt": ""}},
            {"kind": "Volume", "metadata": {"name": "v"}, "status": {"kubernetesStatus": {"pvcName": "data", "namespace": "shop"}}},
        ]});
        let longhorn = parse_leaving(&printed(&objects.to_string()))
            .unwrap()
            .longhorn
            .unwrap();
        assert!(longhorn.nodes[0].allow_scheduling && !longhorn.nodes[0].eviction_requested);
        assert_eq!(
            longhorn
                .replicas
                .iter()
                .map(|one| (one.healthy, one.was_healthy))
                .collect::<Vec<_>>(),
            [(true, true), (false, true), (false, false)]
        );
        assert_eq!(longhorn.claims["v"], "shop/data");
    }

    #[test]
    fn half_an_answer_is_none() {
        let cut = printed("").replace("%% budgets 0", "%% budgets 1");
        let error = format!("{:#}", parse_leaving(&cut).unwrap_err());
        assert!(error.contains("PodDisruptionBudgets"), "{error}");
        let cut = printed("").split("%% longhorn").next().unwrap().to_owned();
        assert!(parse_leaving(&cut).is_err());
    }
}
