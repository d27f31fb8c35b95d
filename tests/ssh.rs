//! Connections and remote scripts against a real sshd on loopback.

mod connect;
mod script;
mod sshd;
mod sudo;
mod transfer;
