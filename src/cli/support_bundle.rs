//! Arguments of `support-bundle`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{LimitArg, ReachArgs, SourceArgs};

#[derive(Debug, Args)]
pub struct SupportBundleArgs {
    /// The inventory: YAML, or an inventory of kubespray's
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub reach: ReachArgs,
    #[command(flatten)]
    pub limit: LimitArg,
    /// File to write, mode 0600; `support-CLUSTER-TIME.tar.gz` in this directory when left out
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}
