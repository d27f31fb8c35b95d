//! Kernel modules, sysctls, swap and the hostname.

use serde::Serialize;

/// A module loaded now and at boot; one that is built in counts as loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Module {
    pub name: String,
    /// A path that proves the feature is there although no module of the name is loaded: `/proc/sys/net/bridge`.
    pub proof: Option<String>,
    /// Whether a kernel that has no such module is a failure.
    pub required: bool,
}

/// The effective value; the file that keeps it over a reboot is a [`super::File`] of the phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sysctl {
    pub key: String,
    pub value: String,
    /// Whether a kernel that has no such key is a failure.
    pub required: bool,
}

/// Swap off now, in `/etc/fstab` and for systemd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SwapOff;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hostname {
    pub name: String,
}
