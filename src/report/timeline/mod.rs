//! A run afterwards: events as they were kept → what was done when, and why it took so long → one HTML file.
//!
//! ```text
//! log of a run, or lines of `--output json` ──read──▶ Timeline ──path──▶ critical path, waits ──page──▶ HTML
//! ```
//!
//! Pure. The file needs no server, no script and nothing from elsewhere; what hosts said is text in it and nothing else.

mod axis;
mod chart;
mod page;
mod path;
mod picture;
mod read;
mod tables;
mod told;

pub use page::page;
pub use path::{Link, Wait, What, critical_path, waits};

use std::collections::BTreeMap;

use super::Topology;

/// What a run left behind. Times are milliseconds since it started.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// Start in seconds since 1970, and the process: `1795248900-4711`.
    pub run: String,
    /// `up`, `check`; empty where the run ended before it said so.
    pub command: String,
    pub cluster: String,
    /// In the order of the inventory, then those that only an event names.
    pub hosts: Vec<String>,
    pub topology: Option<Topology>,
    /// When the first plan was run.
    pub planned: Option<u64>,
    pub steps: Vec<Step>,
    pub unreachable: Vec<Unreachable>,
    pub findings: Vec<Finding>,
    pub notes: Vec<(u64, String)>,
    /// None where the run was killed.
    pub end: Option<End>,
    /// The last event.
    pub last: u64,
    /// Lines that are events, and not understood: a newer program wrote them.
    pub unknown: usize,
}

/// One step of a plan, or one command of `exec`, or one connection being set up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    pub phase: String,
    pub host: String,
    pub title: String,
    /// Places in [`Timeline::steps`] of what had to succeed or to end before it.
    pub waits_for: Vec<usize>,
    pub begun: Option<u64>,
    pub ended: Option<u64>,
    pub outcome: Outcome,
    pub changed: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub enum Outcome {
    /// Not begun, or not ended when the run was cut short.
    #[default]
    Open,
    Done,
    Failed(Box<Failed>),
    Skipped(String),
}

/// What a failed step said, and what to do.
#[derive(Debug, Clone, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Failed {
    pub message: String,
    pub command: String,
    pub status: Option<i32>,
    pub output: Vec<String>,
    pub journal: BTreeMap<String, Vec<String>>,
    pub hint: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    pub at: u64,
    pub host: String,
    pub reason: String,
    pub hint: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    pub id: String,
    pub host: String,
    /// `failure`, `warning`, `skipped` or `passed`.
    pub level: String,
    pub found: String,
    pub needed: String,
    pub fix: String,
}

/// How the run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct End {
    /// The exit code.
    pub code: u8,
    pub message: String,
    pub changed: usize,
    pub failed: usize,
    pub skipped: usize,
    pub ms: u64,
    pub round_trips: BTreeMap<String, usize>,
}

impl Timeline {
    /// From the events of one run: lines of its log, or of `--output json`. Other lines are passed over.
    ///
    /// # Errors
    /// Where no line is an event.
    pub fn read(text: &str) -> anyhow::Result<Self> {
        read::timeline(text)
    }

    /// How long it took in all, as far as it is known.
    pub fn total(&self) -> u64 {
        self.end.as_ref().map_or(self.last, |end| end.ms).max(1)
    }

    /// Seconds since 1970 at its start.
    pub fn started(&self) -> Option<u64> {
        self.run.split_once('-')?.0.parse().ok()
    }

    /// When a step ended; one that never did ended with the run.
    fn end_of(&self, step: &Step) -> u64 {
        step.ended.unwrap_or_else(|| self.total())
    }

    /// Steps with their places that were begun.
    fn begun(&self) -> impl Iterator<Item = (usize, &Step, u64)> {
        let steps = self.steps.iter().enumerate();
        steps.filter_map(|(index, step)| Some((index, step, step.begun?)))
    }
}
