//! Inventories of every topology, and hosts as they would be seen: what tests of phases begin with.

use std::{collections::BTreeMap, net::IpAddr};

use baremetal::{
    artifacts::{Artifacts, From, Item, Kind},
    inventory::{self, Cluster, Host},
    observe::{Facts, HostSeen, InterfaceAddress, KubeFacts, Observation},
    phases::{Context, PhaseId, resources},
    resources::{File, Resource},
};

pub const SINGLE: &str = "
cluster: single
kubernetes: 1.33.4
endpoint: {external: 10.0.0.11}
hosts:
  cp1: {address: 10.0.0.11, role: [control-plane, worker]}
";

pub const STACKED: &str = "
cluster: stacked
kubernetes: 1.33.4
endpoint: 10.0.0.10
metallb: 10.0.0.200-10.0.0.219
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker}
  w2: {address: 10.0.0.22, role: worker}
";

pub const EDGE: &str = "
cluster: edge
kubernetes: 1.33.4
endpoint: 10.0.0.10
metallb: 10.0.0.200-10.0.0.219
longhorn: true
hosts:
  cp1: {address: 10.0.0.11, role: [control-plane, worker]}
  cp2: {address: 10.0.0.12, role: [control-plane, worker]}
  cp3: {address: 10.0.0.13, role: [control-plane, worker]}
";

pub const PAIR: &str = "
cluster: pair
kubernetes: 1.33.4
endpoint: {vip: 10.0.0.10, held-by: load-balancers}
hosts:
  lb1: {address: 10.0.0.5, role: load-balancer}
  lb2: {address: 10.0.0.6, role: load-balancer}
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker}
";

pub const IPV6: &str = "
cluster: ipv6
kubernetes: 1.33.4
endpoint: fd00:10::10
network: {pods: 'fd00:244::/56', services: 'fd00:96::/112'}
hosts:
  cp1: {address: 'fd00:10::11', role: control-plane}
  cp2: {address: 'fd00:10::12', role: control-plane}
  cp3: {address: 'fd00:10::13', role: control-plane}
";

pub const DUAL: &str = "
cluster: dual
kubernetes: 1.33.4
endpoint: 10.0.0.10
network: {pods: [10.244.0.0/16, 'fd00:244::/56'], services: [10.96.0.0/12, 'fd00:96::/112']}
hosts:
  cp1: {address: 10.0.0.11, node-ip: [10.0.0.11, 'fd00:10::11'], role: control-plane}
  cp2: {address: 10.0.0.12, node-ip: [10.0.0.12, 'fd00:10::12'], role: control-plane}
  cp3: {address: 10.0.0.13, node-ip: [10.0.0.13, 'fd00:10::13'], role: control-plane}
";

/// Every topology by name.
pub const ALL: [(&str, &str); 6] = [
    ("single", SINGLE),
    ("stacked", STACKED),
    ("edge", EDGE),
    ("pair", PAIR),
    ("ipv6", IPV6),
    ("dual", DUAL),
];

/// Loads an inventory given as text.
#[track_caller]
pub fn cluster(text: &str) -> Cluster {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.yaml");
    std::fs::write(&path, text).unwrap();
    inventory::load(&path).unwrap_or_else(|error| panic!("{error:#}\n{text}"))
}

/// The text with another Kubernetes version.
pub fn versioned(text: &str, version: &str) -> String {
    text.replace("kubernetes: 1.33.4", &format!("kubernetes: {version}"))
}

/// A bare host with its address on `eth0`.
pub fn bare(host: &Host) -> Facts {
    let address = |address: IpAddr| InterfaceAddress {
        interface: "eth0".to_owned(),
        address,
        prefix: if address.is_ipv4() { 24 } else { 64 },
    };
    Facts {
        arch: "amd64".to_owned(),
        systemd: true,
        resolv_conf: "/etc/resolv.conf".to_owned(),
        addresses: std::iter::once(address(host.node_ip))
            .chain(host.node_ip_v6.map(address))
            .collect(),
        default_interface: Some("eth0".to_owned()),
        ..Facts::default()
    }
}

/// Nothing but bare hosts; the first control plane is elected.
pub fn untouched(cluster: &Cluster) -> Observation {
    Observation {
        hosts: cluster
            .hosts
            .iter()
            .map(|host| {
                let seen = HostSeen {
                    facts: bare(host),
                    resources: BTreeMap::new(),
                };
                (host.name.clone(), seen)
            })
            .collect(),
        elected: cluster.control_planes().next().unwrap().name.clone(),
        ..Observation::default()
    }
}

/// What a host says of Kubernetes once it is a whole member.
pub fn member(host: &Host) -> KubeFacts {
    let plane = host.is_control_plane();
    KubeFacts {
        admin_conf: plane,
        kubelet_conf: true,
        manifests: if plane {
            [
                "etcd",
                "kube-apiserver",
                "kube-controller-manager",
                "kube-scheduler",
            ]
            .map(|name| format!("{name}.yaml"))
            .to_vec()
        } else {
            Vec::new()
        },
        etcd_data: plane,
        ca_hash: Some("sha256:ours".to_owned()),
        apiserver_ready: plane,
        kubelet_active: true,
        ..KubeFacts::default()
    }
}

/// Charts, manifests and images under their names in a bundle.
pub fn artifacts() -> Artifacts {
    let item = |name: &str, kind, version: &str, images: &[&str]| Item {
        name: name.to_owned(),
        kind,
        version: version.to_owned(),
        arch: None,
        sha256: "0".repeat(64),
        size: None,
        images: images.iter().map(|&image| image.to_owned()).collect(),
        from: From::Local(name.into()),
    };
    Artifacts {
        items: vec![
            item("metallb", Kind::Manifest, "v0.16.1", &[]),
            item("metallb", Kind::Chart, "0.16.1", &[]),
            item("longhorn", Kind::Chart, "1.12.1", &[]),
            item("harbor", Kind::Chart, "1.19.1", &[]),
            item("tigera-operator", Kind::Chart, "v3.31.7", &[]),
            item("cilium", Kind::Chart, "1.20.1", &[]),
            item(
                "flannel",
                Kind::Image,
                "v0.28.9",
                &["mirror.example/flannel/flannel:v0.28.9"],
            ),
        ],
        note: None,
        offline: true,
        ..Artifacts::default()
    }
}

/// Files of a phase on a host, by path.
pub fn files(cluster: &Cluster, host: &Host, phase: PhaseId) -> BTreeMap<String, File> {
    let (facts, artifacts) = (bare(host), artifacts());
    let context = Context {
        cluster,
        host,
        facts: &facts,
        artifacts: &artifacts,
    };
    resources(phase, &context)
        .into_iter()
        .filter_map(|resource| match resource {
            Resource::File(file) => Some((file.path.clone(), file)),
            _ => None,
        })
        .collect()
}
