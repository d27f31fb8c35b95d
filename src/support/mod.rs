//! What somebody who helps wants to see of a cluster, without its secrets: what hosts are asked, and the archive of their answers.
//!
//! Everything that goes into the archive passes one [`Redactor`].

mod archive;
mod extent;
mod keyed;
mod redact;
mod script;

pub use archive::{Archive, Manifest, Origin};
pub use redact::Redactor;
pub use script::{Section, host_script, sections};
