//! Things on a host that have a state: how each is probed, compared and applied.
//!
//! Pure: a resource yields shell text and reads the text that the shell printed; it never sees a connection. Each kind has
//! five functions beside its type: `label` names it, `ask` adds to the questions of a probe, `read` picks its answer,
//! `compare` says what must be done, `apply` writes the line that does it.

mod apply;
mod archive;
mod artifact;
mod compare;
#[cfg(test)]
mod compare_tests;
mod file;
mod image;
mod kernel;
mod package;
mod probe;
mod remove;
mod service;

pub use apply::{apply_script, staged_path, verify_apply};
pub use archive::Archive;
pub use artifact::{Binary, Blob};
pub use compare::compare;
pub use file::{Absent, Block, Directory, File, unified_diff};
pub use image::Image;
pub use kernel::{Hostname, Module, SwapOff, Sysctl};
pub use package::Package;
pub use probe::{Observed, parse_probe, probe_script};
pub use remove::made;
pub use service::{Service, ServiceState};

use serde::Serialize;

use crate::artifacts::Item;
use apply::Calls;
use compare::Verdict;
use probe::{Answers, Questions};

/// One resource of a host, in the order in which a phase lists it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    Directory(Directory),
    File(File),
    Block(Block),
    Absent(Absent),
    Package(Package),
    Module(Module),
    Sysctl(Sysctl),
    SwapOff(SwapOff),
    Hostname(Hostname),
    Service(Service),
    Binary(Binary),
    Archive(Archive),
    Image(Image),
    Blob(Blob),
}

/// What must be done to a resource, as the plan shows it and the engine does it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub resource: Resource,
    /// `create`, `update`, `install`, `load`, `set`, `start`, `restart`, `reload`, `stop`, `enable`, `disable`, `remove`, `transfer`, `import`.
    pub verb: &'static str,
    /// One line: `file /etc/haproxy/haproxy.cfg`, `package haproxy`.
    pub summary: String,
    /// Unified diff of a text file; never of one that holds a secret.
    pub diff: Option<String>,
}

impl Change {
    /// The artifact that must lie at [`staged_path`] before the change is applied.
    pub fn artifact(&self) -> Option<&Item> {
        match &self.resource {
            Resource::Binary(binary) if self.verb == "transfer" => Some(&binary.item),
            Resource::Archive(archive) if self.verb == "transfer" => Some(&archive.item),
            Resource::Blob(blob) if self.verb == "transfer" => Some(&blob.item),
            Resource::Image(image) => image.item.as_ref(),
            _ => None,
        }
    }
}

/// Calls one function of whatever kind a resource is.
macro_rules! each {
    ($resource:expr, $kind:ident => $call:expr) => {
        match $resource {
            Resource::Directory($kind) => $call,
            Resource::File($kind) => $call,
            Resource::Block($kind) => $call,
            Resource::Absent($kind) => $call,
            Resource::Package($kind) => $call,
            Resource::Module($kind) => $call,
            Resource::Sysctl($kind) => $call,
            Resource::SwapOff($kind) => $call,
            Resource::Hostname($kind) => $call,
            Resource::Service($kind) => $call,
            Resource::Binary($kind) => $call,
            Resource::Archive($kind) => $call,
            Resource::Image($kind) => $call,
            Resource::Blob($kind) => $call,
        }
    };
}

impl Resource {
    /// What it is called in plans and errors: `file /etc/haproxy/haproxy.cfg`.
    pub fn label(&self) -> String {
        each!(self, kind => kind.label())
    }

    fn ask(&self, questions: &mut Questions) {
        each!(self, kind => kind.ask(questions));
    }

    fn read(&self, answers: &Answers) -> Observed {
        each!(self, kind => kind.read(answers))
    }

    fn compare(&self, observed: &Observed, before: &[Change]) -> Option<Verdict> {
        each!(self, kind => kind.compare(observed, before))
    }

    fn apply(&self, verb: &str, calls: &mut Calls) {
        each!(self, kind => kind.apply(verb, calls));
    }
}
