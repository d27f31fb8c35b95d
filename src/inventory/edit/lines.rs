//! A text by its lines: where each starts and ends, and what kind it is.

use std::ops::Range;

/// What a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Blank,
    /// A comment alone, and the column (0-based, in bytes) at which it starts.
    Comment(usize),
    Content,
}

/// Start of the line that holds a byte.
pub fn start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// End of the line that holds a byte, its line break included.
pub fn end(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline + 1)
}

/// The line before the one that starts at `at`; none before the first.
pub fn before(text: &str, at: usize) -> Option<Range<usize>> {
    let last = at.checked_sub(1)?;
    Some(start(text, last)..at)
}

pub fn kind(line: &str) -> Kind {
    let content = line.trim_start();
    match content.chars().next() {
        None => Kind::Blank,
        Some('#') => Kind::Comment(line.len() - content.len()),
        Some(_) => Kind::Content,
    }
}

/// The line break of the line that holds a byte; the first of the text where that line has none.
pub fn line_break(text: &str, at: usize) -> &'static str {
    let line = &text[start(text, at)..end(text, at)];
    let with_break = if line.ends_with('\n') {
        line
    } else {
        text.split_inclusive('\n').next().unwrap_or_default()
    };
    if with_break.ends_with("\r\n") {
        "\r\n"
    } else {
        "\n"
    }
}

/// Whether nothing but white space, or a comment after it, stands between a byte and the end of its line.
pub fn ends_after(text: &str, at: usize) -> bool {
    let rest = &text[at..end(text, at)];
    let content = rest.trim_start();
    content.is_empty() || (content.starts_with('#') && rest.len() > content.len())
}
