//! One event per line as JSON, for pipelines.

use std::io::{self, Write};

use schemars::{JsonSchema, Schema};
use serde::Serialize;

use super::{Event, Render};

/// Renders events as JSON lines on `out`.
pub struct Json<W> {
    out: W,
    run: String,
}

/// One line of `--output json`.
#[derive(Serialize, JsonSchema)]
struct Line<'a> {
    /// The same on every line of a run.
    run: &'a str,
    /// Milliseconds since the run started.
    at: u64,
    #[serde(flatten)]
    event: &'a Event,
}

impl<W: Write> Json<W> {
    /// `run` names the run on every line.
    pub fn new(out: W, run: impl Into<String>) -> Self {
        Self {
            out,
            run: run.into(),
        }
    }
}

impl<W: Write + Send> Render for Json<W> {
    fn event(&mut self, ms: u64, event: &Event) -> io::Result<()> {
        let line = Line {
            run: &self.run,
            at: ms,
            event,
        };
        serde_json::to_writer(&mut self.out, &line)?;
        self.out.write_all(b"\n")?;
        self.out.flush()
    }
}

/// One event as `--output json` prints it, without the line end.
pub fn json_line(run: &str, at: u64, event: &Event) -> String {
    // Events are plain data with texts for keys: they can be written.
    serde_json::to_string(&Line { run, at, event }).unwrap_or_default()
}

/// JSON Schema of one line of `--output json`.
pub fn events_schema() -> Schema {
    schemars::schema_for!(Line<'static>)
}
