//! YAML as a tree in which every node knows its line and column.
//!
//! Anchors, aliases and merge keys (`<<`) are resolved; duplicate keys, other documents and foreign tags are mistakes.

use std::collections::{HashMap, HashSet};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::diagnostic::{Mistake, Position};

/// Nodes that one inventory may hold after its aliases are resolved: far above 1000 hosts, far below a bomb.
const MAX_NODES: usize = 500_000;
/// Nesting that one inventory may have.
const MAX_DEPTH: usize = 64;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub at: Position,
    pub value: Yaml,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Yaml {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<(Key, Node)>),
}

/// Text as written; whether it may be a number, a boolean or null is known from `plain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub text: String,
    /// Neither quoted nor a block.
    pub plain: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub text: String,
    pub at: Position,
}

impl Node {
    /// The value of a key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// A key and its value, when this is a mapping that has it.
    pub fn entry(&self, key: &str) -> Option<(&Key, &Node)> {
        self.entries()
            .iter()
            .find(|(have, _)| have.text == key)
            .map(|(key, node)| (key, node))
    }

    /// The entries of a mapping; none for anything else.
    pub fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Yaml::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Whether nothing was written.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Yaml::Scalar(scalar) if scalar.is_null())
    }
}

impl Scalar {
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

/// Reads one document. The tree is there even when duplicate keys were found; a syntax error leaves none.
pub fn parse(text: &str) -> (Option<Node>, Vec<Mistake>) {
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let step = match event {
            Ok((event, span)) => builder.event(event, position(span.start)),
            Err(error) => Err(syntax_mistake(
                text,
                position(*error.marker()),
                error.info(),
            )),
        };
        if let Err(mistake) = step {
            builder.mistakes.push(mistake);
            return (None, builder.mistakes);
        }
        if builder.ended {
            break;
        }
    }
    (builder.root, builder.mistakes)
}

fn position(marker: Marker) -> Position {
    Position {
        line: marker.line().max(1),
        column: marker.col() + 1,
    }
}

fn syntax_mistake(text: &str, at: Position, info: &str) -> Mistake {
    let line = text.lines().nth(at.line - 1).unwrap_or_default();
    let before = text
        .lines()
        .nth(at.line.saturating_sub(2))
        .unwrap_or_default();
    let hint = if line.contains('\t') || before.contains('\t') {
        "indent with spaces, not with tabs"
    } else if info.contains("indent") || info.contains("block mapping") {
        "check the indentation here and in the line above: keys of one mapping stand in one column"
    } else if info.contains("simple key") || info.contains("mapping values") {
        "check for a missing `:` or a missing space after it, and quote text that contains `: `"
    } else if line.contains("{{") {
        "quote text that begins with `{`; templates are not expanded in an inventory"
    } else {
        "check quotes, brackets and indentation here and in the line above"
    };
    Mistake::new(at, "", format!("this is not YAML: {info}; {hint}"))
}

/// A collection that is still open.
enum Frame {
    List {
        at: Position,
        anchor: usize,
        items: Vec<Node>,
    },
    Map(OpenMap),
}

struct OpenMap {
    at: Position,
    anchor: usize,
    entries: Vec<(Key, Node)>,
    seen: HashSet<String>,
    key: Option<Key>,
    /// Values of `<<`, merged when the mapping ends: its own keys win.
    merges: Vec<Node>,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    /// Anchored nodes and how many nodes each holds.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    documents: usize,
    root: Option<Node>,
    ended: bool,
    mistakes: Vec<Mistake>,
}

type Step = Result<(), Mistake>;

impl Builder {
    fn event(&mut self, event: Event<'_>, at: Position) -> Step {
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let what = "a second document begins here; an inventory is one document: remove `---`, or keep the rest in a file of its own";
                    self.mistakes.push(Mistake::new(at, "", what));
                    self.ended = true;
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain && !is_text_tag(tag.as_deref());
                check_tag(tag.as_deref(), at)?;
                let text = text.into_owned();
                let value = Yaml::Scalar(Scalar { text, plain });
                self.finish(Node { at, value }, anchor, 1)
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), at)?;
                let items = Vec::new();
                self.open(Frame::List { at, anchor, items }, at)
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), at)?;
                let map = OpenMap {
                    at,
                    anchor,
                    entries: Vec::new(),
                    seen: HashSet::new(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(Frame::Map(map), at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
        }
    }

    fn open(&mut self, frame: Frame, at: Position) -> Step {
        if self.stack.len() >= MAX_DEPTH {
            let what = format!("nested deeper than {MAX_DEPTH} levels; write it flatter");
            return Err(Mistake::new(at, "", what));
        }
        self.stack.push(frame);
        Ok(())
    }

    fn close(&mut self) -> Step {
        match self.stack.pop() {
            Some(Frame::List { at, anchor, items }) => {
                let value = Yaml::List(items);
                self.finish(Node { at, value }, anchor, 1)
            }
            Some(Frame::Map(map)) => {
                let (at, anchor) = (map.at, map.anchor);
                let value = Yaml::Map(self.merge(map));
                self.finish(Node { at, value }, anchor, 1)
            }
            None => Ok(()),
        }
    }

    /// Own entries first, then those of the merged mappings that are not there yet.
    fn merge(&mut self, map: OpenMap) -> Vec<(Key, Node)> {
        let OpenMap {
            mut entries,
            mut seen,
            merges,
            ..
        } = map;
        for source in merges {
            let parts = match source.value {
                Yaml::List(items) => items,
                _ => vec![source],
            };
            for part in parts {
                let Yaml::Map(more) = part.value else {
                    let what =
                        "`<<` merges a mapping; write `<<: *name` with the anchor of a mapping";
                    self.mistakes.push(Mistake::new(part.at, "", what));
                    continue;
                };
                entries.extend(
                    more.into_iter()
                        .filter(|(key, _)| seen.insert(key.text.clone())),
                );
            }
        }
        entries
    }

    fn alias(&mut self, anchor: usize, at: Position) -> Step {
        let Some((node, size)) = self.anchors.get(&anchor) else {
            let what = "this alias stands inside its own anchor; write the value out";
            return Err(Mistake::new(at, "", what));
        };
        let (node, size) = (node.clone(), *size);
        self.finish(node, 0, size)
    }

    /// Puts a finished node where it belongs. `size`: nodes that this adds to the count.
    fn finish(&mut self, node: Node, anchor: usize, size: usize) -> Step {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            let what = "aliases make this inventory larger than half a million values; write it without nested aliases";
            return Err(Mistake::new(node.at, "", what));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), count(&node)));
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame::List { items, .. }) => items.push(node),
            Some(Frame::Map(map)) => match map.key.take() {
                None => map.key = Some(key_of(node)?),
                Some(key) if key.text == "<<" => map.merges.push(node),
                Some(key) => {
                    if map.seen.insert(key.text.clone()) {
                        map.entries.push((key, node));
                    } else {
                        let first = map.entries.iter().find(|(have, _)| have.text == key.text);
                        let line = first.map_or(0, |(have, _)| have.at.line);
                        let what = format!(
                            "`{}` is there already, in line {line}; keep one of the two",
                            key.text
                        );
                        let path = self.path();
                        self.mistakes.push(Mistake::new(key.at, path, what));
                    }
                }
            },
        }
        Ok(())
    }

    /// The keys that lead to the innermost open mapping.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            match frame {
                Frame::Map(OpenMap { key: Some(key), .. }) => {
                    if !path.is_empty() {
                        path.push('.');
                    }
                    path.push_str(&key.text);
                }
                Frame::Map(_) => {}
                Frame::List { items, .. } => path.extend(["[", &items.len().to_string(), "]"]),
            }
        }
        path
    }
}

fn key_of(node: Node) -> Result<Key, Mistake> {
    match node.value {
        Yaml::Scalar(scalar) => Ok(Key {
            text: scalar.text,
            at: node.at,
        }),
        _ => Err(Mistake::new(
            node.at,
            "",
            "a key must be plain text; quote text that begins with `{` or `[`",
        )),
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.value {
        Yaml::Scalar(_) => 0,
        Yaml::List(items) => items.iter().map(count).sum(),
        Yaml::Map(entries) => entries.iter().map(|(_, node)| count(node)).sum(),
    }
}

fn is_text_tag(tag: Option<&Tag>) -> bool {
    tag.is_some_and(|tag| tag.is_yaml_core_schema() && tag.suffix == "str" || tag.suffix.is_empty())
}

fn check_tag(tag: Option<&Tag>, at: Position) -> Step {
    let Some(tag) = tag else { return Ok(()) };
    if tag.is_yaml_core_schema() || tag.suffix.is_empty() {
        return Ok(());
    }
    let what = format!(
        "the tag `{tag}` means nothing here; remove it (secrets come from `{{file: PATH}}`, `{{env: NAME}}` or `prompt`)"
    );
    Err(Mistake::new(at, "", what))
}
