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
//! `commands → engine → plan → phases → resources`. [`ssh`] alone knows how a host is reached: [`engine`] sends scripts through
//! it. [`plan`], [`phases`] and [`resources`] never see a connection, a clock or a terminal; [`report`] sees events and plans.
//!
//! Beside them: [`artifacts`] says where binaries, images and charts come from, [`catalog`] which versions there are and go
//! together, [`templates`] holds what is sent to hosts, [`remote`] is a script before it is sent, [`lab`] makes hosts out of
//! containers before anything else looks at them, [`quorum`] says which members of etcd may go,
//! [`failure`] gives errors their exit codes, [`status`] is a cluster as it is now,
//! [`support`] what of it is sent to those who help. [`phases`] is the place to begin.

pub mod artifacts;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod digest;
pub mod draft;
pub mod engine;
pub mod failure;
pub mod inventory;
pub mod lab;
pub mod observe;
pub mod phases;
pub mod plan;
pub mod quorum;
pub mod remote;
pub mod report;
pub mod resources;
pub mod ssh;
pub mod status;
pub mod support;
pub mod templates;
