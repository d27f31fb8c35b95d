//! `kubelet`: registers its Node, says that it lives, keeps static pods running.

mod node;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt as _, net::TcpListener};

use crate::{
    args::Flags,
    block_on, complain,
    identity::Identity,
    kubeadm::components::check_kubelet,
    kubeconfig::{self, Access},
    pki, pods, runtime, say, yaml,
};

/// Flags of the real kubelet that units and kubeadm use; the deprecated ones among them still work.
const FLAGS: &str = "version config= config-dir= kubeconfig= bootstrap-kubeconfig= container-runtime-endpoint= image-service-endpoint= node-ip= hostname-override= node-labels= register-with-taints= register-node v,v= cgroup-driver= cert-dir= root-dir= resolv-conf= max-pods= fail-swap-on volume-plugin-dir= cloud-provider= cloud-config= address= port= read-only-port= anonymous-auth authorization-mode= client-ca-file= cluster-dns= cluster-domain= pod-manifest-path= feature-gates= logging-format= system-reserved= kube-reserved= system-reserved-cgroup= kube-reserved-cgroup= reserved-cpus= eviction-hard= eviction-soft= image-gc-high-threshold= image-gc-low-threshold= runtime-cgroups= kubelet-cgroups= protect-kernel-defaults rotate-certificates serialize-image-pulls tls-cert-file= tls-private-key-file= tls-cipher-suites= tls-min-version= streaming-connection-idle-timeout= make-iptables-util-chains event-qps= seccomp-default cpu-manager-policy= topology-manager-policy= allowed-unsafe-sysctls= node-status-update-frequency= pod-max-pids= cgroups-per-qos cgroup-root= enforce-node-allocatable= local-storage-capacity-isolation oom-score-adj= healthz-port= healthz-bind-address= container-log-max-size= container-log-max-files= log-file= vmodule=";

/// How often the node says that it lives.
const BEAT: Duration = Duration::from_millis(1500);

pub fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    if let [first, directory] = arguments
        && first == "static-pods"
    {
        block_on(pods::run(directory, &identity.version))?;
        return Ok(0);
    }
    let mut spec = FLAGS.to_owned();
    if identity.minor() < 35 {
        spec.push_str(" pod-infra-container-image=");
    }
    let flags = Flags::parse(&spec, arguments).context("failed to parse kubelet flag")?;
    if flags.on("version") {
        say(format!("Kubernetes v{}", identity.version));
        return Ok(0);
    }
    if !flags.rest.is_empty() {
        bail!("unknown command {:?}", flags.rest.join(" "));
    }
    let config = configuration(&flags)?;
    block_on(serve(identity, &flags, &config))?;
    Ok(0)
}

/// `--config`, checked as strictly as the real one does at its start.
fn configuration(flags: &Flags) -> Result<Value> {
    let Some(path) = flags.get("config") else {
        return Ok(json!({}));
    };
    let text = fs::read_to_string(path)
        .with_context(|| format!("failed to load kubelet config file, path: {path}, error: failed to read kubelet config file {path:?}"))?;
    let config = yaml::documents(&text)?
        .into_iter()
        .next()
        .unwrap_or_default();
    let tree = crate::kubeadm::tree("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration")
        .unwrap_or_default();
    if config["kind"] != "KubeletConfiguration" {
        bail!(
            "failed to load kubelet config file, path: {path}, error: no kind {} is registered",
            config["kind"]
        );
    }
    crate::kubeadm::check(&config, &tree)
        .map_err(|problem| anyhow::anyhow!("failed to load kubelet config file, path: {path}, error: strict decoding error: {problem}"))?;
    check_kubelet(&config)?;
    let swaps = fs::read_to_string("/proc/swaps").unwrap_or_default();
    let may_swap = config["failSwapOn"] == false || flags.get("fail-swap-on") == Some("false");
    if swaps.lines().count() > 1 && !may_swap {
        bail!(
            "failed to run Kubelet: running with swap on is not supported, please disable swap or set --fail-swap-on flag to false"
        );
    }
    Ok(config)
}

async fn serve(identity: &Identity, flags: &Flags, config: &Value) -> Result<()> {
    let socket = flags
        .get("container-runtime-endpoint")
        .or(config["containerRuntimeEndpoint"].as_str());
    let socket = socket
        .filter(|socket| !socket.is_empty())
        .unwrap_or("unix:///run/containerd/containerd.sock");
    if !Path::new(socket.trim_start_matches("unix://")).exists() {
        bail!(
            "failed to run Kubelet: validate service connection: validate CRI v1 runtime API for endpoint {socket:?}: connect: no such file or directory"
        );
    }
    if identity.minor() >= 35
        && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
        && config["failCgroupV1"] != false
    {
        bail!("failed to run Kubelet: kubelet is configured to not run on a host using cgroup v1");
    }
    if let Some(directory) = config["staticPodPath"]
        .as_str()
        .or(flags.get("pod-manifest-path"))
    {
        fs::create_dir_all(directory)?;
        if runtime::has_systemd() {
            pods::start(directory)?;
        } else {
            let (directory, version) = (directory.to_owned(), identity.version.clone());
            tokio::spawn(async move { pods::run(&directory, &version).await });
        }
    }
    let name = flags
        .get("hostname-override")
        .map_or_else(runtime::hostname, str::to_owned);
    let port = TcpListener::bind(("0.0.0.0", 10250))
        .await
        .context("failed to start kubelet server: listen tcp 0.0.0.0:10250")?;
    tokio::spawn(async move { while port.accept().await.is_ok() {} });
    tokio::spawn(health());
    let Some(path) = flags.get("kubeconfig") else {
        // Without an API server static pods are all there is.
        return std::future::pending().await;
    };
    if !Path::new(path).exists() {
        bootstrap(flags.get("bootstrap-kubeconfig"), path, &name).await?;
    }
    let node = node::Node::new(&name, identity, flags, config);
    let client = Access::read(path)?
        .client()?
        .timeout(Duration::from_secs(6));
    say(format!("[stand-in] kubelet of {name} runs, a test double"));
    loop {
        if let Err(problem) = node.tell(&client).await {
            complain(&format!("[stand-in] kubelet: {problem:#}"));
        }
        tokio::time::sleep(BEAT).await;
    }
}

/// `/healthz` on 127.0.0.1:10248, as kubeadm asks for it.
async fn health() -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 10248)).await?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        let _ = stream
            .write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await;
    }
}

/// Gets a certificate of its own with the bootstrap token.
async fn bootstrap(bootstrap: Option<&str>, path: &str, name: &str) -> Result<()> {
    let Some(bootstrap) = bootstrap.filter(|path| Path::new(path).exists()) else {
        bail!(
            "failed to run Kubelet: unable to load bootstrap kubeconfig: stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory"
        );
    };
    let access = Access::read(bootstrap)?;
    let answer = access
        .client()?
        .post("/standin/sign", &json!({ "node": name }))
        .await?;
    let signed = answer.value()?;
    let (Some(certificate), Some(key)) = (signed["certificate"].as_str(), signed["key"].as_str())
    else {
        bail!(
            "failed to run Kubelet: cannot create certificate signing request: {}",
            signed["message"]
        );
    };
    let pem = "/var/lib/kubelet/pki/kubelet-client-current.pem";
    pki::write(pem, format!("{certificate}{key}").as_bytes(), 0o600)?;
    let ca = access.ca.clone().unwrap_or_default();
    let content = kubeconfig::render(
        "default-cluster",
        &access.server,
        "default-auth",
        &ca,
        &kubeconfig::Login::File(pem),
    );
    let new = format!("{path}.new");
    pki::write(&new, content.as_bytes(), 0o600)?;
    fs::rename(new, path)?;
    Ok(())
}
