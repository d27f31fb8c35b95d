//! What is installed through the API: manifests and values as they were, every source of an add-on, and nothing to do once live.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use baremetal::{
    inventory::Cluster,
    observe::{AddonSeen, ApiSeen, NodeSeen, Observation, api_script, parse_api},
    phases::{ActionStep, PhaseId, actions, user_secrets},
};
use serde_json::{Value, json};

use crate::topologies::{EDGE, STACKED, artifacts, cluster, untouched, versioned};

/// Every service with every setting.
const SERVICES: &str = "
cluster: services
kubernetes: 1.33.4
endpoint: 10.0.0.10
metallb:
  bgp-mode: frr-k8s
  pools:
    lan: {addresses: [10.0.0.200-10.0.0.219], auto-assign: false, l2: {interfaces: [eth0], node-selectors: {rack: a}}}
    wan: {addresses: [10.9.0.0/24, 'fd00:9::/120'], bgp: {aggregation-length: 32, aggregation-length-v6: 128, local-pref: 100, communities: [vpn], peers: [tor1], node-selectors: [{rack: a}, {rack: b}]}}
  peers:
    tor1: {my-asn: 64512, peer-asn: 64513, address: 10.0.0.1, hold-time: 90s, keepalive-time: 30s, bfd-profile: fast, ebgp-multi-hop: true, password: {env: BGP_TOR1}, source-address: 10.0.0.21, router-id: 10.0.0.21, node-selectors: {rack: a}}
  bfd-profiles:
    fast: {receive-interval: 300, transmit-interval: 300, detect-multiplier: 3, echo-interval: 50, echo-mode: true, passive-mode: false, minimum-ttl: 254}
  communities: {vpn: '64512:100'}
  load-balancer-class: metallb
longhorn:
  nodes: [w1, w2]
  reclaim-policy: Retain
  default-class: false
  storage-classes: {fast: {replicas: 1, default: true, parameters: {diskSelector: nvme}}}
  recurring-jobs: {daily: {cron: '0 2 * * *', task: backup, retain: 14}}
  backup: {url: 's3://bucket@eu/', credentials: {AWS_ACCESS_KEY_ID: {env: KEY_ID}, AWS_SECRET_ACCESS_KEY: {env: KEY}}}
  ui: {host: longhorn.example.org, ingress-class: traefik, tls-secret: tls}
  settings: {storage-over-provisioning-percentage: '150', replica-auto-balance: disabled}
  values: {longhornUI: {replicas: 1}}
harbor:
  host: registry.example.org
  address: 10.0.0.205
  admin-password: {env: HARBOR}
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker, labels: {rack: a}, data-disks: [{path: /data/one, tags: [nvme], reserved: 1Gi}]}
  w2: {address: 10.0.0.22, role: worker, taints: ['storage=only:NoSchedule'], data-disks: [/data/one]}
";

const PHASES: [PhaseId; 4] = [
    PhaseId::Network,
    PhaseId::MetalLb,
    PhaseId::Storage,
    PhaseId::AddOns,
];

fn steps(cluster: &Cluster, seen: &Observation) -> Vec<ActionStep> {
    PHASES
        .into_iter()
        .flat_map(|phase| actions(phase, cluster, &artifacts(), seen).unwrap())
        .collect()
}

fn ids(steps: &[ActionStep]) -> Vec<String> {
    steps.iter().map(|step| step.action.id.clone()).collect()
}

/// Everything that a step gives the host, by name; the namespace, Secrets and values too.
fn given(step: &ActionStep) -> String {
    let script = &step.action.script;
    let calls: Vec<_> = script
        .body
        .lines()
        .filter(|line| {
            ["apply_manifest ", "apply_release ", "wait_"]
                .iter()
                .any(|call| line.starts_with(call))
                && !line.contains('(')
        })
        .collect();
    let mut text = format!("{}\n{}\n", step.action.title, calls.join("\n"));
    for attachment in &script.attachments {
        text.push_str(&format!(
            "=== {}{}\n{}\n",
            attachment.name,
            if attachment.secrets { " (secrets)" } else { "" },
            String::from_utf8_lossy(&attachment.content)
        ));
    }
    text
}

#[test]
fn services_as_they_were() {
    let cluster = cluster(SERVICES);
    let steps = steps(&cluster, &untouched(&cluster));
    assert_eq!(
        ids(&steps),
        [
            "apply-flannel",
            "apply-metallb",
            "apply-metallb-objects",
            "apply-longhorn",
            "apply-longhorn-objects",
            "apply-harbor"
        ]
    );
    for step in &steps {
        insta::assert_snapshot!(step.action.id.clone(), given(step));
    }
}

#[test]
fn every_manifest_is_yaml_with_kind_and_name() {
    use serde::Deserialize as _;
    for text in [SERVICES, STACKED, EDGE] {
        let cluster = cluster(text);
        for step in steps(&cluster, &untouched(&cluster)) {
            for attachment in &step.action.script.attachments {
                if Path::new(&attachment.name).extension() != Some("yaml".as_ref()) {
                    continue;
                }
                let text = String::from_utf8(attachment.content.clone()).unwrap();
                for document in serde_yaml::Deserializer::from_str(&text) {
                    let value = Value::deserialize(document).unwrap();
                    if !value.is_null() {
                        assert!(value["kind"].is_string(), "{}: {value}", attachment.name);
                        assert!(
                            value["metadata"]["name"].is_string(),
                            "{}: {value}",
                            attachment.name
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn secrets_of_services_are_the_users_own_and_known_beforehand() {
    let cluster = cluster(SERVICES);
    let known: Vec<_> = user_secrets(&cluster)
        .into_iter()
        .map(|secret| secret.name)
        .collect();
    assert_eq!(
        known,
        [
            "BGP_PASSWORD_TOR1",
            "LONGHORN_BACKUP_AWS_ACCESS_KEY_ID",
            "LONGHORN_BACKUP_AWS_SECRET_ACCESS_KEY",
            "HARBOR_ADMIN_PASSWORD"
        ]
    );
    for step in steps(&cluster, &untouched(&cluster)) {
        let script = &step.action.script;
        assert!(!script.body.contains("@@"), "{}", step.action.id);
        for attachment in script
            .attachments
            .iter()
            .filter(|attachment| attachment.secrets)
        {
            let text = String::from_utf8_lossy(&attachment.content).into_owned();
            let name = text.trim_matches('@').to_owned();
            assert!(known.contains(&name), "{name}");
        }
    }
}

/// An observation in which exactly `live` says what the API answered.
fn with_addons(cluster: &Cluster, live: BTreeMap<String, AddonSeen>) -> Observation {
    Observation {
        api: Some(ApiSeen {
            addons: live,
            ..ApiSeen::default()
        }),
        ..untouched(cluster)
    }
}

#[test]
fn what_is_live_as_wanted_is_left_alone_and_what_is_not_is_brought_back() {
    let cluster = cluster(SERVICES);
    let all = ids(&steps(&cluster, &untouched(&cluster)));
    let same = |same| AddonSeen {
        present: true,
        same,
        diff: "- live\n+ wanted".to_owned(),
    };
    let live = |wrong: Option<&str>| -> BTreeMap<String, AddonSeen> {
        all.iter()
            .map(|id| {
                let name = id.trim_start_matches("apply-");
                (name.to_owned(), same(Some(name) != wrong))
            })
            .collect()
    };
    assert_eq!(
        ids(&steps(&cluster, &with_addons(&cluster, live(None)))),
        [""; 0]
    );
    for id in &all {
        let name = id.trim_start_matches("apply-");
        let left = steps(&cluster, &with_addons(&cluster, live(Some(name))));
        assert_eq!(ids(&left), std::slice::from_ref(id));
        assert!(left[0].action.title.starts_with("update"));
        assert!(left[0].action.detail.contains(&"+ wanted".to_owned()));
    }
}

/// What a live cluster answers when everything is as wanted.
fn answer(cluster: &Cluster) -> String {
    let script = api_script(cluster, &artifacts()).unwrap();
    let values = |name: &str| {
        let wanted = format!("{name}.values");
        let attachment = script
            .attachments
            .iter()
            .find(|attachment| attachment.name == wanted)
            .unwrap();
        let value: Value = serde_yaml::from_slice(&attachment.content).unwrap();
        value.to_string()
    };
    let mut text = String::from(
        "%% nodes 0\n{\"items\": []}\n%% system 0\n{\"items\": []}\n%% etcd-members 0\n\n%% etcd-health 0\n\n%% tokens 0\n\n",
    );
    let mut releases = Vec::new();
    for step in steps(cluster, &untouched(cluster)) {
        let name = step.action.id.trim_start_matches("apply-").to_owned();
        if step
            .action
            .script
            .attachments
            .iter()
            .any(|attachment| attachment.name == format!("{name}.values"))
        {
            let item = artifacts()
                .items
                .into_iter()
                .find(|item| {
                    item.name == name && item.version.starts_with(|c: char| c.is_ascii_digit())
                })
                .unwrap();
            let namespace = match name.as_str() {
                "metallb" => "metallb-system",
                "longhorn" => "longhorn-system",
                other => other,
            };
            releases.push(json!({"name": name, "namespace": namespace, "status": "deployed", "chart": format!("{name}-{}", item.version)}));
            text.push_str(&format!(
                "%% addon-{name} 0\n{}\n\n%% addon-{name}.err 0\n\n",
                values(&name)
            ));
        } else {
            text.push_str(&format!("%% addon-{name} 0\n\n%% addon-{name}.err 0\n\n"));
        }
    }
    text.push_str(&format!(
        "%% helm 0\n{}\n\n%% helm.err 0\n\n",
        Value::Array(releases)
    ));
    text
}

#[test]
fn answers_of_a_cluster_as_wanted_leave_nothing_to_do() {
    let cluster = cluster(SERVICES);
    let text = answer(&cluster);
    let api = parse_api(&cluster, &artifacts(), "cp1", &text).unwrap();
    let seen = Observation {
        api: Some(api),
        ..untouched(&cluster)
    };
    assert_eq!(ids(&steps(&cluster, &seen)), [""; 0]);
    let changes = [
        (
            "\"status\":\"deployed\"",
            "\"status\":\"pending-install\"",
            "apply-longhorn",
        ),
        ("longhorn-1.12.1", "longhorn-1.11.0", "apply-longhorn"),
        (
            "\"storageOverProvisioningPercentage\":\"150\"",
            "\"storageOverProvisioningPercentage\":\"100\"",
            "apply-longhorn",
        ),
        ("%% addon-flannel 0", "%% addon-flannel 1", "apply-flannel"),
        (
            "%% addon-metallb-objects 0",
            "%% addon-metallb-objects 2",
            "apply-metallb-objects",
        ),
    ];
    for (from, to, id) in changes {
        assert!(text.contains(from), "{from} in {text}");
        let api = parse_api(&cluster, &artifacts(), "cp1", &text.replace(from, to)).unwrap();
        let seen = Observation {
            api: Some(api),
            ..untouched(&cluster)
        };
        assert!(
            ids(&steps(&cluster, &seen)).contains(&id.to_owned()),
            "{from} → {to}"
        );
    }
}

#[test]
fn one_script_asks_the_whole_cluster_and_changes_nothing() {
    let cluster = cluster(SERVICES);
    let script = api_script(&cluster, &artifacts()).unwrap();
    assert!(!script.mutating);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    fs::write(&path, &script.body).unwrap();
    let checked = Command::new("shellcheck")
        .args(["-s", "sh"])
        .arg(&path)
        .output()
        .expect("shellcheck is needed");
    assert!(
        checked.status.success(),
        "{}",
        String::from_utf8_lossy(&checked.stdout)
    );
    for word in [" apply ", " delete ", " patch ", " upgrade "] {
        assert!(!script.body.contains(word), "{word}");
    }
}

#[test]
fn a_cluster_of_control_planes_announces_its_addresses() {
    let cluster = cluster(EDGE);
    let steps = steps(&cluster, &untouched(&cluster));
    let metallb = steps
        .iter()
        .find(|step| step.action.id == "apply-metallb")
        .unwrap();
    let text = given(metallb);
    assert!(text.contains("--ignore-exclude-lb"), "{text}");
    // kubectl itself makes the overlay out of a manifest of MetalLB's shape.
    let directory = tempfile::tempdir().unwrap();
    let attachment = metallb
        .action
        .script
        .attachments
        .iter()
        .find(|attachment| attachment.name == "metallb.kustomization")
        .unwrap();
    fs::write(
        directory.path().join("kustomization.yaml"),
        &attachment.content,
    )
    .unwrap();
    fs::copy(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/standin/charts/metallb.yaml"),
        directory.path().join("0.yaml"),
    )
    .unwrap();
    if let Ok(output) = Command::new("kubectl")
        .arg("kustomize")
        .arg(directory.path())
        .output()
    {
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{text}");
        assert!(text.contains("- --ignore-exclude-lb"), "{text}");
    }
}

/// A kustomization over another, a chart and a manifest.
fn write_sources(directory: &Path) {
    let at = |name: &str| directory.join(name);
    for sub in ["base", "overlay", "chart/templates"] {
        fs::create_dir_all(at(sub)).unwrap();
    }
    fs::write(at("base/kustomization.yaml"), "resources: [map.yaml]\n").unwrap();
    fs::write(
        at("base/map.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n",
    )
    .unwrap();
    fs::write(
        at("overlay/kustomization.yaml"),
        "namePrefix: x-\nresources: [../base]\n",
    )
    .unwrap();
    fs::write(
        at("chart/Chart.yaml"),
        "apiVersion: v2\nname: mine\nversion: 0.3.0\n",
    )
    .unwrap();
    fs::write(
        at("chart/templates/map.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n",
    )
    .unwrap();
    fs::write(
        at("plain.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n",
    )
    .unwrap();
}

#[test]
fn directories_of_manifests_and_charts_are_taken_by_their_path() {
    let directory = tempfile::tempdir().unwrap();
    write_sources(directory.path());
    let at = |name: &str| directory.path().join(name);
    fs::create_dir_all(at("site/deeper.yaml")).unwrap();
    for (name, text) in [
        ("20.yml", "kind: B"),
        ("10.yaml", "kind: A\n"),
        ("30.json", "{}"),
        ("README.md", "x"),
    ] {
        fs::write(at("site").join(name), text).unwrap();
    }
    let inventory = at("inventory.yaml");
    let load = |addons: &str| {
        fs::write(&inventory, format!("{STACKED}addons:\n{addons}")).unwrap();
        baremetal::inventory::load(&inventory).unwrap_or_else(|error| panic!("{error:#}"))
    };
    let cluster =
        load("  site: site\n  list: {manifests: [site/30.json, ./site]}\n  chart: chart\n");
    let given =
        |cluster: &Cluster| actions(PhaseId::AddOns, cluster, &artifacts(), &untouched(cluster));
    let steps = given(&cluster).unwrap();
    let sent =
        |index: usize, name: &str| String::from_utf8(attachment(&steps[index], name)).unwrap();
    assert_eq!(
        sent(0, "site.yaml"),
        "---\nkind: A\n---\nkind: B\n---\n{}\n"
    );
    assert_eq!(
        sent(1, "list.yaml"),
        "---\n{}\n---\nkind: A\n---\nkind: B\n---\n{}\n"
    );
    assert!(!attachment(&steps[2], "chart.tgz").is_empty());
    fs::create_dir(at("empty")).unwrap();
    let error = given(&load("  a: ./empty\n")).unwrap_err().to_string();
    assert!(
        error.ends_with("/empty: the directory has no file *.yaml, *.yml or *.json"),
        "{error}"
    );
}

/// What a step sends under a name.
fn attachment(step: &ActionStep, name: &str) -> Vec<u8> {
    let all = &step.action.script.attachments;
    let found = all.iter().find(|attachment| attachment.name == name);
    found
        .unwrap_or_else(|| panic!("no {name} in {}", given(step)))
        .content
        .clone()
}

#[test]
fn all_three_sources_of_add_ons_reach_the_host() {
    let directory = tempfile::tempdir().unwrap();
    write_sources(directory.path());
    let inventory = directory.path().join("inventory.yaml");
    let text = format!(
        "{STACKED}addons:\n  over: {{kustomize: ./overlay, namespace: over}}\n  mine: {{chart: ./chart, values: {{a: 1}}}}\n  plain: {{manifests: ./plain.yaml}}\n"
    );
    fs::write(&inventory, text).unwrap();
    let cluster =
        baremetal::inventory::load(&inventory).unwrap_or_else(|error| panic!("{error:#}"));
    let steps = actions(
        PhaseId::AddOns,
        &cluster,
        &artifacts(),
        &untouched(&cluster),
    )
    .unwrap();
    assert_eq!(ids(&steps), ["apply-over", "apply-mine", "apply-plain"]);
    // Each waits for the one before it.
    assert_eq!(steps[2].needs, [1]);
    let mut archive = tar::Archive::new(std::io::Cursor::new(attachment(&steps[0], "over.tar")));
    let names: Vec<_> = archive
        .entries()
        .unwrap()
        .map(|entry| entry.unwrap().path().unwrap().display().to_string())
        .collect();
    assert_eq!(
        names,
        [
            "base/kustomization.yaml",
            "base/map.yaml",
            "overlay/kustomization.yaml"
        ]
    );
    assert!(
        steps[0]
            .action
            .script
            .body
            .contains("apply_manifest over kustomize ./overlay")
    );
    assert!(
        steps[1].action.detail[0].contains("0.3.0"),
        "{:?}",
        steps[1].action.detail
    );
    assert!(!attachment(&steps[1], "mine.tgz").is_empty());
    assert!(
        String::from_utf8(attachment(&steps[2], "plain.yaml"))
            .unwrap()
            .contains("name: plain")
    );
}

fn node_commands(cluster: &Cluster, nodes: Vec<NodeSeen>) -> Vec<String> {
    let seen = Observation {
        api: Some(ApiSeen {
            nodes,
            ..ApiSeen::default()
        }),
        ..untouched(cluster)
    };
    let steps = actions(PhaseId::NodeMetadata, cluster, &artifacts(), &seen).unwrap();
    let prelude = "taint() {";
    steps
        .iter()
        .flat_map(|step| {
            let body = &step.action.script.body;
            let calls = &body[body.find(prelude).unwrap()..];
            calls.lines().skip(2).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// Plays the calls of an action on nodes as the API would.
fn play(nodes: &mut [NodeSeen], calls: &[String]) {
    let mut current = 0;
    for call in calls {
        let words = shlex::split(call).unwrap();
        match words[0].as_str() {
            "node" => current = nodes.iter().position(|node| node.name == words[1]).unwrap(),
            "label" | "annotate" => {
                let map = if words[0] == "label" {
                    &mut nodes[current].labels
                } else {
                    &mut nodes[current].annotations
                };
                for word in &words[1..] {
                    match word.split_once('=') {
                        Some((key, value)) => map.insert(key.to_owned(), value.to_owned()),
                        None => map.remove(word.trim_end_matches('-')),
                    };
                }
            }
            "taint" => {
                for word in &words[1..] {
                    let (left, effect) = word.rsplit_once(':').unwrap();
                    let (key, value) = left.split_once('=').unwrap_or((left, ""));
                    let removed = effect.ends_with('-');
                    let effect = effect.trim_end_matches('-');
                    let taints = &mut nodes[current].taints;
                    taints.retain(|(have, _, kind)| have != key || kind != effect);
                    if !removed {
                        taints.push((key.to_owned(), value.to_owned(), effect.to_owned()));
                    }
                }
            }
            other => panic!("{other}"),
        }
    }
}

/// Nodes as kubeadm leaves them.
fn fresh(cluster: &Cluster) -> Vec<NodeSeen> {
    let nodes = cluster.nodes().map(|host| {
        let mut node = NodeSeen {
            name: host.name.clone(),
            ..NodeSeen::default()
        };
        node.labels
            .insert("kubernetes.io/hostname".to_owned(), host.name.clone());
        if host.is_control_plane() {
            for label in [
                "node-role.kubernetes.io/control-plane",
                "node.kubernetes.io/exclude-from-external-load-balancers",
            ] {
                node.labels.insert(label.to_owned(), String::new());
            }
            if !host.schedulable {
                node.taints.push((
                    "node-role.kubernetes.io/control-plane".to_owned(),
                    String::new(),
                    "NoSchedule".to_owned(),
                ));
            }
        }
        node
    });
    nodes.collect()
}

#[test]
fn node_metadata_converges_keeps_what_others_set_and_takes_back_its_own() {
    for text in [SERVICES, STACKED, EDGE] {
        let cluster = cluster(text);
        let mut nodes = fresh(&cluster);
        nodes[0]
            .labels
            .insert("others".to_owned(), "own".to_owned());
        let calls = node_commands(&cluster, nodes.clone());
        assert!(!calls.is_empty());
        play(&mut nodes, &calls);
        assert_eq!(node_commands(&cluster, nodes.clone()), [""; 0], "{text}");
        assert_eq!(nodes[0].labels["others"], "own");
        let excluded = nodes[0]
            .labels
            .contains_key("node.kubernetes.io/exclude-from-external-load-balancers");
        assert_eq!(excluded, !cluster.control_planes_only());
    }
    let before = cluster(SERVICES);
    let mut nodes = fresh(&before);
    let calls = node_commands(&before, nodes.clone());
    play(&mut nodes, &calls);
    assert_eq!(
        nodes[3].labels["node.longhorn.io/create-default-disk"],
        "config"
    );
    assert!(
        nodes[3].annotations["node.longhorn.io/default-disks-config"]
            .contains("\"storageReserved\":1073741824")
    );
    let after = cluster(
        &SERVICES
            .replace("labels: {rack: a}, ", "")
            .replace("taints: ['storage=only:NoSchedule'], ", ""),
    );
    let calls = node_commands(&after, nodes.clone());
    assert!(
        calls
            .iter()
            .any(|call| call.starts_with("label") && call.contains("rack-")),
        "{calls:?}"
    );
    assert!(
        calls
            .iter()
            .any(|call| call.starts_with("taint") && call.contains("storage:NoSchedule-")),
        "{calls:?}"
    );
    play(&mut nodes, &calls);
    assert_eq!(node_commands(&after, nodes.clone()), [""; 0]);
}

#[test]
fn kube_proxy_is_changed_only_where_its_live_configuration_differs() {
    let cluster = cluster(&versioned(STACKED, "1.33.4"));
    let live = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": cluster.kube_proxy.mode,
        "clusterCIDR": "10.244.0.0/16",
        "ipvs": {"strictARP": true, "syncPeriod": "0s"},
        "bindAddress": "0.0.0.0",
    });
    let steps = |live: Value, rolled: bool| {
        let seen = Observation {
            api: Some(ApiSeen {
                kube_proxy: Some(live),
                kube_proxy_rolled: rolled,
                ..ApiSeen::default()
            }),
            ..untouched(&cluster)
        };
        actions(PhaseId::StrictArp, &cluster, &artifacts(), &seen).unwrap()
    };
    assert!(steps(live.clone(), true).is_empty());
    // Killed between the change and the rollout.
    assert_eq!(steps(live.clone(), false).len(), 1);
    let mut lax = live;
    lax["ipvs"]["strictARP"] = false.into();
    let step = steps(lax, true).remove(0);
    assert_eq!(step.action.detail, ["ipvs.strictARP: false → true"]);
    let patch: Value = serde_json::from_slice(&step.action.script.attachments[0].content).unwrap();
    let text = patch["data"]["config.conf"].as_str().unwrap();
    assert!(
        text.contains("strictARP: true") && text.contains("bindAddress: 0.0.0.0"),
        "{text}"
    );
}

/// As kubeadm leaves it: both pods on the first control plane, whoever joins later.
#[test]
fn dns_is_spread_where_it_is_on_one_node_and_others_could_take_it() {
    let cluster = cluster(&versioned(STACKED, "1.33.4"));
    let planned = |dns: &[&str], change: fn(&mut ApiSeen)| {
        let mut api = ApiSeen {
            coredns: true,
            dns_replicas: 2,
            dns_nodes: dns.iter().map(|&name| name.to_owned()).collect(),
            nodes: cluster
                .nodes()
                .map(|host| NodeSeen {
                    name: host.name.clone(),
                    ready: true,
                    ..NodeSeen::default()
                })
                .collect(),
            ..ApiSeen::default()
        };
        change(&mut api);
        let seen = Observation {
            api: Some(api),
            ..untouched(&cluster)
        };
        let steps = actions(PhaseId::Dns, &cluster, &artifacts(), &seen).unwrap();
        steps.len() == 1
    };
    let first = cluster.nodes().next().unwrap().name.as_str();
    let second = cluster.nodes().nth(1).unwrap().name.as_str();
    assert!(planned(&[first, first], |_| {}));
    assert!(!planned(&[first, second], |_| {}));
    // One that the user scaled down, or that is only just starting, is left alone.
    assert!(!planned(&[first], |_| {}));
    assert!(!planned(&[first], |api| api.dns_replicas = 1));
    assert!(!planned(&[], |api| api.dns_replicas = 0));
    // Nobody else can take a pod: no difference that every run would find again.
    assert!(!planned(&[first, first], |api| {
        api.nodes
            .iter_mut()
            .for_each(|node| node.unschedulable = true);
    }));
    assert!(!planned(&[first, first], |api| {
        let taint = ("storage".to_owned(), String::new(), "NoSchedule".to_owned());
        let taints = api.nodes.iter_mut().map(|node| &mut node.taints);
        taints.for_each(|taints| taints.push(taint.clone()));
    }));
    // Hosts that join in this run can.
    assert!(planned(&[first, first], |api| api.nodes.truncate(1)));
    assert!(planned(&[], |api| *api = ApiSeen::default()));
}
