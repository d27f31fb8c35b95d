//! Rules between settings, over the whole cluster: what no single value shows.

mod addresses;
mod args;
mod endpoint;
mod hosts;
mod kubernetes;
mod metallb;
mod networks;
mod paths;
mod storage;

use super::{Cluster, context::Context};

/// Records every broken rule.
pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    hosts::check(context, cluster);
    networks::check(context, cluster);
    addresses::check(context, cluster);
    kubernetes::check(context, cluster);
    args::check(context, cluster);
    if let Some(metallb) = &cluster.metallb {
        metallb::check(context, metallb);
    }
    storage::check(context, cluster);
    paths::check(context, cluster);
}
