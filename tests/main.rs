//! Integration tests: one binary, one link.

mod control_plane;
mod host_phases;
mod inventory;
mod lab;
mod report;
mod resources;
mod ssh;
mod topologies;
