//! `baremetal reset` and `baremetal rebuild`.

use clap::Args;

use super::Target;

#[derive(Debug, Args)]
pub struct ResetArgs {
    #[command(flatten)]
    pub target: Target,
    /// Hosts to reset; all when left out
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Name of the cluster, instead of being asked for it
    #[arg(long, value_name = "CLUSTER")]
    pub yes: Option<String>,
    /// Remove packages that `up` installed too, unless something else has come to need them
    #[arg(long)]
    pub packages: bool,
    /// Remove Longhorn's data on the hosts' disks too
    #[arg(long)]
    pub longhorn_data: bool,
    /// Reset a NAME although it is a member of a cluster that goes on; say why
    #[arg(long, value_name = "REASON", requires = "names")]
    pub although_member: Option<String>,
}

#[derive(Debug, Args)]
pub struct RebuildArgs {
    #[command(flatten)]
    pub target: Target,
    /// Name of the cluster, instead of being asked for it
    #[arg(long, value_name = "CLUSTER")]
    pub yes: Option<String>,
    /// Remove Longhorn's data on the hosts' disks too
    #[arg(long)]
    pub longhorn_data: bool,
    /// Destroy the hosts of the inventory's `lab:` block and make them anew first
    #[arg(long)]
    pub recreate_lab: bool,
}
