//! `add-node`.

use std::net::IpAddr;

use clap::{Args, ValueEnum};

use super::Target;

#[derive(Debug, Args)]
pub struct AddNodeArgs {
    #[command(flatten)]
    pub target: Target,
    /// Hosts that join: those of the inventory by name; others are written into it, with the settings given here. `NAME=ADDRESS`
    /// says where a new one is
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Write new hosts into the inventory before they join, not after
    #[arg(long)]
    pub write_first: bool,
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask on a terminal whether to go on
    #[arg(long, short)]
    pub yes: bool,
    #[command(flatten)]
    pub host: NewHostArgs,
}

/// Settings of hosts that are not in the inventory yet; what is left out is inherited or has its default.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings of new hosts")]
pub struct NewHostArgs {
    /// Where SSH connects, for a single new host
    #[arg(long)]
    pub address: Option<String>,
    /// Address in the cluster network, where `--address` is not one; twice for IPv4 and IPv6
    #[arg(long = "node-ip", value_name = "ADDRESS")]
    pub node_ips: Vec<IpAddr>,
    /// What the host is; may be given twice. Default: worker
    #[arg(long = "role", value_enum, value_name = "ROLE")]
    pub roles: Vec<RoleArg>,
    /// Group of the inventory; may be given several times
    #[arg(long = "group", value_name = "NAME")]
    pub groups: Vec<String>,
    /// Label of the node; may be given several times
    #[arg(long = "label", value_name = "KEY=VALUE", value_parser = pair)]
    pub labels: Vec<(String, String)>,
    /// Taint of the node; may be given several times
    #[arg(long = "taint", value_name = "KEY=VALUE:EFFECT")]
    pub taints: Vec<String>,
    /// Network interface for the virtual IP and flannel
    #[arg(long)]
    pub interface: Option<String>,
    /// Mount point for Longhorn; may be given several times
    #[arg(long = "data-disk", value_name = "PATH")]
    pub data_disks: Vec<String>,
    /// Login user
    #[arg(long, value_name = "USER")]
    pub ssh_user: Option<String>,
    /// Port of sshd
    #[arg(long, value_name = "PORT")]
    pub ssh_port: Option<u16>,
    /// Jump host, as `ssh -J` takes it
    #[arg(long, value_name = "USER@HOST:PORT")]
    pub ssh_jump: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleArg {
    ControlPlane,
    Worker,
    LoadBalancer,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| "write KEY=VALUE; the value may be empty".to_owned())?;
    Ok((key.to_owned(), value.to_owned()))
}
