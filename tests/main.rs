//! Integration tests: one binary, one link.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]
#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a test's text is short, and reads best as it is printed"
)]

mod addons;
mod bundle;
mod cli;
mod control_plane;
mod e2e;
mod facts;
mod host_phases;
mod inventory;
mod joining;
mod lab;
mod leaving;
mod membership;
mod narrowing;
mod pipelines;
mod preflight;
mod report;
mod reset;
mod resources;
mod settings;
mod ssh;
mod status;
mod support;
mod terminal;
mod timeline;
mod topologies;
mod verify;
mod wire;
