//! What happens to a machine, in order: the table of contents of `baremetal up`.

mod add_ons;
pub mod addon;
mod binaries;
mod control_plane_files;
mod differences;
mod dns;
mod fixed;
mod images;
mod init;
mod join;
pub mod kubeadm;
pub mod leaving;
mod load_balancer;
mod membership;
mod metallb;
mod network;
mod node_metadata;
mod os;
pub mod preflight;
pub mod reset;
mod runtime;
mod settings;
mod shell;
mod storage;
mod strict_arp;
pub mod verify;

pub use differences::{Differences, Refusal, accept, accept_port, differences};
pub(crate) use join::is_member;
pub(crate) use load_balancer::{KEEPALIVED, LEARNT};
pub(crate) use shell::body as script_body;
pub(crate) use verify::of_hosts as verification;

use serde::{Deserialize, Serialize};

use crate::{
    artifacts::Artifacts,
    inventory::{Cluster, Host, SecretSource},
    observe::{Facts, Observation},
    plan::Action,
    resources::Resource,
};

/// The phases of a run. Order in the table is order of execution where nothing else is said.
#[rustfmt::skip]
pub const PHASES: &[Phase] = &[
    //  id                            title                                    on                      at once     what must be done first
    phase(PhaseId::Os,                "operating system",                      On::EveryHost,          AtOnce::All, &[]),
    phase(PhaseId::Runtime,           "container runtime",                     On::Nodes,              AtOnce::All, &[Need::Own(PhaseId::Os)]),
    phase(PhaseId::Binaries,          "Kubernetes binaries",                   On::Nodes,              AtOnce::All, &[Need::Own(PhaseId::Os)]),
    phase(PhaseId::Images,            "container images",                      On::Nodes,              AtOnce::All, &[Need::Own(PhaseId::Runtime), Need::Own(PhaseId::Binaries)]),
    phase(PhaseId::LoadBalancer,      "load balancer and virtual IP",          On::EveryHost,          AtOnce::All, &[Need::Own(PhaseId::Os)]),
    phase(PhaseId::ControlPlaneFiles, "files that kubeadm does not copy",      On::Nodes,              AtOnce::All, &[Need::Own(PhaseId::Os)]),
    phase(PhaseId::Init,              "first control plane",                   On::FirstControlPlane,  AtOnce::One, &[Need::Own(PhaseId::Images), Need::Own(PhaseId::ControlPlaneFiles), Need::Own(PhaseId::LoadBalancer), Need::Some(PhaseId::LoadBalancer)]),
    phase(PhaseId::Configuration,     "configuration in the cluster",          On::Api,                AtOnce::One, &[Need::Every(PhaseId::Init)]),
    phase(PhaseId::Network,           "pod network",                           On::Api,                AtOnce::One, &[Need::Every(PhaseId::Init)]),
    phase(PhaseId::JoinControlPlane,  "join control planes",                   On::OtherControlPlanes, AtOnce::One, &[Need::Own(PhaseId::Images), Need::Own(PhaseId::ControlPlaneFiles), Need::Own(PhaseId::LoadBalancer), Need::Every(PhaseId::Configuration)]),
    phase(PhaseId::JoinWorker,        "join workers",                          On::Workers,            AtOnce::All, &[Need::Own(PhaseId::Images), Need::Own(PhaseId::ControlPlaneFiles), Need::Every(PhaseId::Configuration), Need::Some(PhaseId::JoinControlPlane)]),
    phase(PhaseId::Settings,          "changed settings of running nodes",     On::Nodes,              AtOnce::All, &[Need::Own(PhaseId::Images), Need::Own(PhaseId::ControlPlaneFiles), Need::Own(PhaseId::LoadBalancer), Need::Every(PhaseId::Configuration), Need::Some(PhaseId::JoinControlPlane)]),
    phase(PhaseId::NodeMetadata,      "labels, taints and roles",              On::Api,                AtOnce::One, &[Need::Every(PhaseId::Init), Need::Some(PhaseId::JoinControlPlane), Need::Some(PhaseId::JoinWorker)]),
    phase(PhaseId::StrictArp,         "strict ARP in the live kube-proxy",     On::Api,                AtOnce::One, &[Need::Every(PhaseId::Init)]),
    phase(PhaseId::Dns,               "DNS on several nodes",                  On::Api,                AtOnce::One, &[Need::Every(PhaseId::Network), Need::Some(PhaseId::JoinControlPlane), Need::Some(PhaseId::JoinWorker)]),
    phase(PhaseId::MetalLb,           "MetalLB",                               On::Api,                AtOnce::One, &[Need::Every(PhaseId::Network), Need::Every(PhaseId::StrictArp), Need::Some(PhaseId::NodeMetadata)]),
    phase(PhaseId::Storage,           "Longhorn",                              On::Api,                AtOnce::One, &[Need::Every(PhaseId::Network), Need::Some(PhaseId::NodeMetadata)]),
    phase(PhaseId::AddOns,            "add-ons",                               On::Api,                AtOnce::One, &[Need::Every(PhaseId::Network), Need::Every(PhaseId::MetalLb), Need::Every(PhaseId::Storage)]),
    phase(PhaseId::Verify,            "verify",                                On::Api,                AtOnce::All, &[Need::Own(PhaseId::JoinControlPlane), Need::Own(PhaseId::JoinWorker), Need::Every(PhaseId::AddOns), Need::Every(PhaseId::NodeMetadata), Need::Every(PhaseId::Dns), Need::Some(PhaseId::Settings)]),
];

/// One row of [`PHASES`].
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    pub id: PhaseId,
    pub title: &'static str,
    pub on: On,
    pub at_once: AtOnce,
    pub needs: &'static [Need],
}

const fn phase(
    id: PhaseId,
    title: &'static str,
    on: On,
    at_once: AtOnce,
    needs: &'static [Need],
) -> Phase {
    Phase {
        id,
        title,
        on,
        at_once,
        needs,
    }
}

/// Name of a phase in tables, events, errors and on the command line.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseId {
    Connect,
    Facts,
    Preflight,
    Os,
    Runtime,
    Binaries,
    Images,
    LoadBalancer,
    ControlPlaneFiles,
    Init,
    Configuration,
    Network,
    JoinControlPlane,
    JoinWorker,
    Settings,
    NodeMetadata,
    StrictArp,
    Dns,
    #[serde(rename = "metallb")]
    MetalLb,
    Storage,
    AddOns,
    Verify,
    Cordon,
    MoveReplicas,
    Drain,
    LeaveEtcd,
    DeleteNode,
    Uncordon,
    StopNode,
    RemoveState,
    RemoveNetwork,
    RemoveRuntime,
    RestoreHost,
}

/// The row of a phase that is in the table.
pub fn row(id: PhaseId) -> &'static Phase {
    PHASES
        .iter()
        .find(|phase| phase.id == id)
        .unwrap_or_else(|| unreachable!("{id:?} is no row of the table"))
}

/// The name of a phase as tables, events and the command line have it: `load-balancer`.
pub fn name(id: PhaseId) -> &'static str {
    match id {
        PhaseId::Connect => "connect",
        PhaseId::Facts => "facts",
        PhaseId::Preflight => "preflight",
        PhaseId::Os => "os",
        PhaseId::Runtime => "runtime",
        PhaseId::Binaries => "binaries",
        PhaseId::Images => "images",
        PhaseId::LoadBalancer => "load-balancer",
        PhaseId::ControlPlaneFiles => "control-plane-files",
        PhaseId::Init => "init",
        PhaseId::Configuration => "configuration",
        PhaseId::Network => "network",
        PhaseId::JoinControlPlane => "join-control-plane",
        PhaseId::JoinWorker => "join-worker",
        PhaseId::Settings => "settings",
        PhaseId::NodeMetadata => "node-metadata",
        PhaseId::StrictArp => "strict-arp",
        PhaseId::Dns => "dns",
        PhaseId::MetalLb => "metallb",
        PhaseId::Storage => "storage",
        PhaseId::AddOns => "add-ons",
        PhaseId::Verify => "verify",
        PhaseId::Cordon => "cordon",
        PhaseId::MoveReplicas => "move-replicas",
        PhaseId::Drain => "drain",
        PhaseId::LeaveEtcd => "leave-etcd",
        PhaseId::DeleteNode => "delete-node",
        PhaseId::Uncordon => "uncordon",
        PhaseId::StopNode => "stop-node",
        PhaseId::RemoveState => "remove-state",
        PhaseId::RemoveNetwork => "remove-network",
        PhaseId::RemoveRuntime => "remove-runtime",
        PhaseId::RestoreHost => "restore-host",
    }
}

/// What a phase is called in a sentence: `load balancer and virtual IP`.
pub fn title(id: PhaseId) -> &'static str {
    PHASES
        .iter()
        .find(|phase| phase.id == id)
        .map(|phase| phase.title)
        .or_else(|| leaving::title(id))
        .or_else(|| reset::title(id))
        .unwrap_or_else(|| name(id))
}

/// Which hosts a phase runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    EveryHost,
    Nodes,
    ControlPlanes,
    /// Elected, not the first line of the file.
    FirstControlPlane,
    OtherControlPlanes,
    Workers,
    /// Through the API, on an elected healthy control plane.
    Api,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtOnce {
    All,
    One,
}

/// What must be done before a step of a phase may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// The phase on the same host.
    Own(PhaseId),
    /// The phase on every host that it runs on.
    Every(PhaseId),
    /// The phase has ended everywhere, whether every host succeeded or not.
    Some(PhaseId),
}

/// What a phase may look at when it says what a host must be. Pure data.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub cluster: &'a Cluster,
    pub host: &'a Host,
    /// Facts of this host.
    pub facts: &'a Facts,
    pub artifacts: &'a Artifacts,
}

/// What a host must be after `phase`: resources in the order in which they are brought about.
pub fn resources(phase: PhaseId, context: &Context<'_>) -> Vec<Resource> {
    match phase {
        PhaseId::Os => os::resources(context),
        PhaseId::Runtime => runtime::resources(context),
        PhaseId::Binaries => binaries::resources(context),
        PhaseId::Images => images::resources(context),
        PhaseId::LoadBalancer => load_balancer::resources(context),
        PhaseId::ControlPlaneFiles => control_plane_files::resources(context),
        _ => Vec::new(),
    }
}

/// One action of a phase, on the host where its script runs, and what it waits for within the phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActionStep {
    pub host: String,
    /// Hosts for whose sake it runs: [`Need::Own`] of the phase is about these. Of one host it must have succeeded, of
    /// several it must have ended (a token for all workers is made when the last of them is ready or has failed).
    pub of: Vec<String>,
    pub action: Action,
    /// Indices in the same list of steps that must have succeeded.
    pub needs: Vec<usize>,
    /// Indices in the same list of steps that must have ended, however they ended: secrets are revoked after a failed join too.
    pub after: Vec<usize>,
}

/// What must happen once in `phase`, given what was observed: nothing where it has happened already.
///
/// In execution order; steps that do not wait for each other may run at once where the phase's [`AtOnce`] lets them.
/// Fails where a file of the user's cannot be read, or where going on would endanger data.
pub fn actions(
    phase: PhaseId,
    cluster: &Cluster,
    artifacts: &Artifacts,
    seen: &Observation,
) -> anyhow::Result<Vec<ActionStep>> {
    match phase {
        PhaseId::Init => init::actions(cluster, artifacts, seen),
        PhaseId::Configuration => settings::configuration(cluster, artifacts, seen),
        PhaseId::JoinControlPlane => join::control_planes(cluster, artifacts, seen),
        PhaseId::JoinWorker => join::workers(cluster, artifacts, seen),
        PhaseId::Settings => settings::actions(cluster, artifacts, seen),
        PhaseId::NodeMetadata => node_metadata::actions(cluster, artifacts, seen),
        PhaseId::StrictArp => strict_arp::actions(cluster, artifacts, seen),
        PhaseId::Dns => Ok(dns::actions(cluster, seen)),
        // What these install is in the file of each; how, in `addon`.
        PhaseId::Network | PhaseId::MetalLb | PhaseId::Storage | PhaseId::AddOns => {
            addon::steps(phase, cluster, artifacts, seen)
        }
        PhaseId::Verify => verify::actions(cluster, artifacts, seen),
        _ => Ok(Vec::new()),
    }
}

/// A secret that the user brings, and the name by which scripts ask for it (`@@NAME@@`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UserSecret {
    /// `HARBOR_ADMIN_PASSWORD`.
    pub name: String,
    /// For the prompt and for errors: `password of Harbor's administrator`.
    pub title: String,
    pub source: SecretSource,
    /// Lengths in bytes that it may have once decoded, of a key in base64; none of other secrets.
    pub lengths: &'static [usize],
}

/// Every secret of the user's that scripts of this cluster ask for; known before the first script is sent.
pub fn user_secrets(cluster: &Cluster) -> Vec<UserSecret> {
    let encryption = cluster
        .control_plane
        .encryption
        .as_ref()
        .and_then(|encryption| {
            Some(UserSecret {
                name: init::ENCRYPTION_KEY.to_owned(),
                title: "key for the encryption of Secrets in etcd (base64)".to_owned(),
                source: encryption.key.clone()?,
                lengths: match encryption.provider.as_str() {
                    "secretbox" => &[32],
                    _ => &[16, 24, 32],
                },
            })
        });
    encryption
        .into_iter()
        .chain(cluster.metallb.iter().flat_map(metallb::user_secrets))
        .chain(cluster.longhorn.iter().flat_map(storage::user_secrets))
        .chain(cluster.harbor.iter().map(add_ons::user_secrets))
        .collect()
}

/// A text as the name of a secret: `bgp-tor1` → `BGP_TOR1`.
fn secret_name(text: &str) -> String {
    text.chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' => letter.to_ascii_uppercase(),
            _ => '_',
        })
        .collect()
}
