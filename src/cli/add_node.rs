//! `add-node`.

use clap::Args;

use super::Target;

#[derive(Debug, Args)]
pub struct AddNodeArgs {
    #[command(flatten)]
    pub target: Target,
    /// Hosts of the inventory that join
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask on a terminal whether to go on
    #[arg(long, short)]
    pub yes: bool,
}
