//! Throwaway hosts on a local container engine: an inventory with a `lab:` block gets its machines made.
//!
//! A lab host is a container with systemd and sshd, a real address on a bridge of its own and a volume for `/var`. Nothing else in
//! the program knows of it: hosts are reached over SSH like any machine. Everything made carries the label
//! `baremetal.lab=<cluster>`, and [`down`] removes what carries it. Images are shared by all labs.
//!
//! ```text
//! lifecycle  up, status, down, the loss of a host
//! hosts      makes what is missing: network, volumes, containers      boot    waits for them, learns their keys
//! image      the hosts' image, made once per recipe                   base    what it starts from
//! engine     docker or podman, as commands                            access  key, host keys, ssh configuration
//! container, address, capabilities                                    what to ask the engine for (pure)
//! ```

mod access;
mod address;
mod base;
mod boot;
mod capabilities;
mod container;
mod engine;
mod hosts;
mod image;
mod lifecycle;

pub use access::ssh_command;
pub use container::LABEL;
pub use lifecycle::{HostState, HostStatus, destroy, down, ready, remove_images, ssh, status, up};
