//! The documents of one node: how it begins a cluster, or joins one.

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use super::{api, arguments, duration};
use crate::{
    inventory::{Cluster, Host, Swap},
    templates,
};

/// Names by which a `JoinConfiguration` refers to secrets made during the run.
pub(in crate::phases) struct JoinSecrets {
    pub token: String,
    pub ca_hash: String,
    pub certificate_key: String,
    /// Base64 of the encryption configuration.
    pub encryption: String,
}

impl JoinSecrets {
    /// Names that belong to one join alone: `cp2` → `JOIN_TOKEN_CP2`.
    pub fn of(scope: &str) -> Self {
        let scope = crate::phases::secret_name(scope);
        Self {
            token: format!("JOIN_TOKEN_{scope}"),
            ca_hash: format!("JOIN_CA_HASH_{scope}"),
            certificate_key: format!("JOIN_CERTIFICATE_KEY_{scope}"),
            encryption: format!("JOIN_ENCRYPTION_{scope}"),
        }
    }
}

/// Flags of a node's kubelet: its address, then the user's.
pub(in crate::phases) fn kubelet_args(cluster: &Cluster, host: &Host) -> Vec<(String, String)> {
    let mut addresses = host.node_ip.to_string();
    if let Some(second) = host.node_ip_v6 {
        addresses = format!("{addresses},{second}");
    }
    let own = cluster
        .kubelet
        .args
        .iter()
        .any(|(name, _)| name == "node-ip");
    (!own)
        .then(|| ("node-ip".to_owned(), addresses))
        .into_iter()
        .chain(cluster.kubelet.args.iter().cloned())
        .collect()
}

/// kubeadm's own checks that cannot hold where a host is a container, or where swap is wanted.
fn ignored(cluster: &Cluster, host: &Host) -> Vec<&'static str> {
    let mut ignored = Vec::new();
    if host.lab {
        ignored.extend(["Mem", "NumCPU", "Swap", "SystemVerification"]);
    } else if cluster.system.swap == Swap::Allow {
        ignored.push("Swap");
    }
    ignored
}

#[derive(Serialize)]
struct NodeValues<'a> {
    api: &'static str,
    node: &'a str,
    advertise_address: String,
    bind_port: u16,
    kubelet_args: Value,
    ignored: Vec<&'static str>,
    schedulable: bool,
    skip_phases: Vec<&'static str>,
    timeout: String,
    control_plane: bool,
    patched: bool,
    endpoint: String,
    token: String,
    ca_hash: String,
    certificate_key: String,
}

fn node_values<'a>(
    cluster: &Cluster,
    host: &'a Host,
    secrets: Option<&JoinSecrets>,
) -> NodeValues<'a> {
    let api = api(cluster);
    let name = |name: fn(&JoinSecrets) -> &String| {
        secrets.map_or(String::new(), |secrets| format!("@@{}@@", name(secrets)))
    };
    NodeValues {
        api,
        node: &host.name,
        advertise_address: host.node_ip.to_string(),
        bind_port: cluster.apiserver_port(),
        kubelet_args: arguments(api, &kubelet_args(cluster, host)),
        ignored: ignored(cluster, host),
        schedulable: host.schedulable,
        skip_phases: if cluster.kube_proxy.enabled {
            Vec::new()
        } else {
            vec!["addon/kube-proxy"]
        },
        timeout: duration(cluster.control_plane.init_timeout),
        control_plane: host.is_control_plane(),
        patched: true,
        endpoint: cluster.endpoint_address(),
        token: name(|secrets| &secrets.token),
        ca_hash: name(|secrets| &secrets.ca_hash),
        certificate_key: name(|secrets| &secrets.certificate_key),
    }
}

/// `InitConfiguration` of the first control plane. It holds no secret; what follows it on the host may add `certificateKey`.
pub fn init_configuration(cluster: &Cluster, host: &Host) -> Result<String> {
    templates::render("kubeadm/init.yaml.j2", node_values(cluster, host, None))
}

/// [`init_configuration`] without the patches of this node: kubeadm puts them into what it uploads for all kubelets.
pub(in crate::phases) fn unpatched_init_configuration(
    cluster: &Cluster,
    host: &Host,
) -> Result<String> {
    let values = NodeValues {
        patched: false,
        ..node_values(cluster, host, None)
    };
    templates::render("kubeadm/init.yaml.j2", values)
}

/// `JoinConfiguration` of a node; secrets appear by name (`@@NAME@@`).
pub(in crate::phases) fn join_configuration(
    cluster: &Cluster,
    host: &Host,
    secrets: &JoinSecrets,
) -> Result<String> {
    templates::render(
        "kubeadm/join.yaml.j2",
        node_values(cluster, host, Some(secrets)),
    )
}
