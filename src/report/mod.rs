//! What happened, as events, and their renderings: terminal, plain lines, JSON, JUnit.
//!
//! Producers send [`Event`]s and never touch the terminal. Progress goes to stderr, results to stdout.

mod event;
mod failure;
mod plain;
pub mod text;

pub use event::{Event, FailureReport, Reporter};
pub use failure::Failures;
pub use plain::Plain;

use std::{io, path::PathBuf};

use tokio::{sync::mpsc::UnboundedReceiver, task::JoinHandle};

/// How events are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// [`Format::Terminal`] where stderr is one, else [`Format::Plain`].
    #[default]
    Auto,
    Plain,
    Terminal,
    Json,
}

/// One way of showing events.
pub trait Render: Send {
    /// Shows one event; `ms` since the run started. Fails where the place that it writes to is gone.
    fn event(&mut self, ms: u64, event: &Event) -> io::Result<()>;

    /// Called once after the last event, also when the run was cut short.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Shows events until [`Event::RunFinished`] or until every [`Reporter`] is gone.
///
/// A broken pipe ends the showing, never the run.
pub fn spawn(
    format: Format,
    mut receiver: UnboundedReceiver<(u64, Event)>,
    verbose: bool,
    _junit: Option<PathBuf>,
) -> JoinHandle<io::Result<()>> {
    let _ = format;
    let mut renderers: Vec<Box<dyn Render>> = vec![Box::new(Plain::new(io::stderr(), verbose))];
    tokio::spawn(async move {
        let mut outcome = Ok(());
        while let Some((ms, event)) = receiver.recv().await {
            for renderer in &mut renderers {
                outcome = outcome.and(renderer.event(ms, &event));
            }
            if matches!(event, Event::RunFinished { .. }) {
                break;
            }
        }
        for renderer in &mut renderers {
            outcome = outcome.and(renderer.finish());
        }
        outcome
    })
}
