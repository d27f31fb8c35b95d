//! `kubeadm init`.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{
    certificates::{self, PKI, Plane},
    config::{self, Config, bind_port, or},
    kubelet, manifests, node, preflight, token, upload,
};
use crate::{
    args::Flags, clock, identity::Identity, kubeconfig::Access, net::Client, net::tls, runtime, say,
};

pub const FLAGS: &str = "config= upload-certs ignore-preflight-errors= skip-phases= skip-token-print skip-certificate-key-print cri-socket= node-name= dry-run certificate-key= token= token-ttl= control-plane-endpoint= apiserver-advertise-address= apiserver-bind-port= apiserver-cert-extra-sans= cert-dir= feature-gates= image-repository= kubernetes-version= patches= pod-network-cidr= service-cidr= service-dns-domain= rootfs= v,v=";

/// Flags that may stand beside `--config` (kubeadm's own list).
const WITH_CONFIG: &[&str] = &[
    "config",
    "upload-certs",
    "ignore-preflight-errors",
    "skip-phases",
    "skip-token-print",
    "skip-certificate-key-print",
    "cri-socket",
    "node-name",
    "dry-run",
    "rootfs",
    "v",
    "kubeconfig",
];

/// Configuration of `--config`, with the flags that must not stand beside it refused.
pub fn configuration(flags: &Flags, identity: &Identity) -> Result<Config> {
    let Some(path) = flags.get("config") else {
        bail!("[stand-in] this kubeadm takes its configuration from --config only");
    };
    let mixed: Vec<&str> = flags
        .given()
        .filter(|name| !WITH_CONFIG.contains(name))
        .collect();
    if !mixed.is_empty() {
        bail!(
            "can not mix '--config' with arguments [{}]",
            mixed.join(" ")
        );
    }
    let mut config = Config::read(path, &identity.version)?;
    if config.init.is_null() && config.cluster.is_null() && config.join.is_null() {
        bail!("no InitConfiguration or ClusterConfiguration kind was found in the YAML file");
    }
    if config.init.is_null() {
        config.init = config::empty("InitConfiguration", &config.api_version);
    }
    if config.cluster.is_null() {
        config.cluster = config::empty("ClusterConfiguration", &config.api_version);
    }
    Ok(config)
}

/// The control plane that an `InitConfiguration` describes.
pub struct Own {
    pub node: String,
    pub address: String,
    pub port: u64,
    pub version: String,
}

impl Own {
    pub fn of(node: &Value, point: &Value, version: String) -> Self {
        let name = or(&node["nodeRegistration"]["name"], &runtime::hostname()).to_lowercase();
        let address = match point["advertiseAddress"].as_str() {
            Some(address) => address.to_owned(),
            None => node::default_address(),
        };
        Self {
            node: name,
            address,
            port: bind_port(point),
            version,
        }
    }

    pub fn plane<'a>(&'a self, cluster: &'a Value) -> Plane<'a> {
        Plane {
            node: &self.node,
            address: &self.address,
            port: self.port,
            cluster,
            version: &self.version,
        }
    }
}

pub async fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let config = configuration(&flags, identity)?;
    let own = Own::of(
        &config.init,
        &config.init["localAPIEndpoint"],
        config.kubernetes(&identity.version),
    );
    let plane = own.plane(&config.cluster);
    say(format!(
        "[stand-in] [init] Using Kubernetes version: v{}",
        own.version
    ));
    preflight::run(
        preflight::Goal::Init,
        identity,
        &config,
        &flags.list("ignore-preflight-errors"),
    )?;
    let patches_directory = config.init["patches"]["directory"].as_str();
    if let Some(directory) = patches_directory {
        fs::read_dir(directory)
            .with_context(|| format!("could not list patch files for path {directory:?}"))?;
    }
    say(format!(
        "[stand-in] [certs] Using certificateDir folder {PKI:?}"
    ));
    certificates::write_all(&plane)?;
    certificates::write_kubeconfigs(&plane, true)?;
    say("[stand-in] [etcd] Creating static Pod manifest for local etcd");
    manifests::write_etcd(&plane, None, patches_directory)?;
    manifests::write_control_plane(&plane, patches_directory)?;
    kubelet::write(
        &own,
        &config.init["nodeRegistration"],
        &kubelet::defaults(&config),
        patches_directory,
        &config.cluster,
    )?;
    kubelet::start()?;
    wait(&own, &config).await?;
    let access = Access::read("/etc/kubernetes/admin.conf")?;
    let api = upload::Api::new(access.client()?);
    // Through the endpoint from here on: what every other node will use.
    within(Duration::from_mins(1), "the control plane endpoint", || {
        api.ready()
    })
    .await?;
    upload::configuration(&api, &config, &own).await?;
    if flags.on("upload-certs") {
        upload_certificates(&api, &config, &flags).await?;
    }
    node::mark_control_plane(&api, &own.node, &config.init["nodeRegistration"]).await?;
    let mut token = bootstrap_token(&api, &config).await?;
    if flags.on("skip-token-print") {
        "<value withheld>".clone_into(&mut token);
    }
    upload::cluster_info(&api, &certificates::endpoint(&plane)).await?;
    addons(&api, &config, &own, &flags).await?;
    finish(&plane, &token)
}

fn finish(plane: &Plane<'_>, token: &str) -> Result<u8> {
    say(
        "\n[stand-in] Your Kubernetes control-plane has initialized successfully! It is a test double, not a real cluster.\n",
    );
    say(format!(
        "kubeadm join {} --token {token} \\\n\t--discovery-token-ca-cert-hash {}",
        certificates::endpoint(plane).trim_start_matches("https://"),
        node::ca_hash()?
    ));
    Ok(0)
}

async fn addons(api: &upload::Api, config: &Config, own: &Own, flags: &Flags) -> Result<()> {
    let skipped = |phase: &str| {
        let of_config = config.init["skipPhases"].as_array().into_iter().flatten();
        of_config
            .filter_map(Value::as_str)
            .any(|skipped| skipped == phase || skipped == "addon")
            || flags
                .list("skip-phases")
                .iter()
                .any(|skipped| skipped == phase || skipped == "addon")
    };
    if !skipped("addon/coredns") && config.cluster["dns"]["disabled"] != true {
        upload::coredns(api, config, own).await?;
        say("[stand-in] [addons] Applied essential addon: CoreDNS");
    }
    if !skipped("addon/kube-proxy") && config.cluster["proxy"]["disabled"] != true {
        upload::kube_proxy(api, config, own).await?;
        say("[stand-in] [addons] Applied essential addon: kube-proxy");
    }
    Ok(())
}

/// The first token of the configuration, or a new one of 24 hours.
async fn bootstrap_token(api: &upload::Api, config: &Config) -> Result<String> {
    let given = &config.init["bootstrapTokens"][0];
    let token = match given["token"].as_str() {
        Some(token) => token.to_owned(),
        None => token::random()?,
    };
    let ttl = clock::duration(or(&given["ttl"], "24h")).unwrap_or(86400);
    token::store(
        api,
        &token,
        ttl,
        or(
            &given["description"],
            "The default bootstrap token generated by 'kubeadm init'.",
        ),
    )
    .await?;
    Ok(token)
}

/// `--upload-certs`: seals the shared certificates with the key of the configuration or a new one.
pub async fn upload_certificates(api: &upload::Api, config: &Config, flags: &Flags) -> Result<()> {
    let key = match config.init["certificateKey"].as_str() {
        Some(key) => key.to_owned(),
        None => token::certificate_key()?,
    };
    token::store_proxy(api).await?;
    upload::certificates(api, &key).await?;
    say(
        "[stand-in] [upload-certs] Storing the certificates in Secret \"kubeadm-certs\" in the \"kube-system\" Namespace",
    );
    if !flags.on("skip-certificate-key-print") {
        say("[upload-certs] Using certificate key:");
        say(key);
    }
    Ok(())
}

/// Waits for this host's own apiserver.
async fn wait(own: &Own, config: &Config) -> Result<()> {
    let timeout = config.init["timeouts"]["controlPlaneComponentHealthCheck"]
        .as_str()
        .or(config.cluster["apiServer"]["timeoutForControlPlane"].as_str());
    let timeout = Duration::from_secs(timeout.and_then(clock::duration).unwrap_or(240));
    say(format!(
        "[stand-in] [wait-control-plane] Waiting for the kubelet to boot up the control plane. This can take up to {}s",
        timeout.as_secs()
    ));
    let ca = fs::read(format!("{PKI}/ca.crt"))?;
    let url = match own.address.contains(':') {
        true => format!("https://[{}]:{}", own.address, own.port),
        false => format!("https://{}:{}", own.address, own.port),
    };
    let client = Client::new(&url, tls::client(Some(&ca), None)?).timeout(Duration::from_secs(5));
    let ready = || async {
        client
            .get("/readyz")
            .await
            .is_ok_and(|answer| answer.status == 200)
    };
    within(timeout, &format!("kube-apiserver at {url}/readyz"), ready).await
}

/// Asks every 300 ms until it holds.
pub async fn within<F, R>(timeout: Duration, what: &str, holds: F) -> Result<()>
where
    F: Fn() -> R,
    R: Future<Output = bool>,
{
    let end = Instant::now() + timeout;
    while !holds().await {
        if Instant::now() > end {
            bail!(
                "timed out waiting for the condition: {what} did not answer within {}s; `journalctl -xeu kubelet` may say why",
                timeout.as_secs()
            );
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}
