//! What may not leave: the last of something, or what others need.

use std::collections::BTreeSet;

use super::{Leaving, MAINTENANCE, Mark, identity};
use crate::{
    failure::{Code, Failure},
    observe::{LeavingSeen, LonghornSeen, Replica},
    quorum::{self, Member},
};

pub(super) fn removal(leaving: &Leaving<'_>) -> Result<(), Failure> {
    identity::is_the_node(leaving)?;
    must_be_dead(leaving)?;
    quorum_is_kept(leaving)?;
    data_is_kept(leaving)?;
    pods_can_be_asked(leaving)?;
    let asked = leaving.is_alive() || leaving.facts.is_some() && !leaving.was_begun();
    if asked && !leaving.options.delete_unmanaged_pods {
        no_unmanaged_pods(leaving.seen, leaving.name, "removed")?;
    }
    Ok(())
}

/// A host that we cannot reset must be dead, or it goes on as a member that nobody knows.
fn must_be_dead(leaving: &Leaving<'_>) -> Result<(), Failure> {
    if leaving.facts.is_some() {
        return Ok(());
    }
    let name = leaving.name;
    let lives = if leaving.is_alive() {
        "its kubelet reports to the API"
    } else if leaving.member().is_some_and(|member| member.healthy) {
        "its member of etcd answers"
    } else {
        return Ok(());
    };
    let (why, hint) = if leaving.host.is_some() {
        (
            "cannot be reached over SSH",
            format!(
                "make SSH to {name} work, so that it can be drained and reset; or switch the machine off, wait until `kubectl get nodes` shows it NotReady, and run the same command again"
            ),
        )
    } else {
        (
            "is not in the inventory",
            format!(
                "put its entry back into the inventory, so that it can be drained and reset; or switch the machine off, wait until `kubectl get nodes` shows {name} NotReady, and run the same command again"
            ),
        )
    };
    Err(Failure::new(
        Code::Refused,
        format!("{name} is not removed: it {why}, but it is not dead: {lives}"),
    )
    .hint(hint))
}

/// A kubelet that does not run on a machine that does may be back in a moment: only an earlier run of ours stops it for good.
/// Without it no pod is asked to go, and no budget is respected.
fn pods_can_be_asked(leaving: &Leaving<'_>) -> Result<(), Failure> {
    let runs = leaving.facts.is_none_or(|facts| facts.kube.kubelet_active);
    if runs || leaving.node().is_none() || leaving.was_begun() {
        return Ok(());
    }
    let name = leaving.name;
    let pods = leaving.seen.pods.iter().filter(|pod| pod.must_leave());
    let mut there: Vec<String> = pods.map(|pod| format!("pod {}", pod.place())).collect();
    there.extend(
        leaving
            .seen
            .longhorn
            .iter()
            .flat_map(|longhorn| &longhorn.replicas)
            .filter(|replica| replica.node == name)
            .map(|replica| format!("replica of volume {}", replica.volume)),
    );
    if there.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!(
            "{name} is not removed: its kubelet does not run, so that what is there cannot be moved first: {}",
            there.join(", ")
        ),
    )
    .hint(format!(
        "start the kubelet (`systemctl start kubelet` on {name}) and run the same command again; if the machine serves no more or was made \
         new: --dead"
    )))
}

fn quorum_is_kept(leaving: &Leaving<'_>) -> Result<(), Failure> {
    let Some(member) = leaving.member() else {
        return Ok(());
    };
    let name = Member::from(member).name;
    let members: Vec<Member> = leaving.seen.etcd.iter().map(Member::from).collect();
    quorum::removal(&members, &name)
        .map(|_| ())
        .map_err(|danger| quorum::refusal(danger, &members, &name))
}

/// Volumes of which the node has a replica that `counts`, and no other living node a healthy one.
pub(super) fn only_here<'a>(
    longhorn: &'a LonghornSeen,
    seen: &LeavingSeen,
    name: &str,
    counts: fn(&Replica) -> bool,
) -> BTreeSet<&'a str> {
    let elsewhere: BTreeSet<&str> = longhorn
        .replicas
        .iter()
        .filter(|replica| replica.healthy && replica.node != name && lives(seen, &replica.node))
        .map(|replica| replica.volume.as_str())
        .collect();
    longhorn
        .replicas
        .iter()
        .filter(|replica| counts(replica) && replica.node == name)
        .map(|replica| replica.volume.as_str())
        .filter(|volume| !elsewhere.contains(volume))
        .collect()
}

fn lives(seen: &LeavingSeen, node: &str) -> bool {
    seen.nodes.iter().any(|one| one.name == node && one.ready)
}

/// `pvc-1 (shop/data), pvc-2`
pub(super) fn volumes(longhorn: &LonghornSeen, names: &BTreeSet<&str>) -> String {
    let told: Vec<String> = names
        .iter()
        .map(|volume| match longhorn.claims.get(*volume) {
            Some(claim) => format!("{volume} ({claim})"),
            None => (*volume).to_owned(),
        })
        .collect();
    told.join(", ")
}

/// Longhorn can move what a living node has, if it has not failed and any other node takes it; what a dead one alone has is lost.
fn data_is_kept(leaving: &Leaving<'_>) -> Result<(), Failure> {
    let Some(longhorn) = &leaving.seen.longhorn else {
        return Ok(());
    };
    let name = leaving.name;
    let mut dying = only_here(longhorn, leaving.seen, name, |replica| replica.was_healthy);
    let of_node = || longhorn.replicas.iter().filter(|one| one.node == name);
    let (what, instead) = if leaving.is_alive() {
        let takes = longhorn.nodes.iter().any(|node| {
            node.name != name
                && node.allow_scheduling
                && !node.eviction_requested
                && lives(leaving.seen, &node.name)
        });
        if of_node().next().is_some() && !takes {
            return Err(Failure::new(
                Code::Refused,
                format!("{name} is not removed: no other node takes the replicas that Longhorn has on it"),
            )
            .hint("add a storage node, or let Longhorn schedule on another one, then run the same command again"));
        }
        for moved in of_node().filter(|replica| replica.healthy) {
            dying.remove(moved.volume.as_str());
        }
        (
            "has the last replica, which has failed and cannot be moved,",
            "attach them, so that Longhorn salvages them".to_owned(),
        )
    } else {
        (
            "alone has a healthy replica",
            format!("bring {name} back, so that Longhorn can rebuild them elsewhere"),
        )
    };
    let lost = &leaving.options.lose_volumes;
    dying.retain(|volume| !lost.iter().any(|lost| lost == volume));
    if dying.is_empty() {
        return Ok(());
    }
    let flags: Vec<String> = dying
        .iter()
        .map(|volume| format!("--lose-volume={volume}"))
        .collect();
    Err(Failure::new(
        Code::Refused,
        format!(
            "{name} is not removed: it {what} of Longhorn's volumes {}",
            volumes(longhorn, &dying)
        ),
    )
    .hint(format!(
        "{instead}; if they are lost or worthless, say so: {}",
        flags.join(" ")
    )))
}

pub(super) fn no_unmanaged_pods(seen: &LeavingSeen, name: &str, what: &str) -> Result<(), Failure> {
    let pods: Vec<String> = seen
        .pods
        .iter()
        .filter(|pod| pod.is_unmanaged())
        .map(crate::observe::PodSeen::place)
        .collect();
    if pods.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!(
            "{name} is not {what}: nobody would make these pods again: {}",
            pods.join(", ")
        ),
    )
    .hint("delete them yourself, or let them go with --delete-unmanaged-pods"))
}

/// One control plane at a time: the others that are out, with who took them out.
pub(super) fn others_out(seen: &LeavingSeen, name: &str) -> Vec<String> {
    seen.nodes
        .iter()
        .filter(|node| node.name != name)
        .filter(|node| seen.etcd.iter().any(|member| member.name == node.name))
        .filter_map(|node| {
            let mark = Mark::on(node, MAINTENANCE)?;
            Some(format!(
                "{} is in maintenance by {}",
                node.name,
                mark.told()
            ))
        })
        .collect()
}
