//! The objects of a verification, in a namespace of their own, and what is asked of them.
//!
//! Pods run the cluster's own `CoreDNS` image, which answers HTTP with its `health` plugin: an air-gapped cluster has it on
//! every node. Clients are the hosts' own, so that no image needs a shell.

use std::{fmt::Write as _, net::IpAddr};

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    inventory::{Cluster, PodNetwork, Pool},
    observe::{Observation, observing},
    phases::shell,
    remote::Script,
    templates,
};

/// Prefix of every namespace of a verification; scripts that sweep know it too.
const PREFIX: &str = "baremetal-verify-";
/// Port on which `CoreDNS` answers, and where.
const PORT: u16 = 8080;
const PATH: &str = "/health";
/// Seconds for pods to run on every node.
const PODS_START: u32 = 90;
/// Seconds for a Service to get its address.
pub(super) const ADDRESS_COMES: u32 = 20;
/// Seconds for a pod with a volume to run: Longhorn makes, attaches and formats it.
const VOLUME_COMES: u32 = 180;

/// What one verification makes.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    pub namespace: String,
    pub image: String,
    /// Whether the image is `CoreDNS`, which is told by a Corefile.
    pub coredns: bool,
    pub args: Vec<String>,
    pub port: u16,
    pub path: String,
    pub service: Option<Balanced>,
    pub storage: Option<Storage>,
    /// Who made it, and when: for people who find what a killed run has left.
    pub by: String,
    pub since: String,
}

/// A Service of type `LoadBalancer`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Balanced {
    /// A pool that must be asked for by name.
    pub pool: Option<String>,
    pub class: Option<String>,
}

/// Where a pod with a volume runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    pub first: String,
    /// Where the pod moves; `None` where no second node stores.
    pub second: Option<String>,
}

#[derive(Serialize)]
struct Values<'a> {
    namespace: &'a str,
    since: &'a str,
    by: &'a str,
    corefile: bool,
    port: u16,
    spec: Value,
    service: bool,
    pool: &'a str,
    class: &'a str,
    storage_class: &'a str,
}

impl Trial {
    /// What is made for `cluster`; `token` tells it from others, `image` is the live `CoreDNS`'s. `None` where there is no image.
    pub fn new(cluster: &Cluster, image: Option<&str>, token: &str) -> Option<Self> {
        let wanted = &cluster.verify;
        let own = wanted.image.as_deref();
        let corefile = ["-conf", "/etc/coredns/Corefile"]
            .map(str::to_owned)
            .to_vec();
        Some(Self {
            namespace: format!("{PREFIX}{token}"),
            image: own.or(image)?.to_owned(),
            coredns: own.is_none(),
            args: own.map_or(corefile, |_| wanted.args.clone()),
            port: own.map_or(PORT, |_| wanted.port),
            path: own.map_or_else(|| PATH.to_owned(), |_| wanted.path.clone()),
            service: cluster.metallb.as_ref().map(|metallb| Balanced {
                pool: match metallb.pools.iter().find(|pool| pool.auto_assign) {
                    Some(_) => None,
                    None => metallb.pools.first().map(|pool| pool.name.clone()),
                },
                class: metallb.load_balancer_class.clone(),
            }),
            storage: None,
            by: String::new(),
            since: String::new(),
        })
    }

    /// Every object that is there from the beginning, as one manifest.
    pub fn manifest(&self) -> Result<String> {
        let service = self.service.as_ref();
        templates::render(
            "verify/objects.yaml.j2",
            Values {
                namespace: &self.namespace,
                since: &self.since,
                by: &self.by,
                corefile: self.coredns,
                port: self.port,
                spec: self.pod_spec(),
                service: service.is_some(),
                pool: service.and_then(|one| one.pool.as_deref()).unwrap_or(""),
                class: service.and_then(|one| one.class.as_deref()).unwrap_or(""),
                storage_class: self.storage.as_ref().map_or("", |_| "longhorn"),
            },
        )
    }

    /// Runs on every node, whatever its taints, and asks for next to nothing.
    fn pod_spec(&self) -> Value {
        let mut container = json!({
            "name": "http",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "ports": [{"containerPort": self.port}],
            "readinessProbe": {"httpGet": {"path": self.path, "port": self.port}, "periodSeconds": 1, "timeoutSeconds": 3},
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
        });
        if !self.args.is_empty() {
            container["args"] = json!(self.args);
        }
        let mut volumes = Vec::new();
        if self.coredns {
            // As kubeadm has it: the file carries NET_BIND_SERVICE and could not be started without it.
            container["securityContext"] = json!({
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
            });
            container["volumeMounts"] =
                json!([{"name": "corefile", "mountPath": "/etc/coredns", "readOnly": true}]);
            volumes.push(json!({"name": "corefile", "configMap": {"name": "corefile"}}));
        }
        json!({
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "tolerations": [{"operator": "Exists"}],
            "containers": [container],
            "volumes": volumes,
        })
    }

    /// The pod that has the volume, on a node: as a manifest, and its name.
    fn volume_pod(&self, node: &str, name: &str) -> String {
        let mut spec = self.pod_spec();
        spec["containers"][0]["volumeMounts"]
            .as_array_mut()
            .map_or_else(Vec::new, std::mem::take)
            .into_iter()
            .chain([json!({"name": "data", "mountPath": "/data"})])
            .collect::<Value>()
            .clone_into(&mut spec["containers"][0]["volumeMounts"]);
        if let Some(volumes) = spec["volumes"].as_array_mut() {
            volumes.push(json!({"name": "data", "persistentVolumeClaim": {"claimName": "data"}}));
        }
        let here = json!({"key": "metadata.name", "operator": "In", "values": [node]});
        spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchFields": [here]}]}}});
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        })
        .to_string()
    }

    /// Sweeps, then makes everything.
    pub fn make(&self) -> Result<Script> {
        Ok(sweeping("verify-make").attach("objects.yaml", self.manifest()?))
    }

    /// Waits for the pods and the address. A test double's pods are not waited for.
    pub fn wait(&self, stand_in: bool) -> Script {
        let pods = if stand_in { 1 } else { PODS_START };
        let address = if self.service.is_some() {
            ADDRESS_COMES
        } else {
            0
        };
        observing("verify-wait")
            .arg(&self.namespace)
            .arg(pods.to_string())
            .arg(address.to_string())
            .timeout(std::time::Duration::from_secs(u64::from(PODS_START) + 60))
    }

    /// Has the pod with the volume run on `node` under `name`, instead of `old`.
    pub fn move_volume(&self, node: &str, name: &str, old: Option<&str>) -> Script {
        shell::change("verify-pod")
            .arg(&self.namespace)
            .arg(old.unwrap_or_default())
            .attach("pod.yaml", self.volume_pod(node, name))
            .timeout(std::time::Duration::from_mins(3))
    }

    /// Waits for that pod.
    pub fn wait_volume(&self, name: &str) -> Script {
        observing("verify-pod-wait")
            .arg(&self.namespace)
            .arg(name)
            .arg(VOLUME_COMES.to_string())
            .timeout(std::time::Duration::from_secs(u64::from(VOLUME_COMES) + 60))
    }

    /// From a node: its pod asks the pods of `others` (node and address).
    pub fn pairs(&self, own: &str, others: &[(&str, &str)]) -> Script {
        let mut list = String::new();
        for (node, address) in others {
            let _ = writeln!(list, "{node} {address}");
        }
        let mut script = shell::change("verify-pairs")
            .arg(own)
            .arg(self.port.to_string())
            .arg(&self.path)
            .attach("pods", list)
            .timeout(std::time::Duration::from_mins(3));
        script.mutating = false;
        script
    }
}

/// Removes all that verifications have made.
pub fn remove() -> Script {
    sweeping("verify-remove").timeout(std::time::Duration::from_mins(5))
}

fn sweeping(name: &str) -> Script {
    let body = [
        shell::body("verify-sweep").as_str(),
        templates::text(&format!("actions/{name}.sh")),
    ]
    .concat();
    Script::change(name, body).timeout(std::time::Duration::from_mins(5))
}

/// On a pod's node: writes into its volume, or looks whether what was written is there.
pub fn volume(way: &str, uid: &str, content: &str) -> Script {
    shell::change("verify-volume")
        .arg(way)
        .arg(uid)
        .arg(content)
        .timeout(std::time::Duration::from_mins(1))
}

/// On a host: who answers ARP for an address.
pub fn arp(ask: &ArpAsk, address: IpAddr) -> Script {
    let mut script = shell::change("verify-arp")
        .arg(&ask.interface)
        .arg(address.to_string())
        .arg(ask.own.to_string())
        .attach("arp.py", templates::text("observe/arp.py"))
        .timeout(std::time::Duration::from_secs(30));
    script.mutating = false;
    script
}

/// A host that can ask by ARP: it has an interface in the network of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArpAsk {
    pub host: String,
    pub interface: String,
    pub own: IpAddr,
}

/// At most so many hosts ask: the one that announces does not hear itself, any other hears all.
const ASKERS: usize = 3;

/// Nodes that can ask for `address`; load balancers too, which never announce it.
pub fn arp_asks(cluster: &Cluster, seen: &Observation, address: IpAddr) -> Vec<ArpAsk> {
    cluster
        .hosts
        .iter()
        .filter_map(|host| {
            let facts = &seen.hosts.get(&host.name)?.facts;
            let there = facts.addresses.iter().find(|one| {
                one.address.is_ipv4()
                    && ipnet::IpNet::new(one.address, one.prefix)
                        .is_ok_and(|net| net.prefix_len() < 32 && net.contains(&address))
            })?;
            Some(ArpAsk {
                host: host.name.clone(),
                interface: there.interface.clone(),
                own: there.address,
            })
        })
        .take(ASKERS)
        .collect()
}

/// The pool that an address is of.
pub fn pool_of(cluster: &Cluster, address: IpAddr) -> Option<&Pool> {
    let inside = |text: &String| match text.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (from.trim().parse::<IpAddr>(), to.trim().parse::<IpAddr>());
            matches!((from, to), (Ok(from), Ok(to)) if from.is_ipv4() == address.is_ipv4() && (from..=to).contains(&address))
        }
        None => text
            .parse::<ipnet::IpNet>()
            .is_ok_and(|net| net.contains(&address)),
    };
    let pools = &cluster.metallb.as_ref()?.pools;
    pools.iter().find(|pool| pool.addresses.iter().any(inside))
}

/// Why the cluster's pods are not looked at although there is an image.
pub(super) fn no_pods(cluster: &Cluster, stand_in: bool) -> Option<&'static str> {
    if stand_in {
        return Some(super::claims::STAND_IN);
    }
    matches!(cluster.network.plugin, PodNetwork::None)
        .then_some("the inventory installs no pod network (`plugin: none`)")
}
