//! systemd units.

use serde::Serialize;

/// A unit that is enabled and in a state; restarted or reloaded when it is older than its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// With suffix: `haproxy.service`.
    pub unit: String,
    pub state: ServiceState,
    pub enabled: bool,
    /// Files whose change needs a restart.
    pub restart_on: Vec<String>,
    /// Files whose change needs a reload only.
    pub reload_on: Vec<String>,
    /// Whether a host without the unit is a failure.
    pub required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    Running,
    Stopped,
    /// Enabled, but its running state is somebody else's (kubelet before kubeadm).
    Any,
}
