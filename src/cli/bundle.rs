//! `baremetal bundle …`.

use std::path::PathBuf;

use clap::{Subcommand, ValueHint};

#[derive(Debug, Subcommand)]
pub enum BundleCommand {
    /// Check every item of a bundle
    Verify {
        /// The bundle: a directory or an archive
        #[arg(value_hint = ValueHint::AnyPath)]
        bundle: PathBuf,
    },
}
