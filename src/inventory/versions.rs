//! Versions of what is installed through the API, where the inventory names none. Facts of 2026-08, README section of each project.

pub const FLANNEL: &str = "v0.28.9";
pub const FLANNEL_CNI_PLUGIN: &str = "v1.9.1-flannel3";
/// Chart `tigera-operator`.
pub const CALICO: &str = "v3.32.1";
pub const CILIUM: &str = "1.20.1";
pub const METALLB: &str = "v0.16.1";
pub const LONGHORN: &str = "1.12.1";
/// Chart; Harbor itself is 2.15.1.
pub const HARBOR: &str = "1.19.1";
