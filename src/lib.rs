//! `baremetal`: one inventory, one command, a highly available Kubernetes cluster.
//!
//! ```text
//! inventory ──load──▶ Cluster          what the user wants        (inventory; pure)
//! Cluster ──phases──▶ resources        what each host must be     (phases → resources; pure)
//! hosts ──observe──▶ Observation       what each host is          (observe; read-only scripts)
//! desired − observed ──▶ Plan          what must be done          (plan; pure)
//! Plan ──engine──▶ Events              the only part that changes anything
//! Events ──report──▶ terminal, plain lines, JSON, JUnit
//! ```
//!
//! `commands → engine → plan → phases → resources`. [`ssh`] alone uses connections and is used by [`engine`] alone; phases and
//! resources never see a connection, a clock or a terminal; [`report`] sees only events.

pub mod artifacts;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod digest;
pub mod engine;
pub mod failure;
pub mod inventory;
pub mod lab;
pub mod observe;
pub mod phases;
pub mod plan;
pub mod remote;
pub mod report;
pub mod resources;
pub mod ssh;
pub mod templates;
