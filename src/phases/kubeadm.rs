//! What kubeadm is told: its configuration documents for a host, and the patches that make a node different from the others.
//!
//! kubeadm's own API is v1beta3 up to Kubernetes 1.30 and v1beta4 from 1.31 (FACTS 1.1): flags are a map in the one and a list in
//! the other, environment of components exists only in the other.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{
    inventory::{Cluster, Component, Host, Swap, Volume},
    observe::Facts,
    templates,
};

/// Directory of kubeadm patches on every node.
pub const PATCHES: &str = "/etc/kubernetes/patches";
/// Encryption configuration; under `pki` because that directory is mounted into the apiserver.
pub const ENCRYPTION: &str = "/etc/kubernetes/pki/secrets-encryption.yaml";
/// Audit policy.
pub const AUDIT_POLICY: &str = "/etc/kubernetes/audit/policy.yaml";
const AUDIT_LOGS: &str = "/var/log/kubernetes/audit";

/// Names by which a `JoinConfiguration` refers to secrets made during the run.
pub(super) struct JoinSecrets {
    pub token: String,
    pub ca_hash: String,
    pub certificate_key: String,
    /// Base64 of the encryption configuration.
    pub encryption: String,
}

impl JoinSecrets {
    /// Names that belong to one join alone: `cp2` → `JOIN_TOKEN_CP2`.
    pub fn of(scope: &str) -> Self {
        let scope = super::secret_name(scope);
        Self {
            token: format!("JOIN_TOKEN_{scope}"),
            ca_hash: format!("JOIN_CA_HASH_{scope}"),
            certificate_key: format!("JOIN_CERTIFICATE_KEY_{scope}"),
            encryption: format!("JOIN_ENCRYPTION_{scope}"),
        }
    }
}

/// kubeadm's configuration API for the cluster's version.
fn api(cluster: &Cluster) -> &'static str {
    if cluster.version.minor <= 30 {
        "v1beta3"
    } else {
        "v1beta4"
    }
}

/// Flags in the shape of kubeadm's API version. Of a flag given twice v1beta3 can carry the last only.
fn arguments(api: &str, args: &[(String, String)]) -> Value {
    if api == "v1beta3" {
        args.iter()
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect::<Map<_, _>>()
            .into()
    } else {
        pairs(args)
    }
}

fn pairs(list: &[(String, String)]) -> Value {
    list.iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect()
}

#[derive(Serialize)]
struct ComponentValues {
    args: Value,
    env: Option<Value>,
    volumes: Vec<Value>,
}

fn component(
    api: &str,
    user: &Component,
    ours: &[(&str, String)],
    volumes: &[Volume],
) -> ComponentValues {
    let own = |name: &str| user.args.iter().any(|(given, _)| given == name);
    let args: Vec<_> = ours
        .iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .chain(user.args.iter().cloned())
        .collect();
    ComponentValues {
        args: arguments(api, &args),
        env: (api != "v1beta3" && !user.env.is_empty()).then(|| pairs(&user.env)),
        volumes: volumes.iter().chain(&user.volumes).map(volume).collect(),
    }
}

fn volume(volume: &Volume) -> Value {
    let mut value = json!({
        "name": volume.name,
        "hostPath": volume.host_path,
        "mountPath": volume.mount_path,
        "readOnly": volume.read_only,
    });
    if let Some(kind) = &volume.path_type {
        value["pathType"] = kind.as_str().into();
    }
    value
}

/// A duration as Kubernetes writes it.
fn duration(duration: Duration) -> String {
    format!("{}s", duration.as_secs())
}

/// Flags of a node's kubelet: its address, then the user's.
fn kubelet_args(cluster: &Cluster, host: &Host) -> Vec<(String, String)> {
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

/// `JoinConfiguration` of a node; secrets appear by name (`@@NAME@@`).
pub(super) fn join_configuration(
    cluster: &Cluster,
    host: &Host,
    secrets: &JoinSecrets,
) -> Result<String> {
    templates::render(
        "kubeadm/join.yaml.j2",
        node_values(cluster, host, Some(secrets)),
    )
}

#[derive(Serialize)]
struct ClusterValues<'a> {
    api: &'static str,
    name: &'a str,
    version: String,
    endpoint: String,
    image_repository: Option<&'a str>,
    pod_subnet: String,
    service_subnet: String,
    dns_domain: &'a str,
    feature_gates: &'a BTreeMap<String, bool>,
    cert_sans: Vec<String>,
    timeout: String,
    api_server: ComponentValues,
    controller_manager: ComponentValues,
    scheduler: ComponentValues,
    etcd: ComponentValues,
    etcd_data_dir: &'a str,
}

/// `ClusterConfiguration`, `KubeletConfiguration` and, where kube-proxy runs, `KubeProxyConfiguration`: the same on every host.
pub fn cluster_configuration(cluster: &Cluster) -> Result<String> {
    let api = api(cluster);
    let plane = &cluster.control_plane;
    let (audit_args, audit_volumes) = audit(cluster);
    let mut server_args = audit_args;
    if plane.encryption.is_some() {
        server_args.push(("encryption-provider-config", ENCRYPTION.to_owned()));
    }
    let mut documents = templates::render(
        "kubeadm/cluster.yaml.j2",
        ClusterValues {
            api,
            name: &cluster.name,
            version: cluster.version.to_string(),
            endpoint: cluster.endpoint_address(),
            image_repository: plane.image_repository.as_deref(),
            pod_subnet: joined(&cluster.network.pods),
            service_subnet: joined(&cluster.network.services),
            dns_domain: &cluster.network.dns_domain,
            feature_gates: &plane.feature_gates,
            cert_sans: cert_sans(cluster),
            timeout: duration(plane.init_timeout),
            api_server: component(api, &plane.api_server, &server_args, &audit_volumes),
            controller_manager: component(
                api,
                &plane.controller_manager,
                &node_masks(cluster),
                &[],
            ),
            scheduler: component(api, &plane.scheduler, &[], &[]),
            etcd: component(api, &plane.etcd, &[], &[]),
            etcd_data_dir: &plane.etcd_data_dir,
        },
    )?;
    documents.push_str("---\n");
    documents.push_str(&serde_yaml::to_string(&kubelet_configuration(cluster))?);
    if cluster.kube_proxy.enabled {
        documents.push_str("---\n");
        documents.push_str(&serde_yaml::to_string(&kube_proxy_configuration(cluster))?);
    }
    Ok(documents)
}

fn joined(networks: &[ipnet::IpNet]) -> String {
    let networks: Vec<_> = networks.iter().map(ToString::to_string).collect();
    networks.join(",")
}

fn node_masks(cluster: &Cluster) -> Vec<(&'static str, String)> {
    let network = &cluster.network;
    if network.pods.len() < 2 {
        return network
            .node_mask
            .first()
            .map(|mask| ("node-cidr-mask-size", mask.to_string()))
            .into_iter()
            .collect();
    }
    network
        .pods
        .iter()
        .zip(&network.node_mask)
        .map(|(pods, mask)| match pods {
            ipnet::IpNet::V4(_) => ("node-cidr-mask-size-ipv4", mask.to_string()),
            ipnet::IpNet::V6(_) => ("node-cidr-mask-size-ipv6", mask.to_string()),
        })
        .collect()
}

fn audit(cluster: &Cluster) -> (Vec<(&'static str, String)>, Vec<Volume>) {
    let Some(audit) = &cluster.control_plane.audit else {
        return (Vec::new(), Vec::new());
    };
    let mount = |name: &str, path: &str, read_only, kind: &str| Volume {
        name: name.to_owned(),
        host_path: path.to_owned(),
        mount_path: path.to_owned(),
        read_only,
        path_type: Some(kind.to_owned()),
    };
    let args = vec![
        ("audit-policy-file", AUDIT_POLICY.to_owned()),
        ("audit-log-path", format!("{AUDIT_LOGS}/audit.log")),
        ("audit-log-maxage", audit.max_age_days.to_string()),
        ("audit-log-maxbackup", audit.max_backups.to_string()),
        ("audit-log-maxsize", audit.max_size_mb.to_string()),
    ];
    let volumes = vec![
        mount("audit-policy", AUDIT_POLICY, true, "File"),
        mount("audit-logs", AUDIT_LOGS, false, "DirectoryOrCreate"),
    ];
    (args, volumes)
}

/// Names and addresses that the apiserver's certificate is for: endpoint, every control plane, loopback, the user's own.
fn cert_sans(cluster: &Cluster) -> Vec<String> {
    let mut names = vec![cluster.endpoint.host.clone()];
    names.extend(cluster.vip().map(|vip| vip.address.to_string()));
    for host in cluster.control_planes() {
        names.push(host.name.clone());
        names.push(host.node_ip.to_string());
        names.extend(host.node_ip_v6.map(|address| address.to_string()));
    }
    names.extend(["localhost".to_owned(), "127.0.0.1".to_owned()]);
    if cluster.control_planes().any(|host| host.node_ip.is_ipv6()) {
        names.push("::1".to_owned());
    }
    names.extend(cluster.control_plane.cert_sans.iter().cloned());
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

fn kubelet_configuration(cluster: &Cluster) -> Value {
    let mut value = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "cgroupDriver": "systemd",
        "rotateCertificates": true,
    });
    if cluster.lab.is_some() || cluster.system.swap == Swap::Allow {
        value["failSwapOn"] = false.into();
    }
    if cluster.lab.is_some() {
        // The disk is this machine's: how full it is must not evict pods or delete images that no registry can give back.
        value["imageGCHighThresholdPercent"] = 100.into();
        value["imageGCLowThresholdPercent"] = 99.into();
        value["evictionHard"] = json!({
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        });
    }
    merge(&mut value, &Value::Object(cluster.kubelet.config.clone()));
    value
}

/// The wanted `KubeProxyConfiguration`: ours, then the user's over it; strict ARP is not the user's to take away.
pub(super) fn kube_proxy_configuration(cluster: &Cluster) -> Value {
    let mut value = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": cluster.kube_proxy.mode,
        "clusterCIDR": joined(&cluster.network.pods),
    });
    // Alpha and off by default in these two releases.
    if cluster.kube_proxy.mode == "nftables" && matches!(cluster.version.minor, 29 | 30) {
        value["featureGates"] = json!({"NFTablesProxyMode": true});
    }
    if cluster.lab.is_some() {
        // The limit is the machine's, not the container's to set.
        value["conntrack"] = json!({"maxPerCore": 0, "min": 0});
    }
    merge(
        &mut value,
        &Value::Object(cluster.kube_proxy.config.clone()),
    );
    merge(&mut value, &json!({"ipvs": {"strictARP": true}}));
    value
}

/// Merges `over` into `base` as RFC 7396 does, but that null is a value.
pub(super) fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// Patches of one node: the user's, its kubelet's own settings, and what control-plane guarantees ask for. File name to content.
pub fn patches(cluster: &Cluster, host: &Host, facts: &Facts) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let kubelet = kubelet_patch(cluster, host, facts);
    if !kubelet.is_empty() {
        files.insert(
            // Sorts after a patch of the user's for all nodes: what is said of one host wins.
            "kubeletconfiguration-host+merge.yaml".to_owned(),
            serde_yaml::to_string(&kubelet)?,
        );
    }
    if host.is_control_plane() {
        let plane = &cluster.control_plane;
        if let Some(guarantees) = &plane.guarantees {
            for (component, (cpu, memory)) in &guarantees.resources {
                let same = json!({"cpu": cpu, "memory": memory});
                files.insert(
                    format!("{component}-guarantees+strategic.yaml"),
                    container_patch(
                        component,
                        &json!({"resources": {"requests": same, "limits": same}}),
                    )?,
                );
            }
        }
        if api(cluster) == "v1beta3" {
            environment_patches(cluster, &mut files)?;
        }
    }
    files.extend(
        cluster
            .control_plane
            .patches
            .iter()
            .filter(|(name, _)| host.is_control_plane() || name.starts_with("kubeletconfiguration"))
            .map(|(name, content)| (name.clone(), content.clone())),
    );
    Ok(files)
}

/// v1beta3 has no `extraEnvs`: the environment is patched into the static pods.
fn environment_patches(cluster: &Cluster, files: &mut BTreeMap<String, String>) -> Result<()> {
    let plane = &cluster.control_plane;
    for (name, component) in [
        ("kube-apiserver", &plane.api_server),
        ("kube-controller-manager", &plane.controller_manager),
        ("kube-scheduler", &plane.scheduler),
        ("etcd", &plane.etcd),
    ] {
        if !component.env.is_empty() {
            files.insert(
                format!("{name}-environment+strategic.yaml"),
                container_patch(name, &json!({"env": pairs(&component.env)}))?,
            );
        }
    }
    Ok(())
}

fn container_patch(name: &str, fields: &Value) -> Result<String> {
    let mut container = json!({"name": name});
    merge(&mut container, fields);
    Ok(serde_yaml::to_string(
        &json!({"spec": {"containers": [container]}}),
    )?)
}

fn kubelet_patch(cluster: &Cluster, host: &Host, facts: &Facts) -> Map<String, Value> {
    let mut patch = json!({});
    if !facts.resolv_conf.is_empty() {
        patch["resolvConf"] = facts.resolv_conf.as_str().into();
    }
    if let Some(cpus) = cluster
        .control_plane
        .guarantees
        .as_ref()
        .filter(|_| host.is_control_plane())
        .and_then(|guarantees| guarantees.reserved_cpus.as_ref())
    {
        patch["cpuManagerPolicy"] = "static".into();
        patch["reservedSystemCPUs"] = cpus.as_str().into();
    }
    merge(&mut patch, &Value::Object(host.kubelet.clone()));
    match patch {
        Value::Object(patch) => patch,
        _ => Map::new(),
    }
}

/// `EncryptionConfiguration` with `key` in the place of the key.
pub(super) fn encryption_configuration(cluster: &Cluster, key: &str) -> Option<Result<String>> {
    let encryption = cluster.control_plane.encryption.as_ref()?;
    Some(templates::render(
        "kubeadm/encryption.yaml.j2",
        json!({"provider": encryption.provider, "resources": encryption.resources, "key": key}),
    ))
}

/// The loopback URL of a control plane's own etcd member (kubeadm listens on the family of the advertised address).
pub(crate) fn etcd_endpoint(host: &Host) -> &'static str {
    match host.node_ip {
        IpAddr::V4(_) => "https://127.0.0.1:2379",
        IpAddr::V6(_) => "https://[::1]:2379",
    }
}

/// The URL by which etcd's peers know a control plane.
pub(crate) fn peer_url(host: &Host) -> String {
    match host.node_ip {
        IpAddr::V4(address) => format!("https://{address}:2380"),
        IpAddr::V6(address) => format!("https://[{address}]:2380"),
    }
}
