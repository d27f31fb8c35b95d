//! The way back: a host becomes what it was before the first `up`, in five scripts of their own.
//!
//! ```text
//! stop-node       kubelet and pods end; what pods had mounted is unmounted
//! remove-state    kubeadm's files, etcd's data, the kubelet's directory
//! remove-network  interfaces, routes and rules of kube-proxy and the pod network, by their names alone
//! remove-runtime  images and containerd's state
//! restore-host    files, units, kernel settings, swap, name, as `/var/lib/baremetal/before` on the host has them
//! ```
//!
//! Each script may be cut or run again at any point. `up` notes what was there before it first touches something
//! (`templates/resources/before.sh`); the note goes with the last step. Hosts without a note are freed of what is known to be
//! ours by name and content; what they were before cannot be known there.
//!
//! [`host`] is all of it for one host, whatever is there: who removes a node calls that last.

mod data;
mod plan;
mod seen;

pub use data::{Belongs, ClusterData, Question, Volume, ask_data, parse_data};
pub use plan::{Remains, plan};
pub use seen::{HostLeft, Longhorn, parse};

use std::time::Duration;

use super::{Context, PHASES, PhaseId};
use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, EndpointKind, Host},
    observe::Facts,
    plan::Action,
    remote::Script,
    resources::{Resource, made},
    templates,
};

/// How far a reset goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    pub depth: Depth,
    /// Packages that `up` installed go too.
    pub packages: bool,
    /// Longhorn's replicas on this host's disks go too.
    pub longhorn_data: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Depth {
    /// Everything.
    #[default]
    Host,
    /// What makes the host a member of a cluster; binaries, images, services and settings stay, for the next `up`.
    State,
}

/// One step of a reset, in order: its row of the table above.
struct Row {
    id: PhaseId,
    title: &'static str,
    script: &'static str,
    /// For all that the script may wait for.
    minutes: u64,
    hint: &'static str,
}

const STEPS: [Row; 5] = [
    Row {
        id: PhaseId::StopNode,
        title: "end kubelet and pods",
        script: "reset/stop.sh",
        minutes: 15,
        hint: "a process or a mount of a pod hangs: `crictl ps -a` and /proc/mounts on the host tell; after a reboot the same command goes on",
    },
    Row {
        id: PhaseId::RemoveState,
        title: "remove the cluster's state",
        script: "reset/state.sh",
        minutes: 30,
        hint: "nothing but the kubelet should write there; look at what holds the path, then run the same command again",
    },
    Row {
        id: PhaseId::RemoveNetwork,
        title: "remove interfaces and rules of pods",
        script: "reset/network.sh",
        minutes: 5,
        hint: "a rule of yours may lead into a chain of Kubernetes; take it out, then run the same command again",
    },
    Row {
        id: PhaseId::RemoveRuntime,
        title: "remove images and containerd's state",
        script: "reset/runtime.sh",
        minutes: 15,
        hint: "a process of a container may still run there; after a reboot the same command goes on",
    },
    Row {
        id: PhaseId::RestoreHost,
        title: "restore files, units and settings",
        script: "reset/host.sh",
        minutes: 30,
        hint: "mend what is said above, then run the same command again; what was there before is kept until everything is restored",
    },
];

/// What a step of a reset is called; `None` for phases of `up`.
pub fn title(id: PhaseId) -> Option<&'static str> {
    STEPS.iter().find(|row| row.id == id).map(|row| row.title)
}

/// All actions that free one host, in order; each needs the one before it. Where a part is gone already its script does nothing.
///
/// Nothing here asks whether the host may go: membership of etcd, the Node object and volumes are the caller's to see to first.
pub fn host(
    cluster: &Cluster,
    host: &Host,
    facts: &Facts,
    options: Options,
) -> Vec<(PhaseId, Action)> {
    STEPS
        .iter()
        .filter(|row| options.depth == Depth::Host || keeps_host(row.id))
        .map(|row| (row.id, action(row, cluster, host, facts, options)))
        .collect()
}

/// Steps after which binaries, images and settings are as they were.
fn keeps_host(id: PhaseId) -> bool {
    matches!(
        id,
        PhaseId::StopNode | PhaseId::RemoveState | PhaseId::RemoveNetwork
    )
}

fn action(row: &Row, cluster: &Cluster, host: &Host, facts: &Facts, options: Options) -> Action {
    let body = [
        templates::text("reset/prelude.sh"),
        templates::text("reset/restore.sh"),
        templates::text(row.script),
    ]
    .concat();
    let script =
        Script::change(super::name(row.id), body).timeout(Duration::from_mins(row.minutes));
    Action {
        id: super::name(row.id).to_owned(),
        title: row.title.to_owned(),
        detail: Vec::new(),
        script: given(script, cluster, host, facts, options),
        units: match row.id {
            PhaseId::StopNode => vec!["kubelet.service".to_owned()],
            PhaseId::RemoveRuntime => vec!["containerd.service".to_owned()],
            _ => Vec::new(),
        },
        hint: row.hint.to_owned(),
    }
}

/// The script that says what of `up` is on a host; [`parse`] reads its answer.
pub fn observe(cluster: &Cluster, host: &Host, facts: &Facts) -> Script {
    let body = [
        templates::text("reset/prelude.sh"),
        templates::text("reset/observe.sh"),
    ]
    .concat();
    given(
        Script::read("reset-observe", body),
        cluster,
        host,
        facts,
        Options::default(),
    )
}

/// What every script of a reset is given; `reset/prelude.sh` names it.
fn given(
    script: Script,
    cluster: &Cluster,
    host: &Host,
    facts: &Facts,
    options: Options,
) -> Script {
    let pods: Vec<String> = cluster
        .network
        .pods
        .iter()
        .map(ToString::to_string)
        .collect();
    let also: Vec<&str> = [
        (options.packages, "packages"),
        (options.longhorn_data, "longhorn"),
        (options.depth == Depth::State, "programs-stay"),
    ]
    .iter()
    .filter(|(wanted, _)| *wanted)
    .map(|(_, word)| *word)
    .collect();
    script
        .arg(&cluster.control_plane.etcd_data_dir)
        .arg(&cluster.runtime.root)
        .arg(pods.join(" "))
        .arg(also.join(" "))
        .attach("made", made(&resources(cluster, host, facts)))
        .attach("disks", disks(cluster, host))
}

/// Everything that `up` makes on a host, as far as it is known without the artifacts.
fn resources(cluster: &Cluster, host: &Host, facts: &Facts) -> Vec<Resource> {
    let artifacts = Artifacts::default();
    let context = Context {
        cluster,
        host,
        facts,
        artifacts: &artifacts,
    };
    PHASES
        .iter()
        .flat_map(|phase| super::resources(phase.id, &context))
        .chain(super::binaries::programs())
        .collect()
}

/// Directories of Longhorn's replicas, one per line.
fn disks(cluster: &Cluster, host: &Host) -> String {
    let data_path = cluster
        .longhorn
        .as_ref()
        .map_or("/var/lib/longhorn", |longhorn| &longhorn.data_path);
    std::iter::once(data_path)
        .chain(host.data_disks.iter().map(|disk| disk.path.as_str()))
        .flat_map(|path| [path, "\n"])
        .collect()
}

/// The API server of another cluster to which a host belongs, told by its kubelet's configuration; `None` where it is ours or
/// belongs to none.
pub fn other_cluster<'a>(cluster: &Cluster, facts: &'a Facts) -> Option<&'a str> {
    let server = facts.kube.server.as_deref()?;
    let address = server.strip_prefix("https://")?;
    let of_node = |host: &Host| {
        let port = match cluster.endpoint.kind {
            EndpointKind::External => cluster.endpoint.port,
            _ => cluster.apiserver_port(),
        };
        [Some(host.node_ip), host.node_ip_v6]
            .into_iter()
            .flatten()
            .any(|ip| address == std::net::SocketAddr::new(ip, port).to_string())
    };
    let ours = address == cluster.endpoint_address() || cluster.control_planes().any(of_node);
    (!ours).then_some(server)
}
