//! Integration tests: one binary, one link.

mod control_plane;
mod inventory;
mod lab;
mod report;
mod resources;
mod ssh;
mod topologies;
