//! `baremetal report`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// A run by its name, or by the beginning of it; or a file: a log, or lines of `--output json`. Without it the runs are listed
    #[arg(value_name = "RUN", conflicts_with = "last", value_hint = ValueHint::FilePath)]
    pub run: Option<PathBuf>,
    /// The newest run
    #[arg(long)]
    pub last: bool,
    /// Only runs of this cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// File to write, mode 0600, `-` for stdout; `<run>.html` in this directory when left out
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}
