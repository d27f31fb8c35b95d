//! Static pod manifests of a control plane.

use anyhow::Result;
use serde_json::{Value, json};

use super::{
    certificates::{PKI, Plane},
    config::{extra_args, or},
    patches,
};
use crate::{pki, versions, yaml};

pub const DIRECTORY: &str = "/etc/kubernetes/manifests";
type Args = Vec<(String, String)>;
/// Name, host path, read only, type; mounted where it is on the host.
type Mount<'a> = (&'a str, &'a str, bool, &'a str);

/// Writes apiserver, controller manager and scheduler.
pub fn write_control_plane(plane: &Plane<'_>, patches: Option<&str>) -> Result<()> {
    write_components(plane, patches, None)
}

/// Writes those of the three that are asked for.
pub fn write_components(
    plane: &Plane<'_>,
    patches: Option<&str>,
    only: Option<&str>,
) -> Result<()> {
    let write = |name: &str, pod: Value, patches: Option<&str>| match only {
        Some(only) if only != name => Ok(()),
        _ => write(name, pod, patches),
    };
    let cluster = plane.cluster;
    let probe = |path: &str, port: u64, host: &str| json!({"failureThreshold": 8, "httpGet": {"host": host, "path": path, "port": port, "scheme": "HTTPS"}, "initialDelaySeconds": 10, "periodSeconds": 10, "timeoutSeconds": 15});
    let conf = |name: &str| format!("/etc/kubernetes/{name}.conf");
    let certificates: Mount<'_> = ("k8s-certs", PKI, true, "DirectoryOrCreate");
    let ca: Mount<'_> = ("ca-certs", "/etc/ssl/certs", true, "DirectoryOrCreate");
    let manager_conf = conf("controller-manager");
    let scheduler_conf = conf("scheduler");
    let mut apiserver = pod(
        plane,
        "kube-apiserver",
        merge(apiserver_args(plane), &cluster["apiServer"]["extraArgs"]),
        &[ca, certificates],
        &cluster["apiServer"],
    );
    apiserver["spec"]["containers"][0]["livenessProbe"] =
        probe("/livez", plane.port, plane.address);
    apiserver["spec"]["containers"][0]["readinessProbe"] =
        probe("/readyz", plane.port, plane.address);
    apiserver["metadata"]["annotations"] = json!({
        "kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint": format!("{}:{}", plane.address, plane.port),
    });
    write("kube-apiserver", apiserver, patches)?;
    let mut manager = pod(
        plane,
        "kube-controller-manager",
        merge(
            manager_args(plane, &manager_conf),
            &cluster["controllerManager"]["extraArgs"],
        ),
        &[
            ca,
            certificates,
            ("kubeconfig", &manager_conf, true, "FileOrCreate"),
        ],
        &cluster["controllerManager"],
    );
    manager["spec"]["containers"][0]["livenessProbe"] = probe("/healthz", 10257, "127.0.0.1");
    write("kube-controller-manager", manager, patches)?;
    let scheduler_args = vec![
        flag("authentication-kubeconfig", &scheduler_conf),
        flag("authorization-kubeconfig", &scheduler_conf),
        flag("bind-address", "127.0.0.1"),
        flag("kubeconfig", &scheduler_conf),
        flag("leader-elect", "true"),
    ];
    let mut scheduler = pod(
        plane,
        "kube-scheduler",
        merge(scheduler_args, &cluster["scheduler"]["extraArgs"]),
        &[("kubeconfig", &scheduler_conf, true, "FileOrCreate")],
        &cluster["scheduler"],
    );
    scheduler["spec"]["containers"][0]["livenessProbe"] = probe("/healthz", 10259, "127.0.0.1");
    write("kube-scheduler", scheduler, patches)
}

/// Writes etcd's manifest; `initial` is `NAME=PEERURL,…` of a cluster that exists already.
pub fn write_etcd(plane: &Plane<'_>, initial: Option<&str>, patches: Option<&str>) -> Result<()> {
    let local = &plane.cluster["etcd"]["local"];
    let data = or(&local["dataDir"], "/var/lib/etcd");
    let url = |port: u16| match plane.address.contains(':') {
        true => format!("https://[{}]:{port}", plane.address),
        false => format!("https://{}:{port}", plane.address),
    };
    let alone = format!("{}={}", plane.node, url(2380));
    let certificate = |name: &str| format!("{PKI}/etcd/{name}");
    let mut args = vec![
        flag("advertise-client-urls", &url(2379)),
        flag("cert-file", &certificate("server.crt")),
        flag("client-cert-auth", "true"),
        flag("data-dir", data),
        flag("experimental-initial-corrupt-check", "true"),
        flag("experimental-watch-progress-notify-interval", "5s"),
        flag("initial-advertise-peer-urls", &url(2380)),
        flag("initial-cluster", initial.unwrap_or(&alone)),
        flag("key-file", &certificate("server.key")),
        flag(
            "listen-client-urls",
            &format!("https://127.0.0.1:2379,{}", url(2379)),
        ),
        flag("listen-metrics-urls", "http://127.0.0.1:2381"),
        flag("listen-peer-urls", &url(2380)),
        flag("name", plane.node),
        flag("peer-cert-file", &certificate("peer.crt")),
        flag("peer-client-cert-auth", "true"),
        flag("peer-key-file", &certificate("peer.key")),
        flag("peer-trusted-ca-file", &certificate("ca.crt")),
        flag("snapshot-count", "10000"),
        flag("trusted-ca-file", &certificate("ca.crt")),
    ];
    if initial.is_some() {
        args.push(flag("initial-cluster-state", "existing"));
    }
    let own = format!("{PKI}/etcd");
    let mounts = [
        ("etcd-certs", own.as_str(), false, "DirectoryOrCreate"),
        ("etcd-data", data, false, "DirectoryOrCreate"),
    ];
    let mut etcd = pod(
        plane,
        "etcd",
        merge(args, &local["extraArgs"]),
        &mounts,
        local,
    );
    etcd["metadata"]["annotations"] =
        json!({"kubeadm.kubernetes.io/etcd.advertise-client-urls": url(2379)});
    std::fs::create_dir_all(data)?;
    std::fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    write("etcd", etcd, patches)
}

fn write(name: &str, pod: Value, directory: Option<&str>) -> Result<()> {
    let pod = patches::apply(directory, name, pod)?;
    pki::write(
        &format!("{DIRECTORY}/{name}.yaml"),
        yaml::text(&pod)?.as_bytes(),
        0o600,
    )
}

fn flag(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// kubeadm's flags with those of the user over them.
fn merge(mut args: Args, extra: &Value) -> Args {
    let extra = extra_args(extra);
    args.retain(|(name, _)| !extra.iter().any(|(given, _)| given == name));
    args.extend(extra);
    args.sort_by(|one, other| one.0.cmp(&other.0));
    args
}

fn apiserver_args(plane: &Plane<'_>) -> Args {
    let pki = |name: &str| format!("{PKI}/{name}");
    let domain = or(&plane.cluster["networking"]["dnsDomain"], "cluster.local");
    vec![
        flag("advertise-address", plane.address),
        flag("allow-privileged", "true"),
        flag("authorization-mode", "Node,RBAC"),
        flag("client-ca-file", &pki("ca.crt")),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("enable-bootstrap-token-auth", "true"),
        flag("etcd-cafile", &pki("etcd/ca.crt")),
        flag("etcd-certfile", &pki("apiserver-etcd-client.crt")),
        flag("etcd-keyfile", &pki("apiserver-etcd-client.key")),
        flag("etcd-servers", "https://127.0.0.1:2379"),
        flag(
            "kubelet-client-certificate",
            &pki("apiserver-kubelet-client.crt"),
        ),
        flag("kubelet-client-key", &pki("apiserver-kubelet-client.key")),
        flag(
            "kubelet-preferred-address-types",
            "InternalIP,ExternalIP,Hostname",
        ),
        flag("proxy-client-cert-file", &pki("front-proxy-client.crt")),
        flag("proxy-client-key-file", &pki("front-proxy-client.key")),
        flag("requestheader-allowed-names", "front-proxy-client"),
        flag("requestheader-client-ca-file", &pki("front-proxy-ca.crt")),
        flag("secure-port", &plane.port.to_string()),
        flag(
            "service-account-issuer",
            &format!("https://kubernetes.default.svc.{domain}"),
        ),
        flag("service-account-key-file", &pki("sa.pub")),
        flag("service-account-signing-key-file", &pki("sa.key")),
        flag(
            "service-cluster-ip-range",
            or(
                &plane.cluster["networking"]["serviceSubnet"],
                "10.96.0.0/12",
            ),
        ),
        flag("tls-cert-file", &pki("apiserver.crt")),
        flag("tls-private-key-file", &pki("apiserver.key")),
    ]
}

fn manager_args(plane: &Plane<'_>, conf: &str) -> Args {
    let pki = |name: &str| format!("{PKI}/{name}");
    let mut args = vec![
        flag("authentication-kubeconfig", conf),
        flag("authorization-kubeconfig", conf),
        flag("bind-address", "127.0.0.1"),
        flag("client-ca-file", &pki("ca.crt")),
        flag(
            "cluster-name",
            or(&plane.cluster["clusterName"], "kubernetes"),
        ),
        flag("cluster-signing-cert-file", &pki("ca.crt")),
        flag("cluster-signing-key-file", &pki("ca.key")),
        flag("controllers", "*,bootstrapsigner,tokencleaner"),
        flag("kubeconfig", conf),
        flag("leader-elect", "true"),
        flag("root-ca-file", &pki("ca.crt")),
        flag("service-account-private-key-file", &pki("sa.key")),
        flag("use-service-account-credentials", "true"),
    ];
    if let Some(pods) = plane.cluster["networking"]["podSubnet"].as_str() {
        args.push(flag("allocate-node-cidrs", "true"));
        args.push(flag("cluster-cidr", pods));
    }
    args
}

fn pod(
    plane: &Plane<'_>,
    name: &str,
    args: Args,
    mounts: &[Mount<'_>],
    component: &Value,
) -> Value {
    let repository = or(&plane.cluster["imageRepository"], versions::REGISTRY);
    let tag = match name {
        "etcd" => or(
            &component["imageTag"],
            versions::companions(plane.version).0,
        )
        .to_owned(),
        _ => format!("v{}", plane.version),
    };
    let command: Vec<String> = std::iter::once(name.to_owned())
        .chain(
            args.into_iter()
                .map(|(name, value)| format!("--{name}={value}")),
        )
        .collect();
    let mut volumes = Vec::new();
    let mut volume_mounts = Vec::new();
    for &(name, path, read_only, kind) in mounts {
        volumes.push(json!({"name": name, "hostPath": {"path": path, "type": kind}}));
        volume_mounts.push(json!({"name": name, "mountPath": path, "readOnly": read_only}));
    }
    for volume in component["extraVolumes"].as_array().into_iter().flatten() {
        let read_only = &volume["readOnly"];
        volumes.push(json!({"name": volume["name"], "hostPath": {"path": volume["hostPath"], "type": or(&volume["pathType"], "")}}));
        volume_mounts.push(json!({"name": volume["name"], "mountPath": volume["mountPath"], "readOnly": read_only}));
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "kube-system", "labels": {"component": name, "tier": "control-plane"}},
        "spec": {
            "hostNetwork": true, "priorityClassName": "system-node-critical",
            "containers": [{
                "name": name, "image": format!("{repository}/{name}:{tag}"), "imagePullPolicy": "IfNotPresent",
                "command": command, "env": component["extraEnvs"], "volumeMounts": volume_mounts,
                "resources": {"requests": {"cpu": "100m"}},
            }],
            "volumes": volumes,
        },
        "status": {},
    })
}
