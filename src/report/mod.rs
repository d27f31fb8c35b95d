//! What happened, as events, and their renderings: terminal, plain lines, JSON, JUnit, and afterwards a page ([`timeline`]).
//!
//! Producers send [`Event`]s and never touch the terminal. Progress goes to stderr, results to stdout.

mod event;
mod failure;
mod findings;
mod json;
mod junit;
mod outputs;
mod plain;
mod plan;
mod status;
mod summary;
mod terminal;
pub mod text;
pub mod timeline;
mod topology;

pub use event::{Event, FailureReport, Keeper, Ordered, Reporter};
pub use failure::Failures;
pub use findings::findings;
pub use json::{Json, events_schema, json_line};
pub use junit::Junit;
pub use outputs::{HostOutput, outputs};
pub use plain::Plain;
pub use plan::{PlanStyle, plan};
pub use status::status;
pub use summary::summary;
pub use terminal::{Look, Terminal};
pub use topology::{Endpoint, Machine, Peer, Pool, Topology};

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
    /// Notes alone, as lines: the result tells the rest.
    Quiet,
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

/// Shows events until [`Event::RunFinished`] or until every [`Reporter`] is gone, and keeps a JUnit file where one is asked for.
///
/// A broken pipe or a full disk ends the showing, never the run; the first such error is the handle's outcome.
pub fn spawn(
    format: Format,
    mut receiver: UnboundedReceiver<(u64, Event)>,
    verbose: bool,
    junit: Option<PathBuf>,
) -> JoinHandle<io::Result<()>> {
    let mut renderers: Vec<Box<dyn Render>> = vec![renderer(format, verbose)];
    if let Some(path) = junit {
        renderers.push(Box::new(Junit::new(path)));
    }
    tokio::spawn(async move {
        let mut outcomes: Vec<io::Result<()>> = renderers.iter().map(|_| Ok(())).collect();
        while let Some((ms, event)) = receiver.recv().await {
            for (renderer, outcome) in renderers.iter_mut().zip(&mut outcomes) {
                if outcome.is_ok() {
                    *outcome = renderer.event(ms, &event);
                }
            }
            if matches!(event, Event::RunFinished { .. }) {
                break;
            }
        }
        for (renderer, outcome) in renderers.iter_mut().zip(&mut outcomes) {
            if outcome.is_ok() {
                *outcome = renderer.finish();
            }
        }
        outcomes.into_iter().collect()
    })
}

fn renderer(format: Format, verbose: bool) -> Box<dyn Render> {
    let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
    let live = console::Term::stderr().is_term() && !dumb;
    let terminal = || Box::new(Terminal::stderr(verbose).resume(command_line()));
    match format {
        Format::Json => Box::new(Json::new(io::stdout(), run_id())),
        Format::Terminal => terminal(),
        Format::Quiet => Box::new(Notes(io::stderr())),
        Format::Auto if live => terminal(),
        Format::Auto | Format::Plain => {
            Box::new(Plain::new(io::stderr(), verbose).resume(command_line()))
        }
    }
}

/// Notes, and nothing else.
struct Notes<W>(W);

impl<W: io::Write + Send> Render for Notes<W> {
    fn event(&mut self, _ms: u64, event: &Event) -> io::Result<()> {
        match event {
            Event::Note { text }
            | Event::RunStarted {
                note: Some(text), ..
            } => {
                writeln!(self.0, "{}", text::printable(text))
            }
            _ => Ok(()),
        }
    }
}

/// The command line of this run as a shell takes it. It holds no secret: flags take none.
fn command_line() -> String {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let quoted = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
    format!("baremetal {quoted}")
}

/// A name for this run among others in a log: start in seconds since 1970, and the process.
pub fn run_id() -> &'static str {
    static ID: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    ID.get_or_init(|| {
        let seconds = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        format!("{seconds}-{}", std::process::id())
    })
}
