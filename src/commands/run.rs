//! The frame of a command that works on hosts: events and their rendering, from the first line to the exit code.

use std::{io, time::Instant};

use anyhow::Result;
use tokio::task::JoinHandle;

use crate::{
    cli::{Format, OutputArgs},
    engine::{Outcome, Session},
    failure::{Code, Failure},
    report::{self, Event, Reporter},
};

/// A command while it runs.
pub(super) struct Run {
    pub command: &'static str,
    pub reporter: Reporter,
    renderer: JoinHandle<io::Result<()>>,
    started: Instant,
    /// Whether the last event is wanted although no host was worked on: pipelines read it.
    machine: bool,
}

/// How a command ended that did not fail outright.
#[derive(Debug)]
pub(super) struct Ending {
    pub code: Code,
    pub message: String,
    pub changed: usize,
    pub failed: usize,
    pub skipped: usize,
    /// Exit status of the user's own command, passed on instead of `code`.
    pub passed_on: Option<u8>,
    /// What goes to stdout after the last event.
    pub result: String,
}

impl Ending {
    /// How many steps of a plan ended how; the code is the outcome's, the message is still to be said.
    pub fn of(outcome: &Outcome) -> Self {
        Self {
            changed: outcome.changed,
            failed: outcome.failed.len(),
            skipped: outcome.skipped.len() + outcome.unfinished.len(),
            ..Self::new(outcome.code(), "")
        }
    }

    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            changed: 0,
            failed: 0,
            skipped: 0,
            passed_on: None,
            result: String::new(),
        }
    }
}

impl Run {
    pub fn start(command: &'static str, output: &OutputArgs) -> Self {
        let (reporter, receiver) = Reporter::new();
        let format = match output.output {
            Format::Text => report::Format::Auto,
            Format::Json => report::Format::Json,
        };
        Self {
            command,
            reporter,
            renderer: report::spawn(format, receiver, output.verbose, output.junit.clone()),
            started: Instant::now(),
            machine: output.output == Format::Json || output.junit.is_some(),
        }
    }

    /// One that shows nothing but notes: its result says all.
    pub fn quiet(command: &'static str) -> Self {
        let (reporter, receiver) = Reporter::new();
        Self {
            command,
            reporter,
            renderer: report::spawn(report::Format::Quiet, receiver, false, None),
            started: Instant::now(),
            machine: false,
        }
    }

    /// Says how it ended, closes the connections and waits until everything is shown.
    pub async fn finish(self, session: Option<Session>, end: Result<Ending>) -> Result<Code> {
        let event = match &end {
            Ok(end) => Some(self.finished(session.as_ref(), end)),
            Err(error) if self.machine || session.is_some() => {
                let code = error
                    .downcast_ref::<Failure>()
                    .map_or(Code::Internal, |failure| failure.code);
                // In text the error itself follows, with what to do next.
                let message = if self.machine {
                    format!("{error:#}")
                } else {
                    "stopped".to_owned()
                };
                let ending = Ending::new(code, message);
                Some(self.finished(session.as_ref(), &ending))
            }
            Err(_) => None,
        };
        if let Some(session) = &session
            && self.command != "reset"
            && let Some(text) = session.certificates_ending()
        {
            session.event(Event::Note { text });
        }
        if let Some(event) = event {
            match &session {
                Some(session) => session.event(event),
                None => self.reporter.send(event),
            }
        }
        if let Some(session) = session {
            session.close().await;
        }
        drop(self.reporter);
        let shown = self.renderer.await;
        let end = end?;
        super::print(&end.result)?;
        if let Ok(Err(error)) = shown
            && error.kind() != io::ErrorKind::BrokenPipe
            && end.code == Code::Done
        {
            // Who asked for a JUnit file must hear that there is none; a reader that went away needs no answer.
            return Err(anyhow::Error::new(error).context("the run succeeded, its report did not"));
        }
        Ok(end.code)
    }

    fn finished(&self, session: Option<&Session>, end: &Ending) -> Event {
        let mutating_on = session.map(Session::mutating).unwrap_or_default();
        Event::RunFinished {
            code: end.passed_on.unwrap_or(end.code as u8),
            message: end.message.clone(),
            changed: end.changed,
            failed: end.failed,
            skipped: end.skipped,
            ms: u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            mutating: mutating_on.values().sum(),
            mutating_on,
            round_trips: session.map(Session::round_trips).unwrap_or_default(),
        }
    }
}
