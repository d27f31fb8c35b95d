//! Mistakes of an inventory: where, in which setting, what is wrong and what to write instead.

use std::{fmt, path::Path as FilePath};

use crate::failure::{Code, Failure};

/// 1-based line and column, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    pub at: Position,
    /// `hosts.cp1.address`; empty for the document itself.
    pub path: String,
    /// What is wrong; what to write instead.
    pub message: String,
}

impl Mistake {
    pub fn new(at: Position, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            at,
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: ", self.at.line, self.at.column)?;
        if !self.path.is_empty() {
            write!(out, "{}: ", self.path)?;
        }
        out.write_str(&self.message)
    }
}

/// All mistakes as one failure, sorted by position, one a line, with their number at the end.
pub fn failure(file: &FilePath, mut mistakes: Vec<Mistake>) -> Failure {
    mistakes.sort();
    mistakes.dedup();
    let lines = mistakes
        .iter()
        .map(|mistake| format!("{}:{mistake}", file.display()));
    failure_of_lines(file, &lines.collect::<Vec<_>>())
}

/// As [`failure`], of lines that name their own files.
pub fn failure_of_lines(file: &FilePath, lines: &[String]) -> Failure {
    let number = match lines.len() {
        1 => "1 mistake".to_owned(),
        n => format!("{n} mistakes"),
    };
    let file = file.display();
    let text = lines.join("\n");
    Failure::new(
        Code::Inventory,
        format!("{text}\n{number} in {file}; nothing was changed on any host"),
    )
}
