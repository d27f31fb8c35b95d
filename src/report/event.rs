//! The events of a run.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Instant,
};

use serde::Serialize;

use super::Topology;
use crate::phases::{PhaseId, preflight::Finding};

/// One thing that happened; `--output json` prints one per line.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(
    tag = "event",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Event {
    RunStarted {
        command: String,
        cluster: String,
        hosts: Vec<String>,
        note: Option<String>,
    },
    /// What the inventory describes, as far as a picture of it needs to know.
    Inventory {
        topology: Box<Topology>,
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
    /// A plan was made: number of steps per host and changes in all.
    Planned {
        steps: usize,
        changes: usize,
    },
    /// The plan that is run now, step by step: numbers in later events are places in this list.
    Order {
        steps: Vec<Ordered>,
    },
    StepStarted {
        step: usize,
        phase: PhaseId,
        host: String,
        title: String,
    },
    StepProgress {
        step: usize,
        phase: PhaseId,
        host: String,
        text: String,
    },
    StepFinished {
        step: usize,
        phase: PhaseId,
        host: String,
        title: String,
        /// What changed, one line each.
        changed: Vec<String>,
        ms: u64,
    },
    StepFailed {
        step: usize,
        phase: PhaseId,
        host: String,
        title: String,
        ms: u64,
        failure: FailureReport,
    },
    /// Not started, because something that it needs failed.
    StepSkipped {
        step: usize,
        phase: PhaseId,
        host: String,
        title: String,
        reason: String,
    },
    /// `exec`: the command ended on a host, or could not be run there.
    HostRan {
        host: String,
        /// Exit status of the command; none where it has no end that is known.
        status: Option<i32>,
        stdout: String,
        stderr: String,
        /// Why there is no status.
        reason: Option<String>,
        ms: u64,
    },
    /// What the preflight checks found on the hosts that answered.
    Findings {
        findings: Vec<Finding>,
    },
    /// How every claim of `verify` ended.
    Verified {
        findings: Vec<Finding>,
    },
    /// Anything worth a line that is no step.
    Note {
        text: String,
    },
    RunFinished {
        /// The exit code.
        code: u8,
        message: String,
        changed: usize,
        failed: usize,
        skipped: usize,
        ms: u64,
        /// Scripts run that may change a host.
        mutating: usize,
        /// The same by host; hosts that were only looked at are left out.
        mutating_on: BTreeMap<String, usize>,
        /// Remote commands per host.
        round_trips: BTreeMap<String, usize>,
    },
}

/// A step of a plan, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Ordered {
    pub phase: PhaseId,
    pub host: String,
    pub title: String,
    /// Steps that must have succeeded.
    pub needs: Vec<usize>,
    /// Steps that must have ended.
    pub after: Vec<usize>,
}

/// Everything that a user needs to mend a failed step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FailureReport {
    /// One line: what failed and why.
    pub message: String,
    /// The script or command.
    pub command: String,
    pub status: Option<i32>,
    /// Last lines of stderr (or stdout where stderr is empty).
    pub output: Vec<String>,
    /// Last journal lines, by unit.
    pub journal: BTreeMap<String, Vec<String>>,
    pub hint: String,
}

/// Where events go; cheap to clone, never blocks.
#[derive(Clone)]
pub struct Reporter {
    sender: tokio::sync::mpsc::UnboundedSender<(u64, Event)>,
    started: Arc<Instant>,
    keeper: Arc<OnceLock<Box<dyn Keeper>>>,
}

/// Who hears of every event besides those that show it: the log of the run.
pub trait Keeper: Send + Sync {
    /// `ms` since the run started.
    fn keep(&self, ms: u64, event: &Event);
}

impl Reporter {
    /// A reporter and the receiving end: milliseconds since the start with each event.
    pub fn new() -> (Self, tokio::sync::mpsc::UnboundedReceiver<(u64, Event)>) {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let reporter = Self {
            sender,
            started: Arc::new(Instant::now()),
            keeper: Arc::default(),
        };
        (reporter, receiver)
    }

    pub fn send(&self, event: Event) {
        let ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(keeper) = self.keeper.get() {
            keeper.keep(ms, &event);
        }
        // The receiver ends only after every producer; a lost event at the very end harms nobody.
        let _ = self.sender.send((ms, event));
    }

    /// From now on `keeper` hears of every event, from every clone of this reporter; the first one stays.
    pub fn keep(&self, keeper: impl Keeper + 'static) {
        let _ = self.keeper.set(Box::new(keeper));
    }

    pub fn note(&self, text: impl Into<String>) {
        self.send(Event::Note { text: text.into() });
    }
}
