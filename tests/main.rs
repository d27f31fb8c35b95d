//! Integration tests: one binary, one link.

mod report;
mod resources;
mod ssh;
