//! Edits of an inventory's text that leave everything else as its owner wrote it: comments, order, indentation and style.
//!
//! ```text
//! text ──layout──▶ where each entry stands ──block | flow──▶ splices ──▶ new text ──loader──▶ must be the old one ± these hosts
//! ```
//!
//! Nothing is guessed: where an edit would change more than the host it is about, it is refused, with the lines to write by hand.

mod block;
mod by_hand;
mod compare;
mod file;
mod flow;
mod layout;
mod lines;
mod new_host;
mod scalar;
mod style;

use std::{ops::Range, path::Path};

pub use file::InventoryFile;
use layout::{Piece, Shape};
pub use new_host::NewHost;
pub use scalar::Writing;

use super::{Cluster, Host, LoadOptions, Role, diagnostic::Mistake, load};
use crate::failure::{Code, Failure};

/// One change of an inventory.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "there are a handful of them")]
pub enum Change {
    /// After the last host with the same roles, else at the end.
    Add(NewHost),
    /// By name, with the comment directly above it.
    Remove(String),
}

/// An inventory that was changed, and is proven to say what it should.
#[derive(Debug, Clone)]
pub struct Edited {
    pub before: String,
    pub after: String,
    /// What [`after`](Self::after) describes.
    pub cluster: Cluster,
}

impl Edited {
    /// The unified diff of the text, as for the files of a plan.
    pub fn diff(&self, file: &Path) -> String {
        let file = file.display().to_string();
        crate::resources::unified_diff(&file, &file, &self.before, &self.after)
    }
}

/// How a refusal begins that is not about the text: the inventory would have mistakes.
pub const WRONG_AFTER: &str = "it would be wrong after that";

/// Why a text was not edited, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Line and column of what is in the way, 1-based.
    pub at: Option<(usize, usize)>,
    pub why: String,
    /// The lines to add or remove by hand.
    pub by_hand: Vec<String>,
}

impl Refusal {
    fn new(why: impl Into<String>) -> Self {
        Self {
            at: None,
            why: why.into(),
            by_hand: Vec::new(),
        }
    }

    fn at(mut self, text: &str, byte: usize) -> Self {
        let line_start = lines::start(text, byte);
        let line = text[..byte].matches('\n').count() + 1;
        self.at = Some((line, text[line_start..byte].chars().count() + 1));
        self
    }

    /// With [`Code::Inventory`], for the user.
    pub fn failure(&self, file: &Path) -> Failure {
        let file = file.display();
        let place = match self.at {
            Some((line, column)) => format!("{file}:{line}:{column}"),
            None => file.to_string(),
        };
        let message = format!("{place}: {}; the file was not changed", self.why);
        let failure = Failure::new(Code::Inventory, message);
        if self.by_hand.is_empty() {
            failure
        } else {
            failure.hint(format!("by hand:\n{}", self.by_hand.join("\n")))
        }
    }
}

/// Adds one host. Fails where that cannot be done without changing more than this host.
pub fn add_host(
    text: &str,
    file: &Path,
    options: &LoadOptions,
    host: &NewHost,
) -> Result<Edited, Refusal> {
    edit(text, file, options, &[Change::Add(host.clone())])
}

/// Removes one host. Fails where that cannot be done without changing more than this host.
pub fn remove_host(
    text: &str,
    file: &Path,
    options: &LoadOptions,
    name: &str,
) -> Result<Edited, Refusal> {
    edit(text, file, options, &[Change::Remove(name.to_owned())])
}

/// Makes all changes or none; only the last text must be right: two control planes can come at once.
///
/// `file` says where the inventory lies, for the paths in it; it is neither read nor written.
pub fn edit(
    text: &str,
    file: &Path,
    options: &LoadOptions,
    changes: &[Change],
) -> Result<Edited, Refusal> {
    if load::foreign(file, text).is_some() {
        let why = "an inventory of kubespray's is read, never written";
        return Err(by_hand::kubespray(Refusal::new(why), file, text, changes));
    }
    let before = load::read_text(text, file, options)
        .map_err(|mistakes| Refusal::new(loader_says("it has mistakes already", &mistakes)))?;
    let by_hand = |refusal| by_hand::ours(refusal, text, changes);
    let mut after = text.to_owned();
    let mut known: Vec<Known> = before.1.hosts.iter().map(Known::from).collect();
    for change in changes {
        let applied = apply(&after, &known, change);
        // Places are those of the text that the user has.
        let at = |refusal: Refusal| refusal.at.filter(|_| after == text);
        after = applied
            .map_err(|refusal| Refusal {
                at: at(refusal.clone()),
                ..refusal
            })
            .map_err(by_hand)?;
        if let Change::Add(host) = change {
            known.push(Known::from(host));
        }
    }
    let read = load::read_text(&after, file, options)
        .map_err(|mistakes| Refusal::new(loader_says(WRONG_AFTER, &mistakes)))
        .map_err(by_hand)?;
    compare::only_hosts(&before, &read, changes)
        .map_err(Refusal::new)
        .map_err(by_hand)?;
    Ok(Edited {
        before: text.to_owned(),
        after,
        cluster: read.1,
    })
}

/// What the loader refuses, without the lines of a text that the user does not see.
fn loader_says(what: &str, mistakes: &[Mistake]) -> String {
    let mut said: Vec<String> = mistakes
        .iter()
        .map(|mistake| match mistake.path.as_str() {
            "" => mistake.message.clone(),
            path => format!("{path}: {}", mistake.message),
        })
        .collect();
    said.dedup();
    format!("{what}: {}", said.join("; "))
}

/// A part of a text, and what comes in its place.
#[derive(Debug)]
struct Splice {
    range: Range<usize>,
    with: String,
}

impl Splice {
    fn insert(at: usize, with: String) -> Self {
        Self {
            range: at..at,
            with,
        }
    }

    fn cut(range: Range<usize>) -> Self {
        Self {
            range,
            with: String::new(),
        }
    }
}

/// What decides beside which hosts a new one stands.
struct Known {
    name: String,
    roles: Vec<Role>,
    groups: Vec<String>,
}

impl From<&Host> for Known {
    fn from(host: &Host) -> Self {
        Self {
            name: host.name.clone(),
            roles: host.roles.clone(),
            groups: host.groups.clone(),
        }
    }
}

impl From<&NewHost> for Known {
    fn from(host: &NewHost) -> Self {
        let mut roles = host.roles.clone();
        roles.sort_unstable();
        Self {
            name: host.name.clone(),
            roles,
            groups: host.groups.clone(),
        }
    }
}

/// One change of the text alone.
fn apply(text: &str, known: &[Known], change: &Change) -> Result<String, Refusal> {
    let root = layout::read(text).ok_or_else(|| Refusal::new("its text cannot be read"))?;
    let hosts = written_hosts(text, &root)?;
    let (splices, key) = match change {
        Change::Add(host) => {
            if let Some((key, _)) = hosts.entry(&host.name) {
                let why = format!("there is a host `{}` already", host.name);
                return Err(Refusal::new(why).at(text, key.span.start));
            }
            let after = place_for(hosts, known, host);
            (add(text, hosts, after, host), &hosts.entries()[after].0)
        }
        Change::Remove(name) => {
            let index = removable(text, &root, hosts, name)?;
            (remove(text, hosts, index), &hosts.entries()[index].0)
        }
    };
    let splices = splices.ok_or_else(|| {
        let why = "the entry is not written in a way that is edited here (an explicit `?`, an anchor before a name, a tab, or two entries that share a line)";
        Refusal::new(why).at(text, key.span.start)
    })?;
    Ok(spliced(text, splices))
}

/// The mapping of hosts, where it stands in the text as such.
fn written_hosts<'a>(text: &str, root: &'a Piece) -> Result<&'a Piece, Refusal> {
    let alone = text.bytes().zip(text.bytes().skip(1).chain([b' ']));
    if alone.clone().any(|pair| pair.0 == b'\r' && pair.1 != b'\n') {
        return Err(Refusal::new(
            "it has line breaks of an old kind (a CR alone)",
        ));
    }
    let Some((_, hosts)) = root.entry("hosts") else {
        return Err(Refusal::new("its hosts come by a merge (`<<`)"));
    };
    match hosts.shape {
        Shape::Map { .. } if !hosts.entries().is_empty() => Ok(hosts),
        _ => Err(Refusal::new("its hosts come by an alias").at(text, hosts.span.start)),
    }
}

/// The entry after which a host is to stand: the last with the same roles, or groups where its roles come from these.
fn place_for(hosts: &Piece, known: &[Known], host: &NewHost) -> usize {
    let host = Known::from(host);
    let alike = |key: &Piece| {
        let mut with_name = known
            .iter()
            .filter(|have| Some(have.name.as_str()) == key.text());
        with_name.any(
            |have| match (host.roles.is_empty(), host.groups.is_empty()) {
                (false, _) => have.roles == host.roles,
                (true, false) => have.groups == host.groups,
                (true, true) => false,
            },
        )
    };
    let entries = hosts.entries();
    let last = entries.len() - 1;
    entries
        .iter()
        .rposition(|(key, _)| alike(key))
        .unwrap_or(last)
}

fn add(text: &str, hosts: &Piece, after: usize, host: &NewHost) -> Option<Vec<Splice>> {
    let entry = style::Style::of(text, hosts, after).entry(host);
    match hosts.shape {
        Shape::Map { flow: true, .. } => flow::add(text, hosts, after, &entry.concat()),
        _ => block::add(text, hosts.entries(), after, &entry),
    }
}

fn remove(text: &str, hosts: &Piece, index: usize) -> Option<Vec<Splice>> {
    match hosts.shape {
        Shape::Map { flow: true, .. } => flow::remove(text, hosts, index),
        _ => block::remove(text, hosts.entries(), index),
    }
}

/// The entry of a host that stands for itself: nothing else refers to a part of it.
fn removable(text: &str, root: &Piece, hosts: &Piece, name: &str) -> Result<usize, Refusal> {
    let index = hosts
        .entries()
        .iter()
        .position(|(key, _)| key.text() == Some(name));
    let Some(index) = index else {
        return Err(match hosts.entry("<<") {
            Some((key, _)) => Refusal::new(format!("host `{name}` may come by this merge"))
                .at(text, key.span.start),
            None => Refusal::new(format!("there is no host `{name}`")),
        });
    };
    let (key, value) = &hosts.entries()[index];
    let mut anchors = Vec::new();
    for piece in [key, value] {
        piece.each(&mut |piece| anchors.extend((piece.anchor > 0).then_some(piece.anchor)));
    }
    let own = key.span.start..value.span.end;
    let mut user = None;
    root.each(&mut |piece| {
        if let Shape::Alias(anchor) = piece.shape
            && anchors.contains(&anchor)
            && !own.contains(&piece.span.start)
        {
            user.get_or_insert(piece.span.start);
        }
    });
    match user {
        Some(user) => {
            let line = text[..user].matches('\n').count() + 1;
            let why = format!(
                "host `{name}` holds an anchor that line {line} refers to; move what both share under `defaults` or a group"
            );
            Err(Refusal::new(why).at(text, key.span.start))
        }
        None => Ok(index),
    }
}

fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|splice| splice.range.start);
    let mut result = text.to_owned();
    for splice in splices.into_iter().rev() {
        result.replace_range(splice.range, &splice.with);
    }
    result
}
