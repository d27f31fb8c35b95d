//! `baremetal exec` and `baremetal ssh`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{Format, ReachArgs};

#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The inventory: YAML, or an inventory of kubespray's
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: PathBuf,
    #[command(flatten)]
    pub limit: LimitArg,
    /// Kill the command on a host after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub timeout: u32,
    #[command(flatten)]
    pub reach: ReachArgs,
    /// How results are printed
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// One word is a line of shell; several are a command and its arguments, passed as they are
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// `--limit`, for every verb that can work on some hosts of an inventory.
#[derive(Debug, Args)]
pub struct LimitArg {
    /// Only these hosts: names, globs, `group:NAME`, `role:NAME`, `!` for all but, separated by commas
    #[arg(long, value_name = "SEL")]
    pub limit: Option<String>,
}

#[derive(Debug, Args)]
pub struct SshArgs {
    /// The inventory: YAML, or an inventory of kubespray's
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: PathBuf,
    /// Name of the host, or a selector as `--limit` takes it that means one
    pub host: String,
    /// Command and arguments; a shell when left out
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<String>,
}
