//! `kubeadm join`.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    certificates::{self, PKI, Plane},
    config::Config,
    etcd,
    init::{self, Own},
    kubelet, manifests, node, preflight, token,
    upload::{self, Api, SYSTEM},
};
use crate::{
    args::Flags,
    clock,
    identity::Identity,
    kubeconfig::{self, Access},
    net::{Client, der, tls},
    pki, say, yaml,
};

const FLAGS: &str = "config= ignore-preflight-errors= skip-phases= cri-socket= node-name= dry-run token= discovery-token= discovery-token-ca-cert-hash= discovery-token-unsafe-skip-ca-verification discovery-file= tls-bootstrap-token= control-plane certificate-key= apiserver-advertise-address= apiserver-bind-port= patches= v,v=";

pub async fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let mut config = init::configuration(&flags, identity)?;
    if config.join.is_null() {
        bail!("no JoinConfiguration kind was found in the YAML file");
    }
    let control_plane = !config.join["controlPlane"].is_null();
    let goal = if control_plane {
        preflight::Goal::JoinControlPlane
    } else {
        preflight::Goal::JoinWorker
    };
    // Files and ports of this host come first, images once the cluster has told its version.
    let ignored = flags.list("ignore-preflight-errors");
    preflight::run(
        preflight::Goal::JoinWorker,
        identity,
        &worker_view(&config, control_plane),
        &ignored,
    )?;
    let found = discover(&config).await?;
    let api = Api::new(found.access.client()?);
    config.cluster = fetch(&api, "kubeadm-config", "ClusterConfiguration").await?;
    let settings = fetch(&api, "kubelet-config", "kubelet").await?;
    let own = Own::of(
        &config.join,
        &config.join["controlPlane"]["localAPIEndpoint"],
        config.kubernetes(&identity.version),
    );
    refuse_same_name(&api, &own.node).await?;
    let plane = own.plane(&config.cluster);
    let directory = config.join["patches"]["directory"].as_str();
    if control_plane {
        if config.cluster["controlPlaneEndpoint"]
            .as_str()
            .is_none_or(str::is_empty)
        {
            bail!(
                "error execution phase preflight: \nOne or more conditions for hosting a new control plane instance is not satisfied.\n\nunable to add a new control plane instance to a cluster that doesn't have a stable controlPlaneEndpoint address"
            );
        }
        preflight::run(goal, identity, &config, &ignored)?;
        if let Some(key) = config.join["controlPlane"]["certificateKey"].as_str() {
            upload::download_certificates(&api, key)
                .await
                .context("error execution phase control-plane-prepare/download-certs")?;
        }
        check_shared()?;
        certificates::write_all(&plane)?;
        certificates::write_kubeconfigs(&plane, false)?;
        manifests::write_control_plane(&plane, directory)?;
    }
    bootstrap(&found, &own)?;
    kubelet::write(
        &own,
        &config.join["nodeRegistration"],
        &settings,
        directory,
        &config.cluster,
    )?;
    kubelet::start()?;
    wait_for_identity(&config).await?;
    if control_plane {
        let api = Api::new(Access::read("/etc/kubernetes/admin.conf")?.client()?);
        add_etcd_member(&api, &plane, directory)
            .await
            .context("error execution phase control-plane-join/etcd")?;
        node::mark_control_plane(&api, &own.node, &config.join["nodeRegistration"]).await?;
    }
    say("\n[stand-in] This node has joined the cluster. It is a test double, not a real cluster.");
    Ok(0)
}

/// What a worker's checks look at, for a control plane too; its ports and files are checked later.
fn worker_view(config: &Config, control_plane: bool) -> Config {
    let mut view = config.clone();
    if control_plane && let Some(list) = view.join["nodeRegistration"].as_object_mut() {
        let ignored = list.entry("ignorePreflightErrors").or_insert(json!([]));
        if let Some(ignored) = ignored.as_array_mut() {
            ignored.push(json!("FileAvailable--etc-kubernetes-pki-ca.crt"));
        }
    }
    view
}

/// A cluster that can be trusted, and how to speak to it with the token.
struct Found {
    access: Access,
    server: String,
    ca: Vec<u8>,
    token: String,
}

async fn discover(config: &Config) -> Result<Found> {
    let token = &config.join["discovery"]["bootstrapToken"];
    if token.is_null() {
        bail!("[stand-in] discovery by file is not played");
    }
    let endpoint = token["apiServerEndpoint"].as_str().unwrap_or_default();
    let secret = token["token"].as_str().unwrap_or_default();
    let id = secret.split('.').next().unwrap_or_default();
    let timeout = config.join["timeouts"]["discovery"]
        .as_str()
        .or(config.join["discovery"]["timeout"].as_str());
    let timeout = Duration::from_secs(timeout.and_then(clock::duration).unwrap_or(300));
    let anonymous = Client::new(endpoint, tls::client(None, None)?);
    let end = Instant::now() + timeout;
    let info = loop {
        let problem = match cluster_info(&anonymous, secret, id).await {
            Ok(info) => break info,
            Err(problem) => problem,
        };
        if Instant::now() > end {
            bail!(
                "error execution phase preflight: couldn't validate the identity of the API Server: {problem:#}"
            );
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let access = Access::parse(&info, None)?;
    let ca = access.ca.clone().context("cluster-info has no CA")?;
    check_pins(&ca, &token["caCertHashes"])?;
    // Again, this time with the CA checked.
    let trusted = Client::new(endpoint, tls::client(Some(&ca), None)?);
    cluster_info(&trusted, secret, id)
        .await
        .context("couldn't validate the identity of the API Server")?;
    let server = access.server.clone();
    let with_token = kubeconfig::render(
        "kubernetes",
        &server,
        "tls-bootstrap-token-user",
        &ca,
        &kubeconfig::Login::Token(secret),
    );
    Ok(Found {
        access: Access::parse(&with_token, None)?,
        server,
        ca,
        token: secret.to_owned(),
    })
}

/// The kubeconfig in cluster-info, if it is signed for the token.
async fn cluster_info(client: &Client, secret: &str, id: &str) -> Result<String> {
    let answer = client
        .get("/api/v1/namespaces/kube-public/configmaps/cluster-info")
        .await
        .with_context(|| {
            format!(
                "failed to request the cluster-info ConfigMap from {}",
                client.authority
            )
        })?;
    let info = answer.value()?;
    let text = info["data"]["kubeconfig"]
        .as_str()
        .context("failed to request the cluster-info ConfigMap")?;
    if info["data"][format!("jws-kubeconfig-{id}")] != token::signature(text, secret) {
        bail!(
            "the cluster-info ConfigMap does not yet contain a JWS signature for token ID {id:?}: could not find a JWS signature in the cluster-info ConfigMap for token ID {id:?}"
        );
    }
    Ok(text.to_owned())
}

fn check_pins(ca: &[u8], pins: &Value) -> Result<()> {
    let Some(pins) = pins.as_array().filter(|pins| !pins.is_empty()) else {
        return Ok(());
    };
    let certificates = tls::certificates(ca)?;
    let hash = der::public_key_hash(certificates.first().context("cluster-info has no CA")?)?;
    if pins.iter().any(|pin| *pin == json!(hash)) {
        return Ok(());
    }
    bail!(
        "error execution phase preflight: cluster CA found in cluster-info ConfigMap is invalid: none of the public keys {hash:?} are pinned"
    );
}

async fn fetch(api: &Api, name: &str, key: &str) -> Result<Value> {
    let map = api
        .get(&format!("{SYSTEM}/configmaps/{name}"))
        .await
        .with_context(|| {
            format!("error execution phase preflight: unable to fetch the {name} ConfigMap")
        })?;
    let text = map["data"][key]
        .as_str()
        .with_context(|| format!("{name} has no {key}"))?;
    Ok(yaml::documents(text)?
        .into_iter()
        .next()
        .unwrap_or_default())
}

async fn refuse_same_name(api: &Api, name: &str) -> Result<()> {
    let Ok(node) = api.get(&format!("/api/v1/nodes/{name}")).await else {
        return Ok(());
    };
    let ready = node["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten();
    if ready
        .clone()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    {
        bail!(
            "error execution phase kubelet-start: a Node with name {name:?} and status \"Ready\" already exists in the cluster. You must delete the existing Node or change the name of this new joining Node"
        );
    }
    Ok(())
}

fn check_shared() -> Result<()> {
    let missing: Vec<String> = certificates::SHARED
        .iter()
        .filter(|name| {
            !name.starts_with("etcd/ca.key") && !Path::new(&format!("{PKI}/{name}")).exists()
        })
        .map(|name| format!("failure loading certificate: couldn't load {PKI}/{name}"))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "error execution phase preflight: \nOne or more conditions for hosting a new control plane instance is not satisfied.\n\n[{}]\n\nPlease ensure that:\n* The cluster has a stable controlPlaneEndpoint address.\n* The certificates that must be shared among control plane instances are provided.",
        missing.join(", ")
    );
}

/// What the kubelet needs to ask for its own certificate.
fn bootstrap(found: &Found, own: &Own) -> Result<()> {
    let login = kubeconfig::Login::Token(&found.token);
    let config = kubeconfig::render(
        "kubernetes",
        &found.server,
        "tls-bootstrap-token-user",
        &found.ca,
        &login,
    );
    pki::write(
        "/etc/kubernetes/bootstrap-kubelet.conf",
        config.as_bytes(),
        0o600,
    )?;
    if !Path::new(&format!("{PKI}/ca.crt")).exists() {
        pki::write(&format!("{PKI}/ca.crt"), &found.ca, 0o644)?;
    }
    say(format!(
        "[stand-in] [kubelet-start] Waiting for the kubelet of {} to perform the TLS Bootstrap",
        own.node
    ));
    Ok(())
}

async fn wait_for_identity(config: &Config) -> Result<()> {
    let timeout = config.join["timeouts"]["tlsBootstrap"]
        .as_str()
        .and_then(clock::duration)
        .unwrap_or(300);
    let there = || async { Path::new("/etc/kubernetes/kubelet.conf").exists() };
    init::within(
        Duration::from_secs(timeout),
        "the kubelet's TLS bootstrap",
        there,
    )
    .await?;
    std::fs::remove_file("/etc/kubernetes/bootstrap-kubelet.conf").ok();
    Ok(())
}

/// Adds this host's etcd as a learner, starts it and has it promoted.
async fn add_etcd_member(api: &Api, plane: &Plane<'_>, directory: Option<&str>) -> Result<()> {
    let pods = api.get(&format!("{SYSTEM}/pods")).await?;
    let endpoints: Vec<String> = pods["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|pod| pod["metadata"]["labels"]["component"] == "etcd")
        .filter_map(|pod| {
            pod["metadata"]["annotations"]["kubeadm.kubernetes.io/etcd.advertise-client-urls"]
                .as_str()
        })
        .map(str::to_owned)
        .collect();
    if endpoints.is_empty() {
        bail!("could not retrieve the list of etcd endpoints");
    }
    let cluster = etcd::Cluster::of_host(&endpoints)?;
    let peer = match plane.address.contains(':') {
        true => format!("https://[{}]:2380", plane.address),
        false => format!("https://{}:2380", plane.address),
    };
    say(format!(
        "[stand-in] [etcd] Adding etcd member {peer} as a learner"
    ));
    let member = cluster.add(&peer).await?;
    let initial: Vec<String> = cluster
        .members()
        .await?
        .iter()
        .map(|other| {
            if other.id == member.id {
                format!("{}={peer}", plane.node)
            } else {
                format!("{}={}", other.name, other.peer_url)
            }
        })
        .collect();
    manifests::write_etcd(plane, Some(&initial.join(",")), directory)?;
    cluster.promote(member.id, Duration::from_mins(2)).await
}
