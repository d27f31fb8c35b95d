//! What only hosts together can tell: the network between them, what answers on it, what lies outside.
//!
//! [`plan`] says what each host listens on and probes, [`judge`] what the answers mean; the engine runs the one script of
//! `templates/observe/wire.*` on all hosts at once in between. Listeners live as long as the check. A host that is a node
//! already gets none: there the cluster's own programs answer.

mod answer;
mod judge;
mod links;
mod outside;
mod task;
mod untried;

pub use answer::{Answer, Unanswered};
pub use judge::{judge, tried};
pub use links::{Port, Proto};
pub use task::{Listen, Path, Probe, Site, Task, plan};

/// The id that stands for all of these, and of what keeps a host from taking part.
pub const ALL: &str = "wire";
