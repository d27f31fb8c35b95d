//! Integration tests: one binary, one link.

mod resources;
mod ssh;
mod report;
