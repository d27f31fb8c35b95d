//! Things on a host that have a state: how each is probed, compared and applied.
//!
//! Pure: a resource yields shell text and reads the text that the shell printed; it never sees a connection.

mod artifact;
mod file;
mod kernel;
mod package;
mod probe;
mod service;

pub use artifact::{Archive, Binary, Blob, Image};
pub use file::{Absent, Block, Directory, File};
pub use kernel::{Hostname, Module, SwapOff, Sysctl};
pub use package::Package;
pub use probe::{Observed, apply_script, compare, parse_probe, probe_script};
pub use service::{Service, ServiceState};

use serde::Serialize;

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
    /// `create`, `update`, `install`, `load`, `set`, `start`, `restart`, `reload`, `enable`, `disable`, `remove`, `transfer`, `import`.
    pub verb: &'static str,
    /// One line: `file /etc/haproxy/haproxy.cfg`, `package haproxy`.
    pub summary: String,
    /// Unified diff of a text file; never of one that holds a secret.
    pub diff: Option<String>,
}
