//! Static pods: etcd and the apiserver of a control plane, beside the kubelet so that they outlive it.
//!
//! In a transient unit of systemd (`standin-static-pods`), or inside the kubelet where there is none.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::Command,
    sync::{Arc, RwLock},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::{
    apiserver::{self, Etcd, controllers},
    clock, runtime, store, yaml,
};

const UNIT: &str = "standin-static-pods";
/// What runs, for `crictl`.
pub const STATUS: &str = "/run/standin/pods.json";
/// A file for each pod that is to end.
const ENDED: &str = "/run/standin/ended";

/// Starts the unit if it does not run.
pub fn start(directory: &str) -> Result<()> {
    if runtime::systemctl(&["is-active", "--quiet", &format!("{UNIT}.service")]) {
        return Ok(());
    }
    let program = fs::read_link("/proc/self/exe")?;
    let mut run = Command::new("systemd-run");
    run.args(["--quiet", "--collect", "--unit", UNIT]);
    run.args([
        "--property=Restart=always",
        "--property=RestartSec=1",
        "--property=Slice=system.slice",
        "--",
    ]);
    run.arg(program).args(["static-pods", directory]);
    if !runtime::quiet(&mut run) {
        bail!("systemd-run --unit {UNIT} failed");
    }
    Ok(())
}

/// Ends every static pod of this host.
pub fn stop() {
    runtime::systemctl(&["stop", &format!("{UNIT}.service")]);
    fs::remove_file(STATUS).ok();
}

/// Has a pod of this host end and begin again.
pub fn end(name: &str) -> Result<()> {
    fs::create_dir_all(ENDED)?;
    fs::write(format!("{ENDED}/{name}"), "")?;
    Ok(())
}

/// Flags of a static pod's only container.
pub fn flags(pod: &Value) -> BTreeMap<String, String> {
    pod["spec"]["containers"][0]["command"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|word| word.as_str()?.strip_prefix("--"))
        .map(|flag| flag.split_once('=').unwrap_or((flag, "true")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// A manifest and the task that runs it.
struct Running {
    text: String,
    task: JoinHandle<()>,
    since: String,
    attempts: Arc<std::sync::atomic::AtomicU32>,
}

/// Runs what the manifests of a directory say, for as long as they say it.
pub async fn run(directory: &str, version: &str) -> Result<()> {
    let etcd: Etcd = Arc::new(RwLock::new(None));
    tokio::spawn(controllers::run(etcd.clone()));
    let mut running: BTreeMap<String, Running> = BTreeMap::new();
    loop {
        let wanted = manifests(directory);
        let stale: Vec<String> = running
            .iter()
            .filter(|(name, one)| {
                wanted.get(*name) != Some(&one.text)
                    || fs::remove_file(format!("{ENDED}/{name}")).is_ok()
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in stale {
            if let Some(old) = running.remove(&name) {
                old.task.abort();
                if name == "etcd" {
                    *etcd
                        .write()
                        .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
                }
                // Sockets of an aborted task are closed when it is next polled.
                let _ = old.task.await;
            }
        }
        for (name, text) in wanted {
            running.entry(name).or_insert_with_key(|name| {
                let attempts = Arc::<std::sync::atomic::AtomicU32>::default();
                let task = tokio::spawn(keep(
                    name.clone(),
                    text.clone(),
                    version.to_owned(),
                    etcd.clone(),
                    attempts.clone(),
                ));
                Running {
                    text,
                    task,
                    since: format!("{} {:?}", clock::now(), std::time::Instant::now()),
                    attempts,
                }
            });
        }
        report(&running);
        if running.is_empty() && abandoned(directory) {
            stop();
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Whether the node was taken away: nobody would start pods here, and containerd keeps nothing of its own going.
fn abandoned(directory: &str) -> bool {
    runtime::has_systemd()
        && !Path::new(directory).exists()
        && !runtime::systemctl(&["is-active", "--quiet", "kubelet.service"])
}

fn manifests(directory: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if hidden || !path.is_file() {
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        let pod = yaml::documents(&text)
            .ok()
            .and_then(|all| all.into_iter().next());
        if let Some(name) = pod.and_then(|pod| pod["metadata"]["name"].as_str().map(str::to_owned))
        {
            found.insert(name, text);
        }
    }
    found
}

/// Runs one pod again and again.
async fn keep(
    name: String,
    text: String,
    version: String,
    etcd: Etcd,
    attempts: Arc<std::sync::atomic::AtomicU32>,
) {
    loop {
        let problem = match start_pod(&name, &text, &version, &etcd).await {
            Ok(()) => "ended".to_owned(),
            Err(problem) => format!("{problem:#}"),
        };
        if name == "etcd" {
            *etcd
                .write()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        }
        attempts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        crate::complain(&format!("[stand-in] static pod {name}: {problem}"));
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn start_pod(name: &str, text: &str, version: &str, etcd: &Etcd) -> Result<()> {
    let pod = yaml::documents(text)?
        .into_iter()
        .next()
        .context("the manifest is empty")?;
    mounts(&pod)?;
    let image = pod["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    if runtime::has_systemd() && !runtime::images().contains(&image) {
        bail!("ImagePullBackOff: {image} is not in containerd and there is no internet");
    }
    let flags = flags(&pod);
    match name {
        "etcd" => {
            let etcd = etcd.clone();
            let ready = move |store| {
                *etcd
                    .write()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(store);
            };
            store::run(flags, ready).await
        }
        "kube-apiserver" => apiserver::run(flags, etcd.clone(), version.to_owned()).await,
        _ => {
            if let Some(path) = flags.get("kubeconfig") {
                crate::kubeconfig::Access::read(path)?;
            }
            std::future::pending().await
        }
    }
}

/// Host paths must be what their type says, and files named by flags must lie in what is mounted.
fn mounts(pod: &Value) -> Result<()> {
    let volumes = pod["spec"]["volumes"].as_array();
    for volume in volumes.into_iter().flatten() {
        let path = volume["hostPath"]["path"].as_str().unwrap_or_default();
        let right = match volume["hostPath"]["type"].as_str().unwrap_or_default() {
            "File" => Path::new(path).is_file(),
            "Directory" => Path::new(path).is_dir(),
            "DirectoryOrCreate" => fs::create_dir_all(path).is_ok(),
            _ => true,
        };
        if !right {
            bail!(
                "MountVolume.SetUp failed for volume {}: hostPath type check failed: {path}",
                volume["name"]
            );
        }
    }
    let mounted = pod["spec"]["containers"][0]["volumeMounts"].as_array();
    for (name, value) in flags(pod) {
        let path = ["-file", "-config", "-cafile", "kubeconfig", "-path"]
            .iter()
            .any(|end| name.ends_with(end));
        if path && value.starts_with('/') {
            let inside = |mount: &Value| {
                mount["mountPath"]
                    .as_str()
                    .is_some_and(|at| value == at || value.starts_with(&format!("{at}/")))
            };
            if !mounted.into_iter().flatten().any(inside) {
                bail!(
                    "--{name}: open {value}: no such file or directory (nothing mounts it into the container)"
                );
            }
        }
    }
    Ok(())
}

fn report(running: &BTreeMap<String, Running>) {
    let pods: Vec<Value> = running
        .iter()
        .map(|(name, one)| {
            json!({
                "name": name, "since": one.since,
                "attempt": one.attempts.load(std::sync::atomic::Ordering::Relaxed),
                "id": crate::bundle::sha256(format!("{name}{}", one.since).as_bytes()),
            })
        })
        .collect();
    let _ = fs::create_dir_all("/run/standin").and_then(|()| {
        fs::write("/run/standin/pods.new", json!(pods).to_string())?;
        fs::rename("/run/standin/pods.new", STATUS)
    });
}
