//! The stand-in's etcd: a small replicated map.
//!
//! The rules are Raft's, with whole-state snapshots in place of log repair: a leader elected by a majority appends entries, an
//! entry is done when a majority of voters has it on disk, a member whose last entry differs from the leader's history is given
//! the leader's state. Reads are answered by a leader that a majority has acknowledged within its lease.

mod disk;
mod election;
mod member;
mod replicate;
mod server;
mod state;

pub use member::{Error, Store};
pub use server::{Files, restore, run};
pub use state::{Held, Member, Proposal, State, digest};
