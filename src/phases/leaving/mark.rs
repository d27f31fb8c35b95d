//! The note on a Node of who took it out of service, when, why, and what was changed for that: so that no more is undone.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::observe::{LonghornNode, NodeSeen};

/// Annotation of a node that `remove-node` is emptying.
pub const LEAVING: &str = "baremetal.dev/leaving";
/// Annotation of a node in maintenance.
pub const MAINTENANCE: &str = "baremetal.dev/maintenance";

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Mark {
    /// `root@desk`
    pub by: String,
    /// RFC 3339.
    pub since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was us who cordoned the node.
    pub cordoned: bool,
    /// Longhorn's settings of the node before they were changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longhorn: Option<LonghornBefore>,
}

/// Fields of `Node.spec` of `longhorn.io/v1beta2`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LonghornBefore {
    pub allow_scheduling: bool,
    pub eviction_requested: bool,
}

impl Mark {
    /// The mark that a node has; one that cannot be read undoes nothing.
    pub fn on(node: &NodeSeen, key: &str) -> Option<Self> {
        let text = node.annotations.get(key)?;
        Some(serde_json::from_str(text).unwrap_or_default())
    }

    /// The mark to set: what an interrupted run wrote is kept, for only that knows how the node was before.
    pub(super) fn kept_or(
        self,
        node: &NodeSeen,
        key: &str,
        longhorn: Option<&LonghornNode>,
    ) -> Self {
        if let Some(before) = Self::on(node, key) {
            return before;
        }
        Self {
            cordoned: !node.unschedulable,
            longhorn: longhorn.map(|node| LonghornBefore {
                allow_scheduling: node.allow_scheduling,
                eviction_requested: node.eviction_requested,
            }),
            ..self
        }
    }

    /// Merge patch of the Node that cordons and marks it.
    pub(super) fn patch(&self, key: &str) -> Value {
        json!({
            "metadata": {"annotations": {key: json!(self).to_string()}},
            "spec": {"unschedulable": true},
        })
    }

    /// Merge patch that undoes [`Mark::patch`], and no more than that.
    pub(super) fn undo(&self, key: &str) -> Value {
        let mut patch = json!({"metadata": {"annotations": {key: null}}});
        if self.cordoned {
            patch["spec"] = json!({"unschedulable": null});
        }
        patch
    }

    /// `root@desk since 2026-11-21T08:15:00Z (new disk)`
    pub fn told(&self) -> String {
        let reason = self
            .reason
            .as_ref()
            .map(|reason| format!(" ({reason})"))
            .unwrap_or_default();
        format!("{} since {}{reason}", self.by, self.since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(unschedulable: bool) -> NodeSeen {
        NodeSeen {
            unschedulable,
            ..NodeSeen::default()
        }
    }

    #[test]
    fn only_what_we_did_is_undone() {
        let ours = Mark::default().kept_or(&node(false), LEAVING, None);
        assert_eq!(
            ours.undo(LEAVING),
            json!({"metadata": {"annotations": {LEAVING: null}}, "spec": {"unschedulable": null}})
        );
        let theirs = Mark::default().kept_or(&node(true), LEAVING, None);
        assert_eq!(
            theirs.undo(LEAVING),
            json!({"metadata": {"annotations": {LEAVING: null}}})
        );
    }

    #[test]
    fn an_interrupted_run_is_remembered() {
        let longhorn = LonghornNode {
            allow_scheduling: true,
            ..LonghornNode::default()
        };
        let fresh = Mark {
            by: "root@desk".to_owned(),
            ..Mark::default()
        };
        let first = fresh
            .clone()
            .kept_or(&node(false), LEAVING, Some(&longhorn));
        let patch = first.patch(LEAVING);
        let mut killed = node(true);
        let written = patch["metadata"]["annotations"][LEAVING].as_str().unwrap();
        killed
            .annotations
            .insert(LEAVING.to_owned(), written.to_owned());
        let evicting = LonghornNode {
            eviction_requested: true,
            ..LonghornNode::default()
        };
        let again = fresh.kept_or(&killed, LEAVING, Some(&evicting));
        assert_eq!(again, first);
        assert!(again.cordoned && again.longhorn.unwrap().allow_scheduling);
    }

    #[test]
    fn a_mark_that_cannot_be_read_undoes_nothing() {
        let mut odd = node(true);
        odd.annotations.insert(LEAVING.to_owned(), "x".to_owned());
        assert_eq!(Mark::on(&odd, LEAVING), Some(Mark::default()));
        assert!(!Mark::on(&odd, LEAVING).unwrap().cordoned);
    }
}
