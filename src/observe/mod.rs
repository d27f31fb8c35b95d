//! What hosts and the cluster are now: read-only scripts and the pure reading of what they print.
//!
//! Round trips per host: one for facts, one for resources; the elected control plane answers one more for the cluster.

mod certificate;
mod cluster;
mod facts;
mod leaving;
mod verify;

pub use certificate::{Certificate, SOON, ending};
pub use cluster::{AddonSeen, ApiSeen, EtcdMember, NodeSeen, api_script, parse_api};
pub(crate) use cluster::{KUBE_PROXY_HASH, items, list, members, node, sections};
pub use facts::{
    Facts, Family, InterfaceAddress, KubeFacts, check_script, facts_script, parse_facts,
    status_script,
};
pub(crate) use facts::{ports, stores};
pub use leaving::{
    Budget, LeavingSeen, LonghornNode, LonghornSeen, PodSeen, Replica, leaving_script,
    parse_leaving,
};
pub use verify::{ClusterSaid, EtcdSaid, TrialPod, cluster_script, parse_cluster};
pub(crate) use verify::{observing, section, trial_pods};

use std::collections::BTreeMap;

use crate::{phases::PhaseId, resources::Observed};

/// Everything seen before a plan is made.
#[derive(Debug, Clone, Default)]
pub struct Observation {
    /// By host name; a host that could not be reached is absent.
    pub hosts: BTreeMap<String, HostSeen>,
    /// Hosts that did not answer, with the reason.
    pub unreachable: BTreeMap<String, String>,
    /// The cluster as its API tells it; `None` where no API answers yet.
    pub api: Option<ApiSeen>,
    /// The elected control plane: a healthy member of the live cluster, or the one that will run `kubeadm init`.
    pub elected: String,
}

/// One host as seen.
#[derive(Debug, Clone, Default)]
pub struct HostSeen {
    pub facts: Facts,
    /// By phase, in the order of the phase's resources.
    pub resources: BTreeMap<PhaseId, Vec<Observed>>,
}
