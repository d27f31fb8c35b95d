//! Whether a bundle is what its list says: every item, every mistake at once.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
};

use super::{
    From, Item, Kind, Sums,
    bundle::{Bundle, Entry, Escape, inside},
};

/// One thing wrong with one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `binary kubeadm 1.33.4 (amd64)`.
    pub item: String,
    pub wrong: Wrong,
}

/// What is wrong with an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// Needed and not in the list; why it is needed.
    NotListed(String),
    /// In the list, but only in versions that do not fit.
    Version {
        have: Vec<String>,
        why: String,
    },
    /// In the list, but the file is not there.
    NoFile(String),
    /// Absolute, with `..`, or through a link that leads out of the bundle.
    Outside(String),
    Unreadable {
        file: String,
        error: String,
    },
    Size {
        file: String,
        listed: u64,
        is: u64,
    },
    Sum {
        file: String,
        listed: String,
        is: String,
    },
    Kind(String),
    /// `sha256` in the list is no sha256.
    Malformed(String),
    Twice,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let item = &self.item;
        match &self.wrong {
            Wrong::NotListed(why) => write!(out, "{item}: missing; {why}"),
            Wrong::Version { have, why } => {
                write!(
                    out,
                    "{item}: missing, there is only {}; {why}",
                    have.join(", ")
                )
            }
            Wrong::NoFile(file) => write!(out, "{item}: no file {file}"),
            Wrong::Outside(file) => write!(out, "{item}: {file} lies outside the bundle"),
            Wrong::Unreadable { file, error } => write!(out, "{item}: cannot read {file}: {error}"),
            Wrong::Size { file, listed, is } => write!(
                out,
                "{item}: damaged, {file} has {is} bytes, bundle.yaml says {listed}"
            ),
            Wrong::Sum { file, listed, is } => write!(
                out,
                "{item}: damaged, {file} has sha256 {is}, bundle.yaml says {listed}"
            ),
            Wrong::Kind(kind) => write!(
                out,
                "{item}: unknown kind `{kind}`, write binary, archive, image, chart or manifest"
            ),
            Wrong::Malformed(sha256) => {
                write!(
                    out,
                    "{item}: sha256 `{sha256}` is not 64 hexadecimal digits"
                )
            }
            Wrong::Twice => write!(out, "{item}: listed twice"),
        }
    }
}

/// All items of a bundle whose files are what the list says, and what is wrong with the others.
pub fn check(directory: &Path, bundle: &Bundle, sums: &mut Sums) -> (Vec<Item>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut present: Vec<(&Entry, Kind, PathBuf)> = Vec::new();
    let mut seen = BTreeSet::new();
    for entry in &bundle.items {
        if !seen.insert(entry.title()) {
            problems.push(problem(entry, Wrong::Twice));
        }
        match shape(directory, entry) {
            Ok((kind, path)) => present.push((entry, kind, path)),
            Err(wrong) => problems.push(problem(entry, wrong)),
        }
    }
    let paths: Vec<PathBuf> = present.iter().map(|(_, _, path)| path.clone()).collect();
    let mut items = Vec::new();
    for ((entry, kind, path), sum) in present.into_iter().zip(sums.of(&paths)) {
        match sum {
            Ok(sum) if sum == entry.sha256.to_lowercase() => items.push(item(entry, kind, path)),
            Ok(is) => problems.push(problem(
                entry,
                Wrong::Sum {
                    file: entry.file.clone(),
                    listed: entry.sha256.clone(),
                    is,
                },
            )),
            Err(error) => problems.push(problem(
                entry,
                Wrong::Unreadable {
                    file: entry.file.clone(),
                    error: error.to_string(),
                },
            )),
        }
    }
    (items, problems)
}

/// What can be told of an entry without reading its file's content.
fn shape(directory: &Path, entry: &Entry) -> Result<(Kind, PathBuf), Wrong> {
    let kind = Kind::parse(&entry.kind).ok_or_else(|| Wrong::Kind(entry.kind.clone()))?;
    let sum = &entry.sha256;
    if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Wrong::Malformed(sum.clone()));
    }
    let path = inside(directory, &entry.file).map_err(|escape| match escape {
        Escape::Outside => Wrong::Outside(entry.file.clone()),
        Escape::Missing(_) => Wrong::NoFile(entry.file.clone()),
    })?;
    let meta = path.metadata().map_err(|error| Wrong::Unreadable {
        file: entry.file.clone(),
        error: error.to_string(),
    })?;
    if !meta.is_file() {
        return Err(Wrong::NoFile(entry.file.clone()));
    }
    match entry.size {
        Some(listed) if listed != meta.len() => Err(Wrong::Size {
            file: entry.file.clone(),
            listed,
            is: meta.len(),
        }),
        _ => Ok((kind, path)),
    }
}

fn problem(entry: &Entry, wrong: Wrong) -> Problem {
    Problem {
        item: entry.title(),
        wrong,
    }
}

fn item(entry: &Entry, kind: Kind, path: PathBuf) -> Item {
    let size = path.metadata().ok().map(|meta| meta.len());
    Item {
        name: entry.name.clone(),
        kind,
        version: entry.version.clone(),
        arch: entry.arch.clone(),
        sha256: entry.sha256.to_lowercase(),
        size,
        images: entry.images.clone(),
        from: From::Local(path),
    }
}
