//! What a cluster cannot spare, whoever leaves: a control plane, a host that serves the endpoint. And whose hosts these are.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    observe::Observation,
    phases::reset,
};

/// Refuses to leave no control plane.
pub(super) fn leaves_a_control_plane(staying: &Cluster) -> Result<()> {
    if staying.control_planes().next().is_none() {
        return Err(Failure::new(
            Code::Refused,
            format!(
                "no control plane would be left: {} would end, and all that it stores",
                staying.name
            ),
        )
        .hint("to take the whole cluster down: baremetal reset INVENTORY")
        .into());
    }
    Ok(())
}

/// Refuses where an address in the file is that of another cluster's host: what is done through that would be done to the nodes of
/// that cluster, which may have the same names.
pub(super) fn is_one_cluster(
    whole: &Cluster,
    staying: &Cluster,
    seen: &Observation,
) -> Result<(), Failure> {
    let hint = "an address in the inventory may be that of another cluster's host: mend it, or take the host out of this inventory; \
                `baremetal check INVENTORY` tells more";
    for host in staying.control_planes() {
        let facts = seen.hosts.get(&host.name).map(|seen| &seen.facts);
        if let Some(server) = facts.and_then(|facts| reset::other_cluster(whole, facts)) {
            return Err(Failure::new(
                Code::Refused,
                format!(
                    "{} belongs to another cluster: its kubelet talks to {server}; nothing was changed",
                    host.name
                ),
            )
            .hint(hint));
        }
    }
    let mut authorities: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, host) in &seen.hosts {
        if let Some(hash) = &host.facts.kube.ca_hash {
            authorities.entry(hash).or_default().push(name);
        }
    }
    if authorities.len() < 2 {
        return Ok(());
    }
    let told: Vec<String> = authorities
        .iter()
        .map(|(hash, names)| format!("{} ({hash})", names.join(", ")))
        .collect();
    Err(Failure::new(
        Code::Refused,
        format!(
            "the hosts of {} are of several clusters, told by their certificate authorities: {}; nothing was changed",
            whole.name,
            told.join(", and ")
        ),
    )
    .hint(hint))
}

/// Refuses to take the endpoint away: of those that hold the virtual IP one must stay that serves now. A host that was not reached, or
/// whose keepalived was stopped by an earlier run, takes nothing with it.
pub(super) fn leaves_an_endpoint(
    whole: &Cluster,
    names: &[String],
    seen: &Observation,
) -> Result<(), Failure> {
    let Some(vip) = whole.vip() else {
        return Ok(());
    };
    let facts = |host: &Host| seen.hosts.get(&host.name).map(|seen| &seen.facts);
    let (leaving, staying): (Vec<&Host>, Vec<&Host>) = whole
        .vip_holders()
        .partition(|host| names.contains(&host.name));
    let holding: Vec<&str> = leaving
        .iter()
        .filter(|host| facts(host).is_some_and(|facts| facts.unit_active(KEEPALIVED)))
        .map(|host| host.name.as_str())
        .collect();
    let missing = |host: &Host| match facts(host) {
        None => Some("not reached".to_owned()),
        Some(facts) => [KEEPALIVED, HAPROXY]
            .iter()
            .find(|unit| !facts.unit_active(unit))
            .map(|unit| format!("{unit} does not run")),
    };
    let out: Option<Vec<String>> = staying
        .iter()
        .map(|host| Some(format!("{}: {}", host.name, missing(host)?)))
        .collect();
    let Some(out) = out.filter(|_| !holding.is_empty()) else {
        return Ok(());
    };
    let failure = Failure::new(
        Code::Refused,
        format!(
            "{} not removed: nobody else serves the endpoint {}{}; nothing was changed",
            if let [one] = holding[..] {
                format!("{one} is")
            } else {
                format!("{} are", holding.join(", "))
            },
            vip.address,
            if out.is_empty() {
                String::new()
            } else {
                format!(" ({})", out.join("; "))
            }
        ),
    );
    Err(if out.is_empty() {
        failure.hint("let another host hold it first: baremetal add-node INVENTORY NAME=ADDRESS --role load-balancer")
    } else {
        failure.hint("bring one of them back first: start the machine, then baremetal up INVENTORY")
    })
}

const KEEPALIVED: &str = "keepalived.service";
const HAPROXY: &str = "haproxy.service";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inventory,
        observe::{Facts, HostSeen},
    };

    const PAIR: &str = "cluster: home\nkubernetes: 1.33.4\nendpoint: {vip: 10.0.0.10, held-by: load-balancers}\nhosts:\n\
      \x20 cp1: {address: 10.0.0.11, role: control-plane}\n\
      \x20 w1: 10.0.0.21\n\
      \x20 lb1: {address: 10.0.0.31, role: load-balancer}\n\
      \x20 lb2: {address: 10.0.0.32, role: load-balancer}\n";

    fn load(text: &str) -> (tempfile::TempDir, Cluster) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inventory.yaml");
        std::fs::write(&path, text).unwrap();
        let cluster = inventory::load(&path).unwrap();
        (directory, cluster)
    }

    /// Every host reached, of one cluster, the endpoint served by both.
    fn seen(cluster: &Cluster) -> Observation {
        let mut seen = Observation::default();
        for host in &cluster.hosts {
            let mut facts = Facts::default();
            if host.is_node() {
                facts.kube.ca_hash = Some("sha256:ours".to_owned());
                facts.kube.server = Some("https://10.0.0.10:6443".to_owned());
            }
            if cluster.vip_holders().any(|one| one.name == host.name) {
                let units =
                    [KEEPALIVED, HAPROXY].map(|unit| format!("{unit} loaded active enabled"));
                facts.raw.insert("unit".to_owned(), units.to_vec());
            }
            let resources = BTreeMap::new();
            seen.hosts
                .insert(host.name.clone(), HostSeen { facts, resources });
        }
        seen
    }

    fn kube<'a>(seen: &'a mut Observation, name: &str) -> &'a mut crate::observe::KubeFacts {
        &mut seen.hosts.get_mut(name).unwrap().facts.kube
    }

    #[test]
    fn nothing_is_done_through_another_cluster() {
        let (_directory, cluster) = load(PAIR);
        assert!(is_one_cluster(&cluster, &cluster, &seen(&cluster)).is_ok());
        let mut other = seen(&cluster);
        kube(&mut other, "cp1").server = Some("https://10.9.0.10:6443".to_owned());
        let refusal = is_one_cluster(&cluster, &cluster, &other).unwrap_err();
        assert_eq!(refusal.code, Code::Refused);
        assert_eq!(
            refusal.message,
            "cp1 belongs to another cluster: its kubelet talks to https://10.9.0.10:6443; nothing was changed"
        );
        // A control plane's kubelet may speak with the API server beside it, whose address is in the file: its authority tells.
        let mut other = seen(&cluster);
        kube(&mut other, "cp1").server = Some("https://10.0.0.11:6443".to_owned());
        kube(&mut other, "cp1").ca_hash = Some("sha256:theirs".to_owned());
        let refusal = is_one_cluster(&cluster, &cluster, &other).unwrap_err();
        assert_eq!(refusal.code, Code::Refused);
        assert_eq!(
            refusal.message,
            "the hosts of home are of several clusters, told by their certificate authorities: w1 (sha256:ours), and cp1 \
             (sha256:theirs); nothing was changed"
        );
        assert!(refusal.hint.unwrap().contains("baremetal check"));
        // Who was made new has none.
        kube(&mut other, "cp1").ca_hash = None;
        assert!(is_one_cluster(&cluster, &cluster, &other).is_ok());
    }

    #[test]
    fn the_endpoint_keeps_a_host_that_serves_it() {
        let (_directory, cluster) = load(PAIR);
        let both = seen(&cluster);
        let leave = |names: &[&str], seen: &Observation| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            leaves_an_endpoint(&cluster, &names, seen)
        };
        assert!(leave(&["lb1", "w1"], &both).is_ok());
        let refusal = leave(&["lb1", "lb2"], &both).unwrap_err();
        assert_eq!(refusal.code, Code::Refused);
        assert_eq!(
            refusal.message,
            "lb1, lb2 are not removed: nobody else serves the endpoint 10.0.0.10; nothing was changed"
        );
        let mut one = both.clone();
        one.hosts.remove("lb2");
        let refusal = leave(&["lb1"], &one).unwrap_err();
        assert_eq!(
            refusal.message,
            "lb1 is not removed: nobody else serves the endpoint 10.0.0.10 (lb2: not reached); nothing was changed"
        );
        // A dead one takes nothing with it, nor does one whose keepalived an earlier run has stopped.
        assert!(leave(&["lb2"], &one).is_ok());
        one.hosts.get_mut("lb1").unwrap().facts.raw.clear();
        assert!(leave(&["lb1"], &one).is_ok());
        let mut broken = both.clone();
        broken.hosts.get_mut("lb2").unwrap().facts.raw.insert(
            "unit".to_owned(),
            vec![
                format!("{KEEPALIVED} loaded active enabled"),
                format!("{HAPROXY} loaded failed enabled"),
            ],
        );
        let refusal = leave(&["lb1"], &broken).unwrap_err();
        assert!(
            refusal
                .message
                .contains("(lb2: haproxy.service does not run)"),
            "{refusal}"
        );
        assert!(refusal.hint.unwrap().contains("baremetal up"));
    }
}
