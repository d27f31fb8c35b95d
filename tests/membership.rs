//! The inventory against a cluster that runs: what joins, what is only said, and what is refused with the command to use.

use std::path::Path;

use baremetal::{
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    observe::{ApiSeen, EtcdMember, KubeFacts, NodeSeen, Observation},
    phases::{Differences, PhaseId, accept, accept_port, actions, differences},
};
use serde_json::json;

use crate::topologies::{self, artifacts, cluster, member, untouched};

const PLANE: &str = "node-role.kubernetes.io/control-plane";

/// What a cluster looks like from inside after `up` of `text`.
pub(crate) fn live(text: &str) -> (Cluster, Observation) {
    let cluster = cluster(text);
    let mut seen = untouched(&cluster);
    let nets = |nets: &[ipnet::IpNet]| {
        nets.iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(",")
    };
    let mut api = ApiSeen {
        via: seen.elected.clone(),
        cluster_configuration: Some(json!({
            "clusterName": cluster.name,
            "kubernetesVersion": format!("v{}", cluster.version),
            "controlPlaneEndpoint": cluster.endpoint_address(),
            "networking": {
                "podSubnet": nets(&cluster.network.pods),
                "serviceSubnet": nets(&cluster.network.services),
                "dnsDomain": cluster.network.dns_domain,
            },
            "etcd": {"local": {"dataDir": cluster.control_plane.etcd_data_dir}},
            "apiServer": {"extraArgs": [{"name": "encryption-provider-config", "value": "/a"}]},
        })),
        coredns: true,
        kube_proxy_daemon_set: true,
        kube_proxy_rolled: true,
        ..ApiSeen::default()
    };
    for host in cluster.nodes() {
        add(host, &cluster, &mut seen, &mut api);
    }
    seen.api = Some(api);
    (cluster, seen)
}

/// A host that has joined, as it, the API and etcd say.
fn add(host: &Host, cluster: &Cluster, seen: &mut Observation, api: &mut ApiSeen) {
    let facts = &mut seen.hosts.get_mut(&host.name).unwrap().facts;
    facts.kube = member(host);
    facts
        .raw
        .insert("cni".to_owned(), vec!["10-flannel.conflist".to_owned()]);
    let plane = host.is_control_plane();
    api.nodes.push(NodeSeen {
        name: host.name.clone(),
        ready: true,
        version: format!("v{}", cluster.version),
        internal_ips: std::iter::once(host.node_ip)
            .chain(host.node_ip_v6)
            .map(|one| one.to_string())
            .collect(),
        labels: plane
            .then(|| (PLANE.to_owned(), String::new()))
            .into_iter()
            .collect(),
        ..NodeSeen::default()
    });
    if plane {
        let address = match host.node_ip {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        api.etcd.push(EtcdMember {
            id: format!("{:x}", 1000 + api.etcd.len()),
            name: host.name.clone(),
            peer_urls: vec![format!("https://{address}:2380")],
            learner: false,
            healthy: true,
        });
    }
}

fn found(cluster: &Cluster, seen: &Observation) -> Differences {
    differences(cluster, seen, Path::new("lab.yaml"))
}

/// Everything that is found when a cluster made of one text is given another.
fn edited(text: &str, from: &str, to: &str) -> Differences {
    assert!(text.contains(from), "{from}");
    let (_, seen) = live(text);
    let text = format!(
        "allow-even-control-planes: true\n{}",
        text.replace(from, to)
    );
    let cluster = cluster(&text);
    let mut hosts = untouched(&cluster);
    for (name, host) in &mut hosts.hosts {
        if let Some(before) = seen.hosts.get(name) {
            *host = before.clone();
        }
    }
    hosts.api = seen.api;
    found(&cluster, &hosts)
}

#[test]
fn a_cluster_as_the_file_says_has_no_differences() {
    for (name, text) in topologies::ALL {
        let (cluster, seen) = live(text);
        assert_eq!(found(&cluster, &seen), Differences::default(), "{name}");
    }
}

#[test]
fn without_an_api_there_is_nothing_to_compare_with() {
    let (cluster, mut seen) = live(topologies::STACKED);
    seen.api.as_mut().unwrap().nodes.clear();
    seen.api = None;
    assert_eq!(found(&cluster, &seen), Differences::default());
}

/// Edits of the file, and what of each is refused: the host or setting, and the way out.
#[test]
fn what_cannot_be_is_refused_with_the_way_out() {
    let stacked = topologies::STACKED;
    let w1 = "w1: {address: 10.0.0.21, role: worker}";
    let cp3 = "cp3: {address: 10.0.0.13, role: control-plane}";
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str, &str)] = &[
        (cp3, "cp3: {address: 10.0.0.13, role: worker}", "cp3 is a worker in the file, but a control plane of the cluster",
         "`baremetal remove-node --keep-entry lab.yaml cp3`, then `baremetal add-node lab.yaml cp3`"),
        (w1, "w1: {address: 10.0.0.21, role: [control-plane, worker]}", "w1 is a control plane in the file, but a worker of the cluster",
         "`baremetal remove-node --keep-entry lab.yaml w1`, then `baremetal add-node lab.yaml w1`"),
        (w1, "w1: {address: 10.0.0.99, role: worker}", "w1 has the address 10.0.0.99 in the file, but the cluster knows it by 10.0.0.21",
         "put the old address of w1 back into lab.yaml and run `baremetal remove-node --keep-entry lab.yaml w1`; then write 10.0.0.99 again and \
          run `baremetal add-node lab.yaml w1`"),
        (cp3, "cp3: {address: 10.0.0.99, role: control-plane}", "the cluster knows it by 10.0.0.13", "put the old address of cp3 back"),
        (w1, "worker-one: {address: 10.0.0.21, role: worker}", "worker-one of the file has the address of node w1 (10.0.0.21)",
         "call it w1 in lab.yaml again"),
        (cp3, "", "cp3 (10.0.0.13) is a control plane of the cluster, but not in the file",
         "put `cp3: {address: 10.0.0.13, role: control-plane}` into lab.yaml; to be rid of it, then run `baremetal remove-node lab.yaml cp3`"),
        ("kubernetes: 1.33.4", "kubernetes: 1.34.1", "kubernetes is v1.34.1 in the file, but v1.33.4 in the cluster", "put `kubernetes` back to 1.33.4"),
        ("cluster: stacked", "cluster: other", "cluster is other in the file, but stacked in the cluster", "put `cluster` back to stacked"),
        ("endpoint: 10.0.0.10", "endpoint: 10.0.0.9", "endpoint is 10.0.0.9:6443 in the file, but 10.0.0.10:6443", "put `endpoint` back to 10.0.0.10:6443"),
        ("hosts:", "network: {pods: 10.200.0.0/16}\nhosts:", "network.pods is 10.200.0.0/16 in the file", "put `network.pods` back to 10.244.0.0/16"),
        ("hosts:", "network: {services: 10.112.0.0/16}\nhosts:", "network.services is 10.112.0.0/16", "put `network.services` back to 10.96.0.0/12"),
        ("hosts:", "network: {dns-domain: k8s.local}\nhosts:", "network.dns-domain is k8s.local", "put `network.dns-domain` back to cluster.local"),
        ("hosts:", "network: {plugin: calico}\nhosts:", "network.plugin is calico in the file, but pods of cp1 are on flannel", "put `plugin: flannel`"),
        ("hosts:", "control-plane: {etcd: {data-dir: /data/etcd}}\nhosts:", "control-plane.etcd.data-dir is /data/etcd", "back to /var/lib/etcd"),
        ("hosts:", "control-plane: {encryption: false}\nhosts:", "control-plane.encryption is off in the file, but on", "put `encryption: true`"),
    ];
    for (from, to, what, instead) in cases {
        let found = edited(stacked, from, to);
        assert_eq!(found.refusals.len(), 1, "{to}: {found:#?}");
        let refusal = &found.refusals[0];
        assert!(refusal.what.contains(what), "{to}: {refusal:#?}");
        assert!(refusal.instead.contains(instead), "{to}: {refusal:#?}");
    }
    let found = edited(
        topologies::PAIR,
        "w1: {address: 10.0.0.21, role: worker}",
        "w1: {address: 10.0.0.21, role: load-balancer}",
    );
    assert!(
        found.refusals[0]
            .what
            .starts_with("w1 is only a load balancer in the file, but a node of the cluster"),
        "{found:#?}"
    );
}

#[test]
fn encryption_is_not_switched_on_over_what_is_stored_in_clear() {
    let (cluster, mut seen) = live(topologies::STACKED);
    seen.api
        .as_mut()
        .unwrap()
        .cluster_configuration
        .as_mut()
        .unwrap()["apiServer"] = json!({"extraArgs": []});
    let found = found(&cluster, &seen);
    assert_eq!(found.refusals.len(), 1, "{found:#?}");
    assert!(
        found.refusals[0].what.contains("on in the file, but off"),
        "{found:#?}"
    );
}

#[test]
fn a_worker_that_the_file_has_not_is_said_and_left_alone() {
    let found = edited(
        topologies::STACKED,
        "  w2: {address: 10.0.0.22, role: worker}\n",
        "",
    );
    assert_eq!(found.refusals, []);
    assert_eq!(
        found.notes,
        [
            "w2 (10.0.0.22) is a node of the cluster, but not in the file: it is left as it is. \
             Put `w2: {address: 10.0.0.22}` into lab.yaml; to be rid of it, then run `baremetal remove-node lab.yaml w2`"
        ]
    );
}

#[test]
fn a_dead_control_plane_that_the_file_has_not_is_said() {
    let (_, mut seen) = live(topologies::STACKED);
    let api = seen.api.as_mut().unwrap();
    api.nodes[2].ready = false;
    api.etcd[2].healthy = false;
    let text =
        topologies::STACKED.replace("  cp3: {address: 10.0.0.13, role: control-plane}\n", "");
    let text = format!("allow-even-control-planes: true\n{text}");
    let found = found(&cluster(&text), &seen);
    assert_eq!(found.refusals, [], "{found:#?}");
    assert_eq!(found.notes.len(), 1, "{found:#?}");
    assert!(
        found.notes[0].ends_with("and run `baremetal remove-node lab.yaml cp3 --dead`"),
        "{found:#?}"
    );
}

#[test]
fn a_member_of_etcd_that_is_nobodys_is_said() {
    let (cluster, mut seen) = live(topologies::STACKED);
    seen.api.as_mut().unwrap().etcd.push(EtcdMember {
        id: "abc".to_owned(),
        name: "gone".to_owned(),
        peer_urls: vec!["https://10.0.0.77:2380".to_owned()],
        ..EtcdMember::default()
    });
    let found = found(&cluster, &seen);
    assert_eq!(found.refusals, []);
    assert!(
        found.notes[0].contains("etcd has a member gone (https://10.0.0.77:2380)"),
        "{found:#?}"
    );
}

#[test]
fn a_node_of_another_version_is_not_made_the_files_by_force() {
    let (cluster, mut seen) = live(topologies::STACKED);
    seen.api.as_mut().unwrap().nodes[4].version = "v1.33.9".to_owned();
    let found = found(&cluster, &seen);
    assert_eq!(found.refusals.len(), 1, "{found:#?}");
    assert!(
        found.refusals[0].what.contains("w2 runs kubelet v1.33.9"),
        "{found:#?}"
    );
}

/// States of a host that is on its way in: its join is finished, not refused.
#[test]
fn hosts_that_are_about_to_join_are_no_differences() {
    type Make = fn(&mut Observation);
    let cases: [(&str, Make); 4] = [
        ("not there at all", |seen| {
            let api = seen.api.as_mut().unwrap();
            api.nodes.retain(|node| node.name != "cp3");
            api.etcd.retain(|member| member.name != "cp3");
            seen.hosts.get_mut("cp3").unwrap().facts.kube = KubeFacts::default();
        }),
        ("a join cut off before it was a member", |seen| {
            let api = seen.api.as_mut().unwrap();
            api.nodes[2].labels.clear();
            api.etcd.retain(|member| member.name != "cp3");
        }),
        ("a member that has not started", |seen| {
            let api = seen.api.as_mut().unwrap();
            api.nodes[2].labels.clear();
            api.etcd[2].name.clear();
        }),
        ("made new under its old name", |seen| {
            let api = seen.api.as_mut().unwrap();
            api.nodes[2].labels.clear();
            api.etcd.retain(|member| member.name != "cp3");
            seen.hosts.get_mut("cp3").unwrap().facts.kube = KubeFacts::default();
        }),
    ];
    for (name, make) in cases {
        let (cluster, mut seen) = live(topologies::STACKED);
        make(&mut seen);
        assert_eq!(found(&cluster, &seen), Differences::default(), "{name}");
        let joins = actions(PhaseId::JoinControlPlane, &cluster, &artifacts(), &seen).unwrap();
        assert!(
            joins.iter().any(|step| step.action.id == "join-cp3"),
            "{name}"
        );
    }
}

#[test]
fn a_host_added_to_the_file_joins_and_nothing_else_does() {
    let (_, seen) = live(topologies::STACKED);
    let text = format!(
        "{}  w3: {{address: 10.0.0.23, role: worker}}\n",
        topologies::STACKED
    );
    let cluster = cluster(&text);
    let mut now = untouched(&cluster);
    now.hosts.extend(seen.hosts.clone());
    now.api.clone_from(&seen.api);
    assert_eq!(found(&cluster, &now), Differences::default());
    let joins = actions(PhaseId::JoinWorker, &cluster, &artifacts(), &now).unwrap();
    let ids: Vec<_> = joins.iter().map(|step| step.action.id.as_str()).collect();
    assert_eq!(
        ids,
        ["join-credentials-workers", "join-w3", "join-revoke-workers"]
    );
    let others = actions(PhaseId::JoinControlPlane, &cluster, &artifacts(), &now).unwrap();
    assert_eq!(others, []);
}

#[test]
fn everything_that_is_refused_is_said_at_once_and_with_its_exit_code() {
    let (_, seen) = live(topologies::STACKED);
    let text = topologies::STACKED
        .replace("endpoint: 10.0.0.10\n", "endpoint: 10.0.0.9\n")
        .replace("w1: {address: 10.0.0.21", "w1: {address: 10.0.0.99");
    let error = accept(&cluster(&text), &seen, Path::new("lab.yaml")).unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.code, Code::Refused);
    insta::assert_snapshot!(format!(
        "{failure}\n→ {}",
        failure.hint.as_deref().unwrap_or_default()
    ));
}

#[test]
fn the_token_of_kubeadm_init_is_short_and_taken_back_by_the_next_run() {
    let text = topologies::STACKED;
    let cluster = cluster(text);
    let host = cluster.control_planes().next().unwrap();
    let init = baremetal::phases::kubeadm::init_configuration(&cluster, host).unwrap();
    let init: serde_json::Value = serde_yaml::from_str(&init).unwrap();
    let token = &init["bootstrapTokens"][0];
    assert_eq!(token["ttl"], "15m0s");
    assert_eq!(token.get("token"), None, "kubeadm makes it");
    // The words by which what an interrupted run left is known.
    let description = token["description"].as_str().unwrap();
    assert!(description.starts_with("baremetal: join"), "{description}");
    let script = &actions(PhaseId::Init, &cluster, &artifacts(), &untouched(&cluster)).unwrap()[0]
        .action
        .script;
    assert!(script.body.contains(description));
}

/// What is said of a cluster of which one API server that has data listens on `live`; nothing where `instead` is empty.
fn port_is(text: &str, live: &str, instead: &str) {
    let (cluster, mut seen) = self::live(text);
    seen.api = None;
    let facts = &mut seen.hosts.get_mut("cp2").unwrap().facts;
    facts
        .raw
        .insert("secure-port".to_owned(), vec![live.to_owned()]);
    let accepted = accept_port(&cluster, &seen, Path::new("lab.yaml"));
    if instead.is_empty() {
        accepted.unwrap();
        return;
    }
    let error = accepted.unwrap_err();
    let failure = error.downcast_ref::<Failure>().unwrap();
    assert_eq!(failure.code, Code::Refused);
    let what = format!("cp2 has data and port {live}");
    assert!(failure.message.contains(&what), "{failure}");
    assert_eq!(failure.hint.as_deref(), Some(instead));
    // What never had data is begun again with the new port.
    seen.hosts.get_mut("cp2").unwrap().facts.kube.etcd_data = false;
    accept_port(&cluster, &seen, Path::new("lab.yaml")).unwrap();
}

/// With another port none of the API servers would be found to answer, and nothing else compares them with the file.
#[test]
fn another_port_for_api_servers_that_have_data_is_refused_by_what_hosts_say() {
    let stacked = topologies::STACKED;
    let edge = stacked.replace(
        "endpoint: 10.0.0.10",
        "endpoint: {vip: 10.0.0.10, held-by: load-balancers}",
    );
    let edge = format!("{edge}  lb1: {{address: 10.0.0.31, role: load-balancer}}\n");
    let other = stacked.replace(
        "endpoint: 10.0.0.10",
        "endpoint: {vip: 10.0.0.10, apiserver-port: 7443}",
    );
    let outside = stacked
        .replace("endpoint: 10.0.0.10", "endpoint: {external: 10.0.0.10}")
        .replace("metallb: 10.0.0.200-10.0.0.219\n", "");
    for (text, live, instead) in [
        (stacked, "6444", ""),
        (&edge, "6443", ""),
        (
            stacked,
            "6443",
            "write `held-by: load-balancers` under `endpoint:` in lab.yaml",
        ),
        (
            stacked,
            "6445",
            "write `apiserver-port: 6445` under `endpoint:` in lab.yaml",
        ),
        (
            &edge,
            "6444",
            "write `apiserver-port: 6444` under `endpoint:` in lab.yaml",
        ),
        (
            &other,
            "6444",
            "write `apiserver-port: 6444` under `endpoint:` in lab.yaml",
        ),
        (
            &outside,
            "6444",
            "put `endpoint` back to what it was in lab.yaml",
        ),
    ] {
        port_is(text, live, instead);
    }
}
