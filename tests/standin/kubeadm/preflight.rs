//! The checks that kubeadm makes before it changes anything.

use std::{fs, net::TcpListener, path::Path, process::Command};

use anyhow::{Result, bail};
use serde_json::Value;

use super::{
    config::{Config, bind_port, or},
    manifests,
};
use crate::{identity::Identity, runtime, say, versions};

/// What a host is about to become.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    Init,
    JoinControlPlane,
    JoinWorker,
}

#[derive(Default)]
struct Found {
    errors: Vec<(String, String)>,
    warnings: Vec<(String, String)>,
}

/// Runs the checks; `ignored` names those that only warn.
pub fn run(goal: Goal, identity: &Identity, config: &Config, ignored: &[String]) -> Result<()> {
    say("[stand-in] [preflight] Running pre-flight checks");
    let mut found = Found::default();
    host(&mut found, identity);
    let node = if goal == Goal::Init {
        &config.init
    } else {
        &config.join
    };
    let socket = or(
        &node["nodeRegistration"]["criSocket"],
        "unix:///run/containerd/containerd.sock",
    );
    if !Path::new(socket.trim_start_matches("unix://")).exists() {
        found.error("CRI", format!("could not connect to the container runtime: dial unix {socket}: connect: no such file or directory"));
    }
    if goal == Goal::JoinWorker || goal == Goal::JoinControlPlane {
        for name in ["kubelet.conf", "bootstrap-kubelet.conf"] {
            found.absent(&format!("/etc/kubernetes/{name}"));
        }
        found.empty(manifests::DIRECTORY);
    }
    if goal == Goal::JoinWorker {
        found.absent("/etc/kubernetes/pki/ca.crt");
    }
    found.port(10250);
    if goal != Goal::JoinWorker {
        let point = if goal == Goal::Init {
            &config.init["localAPIEndpoint"]
        } else {
            &config.join["controlPlane"]["localAPIEndpoint"]
        };
        for port in [bind_port(point), 10259, 10257, 2379, 2380] {
            found.port(port);
        }
        for name in [
            "kube-apiserver",
            "kube-controller-manager",
            "kube-scheduler",
            "etcd",
        ] {
            found.absent(&format!("{}/{name}.yaml", manifests::DIRECTORY));
        }
        found.empty(or(
            &config.cluster["etcd"]["local"]["dataDir"],
            "/var/lib/etcd",
        ));
        images(&mut found, identity, config);
        if cpus() < 2 {
            found.error(
                "NumCPU",
                "the number of available CPUs 1 is less than the required 2".into(),
            );
        }
    }
    found.end(&node["nodeRegistration"]["ignorePreflightErrors"], ignored)
}

fn host(found: &mut Found, identity: &Identity) {
    for (path, name) in [(
        "/proc/sys/net/ipv4/ip_forward",
        "FileContent--proc-sys-net-ipv4-ip_forward",
    )] {
        if fs::read_to_string(path).unwrap_or_default().trim() != "1" {
            found.error(name, format!("{path} contents are not set to 1"));
        }
    }
    let bridge = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if identity.minor() < 30 && fs::read_to_string(bridge).is_ok_and(|value| value.trim() != "1") {
        found.error(
            "FileContent--proc-sys-net-bridge-bridge-nf-call-iptables",
            format!("{bridge} contents are not set to 1"),
        );
    }
    let mut needed = vec!["conntrack", "ip", "iptables", "mount", "nsenter"];
    if identity.minor() < 32 {
        needed.push("crictl");
    }
    for name in needed {
        if runtime::which(name).is_none() {
            found.error(
                &format!("FileExisting-{name}"),
                format!("{name} not found in system path"),
            );
        }
    }
    for name in ["ethtool", "socat", "tc", "touch"] {
        if runtime::which(name).is_none() {
            found.warning(
                &format!("FileExisting-{name}"),
                format!("{name} not found in system path"),
            );
        }
    }
    if fs::read_to_string("/proc/swaps")
        .unwrap_or_default()
        .lines()
        .count()
        > 1
    {
        found.warning("Swap", "swap is supported for cgroup v2 only. The kubelet must be properly configured to use swap".into());
    }
    if identity.minor() >= 35 && !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
        found.error(
            "SystemVerification",
            "cgroups v1 support is in maintenance mode, please migrate to cgroups v2".into(),
        );
    }
    match Command::new("kubelet").arg("--version").output() {
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let minor = versions::minor(text.rsplit(' ').next().unwrap_or_default().trim());
            if minor > identity.minor() || minor + 3 < identity.minor() {
                found.error(
                    "KubeletVersion",
                    format!(
                        "the kubelet version is not supported by this kubeadm: {}",
                        text.trim()
                    ),
                );
            }
        }
        Err(_) => found.error(
            "KubeletVersion",
            "couldn't get kubelet version: executable file not found in $PATH".into(),
        ),
    }
    match runtime::systemctl(&["cat", "kubelet.service"]) {
        false => found.error("Service-Kubelet", "kubelet service does not exist".into()),
        true if !runtime::systemctl(&["is-enabled", "--quiet", "kubelet.service"]) => {
            found.warning(
                "Service-Kubelet",
                "kubelet service is not enabled, please run 'systemctl enable kubelet.service'"
                    .into(),
            );
        }
        true => {}
    }
}

/// Without internet every image must be in containerd already.
fn images(found: &mut Found, identity: &Identity, config: &Config) {
    let have = runtime::images();
    for image in versions::images(&config.kubernetes(&identity.version), config.repository()) {
        if !have.contains(&image) {
            found.error(
                "ImagePull",
                format!("failed to pull image {image}: dial tcp: lookup registry: no such host"),
            );
        }
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

impl Found {
    fn error(&mut self, name: &str, text: String) {
        self.errors.push((name.to_owned(), text));
    }

    fn warning(&mut self, name: &str, text: String) {
        self.warnings.push((name.to_owned(), text));
    }

    fn absent(&mut self, path: &str) {
        if Path::new(path).exists() {
            self.error(
                &format!("FileAvailable-{}", path.replace('/', "-")),
                format!("{path} already exists"),
            );
        }
    }

    fn empty(&mut self, path: &str) {
        if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_some()) {
            self.error(
                &format!("DirAvailable-{}", path.replace('/', "-")),
                format!("{path} is not empty"),
            );
        }
    }

    fn port(&mut self, port: u64) {
        if TcpListener::bind(format!("0.0.0.0:{port}")).is_err() {
            self.error(&format!("Port-{port}"), format!("Port {port} is in use"));
        }
    }

    fn end(mut self, more: &Value, ignored: &[String]) -> Result<()> {
        let ignored: Vec<String> = ignored
            .iter()
            .map(String::as_str)
            .chain(
                more.as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str),
            )
            .map(str::to_lowercase)
            .collect();
        let passes = |name: &str| {
            ignored
                .iter()
                .any(|ignored| ignored == "all" || *ignored == name.to_lowercase())
        };
        let (passed, errors): (Vec<_>, Vec<_>) =
            self.errors.drain(..).partition(|(name, _)| passes(name));
        for (name, text) in passed.into_iter().chain(self.warnings) {
            crate::complain(&format!("\t[WARNING {name}]: {text}"));
        }
        if errors.is_empty() {
            return Ok(());
        }
        let lines: Vec<String> = errors
            .iter()
            .map(|(name, text)| format!("\t[ERROR {name}]: {text}"))
            .collect();
        bail!(
            "error execution phase preflight: [preflight] Some fatal errors occurred:\n{}\n[preflight] If you know what you are doing, you can make a check non-fatal with `--ignore-preflight-errors=...`",
            lines.join("\n")
        );
    }
}
