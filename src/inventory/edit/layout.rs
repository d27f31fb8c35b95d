//! Where everything of an inventory's text stands: the tree of [`super::super::yaml`], with byte ranges, styles and anchors instead of
//! resolved values.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

/// A node of the text.
#[derive(Debug)]
pub struct Piece {
    /// Bytes of the text, its anchor and tag included, white space and comments after it not.
    pub span: Range<usize>,
    /// 0 when it has none; else what [`Shape::Alias`] names.
    pub anchor: usize,
    pub shape: Shape,
}

#[derive(Debug)]
pub enum Shape {
    Scalar {
        text: String,
        style: ScalarStyle,
    },
    Alias(usize),
    List(Vec<Piece>),
    Map {
        flow: bool,
        entries: Vec<(Piece, Piece)>,
    },
}

impl Piece {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.shape {
            Shape::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Piece, Piece)] {
        match &self.shape {
            Shape::Map { entries, .. } => entries,
            _ => &[],
        }
    }

    /// The entry of a key that is written here; merged ones are not.
    pub fn entry(&self, key: &str) -> Option<&(Piece, Piece)> {
        self.entries()
            .iter()
            .find(|(have, _)| have.text() == Some(key))
    }

    /// Calls `visit` for this and everything below.
    pub fn each<'a>(&'a self, visit: &mut impl FnMut(&'a Piece)) {
        visit(self);
        match &self.shape {
            Shape::List(items) => items.iter().for_each(|item| item.each(visit)),
            Shape::Map { entries, .. } => {
                for (key, value) in entries {
                    key.each(visit);
                    value.each(visit);
                }
            }
            Shape::Scalar { .. } | Shape::Alias(_) => {}
        }
    }
}

/// Reads the first document. None where the text is no YAML; the loader says why.
pub fn read(text: &str) -> Option<Piece> {
    let mut builder = Builder {
        text,
        offsets: text
            .char_indices()
            .map(|(at, _)| at)
            .chain([text.len()])
            .collect(),
        open: Vec::new(),
        root: None,
    };
    let mut parser = Parser::new_from_str(text);
    while builder.root.is_none() {
        let (event, span) = parser.next_event()?.ok()?;
        builder.event(event, span)?;
    }
    builder.root
}

struct Builder<'a> {
    text: &'a str,
    /// The byte at which each character starts: the parser counts characters.
    offsets: Vec<usize>,
    open: Vec<Open>,
    root: Option<Piece>,
}

/// A collection that has not ended yet.
struct Open {
    start: usize,
    /// Where its own opening ends, for an empty block collection.
    opened: usize,
    anchor: usize,
    flow: bool,
    list: bool,
    children: Vec<Piece>,
}

impl Builder<'_> {
    /// None when the parser contradicts itself.
    fn event(&mut self, event: Event<'_>, span: Span) -> Option<()> {
        let (start, end) = (
            *self.offsets.get(span.start.index())?,
            *self.offsets.get(span.end.index())?,
        );
        let written = self.text.get(start..end)?;
        let span = start..start + written.trim_end().len();
        match event {
            Event::Scalar(text, style, anchor, _) => self.finish(Piece {
                span,
                anchor,
                shape: Shape::Scalar {
                    text: text.into_owned(),
                    style,
                },
            }),
            Event::Alias(anchor) => self.finish(Piece {
                span,
                anchor: 0,
                shape: Shape::Alias(anchor),
            }),
            Event::SequenceStart(anchor, _) => self.open(start..end, anchor, true)?,
            Event::MappingStart(anchor, _) => self.open(start..end, anchor, false)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let piece = close(self.text, self.open.pop()?)?;
                self.finish(piece);
            }
            _ => {}
        }
        Some(())
    }

    fn open(&mut self, opening: Range<usize>, anchor: usize, list: bool) -> Option<()> {
        // White space and a comment may be counted with the bracket.
        let written = self.text.get(opening.clone())?.split('#').next()?;
        let bracket = written.find(if list { '[' } else { '{' });
        self.open.push(Open {
            start: opening.start,
            opened: bracket.map_or(opening.end, |bracket| opening.start + bracket + 1),
            anchor,
            flow: bracket.is_some(),
            list,
            children: Vec::new(),
        });
        Some(())
    }

    fn finish(&mut self, piece: Piece) {
        match self.open.last_mut() {
            Some(parent) => parent.children.push(piece),
            None => self.root = Some(piece),
        }
    }
}

fn close(text: &str, open: Open) -> Option<Piece> {
    let last = open
        .children
        .last()
        .map_or(open.opened, |child| child.span.end);
    let end = if open.flow {
        bracket_after(text, last)? + 1
    } else {
        last
    };
    let shape = if open.list {
        Shape::List(open.children)
    } else {
        let mut entries = Vec::new();
        let mut children = open.children.into_iter();
        while let Some(key) = children.next() {
            entries.push((key, children.next()?));
        }
        Shape::Map {
            flow: open.flow,
            entries,
        }
    };
    Some(Piece {
        span: open.start..end,
        anchor: open.anchor,
        shape,
    })
}

/// The closing bracket of a flow collection: the parser gives the place of a comma that may stand before it.
fn bracket_after(text: &str, at: usize) -> Option<usize> {
    let mut in_comment = false;
    for (offset, byte) in text.get(at..)?.bytes().enumerate() {
        match byte {
            b'\n' => in_comment = false,
            _ if in_comment => {}
            b'#' => in_comment = true,
            b'}' | b']' => return Some(at + offset),
            _ => {}
        }
    }
    None
}
