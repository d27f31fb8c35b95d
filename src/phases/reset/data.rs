//! What ends with a cluster: its nodes, volumes and members, as its API tells them.

use serde::Serialize;

use crate::{inventory::Host, phases::kubeadm, remote::Script, templates};

/// What a live control plane says; all empty where none answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClusterData {
    pub nodes: Vec<String>,
    pub volumes: Vec<Volume>,
    /// Names of Longhorn's volumes.
    pub longhorn: Vec<String>,
    /// Names of etcd's members; a peer URL where one has not started.
    pub members: Vec<String>,
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

/// The script that asks the control plane `host`; [`parse_data`] reads its answer.
pub fn ask_data(host: &Host) -> Script {
    let body = [
        templates::text("actions/prelude.sh"),
        "\n",
        templates::text("reset/cluster.sh"),
    ]
    .concat();
    Script::read("reset-cluster", body).arg(kubeadm::etcd_endpoint(host))
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
            "node" => data.nodes.push(value.to_owned()),
            "longhorn" => data.longhorn.push(value.to_owned()),
            "member" => {
                let (name, peer) = (word(), word());
                data.members.push(if name.is_empty() { peer } else { name });
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
            _ => {}
        }
    }
    data
}
