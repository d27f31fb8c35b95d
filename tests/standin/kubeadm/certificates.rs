//! `/etc/kubernetes/pki` and the kubeconfigs of a control plane.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::config::or;
use crate::{
    kubeconfig,
    pki::{self, Authority},
};

pub const PKI: &str = "/etc/kubernetes/pki";
/// What `upload-certs` shares with other control planes.
pub const SHARED: &[&str] = &[
    "ca.crt",
    "ca.key",
    "sa.key",
    "sa.pub",
    "front-proxy-ca.crt",
    "front-proxy-ca.key",
    "etcd/ca.crt",
    "etcd/ca.key",
];

/// A control plane about to be made.
pub struct Plane<'a> {
    pub node: &'a str,
    pub address: &'a str,
    pub port: u64,
    pub cluster: &'a Value,
    pub version: &'a str,
}

/// Makes what is missing of certificates and keys; authorities that exist are used.
pub fn write_all(plane: &Plane<'_>) -> Result<()> {
    let path = |name: &str| format!("{PKI}/{name}");
    let ca = Authority::read_or_new(&path("ca"), "kubernetes")?;
    let front = Authority::read_or_new(&path("front-proxy-ca"), "front-proxy-ca")?;
    let etcd = Authority::read_or_new(&path("etcd/ca"), "etcd-ca")?;
    if !Path::new(&path("sa.key")).exists() {
        let (private, public) = pki::key_pair()?;
        pki::write(&path("sa.key"), private.as_bytes(), 0o600)?;
        pki::write(&path("sa.pub"), public.as_bytes(), 0o644)?;
    }
    let own = [plane.node, "localhost", plane.address, "127.0.0.1", "::1"].map(str::to_owned);
    let leaf = |name: &str, make: &dyn Fn() -> Result<pki::Signed>| -> Result<()> {
        if Path::new(&format!("{}.crt", path(name))).exists() {
            return Ok(());
        }
        make()
            .with_context(|| format!("error creating {name} certificate"))?
            .write(&path(name))
    };
    leaf("apiserver", &|| {
        ca.server("kube-apiserver", &server_names(plane))
    })?;
    leaf("apiserver-kubelet-client", &|| {
        ca.client("kube-apiserver-kubelet-client", "kubeadm:cluster-admins")
    })?;
    leaf("front-proxy-client", &|| {
        front.client("front-proxy-client", "")
    })?;
    leaf("etcd/server", &|| etcd.peer(plane.node, &own))?;
    leaf("etcd/peer", &|| etcd.peer(plane.node, &own))?;
    leaf("etcd/healthcheck-client", &|| {
        etcd.client("kube-etcd-healthcheck-client", "")
    })?;
    leaf("apiserver-etcd-client", &|| {
        etcd.client("kube-apiserver-etcd-client", "")
    })
}

/// The apiserver's pair alone: one that is there is used, half a pair is an error.
pub fn write_apiserver(plane: &Plane<'_>) -> Result<()> {
    let pair = ["crt", "key"].map(|end| format!("{PKI}/apiserver.{end}"));
    match pair.each_ref().map(|path| Path::new(path).exists()) {
        [true, true] => {
            crate::say("[certs] Using existing apiserver certificate and key on disk");
            Ok(())
        }
        [false, false] => Authority::read(&format!("{PKI}/ca"))
            .context("couldn't load CA certificate")?
            .server("kube-apiserver", &server_names(plane))?
            .write(&format!("{PKI}/apiserver")),
        _ => anyhow::bail!(
            "failed to write or validate certificate \"apiserver\": couldn't load the existing certificate and key from {pair:?}"
        ),
    }
}

/// Every name under which the apiserver is reached.
fn server_names(plane: &Plane<'_>) -> Vec<String> {
    let domain = or(&plane.cluster["networking"]["dnsDomain"], "cluster.local");
    let services = or(
        &plane.cluster["networking"]["serviceSubnet"],
        "10.96.0.0/12",
    );
    let mut names: Vec<String> = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        plane.node,
        plane.address,
    ]
    .map(str::to_owned)
    .to_vec();
    names.push(format!("kubernetes.default.svc.{domain}"));
    let first = services
        .split(',')
        .filter_map(|net| net.parse::<ipnet::IpNet>().ok()?.hosts().next());
    names.extend(first.map(|address| address.to_string()));
    if let Some(endpoint) = plane.cluster["controlPlaneEndpoint"].as_str() {
        let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
        names.push(host.trim_matches(['[', ']']).to_owned());
    }
    let extra = plane.cluster["apiServer"]["certSANs"].as_array();
    names.extend(
        extra
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned)),
    );
    names.sort();
    names.dedup();
    names
}

/// `https://HOST:PORT` of the endpoint, or of this control plane alone.
pub fn endpoint(plane: &Plane<'_>) -> String {
    match plane.cluster["controlPlaneEndpoint"].as_str() {
        Some(endpoint) if endpoint.contains(':') => format!("https://{endpoint}"),
        Some(endpoint) => format!("https://{endpoint}:6443"),
        None => format!("https://{}:{}", plane.address, plane.port),
    }
}

/// Kubeconfigs of a control plane; what exists stays.
pub fn write_kubeconfigs(plane: &Plane<'_>, kubelet: bool) -> Result<()> {
    let ca = Authority::read(&format!("{PKI}/ca"))?;
    let (admin_group, super_admin) = match crate::versions::minor(plane.version) {
        ..29 => ("system:masters", false),
        _ => ("kubeadm:cluster-admins", true),
    };
    let endpoint = endpoint(plane);
    let local = format!("https://{}:{}", plane.address, plane.port);
    let node = format!("system:node:{}", plane.node);
    let mut wanted = vec![
        ("admin", "kubernetes-admin", admin_group, &endpoint),
        (
            "controller-manager",
            "system:kube-controller-manager",
            "",
            &local,
        ),
        ("scheduler", "system:kube-scheduler", "", &local),
    ];
    if super_admin && kubelet {
        wanted.push((
            "super-admin",
            "kubernetes-super-admin",
            "system:masters",
            &endpoint,
        ));
    }
    if kubelet {
        wanted.push(("kubelet", &node, "system:nodes", &endpoint));
    }
    let name = or(&plane.cluster["clusterName"], "kubernetes");
    for (file, user, group, server) in wanted {
        let path = format!("/etc/kubernetes/{file}.conf");
        if Path::new(&path).exists() {
            continue;
        }
        let signed = ca.client(user, group)?;
        let authority = ca.signed.certificate.as_bytes();
        let content = kubeconfig::render(
            name,
            server,
            user,
            authority,
            &kubeconfig::Login::Certificate(&signed),
        );
        pki::write(&path, content.as_bytes(), 0o600)?;
    }
    Ok(())
}

/// Days left and names of the certificates, for `certs check-expiration`.
pub fn names() -> Vec<Value> {
    ["apiserver", "apiserver-etcd-client", "apiserver-kubelet-client", "etcd/healthcheck-client", "etcd/peer", "etcd/server", "front-proxy-client"]
        .iter()
        .filter(|name| fs::metadata(format!("{PKI}/{name}.crt")).is_ok())
        .map(|name| json!({
            "name": name.replace('/', "-"), "residualTime": 364 * 86400, "ca": "ca", "externallyManaged": false, "missing": false,
        }))
        .collect()
}
