//! The cluster as the quick half of a verification asks it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    EtcdMember, NodeSeen,
    cluster::{answer, items, list, members, node, sections, text},
};
use crate::{
    phases::{addon::Answer, script_body},
    remote::Script,
    templates,
};

/// What a control plane says; each part may be missing without the others, with the reason.
#[derive(Debug, Clone)]
pub struct ClusterSaid {
    pub nodes: Result<Vec<NodeSeen>, String>,
    pub etcd: Result<EtcdSaid, String>,
    /// Image of the live `CoreDNS`.
    pub dns_image: Option<String>,
    /// Whether it is a test double.
    pub stand_in: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EtcdSaid {
    pub members: Vec<EtcdMember>,
    /// Ids (hexadecimal) of those whom the members that answer follow; one where all is well.
    pub leaders: Vec<String>,
}

/// A pod with what is needed to find it on its node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialPod {
    pub name: String,
    pub node: String,
    pub uid: String,
    pub ip: String,
    pub ready: bool,
    /// Why it is not ready: reasons of its containers, else of its conditions.
    pub why: String,
}

/// The read-only script for a control plane; `etcd_endpoint` is that of its own member.
pub fn cluster_script(etcd_endpoint: &str) -> Script {
    observing("verify-cluster").arg(etcd_endpoint)
}

/// A read-only script of actions that answers questions side by side.
pub(crate) fn observing(name: &str) -> Script {
    // The questions come after what asks them; the prelude is first in both.
    let body = [
        script_body("verify-sweep").as_str(),
        templates::text("actions/addon-observe.sh"),
        templates::text(&format!("actions/{name}.sh")),
    ]
    .concat();
    Script::read(name, body)
}

/// Reads what [`cluster_script`] printed.
pub fn parse_cluster(stdout: &str) -> ClusterSaid {
    let answers = sections(stdout);
    let said = |name: &str, what: &str| -> Result<String, String> {
        answer(&answers, name, what)
            .map(|answer| answer.out.clone())
            .map_err(|error| last_line(&format!("{error:#}")))
    };
    let json = |name: &str, what: &str| -> Result<Value, String> {
        serde_json::from_str(&said(name, what)?).map_err(|error| format!("{what}: {error}"))
    };
    let version = answers.get("version").map_or("", |answer| &answer.out);
    let image = json("coredns", "the Deployment of CoreDNS").ok();
    ClusterSaid {
        nodes: json("nodes", "the list of nodes").map(|nodes| items(&nodes).map(node).collect()),
        etcd: said("etcd-members", "the members of etcd").map(|members| etcd(&members, &answers)),
        dns_image: image
            .map(|live| text(&live["spec"]["template"]["spec"]["containers"][0]["image"]))
            .filter(|image| !image.is_empty()),
        stand_in: version.contains("stand-in"),
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    line.unwrap_or(text).trim().to_owned()
}

fn etcd(list: &str, answers: &BTreeMap<String, Answer>) -> EtcdSaid {
    let none = Answer::default();
    let status = answers.get("etcd-status").map_or("", |answer| &answer.out);
    let status: Value = serde_json::from_str(status.trim()).unwrap_or_default();
    let mut leaders: Vec<String> = self::list(&status)
        .filter_map(|one| one["Status"]["leader"].as_u64())
        .filter(|leader| *leader != 0)
        .map(|leader| format!("{leader:x}"))
        .collect();
    leaders.sort();
    leaders.dedup();
    EtcdSaid {
        members: members(list, answers.get("etcd-health").unwrap_or(&none)),
        leaders,
    }
}

/// A section's JSON, or why there is none.
pub(crate) fn section(stdout: &str, name: &str) -> Result<Value, String> {
    let answers = sections(stdout);
    let answer = answers
        .get(name)
        .ok_or_else(|| format!("{name} was not answered"))?;
    if answer.status != 0 {
        return Err(last_line(&answer.err));
    }
    serde_json::from_str(&answer.out).map_err(|error| format!("{name}: {error}"))
}

/// Pods of a list, or the one that is there.
pub(crate) fn trial_pods(value: &Value) -> Vec<TrialPod> {
    items(value)
        .map(|pod| {
            let status = &pod["status"];
            let conditions = || list(&status["conditions"]);
            let ready = conditions().any(|one| one["type"] == "Ready" && one["status"] == "True");
            TrialPod {
                name: text(&pod["metadata"]["name"]),
                node: text(&pod["spec"]["nodeName"]),
                uid: text(&pod["metadata"]["uid"]),
                ip: text(&status["podIP"]),
                ready,
                why: if ready { String::new() } else { why(status) },
            }
        })
        .collect()
}

fn why(status: &Value) -> String {
    let waiting = list(&status["containerStatuses"])
        .flat_map(|one| [&one["state"]["waiting"], &one["state"]["terminated"]])
        .find(|state| state.is_object());
    let unmet = list(&status["conditions"])
        .find(|one| one["status"] == "False" && one["reason"].is_string());
    let Some(from) = waiting.or(unmet) else {
        return match text(&status["phase"]) {
            phase if phase.is_empty() => "it has not begun".to_owned(),
            phase => phase,
        };
    };
    let (reason, message) = (text(&from["reason"]), text(&from["message"]));
    if message.is_empty() {
        reason
    } else {
        format!("{reason}: {message}")
    }
}
