//! What resolving and judging an inventory share: the tree for positions, the directory for files, and the mistakes found.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    Host, SecretSource,
    diagnostic::{Mistake, Position},
    forms::ComponentVersion,
    schema::{Secret, SecretPlace},
    yaml::{Node, Yaml},
};
use crate::catalog::catalog;

/// The inventory being read.
pub struct Context<'a> {
    pub tree: &'a Node,
    /// Paths in the inventory are relative to it.
    pub directory: PathBuf,
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<String>,
    /// What the bundle holds, as (name, version): the version of a component that the inventory does not name.
    pub bundle: Vec<(String, String)>,
}

impl<'a> Context<'a> {
    pub fn new(tree: &'a Node, file: &Path, mistakes: Vec<Mistake>) -> Self {
        Self {
            tree,
            directory: file.parent().unwrap_or(Path::new("")).to_owned(),
            mistakes,
            warnings: Vec::new(),
            bundle: Vec::new(),
        }
    }

    /// The version of a component of the catalog: the one written, else the bundle's, else the catalog's.
    pub fn component(&self, written: Option<ComponentVersion>, name: &str) -> String {
        if let Some(version) = written {
            return version.0;
        }
        let default = catalog().default_version(name);
        let mut held = self
            .bundle
            .iter()
            .filter(|(held, _)| held == name)
            .map(|(_, version)| version);
        match held.clone().find(|version| *version == default) {
            Some(version) => version.clone(),
            None => held.next().map_or(default, String::as_str).to_owned(),
        }
    }

    /// The keys of a mapping, in the order of the file.
    pub fn keys(&self, path: &[&str]) -> Vec<String> {
        let (node, depth) = self.find(path);
        if depth < path.len() {
            return Vec::new();
        }
        node.entries()
            .iter()
            .map(|(key, _)| key.text.clone())
            .collect()
    }

    /// Where the key (not the value) of an entry stands.
    pub fn key_position(&self, path: &[&str]) -> Position {
        let Some((last, parents)) = path.split_last() else {
            return self.tree.at;
        };
        let (node, _) = self.find(parents);
        node.entry(last).map_or(node.at, |(key, _)| key.at)
    }

    /// Whether something is written there.
    pub fn has(&self, path: &[&str]) -> bool {
        self.find(path).1 == path.len()
    }

    /// Whether nothing at or below a path was refused so far: rules need not judge what could not be read.
    pub fn is_clean(&self, path: &[&str]) -> bool {
        let path = display(path);
        let below = |mistake: &Mistake| {
            mistake
                .path
                .strip_prefix(&path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        !self.mistakes.iter().any(below)
    }

    /// Records a mistake at the deepest place of `path` that is written in the file. List items are `[0]`.
    pub fn refuse(&mut self, path: &[&str], message: impl Into<String>) {
        let (node, depth) = self.find(path);
        let at = node.at;
        let mistake = Mistake::new(at, display(&path[..depth]), message);
        self.mistakes.push(mistake);
    }

    /// Records a mistake of one host where it is written: at the host, at one of its groups, or at the defaults.
    pub fn refuse_host(&mut self, host: &Host, rest: &[&str], message: impl Into<String>) {
        let own: Vec<&str> = [&["hosts", host.name.as_str()], rest].concat();
        let groups = host
            .groups
            .iter()
            .rev()
            .map(|group| [&["groups", group.as_str()], rest].concat());
        let mut inherited = groups.chain([[&["defaults"], rest].concat()]);
        if self.has(&own) {
            return self.refuse(&own, message);
        }
        match inherited.find(|path| self.has(path)) {
            Some(path) => self.refuse(&path, message),
            None => self.refuse(&own, message),
        }
    }

    /// As [`refuse`](Self::refuse), at the key of the entry.
    pub fn refuse_key(&mut self, path: &[&str], message: impl Into<String>) {
        let mistake = Mistake::new(self.key_position(path), display(path), message);
        self.mistakes.push(mistake);
    }

    pub fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }

    fn find(&self, path: &[&str]) -> (&'a Node, usize) {
        let mut node = self.tree;
        for (depth, segment) in path.iter().enumerate() {
            let next = match &node.value {
                Yaml::Map(_) => node.get(segment),
                Yaml::List(items) => index(segment).and_then(|at| items.get(at)),
                Yaml::Scalar(_) => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, depth),
            }
        }
        (node, path.len())
    }

    /// A path of the inventory: `~` is the home directory, everything else is relative to the inventory.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        match (path.strip_prefix("~"), home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.directory.join(path),
        }
    }

    /// A file or directory that must be there.
    pub fn existing(&mut self, at: &[&str], path: &Path) -> PathBuf {
        let resolved = self.resolve(path);
        if let Err(error) = fs::metadata(&resolved) {
            let message = format!(
                "`{}` cannot be used: {}; looked for {}",
                path.display(),
                reason(&error),
                resolved.display()
            );
            self.refuse(at, message);
        }
        resolved
    }

    /// The content of a file that must be there.
    pub fn content(&mut self, at: &[&str], path: &Path) -> String {
        let resolved = self.resolve(path);
        match fs::read_to_string(&resolved) {
            Ok(content) => content,
            Err(error) => {
                let message = format!(
                    "`{}` cannot be read: {}; looked for {}",
                    path.display(),
                    reason(&error),
                    resolved.display()
                );
                self.refuse(at, message);
                String::new()
            }
        }
    }

    /// Where a secret comes from; the file must be there, its content is not read now.
    pub fn secret(&mut self, at: &[&str], secret: Secret) -> SecretSource {
        match secret {
            Secret::Prompt(_) => SecretSource::Prompt,
            Secret::From(SecretPlace {
                file: Some(file),
                env: None,
            }) => SecretSource::File(self.existing(&[at, &["file"]].concat(), &file)),
            Secret::From(SecretPlace {
                file: None,
                env: Some(name),
            }) => {
                let fits = name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                if !fits || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
                    let message = "is not the name of an environment variable; write the name, never the secret";
                    self.refuse(&[at, &["env"]].concat(), message);
                }
                SecretSource::Env(name)
            }
            Secret::From(_) => {
                if self.is_clean(at) {
                    let message = "needs exactly one source; write `{file: PATH}` or `{env: NAME}`";
                    self.refuse(at, message);
                }
                SecretSource::Prompt
            }
        }
    }
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::InvalidData => "it is not UTF-8 text".to_owned(),
        _ => error.to_string(),
    }
}

/// `hosts.cp1.taints[0]`.
fn display(path: &[&str]) -> String {
    let mut text = String::new();
    for segment in path {
        if !text.is_empty() && index(segment).is_none() {
            text.push('.');
        }
        text.push_str(segment);
    }
    text
}

fn index(segment: &str) -> Option<usize> {
    segment.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}
