//! Hosts in block style: whole lines come and go.
//!
//! An entry owns its lines, the comment lines directly above it, and comment lines below it that are indented deeper than its
//! name. Where entries are set apart by blank lines, the one above it is its own too.

use std::ops::Range;

use super::{
    Splice,
    layout::Piece,
    lines::{self, Kind},
};

/// Lines to insert after an entry.
pub fn add(
    text: &str,
    entries: &[(Piece, Piece)],
    after: usize,
    entry: &[String],
) -> Option<Vec<Splice>> {
    let (key, value) = entries.get(after)?;
    let indent = indentation(text, key)?;
    let at = body_end(text, key, value)?;
    let newline = lines::line_break(text, value.span.end);
    let apart = is_set_apart(text, entries)
        && (at == text.len() || lines::kind(&text[at..lines::end(text, at)]) == Kind::Blank);
    let mut block = String::new();
    if apart {
        block.push_str(newline);
    }
    for line in entry {
        block.extend([indent, line, newline]);
    }
    if at == text.len() && !text.ends_with('\n') {
        block.truncate(block.len() - newline.len());
        block.insert_str(0, newline);
    }
    Some(vec![Splice::insert(at, block)])
}

/// The lines of an entry.
pub fn remove(text: &str, entries: &[(Piece, Piece)], index: usize) -> Option<Vec<Splice>> {
    let (key, value) = entries.get(index)?;
    indentation(text, key)?;
    let mut range = leading(text, entries, index)?..body_end(text, key, value)?;
    let blank_below = range.end == text.len()
        || lines::kind(&text[range.end..lines::end(text, range.end)]) == Kind::Blank;
    if let Some(above) = lines::before(text, range.start)
        && blank_below
        && lines::kind(&text[above.clone()]) == Kind::Blank
    {
        range.start = above.start;
    }
    // A file without a line break at its end keeps none.
    if range.end == text.len() && !text.ends_with('\n') {
        let kept = &text[..range.start];
        let kept = kept.strip_suffix('\n').unwrap_or(kept);
        range.start = kept.strip_suffix('\r').unwrap_or(kept).len();
    }
    Some(vec![Splice::cut(range)])
}

/// What stands before a name: spaces alone, else it is nothing that is edited here (`? key`, an anchor, a tab).
pub fn indentation<'a>(text: &'a str, key: &Piece) -> Option<&'a str> {
    let indent = &text[lines::start(text, key.span.start)..key.span.start];
    indent.bytes().all(|byte| byte == b' ').then_some(indent)
}

/// The end of an entry: of its last line, or of the last comment below that is indented deeper than its name.
fn body_end(text: &str, key: &Piece, value: &Piece) -> Option<usize> {
    let column = key.span.start - lines::start(text, key.span.start);
    let last = value.span.end.max(key.span.end);
    // A null value ends before the colon of its key.
    let after = text[last..].strip_prefix(':').map_or(last, |_| last + 1);
    if !lines::ends_after(text, after) {
        return None;
    }
    let mut end = lines::end(text, after);
    let mut at = end;
    while at < text.len() {
        let line = at..lines::end(text, at);
        at = line.end;
        match lines::kind(&text[line]) {
            Kind::Blank => {}
            Kind::Comment(indent) if indent > column => end = at,
            Kind::Comment(_) | Kind::Content => break,
        }
    }
    Some(end)
}

/// Where the comment lines directly above an entry begin.
fn leading(text: &str, entries: &[(Piece, Piece)], index: usize) -> Option<usize> {
    let (key, _) = &entries[index];
    let mut start = lines::start(text, key.span.start);
    let column = key.span.start - start;
    let floor = match index.checked_sub(1) {
        Some(above) => body_end(text, &entries[above].0, &entries[above].1)?,
        None => 0,
    };
    while let Some(Range { start: above, .. }) = lines::before(text, start)
        && above >= floor
        && matches!(lines::kind(&text[above..start]), Kind::Comment(indent) if indent <= column)
    {
        start = above;
    }
    Some(start)
}

/// Whether a blank line stands above every entry but the first; of two, it may part control planes from workers.
fn is_set_apart(text: &str, entries: &[(Piece, Piece)]) -> bool {
    let has_blank_above = |index| {
        leading(text, entries, index)
            .and_then(|start| lines::before(text, start))
            .is_some_and(|above| lines::kind(&text[above]) == Kind::Blank)
    };
    entries.len() > 2 && (1..entries.len()).all(has_blank_above)
}
