//! Checks before anything changes: every failure of every host in one run.
//!
//! [`check`] looks at what each host says of itself; [`wire`] is what hosts tell of each other.

mod identity;
mod machine;
mod network;
mod software;
mod storage;
pub mod wire;

use serde::Serialize;

use crate::{
    artifacts::Artifacts,
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    observe::{Facts, Observation},
};

/// One finding of a check, or how a claim of `verify` ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// Stable id of the check or claim, as `--skip-check` takes it.
    pub id: &'static str,
    pub host: String,
    pub level: Level,
    pub found: String,
    pub needed: String,
    pub fix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Failure,
    Warning,
    /// The check could not be made: never taken for passed.
    Skipped,
    /// It is as it should be: `verify` says so of every claim.
    Passed,
}

macro_rules! checks {
    ($($id:literal, $title:literal, $check:path;)* between hosts $($wire:literal, $what:literal;)*) => {
        /// Id and title of every check, in the order in which they are made.
        pub const IDS: &[(&str, &str)] = &[$(($id, $title),)* $(($wire, $what)),*];
        const BETWEEN: &[&str] = &[$($wire),*];
        const CHECKS: &[(&str, Check)] = &[$(($id, $check)),*];
    };
}

#[rustfmt::skip]
checks! {
    "sudo",              "scripts run as root",                                           machine::sudo;
    "os",                "a supported distribution and release",                          machine::os;
    "arch",              "amd64 or arm64",                                                machine::arch;
    "kernel",            "a kernel that runs Kubernetes and what the inventory asks for", machine::kernel;
    "systemd",           "systemd runs the host",                                         machine::systemd;
    "cgroup",            "the cgroup version that this Kubernetes release needs",         machine::cgroup;
    "cpus",              "processors enough for the role",                                machine::cpus;
    "memory",            "memory enough for the role",                                    machine::memory;
    "disk",              "room for images, etcd, logs and binaries",                      storage::disk;
    "file-system",       "directories that are written to are writable",                  storage::file_system;
    "noexec",            "programs may run from /usr/local/bin",                          storage::noexec;
    "swap",              "swap can be switched off where it must be",                     machine::swap;
    "name",              "a node name that DNS and Kubernetes accept",                    identity::name;
    "hostname",          "one host per hostname, the inventory's where it is not set",    identity::hostname;
    "machine-id",        "a machine-id of its own",                                       identity::machine_id;
    "product-uuid",      "a product_uuid of its own",                                     identity::product_uuid;
    "mac",               "network cards with addresses of their own",                     identity::mac;
    "clock",             "clocks that agree",                                             machine::clock;
    "time-sync",         "something keeps the clock",                                     machine::time_sync;
    "address",           "the node's address is on an interface",                         network::address;
    "vip",               "the virtual IP is free or ours",                                network::vip;
    "ports",             "ports that Kubernetes needs are free or ours",                  network::ports;
    "resolv-conf",       "name servers that pods can reach",                              network::resolv_conf;
    "firewall",          "a firewall lets the cluster's ports through",                   network::firewall;
    "leftovers",         "nothing of another cluster",                                    identity::leftovers;
    "package-lock",      "the package manager is free",                                   software::package_lock;
    "container-runtime", "no other container engine or configuration in the way",         software::container_runtime;
    "containerd",        "a containerd that goes with this Kubernetes release",           software::containerd;
    "load-balancer",     "no haproxy or keepalived of somebody else's",                   software::load_balancer;
    "selinux",           "SELinux lets the load balancer work, and is known to enforce",  software::selinux;
    "etcd-directory",    "an empty directory for etcd",                                   storage::etcd_directory;
    "longhorn-iscsi",    "iSCSI for Longhorn's volumes",                                  storage::iscsi;
    "longhorn-nfs",      "NFS for volumes with many writers",                             storage::nfs;
    "longhorn-crypt",    "dm_crypt for encrypted volumes",                                storage::crypt;
    "multipath",         "multipathd leaves Longhorn's devices alone",                    storage::multipath;
    "data-disk",         "data disks are there and mounted",                              storage::data_disk;
    between hosts
    "wire",              "a host that can take part in the checks below; skips them all";
    "reach",             "hosts reach the ports of each other that the cluster needs";
    "mtu",               "packets of full size get from host to host";
    "vrrp-id",           "nobody else uses the VRRP id";
    "pool",              "MetalLB's addresses are free or ours";
    "etcd-disk",         "a disk that is fast enough for etcd";
    "registries",        "registries, mirrors and download servers answer";
    "dns",               "name servers answer, names are known";
    "time-servers",      "time servers answer";
}

/// What a check may look at. Pure data.
struct Look<'a> {
    cluster: &'a Cluster,
    artifacts: &'a Artifacts,
    host: &'a Host,
    facts: &'a Facts,
    seen: &'a Observation,
}

impl Look<'_> {
    /// Whether the host is a node already: what it has been found big enough for is not asked again.
    fn joined(&self) -> bool {
        self.facts.kube.kubelet_conf
    }

    /// A failure on a host that is to become a node, a warning on one that is.
    fn sizing(&self) -> Level {
        if self.joined() {
            Level::Warning
        } else {
            Level::Failure
        }
    }

    /// A failure on a real machine, a warning on a lab host, which has what its container engine gives it.
    fn real(&self) -> Level {
        if self.host.lab {
            Level::Warning
        } else {
            Level::Failure
        }
    }
}

type Check = fn(&Look<'_>) -> Vec<Found>;

/// A finding before it is known whose it is.
#[derive(Debug)]
struct Found {
    level: Level,
    what: String,
    needed: String,
    fix: String,
}

impl Found {
    fn new(
        level: Level,
        what: impl Into<String>,
        needed: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            level,
            what: what.into(),
            needed: needed.into(),
            fix: fix.into(),
        }
    }

    /// For checks that could not be made: never taken for passed.
    fn unknown(why: impl Into<String>, needed: impl Into<String>, fix: impl Into<String>) -> Self {
        let why = format!("could not be checked: {}", why.into());
        Self::new(Level::Skipped, why, needed, fix)
    }
}

/// All findings, host by host in the order of the inventory.
pub fn check(cluster: &Cluster, artifacts: &Artifacts, seen: &Observation) -> Vec<Finding> {
    let mut findings = Vec::new();
    for host in &cluster.hosts {
        let Some(one) = seen.hosts.get(&host.name) else {
            continue;
        };
        let look = Look {
            cluster,
            artifacts,
            host,
            facts: &one.facts,
            seen,
        };
        for (id, check) in CHECKS {
            if skipped(cluster, host, id) {
                continue;
            }
            findings.extend(check(&look).into_iter().map(|found| Finding {
                id,
                host: host.name.clone(),
                level: found.level,
                found: found.what,
                needed: found.needed,
                fix: found.fix,
            }));
        }
    }
    findings
}

fn skipped(cluster: &Cluster, host: &Host, id: &str) -> bool {
    cluster
        .run
        .skip_checks
        .iter()
        .chain(&host.skip_checks)
        .any(|skip| skip == id || (skip == wire::ALL && BETWEEN.contains(&id)))
}

/// Whether every check that the user skips is one.
///
/// # Errors
/// [`Code::Usage`] with all ids, and the nearest for each that is none.
pub fn known_skips(cluster: &Cluster) -> anyhow::Result<()> {
    let mut unknown: Vec<&str> = cluster
        .run
        .skip_checks
        .iter()
        .chain(cluster.hosts.iter().flat_map(|host| &host.skip_checks))
        .map(String::as_str)
        .filter(|skip| !IDS.iter().any(|(id, _)| id == skip))
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    if unknown.is_empty() {
        return Ok(());
    }
    let named: Vec<String> = unknown
        .iter()
        .map(|skip| {
            let nearest = IDS
                .iter()
                .map(|(id, _)| (strsim::damerau_levenshtein(id, skip), *id))
                .min()
                .filter(|(distance, _)| *distance <= 3);
            match nearest {
                Some((_, id)) => format!("`{skip}` (did you mean `{id}`?)"),
                None => format!("`{skip}`"),
            }
        })
        .collect();
    let ids: Vec<&str> = IDS.iter().map(|(id, _)| *id).collect();
    Err(Failure::new(
        Code::Usage,
        format!("no such check to skip: {}", named.join(", ")),
    )
    .hint(format!("checks are: {}", ids.join(", ")))
    .into())
}
