//! Errors that a user meets: an exit code, what failed and where, why, and what to do next.

use std::fmt;

/// Exit codes of the program; a table in the README says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Code {
    Done = 0,
    Internal = 1,
    Usage = 2,
    Inventory = 3,
    Unreachable = 4,
    Preflight = 5,
    Phase = 6,
    /// `plan --exit-code` found something to do.
    Changes = 7,
    /// Refused for safety: quorum, data.
    Refused = 8,
    Locked = 9,
    Interrupted = 130,
}

/// A failure with its exit code and the next step; put into an `anyhow::Error` and found again by `downcast_ref`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub code: Code,
    /// Lowercase, no full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}
