//! `kubeadm`: the verbs that a cluster's life needs.

mod certificates;
pub mod components;
pub mod config;
mod etcd;
mod images;
mod init;
mod join;
mod kubelet;
mod manifests;
mod node;
mod patches;
mod preflight;
mod reset;
mod schema;
mod seal;
pub mod token;
mod upgrade;
mod upload;

pub use node::default_address;
pub use schema::{check, tree};

use anyhow::{Result, bail};
use serde_json::json;

use crate::{args::Flags, block_on, identity::Identity, kubeconfig::Access, say};

/// Runs `kubeadm ARGUMENT…`.
pub fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["version", rest @ ..] => version(identity, rest),
        ["config", "images", "list", ..] => images::list(identity, &arguments[3..]),
        ["config", "images", "pull", ..] => images::pull(identity, &arguments[3..]),
        ["config", "validate", ..] => validate(identity, &arguments[2..]),
        ["certs", "certificate-key"] => {
            say(token::certificate_key()?);
            Ok(0)
        }
        ["certs", "check-expiration", ..] => expiration(&arguments[2..]),
        ["token", ..] => block_on(token::run(&arguments[1..])),
        ["init", "phase", ..] => block_on(phase(identity, &arguments[2..])),
        ["init", ..] => block_on(init::run(identity, &arguments[1..])),
        ["join", ..] => block_on(join::run(identity, &arguments[1..])),
        ["upgrade", ..] => block_on(upgrade::run(&arguments[1..])),
        ["reset", ..] => block_on(reset::run(identity, &arguments[1..])),
        _ => bail!("unknown command {:?} for \"kubeadm\"", words.join(" ")),
    }
}

/// Single phases of `kubeadm init`.
async fn phase(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(&format!("{} kubeconfig=", init::FLAGS), arguments)?;
    let config = init::configuration(&flags, identity)?;
    let kubeconfig = flags
        .get("kubeconfig")
        .unwrap_or("/etc/kubernetes/admin.conf");
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    let version = config.kubernetes(&identity.version);
    let own = init::Own::of(&config.init, &config.init["localAPIEndpoint"], version);
    let api = || anyhow::Ok(upload::Api::new(Access::read(kubeconfig)?.client()?));
    let directory = config.init["patches"]["directory"].as_str();
    match words.as_slice() {
        ["upload-certs"] => {
            if !flags.on("upload-certs") {
                say("[upload-certs] Skipping phase. Please see --upload-certs");
                return Ok(0);
            }
            init::upload_certificates(&api()?, &config, &flags).await?;
        }
        ["upload-config", "all" | "kubeadm" | "kubelet"] => {
            upload::configuration(&api()?, &config, &own).await?;
        }
        ["addon", "all"] => {
            upload::coredns(&api()?, &config, &own).await?;
            upload::kube_proxy(&api()?, &config, &own).await?;
        }
        ["addon", "kube-proxy"] => upload::kube_proxy(&api()?, &config, &own).await?,
        ["addon", "coredns"] => upload::coredns(&api()?, &config, &own).await?,
        ["certs", "all"] => certificates::write_all(&own.plane(&config.cluster))?,
        ["certs", "apiserver"] => certificates::write_apiserver(&own.plane(&config.cluster))?,
        ["control-plane", "all"] => {
            manifests::write_control_plane(&own.plane(&config.cluster), directory)?;
        }
        [
            "control-plane",
            component @ ("apiserver" | "controller-manager" | "scheduler"),
        ] => {
            let only = format!("kube-{component}");
            manifests::write_components(&own.plane(&config.cluster), directory, Some(&only))?;
        }
        ["etcd", "local"] => {
            manifests::write_etcd(&own.plane(&config.cluster), None, directory)?;
        }
        ["mark-control-plane"] => {
            node::mark_control_plane(&api()?, &own.node, &config.init["nodeRegistration"]).await?;
        }
        other => bail!("unknown phase {:?}", other.join(" ")),
    }
    Ok(0)
}

fn validate(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse("config= allow-experimental-api kubeconfig= v,v=", arguments)?;
    let Some(path) = flags.get("config") else {
        bail!("the --config flag is mandatory");
    };
    config::Config::read(path, &identity.version)?;
    say("ok");
    Ok(0)
}

fn expiration(arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse("o,output= config= cert-dir= kubeconfig= v,v=", arguments)?;
    let names = certificates::names();
    match flags.get("output") {
        Some("json") => say(json!({"kind": "CertificateExpirationInfo", "certificates": names})),
        _ => names.iter().for_each(|name| {
            say(format!(
                "{:28} 364d [stand-in]",
                name["name"].as_str().unwrap_or_default()
            ));
        }),
    }
    Ok(0)
}

fn version(identity: &Identity, rest: &[&str]) -> Result<u8> {
    let version = &identity.version;
    match rest {
        ["-o", "short"] | ["-oshort" | "--output=short"] => say(format!("v{version}")),
        ["-o", "json"] | ["-ojson" | "--output=json"] => say(json!({
            "clientVersion": {
                "major": "1",
                "minor": identity.minor().to_string(),
                "gitVersion": format!("v{version}"),
                "gitCommit": "stand-in",
            }
        })),
        [] => say(format!(
            "kubeadm version: &version.Info{{Major:\"1\", Minor:\"{}\", GitVersion:\"v{version}\", GitCommit:\"stand-in\"}}",
            identity.minor()
        )),
        _ => bail!("invalid output format: {}", rest.join(" ")),
    }
    Ok(0)
}
