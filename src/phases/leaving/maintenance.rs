//! A node goes out of service for a while, and comes back.

use std::{net::IpAddr, time::Duration};

use super::{Chain, Emptying, MAINTENANCE, MINUTE, Mark, action, checks, script};
use crate::{
    failure::{Code, Failure},
    inventory::Host,
    observe::{LeavingSeen, NodeSeen},
    phases::PhaseId,
    plan::Plan,
    quorum::{self, Member},
};

/// A node that goes out of service for a while.
#[derive(Debug, Clone)]
pub struct Maintenance<'a> {
    pub name: &'a str,
    /// By which the file has it; empty where the file does not say by which the cluster has it.
    pub addresses: Vec<IpAddr>,
    /// The control plane through which all is done.
    pub via: &'a Host,
    pub seen: &'a LeavingSeen,
    /// Who takes it out, when and why.
    pub mark: Mark,
    /// For all pods to leave.
    pub drain: Duration,
    pub delete_unmanaged_pods: bool,
}

/// Cordon and drain. Refused ([`Code::Refused`]) where quorum or data would be out of reach meanwhile; empty where nothing is left to
/// do.
pub fn on(maintenance: &Maintenance<'_>) -> Result<Plan, Failure> {
    let Maintenance {
        name, via, seen, ..
    } = *maintenance;
    let node = node(seen, name)?;
    is_the_node(maintenance, node)?;
    let is_out = Mark::on(node, MAINTENANCE).is_some() && node.unschedulable;
    if is_out && !seen.pods.iter().any(crate::observe::PodSeen::must_leave) {
        return Ok(Plan::default());
    }
    may_be_away(seen, name)?;
    if !maintenance.delete_unmanaged_pods {
        checks::no_unmanaged_pods(seen, name, "put into maintenance")?;
    }
    let mark = maintenance.mark.clone().kept_or(node, MAINTENANCE, None);
    let emptying = Emptying {
        node: name,
        key: MAINTENANCE,
        mark: &mark,
        was_out: is_out,
        seen,
        drain: maintenance.drain,
        lose_volumes: &[],
        delete_unmanaged_pods: maintenance.delete_unmanaged_pods,
    };
    let mut chain = Chain::default();
    chain.run(PhaseId::Cordon, &via.name, emptying.cordon());
    if node.ready {
        chain.run(PhaseId::Drain, &via.name, emptying.drain());
    } else {
        chain.notes.push(format!(
            "{name} is not drained: its kubelet does not answer"
        ));
    }
    Ok(chain.into())
}

/// Undoes what [`on`] did; empty where it did nothing.
pub fn off(name: &str, via: &Host, seen: &LeavingSeen) -> Result<Plan, Failure> {
    let node = node(seen, name)?;
    let mut chain = Chain::default();
    if let Some(mark) = Mark::on(node, MAINTENANCE) {
        let title = if mark.cordoned {
            format!("uncordon {name}")
        } else {
            chain.notes.push(format!(
                "{name} stays cordoned: it was before its maintenance"
            ));
            format!("end the maintenance of {name}")
        };
        let script = script("leaving-back")
            .arg(name)
            .attach("unmark.json", mark.undo(MAINTENANCE).to_string())
            .timeout(MINUTE);
        let hint = "the same command goes on from here";
        chain.run(
            PhaseId::Uncordon,
            &via.name,
            action("uncordon", title, Vec::new(), script, hint),
        );
    }
    Ok(chain.into())
}

fn node<'a>(seen: &'a LeavingSeen, name: &str) -> Result<&'a NodeSeen, Failure> {
    seen.nodes
        .iter()
        .find(|node| node.name == name)
        .ok_or_else(|| {
            Failure::new(Code::Refused, format!("the cluster has no Node {name}"))
                .hint("`baremetal up` makes hosts of the inventory nodes")
        })
}

/// A file with another address means another machine than the one that would be drained.
fn is_the_node(maintenance: &Maintenance<'_>, node: &NodeSeen) -> Result<(), Failure> {
    let known: Vec<IpAddr> = node
        .internal_ips
        .iter()
        .filter_map(|address| address.parse().ok())
        .collect();
    let wanted = &maintenance.addresses;
    if known.is_empty() || wanted.is_empty() || wanted.iter().any(|one| known.contains(one)) {
        return Ok(());
    }
    let told = |addresses: &[IpAddr]| {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        addresses.join(", ")
    };
    let name = maintenance.name;
    Err(Failure::new(
        Code::Refused,
        format!(
            "{name} is not put into maintenance: the cluster knows it by {}, the inventory by {}: these may be two machines",
            told(&known),
            told(wanted)
        ),
    )
    .hint("put the address that the cluster knows back into the inventory, if that machine is meant"))
}

fn may_be_away(seen: &LeavingSeen, name: &str) -> Result<(), Failure> {
    let members: Vec<Member> = seen.etcd.iter().map(Member::from).collect();
    if seen.etcd.iter().any(|member| member.name == name) {
        let out = checks::others_out(seen, name);
        if !out.is_empty() {
            return Err(Failure::new(
                Code::Refused,
                format!(
                    "{name} is not put into maintenance: one control plane at a time, and {}",
                    out.join(", ")
                ),
            )
            .hint("end that first: baremetal maintenance off INVENTORY NAME"));
        }
        quorum::absence(&members, name)
            .map_err(|danger| quorum::refusal_of_absence(danger, &members, name))?;
    }
    let Some(longhorn) = &seen.longhorn else {
        return Ok(());
    };
    let dying = checks::only_here(longhorn, seen, name, |replica| replica.healthy);
    if dying.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!(
            "{name} is not put into maintenance: it alone has a healthy replica of Longhorn's volumes {}",
            checks::volumes(longhorn, &dying)
        ),
    )
    .hint("give them a second replica (`numberOfReplicas`) and wait until it is healthy"))
}
