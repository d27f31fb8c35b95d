//! What must be done: desired minus observed, in execution order.
//!
//! `plan` prints a [`Plan`], `up` runs that same value. Pure.

use serde::Serialize;

use crate::{phases::PhaseId, remote::Script, resources::Change};

/// All steps of a run, ordered so that every step comes after those it needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// Things worth saying that are no step: what was skipped and why.
    pub notes: Vec<String>,
}

/// One piece of work on one host.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Step {
    pub phase: PhaseId,
    /// The host on which it runs; steps through the API run on an elected control plane.
    pub host: String,
    /// Indices of steps that must have succeeded.
    pub needs: Vec<usize>,
    pub work: Work,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// Resources brought to their desired state by one script (after the transfers they need).
    Apply(Vec<Change>),
    /// Something that happens once.
    Run(Action),
}

/// Something that happens once and is observable afterwards: `kubeadm init`, a join, a release, a label.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Action {
    /// `kubeadm-init`, `apply-metallb`.
    pub id: String,
    /// What the plan shows: `initialise the control plane with kubeadm`.
    pub title: String,
    /// Further lines for the plan, such as a diff of the live objects.
    pub detail: Vec<String>,
    pub script: Script,
    /// systemd units whose journal explains a failure.
    pub units: Vec<String>,
    /// What to do when it fails.
    pub hint: String,
}

impl Plan {
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}
