//! Whether the machine that answers at the file's address is the Node that leaves.
//!
//! The Node is found by its name, the machine by its address: where the file has another address than the cluster, a machine that
//! has nothing to do with the Node would be reset, and tell of a kubelet that is not the Node's.

use std::net::{IpAddr, SocketAddr};

use super::Leaving;
use crate::{
    failure::{Code, Failure},
    inventory::Host,
    observe::Facts,
};

/// Refuses where the machine is another Node, or has no address by which the cluster knows this one.
pub(super) fn is_the_node(leaving: &Leaving<'_>) -> Result<(), Failure> {
    let (Some(host), Some(facts)) = (leaving.host, leaving.facts) else {
        return Ok(());
    };
    let name = leaving.name;
    let other = leaving.seen.nodes.iter().find(|node| {
        node.name != name
            && node
                .internal_ips
                .iter()
                .filter_map(|address| address.parse().ok())
                .any(|address| has(facts, address))
    });
    let known = known(leaving);
    let told: Vec<String> = known.iter().map(ToString::to_string).collect();
    let told = told.join(", ");
    if let Some(other) = other {
        let hint = if known.is_empty() {
            format!(
                "the cluster has no {name}: where {} is meant, call it so in the inventory and give that name",
                other.name
            )
        } else {
            back(name, &told)
        };
        return Err(refused(
            name,
            &format!("the machine at {} is Node {}", place(host), other.name),
        )
        .hint(hint));
    }
    if known.is_empty() || known.iter().any(|address| has(facts, *address)) {
        return Ok(());
    }
    Err(refused(
        name,
        &format!(
            "the cluster knows it by {told}, which the machine at {} does not have: that is another machine",
            place(host)
        ),
    )
    .hint(back(name, &told)))
}

/// The addresses by which the cluster knows the node: of its Node, else of its member of etcd.
fn known(leaving: &Leaving<'_>) -> Vec<IpAddr> {
    if let Some(node) = leaving.node() {
        return node
            .internal_ips
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
    }
    let member = leaving.member();
    member
        .iter()
        .flat_map(|member| &member.peer_urls)
        .filter_map(|url| url.strip_prefix("https://")?.parse::<SocketAddr>().ok())
        .map(|address| address.ip())
        .collect()
}

fn has(facts: &Facts, address: IpAddr) -> bool {
    facts.interface_of(address).is_some()
}

/// Where the file says that the host is.
fn place(host: &Host) -> String {
    let node_ip = host.node_ip.to_string();
    if host.address == node_ip {
        node_ip
    } else {
        format!("{} ({node_ip})", host.address)
    }
}

fn refused(name: &str, why: &str) -> Failure {
    Failure::new(Code::Refused, format!("{name} is not removed: {why}"))
}

fn back(name: &str, known: &str) -> String {
    format!(
        "put the address that {name} has in the cluster ({known}) back into the inventory, then run the same command again; if that machine \
         is gone for good: --dead"
    )
}
