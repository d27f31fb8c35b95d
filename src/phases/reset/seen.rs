//! What of `up` is on a host, as `reset/observe.sh` tells it.

use anyhow::{Result, bail};
use serde::Serialize;

/// What a reset would find on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent answers of one script"
)]
pub struct HostLeft {
    /// Whether anything of `up` has been here.
    pub touched: bool,
    /// Whether what was there before the first `up` is known.
    pub noted: bool,
    pub kubelet: bool,
    pub pods: bool,
    /// Files and directories of the cluster's state.
    pub state: Vec<String>,
    /// Size of etcd's data, in KiB.
    pub etcd: Option<u64>,
    pub links: Vec<String>,
    /// Chains, tables and sets, with the program that shows them.
    pub rules: Vec<String>,
    /// Parts of containerd's state.
    pub runtime: Vec<String>,
    /// Namespaces of containerd that others use, for whose sake it stays.
    pub shared_runtime: Vec<String>,
    pub longhorn: Vec<Longhorn>,
    /// Packages that came with us and are still installed.
    pub packages: Vec<String>,
}

/// Replicas of Longhorn's volumes on one disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Longhorn {
    pub disk: String,
    /// In KiB; 0 where it could not be measured in time.
    pub size: u64,
}

impl HostLeft {
    /// Whether a reset of the whole host has nothing to do.
    pub fn is_clean(&self) -> bool {
        !self.touched
            && !self.kubelet
            && !self.pods
            && self.state.is_empty()
            && self.links.is_empty()
            && self.rules.is_empty()
            && self.runtime.is_empty()
    }
}

/// Reads the answer of [`super::observe`].
///
/// # Errors
/// When the answer is cut.
pub fn parse(stdout: &str) -> Result<HostLeft> {
    let mut left = HostLeft::default();
    let mut ended = false;
    for line in stdout.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let text = value.to_owned();
        match key {
            "touched" => left.touched = true,
            "note" => left.noted = value == "whole",
            "kubelet" => left.kubelet = true,
            "pods" => left.pods = true,
            "state" => left.state.push(text),
            "etcd" => {
                *left.etcd.get_or_insert_default() += value.parse::<u64>().unwrap_or_default();
            }
            "link" => left.links.push(text),
            "rule" => left.rules.push(text),
            "runtime" => left.runtime.push(text),
            "shared-runtime" => left.shared_runtime.push(text),
            "longhorn" => {
                let (size, disk) = value.split_once(' ').unwrap_or(("", value));
                left.longhorn.push(Longhorn {
                    disk: disk.to_owned(),
                    size: size.parse().unwrap_or_default(),
                });
            }
            "package" => left.packages.push(text),
            "end" => ended = true,
            _ => {}
        }
    }
    if !ended {
        bail!("the answer about what is left on the host is cut");
    }
    Ok(left)
}
