//! How a node is emptied: cordoned and marked, its replicas moved, its pods evicted.

use std::{fmt::Write as _, time::Duration};

use serde_json::json;

use super::{MINUTE, Mark, action, script};
use crate::{observe::LeavingSeen, phases::shell, plan::Action, remote::Script};

/// How pods and replicas leave a node.
pub(super) struct Emptying<'a> {
    pub node: &'a str,
    /// Annotation that holds the mark.
    pub key: &'static str,
    pub mark: &'a Mark,
    /// Whether the node was out of service when the run began, and stays so when the run fails.
    pub was_out: bool,
    pub seen: &'a LeavingSeen,
    pub drain: Duration,
    /// Volumes whose last replica need not be moved.
    pub lose_volumes: &'a [String],
    pub delete_unmanaged_pods: bool,
}

/// One on a line, as scripts read it.
pub(super) fn lines(names: &[String]) -> String {
    names
        .iter()
        .flat_map(|name| [name.as_str(), "\n"])
        .collect()
}

impl Emptying<'_> {
    fn script(&self, name: &str) -> Script {
        let undo = if self.was_out {
            String::new()
        } else {
            self.mark.undo(self.key).to_string()
        };
        let script = script(name)
            .arg(self.node)
            .attach("mark.json", self.mark.patch(self.key).to_string())
            .attach("unmark.json", undo)
            .attach("lose", lines(self.lose_volumes));
        match &self.mark.longhorn {
            Some(before) => script
                .attach(
                    "longhorn.json",
                    json!({"spec": {"allowScheduling": false, "evictionRequested": true}})
                        .to_string(),
                )
                .attach("longhorn-undo.json", json!({"spec": before}).to_string()),
            None => script,
        }
    }

    pub fn cordon(&self) -> Action {
        let detail = if self.mark.cordoned {
            Vec::new()
        } else {
            vec![
                "it is cordoned already, by someone else: that stays when this is undone"
                    .to_owned(),
            ]
        };
        action(
            "cordon",
            format!("cordon {}", self.node),
            detail,
            self.script("leaving-cordon").timeout(MINUTE),
            "`kubectl describe node` shows what is there",
        )
    }

    pub fn move_replicas(&self, patience: Duration) -> Action {
        let volumes: Vec<_> = self
            .seen
            .longhorn
            .iter()
            .flat_map(|seen| &seen.replicas)
            .filter(|replica| replica.node == self.node)
            .map(|replica| format!("replica of volume {}", replica.volume))
            .collect();
        action(
            "move-replicas",
            format!("move Longhorn's replicas away from {}", self.node),
            volumes,
            self.script("leaving-replicas")
                .arg(patience.as_secs().to_string())
                .timeout(patience + 3 * MINUTE),
            "give Longhorn room on other nodes, or more time with --replicas-timeout; nothing was drained",
        )
    }

    pub fn drain(&self) -> Action {
        let pods = || self.seen.pods.iter().filter(|pod| pod.must_leave());
        let mut kept = String::new();
        for pod in pods() {
            let budget = self.seen.budgets.iter().find(|budget| budget.covers(pod));
            let (name, why) = match budget {
                Some(budget) => (
                    budget.name.as_str(),
                    format!(
                        "is kept by PodDisruptionBudget {}/{}",
                        budget.namespace, budget.name
                    ),
                ),
                None => ("-", "has not ended".to_owned()),
            };
            // Writing to a String cannot fail.
            let _ = writeln!(kept, "{} {} {name} {why}", pod.namespace, pod.name);
        }
        let seconds = self.drain.as_secs().max(1);
        action(
            "drain",
            format!("drain {}", self.node),
            pods().map(|pod| format!("pod {}", pod.place())).collect(),
            self.script("leaving-drain")
                .arg(seconds.to_string())
                .arg(shell::yes(self.delete_unmanaged_pods))
                .attach("kept", kept)
                .timeout(self.drain + 3 * MINUTE),
            "make room for these pods elsewhere, or let their budgets allow one to go; more time: --drain-timeout",
        )
    }
}
