//! Hosts in flow style, `{cp1: …, w1: …}`, on one line or on many, as in JSON.

use std::ops::Range;

use super::{
    Splice,
    layout::Piece,
    lines::{self, Kind},
};

/// An entry to insert after another.
pub fn add(text: &str, hosts: &Piece, after: usize, entry: &str) -> Option<Vec<Splice>> {
    let place = Place::of(text, hosts, after)?;
    let newline = lines::line_break(text, place.entry.end);
    let own_indent = place.own_indent(text);
    Some(match (place.comma, own_indent) {
        (Some(comma), Some(indent)) if lines::ends_after(text, comma + 1) => {
            let line = [indent, entry, ",", newline].concat();
            vec![Splice::insert(lines::end(text, comma), line)]
        }
        (None, Some(indent)) if lines::ends_after(text, place.entry.end) => {
            let line = [indent, entry, newline].concat();
            vec![
                Splice::insert(place.entry.end, ",".to_owned()),
                Splice::insert(lines::end(text, place.entry.end), line),
            ]
        }
        (Some(comma), _) => {
            let with = [place.gap(text), entry, ","].concat();
            vec![Splice::insert(comma + 1, with)]
        }
        (None, Some(indent)) => {
            let with = [",", newline, indent, entry].concat();
            vec![Splice::insert(place.entry.end, with)]
        }
        (None, None) => {
            let with = [",", place.gap(text), entry].concat();
            vec![Splice::insert(place.entry.end, with)]
        }
    })
}

/// Takes an entry out, and the comma that is no longer needed.
pub fn remove(text: &str, hosts: &Piece, index: usize) -> Option<Vec<Splice>> {
    let place = Place::of(text, hosts, index)?;
    let end = place.comma.map_or(place.entry.end, |comma| comma + 1);
    if place.own_indent(text).is_some() && lines::ends_after(text, end) {
        let lines = place.first_line(text)..lines::end(text, end);
        let comma_above = place
            .comma_above
            .filter(|_| place.comma.is_none())
            .map(|comma| Splice::cut(comma..comma + 1));
        return Some(
            comma_above
                .into_iter()
                .chain([Splice::cut(lines)])
                .collect(),
        );
    }
    Some(match (place.comma_above, place.comma) {
        (Some(above), Some(comma)) if is_space(text, above + 1..place.entry.start) => {
            vec![Splice::cut(above + 1..comma + 1)]
        }
        (Some(above), None) if is_space(text, above + 1..place.entry.start) => {
            vec![Splice::cut(above..place.entry.end)]
        }
        // A comment stands in the lines between: it belongs to the entry above.
        (Some(_), Some(comma)) => vec![Splice::cut(place.entry.start..comma + 1)],
        (Some(above), None) => vec![
            Splice::cut(above..above + 1),
            Splice::cut(place.entry.clone()),
        ],
        (None, Some(comma)) => {
            let next = place.next.filter(|next| is_space(text, comma + 1..*next));
            let next = next.filter(|next| !text[comma..*next].contains('\n'));
            vec![Splice::cut(place.entry.start..next.unwrap_or(comma + 1))]
        }
        (None, None) => vec![Splice::cut(place.entry.clone())],
    })
}

/// Where an entry stands among its neighbours.
struct Place {
    /// From the first byte of its name to the last of its value.
    entry: Range<usize>,
    comma_above: Option<usize>,
    comma: Option<usize>,
    /// Start of the next entry.
    next: Option<usize>,
    /// What stands between two entries on a line.
    gap: Option<Range<usize>>,
}

impl Place {
    fn of(text: &str, hosts: &Piece, index: usize) -> Option<Self> {
        let entries = hosts.entries();
        let (key, value) = entries.get(index)?;
        if text[lines::start(text, key.span.start)..key.span.start].contains('\t') {
            return None;
        }
        let start = |index: usize| entries.get(index).map(|(key, _)| key.span.start);
        let comma_after = |index: usize| {
            let (_, value) = entries.get(index)?;
            let until = start(index + 1).unwrap_or(hosts.span.end.checked_sub(1)?);
            comma(text, value.span.end..until).ok()?
        };
        let readable = |index: usize| {
            let (_, value) = &entries[index];
            let until = start(index + 1).unwrap_or(hosts.span.end.saturating_sub(1));
            comma(text, value.span.end..until).is_ok()
        };
        let comma_above = index.checked_sub(1).and_then(comma_after);
        if !readable(index) || (index > 0 && comma_above.is_none()) {
            return None;
        }
        let own = comma_after(index);
        let next = start(index + 1);
        let gaps = [
            own.zip(next).map(|(comma, next)| comma + 1..next),
            comma_above.map(|comma| comma + 1..key.span.start),
        ];
        let gap = gaps
            .into_iter()
            .flatten()
            .find(|gap| text[gap.clone()].bytes().all(|byte| byte == b' '));
        Some(Self {
            entry: key.span.start..value.span.end,
            comma_above,
            comma: own,
            next,
            gap,
        })
    }

    /// What stands before the name, when the name is the first of its line.
    fn own_indent<'a>(&self, text: &'a str) -> Option<&'a str> {
        let indent = &text[lines::start(text, self.entry.start)..self.entry.start];
        (indent.trim_start().is_empty() && lines::start(text, self.entry.start) > 0)
            .then_some(indent)
    }

    fn gap<'a>(&self, text: &'a str) -> &'a str {
        self.gap.clone().map_or(" ", |gap| &text[gap])
    }

    /// Start of the entry's first line, or of the comment lines directly above.
    fn first_line(&self, text: &str) -> usize {
        let mut start = lines::start(text, self.entry.start);
        while let Some(above) = lines::before(text, start)
            && matches!(lines::kind(&text[above.clone()]), Kind::Comment(_))
        {
            start = above.start;
        }
        start
    }
}

fn is_space(text: &str, range: Range<usize>) -> bool {
    text[range].trim_start().is_empty()
}

/// The comma between a value and what follows it; an error where anything but white space and comments stands there too.
fn comma(text: &str, between: Range<usize>) -> Result<Option<usize>, ()> {
    let mut found = None;
    let mut in_comment = false;
    for (at, byte) in text.get(between.clone()).ok_or(())?.bytes().enumerate() {
        match byte {
            b'\n' => in_comment = false,
            _ if in_comment => {}
            b'#' => in_comment = true,
            b',' if found.is_none() => found = Some(between.start + at),
            b' ' | b'\t' | b'\r' => {}
            _ => return Err(()),
        }
    }
    Ok(found)
}
