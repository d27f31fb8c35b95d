//! A new entry written as its neighbours are.

use serde_json::Value;

use super::{
    NewHost,
    layout::{Piece, Shape},
    lines,
    scalar::Writing,
};
use saphyr_parser::ScalarStyle;

/// How one inventory writes its hosts.
#[derive(Debug)]
pub struct Style<'a> {
    writing: Writing,
    form: Form,
    /// The address alone, where there is nothing else to say: `w1: 10.0.0.21`.
    short: bool,
    /// Between the colon and the value.
    gap: &'a str,
    /// Distance from the start of the name to the value where values stand in one column.
    column: Option<usize>,
    /// Keys in the order in which a neighbour has them.
    order: Vec<&'a str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Flow,
    /// Settings below the name, indented by so many spaces.
    Block(usize),
}

impl<'a> Style<'a> {
    /// The style of the entry after which a new one is to stand, and of its neighbours where it does not tell.
    pub fn of(text: &'a str, hosts: &'a Piece, after: usize) -> Self {
        let entries = hosts.entries();
        let flow = matches!(hosts.shape, Shape::Map { flow: true, .. });
        let near = &entries[after];
        let nearest_map = entries[..=after].iter().rev().chain(&entries[after + 1..]);
        let model = nearest_map
            .filter(|(_, value)| !value.entries().is_empty())
            .find(|(_, value)| matches!(value.shape, Shape::Map { .. }));
        let form = match model {
            Some((key, value)) if !flow => form(text, key, value),
            _ => Form::Flow,
        };
        let gap = gap(text, near).unwrap_or(" ");
        Self {
            writing: Writing {
                padded: model.is_some_and(|(_, value)| text[value.span.clone()].contains("{ ")),
                json: is_json(entries),
                dense: gap.is_empty(),
                quote: quote(hosts),
            },
            form,
            short: matches!(near.1.shape, Shape::Scalar { .. }),
            gap,
            column: column(text, entries),
            order: model.map_or(Vec::new(), |(_, value)| {
                let keys = value.entries().iter();
                keys.filter_map(|(key, _)| key.text()).collect()
            }),
        }
    }

    /// The entry's lines, indented below its name alone.
    pub fn entry(&self, host: &NewHost) -> Vec<String> {
        let settings = self.in_order(host.settings());
        let mut head = [&self.writing.text(&host.name), ":"].concat();
        let value = match settings.as_slice() {
            [(_, Value::String(address))] if self.short => self.writing.text(address),
            settings => match self.form {
                Form::Flow => {
                    let entries = settings.iter().map(|(key, value)| (*key, value));
                    self.writing.map(entries)
                }
                Form::Block(step) => {
                    let mut lines = vec![head];
                    for (key, value) in settings {
                        self.block(&mut lines, key, value, step, step);
                    }
                    return lines;
                }
            },
        };
        match self.column {
            Some(column) if column > head.len() => {
                head.push_str(&" ".repeat(column - head.len()));
            }
            Some(_) => head.push(' '),
            None => head.push_str(self.gap),
        }
        head.push_str(&value);
        vec![head]
    }

    fn block(&self, lines: &mut Vec<String>, key: &str, value: &Value, indent: usize, step: usize) {
        let head = [&" ".repeat(indent), self.writing.text(key).as_str(), ":"].concat();
        match value {
            Value::Object(map) if !map.is_empty() => {
                lines.push(head);
                for (key, value) in map {
                    self.block(lines, key, value, indent + step, step);
                }
            }
            value => lines.push([&head, " ", &self.writing.value(value)].concat()),
        }
    }

    /// A neighbour's keys first, as it has them.
    fn in_order(&self, mut settings: Vec<(&'static str, Value)>) -> Vec<(&'static str, Value)> {
        let place = |key: &str| self.order.iter().position(|have| *have == key);
        settings.sort_by_key(|(key, _)| place(key).unwrap_or(self.order.len()));
        settings
    }
}

fn form(text: &str, key: &Piece, value: &Piece) -> Form {
    let Shape::Map {
        flow: false,
        entries,
    } = &value.shape
    else {
        return Form::Flow;
    };
    let column = |piece: &Piece| piece.span.start - lines::start(text, piece.span.start);
    let child = entries.first().map_or(0, |(child, _)| column(child));
    Form::Block(child.saturating_sub(column(key)).max(1))
}

/// What stands between the colon and the value, on the same line.
fn gap<'a>(text: &'a str, (key, value): &(Piece, Piece)) -> Option<&'a str> {
    let between = text.get(key.span.end..value.span.start)?;
    let gap = between.trim_start_matches(' ').strip_prefix(':')?;
    gap.bytes().all(|byte| byte == b' ').then_some(gap)
}

/// The distance from names to values, where names differ in length and values stand in one column.
fn column(text: &str, entries: &[(Piece, Piece)]) -> Option<usize> {
    let on_line: Vec<_> = entries
        .iter()
        .filter(|entry| gap(text, entry).is_some())
        .collect();
    let distance = |(key, value): &(Piece, Piece)| value.span.start - key.span.start;
    let first = on_line.first()?;
    let names_differ = on_line
        .iter()
        .any(|(key, _)| key.span.len() != first.0.span.len());
    let in_column = on_line
        .iter()
        .all(|entry| distance(entry) == distance(first));
    (names_differ && in_column).then(|| distance(first))
}

/// Whether every name is quoted, as in JSON.
fn is_json(entries: &[(Piece, Piece)]) -> bool {
    entries
        .iter()
        .all(|(key, _)| style(key) == Some(ScalarStyle::DoubleQuoted))
}

/// The first kind of quote that the hosts have.
fn quote(hosts: &Piece) -> char {
    let mut found = None;
    hosts.each(&mut |piece| {
        let quote = match style(piece) {
            Some(ScalarStyle::SingleQuoted) => Some('\''),
            Some(ScalarStyle::DoubleQuoted) => Some('"'),
            _ => None,
        };
        found = found.or(quote);
    });
    found.unwrap_or('"')
}

fn style(piece: &Piece) -> Option<ScalarStyle> {
    match piece.shape {
        Shape::Scalar { style, .. } => Some(style),
        _ => None,
    }
}
