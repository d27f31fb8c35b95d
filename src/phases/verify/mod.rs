//! The cluster does what it is for.
//!
//! As the last phase of `up`, where something was changed: hosts and a control plane wait until it does (this file). As the command
//! `verify`: the same script on every host and one on a control plane ([`quick`]), then real objects ([`trial`]; [`judge`],
//! [`balanced`] and [`stored`] say what was seen of them), and a host out of service where that is asked for ([`failover`]). Every
//! claim ([`CLAIMS`]) ends as passed, failed or not checked.

pub mod balanced;
mod claims;
pub mod failover;
pub mod judge;
pub mod quick;
mod said;
pub mod stored;
pub mod trial;

pub use claims::{CLAIMS, STAND_IN, left_out, needs_objects, sort, title};
pub use said::{HostSaid, Pairs, Said};

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use ipnet::IpNet;

use anyhow::Result;

use super::{ActionStep, Context, PHASES, PhaseId, kubeadm, shell};
use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host, PodNetwork},
    observe::Observation,
    plan::{Action, hosts_of},
    remote::Script,
    resources::compare,
};

pub(super) fn actions(
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    if !changes(cluster, artifacts, seen)? {
        return Ok(Vec::new());
    }
    let reached: Vec<_> = cluster
        .hosts
        .iter()
        .filter(|host| seen.hosts.contains_key(&host.name))
        .collect();
    Ok(steps(cluster, seen, &reached, &reached))
}

/// Checks of these hosts alone. Where a control plane or a holder of the virtual IP is among them, of all holders, of etcd and of
/// DNS too: else other members may be down without it being the business of these hosts.
pub(crate) fn of_hosts(
    cluster: &Cluster,
    seen: &Observation,
    names: &BTreeSet<String>,
) -> Vec<ActionStep> {
    let meant = |host: &&Host| names.contains(&host.name);
    let holders: BTreeSet<_> = cluster.vip_holders().map(|host| &host.name).collect();
    let all_holders = cluster.vip_holders().any(|host| meant(&host));
    let (mut asked, mut nodes) = (Vec::new(), Vec::new());
    for host in &cluster.hosts {
        if !seen.hosts.contains_key(&host.name) {
            continue;
        }
        if meant(&host) || (all_holders && holders.contains(&host.name)) {
            asked.push(host);
        }
        if meant(&host) {
            nodes.push(host);
        }
    }
    steps(cluster, seen, &asked, &nodes)
}

/// `asked` hosts look at the endpoint themselves; the API is asked about `nodes`.
fn steps(
    cluster: &Cluster,
    seen: &Observation,
    asked: &[&Host],
    nodes: &[&Host],
) -> Vec<ActionStep> {
    let holders: Vec<_> = cluster
        .vip_holders()
        .map(|host| host.name.clone())
        .collect();
    let mut steps: Vec<_> = asked
        .iter()
        .filter(|host| host.is_node() || holders.contains(&host.name))
        .map(|host| ActionStep {
            host: host.name.clone(),
            // Where its join failed there is nothing to ask.
            of: vec![host.name.clone()],
            action: on_host(cluster, host),
            needs: Vec::new(),
            after: Vec::new(),
        })
        .collect();
    let mut lines = String::new();
    for host in asked.iter().filter(|host| holders.contains(&host.name)) {
        let _ = writeln!(lines, "{} @@{}@@", host.name, answer(host));
    }
    let (needs, after) =
        (0..steps.len()).partition(|&index: &usize| holders.contains(&steps[index].host));
    steps.push(ActionStep {
        host: seen.elected.clone(),
        of: vec![seen.elected.clone()],
        action: whole(cluster, seen, nodes, lines),
        needs,
        after,
    });
    steps
}

/// Whether any other phase has something to do.
fn changes(cluster: &Cluster, artifacts: &Artifacts, seen: &Observation) -> Result<bool> {
    for phase in PHASES.iter().filter(|phase| phase.id != PhaseId::Verify) {
        if !super::actions(phase.id, cluster, artifacts, seen)?.is_empty() {
            return Ok(true);
        }
        for host in hosts_of(phase.on, cluster, &seen.elected) {
            let Some(host_seen) = seen.hosts.get(&host.name) else {
                continue;
            };
            let Some(observed) = host_seen.resources.get(&phase.id) else {
                continue;
            };
            let context = Context {
                cluster,
                host,
                facts: &host_seen.facts,
                artifacts,
            };
            if !compare(&super::resources(phase.id, &context), observed).is_empty() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn answer(host: &Host) -> String {
    super::secret_name(&format!("HOLDS_VIP_{}", host.name))
}

/// How long a host waits for its claims to hold, and whether it fails where they do not.
#[derive(Debug, Clone, Copy)]
enum Ends {
    /// What was changed may take a while to be seen everywhere.
    Waiting,
    /// Something that is lost on the way is no failure yet.
    Telling,
}

/// What a host says of the endpoint, the cluster's DNS and the virtual IP; the answer is read by [`HostSaid::parse`].
pub fn host_script(cluster: &Cluster, host: &Host) -> Script {
    script_on_host(cluster, host, Ends::Telling)
}

fn script_on_host(cluster: &Cluster, host: &Host, ends: Ends) -> Script {
    let vip = cluster
        .vip()
        .map(|vip| vip.address.to_string())
        .unwrap_or_default();
    let (word, api, dns) = match ends {
        Ends::Waiting => ("fail", "30", "120"),
        Ends::Telling => ("tell", "5", "5"),
    };
    let networked = !matches!(cluster.network.plugin, PodNetwork::None);
    let server = dns_address(cluster).filter(|_| networked && host.is_node());
    let api_service = service_address(cluster, 1);
    let (kind, wanted) = match api_service {
        Some(IpAddr::V4(one)) => ("1", format!("{:08x}", one.to_bits())),
        Some(IpAddr::V6(one)) => ("28", format!("{:032x}", one.to_bits())),
        None => ("1", String::new()),
    };
    let mut script = shell::change("verify-host")
        .arg(cluster.endpoint_address())
        .arg(vip)
        .arg(answer(host))
        .arg(shell::yes(host.is_node()))
        .arg(word)
        .arg(api)
        .arg(dns)
        .arg(server.map_or_else(String::new, |one| one.to_string()))
        .arg("53")
        .arg(dns_name(cluster))
        .arg(kind)
        .arg(wanted)
        .timeout(Duration::from_mins(4));
    script.mutating = false;
    script
}

/// Whether a host has the virtual IP: prints `yes` or `no`.
pub fn holds_script(cluster: &Cluster) -> Script {
    let vip = cluster.vip();
    let mut script = shell::change("verify-holds")
        .arg(vip.map_or_else(String::new, |vip| vip.address.to_string()))
        .timeout(Duration::from_secs(15));
    script.mutating = false;
    script
}

/// Address of the cluster's DNS: kubeadm takes the tenth of the first service network (`GetDNSIP`).
pub fn dns_address(cluster: &Cluster) -> Option<IpAddr> {
    service_address(cluster, 10)
}

/// What the cluster's DNS is asked for: it is there in every cluster, and its address is the first of the service network.
pub(crate) fn dns_name(cluster: &Cluster) -> String {
    format!("kubernetes.default.svc.{}", cluster.network.dns_domain)
}

fn service_address(cluster: &Cluster, nth: u32) -> Option<IpAddr> {
    let address = match cluster.network.services.first()? {
        IpNet::V4(net) => Ipv4Addr::from_bits(net.network().to_bits().checked_add(nth)?).into(),
        IpNet::V6(net) => {
            Ipv6Addr::from_bits(net.network().to_bits().checked_add(nth.into())?).into()
        }
    };
    Some(address)
}

fn on_host(cluster: &Cluster, host: &Host) -> Action {
    Action {
        id: format!("verify-{}", host.name),
        title: "reach the API through its endpoint".to_owned(),
        detail: Vec::new(),
        script: script_on_host(cluster, host, Ends::Waiting),
        units: ["haproxy.service", "keepalived.service"]
            .map(str::to_owned)
            .to_vec(),
        hint: "is the virtual IP up (`ip addr`), and does haproxy answer on every holder?"
            .to_owned(),
    }
}

fn whole(cluster: &Cluster, seen: &Observation, nodes: &[&Host], holders: String) -> Action {
    let planes = nodes.iter().any(|host| host.is_control_plane());
    let elected = cluster.host(&seen.elected).filter(|_| planes);
    let endpoint = elected.map_or("", kubeadm::etcd_endpoint);
    let networked = !matches!(cluster.network.plugin, PodNetwork::None);
    let mut script = shell::change("verify")
        .arg(endpoint)
        .arg(format!("v{}", cluster.version))
        .arg(shell::yes(networked))
        .attach_with_secrets("holders", holders)
        .timeout(Duration::from_mins(10));
    for host in nodes.iter().filter(|host| host.is_node()) {
        script = script.arg(&host.name);
    }
    script.mutating = false;
    Action {
        id: "verify".to_owned(),
        title: if planes {
            "verify nodes, etcd, DNS and the virtual IP".to_owned()
        } else {
            "verify nodes".to_owned()
        },
        detail: Vec::new(),
        script,
        units: vec!["kubelet.service".to_owned()],
        hint: "`kubectl get nodes,pods -A -o wide` shows what is not ready".to_owned(),
    }
}
