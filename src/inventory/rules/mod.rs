//! Rules between settings, over the whole cluster.

use super::{Cluster, context::Context};

/// Records every broken rule.
pub fn check(_context: &mut Context<'_>, _cluster: &Cluster) {}
