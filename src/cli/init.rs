//! `baremetal init`: every question has a flag here.

use std::path::PathBuf;

use clap::{Args, ValueHint};

#[derive(Debug, Args, Default, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct InitArgs {
    /// The inventory to write
    #[arg(default_value = "inventory.yaml", value_hint = ValueHint::FilePath)]
    pub inventory: PathBuf,
    /// A host: `NAME ADDRESS [ROLE…]` or `[USER@]ADDRESS`; may be given several times
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// A list of hosts, one a line, written as for `--host`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub hosts_file: Option<PathBuf>,
    /// Hosts of the ssh configuration, by name or with `*`; may be given several times
    #[arg(long = "ssh-host", value_name = "NAME")]
    pub ssh_hosts: Vec<String>,
    /// ssh configuration instead of `~/.ssh/config`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ssh_config: Option<PathBuf>,
    /// Convert an inventory of kubespray's, with its group variables, and list what cannot be carried over
    #[arg(long, value_name = "DIR", value_hint = ValueHint::AnyPath,
        conflicts_with_all = ["hosts", "hosts_file", "ssh_hosts", "ssh_config", "cluster", "kubernetes", "control_planes", "user", "sudo_password", "key", "jump", "endpoint", "interface", "metallb", "pods", "services", "longhorn", "offline"])]
    pub from_kubespray: Option<PathBuf>,
    /// Name of the cluster
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,
    /// Kubernetes version
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<String>,
    /// How many of the hosts, from the first, are control planes, where no host has a role
    #[arg(long, value_name = "N")]
    pub control_planes: Option<String>,
    /// User to log in as; `none` leaves it to ssh
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Where sudo's password comes from, for a user that needs one: `prompt`, `env:NAME` or `file:PATH`
    #[arg(long, value_name = "SOURCE")]
    pub sudo_password: Option<String>,
    /// Private key file; left to ssh when not given
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Jump host, as `ssh -J` takes it; left to ssh when not given
    #[arg(long, value_name = "HOST")]
    pub jump: Option<String>,
    /// Where the API is reached: a free address, or `HOST:PORT` of a load balancer of your own
    #[arg(long, value_name = "ADDRESS")]
    pub endpoint: Option<String>,
    /// Interface of the virtual IP; `auto` takes the one with each host's address
    #[arg(long, value_name = "NAME")]
    pub interface: Option<String>,
    /// Addresses for Services of type `LoadBalancer`, such as `10.0.0.200-10.0.0.219`; `none` leaves MetalLB out
    #[arg(long, value_name = "RANGE")]
    pub metallb: Option<String>,
    /// Pod network
    #[arg(long, value_name = "CIDR")]
    pub pods: Option<String>,
    /// Service network
    #[arg(long, value_name = "CIDR")]
    pub services: Option<String>,
    /// Replicated storage by Longhorn: `yes` or `no`
    #[arg(long, value_name = "YES|NO")]
    pub longhorn: Option<String>,
    /// Take what is proposed for every question that has no flag
    #[arg(long)]
    pub yes: bool,
    /// Connect to no host: propose from the addresses alone
    #[arg(long)]
    pub offline: bool,
    /// Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always
    #[arg(long)]
    pub accept_new_host_keys: bool,
    /// Overwrite the inventory when it is there
    #[arg(long)]
    pub force: bool,
}
