//! Connections and remote scripts against a real sshd on loopback.

mod connect;
mod exec;
mod hosts;
mod init;
mod limit;
mod script;
mod session;
mod sshd;
mod status;
mod sudo;
mod support_bundle;
mod transfer;
