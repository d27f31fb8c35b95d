//! What happened, as events, and their renderings: terminal, plain lines, JSON, JUnit.
//!
//! Producers send [`Event`]s and never touch the terminal.

mod event;

pub use event::{Event, FailureReport, Reporter};
