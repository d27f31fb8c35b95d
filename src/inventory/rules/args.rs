//! Flags and configuration fields that this program sets itself, each with the setting to use instead.

use serde_json::{Map, Value};

use crate::inventory::{Cluster, context::Context};

/// What to do instead of setting a flag that is ours.
type Owned = &'static [(&'static str, &'static str)];

const KUBEADM: &str = "remove it: kubeadm sets it";

const API_SERVER: Owned = &[
    ("advertise-address", "write the host's `node-ip`"),
    ("secure-port", "write `endpoint.apiserver-port`"),
    (
        "bind-address",
        "remove it: the API server listens on every address, and haproxy needs that",
    ),
    (
        "insecure-port",
        "remove it: Kubernetes has no such port any more",
    ),
    ("etcd-servers", KUBEADM),
    ("etcd-cafile", KUBEADM),
    ("etcd-certfile", KUBEADM),
    ("etcd-keyfile", KUBEADM),
    ("client-ca-file", KUBEADM),
    ("tls-cert-file", KUBEADM),
    ("tls-private-key-file", KUBEADM),
    ("kubelet-client-certificate", KUBEADM),
    ("kubelet-client-key", KUBEADM),
    ("service-account-key-file", KUBEADM),
    ("service-account-signing-key-file", KUBEADM),
    ("service-cluster-ip-range", "write `network.services`"),
    ("enable-bootstrap-token-auth", KUBEADM),
    (
        "encryption-provider-config",
        "write `control-plane.encryption`",
    ),
    ("audit-policy-file", "write `control-plane.audit`"),
    ("audit-log-path", "write `control-plane.audit`"),
    (
        "audit-log-maxage",
        "write `control-plane.audit.max-age-days`",
    ),
    (
        "audit-log-maxbackup",
        "write `control-plane.audit.max-backups`",
    ),
    (
        "audit-log-maxsize",
        "write `control-plane.audit.max-size-mb`",
    ),
];

const CONTROLLER_MANAGER: Owned = &[
    ("cluster-cidr", "write `network.pods`"),
    ("service-cluster-ip-range", "write `network.services`"),
    ("node-cidr-mask-size", "write `network.node-mask`"),
    ("node-cidr-mask-size-ipv4", "write `network.node-mask`"),
    ("node-cidr-mask-size-ipv6", "write `network.node-mask`"),
    ("allocate-node-cidrs", KUBEADM),
    ("cluster-name", "write `cluster`"),
    ("kubeconfig", KUBEADM),
    ("root-ca-file", KUBEADM),
    ("cluster-signing-cert-file", KUBEADM),
    ("cluster-signing-key-file", KUBEADM),
];

const SCHEDULER: Owned = &[("kubeconfig", KUBEADM), ("leader-elect", KUBEADM)];

const ETCD: Owned = &[
    ("name", KUBEADM),
    ("data-dir", "write `control-plane.etcd.data-dir`"),
    ("listen-client-urls", "write the host's `node-ip`"),
    ("listen-peer-urls", "write the host's `node-ip`"),
    ("advertise-client-urls", "write the host's `node-ip`"),
    ("initial-advertise-peer-urls", "write the host's `node-ip`"),
    ("initial-cluster", KUBEADM),
    ("initial-cluster-state", KUBEADM),
    ("cert-file", KUBEADM),
    ("key-file", KUBEADM),
    ("trusted-ca-file", KUBEADM),
    ("peer-cert-file", KUBEADM),
    ("peer-key-file", KUBEADM),
    ("peer-trusted-ca-file", KUBEADM),
];

const KUBELET: Owned = &[
    ("node-ip", "write the host's `node-ip`"),
    (
        "hostname-override",
        "remove it: the node is called as in `hosts`",
    ),
    ("config", KUBEADM),
    ("kubeconfig", KUBEADM),
    ("bootstrap-kubeconfig", KUBEADM),
    (
        "container-runtime-endpoint",
        "remove it: it is containerd's",
    ),
    ("pod-infra-container-image", "write `runtime.pause-image`"),
    ("node-labels", "write the host's `labels`"),
    ("register-with-taints", "write the host's `taints`"),
    ("fail-swap-on", "write `system.swap`"),
    (
        "network-plugin",
        "remove it: kubelet has no such flag since 1.24",
    ),
    (
        "container-runtime",
        "remove it: kubelet has no such flag since 1.27",
    ),
    ("cgroup-driver", "remove it: it is systemd"),
];

const KUBELET_CONFIG: Owned = &[
    ("apiVersion", "remove it: it follows the Kubernetes version"),
    ("kind", "remove it"),
    ("cgroupDriver", "remove it: it is systemd, as in containerd"),
    ("clusterDNS", "remove it: it follows `network.services`"),
    ("clusterDomain", "write `network.dns-domain`"),
    ("containerRuntimeEndpoint", "remove it: it is containerd's"),
    ("failSwapOn", "write `system.swap`"),
    ("staticPodPath", KUBEADM),
];

const KUBE_PROXY_CONFIG: Owned = &[
    ("apiVersion", "remove it: it follows the Kubernetes version"),
    ("kind", "remove it"),
    ("mode", "write `kube-proxy.mode`"),
    ("clusterCIDR", "write `network.pods`"),
    ("clientConnection", KUBEADM),
    (
        "hostnameOverride",
        "remove it: the node is called as in `hosts`",
    ),
];

pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    let plane = &cluster.control_plane;
    let components = [
        ("api-server", API_SERVER, &plane.api_server),
        (
            "controller-manager",
            CONTROLLER_MANAGER,
            &plane.controller_manager,
        ),
        ("scheduler", SCHEDULER, &plane.scheduler),
        ("etcd", ETCD, &plane.etcd),
    ];
    for (key, owned, component) in components {
        flags(
            context,
            &["control-plane", key, "args"],
            owned,
            &component.args,
        );
    }
    flags(
        context,
        &["kubelet", "args"],
        KUBELET,
        &cluster.kubelet.args,
    );
    anonymous(context, &plane.api_server.args);
    fields(
        context,
        &["kubelet", "config"],
        KUBELET_CONFIG,
        &cluster.kubelet.config,
    );
    fields(
        context,
        &["kube-proxy", "config"],
        KUBE_PROXY_CONFIG,
        &cluster.kube_proxy.config,
    );
    for host in &cluster.hosts {
        fields(
            context,
            &["hosts", &host.name, "kubelet"],
            KUBELET_CONFIG,
            &host.kubelet,
        );
    }
}

fn flags(context: &mut Context<'_>, path: &[&str], owned: Owned, args: &[(String, String)]) {
    for (name, _) in args {
        let bare = name.trim_start_matches('-');
        let at = [path, &[name.as_str()]].concat();
        if bare != name {
            context.refuse_key(
                &at,
                format!("flags are written without dashes; write `{bare}`"),
            );
        }
        if let Some((_, instead)) = owned.iter().find(|(flag, _)| *flag == bare) {
            context.refuse_key(&at, format!("this flag is set by baremetal; {instead}"));
        }
    }
}

/// A node that joins reads the cluster's CA as nobody, and kubeadm and kubelet ask so whether the API server is healthy.
fn anonymous(context: &mut Context<'_>, args: &[(String, String)]) {
    for (name, value) in args {
        let off = ["false", "f", "0"].contains(&value.to_ascii_lowercase().as_str());
        if name == "anonymous-auth" && off {
            context.refuse(
                &["control-plane", "api-server", "args", name],
                "no node could join, and kubelet would restart the API server: both ask it anonymously; remove it, RBAC gives nobody more than health and the cluster's CA",
            );
        }
    }
}

fn fields(context: &mut Context<'_>, path: &[&str], owned: Owned, config: &Map<String, Value>) {
    for (field, instead) in owned {
        if config.contains_key(*field) {
            context.refuse_key(
                &[path, &[field]].concat(),
                format!("this field is set by baremetal; {instead}"),
            );
        }
    }
}
