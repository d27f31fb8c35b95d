//! Throwaway hosts on a local container engine: an inventory with a `lab:` block gets its machines made.
//!
//! A lab host is a container with systemd and sshd, a real address on a bridge of its own and a volume for `/var`. Nothing else in
//! the program knows of it: hosts are reached over SSH like any machine. Everything made carries the label
//! `baremetal.lab=<cluster>`, and [`down`] removes what carries it. Images are shared by all labs.
//!
//! ```text
//! engine   docker or podman, as commands            container  what is made for a host (pure)
//! image    the hosts' image, made once per recipe   address    what the inventory may ask for (pure)
//! access   key, host keys, ssh configuration        lifecycle  up, status, down, destroy
//! ```

mod access;
mod address;
mod capabilities;
mod container;
mod engine;
mod image;
mod lifecycle;

pub use access::ssh_command;
pub use container::LABEL;
pub use lifecycle::{HostState, HostStatus, destroy, down, remove_images, ssh, status, up};
