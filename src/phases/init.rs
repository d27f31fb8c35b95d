//! `kubeadm init` on the elected first control plane.

use std::time::Duration;

use anyhow::Result;

use super::{ActionStep, kubeadm, shell};
use crate::{
    artifacts::Artifacts,
    failure::{Code, Failure},
    inventory::{Cluster, EndpointKind, Host},
    observe::{ApiSeen, Observation},
    plan::Action,
};

/// Name under which scripts ask for a key of the user's own for the encryption of Secrets.
pub(super) const ENCRYPTION_KEY: &str = "ENCRYPTION_KEY";

pub(super) fn actions(
    cluster: &Cluster,
    _artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    let Some(host) = cluster.host(&seen.elected) else {
        return Ok(Vec::new());
    };
    match &seen.api {
        Some(api) if is_whole(cluster, api) => return Ok(Vec::new()),
        // The API answers, so an init is under way on the elected host: its last phases are missing.
        Some(_) => {}
        None => no_other_member(cluster, seen)?,
    }
    Ok(vec![ActionStep {
        host: host.name.clone(),
        of: vec![host.name.clone()],
        action: action(cluster, host, seen)?,
        needs: Vec::new(),
        after: Vec::new(),
    }])
}

/// Whether `kubeadm init` has run to its end: it installs `CoreDNS` and kube-proxy last.
fn is_whole(cluster: &Cluster, api: &ApiSeen) -> bool {
    api.cluster_configuration.is_some()
        && api.coredns
        && (!cluster.kube_proxy.enabled || api.kube_proxy_daemon_set)
        && !api.nodes.is_empty()
}

/// A cluster that had members before must never be initialised again because its API is down.
///
/// Workers of the elected host's own authority are no reason to refuse where it has etcd's data: its init is gone on with, on that
/// data (`init.sh`), so that a mended file brings the only control plane up again.
fn no_other_member(cluster: &Cluster, seen: &Observation) -> Result<()> {
    let kube = |name: &str| seen.hosts.get(name).map(|seen| &seen.facts.kube);
    let own = kube(&seen.elected)
        .filter(|kube| kube.etcd_data)
        .and_then(|kube| kube.ca_hash.as_ref());
    let members: Vec<_> = cluster
        .nodes()
        .filter(|host| host.name != seen.elected)
        .filter(|host| {
            kube(&host.name).is_some_and(|kube| {
                let worker = own.is_some() && kube.ca_hash.as_ref() == own;
                let of_own = worker && !host.is_control_plane() && !kube.etcd_data;
                (kube.kubelet_conf || kube.etcd_data) && !of_own
            })
        })
        .map(|host| host.name.as_str())
        .collect();
    if members.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Refused,
        format!(
            "no control plane answers /readyz, but {} belong to a cluster already: nothing is initialised over it",
            members.join(", ")
        ),
    )
    .hint("start kubelet and etcd on the control planes (`journalctl -u kubelet`), then run `up` again")
    .into())
}

fn action(cluster: &Cluster, host: &Host, seen: &Observation) -> Result<Action> {
    let (balancer, port) = match cluster.endpoint.kind {
        EndpointKind::External => (String::new(), String::new()),
        _ => (
            cluster.endpoint.host.clone(),
            cluster.endpoint.port.to_string(),
        ),
    };
    let configuration = format!(
        "{}---\n{}",
        kubeadm::init_configuration(cluster, host)?,
        kubeadm::cluster_configuration(cluster)?
    );
    let mut script = shell::change("init")
        .arg(&host.name)
        .arg(kubeadm::etcd_endpoint(host))
        .arg(&cluster.control_plane.etcd_data_dir)
        .arg(cluster.apiserver_port().to_string())
        .arg(shell::yes(cluster.kube_proxy.enabled))
        .arg(balancer)
        .arg(port)
        .attach("kubeadm.yaml", configuration)
        .timeout(cluster.control_plane.init_timeout + Duration::from_mins(15));
    if let Some(encryption) = &cluster.control_plane.encryption {
        script = if encryption.key.is_some() {
            let key = format!("@@{ENCRYPTION_KEY}@@");
            script.attach_with_secrets("encryption.yaml", encryption_file(cluster, &key)?)
        } else {
            script.attach("encryption.yaml", encryption_file(cluster, "KEY")?)
        };
    }
    let begun = seen.hosts.get(&host.name).is_some_and(|seen| {
        seen.facts.kube.etcd_data || seen.facts.kube.admin_conf || seen.facts.kube.kubelet_conf
    });
    let title = if begun {
        "finish the interrupted kubeadm init"
    } else {
        "kubeadm init"
    };
    Ok(Action {
        id: "kubeadm-init".to_owned(),
        title: title.to_owned(),
        detail: vec![
            format!("Kubernetes v{}", cluster.version),
            format!("endpoint {}", cluster.endpoint_address()),
        ],
        script,
        units: ["kubelet.service", "containerd.service"]
            .map(str::to_owned)
            .to_vec(),
        hint: "look at the kubelet's journal and `crictl ps -a` on the host; running `up` again finishes what is half done"
            .to_owned(),
    })
}

fn encryption_file(cluster: &Cluster, key: &str) -> Result<String> {
    kubeadm::encryption_configuration(cluster, key).unwrap_or_else(|| Ok(String::new()))
}
