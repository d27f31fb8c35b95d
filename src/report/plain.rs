//! One line per event, without control codes: for CI logs, files and pipes.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use super::{
    Event, Render,
    failure::Failures,
    text::{changes, duration},
};
use crate::phases::{self, PhaseId};

/// Between two progress lines of one step, in milliseconds; all of them with `--verbose`.
const PROGRESS_EVERY: u64 = 10_000;

/// Renders events as lines on `out`.
pub struct Plain<W> {
    out: W,
    verbose: bool,
    /// Width of the host column.
    column: usize,
    /// When a step last showed progress.
    progress: BTreeMap<usize, u64>,
    failures: Failures,
}

impl<W: Write> Plain<W> {
    pub fn new(out: W, verbose: bool) -> Self {
        Self {
            out,
            verbose,
            column: 0,
            progress: BTreeMap::new(),
            failures: Failures::default(),
        }
    }

    /// With the command line that goes on where this run stops, for the end of a run that failed.
    #[must_use]
    pub fn resume(mut self, command: impl Into<String>) -> Self {
        self.failures = Failures::new(command);
        self
    }

    fn line(&mut self, ms: u64, host: &str, text: &str) -> io::Result<()> {
        let column = self.column;
        for part in text.lines() {
            let line = format!("{:>7}  {host:<column$}  {part}", duration(ms));
            writeln!(self.out, "{}", super::text::printable(line.trim_end()))?;
        }
        self.out.flush()
    }

    /// Whether a step's progress is worth a line now.
    fn shows_progress(&mut self, step: usize, ms: u64) -> bool {
        let due = self
            .progress
            .get(&step)
            .is_none_or(|last| ms >= last + PROGRESS_EVERY);
        if due {
            self.progress.insert(step, ms);
        }
        due || self.verbose
    }

    fn step(&mut self, ms: u64, event: &Event) -> io::Result<()> {
        match event {
            Event::StepStarted {
                phase, host, title, ..
            } => self.line(ms, host, &format!("start  {}", step_name(*phase, title))),
            Event::StepProgress {
                step, host, text, ..
            } => {
                if self.shows_progress(*step, ms) {
                    self.line(ms, host, &format!("...    {text}"))?;
                }
                Ok(())
            }
            Event::StepFinished {
                phase,
                host,
                title,
                changed,
                ms: took,
                ..
            } => {
                let name = step_name(*phase, title);
                let count = changes(changed.len());
                self.line(
                    ms,
                    host,
                    &format!("done   {name}: {count} in {}", duration(*took)),
                )?;
                if self.verbose {
                    for change in changed {
                        self.line(ms, host, &format!("       {change}"))?;
                    }
                }
                Ok(())
            }
            Event::StepFailed {
                phase,
                host,
                title,
                failure,
                ..
            } => {
                let name = step_name(*phase, title);
                self.line(ms, host, &format!("FAILED {name}: {}", failure.message))
            }
            Event::StepSkipped {
                phase,
                host,
                title,
                reason,
                ..
            } => {
                let name = step_name(*phase, title);
                self.line(ms, host, &format!("skip   {name}: {reason}"))
            }
            _ => Ok(()),
        }
    }
}

/// `operating system`, or `first control plane: kubeadm init` where the step has a name of its own.
pub(super) fn step_name(phase: PhaseId, title: &str) -> String {
    let name = phases::title(phase);
    if title.is_empty() || title == name {
        name.to_owned()
    } else {
        format!("{name}: {title}")
    }
}

impl<W: Write + Send> Render for Plain<W> {
    fn event(&mut self, ms: u64, event: &Event) -> io::Result<()> {
        self.failures.event(event);
        match event {
            Event::RunStarted {
                command,
                cluster,
                hosts,
                note,
            } => {
                self.column = hosts
                    .iter()
                    .map(|host| console::measure_text_width(host))
                    .max()
                    .unwrap_or(0);
                let count = super::text::count(hosts.len(), "host");
                self.line(ms, "", &format!("{command} {cluster}: {count}"))?;
                note.iter().try_for_each(|note| self.line(ms, "", note))
            }
            Event::HostConnected { host, ms: took } => {
                self.line(ms, host, &format!("connected in {}", duration(*took)))
            }
            Event::HostUnreachable { host, reason, hint } => {
                self.line(ms, host, &format!("UNREACHABLE: {reason}; {hint}"))
            }
            Event::Planned { steps, changes: n } => {
                let steps = super::text::count(*steps, "step");
                self.line(ms, "", &format!("planned {steps}, {}", changes(*n)))
            }
            Event::Findings { findings } | Event::Verified { findings } => {
                let text = super::findings(findings, super::text::PLAIN_WIDTH);
                write!(self.out, "\n{}\n", super::text::printable(&text))
            }
            Event::HostRan {
                host,
                status,
                reason,
                ms: took,
                ..
            } => {
                let end = super::text::ended(*status, reason.as_deref());
                self.line(ms, host, &format!("{end} in {}", duration(*took)))
            }
            Event::Note { text } => self.line(ms, "", text),
            Event::RunFinished { .. } => {
                let width = super::text::PLAIN_WIDTH;
                let end = self.failures.render(width);
                write!(self.out, "{}", super::text::printable(&end))?;
                self.line(ms, "", &super::text::ending(event))
            }
            step => self.step(ms, step),
        }
    }
}
