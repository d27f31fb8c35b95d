//! What is said after a run that succeeded: what there is now, and what to do next.

use std::{fmt::Write as _, path::Path};

use super::text::count;
use crate::inventory::{Cluster, EndpointKind, PodNetwork, Role};

/// The cluster as it is now and the next steps; `kubeconfig` is the file that was fetched.
pub fn summary(cluster: &Cluster, kubeconfig: &Path) -> String {
    let mut out = format!(
        "\ncluster {} runs Kubernetes {}: {}\n\n",
        cluster.name,
        cluster.version,
        hosts(cluster)
    );
    let mut rows = vec![("API", api(cluster)), ("pod network", pod_network(cluster))];
    rows.extend(load_balancing(cluster));
    rows.extend(storage(cluster));
    if let Some(harbor) = &cluster.harbor {
        rows.push((
            "registry",
            format!("Harbor {}, https://{}", harbor.version, harbor.host),
        ));
    }
    if !cluster.addons.is_empty() {
        let names: Vec<&str> = cluster
            .addons
            .iter()
            .map(|addon| addon.name.as_str())
            .collect();
        rows.push(("add-ons", names.join(", ")));
    }
    rows.push(("kubeconfig", kubeconfig.display().to_string()));
    let column = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, text) in rows {
        for (index, line) in text.lines().enumerate() {
            let name = if index == 0 { name } else { "" };
            let _ = writeln!(out, "  {name:<column$}  {line}");
        }
    }
    out.push_str("\nnext:\n");
    for (command, why) in next_steps(cluster, kubeconfig) {
        let _ = writeln!(out, "  {command}\n      {why}");
    }
    out
}

fn hosts(cluster: &Cluster) -> String {
    let mut parts = vec![count(cluster.control_planes().count(), "control plane")];
    let workers = cluster.workers().count();
    if workers > 0 {
        parts.push(count(workers, "worker"));
    }
    let balancers = cluster
        .hosts
        .iter()
        .filter(|host| host.roles.contains(&Role::LoadBalancer))
        .count();
    if balancers > 0 {
        parts.push(count(balancers, "load balancer"));
    }
    parts.join(", ")
}

fn api(cluster: &Cluster) -> String {
    let held = match &cluster.endpoint.kind {
        EndpointKind::External if is_control_plane(cluster) => {
            "the control plane itself".to_owned()
        }
        EndpointKind::External => "a load balancer of your own".to_owned(),
        EndpointKind::Vip(vip) | EndpointKind::LoadBalancers(vip) => {
            let holders: Vec<&str> = cluster
                .vip_holders()
                .map(|host| host.name.as_str())
                .collect();
            format!(
                "virtual IP {} on one of {}",
                vip.address,
                holders.join(", ")
            )
        }
    };
    format!("https://{} ({held})", cluster.endpoint_address())
}

/// Whether the endpoint is a control plane's own address.
fn is_control_plane(cluster: &Cluster) -> bool {
    let host = &cluster.endpoint.host;
    cluster
        .control_planes()
        .any(|plane| plane.address == *host || plane.node_ip.to_string() == *host)
}

pub(super) fn pod_network(cluster: &Cluster) -> String {
    match &cluster.network.plugin {
        PodNetwork::Flannel(flannel) => {
            format!("flannel {} ({})", flannel.version, flannel.backend)
        }
        PodNetwork::Calico { version, .. } => format!("Calico {version}"),
        PodNetwork::Cilium { version, .. } => format!("Cilium {version}"),
        PodNetwork::Manifests(_) => "your own manifests".to_owned(),
        PodNetwork::None => "none: nodes become Ready when you install one".to_owned(),
    }
}

fn load_balancing(cluster: &Cluster) -> Option<(&'static str, String)> {
    let metallb = cluster.metallb.as_ref()?;
    let mut text = format!("MetalLB {}", metallb.version);
    for pool in &metallb.pools {
        let ways: Vec<&str> = [
            pool.l2.as_ref().map(|_| "L2"),
            pool.bgp.as_ref().map(|_| "BGP"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let _ = write!(text, "\npool {}: {}", pool.name, pool.addresses.join(", "));
        if !ways.is_empty() {
            let _ = write!(text, " ({})", ways.join(", "));
        }
    }
    Some(("load balancing", text))
}

fn storage(cluster: &Cluster) -> Option<(&'static str, String)> {
    let longhorn = cluster.longhorn.as_ref()?;
    let replicas = count(longhorn.replicas.into(), "replica");
    let own = longhorn
        .storage_classes
        .iter()
        .map(|class| class.name.as_str());
    let mut classes: Vec<&str> = ["longhorn", "longhorn-retain"]
        .into_iter()
        .chain(own)
        .collect();
    classes.dedup();
    let text = format!(
        "Longhorn {}, {replicas}; classes {}",
        longhorn.version,
        classes.join(", ")
    );
    Some(("storage", text))
}

fn next_steps(cluster: &Cluster, kubeconfig: &Path) -> Vec<(String, &'static str)> {
    let file = shlex::try_quote(&kubeconfig.to_string_lossy()).map_or_else(
        |_| kubeconfig.display().to_string(),
        std::borrow::Cow::into_owned,
    );
    let inventory = shlex::try_quote(&cluster.file.to_string_lossy()).map_or_else(
        |_| cluster.file.display().to_string(),
        std::borrow::Cow::into_owned,
    );
    let mut steps = vec![(
        format!("kubectl --kubeconfig {file} get nodes -o wide"),
        "the nodes",
    )];
    if cluster.metallb.is_some() {
        steps.push((
            format!(
                "kubectl --kubeconfig {file} expose deployment NAME --type LoadBalancer --port 80"
            ),
            "gives a deployment of yours an address of the pool",
        ));
    }
    steps.push((
        format!("baremetal up {inventory}"),
        "after every change of the inventory; without one it changes nothing",
    ));
    if cluster.lab.is_some() {
        steps.push((
            format!("baremetal lab down {inventory}"),
            "removes the lab's hosts",
        ));
    }
    steps
}
