//! The cluster as its API tells it, asked in one round trip on an elected control plane.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::Value;

use crate::{
    artifacts::Artifacts,
    inventory::Cluster,
    phases::{
        addon::{self, Answer},
        script_body,
    },
    remote::Script,
    templates,
};

/// Annotation of the kube-proxy `ConfigMap` and `DaemonSet`: which configuration was rolled out last.
pub(crate) const KUBE_PROXY_HASH: &str = "baremetal.dev/kube-proxy-configuration";

/// Live state of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ApiSeen {
    /// The host that was asked.
    pub via: String,
    pub nodes: Vec<NodeSeen>,
    pub etcd: Vec<EtcdMember>,
    /// `config.conf` of the live kube-proxy `ConfigMap`.
    pub kube_proxy: Option<Value>,
    /// Whether the kube-proxy `DaemonSet` is there; `kubeadm init` makes it last.
    pub kube_proxy_daemon_set: bool,
    /// Whether kube-proxy's pods were rolled after the last change of their configuration by us.
    pub kube_proxy_rolled: bool,
    /// Whether the `CoreDNS` Deployment is there.
    pub coredns: bool,
    /// How many pods `CoreDNS` is to have.
    pub dns_replicas: u64,
    /// The node of each pod of it that answers.
    pub dns_nodes: Vec<String>,
    /// `ClusterConfiguration` of the live kubeadm-config.
    pub cluster_configuration: Option<Value>,
    /// `KubeletConfiguration` of the live kubelet-config: what nodes that join begin with.
    pub kubelet: Option<Value>,
    /// Ids of join tokens of ours that are still there: a run was killed before it could take them back.
    pub join_tokens: Vec<String>,
    /// By add-on name.
    pub addons: BTreeMap<String, AddonSeen>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct NodeSeen {
    pub name: String,
    pub ready: bool,
    pub unschedulable: bool,
    pub version: String,
    pub internal_ips: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// (key, value, effect)
    pub taints: Vec<(String, String, String)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EtcdMember {
    /// Hexadecimal, as `etcdctl member remove` takes it.
    pub id: String,
    /// Empty while the member has not started.
    pub name: String,
    pub peer_urls: Vec<String>,
    pub learner: bool,
    pub healthy: bool,
}

/// One add-on as it is live.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AddonSeen {
    pub present: bool,
    /// Whether live objects are what the inventory asks for.
    pub same: bool,
    /// Unified diff of live against desired, or what differs in a release.
    pub diff: String,
}

/// Questions that every cluster is asked; answers are sections of the script's output.
const QUESTIONS: &str = r#"
ask nodes kube get nodes -o json
ask system kube -n kube-system get configmap/kube-proxy configmap/kubeadm-config configmap/kubelet-config daemonset/kube-proxy deployment/coredns endpoints/kube-dns --ignore-not-found -o json
ask tokens kube -n kube-system get secrets -o 'jsonpath={range .items[*]}{.metadata.name}{" "}{.data.description}{"\n"}{end}'
ask etcd-members etcd member list
ask etcd-health etcd endpoint health --cluster
"#;

/// The read-only script for an elected control plane.
pub fn api_script(cluster: &Cluster, artifacts: &Artifacts) -> Result<Script> {
    let (questions, attachments) = addon::questions(cluster, artifacts)?;
    let endpoint = cluster
        .control_planes()
        .next()
        .map_or("https://127.0.0.1:2379", |host| {
            crate::phases::kubeadm::etcd_endpoint(host)
        });
    let mut body = script_body("addon");
    body.push_str(templates::text("actions/addon-observe.sh"));
    body.extend(["etcd_endpoint='", endpoint, "'\n"]);
    body.push_str(QUESTIONS);
    body.push_str(&questions);
    body.push_str("answers\n");
    let mut script = Script::read("cluster", body);
    script.attachments = attachments;
    Ok(script)
}

/// Reads what [`api_script`] of the same cluster printed.
pub fn parse_api(
    cluster: &Cluster,
    artifacts: &Artifacts,
    via: &str,
    stdout: &str,
) -> Result<ApiSeen> {
    let answers = sections(stdout);
    let answer = |name: &str, what: &str| answer(&answers, name, what);
    let nodes: Value = serde_json::from_str(&answer("nodes", "the list of nodes")?.out)?;
    let system: Value = serde_json::from_str(&answer("system", "the objects of kubeadm")?.out)
        .context("the objects of kubeadm")?;
    let none = Answer::default();
    let mut seen = ApiSeen {
        via: via.to_owned(),
        nodes: items(&nodes).map(node).collect(),
        etcd: members(
            &answer("etcd-members", "the members of etcd")?.out,
            answers.get("etcd-health").unwrap_or(&none),
        ),
        join_tokens: join_tokens(&answer("tokens", "the list of join tokens")?.out),
        addons: addon::read_answers(cluster, artifacts, &answers)?,
        ..ApiSeen::default()
    };
    read_system(&system, &mut seen)?;
    Ok(seen)
}

/// Ids of the tokens whose description says that they are ours; other tokens are not ours to take back.
fn join_tokens(lines: &str) -> Vec<String> {
    use base64::Engine as _;
    let ours = |description: &str| {
        base64::engine::general_purpose::STANDARD
            .decode(description)
            .is_ok_and(|text| text.starts_with(b"baremetal: join"))
    };
    lines
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, description)| ours(description.trim()))
        .filter_map(|(name, _)| name.strip_prefix("bootstrap-token-"))
        .map(str::to_owned)
        .collect()
}

/// The answer to a question that must have been answered: guessing from half of it would plan joins of members.
pub(super) fn answer<'a>(
    answers: &'a BTreeMap<String, Answer>,
    name: &str,
    what: &str,
) -> Result<&'a Answer> {
    let answer = answers
        .get(name)
        .with_context(|| format!("{what} was not answered"))?;
    anyhow::ensure!(answer.status == 0, "{what}: {}", answer.err.trim());
    Ok(answer)
}

/// Splits the output at lines `%% NAME STATUS`.
pub(crate) fn sections(stdout: &str) -> BTreeMap<String, Answer> {
    let mut answers: BTreeMap<String, Answer> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in stdout.lines() {
        if let Some(header) = line.strip_prefix("%% ") {
            let (name, status) = header.split_once(' ').unwrap_or((header, "0"));
            if name.strip_suffix(".err").is_none() {
                answers.entry(name.to_owned()).or_default().status = status.parse().unwrap_or(2);
            }
            current = Some(name.to_owned());
        } else if let Some(name) = &current {
            let (name, error) = match name.strip_suffix(".err") {
                Some(name) => (name, true),
                None => (name.as_str(), false),
            };
            let answer = answers.entry(name.to_owned()).or_default();
            let text = if error {
                &mut answer.err
            } else {
                &mut answer.out
            };
            text.push_str(line);
            text.push('\n');
        }
    }
    answers
}

/// Items of a list, or the one object that was found instead of a list.
pub(crate) fn items(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value.get("items").and_then(Value::as_array) {
        Some(items) => Box::new(items.iter()),
        None => Box::new(std::iter::once(value)),
    }
}

pub(super) fn texts(value: &Value) -> BTreeMap<String, String> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(crate) fn node(value: &Value) -> NodeSeen {
    let status = &value["status"];
    NodeSeen {
        name: text(&value["metadata"]["name"]),
        ready: list(&status["conditions"])
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
        unschedulable: value["spec"]["unschedulable"] == true,
        version: text(&status["nodeInfo"]["kubeletVersion"]),
        internal_ips: list(&status["addresses"])
            .filter(|address| address["type"] == "InternalIP")
            .map(|address| text(&address["address"]))
            .collect(),
        labels: texts(&value["metadata"]["labels"]),
        annotations: texts(&value["metadata"]["annotations"]),
        taints: list(&value["spec"]["taints"])
            .map(|taint| {
                (
                    text(&taint["key"]),
                    text(&taint["value"]),
                    text(&taint["effect"]),
                )
            })
            .collect(),
    }
}

fn read_system(system: &Value, seen: &mut ApiSeen) -> Result<()> {
    let yaml = |value: &Value| -> Result<Option<Value>> {
        value
            .as_str()
            .map(|text| serde_yaml::from_str(text).context("a configuration in kube-system"))
            .transpose()
    };
    let (mut wanted, mut rolled) = (None, None);
    for object in items(system) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        match (object["kind"].as_str().unwrap_or_default(), name) {
            ("ConfigMap", "kube-proxy") => {
                seen.kube_proxy = yaml(&object["data"]["config.conf"])?;
                wanted = texts(&object["metadata"]["annotations"]).remove(KUBE_PROXY_HASH);
            }
            ("ConfigMap", "kubeadm-config") => {
                seen.cluster_configuration = yaml(&object["data"]["ClusterConfiguration"])?;
            }
            ("ConfigMap", "kubelet-config") => {
                seen.kubelet = yaml(&object["data"]["kubelet"])?;
            }
            ("DaemonSet", "kube-proxy") => {
                seen.kube_proxy_daemon_set = true;
                rolled = texts(&object["spec"]["template"]["metadata"]["annotations"])
                    .remove(KUBE_PROXY_HASH);
            }
            ("Deployment", "coredns") => {
                seen.coredns = true;
                seen.dns_replicas = object["spec"]["replicas"].as_u64().unwrap_or(1);
            }
            ("Endpoints", "kube-dns") => {
                seen.dns_nodes = list(&object["subsets"])
                    .flat_map(|subset| list(&subset["addresses"]))
                    .map(|address| text(&address["nodeName"]))
                    .collect();
            }
            _ => {}
        }
    }
    seen.kube_proxy_rolled = wanted.is_none() || wanted == rolled;
    Ok(())
}

/// Reads `etcdctl member list` (ID, status, name, peer URLs, client URLs, learner) and `endpoint health --cluster`.
pub(crate) fn members(list: &str, health: &Answer) -> Vec<EtcdMember> {
    let healthy = |url: &str| {
        let line = format!("{url} is healthy");
        health.out.contains(&line) || health.err.contains(&line)
    };
    list.lines()
        .filter_map(|line| {
            let fields: Vec<_> = line.split(", ").map(str::trim).collect();
            let [id, _status, name, peers, clients, learner] = fields[..] else {
                return None;
            };
            Some(EtcdMember {
                id: id.to_owned(),
                name: name.to_owned(),
                peer_urls: peers.split(',').map(str::to_owned).collect(),
                learner: learner == "true",
                healthy: clients
                    .split(',')
                    .next()
                    .is_some_and(|url| !url.is_empty() && healthy(url)),
            })
        })
        .collect()
}
