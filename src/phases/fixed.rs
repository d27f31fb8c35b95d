//! What a cluster keeps for its life: settings that are written into every node, certificate and address at `kubeadm init`.
//!
//! They are compared with what the live cluster says of itself, and a change is refused before anything else happens. Pure.

use std::path::Path;

use serde_json::Value;

use super::{Differences, Refusal, kubeadm};
use crate::{
    inventory::{Cluster, EndpointKind, Host, PodNetwork},
    observe::Observation,
};

/// Every setting of the file that the live cluster cannot take on any more, with `file` as the user calls it.
pub(super) fn differences(cluster: &Cluster, seen: &Observation, file: &Path) -> Differences {
    let mut found = Differences::default();
    let Some(live) = seen
        .api
        .as_ref()
        .and_then(|api| api.cluster_configuration.as_ref())
    else {
        return found;
    };
    let file = file.display();
    for (pointer, key, wanted, why) in settings(cluster) {
        let Some(live) = live.pointer(pointer).and_then(Value::as_str) else {
            continue;
        };
        if live == wanted {
            continue;
        }
        let why = if why.is_empty() {
            String::new()
        } else {
            format!(": {why}")
        };
        found.refusals.push(Refusal::new(
            format!("{key} is {wanted} in the file, but {live} in the cluster{why}"),
            format!(
                "put `{key}` back to {} in {file}",
                live.trim_start_matches('v')
            ),
        ));
    }
    found.refusals.extend(encryption(cluster, live, &file));
    found.refusals.extend(plugin(cluster, seen, &file));
    for host in cluster.nodes() {
        found.refusals.extend(kubelet(cluster, host, seen, &file));
    }
    found
}

/// The port of API servers that have data, told by their manifests: where the file has another, none of them is found to answer, and
/// what holds the ports would be taken for a stranger.
pub(super) fn port(cluster: &Cluster, seen: &Observation, file: &Path) -> Option<Refusal> {
    let wanted = cluster.apiserver_port();
    let (host, live) = cluster.control_planes().find_map(|host| {
        let facts = &seen.hosts.get(&host.name)?.facts;
        let live: u16 = facts.one("secure-port").parse().ok()?;
        (facts.kube.etcd_data && live != wanted).then_some((&host.name, live))
    })?;
    let instead = match &cluster.endpoint.kind {
        EndpointKind::External => "put `endpoint` back to what it was".to_owned(),
        EndpointKind::Vip(_) if cluster.endpoint.port == live => {
            "write `held-by: load-balancers` under `endpoint:`".to_owned()
        }
        EndpointKind::Vip(_) | EndpointKind::LoadBalancers(_) => {
            format!("write `apiserver-port: {live}` under `endpoint:`")
        }
    };
    Some(Refusal::new(
        format!(
            "API servers are to listen on port {wanted}, but that of {host} has data and port {live}: clients and load balancers \
             would lose all of them at once"
        ),
        format!("{instead} in {}", file.display()),
    ))
}

/// What a kubelet keeps on disk about the pods that it runs, and does not start with when it is told otherwise.
fn kubelet(
    cluster: &Cluster,
    host: &Host,
    seen: &Observation,
    file: &std::path::Display<'_>,
) -> Option<Refusal> {
    let facts = &seen.hosts.get(&host.name)?.facts;
    let live = facts.kube.kubelet_config.as_ref()?;
    let wanted = kubeadm::kubelet_wanted(cluster, host, facts);
    let value = |config: &Value, key: &str, default: &str| {
        config[key].as_str().unwrap_or(default).to_owned()
    };
    let pinned = value(live, "cpuManagerPolicy", "none") == "static";
    [
        ("cpuManagerPolicy", "none"),
        ("memoryManagerPolicy", "None"),
        ("reservedSystemCPUs", ""),
    ]
    .into_iter()
    .filter(|(key, _)| pinned || *key != "reservedSystemCPUs")
    .find_map(|(key, default)| {
        let (live, wanted) = (value(live, key, default), value(&wanted, key, default));
        (live != wanted).then(|| {
            let shown = |value: &str| {
                if value.is_empty() {
                    "nothing".to_owned()
                } else {
                    value.to_owned()
                }
            };
            Refusal::new(
                format!(
                    "{key} of {}'s kubelet is {} in the file, but {} in the cluster: a kubelet that has pods does not start \
                     with another",
                    host.name,
                    shown(&wanted),
                    shown(&live)
                ),
                format!(
                    "put the setting back in {file}; or `baremetal remove-node --keep-entry {file} {}`, then `baremetal add-node \
                     {file} {}`",
                    host.name, host.name
                ),
            )
        })
    })
}

/// Where the live `ClusterConfiguration` has it, key of the file, what the file says, and why it stays.
fn settings(cluster: &Cluster) -> [(&'static str, &'static str, String, &'static str); 7] {
    let networks = |nets: &[ipnet::IpNet]| {
        nets.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    [
        ("/clusterName", "cluster", cluster.name.clone(), ""),
        (
            "/controlPlaneEndpoint",
            "endpoint",
            cluster.endpoint_address(),
            "every kubeconfig and every certificate holds it",
        ),
        (
            "/networking/podSubnet",
            "network.pods",
            networks(&cluster.network.pods),
            "nodes have their shares of it",
        ),
        (
            "/networking/serviceSubnet",
            "network.services",
            networks(&cluster.network.services),
            "Services and the API server's certificate have addresses of it",
        ),
        (
            "/networking/dnsDomain",
            "network.dns-domain",
            cluster.network.dns_domain.clone(),
            "pods that run were given it",
        ),
        (
            "/etcd/local/dataDir",
            "control-plane.etcd.data-dir",
            cluster.control_plane.etcd_data_dir.clone(),
            "etcd would begin without its data",
        ),
        (
            "/kubernetesVersion",
            "kubernetes",
            format!("v{}", cluster.version),
            "upgrades are not there yet",
        ),
    ]
}

/// Whether Secrets are encrypted in etcd. What is stored stays as it was written, so that a switch alone would make it unreadable.
fn encryption(cluster: &Cluster, live: &Value, file: &std::path::Display<'_>) -> Option<Refusal> {
    live.pointer("/apiServer")?;
    let args = &live["apiServer"]["extraArgs"];
    let name = "encryption-provider-config";
    let encrypted = args.get(name).is_some()
        || args
            .as_array()
            .is_some_and(|args| args.iter().any(|arg| arg["name"] == name));
    let wanted = cluster.control_plane.encryption.is_some()
        || cluster
            .control_plane
            .api_server
            .args
            .iter()
            .any(|(arg, _)| arg == name);
    match (wanted, encrypted) {
        (true, false) => Some(Refusal::new(
            "control-plane.encryption is on in the file, but off in the cluster: every API server must have the key before the \
             first one writes with it, and what is stored must be written again",
            format!("put `encryption: false` under `control-plane:` in {file}"),
        )),
        (false, true) => Some(Refusal::new(
            "control-plane.encryption is off in the file, but on in the cluster: API servers without the key cannot read what is \
             stored",
            format!("put `encryption: true` under `control-plane:` in {file}"),
        )),
        _ => None,
    }
}

/// The pod network whose configuration lies on the nodes.
fn plugin(cluster: &Cluster, seen: &Observation, file: &std::path::Display<'_>) -> Option<Refusal> {
    let wanted = match cluster.network.plugin {
        PodNetwork::Flannel(_) => "flannel",
        PodNetwork::Calico { .. } => "calico",
        PodNetwork::Cilium { .. } => "cilium",
        PodNetwork::Manifests(_) | PodNetwork::None => return None,
    };
    let (host, live) = cluster.nodes().find_map(|host| {
        let facts = &seen.hosts.get(&host.name)?.facts;
        if !facts.kube.kubelet_conf {
            return None;
        }
        // containerd takes the first by name.
        let first = facts.all("cni").iter().min()?;
        let live = ["flannel", "calico", "cilium"]
            .into_iter()
            .find(|name| first.contains(name))?;
        (live != wanted).then_some((&host.name, live))
    })?;
    Some(Refusal::new(
        format!(
            "network.plugin is {wanted} in the file, but pods of {host} are on {live}: pods on two networks do not reach each other"
        ),
        format!("put `plugin: {live}` under `network:` in {file}"),
    ))
}
