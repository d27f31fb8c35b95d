//! Connections and remote scripts; the only user of `openssh`.
//!
//! One `ssh` master per host with the user's own configuration, agent and jump hosts; every script is one session on it.
//! A script and all it needs travel on stdin and are run only when they have arrived complete ([`crate::remote::Script`],
//! `templates/remote/loader.sh`).

mod config;
mod connect;
mod control;
mod diagnose;
mod host_key;
mod pace;
mod payload;
mod run;
mod secrets;
mod stream;
mod transfer;

pub use config::interactive;
pub use connect::{Connection, Options};
pub use control::ControlDir;
pub use diagnose::{ConnectError, Kind};
pub use host_key::{HostKey, accept};
pub use pace::Pace;
pub use run::RunError;
pub use secrets::{Secret, Secrets};
pub use stream::{Listener, Said, Stream};
pub use transfer::{Progress, fetch_script};
