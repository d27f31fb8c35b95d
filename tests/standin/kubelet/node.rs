//! The Node object of this host and its mirror pods.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::{
    args::Flags,
    clock,
    identity::Identity,
    net::{Client, Response},
    pods, runtime, yaml,
};

const IMAGES_EVERY: Duration = Duration::from_secs(5);
const CNI: &str = "/etc/cni/net.d";
/// `DaemonSets` that install a CNI configuration on every node.
const NETWORKS: &[&str] = &["kube-flannel-ds", "calico-node", "cilium"];

pub struct Node {
    name: String,
    version: String,
    address: String,
    labels: Vec<(String, String)>,
    taints: Vec<Value>,
    manifests: String,
    max_pods: u64,
    /// Images of containerd, and when they were listed.
    images: Mutex<(Option<Instant>, BTreeSet<String>)>,
}

impl Node {
    pub fn new(name: &str, identity: &Identity, flags: &Flags, config: &Value) -> Self {
        let pairs = flags.list("node-labels");
        let labels = pairs
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let taints = flags
            .list("register-with-taints")
            .iter()
            .filter_map(|taint| parse_taint(taint))
            .collect();
        let address = flags
            .get("node-ip")
            .and_then(|all| all.split(',').next())
            .map(str::to_owned);
        Self {
            name: name.to_owned(),
            version: identity.version.clone(),
            address: address.unwrap_or_else(crate::kubeadm::default_address),
            labels: labels.collect(),
            taints,
            manifests: config["staticPodPath"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            max_pods: config["maxPods"].as_u64().unwrap_or(110),
            images: Mutex::default(),
        }
    }

    /// Makes the API show this node as it is.
    pub async fn tell(&self, client: &Client) -> Result<()> {
        let path = format!("/api/v1/nodes/{}", self.name);
        let answer = client.get(&path).await?;
        let live = match answer.status {
            200 => answer.value()?,
            404 => ok(client.post("/api/v1/nodes", &self.fresh()).await?)?,
            _ => bail!("error getting node {:?}: {}", self.name, message(&answer)),
        };
        ok(client
            .post(&format!("/standin/heartbeat/{}", self.name), &Value::Null)
            .await?)?;
        self.install_network(client).await?;
        let status = self.status();
        let same = ["images", "nodeInfo", "addresses", "capacity"]
            .iter()
            .all(|part| live["status"][part] == status[part])
            && live["status"]["conditions"][3]["status"] == status["conditions"][3]["status"];
        if !same {
            let patch = json!({ "status": status }).to_string().into_bytes();
            ok(client
                .call(
                    "PATCH",
                    &format!("{path}/status"),
                    "application/merge-patch+json",
                    &[],
                    patch,
                )
                .await?)?;
        }
        self.mirror(client).await
    }

    fn fresh(&self) -> Value {
        let mut labels = json!({
            "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux",
            "kubernetes.io/arch": arch(), "beta.kubernetes.io/arch": arch(),
        });
        for (name, value) in &self.labels {
            labels[name] = json!(value);
        }
        let mut taints = self.taints.clone();
        taints.push(json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}));
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": self.name, "labels": labels, "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"}},
            "spec": {"taints": taints}, "status": self.status(),
        })
    }

    fn status(&self) -> Value {
        let network = has_network();
        let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": clock::now()});
        let ready = match network {
            true => condition(
                "Ready",
                "True",
                "KubeletReady",
                "kubelet is posting ready status [stand-in]",
            ),
            false => condition(
                "Ready",
                "False",
                "KubeletNotReady",
                "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
            ),
        };
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let memory = memory.split_whitespace().nth(1).unwrap_or("0").to_owned();
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let capacity = json!({"cpu": cpus.to_string(), "memory": format!("{memory}Ki"), "pods": self.max_pods.to_string(), "ephemeral-storage": "100Gi"});
        let images: Vec<Value> = self
            .images()
            .into_iter()
            .map(|image| json!({"names": [image], "sizeBytes": 1024}))
            .collect();
        json!({
            "addresses": [{"type": "InternalIP", "address": self.address}, {"type": "Hostname", "address": self.name}],
            "capacity": capacity, "allocatable": capacity, "images": images,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                ready,
            ],
            "nodeInfo": {
                "kubeletVersion": format!("v{}", self.version), "kubeProxyVersion": format!("v{}", self.version),
                "containerRuntimeVersion": "containerd://stand-in", "osImage": "stand-in",
                "operatingSystem": "linux", "architecture": arch(),
                "kernelVersion": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
                "machineID": fs::read_to_string("/etc/machine-id").unwrap_or_default().trim(),
            },
        })
    }

    /// Images of containerd, listed anew every few seconds.
    fn images(&self) -> BTreeSet<String> {
        let mut kept = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0.is_none_or(|when| when.elapsed() > IMAGES_EVERY) {
            *kept = (Some(Instant::now()), runtime::images());
        }
        kept.1.clone()
    }

    /// What a pod network's `DaemonSet` does on each node: it leaves a CNI configuration.
    async fn install_network(&self, client: &Client) -> Result<()> {
        if has_network() {
            return Ok(());
        }
        let pods = client.get("/api/v1/pods").await?.value()?;
        let network = pods["items"]
            .as_array()
            .into_iter()
            .flatten()
            .find_map(|pod| {
                let owner = pod["metadata"]["ownerReferences"][0]["name"]
                    .as_str()
                    .unwrap_or_default();
                let mounts = pod["spec"]["volumes"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .any(|volume| volume["hostPath"]["path"] == CNI);
                let here = pod["spec"]["nodeName"] == self.name.as_str()
                    && pod["status"]["phase"] == "Running";
                let known = NETWORKS.iter().any(|name| owner.starts_with(name));
                (here && (mounts || known)).then(|| owner.to_owned())
            });
        if let Some(owner) = network {
            // Under the name that the real one gives it.
            let (file, kind) = if owner.contains("calico") {
                ("10-calico.conflist", "calico")
            } else if owner.contains("cilium") {
                ("05-cilium.conflist", "cilium-cni")
            } else {
                ("10-flannel.conflist", "flannel")
            };
            fs::create_dir_all(CNI)?;
            let config = json!({"name": "cbr0", "cniVersion": "0.3.1", "plugins": [{"type": kind}, {"type": "portmap"}]});
            fs::write(format!("{CNI}/{file}"), config.to_string())?;
        }
        Ok(())
    }

    /// Pods of the API that stand for static ones.
    async fn mirror(&self, client: &Client) -> Result<()> {
        let directory = "/api/v1/namespaces/kube-system/pods";
        let listed = client.get(directory).await?.value()?;
        let own: Vec<&Value> = listed["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|pod| {
                pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
                    && pod["spec"]["nodeName"] == self.name.as_str()
            })
            .collect();
        let running = fs::read_to_string(pods::STATUS).unwrap_or_default();
        let running: Value = serde_json::from_str(&running).unwrap_or_default();
        let mut wanted = Vec::new();
        for entry in fs::read_dir(&self.manifests)
            .into_iter()
            .flatten()
            .flatten()
        {
            let text = fs::read_to_string(entry.path()).unwrap_or_default();
            let Some(mut pod) = yaml::documents(&text)
                .ok()
                .and_then(|all| all.into_iter().next())
            else {
                continue;
            };
            let name = pod["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let runs = running
                .as_array()
                .into_iter()
                .flatten()
                .any(|one| one["name"] == name.as_str());
            let mirror = format!("{name}-{}", self.name);
            pod["metadata"]["name"] = json!(mirror);
            pod["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("stand-in");
            pod["metadata"]["annotations"]["kubernetes.io/config.source"] = json!("file");
            pod["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "Node", "name": self.name, "controller": true}]);
            pod["spec"]["nodeName"] = json!(self.name);
            pod["status"] = mirror_status(&pod, &name, runs, &self.address);
            wanted.push(mirror.clone());
            match own
                .iter()
                .find(|have| have["metadata"]["name"] == mirror.as_str())
            {
                None => {
                    ok(client.post(directory, &pod).await?)?;
                }
                Some(have)
                    if have["status"] != pod["status"]
                        || have["spec"]["containers"] != pod["spec"]["containers"] =>
                {
                    let body = pod.to_string().into_bytes();
                    ok(client
                        .call(
                            "PUT",
                            &format!("{directory}/{mirror}"),
                            "application/json",
                            &[],
                            body,
                        )
                        .await?)?;
                }
                Some(_) => {}
            }
        }
        for pod in own {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            if !wanted.iter().any(|wanted| wanted == name) {
                client
                    .call(
                        "DELETE",
                        &format!("{directory}/{name}"),
                        "",
                        &[],
                        Vec::new(),
                    )
                    .await?;
            }
        }
        Ok(())
    }
}

fn mirror_status(pod: &Value, name: &str, runs: bool, address: &str) -> Value {
    let status = if runs { "True" } else { "False" };
    json!({
        "phase": if runs { "Running" } else { "Pending" }, "hostIP": address, "podIP": address,
        "conditions": [{"type": "Ready", "status": status}, {"type": "ContainersReady", "status": status}],
        "containerStatuses": [{
            "name": name, "ready": runs, "started": runs, "restartCount": 0, "image": pod["spec"]["containers"][0]["image"],
            "state": if runs { json!({"running": {}}) } else { json!({"waiting": {"reason": "ContainerCreating"}}) },
        }],
    })
}

fn has_network() -> bool {
    fs::read_dir(CNI)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            Path::new(&entry.file_name())
                .extension()
                .is_some_and(|end| end == "conf" || end == "conflist")
        })
}

fn parse_taint(text: &str) -> Option<Value> {
    let (key, effect) = text.rsplit_once(':')?;
    let (key, value) = key.split_once('=').unwrap_or((key, ""));
    let mut taint = json!({"key": key, "effect": effect});
    if !value.is_empty() {
        taint["value"] = json!(value);
    }
    Some(taint)
}

fn arch() -> &'static str {
    if std::env::consts::ARCH == "aarch64" {
        "arm64"
    } else {
        "amd64"
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the answer of a call goes straight in"
)]
fn ok(answer: Response) -> Result<Value> {
    match answer.status {
        200..300 => answer.value(),
        _ => bail!("{}", message(&answer)),
    }
}

fn message(answer: &Response) -> String {
    answer
        .value()
        .ok()
        .and_then(|status| status["message"].as_str().map(str::to_owned))
        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned())
}
