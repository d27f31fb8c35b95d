//! `baremetal verify`.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::Target;
use crate::inventory::parse_duration;

/// Longer than this no client waits, and no host should be away.
const LONGEST: Duration = Duration::from_mins(5);

#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub target: Target,
    /// Make nothing in the cluster: the API, nodes, etcd and DNS alone, in a few seconds
    #[arg(long, conflicts_with = "failover")]
    pub quick: bool,
    /// Take the virtual IP's holder out of service too, or a whole control plane, and put it back; alone: `vip`
    #[arg(long, value_name = "WHAT", value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "vip")]
    pub failover: Option<FailoverArg>,
    /// Longest time for which `--failover` may leave clients without an answer
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = bound, requires = "failover")]
    pub max_gap: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailoverArg {
    /// keepalived of the host that holds the virtual IP
    Vip,
    /// keepalived, haproxy, the kubelet and the static pods of a control plane
    Node,
}

fn bound(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time > LONGEST {
        return Err("is too long; write at most `5m`".to_owned());
    }
    Ok(time)
}
