//! The events by their words alone, so that the log of another version can be read as far as it goes.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Failed, Finding};
use crate::report::Topology;

/// The events of [`crate::report::Event`], as far as a page is made of them.
#[derive(Deserialize)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub(super) enum Told {
    RunStarted {
        command: String,
        cluster: String,
        hosts: Vec<String>,
        note: Option<String>,
    },
    Inventory {
        topology: Topology,
    },
    HostConnected {
        host: String,
        ms: u64,
    },
    HostUnreachable {
        host: String,
        reason: String,
        hint: String,
    },
    Planned {},
    Order {
        steps: Vec<Ordered>,
    },
    StepStarted {
        step: usize,
        phase: String,
        host: String,
        title: String,
    },
    StepProgress {},
    StepFinished {
        step: usize,
        phase: String,
        host: String,
        title: String,
        changed: Vec<String>,
        ms: u64,
    },
    StepFailed {
        step: usize,
        phase: String,
        host: String,
        title: String,
        ms: u64,
        failure: Box<Failed>,
    },
    StepSkipped {
        step: usize,
        phase: String,
        host: String,
        title: String,
        reason: String,
    },
    HostRan {
        host: String,
        status: Option<i32>,
        stdout: String,
        stderr: String,
        reason: Option<String>,
        ms: u64,
    },
    /// Of checks, and how the claims of `verify` ended.
    #[serde(alias = "verified")]
    Findings {
        findings: Vec<Finding>,
    },
    Note {
        text: String,
    },
    RunFinished {
        code: u8,
        message: String,
        changed: usize,
        failed: usize,
        skipped: usize,
        ms: u64,
        round_trips: BTreeMap<String, usize>,
    },
}

#[derive(Deserialize)]
pub(super) struct Ordered {
    pub phase: String,
    pub host: String,
    pub title: String,
    pub needs: Vec<usize>,
    pub after: Vec<usize>,
}
