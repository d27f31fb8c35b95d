//! Connections and remote scripts; the only user of `openssh`.
