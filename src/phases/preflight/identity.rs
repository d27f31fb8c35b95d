//! Who a host is, and whether it is somebody else's already.

use std::collections::BTreeMap;

use super::{Found, Level, Look};

/// Identifiers that vendors leave in place of one.
const PLACEHOLDERS: &[&str] = &[
    "03000200-0400-0500-0006-000700080009",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];

pub(super) fn name(look: &Look<'_>) -> Vec<Found> {
    let name = &look.host.name;
    let label = |label: &str| {
        let edge = |letter: Option<char>| {
            letter.is_some_and(|one| one.is_ascii_lowercase() || one.is_ascii_digit())
        };
        label.len() <= 63
            && edge(label.chars().next())
            && edge(label.chars().last())
            && label
                .chars()
                .all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == '-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Vec::new();
    }
    vec![Found::new(
        Level::Failure,
        format!("`{name}`"),
        "lowercase letters, digits and dashes, parts of at most 63 separated by dots",
        "rename the host in the inventory",
    )]
}

/// Hosts that are named as twins; two hundred clones of one disk would fill the screen.
const NAMED: usize = 6;

/// `cp1 and w1`, `cp1, cp2, cp3, w1, w2, w3 and 194 more`.
fn named(hosts: &[&str]) -> String {
    if hosts.len() > NAMED {
        let more = hosts.len() - NAMED;
        return format!("{} and {more} more", hosts[..NAMED].join(", "));
    }
    match hosts.split_last() {
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => String::new(),
    }
}

/// Values of this host's facts that others have too, with all hosts that have them: the same words on each of them, so that
/// they are one line.
fn twins(look: &Look<'_>, value: impl Fn(&Look<'_>) -> Vec<String>) -> Vec<String> {
    let own = value(look);
    let mut twins: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for host in &look.cluster.hosts {
        let Some(seen) = look.seen.hosts.get(&host.name) else {
            continue;
        };
        let other = value(&Look {
            host,
            facts: &seen.facts,
            ..*look
        });
        for one in &own {
            if !one.is_empty() && other.contains(one) {
                twins.entry(one.clone()).or_default().push(&host.name);
            }
        }
    }
    twins
        .into_iter()
        .filter(|(_, hosts)| hosts.len() > 1)
        .map(|(one, hosts)| format!("{one} is on {}", named(&hosts)))
        .collect()
}

pub(super) fn hostname(look: &Look<'_>) -> Vec<Found> {
    // Where it is managed it becomes the inventory's name, which is unique.
    if look.cluster.system.manage_hostname {
        return Vec::new();
    }
    let own = &look.facts.hostname;
    let mut found: Vec<Found> = twins(look, |one| vec![one.facts.hostname.clone()])
        .into_iter()
        .map(|found| {
            Found::new(
                Level::Failure,
                found,
                "a hostname of its own",
                "`hostnamectl set-hostname`, or let `baremetal` set it: remove `manage-hostname: false` from the inventory",
            )
        })
        .collect();
    if *own != look.host.name && own.split('.').next() != Some(&look.host.name) {
        found.push(Found::new(
            Level::Warning,
            format!("`{own}`"),
            format!("`{}`, the node's name", look.host.name),
            "nothing, if both names are wanted; some tools take the hostname for the node's name",
        ));
    }
    found
}

pub(super) fn machine_id(look: &Look<'_>) -> Vec<Found> {
    let fix = "`rm /etc/machine-id && systemd-machine-id-setup`, then reboot";
    if look.facts.machine_id.is_empty() {
        return vec![Found::new(look.real(), "none", "/etc/machine-id", fix)];
    }
    twins(look, |one| vec![one.facts.machine_id.clone()])
        .into_iter()
        .map(|found| {
            Found::new(
                Level::Failure,
                found,
                "a machine-id of its own: a cloned disk was not made new",
                fix,
            )
        })
        .collect()
}

pub(super) fn product_uuid(look: &Look<'_>) -> Vec<Found> {
    let own = look.facts.one("product-uuid").to_lowercase();
    // A container has its machine's, and arm64 boards often none.
    if look.facts.container || (own.is_empty() && look.facts.arch == "arm64") {
        return Vec::new();
    }
    let fix = "give virtual machines new identifiers; of a board with a placeholder skip the check";
    if own.is_empty() {
        let why = "the firmware gives none";
        return vec![Found::unknown(why, "a product_uuid of its own", fix)];
    }
    let level = if PLACEHOLDERS.contains(&own.as_str()) {
        Level::Warning
    } else {
        look.real()
    };
    twins(look, |one| {
        vec![one.facts.one("product-uuid").to_lowercase()]
    })
    .into_iter()
    .map(|found| Found::new(level, found, "a product_uuid of its own", fix))
    .collect()
}

pub(super) fn mac(look: &Look<'_>) -> Vec<Found> {
    twins(look, |one| {
        one.facts
            .all("mac")
            .iter()
            .filter_map(|line| line.strip_suffix(" physical")?.split(' ').nth(1))
            .map(str::to_owned)
            .collect()
    })
    .into_iter()
    .map(|found| {
        Found::new(
            look.real(),
            found,
            "network cards with addresses of their own",
            "give cloned virtual machines new addresses",
        )
    })
    .collect()
}

pub(super) fn leftovers(look: &Look<'_>) -> Vec<Found> {
    let (kube, host) = (&look.facts.kube, look.host);
    let fix = "if nothing on it is wanted: `kubeadm reset -f && rm -rf /etc/kubernetes /var/lib/etcd /etc/cni/net.d`, then run again";
    let mut found = Vec::new();
    let stranger = match (&kube.ca_hash, ours(look)) {
        (Some(own), Some((of, hash))) if *own != hash => {
            Some(format!("its CA is not the one of {of}"))
        }
        _ => elsewhere(look),
    };
    if let Some(why) = stranger {
        let server = kube.server.as_deref().unwrap_or("unknown");
        found.push(Found::new(
            Level::Failure,
            format!("the host belongs to another cluster (API at {server}): {why}"),
            format!("a host that is free, or a node of `{}`", look.cluster.name),
            fix,
        ));
    }
    let configured = kube.admin_conf || kube.kubelet_conf || !kube.manifests.is_empty();
    if kube.etcd_data && !configured {
        found.push(Found::new(
            Level::Failure,
            format!(
                "data of etcd in {} but no configuration of Kubernetes",
                look.cluster.control_plane.etcd_data_dir
            ),
            "an empty directory: etcd would come up with the data of another cluster",
            "move the data away if it is wanted, else remove it",
        ));
    }
    if host.is_node()
        && !host.is_control_plane()
        && kube
            .manifests
            .iter()
            .any(|one| one == "kube-apiserver.yaml")
    {
        found.push(Found::new(
            Level::Failure,
            "a control plane runs on a host that the inventory calls a worker",
            "the role that the host has",
            "give it the role `control-plane`, or remove the node and join it again",
        ));
    }
    if !kube.kubelet_conf && !look.facts.all("cni").is_empty() && host.is_node() {
        found.push(Found::new(
            Level::Warning,
            format!("/etc/cni/net.d holds {}", look.facts.all("cni").join(", ")),
            "no network configuration of others: containerd takes the first by name",
            "remove it where nothing needs it",
        ));
    }
    found
}

/// The cluster's own CA: of the elected host, else of the first control plane that has one and points to our endpoint.
fn ours(look: &Look<'_>) -> Option<(String, String)> {
    let mut names: Vec<&str> = vec![look.seen.elected.as_str()];
    names.extend(look.cluster.control_planes().map(|host| host.name.as_str()));
    names.into_iter().find_map(|name| {
        let (host, seen) = (look.cluster.host(name)?, look.seen.hosts.get(name)?);
        let other = Look {
            host,
            facts: &seen.facts,
            ..*look
        };
        let hash = seen.facts.kube.ca_hash.clone()?;
        elsewhere(&other).is_none().then(|| (name.to_owned(), hash))
    })
}

/// Why the API server in `kubelet.conf` is not one of this cluster, if it is not.
fn elsewhere(look: &Look<'_>) -> Option<String> {
    let server = look.facts.kube.server.as_deref()?;
    let address = server.trim_start_matches("https://");
    let name = address
        .rsplit_once(':')
        .map_or(address, |(name, _)| name)
        .trim_matches(['[', ']']);
    // Since 1.31 the kubelet of a control plane may speak to the API server beside it.
    let known = name == look.cluster.endpoint.host
        || name == "127.0.0.1"
        || look
            .cluster
            .vip()
            .is_some_and(|vip| vip.address.to_string() == name)
        || look.cluster.control_planes().any(|host| {
            name == host.name || name == host.address || name == host.node_ip.to_string()
        });
    (!known).then(|| {
        format!(
            "its kubelet speaks to {server}, not to {}",
            look.cluster.endpoint_address()
        )
    })
}
