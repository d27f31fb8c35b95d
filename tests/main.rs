//! Integration tests: one binary, one link.

mod inventory;
mod lab;
mod report;
mod resources;
mod ssh;
