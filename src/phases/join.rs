//! Nodes join: control planes one at a time, workers in parallel.
//!
//! Each control plane gets a token of 15 minutes and a certificate key of its own, made by a healthy control plane when it is the
//! node's turn and etcd allows it, and taken back when the join has ended, however it ended. Workers share one token.

use std::time::Duration;

use anyhow::Result;

use super::{ActionStep, kubeadm, kubeadm::JoinSecrets, shell};
use crate::{
    artifacts::Artifacts,
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    observe::{Facts, Observation},
    plan::Action,
};

const WORKER: &str = "worker";
const CONTROL_PLANE: &str = "control-plane";

pub(super) fn control_planes(
    cluster: &Cluster,
    _artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    let mut steps = Vec::new();
    steps.extend(revoke_left_behind(seen));
    let waiting = cluster
        .control_planes()
        .filter(|host| host.name != seen.elected);
    for host in waiting {
        let Some(facts) = outside(cluster, seen, host)? else {
            continue;
        };
        let secrets = JoinSecrets::of(&host.name);
        let of = std::slice::from_ref(&host.name);
        let first = steps.len();
        steps.push(ActionStep {
            host: seen.elected.clone(),
            of: of.to_vec(),
            action: control_plane_credentials(cluster, seen, host, facts, &secrets)?,
            needs: Vec::new(),
            after: Vec::new(),
        });
        steps.push(ActionStep {
            host: host.name.clone(),
            of: of.to_vec(),
            action: join(cluster, host, &secrets)?,
            needs: vec![first],
            after: Vec::new(),
        });
        steps.push(ActionStep {
            host: seen.elected.clone(),
            of: of.to_vec(),
            action: revoke(&host.name, &secrets),
            needs: vec![first],
            after: vec![first + 1],
        });
    }
    Ok(steps)
}

pub(super) fn workers(
    cluster: &Cluster,
    _artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    let mut joining = Vec::new();
    for host in cluster.workers() {
        if outside(cluster, seen, host)?.is_some() {
            joining.push(host);
        }
    }
    if joining.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<_> = joining.iter().map(|host| host.name.clone()).collect();
    let secrets = JoinSecrets::of("WORKERS");
    let mut steps = vec![ActionStep {
        host: seen.elected.clone(),
        of: names.clone(),
        action: worker_credentials(cluster, seen, &names, &secrets),
        needs: Vec::new(),
        after: Vec::new(),
    }];
    for host in joining {
        steps.push(ActionStep {
            host: host.name.clone(),
            of: vec![host.name.clone()],
            action: join(cluster, host, &secrets)?,
            needs: vec![0],
            after: Vec::new(),
        });
    }
    steps.push(ActionStep {
        host: seen.elected.clone(),
        of: names,
        action: revoke("workers", &secrets),
        needs: vec![0],
        after: (1..steps.len()).collect(),
    });
    Ok(steps)
}

/// Facts of a host that is not a whole member yet; `None` where it is one, or cannot be reached.
fn outside<'a>(cluster: &Cluster, seen: &'a Observation, host: &Host) -> Result<Option<&'a Facts>> {
    let Some(facts) = seen.hosts.get(&host.name).map(|seen| &seen.facts) else {
        return Ok(None);
    };
    if is_member(seen, host, facts) {
        return Ok(None);
    }
    let ours = seen
        .hosts
        .get(&seen.elected)
        .and_then(|seen| seen.facts.kube.ca_hash.as_ref());
    if let (Some(ours), Some(theirs)) = (ours, &facts.kube.ca_hash)
        && ours != theirs
        && seen.api.is_some()
    {
        return Err(Failure::new(
            Code::Refused,
            format!(
                "{} belongs to another cluster (its CA is {theirs}, that of {} is {ours}): it is not reset",
                host.name, cluster.name
            ),
        )
        .hint(format!(
            "if nothing of it is needed any more, run `kubeadm reset` on {} yourself",
            host.name
        ))
        .into());
    }
    Ok(Some(facts))
}

/// Whether a host is a whole member of the live cluster, told by the API, by etcd and by the host itself.
pub(crate) fn is_member(seen: &Observation, host: &Host, facts: &Facts) -> bool {
    let Some(api) = &seen.api else {
        return false;
    };
    let registered = api.nodes.iter().any(|node| node.name == host.name);
    if !host.is_control_plane() {
        return registered && facts.kube.kubelet_conf;
    }
    let peer = kubeadm::peer_url(host);
    registered
        && facts.kube.kubelet_conf
        && facts
            .kube
            .manifests
            .iter()
            .any(|name| name == "kube-apiserver.yaml")
        && api.etcd.iter().any(|member| {
            !member.learner
                && !member.name.is_empty()
                && (member.peer_urls.contains(&peer) || member.name == host.name)
        })
}

fn control_plane_credentials(
    cluster: &Cluster,
    seen: &Observation,
    host: &Host,
    facts: &Facts,
    secrets: &JoinSecrets,
) -> Result<Action> {
    let elected = cluster.host(&seen.elected).unwrap_or(host);
    let script = shell::change("join-credentials")
        .arg(&secrets.token)
        .arg(&secrets.ca_hash)
        .arg(&secrets.certificate_key)
        .arg(&secrets.encryption)
        .arg(CONTROL_PLANE)
        .arg(&host.name)
        .arg(kubeadm::etcd_endpoint(elected))
        .arg(kubeadm::peer_url(host))
        .arg(shell::yes(facts.kube.kubelet_conf))
        .attach("init.yaml", kubeadm::init_configuration(cluster, elected)?)
        .attach("cluster.yaml", kubeadm::cluster_configuration(cluster)?)
        .sensitive()
        .timeout(Duration::from_mins(4));
    Ok(Action {
        id: format!("join-credentials-{}", host.name),
        title: format!("check etcd; token and key for {}", host.name),
        detail: vec!["both end with the join, the token after 15 minutes at the latest".to_owned()],
        script,
        units: vec!["kubelet.service".to_owned()],
        hint: "every etcd member must be started, voting and healthy before another control plane joins".to_owned(),
    })
}

fn worker_credentials(
    cluster: &Cluster,
    seen: &Observation,
    names: &[String],
    secrets: &JoinSecrets,
) -> Action {
    let endpoint = cluster
        .host(&seen.elected)
        .map_or("", kubeadm::etcd_endpoint);
    let script = shell::change("join-credentials")
        .arg(&secrets.token)
        .arg(&secrets.ca_hash)
        .arg(&secrets.certificate_key)
        .arg(&secrets.encryption)
        .arg(WORKER)
        .arg("workers")
        .arg(endpoint)
        .arg("")
        .arg("no")
        .sensitive()
        .timeout(Duration::from_mins(2));
    Action {
        id: "join-credentials-workers".to_owned(),
        title: "token for the workers".to_owned(),
        detail: vec![format!("for {}, of 15 minutes at most", names.join(", "))],
        script,
        units: vec!["kubelet.service".to_owned()],
        hint: "the API must answer on the elected control plane".to_owned(),
    }
}

fn join(cluster: &Cluster, host: &Host, secrets: &JoinSecrets) -> Result<Action> {
    let kind = if host.is_control_plane() {
        CONTROL_PLANE
    } else {
        WORKER
    };
    let encrypted = host.is_control_plane() && cluster.control_plane.encryption.is_some();
    let mut script = shell::change("join")
        .arg(&host.name)
        .arg(kind)
        .arg(kubeadm::etcd_endpoint(host))
        .arg(kubeadm::peer_url(host))
        .arg(&cluster.control_plane.etcd_data_dir)
        .arg(shell::yes(encrypted))
        .attach_with_secrets(
            "kubeadm.yaml",
            kubeadm::join_configuration(cluster, host, secrets)?,
        )
        .timeout(cluster.control_plane.init_timeout + Duration::from_mins(15));
    if encrypted {
        script = script.attach_with_secrets("encryption", format!("@@{}@@", secrets.encryption));
    }
    Ok(Action {
        id: format!("join-{}", host.name),
        title: format!("kubeadm join as {}", kind.replace('-', " ")),
        detail: vec![format!("through {}", cluster.endpoint_address())],
        script,
        units: ["kubelet.service", "containerd.service"]
            .map(str::to_owned)
            .to_vec(),
        hint: "look at the kubelet's journal on the host; running `up` again finishes or repeats the join"
            .to_owned(),
    })
}

/// Takes back what a run that was killed had handed out; its tokens would live for up to 15 minutes more.
fn revoke_left_behind(seen: &Observation) -> Option<ActionStep> {
    let tokens = &seen.api.as_ref()?.join_tokens;
    if tokens.is_empty() {
        return None;
    }
    let action = Action {
        id: "join-revoke-left-behind".to_owned(),
        title: "take back join tokens of an interrupted run".to_owned(),
        detail: Vec::new(),
        script: shell::change("revoke")
            .attach("token", tokens.join("\n"))
            .timeout(Duration::from_mins(1)),
        units: Vec::new(),
        hint: "they end by themselves 15 minutes after they were made".to_owned(),
    };
    Some(ActionStep {
        host: seen.elected.clone(),
        of: Vec::new(),
        action,
        needs: Vec::new(),
        after: Vec::new(),
    })
}

fn revoke(whose: &str, secrets: &JoinSecrets) -> Action {
    Action {
        id: format!("join-revoke-{whose}"),
        title: format!("take back the token of {whose}"),
        detail: Vec::new(),
        script: shell::change("revoke")
            .attach_with_secrets("token", format!("@@{}@@", secrets.token))
            .timeout(Duration::from_mins(1)),
        units: Vec::new(),
        hint: "the token ends by itself 15 minutes after it was made".to_owned(),
    }
}
