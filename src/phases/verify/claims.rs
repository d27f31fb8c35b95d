//! What a cluster does when it is whole, claim by claim, and how a claim ends.

use std::collections::BTreeSet;

use crate::{
    failure::{Code, Failure},
    inventory::Cluster,
    phases::preflight::{Finding, Level},
};

/// Id and title of every claim, in the order in which they are looked at.
#[rustfmt::skip]
pub const CLAIMS: &[(&str, &str)] = &[
    ("api",                "every node reaches the API through its endpoint, with the cluster's own CA"),
    ("vip",                "exactly one host holds the virtual IP"),
    ("nodes",              "every node of the inventory is Ready, at the inventory's version"),
    ("etcd",               "every control plane's member of etcd is healthy, and one leads"),
    ("dns",                "the cluster's DNS answers every node"),
    ("pods",               "pods of every two nodes reach each other, both ways"),
    ("load-balancer",      "a Service of type LoadBalancer gets an address of the pools"),
    ("load-balancer-arp",  "exactly one node answers ARP for it"),
    ("load-balancer-http", "HTTP comes through to it from the machine that runs baremetal"),
    ("storage",            "a claim on Longhorn binds, and a pod's node mounts it"),
    ("storage-move",       "its data is there when its pod has moved to another node"),
    ("cleanup",            "nothing is left of what was made to find out"),
    ("failover",           "with a host out of service, clients go without an answer no longer than the bound"),
];

/// The sentence that a claim stands for; empty for an id that is none.
pub fn title(id: &str) -> &'static str {
    CLAIMS
        .iter()
        .find(|(name, _)| *name == id)
        .map_or("", |(_, title)| title)
}

/// What a user leaves out, if all of it are claims.
///
/// # Errors
/// [`Code::Usage`] with every id that there is.
pub fn left_out(ids: &[String]) -> Result<BTreeSet<&'static str>, Failure> {
    let mut known = BTreeSet::new();
    let mut unknown = Vec::new();
    for id in ids {
        match CLAIMS.iter().find(|(name, _)| name == id) {
            Some((name, _)) => {
                known.insert(*name);
            }
            None => unknown.push(format!("`{id}`")),
        }
    }
    if unknown.is_empty() {
        return Ok(known);
    }
    let ids: Vec<&str> = CLAIMS.iter().map(|(id, _)| *id).collect();
    Err(Failure::new(
        Code::Usage,
        format!("verify looks at nothing called {}", unknown.join(", ")),
    )
    .hint(format!("what can be left out: {}", ids.join(", "))))
}

/// Whether anything is wanted for which objects must be made.
pub fn needs_objects(left_out: &BTreeSet<&'static str>) -> bool {
    OBJECTS.iter().any(|id| !left_out.contains(id))
}

/// Claims that need objects in the cluster.
pub(super) const OBJECTS: [&str; 6] = [
    "pods",
    "load-balancer",
    "load-balancer-arp",
    "load-balancer-http",
    "storage",
    "storage-move",
];

/// The claim holds.
pub(super) fn holds(id: &'static str, host: &str, found: impl Into<String>) -> Finding {
    Finding {
        id,
        host: host.to_owned(),
        level: Level::Passed,
        found: found.into(),
        needed: String::new(),
        fix: String::new(),
    }
}

/// The claim does not hold. Needed is what the claim says.
pub(super) fn broken(
    id: &'static str,
    host: &str,
    found: impl Into<String>,
    fix: impl Into<String>,
) -> Finding {
    Finding {
        id,
        host: host.to_owned(),
        level: Level::Failure,
        found: found.into(),
        needed: title(id).to_owned(),
        fix: fix.into(),
    }
}

/// Nobody could find out, and why: never taken for passed.
pub(super) fn unknown(id: &'static str, host: &str, why: impl Into<String>) -> Finding {
    Finding {
        id,
        host: host.to_owned(),
        level: Level::Skipped,
        found: format!("not checked: {}", why.into()),
        needed: title(id).to_owned(),
        fix: String::new(),
    }
}

/// Claims in their order, of each the hosts as the inventory has them.
pub fn sort(findings: &mut [Finding], cluster: &Cluster) {
    let claim = |id: &str| CLAIMS.iter().position(|(name, _)| *name == id);
    let place = |name: &str| cluster.hosts.iter().position(|host| host.name == name);
    findings.sort_by_key(|finding| (claim(finding.id), place(&finding.host)));
}

/// What a test double has no way to show, said of every claim that needs pods.
pub const STAND_IN: &str = "Kubernetes is a stand-in, which runs no containers";
