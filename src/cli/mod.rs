//! The command line: types only, no logic.

mod add_node;
mod bundle;
mod exec;
mod init;
mod leaving;
mod report;
mod reset;
mod status;
mod support_bundle;
mod verify;

pub use add_node::{AddNodeArgs, NewHostArgs, RoleArg};
pub use bundle::{BundleAdd, BundleCommand, BundleCreate, KindArg, ShowFormat};
pub use exec::{ExecArgs, LimitArg, SshArgs};
pub use init::InitArgs;
pub use leaving::{
    DrainArgs, MaintenanceCommand, MaintenanceOffArgs, MaintenanceOnArgs, RemoveNodeArgs,
};
pub use report::ReportArgs;
pub use reset::{RebuildArgs, ResetArgs};
pub use status::{StatusArgs, StatusFormat};
pub use support_bundle::SupportBundleArgs;
pub use verify::{FailoverArg, VerifyArgs};

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use semver::Version;

/// One inventory, one command: bare machines become a highly available Kubernetes cluster.
#[derive(Debug, Parser)]
#[command(
    name = "baremetal",
    version,
    max_term_width = 120,
    after_help = "Example:\n  baremetal up inventory.yaml\n\nExit codes:\n    0  done\n    1  internal error\n    2  wrong usage\n    3  mistake in the inventory\n    4  a host cannot be reached\n    5  a preflight check failed, or an artifact is missing or damaged\n    6  a phase failed (verify: a claim; status: the cluster is not well)\n    7  the plan has changes (plan --exit-code)\n    8  refused for safety\n    9  locked by another run\n  130  interrupted"
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the hosts of an inventory the cluster that it describes; run again, it changes nothing
    #[command(
        after_help = "Examples:\n  baremetal up inventory.yaml\n  baremetal up inventory.yaml --limit 'role:worker,!w2'  # nobody joins\n  baremetal up inventory.yaml --bundle ./bundle --output json --junit up.xml"
    )]
    Up(UpArgs),
    /// Show what `up` would do, in execution order, with the difference of every file; changes nothing
    #[command(
        after_help = "Examples:\n  baremetal plan inventory.yaml\n  baremetal plan inventory.yaml --exit-code  # 7: there is something to do"
    )]
    Plan(PlanArgs),
    /// Join hosts to a cluster that runs; nothing else is touched but what must learn of them
    #[command(
        after_help = "Examples:\n  baremetal add-node inventory.yaml w3                    # stands in the file\n  baremetal add-node inventory.yaml w4=10.0.0.24 w5=10.0.0.25 # written there\n  baremetal add-node inventory.yaml cp2=10.0.0.12 cp3=10.0.0.13 \\\n    --role control-plane\n  baremetal add-node inventory.yaml w3 --dry-run"
    )]
    AddNode(Box<AddNodeArgs>),
    /// Run every preflight check on every host; changes nothing
    #[command(
        after_help = "Examples:\n  baremetal check inventory.yaml\n  baremetal check inventory.yaml --offline    # the inventory alone"
    )]
    Check(CheckArgs),
    /// Show how the cluster is now, from nodes to volumes, within seconds, also when half of it is down; changes nothing
    #[command(
        after_help = "Exit code: 0 when all is well, 4 when a host or the API could not be asked, 6 when something is wrong.\n\nExamples:\n  baremetal status inventory.yaml\n  baremetal status inventory.yaml --watch\n  baremetal status inventory.yaml -o json | jq '.problems[].what'"
    )]
    Status(StatusArgs),
    /// Put what helps to find a fault into one archive, secrets removed: facts, plan, logs and state of every host
    #[command(
        after_help = "Examples:\n  baremetal support-bundle inventory.yaml\n  baremetal support-bundle inventory.yaml --limit 'cp*' --out /tmp/cp.tar.gz"
    )]
    SupportBundle(SupportBundleArgs),
    /// Prove that the cluster does what it is for, with real objects that are removed again
    #[command(
        after_help = "Examples:\n  baremetal verify inventory.yaml\n  baremetal verify inventory.yaml --quick      # makes nothing\n  baremetal verify inventory.yaml --failover   # the virtual IP moves, watched\n  baremetal verify inventory.yaml --failover=node --max-gap 10s"
    )]
    Verify(VerifyArgs),
    /// Take a node out of service for a while, and bring it back
    #[command(
        after_help = "Examples:\n  baremetal maintenance on inventory.yaml w1 --reason 'new disk'\n  baremetal maintenance off inventory.yaml w1"
    )]
    Maintenance {
        #[command(subcommand)]
        command: MaintenanceCommand,
    },
    /// Drain nodes, take them out of etcd and the cluster, reset their hosts and edit the inventory; dead machines too
    #[command(
        after_help = "Examples:\n  baremetal remove-node inventory.yaml w2\n  baremetal remove-node inventory.yaml cp1 --dead --keep-entry # replaced\n  baremetal remove-node inventory.yaml w2 w3 --yes=homelab"
    )]
    RemoveNode(RemoveNodeArgs),
    /// Write a first inventory: asks, looks at the hosts, and proposes what fits them
    #[command(
        after_help = "Examples:\n  baremetal init\n  baremetal init cluster.yaml --host 'cp1 10.0.0.11' \\\n    --host 'cp2 10.0.0.12' --host 'cp3 10.0.0.13' --yes\n  baremetal init cluster.yaml --from-kubespray inventory/mycluster"
    )]
    Init(Box<InitArgs>),
    /// Write every file of every host into a directory, without connecting to any
    #[command(after_help = "Example:\n  baremetal render inventory.yaml --out rendered/")]
    Render(RenderArgs),
    /// End the cluster and make it again on the same hosts, keeping what `up` would not change; for pipelines
    #[command(
        after_help = "Examples:\n  baremetal rebuild inventory.yaml --yes=homelab \\\n    --output json --junit rebuild.xml\n  baremetal rebuild lab.yaml --yes=lab --recreate-lab"
    )]
    Rebuild(RebuildArgs),
    /// Give hosts back as they were before `up`: asks for the cluster's name first; running it again changes nothing
    #[command(
        after_help = "Examples:\n  baremetal reset inventory.yaml\n  baremetal reset inventory.yaml --yes=homelab --packages\n  baremetal reset inventory.yaml old1    # a host that is no member any more"
    )]
    Reset(ResetArgs),
    /// Fetch the administrator's kubeconfig into a file that only you can read
    #[command(after_help = "Example:\n  baremetal kubeconfig inventory.yaml --out ~/.kube/homelab")]
    Kubeconfig(KubeconfigArgs),
    /// Run a command on many hosts, as root, with the connections and limits of `up`
    #[command(
        after_help = "Examples:\n  baremetal exec inventory.yaml -- systemctl is-active kubelet\n  baremetal exec inventory.yaml --limit 'role:worker,!w2' -- \\\n    'df -h /var | tail -n 1'"
    )]
    Exec(ExecArgs),
    /// Open a shell on a host, or run a command there, with the inventory's user, port, key and jump host
    #[command(
        after_help = "Examples:\n  baremetal ssh inventory.yaml cp1\n  baremetal ssh inventory.yaml cp1 -- sudo journalctl -fu kubelet"
    )]
    Ssh(SshArgs),
    /// Draw a run as one HTML file: hosts on a time axis, why it took so long, what failed; lists the runs kept
    #[command(
        after_help = "Examples:\n  baremetal report                           # the runs that are kept\n  baremetal report --last\n  baremetal report --last --cluster homelab --out up.html\n  baremetal report events.jsonl --out -   # kept from `--output json`"
    )]
    Report(ReportArgs),
    /// Make, extend and check bundles of binaries, images, charts and manifests for use without internet
    #[command(
        after_help = "Example:\n  baremetal bundle create --inventory inventory.yaml bundle.tar.gz"
    )]
    Bundle {
        #[command(subcommand)]
        command: BundleCommand,
    },
    /// Hosts made from the inventory's `lab:` block
    #[command(
        after_help = "Example:\n  baremetal lab ssh inventories/lab.yaml cp1    # after `baremetal up`"
    )]
    Lab {
        #[command(subcommand)]
        command: LabCommand,
    },
    /// Print a JSON Schema, for editors and pipelines
    #[command(after_help = "Example:\n  baremetal schema inventory > inventory.schema.json")]
    Schema {
        /// Which schema
        kind: SchemaKind,
    },
    /// Print the manual page, or write those of every command into a directory
    #[command(
        after_help = "Examples:\n  baremetal man | man -l -\n  baremetal man --out /usr/local/share/man/man1"
    )]
    Man {
        /// Directory to write to; made where it is not there
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
    /// Print the completion script of a shell: commands and flags, and hosts and selectors of the inventory that is named
    #[command(
        after_help = "Example:\n  baremetal completions bash > /etc/bash_completion.d/baremetal"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// The inventory, how to reach its hosts, and what to print.
#[derive(Debug, Args)]
pub struct Target {
    /// The inventory: YAML, or an inventory of kubespray's
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where artifacts come from.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Take binaries, images and charts from this bundle (a directory or an archive) and nothing from the internet
    #[arg(long, env = "BAREMETAL_BUNDLE", value_hint = ValueHint::AnyPath)]
    pub bundle: Option<PathBuf>,
    /// Kubernetes version, instead of the inventory's
    #[arg(long, value_name = "VERSION")]
    pub kubernetes: Option<Version>,
}

#[derive(Debug, Args)]
pub struct ReachArgs {
    /// Accept the keys of hosts that are not in `known_hosts` yet; a changed key stops always
    #[arg(long)]
    pub accept_new_host_keys: bool,
    /// Work on at most this many hosts at once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub parallel: Option<u16>,
}

#[derive(Debug, Args)]
pub struct ConnectionArgs {
    #[command(flatten)]
    pub reach: ReachArgs,
    /// Leave out a check; may be given several times
    #[arg(long = "skip-check", value_name = "ID")]
    pub skip_checks: Vec<String>,
}

#[derive(Debug, Args)]
pub struct OutputArgs {
    /// How progress and results are printed
    #[arg(long, short, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Write a JUnit file of the run
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub junit: Option<PathBuf>,
    /// Show every change of every step
    #[arg(long, short)]
    pub verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A live view on a terminal, plain lines elsewhere
    Text,
    /// One event per line on stdout
    Json,
}

#[derive(Debug, Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub limit: LimitArg,
}

#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub limit: LimitArg,
    /// Exit with 7 when there is something to do
    #[arg(long)]
    pub exit_code: bool,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub target: Target,
    #[command(flatten)]
    pub limit: LimitArg,
    /// Check the inventory and the artifacts, and connect to no host
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
pub struct RenderArgs {
    /// The inventory: YAML, or an inventory of kubespray's
    #[arg(value_hint = ValueHint::FilePath)]
    pub inventory: PathBuf,
    /// Directory to write to; one directory per host is made in it
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: PathBuf,
    #[command(flatten)]
    pub limit: LimitArg,
    #[command(flatten)]
    pub source: SourceArgs,
}

#[derive(Debug, Args)]
pub struct KubeconfigArgs {
    #[command(flatten)]
    pub target: Target,
    /// File to write, mode 0600; `<cluster>.kubeconfig` beside the inventory when left out
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Make the hosts and leave them bare
    #[command(after_help = "Example:\n  baremetal lab up inventories/lab.yaml")]
    Up {
        #[arg(value_hint = ValueHint::FilePath)]
        inventory: PathBuf,
    },
    /// Show the hosts
    #[command(after_help = "Example:\n  baremetal lab status inventories/lab.yaml")]
    Status {
        #[arg(value_hint = ValueHint::FilePath)]
        inventory: PathBuf,
    },
    /// Remove the hosts and everything made for them
    #[command(after_help = "Example:\n  baremetal lab down inventories/lab.yaml")]
    Down {
        #[arg(value_hint = ValueHint::FilePath)]
        inventory: PathBuf,
    },
    /// Open a shell on a host, or run a command there
    #[command(
        after_help = "Example:\n  baremetal lab ssh inventories/lab.yaml cp1 -- systemctl status kubelet"
    )]
    Ssh {
        #[arg(value_hint = ValueHint::FilePath)]
        inventory: PathBuf,
        /// Name of the host
        host: String,
        /// Command and arguments; a shell when left out
        #[arg(last = true)]
        command: Vec<String>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    Inventory,
    Events,
    /// What `status --output json` prints
    Status,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
