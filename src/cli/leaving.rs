//! `baremetal remove-node` and `baremetal maintenance`.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::Target;
use crate::inventory::parse_duration;

#[derive(Debug, Args)]
pub struct RemoveNodeArgs {
    #[command(flatten)]
    pub target: Target,
    /// Nodes to remove, one after the other
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// The machines are dead: no SSH to them is tried, nothing is drained and reset
    #[arg(long)]
    pub dead: bool,
    /// Name of the cluster, instead of being asked for it
    #[arg(long, value_name = "CLUSTER")]
    pub yes: Option<String>,
    #[command(flatten)]
    pub drain: DrainArgs,
    /// How long Longhorn may take to rebuild replicas elsewhere; after that, the node is as it was before
    #[arg(long, value_name = "TIME", default_value = "2h", value_parser = parse_duration)]
    pub replicas_timeout: Duration,
    /// Let this volume of Longhorn's die with the node, which has its last healthy replica; may be given several times
    #[arg(long = "lose-volume", value_name = "VOLUME")]
    pub lose_volumes: Vec<String>,
    /// Leave the entries in the inventory, for machines that come back under the same names
    #[arg(long)]
    pub keep_entry: bool,
}

#[derive(Debug, Args)]
pub struct DrainArgs {
    /// How long pods may take to leave; after that, what is in the way is named and the node is as it was before
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = parse_duration)]
    pub drain_timeout: Duration,
    /// Let pods go that have no controller, so that nobody makes them again
    #[arg(long)]
    pub delete_unmanaged_pods: bool,
}

#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Cordon and drain a node, and write on it who did so, when and why
    #[command(
        after_help = "Example:\n  baremetal maintenance on inventory.yaml w1 --reason 'new disk'"
    )]
    On(MaintenanceOnArgs),
    /// Undo what `on` did, and no more than that
    #[command(after_help = "Example:\n  baremetal maintenance off inventory.yaml w1")]
    Off(MaintenanceOffArgs),
}

#[derive(Debug, Args)]
pub struct MaintenanceOnArgs {
    #[command(flatten)]
    pub target: Target,
    /// The node
    pub name: String,
    /// Why; written on the node for others to read
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub drain: DrainArgs,
}

#[derive(Debug, Args)]
pub struct MaintenanceOffArgs {
    #[command(flatten)]
    pub target: Target,
    /// The node
    pub name: String,
}
