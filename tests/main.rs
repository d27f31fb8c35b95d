//! Integration tests: one binary, one link.

mod inventory;
mod report;
mod resources;
mod ssh;
