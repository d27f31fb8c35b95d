//! Changed settings on nodes that run: kubeadm writes them at `init` and `join` and never again.
//!
//! Each node has two files of what was wanted of it last, beside its patches: [`KUBELET`] and, on control planes, [`CLUSTER`]. What
//! runs is outdated where a file is about to change, where it is newer than what kubeadm made of it (a run was killed in between),
//! or where what is live differs: flags, kubelet configuration, names in the certificate. The cluster's own copy is brought up to date
//! first (for nodes that join), then control planes one after the other, then one worker, then the rest. A step that fails puts the
//! old settings back and stops those behind it.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use anyhow::Result;

use super::{ActionStep, Context, PhaseId, join, kubeadm, shell};
use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host},
    observe::{KubeFacts, Observation},
    plan::Action,
    resources::{Resource, compare},
};

/// Directory of the files that say what is wanted of kubeadm on this node.
pub(super) const DIRECTORY: &str = "/etc/kubernetes/kubeadm";
/// `KubeletConfiguration` of all nodes.
pub(super) const KUBELET: &str = "/etc/kubernetes/kubeadm/kubelet.yaml";
/// `ClusterConfiguration`, on control planes.
pub(super) const CLUSTER: &str = "/etc/kubernetes/kubeadm/cluster.yaml";
/// What kubeadm makes of [`KUBELET`] and the patches.
const KUBELET_MADE: &str = "/var/lib/kubelet/config.yaml";
const MANIFESTS: [&str; 3] = [
    "/etc/kubernetes/manifests/kube-apiserver.yaml",
    "/etc/kubernetes/manifests/kube-controller-manager.yaml",
    "/etc/kubernetes/manifests/kube-scheduler.yaml",
];
/// Flags that kubeadm gives the kubelet by itself.
const KUBEADMS_FLAGS: [&str; 4] = [
    "container-runtime-endpoint",
    "hostname-override",
    "pod-infra-container-image",
    "register-with-taints",
];

/// Beginnings of the flags that kubeadm gives etcd by itself.
const KUBEADMS_ETCD: [&str; 14] = [
    "advertise-client-urls",
    "cert-file",
    "client-cert-auth",
    "data-dir",
    "experimental-",
    "feature-gates",
    "initial-",
    "key-file",
    "listen-",
    "name",
    "peer-",
    "snapshot-count",
    "trusted-ca-file",
    "watch-progress-notify-interval",
];

/// What a node that runs needs to be as the file says.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each part is renewed or not, in any combination"
)]
#[derive(Debug, Default, PartialEq, Eq)]
struct Work {
    kubelet: bool,
    components: bool,
    etcd: bool,
    certificate: bool,
    /// The API server reads a file at its start alone (audit policy).
    restart: bool,
    /// What differs, as far as it can be told beforehand.
    detail: Vec<String>,
}

impl Work {
    fn is_empty(&self) -> bool {
        !(self.kubelet || self.control_plane())
    }

    fn control_plane(&self) -> bool {
        self.components || self.etcd || self.certificate || self.restart
    }

    fn title(&self) -> String {
        let mut parts = Vec::new();
        if self.certificate {
            parts.push("certificate of the API server");
        }
        if self.etcd {
            parts.push("etcd");
        }
        if self.components {
            parts.push("control plane");
        } else if self.restart {
            parts.push("API server");
        }
        if self.kubelet {
            parts.push("kubelet");
        }
        format!("roll out changed settings: {}", parts.join(", "))
    }
}

/// The cluster's own copy of the configuration, before nodes join with it or run with it.
pub(super) fn configuration(
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    let Some(elected) = cluster.host(&seen.elected) else {
        return Ok(Vec::new());
    };
    if outdated(cluster, artifacts, seen).is_empty() && !leaked(cluster, elected, seen) {
        return Ok(Vec::new());
    }
    let documents = format!(
        "{}---\n{}---\n{}",
        kubeadm::unpatched_init_configuration(cluster, elected)?,
        kubeadm::cluster_document(cluster)?,
        kubeadm::kubelet_document(cluster)?
    );
    Ok(vec![ActionStep {
        host: elected.name.clone(),
        of: vec![elected.name.clone()],
        action: Action {
            id: "upload-configuration".to_owned(),
            title: "bring kubeadm's configuration in the cluster up to date".to_owned(),
            detail: Vec::new(),
            script: shell::change("upload-configuration")
                .attach("kubeadm.yaml", documents)
                .timeout(Duration::from_mins(12)),
            units: Vec::new(),
            hint: "kubeadm says which setting it does not take; nothing that runs has been changed"
                .to_owned(),
        },
        needs: Vec::new(),
        after: Vec::new(),
    }])
}

/// Whether settings of one node's kubelet are in what all kubelets are given: `kubeadm init` applies the patches of its own node to
/// what it uploads (v1.28 `kubelet.CreateConfigMap`), and every node that joins would reserve that node's processors.
fn leaked(cluster: &Cluster, elected: &Host, seen: &Observation) -> bool {
    let all = kubeadm::kubelet_configuration(cluster);
    let alone = |host: &Host| {
        let Some(one) = seen.hosts.get(&host.name) else {
            return Vec::new();
        };
        // Every node has a `resolvConf` of its own.
        kubeadm::kubelet_patch(cluster, host, &one.facts)
            .into_iter()
            .filter(|(key, value)| key != "resolvConf" && all.get(key) != Some(value))
            .collect()
    };
    match &seen.api {
        None => !alone(elected).is_empty(),
        Some(api) => api.kubelet.as_ref().is_some_and(|live| {
            cluster
                .control_planes()
                .flat_map(alone)
                .any(|(key, value)| live.get(&key) == Some(&value))
        }),
    }
}

pub(super) fn actions(
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> Result<Vec<ActionStep>> {
    let mut all = outdated(cluster, artifacts, seen);
    // Control planes first, the elected one last of them: the cluster is asked through it.
    all.sort_by_key(|(host, _)| (!host.is_control_plane(), host.name == seen.elected));
    let mut steps: Vec<ActionStep> = Vec::new();
    let mut first_worker = None;
    for (host, work) in all {
        let needs = if host.is_control_plane() {
            steps.len().checked_sub(1)
        } else {
            first_worker.or(steps.len().checked_sub(1))
        };
        if !host.is_control_plane() && first_worker.is_none() {
            first_worker = Some(steps.len());
        }
        steps.push(ActionStep {
            host: host.name.clone(),
            of: vec![host.name.clone()],
            action: action(cluster, host, &work)?,
            needs: needs.into_iter().collect(),
            after: Vec::new(),
        });
    }
    Ok(steps)
}

fn documents(cluster: &Cluster, host: &Host) -> Result<String> {
    Ok(format!(
        "{}---\n{}---\n{}",
        kubeadm::init_configuration(cluster, host)?,
        kubeadm::cluster_document(cluster)?,
        kubeadm::kubelet_document(cluster)?
    ))
}

fn action(cluster: &Cluster, host: &Host, work: &Work) -> Result<Action> {
    let others: Vec<_> = cluster
        .control_planes()
        .filter(|other| other.name != host.name)
        .map(|other| server(cluster, other))
        .collect();
    let flags: Vec<_> = kubeadm::kubelet_args(cluster, host)
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect();
    let mut script = shell::change("settings")
        .arg(&host.name)
        .arg(kubeadm::etcd_endpoint(host))
        .arg(server(cluster, host))
        .arg(shell::yes(work.certificate))
        .arg(shell::yes(work.etcd))
        .arg(shell::yes(work.components))
        .arg(shell::yes(work.restart))
        .arg(shell::yes(work.kubelet))
        .arg(flags.join(" "))
        .timeout(Duration::from_mins(25));
    if work.control_plane() {
        script = script
            .attach("kubeadm.yaml", documents(cluster, host)?)
            .attach("others", others.join("\n"));
    }
    Ok(Action {
        id: format!("settings-{}", host.name),
        title: work.title(),
        detail: work.detail.clone(),
        script,
        units: vec!["kubelet.service".to_owned()],
        hint: "what did not come up with the new settings runs with the old ones again; mend the setting and run `up` again"
            .to_owned(),
    })
}

/// Where a control plane's own API server answers.
pub(super) fn server(cluster: &Cluster, host: &Host) -> String {
    let address = std::net::SocketAddr::new(host.node_ip, cluster.apiserver_port());
    format!("https://{address}")
}

/// Nodes that run with other settings than the file's.
fn outdated<'a>(
    cluster: &'a Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> Vec<(&'a Host, Work)> {
    if seen.api.is_none() {
        return Vec::new();
    }
    cluster
        .nodes()
        .filter_map(|host| {
            let one = seen.hosts.get(&host.name)?;
            if !join::is_member(seen, host, &one.facts) {
                return None;
            }
            let changed = changed(cluster, artifacts, seen, host);
            let work = work(cluster, host, seen, &changed);
            (!work.is_empty()).then_some((host, work))
        })
        .collect()
}

/// Files of this node that the plan is about to write or to remove, in the phase before.
fn changed(
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
    host: &Host,
) -> Vec<String> {
    let phase = PhaseId::ControlPlaneFiles;
    let Some((one, observed)) = seen
        .hosts
        .get(&host.name)
        .and_then(|one| Some((one, one.resources.get(&phase)?)))
    else {
        return Vec::new();
    };
    let context = Context {
        cluster,
        host,
        facts: &one.facts,
        artifacts,
    };
    compare(&super::resources(phase, &context), observed)
        .into_iter()
        // Of mode and owner kubeadm makes nothing.
        .filter(|change| change.verb != "set")
        .filter_map(|change| match change.resource {
            Resource::File(file) => Some(file.path),
            Resource::Absent(file) => Some(file.path),
            _ => None,
        })
        .collect()
}

fn work(cluster: &Cluster, host: &Host, seen: &Observation, changed: &[String]) -> Work {
    let Some(facts) = seen.hosts.get(&host.name).map(|seen| &seen.facts) else {
        return Work::default();
    };
    let kube = &facts.kube;
    let has = |path: &str| changed.iter().any(|one| one == path);
    let patched = |of: &dyn Fn(&str) -> bool| {
        changed.iter().any(|path| {
            path.strip_prefix(kubeadm::PATCHES)
                .is_some_and(|name| of(name.trim_start_matches('/')))
        })
    };
    let newer = |input: &str, made: &str| match (kube.times.get(input), kube.times.get(made)) {
        (Some(input), Some(made)) => input > made,
        _ => false,
    };
    let of_kubelet = |name: &str| name.starts_with("kubeletconfiguration");
    let mut work = Work::default();
    work.detail.extend(flags(cluster, host, kube));
    work.detail.extend(kubelet_settings(cluster, host, facts));
    work.kubelet = !work.detail.is_empty()
        || has(KUBELET)
        || patched(&of_kubelet)
        || [KUBELET, kubeadm::PATCHES]
            .into_iter()
            .any(|input| newer(input, KUBELET_MADE));
    if !host.is_control_plane() {
        return work;
    }
    let stale = |input: &str| MANIFESTS.into_iter().any(|made| newer(input, made));
    work.restart = has(kubeadm::AUDIT_POLICY) || stale(kubeadm::AUDIT_POLICY);
    let other = patched(&|name| !of_kubelet(name)) || stale(kubeadm::PATCHES);
    work.components = has(CLUSTER) || other || work.restart || stale(CLUSTER);
    let (missing, extra) = names(cluster, host, kube);
    work.certificate = !missing.is_empty() || (work.components && extra);
    work.detail.extend(
        missing
            .iter()
            .map(|name| format!("certificate of the API server: {name} is added")),
    );
    let (different, extra) = etcd(cluster, kube);
    work.etcd = !different.is_empty() || (work.components && (other || extra));
    work.detail.extend(different);
    work
}

/// Differences between the kubelet's flags and those of the file; kubeadm's own are its own.
fn flags(cluster: &Cluster, host: &Host, kube: &KubeFacts) -> Vec<String> {
    let wanted: BTreeMap<String, String> =
        kubeadm::kubelet_args(cluster, host).into_iter().collect();
    let Some(live) = &kube.kubelet_flags else {
        return Vec::new();
    };
    // Such a value cannot be told from the next flag.
    if wanted.values().any(|value| value.contains([' ', '"'])) {
        return Vec::new();
    }
    let live: BTreeMap<String, String> = live
        .split_whitespace()
        .map(|word| {
            let word = word.trim_start_matches("--");
            let (name, value) = word.split_once('=').unwrap_or((word, "true"));
            (name.to_owned(), value.to_owned())
        })
        .filter(|(name, _)| wanted.contains_key(name) || !KUBEADMS_FLAGS.contains(&name.as_str()))
        .collect();
    let shown = |value: Option<&String>| value.map_or("none", String::as_str).to_owned();
    wanted
        .keys()
        .chain(live.keys().filter(|name| !wanted.contains_key(*name)))
        .filter(|name| wanted.get(*name) != live.get(*name))
        .map(|name| {
            format!(
                "kubelet --{name}: {} → {}",
                shown(live.get(name)),
                shown(wanted.get(name))
            )
        })
        .collect()
}

/// Where the kubelet's configuration is not what the file says. What only the live one has is kubeadm's.
fn kubelet_settings(cluster: &Cluster, host: &Host, facts: &crate::observe::Facts) -> Vec<String> {
    // A patch of the user's may say anything, and it has the last word.
    let own = |name: &String| name.starts_with("kubeletconfiguration");
    match &facts.kube.kubelet_config {
        Some(live) if !cluster.control_plane.patches.keys().any(own) => {
            let wanted = kubeadm::kubelet_wanted(cluster, host, facts);
            kubeadm::differences(live, &wanted, "")
                .into_iter()
                .map(|difference| format!("kubelet {difference}"))
                .collect()
        }
        _ => Vec::new(),
    }
}

/// Names that the certificate of the API server lacks, and whether it has some that nobody asks for.
fn names(cluster: &Cluster, host: &Host, kube: &KubeFacts) -> (Vec<String>, bool) {
    let Some(live) = &kube.apiserver_names else {
        return (Vec::new(), false);
    };
    let plain = |name: &str| {
        name.parse::<IpAddr>()
            .map_or_else(|_| name.to_lowercase(), |address| address.to_string())
    };
    let live: Vec<_> = live.iter().map(|name| plain(name)).collect();
    let wanted: Vec<_> = kubeadm::cert_sans(cluster)
        .iter()
        .map(|name| plain(name))
        .collect();
    let missing: Vec<_> = wanted
        .iter()
        .filter(|name| !live.contains(name))
        .cloned()
        .collect();
    let services = |name: &str| {
        cluster
            .network
            .services
            .iter()
            .any(|net| name.parse::<IpAddr>().is_ok_and(|one| net.contains(&one)))
    };
    let own = [host.name.clone(), host.node_ip.to_string()];
    let extra = live.iter().any(|name| {
        !wanted.contains(name)
            && !own.contains(name)
            && name != "kubernetes"
            && !name.starts_with("kubernetes.default")
            && !services(name)
    });
    (missing, extra)
}

/// Where etcd's flags are not what the file says, and whether it has some that are neither the file's nor kubeadm's.
fn etcd(cluster: &Cluster, kube: &KubeFacts) -> (Vec<String>, bool) {
    let wanted = &cluster.control_plane.etcd.args;
    if kube.etcd_args.is_empty() {
        return (Vec::new(), false);
    }
    let different = wanted
        .iter()
        .filter(|(name, value)| !kube.etcd_args.contains(&format!("{name}={value}")))
        .map(|(name, value)| format!("etcd --{name}: → {value}"))
        .collect();
    let extra = kube.etcd_args.iter().any(|arg| {
        let name = arg.split('=').next().unwrap_or_default();
        !KUBEADMS_ETCD.iter().any(|own| name.starts_with(own))
            && !wanted.iter().any(|(wanted, _)| wanted == name)
    });
    (different, extra)
}
