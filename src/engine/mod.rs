//! Runs a plan: graph, limits, cancellation, lock, journal.
//!
//! A [`Session`] holds the connections: `connect`, `facts`, `observe`, `lock`, `run`, `close`, in that order.

mod collect;
mod exec;
mod explain;
mod graph;
mod jump;
mod leaving;
mod left;
mod lock;
mod log;
mod look;
mod observe;
mod run;
mod session;
mod stage;
mod stop;
mod verify;
mod wire;

pub use collect::Collected;
pub use lock::{Lock, operator};
pub use log::{RunLog, now, runs, time};
pub use look::Looked;
pub use observe::{answers, elect, is_live};
pub use run::Outcome;
pub use session::{Options, Session};
pub use stop::{Level, Stop};
pub use verify::Verification;
