//! MetalLB, then its pools, peers and advertisements once its webhook answers.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    PhaseId, UserSecret,
    addon::{SecretObject, Unit},
};
use crate::{
    artifacts::{Artifacts, Kind},
    inventory::{Addon, AddonSource, BfdProfile, BgpPeer, Cluster, MetalLb, Pool, Wait},
    templates,
};

const ID: PhaseId = PhaseId::MetalLb;
const NAMESPACE: &str = "metallb-system";

/// What the inventory's pools, peers and profiles become.
const OBJECTS: &[&str] = &[
    "ipaddresspools.metallb.io",
    "l2advertisements.metallb.io",
    "bgpadvertisements.metallb.io",
    "bgppeers.metallb.io",
    "bfdprofiles.metallb.io",
    "communities.metallb.io",
];

pub(super) fn units(cluster: &Cluster, artifacts: &Artifacts) -> Result<Vec<Unit>> {
    let Some(metallb) = &cluster.metallb else {
        return Ok(Vec::new());
    };
    let objects = Addon {
        name: "metallb-objects".to_owned(),
        namespace: NAMESPACE.to_owned(),
        namespace_labels: [].into(),
        source: AddonSource::Manifest(objects(metallb)?),
        wait: Vec::new(),
    };
    Ok(vec![
        Unit::new(ID, installation(cluster, metallb, artifacts)),
        Unit::new(ID, objects)
            .with_secrets(passwords(metallb))
            .owning(OBJECTS),
    ])
}

fn installation(cluster: &Cluster, metallb: &MetalLb, artifacts: &Artifacts) -> Addon {
    let has = |kind| {
        artifacts
            .items
            .iter()
            .any(|item| item.kind == kind && item.name == "metallb")
    };
    // Upstream's plain manifest is the native one; every other way of BGP needs the chart.
    let by_manifest = metallb.bgp_mode == "native" && (has(Kind::Manifest) || !has(Kind::Chart));
    let (source, controller, speaker) = if by_manifest {
        (manifest(metallb), "controller", "speaker")
    } else {
        let source = AddonSource::Chart {
            chart: "metallb".to_owned(),
            repo: None,
            version: None,
            values: chart_values(cluster, metallb),
        };
        (source, "metallb-controller", "metallb-speaker")
    };
    Addon {
        name: "metallb".to_owned(),
        namespace: NAMESPACE.to_owned(),
        // The manifest brings its namespace with these labels; the chart leaves them to us.
        namespace_labels: if by_manifest {
            BTreeMap::new()
        } else {
            privileged()
        },
        source,
        wait: vec![
            Wait::Rollout(format!("deployment/{controller}")),
            Wait::Rollout(format!("daemonset/{speaker}")),
            Wait::Endpoints("metallb-webhook-service".to_owned()),
        ],
    }
}

/// Labels that let a namespace run pods on the hosts' network.
pub(super) fn privileged() -> BTreeMap<String, String> {
    ["enforce", "audit", "warn"]
        .map(|mode| {
            (
                format!("pod-security.kubernetes.io/{mode}"),
                "privileged".to_owned(),
            )
        })
        .into()
}

/// The artifact as it is, or under patches where an argument of the user's is missing in it.
fn manifest(metallb: &MetalLb) -> AddonSource {
    let mut patches = Vec::new();
    let mut add = |kind: &str, name: &str, argument: &str| {
        let operations = json!([{
            "op": "add",
            "path": "/spec/template/spec/containers/0/args/-",
            "value": argument,
        }]);
        let patch = json!({
            "target": {"kind": kind, "name": name},
            "patch": operations.to_string(),
        });
        patches.push(patch.to_string());
    };
    if let Some(class) = &metallb.load_balancer_class {
        let argument = format!("--lb-class={class}");
        add("Deployment", "controller", &argument);
        add("DaemonSet", "speaker", &argument);
    }
    if metallb.ignore_exclude_lb {
        add("DaemonSet", "speaker", "--ignore-exclude-lb");
    }
    if patches.is_empty() {
        AddonSource::Artifact("metallb".to_owned())
    } else {
        AddonSource::Overlay {
            resources: vec!["metallb".to_owned()],
            patches,
        }
    }
}

fn chart_values(cluster: &Cluster, metallb: &MetalLb) -> Map<String, Value> {
    let mut values = json!({
        "speaker": {
            "frr": {"enabled": metallb.bgp_mode == "frr"},
            "ignoreExcludeLB": metallb.ignore_exclude_lb,
        },
        "frrk8s": {"enabled": metallb.bgp_mode == "frr-k8s"},
        "networkpolicies": {"apiPort": cluster.apiserver_port()},
    });
    if let Some(class) = &metallb.load_balancer_class {
        values["loadBalancerClass"] = class.as_str().into();
    }
    match values {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}

#[derive(Serialize)]
struct ObjectValues<'a> {
    pools: &'a [Pool],
    peers: &'a [BgpPeer],
    bfd_profiles: Vec<ProfileValues<'a>>,
    communities: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ProfileValues<'a> {
    name: &'a str,
    fields: Vec<(&'static str, Value)>,
}

fn objects(metallb: &MetalLb) -> Result<String> {
    templates::render(
        "addons/metallb/objects.yaml.j2",
        ObjectValues {
            pools: &metallb.pools,
            peers: &metallb.peers,
            bfd_profiles: metallb.bfd_profiles.iter().map(profile).collect(),
            communities: &metallb.communities,
        },
    )
}

fn profile(profile: &BfdProfile) -> ProfileValues<'_> {
    let fields = [
        ("receiveInterval", profile.receive_interval.map(Value::from)),
        (
            "transmitInterval",
            profile.transmit_interval.map(Value::from),
        ),
        (
            "detectMultiplier",
            profile.detect_multiplier.map(Value::from),
        ),
        ("echoInterval", profile.echo_interval.map(Value::from)),
        ("echoMode", profile.echo_mode.map(Value::from)),
        ("passiveMode", profile.passive_mode.map(Value::from)),
        ("minimumTtl", profile.minimum_ttl.map(Value::from)),
    ];
    ProfileValues {
        name: &profile.name,
        fields: fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
    }
}

fn passwords(metallb: &MetalLb) -> Vec<SecretObject> {
    metallb
        .peers
        .iter()
        .filter(|peer| peer.password.is_some())
        .map(|peer| SecretObject {
            namespace: NAMESPACE.to_owned(),
            name: format!("bgp-{}", peer.name),
            kind: "kubernetes.io/basic-auth".to_owned(),
            keys: [("password".to_owned(), password_name(peer))].into(),
        })
        .collect()
}

fn password_name(peer: &BgpPeer) -> String {
    super::secret_name(&format!("BGP_PASSWORD_{}", peer.name))
}

/// Passwords of peers, as scripts ask for them.
pub(super) fn user_secrets(metallb: &MetalLb) -> impl Iterator<Item = UserSecret> + '_ {
    metallb.peers.iter().filter_map(|peer| {
        Some(UserSecret {
            name: password_name(peer),
            title: format!("password of BGP peer {}", peer.name),
            source: peer.password.clone()?,
            lengths: &[],
        })
    })
}
