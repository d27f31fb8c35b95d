//! What ends with a cluster: its nodes, volumes and members, as its API tells them.

use std::{collections::BTreeSet, fmt::Write as _};

use serde::Serialize;

use crate::{
    inventory::{Cluster, Host},
    observe::KubeFacts,
    phases::{kubeadm, settings},
    remote::Script,
    report::text::count,
    templates,
};

/// What a live control plane says; all empty where none answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterData {
    pub nodes: Vec<String>,
    pub volumes: Vec<Volume>,
    /// Names of Longhorn's volumes.
    pub longhorn: Vec<String>,
    /// Names of etcd's members; a peer URL where one has not started.
    pub members: Vec<String>,
    /// Internal addresses of nodes and peer URLs of members, each with the name of whose it is.
    pub known_by: Vec<(String, String)>,
    /// What was answered; of everything else nothing is known.
    pub answered: BTreeSet<Question>,
}

/// What a control plane is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    Nodes,
    Members,
    Volumes,
    Longhorn,
}

/// Whether a host is of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Belongs {
    /// The live cluster has it, under this name.
    As(String),
    /// It has been a node, and nobody could say whether it still is one.
    Perhaps,
    No,
}

/// A persistent volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Volume {
    pub name: String,
    /// As Kubernetes writes it: `10Gi`.
    pub capacity: String,
    /// `namespace/name`; empty where nothing claims it.
    pub claim: String,
}

impl ClusterData {
    fn knows(&self, question: Question) -> bool {
        self.answered.contains(&question)
    }

    /// Whether `host` is of the cluster, by its name, an address or its peer URL; `kube` is what the host says itself.
    pub fn belongs(&self, host: &Host, kube: Option<&KubeFacts>) -> Belongs {
        if self.nodes.contains(&host.name) || self.members.contains(&host.name) {
            return Belongs::As(host.name.clone());
        }
        let own: Vec<String> = [Some(host.node_ip), host.node_ip_v6]
            .into_iter()
            .flatten()
            .map(|address| address.to_string())
            .chain([host.address.clone(), kubeadm::peer_url(host)])
            .collect();
        if let Some((name, _)) = self.known_by.iter().find(|(_, by)| own.contains(by)) {
            return Belongs::As(name.clone());
        }
        let told = self.knows(Question::Nodes) && self.knows(Question::Members);
        if !told && kube.is_some_and(|kube| kube.kubelet_conf || kube.etcd_data) {
            return Belongs::Perhaps;
        }
        Belongs::No
    }

    /// What ends with the cluster called `name`, for those who are about to end it; what could not be listed is said to be so.
    pub fn dies(&self, name: &str) -> String {
        if self.answered.is_empty() {
            return format!(
                "No control plane of {name} answers: what it stores cannot be listed, and is lost.\n"
            );
        }
        let mut ending = Vec::new();
        if self.knows(Question::Nodes) {
            ending.push(count(self.nodes.len(), "node"));
        }
        if self.knows(Question::Members) {
            ending.push(count(self.members.len(), "etcd member"));
        }
        ending.push("everything that is stored in them".to_owned());
        let mut text = format!("With {name} end {}.\n", listed(&ending));
        self.volumes_die(&mut text);
        let unknown: Vec<String> = [
            (Question::Nodes, "its nodes"),
            (Question::Members, "members of etcd"),
            (Question::Volumes, "persistent volumes"),
            (Question::Longhorn, "volumes of Longhorn"),
        ]
        .into_iter()
        .filter(|(question, _)| !self.knows(*question))
        .map(|(_, what)| what.to_owned())
        .collect();
        if !unknown.is_empty() {
            let _ = writeln!(
                text,
                "Could not be listed, and ends with it as well: {}.",
                listed(&unknown)
            );
        }
        text
    }

    fn volumes_die(&self, text: &mut String) {
        if !self.volumes.is_empty() {
            text.push_str(&count(self.volumes.len(), "persistent volume"));
            if self.knows(Question::Longhorn) {
                let _ = write!(text, " ({} of Longhorn's)", self.longhorn.len());
            }
            text.push_str(":\n");
        } else if self.knows(Question::Volumes) {
            text.push_str("There is no persistent volume.\n");
        }
        for volume in &self.volumes {
            let _ = writeln!(
                text,
                "  {} {} {}",
                volume.name, volume.capacity, volume.claim
            );
        }
        let has = |name: &&String| self.volumes.iter().any(|one| one.name == **name);
        let loose: Vec<&String> = self.longhorn.iter().filter(|name| !has(name)).collect();
        if !loose.is_empty() {
            let _ = writeln!(
                text,
                "{} of Longhorn without a persistent volume of that name:",
                count(loose.len(), "volume")
            );
        }
        for name in loose {
            let _ = writeln!(text, "  {name}");
        }
    }
}

/// `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The script that asks the control plane `host`; [`parse_data`] reads its answer.
pub fn ask_data(cluster: &Cluster, host: &Host) -> Script {
    let body = [
        templates::text("actions/prelude.sh"),
        "\n",
        templates::text("reset/cluster.sh"),
    ]
    .concat();
    Script::read("reset-cluster", body)
        .arg(kubeadm::etcd_endpoint(host))
        .arg(settings::server(cluster, host))
}

/// What could be read; nothing where the answer is cut.
pub fn parse_data(stdout: &str) -> ClusterData {
    let mut data = ClusterData::default();
    for line in stdout.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let mut words = value.split(' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_default();
        match key {
            "node" => {
                let name = word();
                let addresses = words.filter(|address| !address.is_empty());
                data.known_by
                    .extend(addresses.map(|address| (name.clone(), address)));
                data.nodes.push(name);
            }
            "longhorn" => data.longhorn.push(value.to_owned()),
            "member" => {
                let (name, peer) = (word(), word());
                let name = if name.is_empty() { peer.clone() } else { name };
                data.known_by.push((name.clone(), peer));
                data.members.push(name);
            }
            "volume" => {
                let (name, capacity, space, claim) = (word(), word(), word(), word());
                let claim = if claim.is_empty() {
                    claim
                } else {
                    format!("{space}/{claim}")
                };
                data.volumes.push(Volume {
                    name,
                    capacity,
                    claim,
                });
            }
            "answered" => data.answered.extend(match value {
                "nodes" => Some(Question::Nodes),
                "members" => Some(Question::Members),
                "volumes" => Some(Question::Volumes),
                "longhorn" => Some(Question::Longhorn),
                _ => None,
            }),
            _ => {}
        }
    }
    data
}
