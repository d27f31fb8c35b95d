//! Arguments of `status`.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::{ReachArgs, SourceArgs};

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The inventory: YAML, or an inventory of kubespray's
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How the answer is printed, on stdout
    #[arg(long, short, value_enum, default_value_t = StatusFormat::Table)]
    pub output: StatusFormat,
    /// Show it again every so many seconds, until Ctrl-C
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "5",
        value_parser = clap::value_parser!(u16).range(1..=3600)
    )]
    pub watch: Option<u16>,
    /// Say of what has not answered after so many seconds that it did not; 4 when left out, more on more than 20 hosts
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(2..=300))]
    pub timeout: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StatusFormat {
    /// For people, as wide as the terminal
    Table,
    /// One object on one line (`baremetal schema status`)
    Json,
}
