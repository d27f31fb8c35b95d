//! Who leaves in which order, and what is left of the cluster then. Pure.

use crate::{
    engine::Outcome,
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    observe::{LeavingSeen, Observation},
    quorum::{self, Member},
};

/// A host that was reached before is not taken for dead because it is not reached now.
pub(super) fn still_reached(
    names: &[String],
    before: &Observation,
    now: &Observation,
) -> Result<(), Failure> {
    let lost: Vec<&str> = names
        .iter()
        .filter(|name| before.hosts.contains_key(*name) && !now.hosts.contains_key(*name))
        .map(String::as_str)
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Unreachable,
        format!(
            "no longer reached: {}; nothing was changed",
            lost.join(", ")
        ),
    )
    .hint("mend what is said above, then run the same command again"))
}

pub(super) fn is_plane(cluster: &Cluster, name: &str) -> bool {
    cluster.host(name).is_some_and(Host::is_control_plane)
}

pub(super) fn is_done(outcome: &Outcome, step: usize) -> bool {
    !outcome.failed.contains_key(&step)
        && !outcome.skipped.contains_key(&step)
        && !outcome.unfinished.contains(&step)
}

pub(super) fn without(cluster: &Cluster, names: &[String]) -> Cluster {
    let mut cluster = cluster.clone();
    cluster.hosts.retain(|host| !names.contains(&host.name));
    cluster
}

/// Dead members of etcd first: each that goes makes the others safer.
pub(super) fn in_order(names: &[String], views: &[(String, LeavingSeen)]) -> Vec<String> {
    let members: Vec<Member> = views
        .first()
        .map(|(_, view)| view.etcd.iter().map(Member::from).collect())
        .unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    quorum::order(&members, &names)
        .into_iter()
        .map(str::to_owned)
        .collect()
}

/// What is seen when those in `gone` have left.
pub(super) fn after(view: &LeavingSeen, gone: &[String]) -> LeavingSeen {
    let mut view = view.clone();
    view.nodes.retain(|node| !gone.contains(&node.name));
    view.etcd.retain(|member| !gone.contains(&member.name));
    if let Some(longhorn) = &mut view.longhorn {
        longhorn.nodes.retain(|node| !gone.contains(&node.name));
        longhorn
            .replicas
            .retain(|replica| !gone.contains(&replica.node));
    }
    view
}

pub(super) fn neither(name: &str, near: Option<&str>) -> String {
    let near = near
        .map(|near| format!(" (is {near} meant?)"))
        .unwrap_or_default();
    format!("{name} is neither in the inventory nor in the cluster{near}")
}
