//! What is said at the end of a run that failed: every failure in full, then what was not started because of it.

use std::fmt::Write as _;

use crate::failure::Code;

use super::{
    Event, FailureReport,
    plain::step_name,
    text::{count, wrap},
};

/// Failures and skipped steps of a run, collected from its events.
#[derive(Debug, Default)]
pub struct Failures {
    /// The command line that goes on where this run stopped.
    resume: String,
    code: u8,
    unreachable: Vec<(String, String, String)>,
    failed: Vec<Failed>,
    /// Reason, then what did not start: in the order in which reasons came up.
    skipped: Vec<(String, Vec<(String, String)>)>,
}

#[derive(Debug)]
struct Failed {
    host: String,
    name: String,
    report: FailureReport,
}

impl Failures {
    /// `resume` is the command line to run again.
    pub fn new(resume: impl Into<String>) -> Self {
        Self {
            resume: resume.into(),
            ..Self::default()
        }
    }

    pub fn event(&mut self, event: &Event) {
        match event {
            Event::RunFinished { code, .. } => self.code = *code,
            Event::HostUnreachable { host, reason, hint } => {
                self.unreachable
                    .push((host.clone(), reason.clone(), hint.clone()));
            }
            Event::StepFailed {
                phase,
                host,
                title,
                failure,
                ..
            } => self.failed.push(Failed {
                host: host.clone(),
                name: step_name(*phase, title),
                report: failure.clone(),
            }),
            Event::StepSkipped {
                phase,
                host,
                title,
                reason,
                ..
            } => self.skip(reason, host, step_name(*phase, title)),
            _ => {}
        }
    }

    fn skip(&mut self, reason: &str, host: &str, name: String) {
        let step = (host.to_owned(), name);
        match self.skipped.iter_mut().find(|(have, _)| have == reason) {
            Some((_, steps)) => steps.push(step),
            None => self.skipped.push((reason.to_owned(), vec![step])),
        }
    }

    /// Failed steps and unreachable hosts; steps not started.
    pub fn counts(&self) -> (usize, usize) {
        let skipped = self.skipped.iter().map(|(_, steps)| steps.len()).sum();
        (self.failed.len() + self.unreachable.len(), skipped)
    }

    /// The blocks, wrapped at `width` columns; empty when nothing failed.
    pub fn render(&self, width: usize) -> String {
        let mut out = String::new();
        let total = self.failed.len() + self.unreachable.len();
        for (host, reason, hint) in &self.unreachable {
            let _ = writeln!(out, "\n{host} is unreachable");
            field(&mut out, "why", reason, width);
            field(&mut out, "do", hint, width);
        }
        for (index, failed) in self.failed.iter().enumerate() {
            let number = if self.failed.len() > 1 {
                format!(" ({} of {})", index + 1, self.failed.len())
            } else {
                String::new()
            };
            let _ = writeln!(out, "\nFAILED {} on {}{number}", failed.name, failed.host);
            block(&mut out, &failed.report, width);
        }
        self.render_skipped(&mut out, width);
        let interrupted = self.code == Code::Interrupted as u8;
        if interrupted {
            let _ = writeln!(out, "\nto go on, run again: {}\n", self.resume);
        } else if total > 0 {
            let text = "to go on, mend the cause and run again";
            let _ = writeln!(out, "\n{text}: {}\n", self.resume);
        }
        out
    }

    fn render_skipped(&self, out: &mut String, width: usize) {
        for (reason, steps) in &self.skipped {
            let _ = writeln!(out, "\nnot started because {reason}:");
            let mut by_step: Vec<(&str, Vec<&str>)> = Vec::new();
            for (host, name) in steps {
                match by_step.iter_mut().find(|(have, _)| have == name) {
                    Some((_, hosts)) => hosts.push(host),
                    None => by_step.push((name, vec![host])),
                }
            }
            for (name, hosts) in by_step {
                field(out, name, &hosts.join(", "), width);
            }
        }
    }
}

/// One failure in full as text of its own, for files.
pub(super) fn block_text(report: &FailureReport) -> String {
    let mut out = String::new();
    block(&mut out, report, super::text::PLAIN_WIDTH);
    out
}

/// One failure in full.
fn block(out: &mut String, report: &FailureReport, width: usize) {
    field(out, "why", &report.message, width);
    if !report.command.is_empty() {
        verbatim(out, "command", report.command.lines());
    }
    if let Some(status) = report.status {
        field(out, "exit status", &status.to_string(), width);
    }
    if !report.output.is_empty() {
        verbatim(out, "output", report.output.iter().map(String::as_str));
    }
    for (unit, lines) in &report.journal {
        let title = format!("journal of {unit}, last {}", count(lines.len(), "line"));
        verbatim(out, &title, lines.iter().map(String::as_str));
    }
    if !report.hint.is_empty() {
        field(out, "do", &report.hint, width);
    }
}

/// `  name: text`, wrapped with a hanging indent.
fn field(out: &mut String, name: &str, text: &str, width: usize) {
    let indent = name.len() + 4;
    for (index, line) in wrap(text, width.saturating_sub(indent).max(20))
        .iter()
        .enumerate()
    {
        let _ = if index == 0 {
            writeln!(out, "  {name}: {line}")
        } else {
            writeln!(out, "{:indent$}{line}", "")
        };
    }
}

/// Lines as they are, so that they can be copied and searched for.
fn verbatim<'a>(out: &mut String, name: &str, lines: impl Iterator<Item = &'a str>) {
    let _ = writeln!(out, "  {name}:");
    for line in lines {
        let _ = writeln!(out, "    {line}");
    }
}
