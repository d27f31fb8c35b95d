//! How a cluster is now: what was seen, put together for a reader. Pure.
//!
//! Hosts are asked by [`host_script`], the API by [`api_script`]; [`make`] judges. What could not be asked is said with its reason
//! ([`Part::Unknown`], [`Problem::unseen`]): half an answer is never taken for a whole one.

mod ask;
mod etcd;
mod make;
mod problems;
mod services;

pub use ask::{Answers, api_script, host_script, read_host};
pub use make::{Seen, make};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::failure::Code;

/// A part of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part<T> {
    Known(T),
    /// It could not be asked: why.
    Unknown(String),
    /// The inventory has no such thing.
    Off,
}

impl<T> Part<T> {
    /// What is known.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) | Self::Off => None,
        }
    }
}

impl<T> From<Result<T, String>> for Part<T> {
    fn from(result: Result<T, String>) -> Self {
        result.map_or_else(Self::Unknown, Self::Known)
    }
}

/// The whole answer; `status --output json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Status {
    pub cluster: String,
    /// Kubernetes version of the inventory; null where the inventory leaves it to a bundle that is not there.
    pub kubernetes: Option<String>,
    /// Where clients reach the API: `10.0.0.10:6443`.
    pub endpoint: String,
    /// Seconds since 1970, by this machine's clock.
    pub seen_at: i64,
    /// The control plane that was asked for what only the API knows; empty where none could be.
    pub via: String,
    /// Everything that is not as it should be or could not be asked; empty when all is well.
    pub problems: Vec<Problem>,
    /// What ends or fills up soon although all is well now.
    pub warnings: Vec<String>,
    /// Hosts of the inventory in its order, then nodes that it does not have.
    pub hosts: Vec<HostState>,
    pub etcd: Part<Etcd>,
    pub vip: Part<Vip>,
    /// The first certificate to end on every control plane that was asked.
    pub certificates: Vec<Certificate>,
    pub metallb: Part<Addresses>,
    pub longhorn: Part<Longhorn>,
    /// What `up` would change, and what it would refuse; never a problem by itself.
    pub drift: Part<Drift>,
}

/// One line: what is wrong, where, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Problem {
    pub what: String,
    /// Whether it could not be seen, as opposed to seen to be wrong.
    pub unseen: bool,
}

/// A host of the inventory, or a node of the live cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct HostState {
    pub name: String,
    /// `control-plane`, `worker`, `load-balancer`.
    pub roles: Vec<String>,
    pub address: String,
    /// Whether the inventory has it.
    pub in_inventory: bool,
    /// Why it was not reached; null where it was, and for nodes that the inventory does not have.
    pub unreachable: Option<String>,
    pub node: NodeState,
    /// Why the node is not ready, in the kubelet's words.
    pub reason: String,
    /// Whether new pods are kept away.
    pub cordoned: bool,
    /// Version of its kubelet, `v1.33.4`; empty where it is not known.
    pub version: String,
    /// Of control planes; null elsewhere.
    pub api_server: Option<Answering>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    Ready,
    NotReady,
    /// In the inventory, and no node of the cluster.
    Missing,
    /// No API server could be asked.
    Unknown,
    /// A load balancer, which is no node.
    None,
}

/// Whether an API server answers `/readyz` on its own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answering {
    Ready,
    NotReady,
    /// The host has none yet.
    Absent,
    /// The host was not reached.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Etcd {
    pub members: Vec<Member>,
    /// Whether etcd itself listed its members, which takes a majority of them; else these are the hosts that should have one.
    pub listed: bool,
    /// Members without which nothing can be written.
    pub quorum: usize,
    /// `NOSPACE on cp1`, `CORRUPT on cp2`.
    pub alarms: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Member {
    pub name: String,
    pub state: MemberState,
    /// Why it is not healthy, or why it is not known.
    pub reason: String,
    pub learner: bool,
    pub leader: bool,
    /// Bytes of its database on disk; null where it did not say.
    pub database: Option<u64>,
    pub version: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// It answers and sees a majority.
    Healthy,
    Unhealthy,
    /// Its host was not asked.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Vip {
    pub address: String,
    /// Hosts that have it on an interface: exactly one when all is well.
    pub holders: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Certificate {
    pub host: String,
    /// `apiserver.crt`.
    pub name: String,
    /// Whole days left; negative when it has ended.
    pub days: i64,
}

/// What Services have of MetalLB's pools.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Addresses {
    pub pools: Vec<Pool>,
    /// Services of type `LoadBalancer` without an address: `namespace/name`.
    pub waiting: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pool {
    pub name: String,
    /// Addresses that it can give.
    pub size: u128,
    /// Addresses of it that Services have.
    pub used: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Longhorn {
    pub volumes: usize,
    /// Volumes with fewer replicas than asked for, by claim (`namespace/name`) where they have one.
    pub degraded: Vec<String>,
    /// Volumes without a replica that works.
    pub faulted: Vec<String>,
}

/// Difference between the inventory and what is live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Drift {
    /// Changes that `up` would make.
    pub changes: usize,
    /// Where: changes by `host: phase`.
    pub steps: BTreeMap<String, usize>,
    /// What the inventory asks for and `up` refuses, or leaves as it is.
    pub differences: Vec<String>,
}

impl Status {
    /// 0 when all is well, 4 when something could not be seen, 6 when all was seen and something is wrong.
    pub fn code(&self) -> Code {
        if self.problems.is_empty() {
            Code::Done
        } else if self.problems.iter().any(|one| one.unseen) {
            Code::Unreachable
        } else {
            Code::Phase
        }
    }
}
