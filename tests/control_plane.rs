//! Load balancing and the control plane: files as real haproxy, keepalived and YAML readers take them, and steps as a cluster
//! in every state of growth or decay needs them.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use baremetal::{
    observe::{ApiSeen, EtcdMember, NodeSeen, Observation},
    phases::{ActionStep, Context, PhaseId, actions, kubeadm, resources},
    resources::Resource,
};
use serde_json::Value;

use crate::topologies::{self, ALL, artifacts, cluster, files, member, untouched, versioned};

const VERSIONS: [&str; 5] = ["1.28.15", "1.30.14", "1.31.14", "1.33.4", "1.36.4"];

/// Runs a program that must be there and must be content.
#[track_caller]
fn content(program: &str, arguments: &[&str], what: &str) {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    assert!(
        output.status.success(),
        "{program} refuses {what}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn haproxy_and_keepalived_take_what_every_topology_gives_them() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let interface = fs::read_dir("/sys/class/net")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .find(|name| name != "lo" && !name.starts_with("bonding"))
        .expect("a network interface");
    for (name, text) in ALL {
        let cluster = cluster(text);
        for host in cluster.vip_holders() {
            let files = files(&cluster, host, PhaseId::LoadBalancer);
            let what = format!("{name}, host {}", host.name);
            fs::write(
                at("haproxy.cfg"),
                &files["/etc/haproxy/haproxy.cfg"].content,
            )
            .unwrap();
            content("haproxy", &["-c", "-f", &at("haproxy.cfg")], &what);
            let check = &files["/etc/keepalived/check-haproxy"];
            fs::write(at("check-haproxy"), &check.content).unwrap();
            content("chmod", &["755", &at("check-haproxy")], &what);
            let config = files["/etc/keepalived/keepalived.conf"]
                .content
                .replace("/etc/keepalived/check-haproxy", &at("check-haproxy"))
                .replace("eth0", &interface);
            fs::write(at("keepalived.conf"), config).unwrap();
            content("keepalived", &["-t", "-f", &at("keepalived.conf")], &what);
        }
    }
}

#[test]
fn a_host_that_lost_the_role_gives_the_virtual_ip_up_and_one_that_never_had_it_is_left_alone() {
    let lost = cluster(&topologies::PAIR.replace(
        "lb2: {address: 10.0.0.6, role: load-balancer}",
        "lb2: {address: 10.0.0.6, role: worker}",
    ));
    let host = lost.host("lb2").unwrap();
    let labels = |marked: bool| -> Vec<String> {
        let mut facts = topologies::bare(host);
        if marked {
            facts.raw.insert("balancer".into(), vec!["ours".into()]);
        }
        let artifacts = artifacts();
        let context = Context {
            cluster: &lost,
            host,
            facts: &facts,
            artifacts: &artifacts,
        };
        let all = resources(PhaseId::LoadBalancer, &context);
        all.iter().map(Resource::label).collect()
    };
    assert_eq!(labels(false), Vec::<String>::new());
    assert_eq!(
        labels(true),
        [
            "service keepalived.service",
            "service haproxy.service",
            "file /etc/keepalived/keepalived.conf",
            "file /etc/keepalived/check-haproxy",
            "file /etc/haproxy/haproxy.cfg",
            "file /etc/systemd/system/keepalived.service.d/10-baremetal.conf",
        ]
    );
}

#[test]
fn members_join_as_learners_in_1_28_unless_the_user_says_otherwise() {
    let config = |version: &str, gates: &str| {
        let text = versioned(topologies::PAIR, version) + gates;
        let documents = documents(&kubeadm::cluster_configuration(&cluster(&text)).unwrap());
        documents[0]["featureGates"]["EtcdLearnerMode"].as_bool()
    };
    let off = "control-plane: {feature-gates: {EtcdLearnerMode: false}}\n";
    assert_eq!(config("1.28.15", ""), Some(true));
    assert_eq!(config("1.28.15", off), Some(false));
    assert_eq!(config("1.33.4", ""), None);
}

#[test]
fn load_balancer_files_as_they_were() {
    for (name, text) in ALL {
        let cluster = cluster(text);
        let Some(host) = cluster.vip_holders().next() else {
            continue;
        };
        let files = files(&cluster, host, PhaseId::LoadBalancer);
        for path in [
            "/etc/haproxy/haproxy.cfg",
            "/etc/keepalived/keepalived.conf",
        ] {
            let file = Path::new(path).file_name().unwrap().to_str().unwrap();
            insta::assert_snapshot!(format!("{name}-{file}"), files[path].content);
        }
    }
}

#[test]
fn every_holder_has_every_backend_one_peer_a_line_and_a_priority_of_its_own() {
    for (name, text) in ALL {
        let cluster = cluster(text);
        let holders: Vec<_> = cluster.vip_holders().collect();
        let mut priorities = BTreeSet::new();
        for host in &holders {
            let files = files(&cluster, host, PhaseId::LoadBalancer);
            let haproxy = &files["/etc/haproxy/haproxy.cfg"].content;
            for plane in cluster.control_planes() {
                let server = format!("    server {} ", plane.name);
                assert_eq!(haproxy.matches(&server).count(), 1, "{name}: {haproxy}");
            }
            let keepalived = &files["/etc/keepalived/keepalived.conf"].content;
            for peer in holders.iter().filter(|peer| peer.name != host.name) {
                let line = format!("\n        {}\n", peer.node_ip);
                assert!(keepalived.contains(&line), "{name}: {keepalived}");
            }
            let priority = keepalived
                .lines()
                .find_map(|line| line.trim().strip_prefix("priority "))
                .unwrap();
            assert!(
                priorities.insert(priority.to_owned()),
                "{name}: {priority} twice"
            );
        }
    }
}

#[test]
fn the_endpoint_is_the_same_however_many_control_planes_there_are() {
    let text = topologies::STACKED;
    let one: String = text
        .lines()
        .filter(|line| !line.contains("cp2") && !line.contains("cp3"))
        .map(|line| format!("{line}\n"))
        .collect();
    let endpoint = |text: &str| {
        documents(&kubeadm::cluster_configuration(&cluster(text)).unwrap())[0]["controlPlaneEndpoint"].clone()
    };
    assert_eq!(endpoint(&one), endpoint(text));
    assert_eq!(endpoint(text), "10.0.0.10:6443");
}

fn documents(text: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    serde_yaml::Deserializer::from_str(text)
        .map(|document| {
            Value::deserialize(document).unwrap_or_else(|error| panic!("{error}\n{text}"))
        })
        .collect()
}

/// Every setting at once.
const FULL: &str = "
cluster: full
kubernetes: 1.33.4
endpoint: {vip: 10.0.0.10, name: api.example.org}
control-plane:
  api-server:
    args: {profiling: 'false'}
    volumes: {extra: {host-path: /etc/extra, mount-path: /etc/extra, read-only: true}}
  controller-manager: {args: {terminated-pod-gc-threshold: '50'}}
  scheduler: {args: {profiling: 'false'}}
  etcd: {args: {quota-backend-bytes: '8589934592'}, data-dir: /data/etcd}
  cert-sans: [api.internal]
  encryption: true
  audit: true
  guarantees: {reserved-cpus: 0-1, resources: {kube-apiserver: {cpu: '1', memory: 2Gi}}}
  image-repository: registry.example/k8s
kubelet: {args: {v: '3'}, config: {maxPods: 200}}
kube-proxy: {mode: iptables, config: {metricsBindAddress: '0.0.0.0:10249'}}
hosts:
  cp1: {address: 10.0.0.11, role: control-plane, kubelet: {systemReserved: {cpu: 500m}}}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker}
";

fn configuration(text: &str) -> String {
    let cluster = cluster(text);
    let host = cluster.control_planes().next().unwrap();
    format!(
        "{}---\n{}",
        kubeadm::init_configuration(&cluster, host).unwrap(),
        kubeadm::cluster_configuration(&cluster).unwrap()
    )
}

#[test]
fn kubeadm_configuration_as_it_was() {
    for (name, text) in ALL.into_iter().chain([("full", FULL)]) {
        for version in ["1.28.15", "1.33.4"] {
            insta::assert_snapshot!(
                format!("{name}-kubeadm-{version}"),
                configuration(&versioned(text, version))
            );
        }
    }
}

#[test]
fn every_version_gets_the_configuration_api_that_it_reads() {
    for version in VERSIONS {
        for (name, text) in ALL.into_iter().chain([("full", FULL)]) {
            let documents = documents(&configuration(&versioned(text, version)));
            let old = ["1.28.15", "1.30.14"].contains(&version);
            let api = if old {
                "kubeadm.k8s.io/v1beta3"
            } else {
                "kubeadm.k8s.io/v1beta4"
            };
            let (init, cluster) = (&documents[0], &documents[1]);
            assert_eq!(init["apiVersion"], api, "{name} {version}");
            assert_eq!(cluster["apiVersion"], api, "{name} {version}");
            for args in [
                &init["nodeRegistration"]["kubeletExtraArgs"],
                &cluster["apiServer"]["extraArgs"],
            ] {
                assert_eq!(args.is_object(), old, "{name} {version}: {args}");
            }
            assert_eq!(init.get("timeouts").is_some(), !old, "{name} {version}");
            assert_eq!(
                cluster["apiServer"].get("timeoutForControlPlane").is_some(),
                old
            );
            let kinds: Vec<_> = documents
                .iter()
                .map(|document| document["kind"].as_str().unwrap())
                .collect();
            assert_eq!(
                kinds,
                [
                    "InitConfiguration",
                    "ClusterConfiguration",
                    "KubeletConfiguration",
                    "KubeProxyConfiguration"
                ]
            );
            assert_eq!(documents[3]["ipvs"]["strictARP"], true, "{name} {version}");
        }
    }
}

#[test]
fn a_real_kubeadm_finds_nothing_wrong() {
    // Only where a bundle is given; without one, the schema is what the tests above and the stand-in know of it.
    let Ok(bundle) = std::env::var("BAREMETAL_BUNDLE") else {
        return;
    };
    let kubeadm = Path::new(&bundle).join("bin/kubeadm");
    let version = Command::new(&kubeadm)
        .args(["version", "-o", "short"])
        .output()
        .unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let version = version.trim().trim_start_matches('v');
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kubeadm.yaml");
    for (name, text) in ALL.into_iter().chain([("full", FULL)]) {
        fs::write(&path, configuration(&versioned(text, version))).unwrap();
        content(
            kubeadm.to_str().unwrap(),
            &["config", "validate", "--config", path.to_str().unwrap()],
            name,
        );
    }
}

#[test]
fn files_that_kubeadm_does_not_copy_reach_every_control_plane() {
    let cluster = cluster(FULL);
    for host in cluster.nodes() {
        let files = files(&cluster, host, PhaseId::ControlPlaneFiles);
        let has = |path: &str| files.contains_key(path);
        assert_eq!(
            has("/etc/kubernetes/audit/policy.yaml"),
            host.is_control_plane()
        );
        assert_eq!(
            has("/etc/kubernetes/patches/kube-apiserver-guarantees+strategic.yaml"),
            host.is_control_plane()
        );
        let kubelet =
            &files["/etc/kubernetes/patches/kubeletconfiguration-host+merge.yaml"].content;
        assert_eq!(
            kubelet.contains("reservedSystemCPUs"),
            host.is_control_plane(),
            "{kubelet}"
        );
        assert_eq!(
            kubelet.contains("systemReserved"),
            host.name == "cp1",
            "{kubelet}"
        );
    }
}

#[test]
fn the_environment_of_components_is_patched_in_where_the_configuration_has_no_word_for_it() {
    let path = "/etc/kubernetes/patches/kube-apiserver-environment+strategic.yaml";
    for (version, patched) in [("1.30.14", true), ("1.31.14", false)] {
        let mut cluster = cluster(&versioned(FULL, version));
        let env = ("GOGC".to_owned(), "50".to_owned());
        cluster.control_plane.api_server.env.push(env);
        let host = cluster.control_planes().next().unwrap();
        let files = files(&cluster, host, PhaseId::ControlPlaneFiles);
        assert_eq!(files.contains_key(path), patched, "{version}");
        let configuration = kubeadm::cluster_configuration(&cluster).unwrap();
        assert_eq!(configuration.contains("GOGC"), !patched, "{version}");
    }
}

/// A cluster as it is after everything succeeded.
fn whole(text: &str) -> (baremetal::inventory::Cluster, Observation) {
    let cluster = cluster(text);
    let mut seen = untouched(&cluster);
    let mut api = ApiSeen {
        via: seen.elected.clone(),
        cluster_configuration: Some(Value::Null),
        coredns: true,
        kube_proxy_daemon_set: true,
        kube_proxy_rolled: true,
        ..ApiSeen::default()
    };
    for host in cluster.nodes() {
        seen.hosts.get_mut(&host.name).unwrap().facts.kube = member(host);
        api.nodes.push(NodeSeen {
            name: host.name.clone(),
            ready: true,
            ..NodeSeen::default()
        });
        if host.is_control_plane() {
            api.etcd.push(EtcdMember {
                id: format!("{:x}", 1000 + api.etcd.len()),
                name: host.name.clone(),
                peer_urls: vec![format!("https://{}:2380", host.node_ip)],
                learner: false,
                healthy: true,
            });
        }
    }
    seen.api = Some(api);
    (cluster, seen)
}

fn steps(
    phase: PhaseId,
    cluster: &baremetal::inventory::Cluster,
    seen: &Observation,
) -> Vec<ActionStep> {
    actions(phase, cluster, &artifacts(), seen).unwrap()
}

fn ids(steps: &[ActionStep]) -> Vec<&str> {
    steps.iter().map(|step| step.action.id.as_str()).collect()
}

#[test]
fn bare_hosts_are_initialised_and_joined() {
    let cluster = cluster(topologies::STACKED);
    let seen = untouched(&cluster);
    assert_eq!(
        ids(&steps(PhaseId::Init, &cluster, &seen)),
        ["kubeadm-init"]
    );
    let joins = steps(PhaseId::JoinControlPlane, &cluster, &seen);
    assert_eq!(
        ids(&joins),
        [
            "join-credentials-cp2",
            "join-cp2",
            "join-revoke-cp2",
            "join-credentials-cp3",
            "join-cp3",
            "join-revoke-cp3"
        ]
    );
    // The token is taken back whether the join succeeded or not, and only if there is one.
    assert_eq!(
        (&joins[2].needs[..], &joins[2].after[..]),
        (&[0][..], &[1][..])
    );
    assert!(
        joins
            .iter()
            .all(|step| step.host == "cp1" || step.of == [step.host.clone()])
    );
    let workers = steps(PhaseId::JoinWorker, &cluster, &seen);
    assert_eq!(
        ids(&workers),
        [
            "join-credentials-workers",
            "join-w1",
            "join-w2",
            "join-revoke-workers"
        ]
    );
    assert_eq!(workers[3].after, [1, 2]);
}

#[test]
fn a_whole_cluster_needs_neither_init_nor_joins() {
    for (name, text) in ALL {
        let (cluster, seen) = whole(text);
        for phase in [
            PhaseId::Init,
            PhaseId::JoinControlPlane,
            PhaseId::JoinWorker,
        ] {
            assert_eq!(
                ids(&steps(phase, &cluster, &seen)),
                [""; 0],
                "{name} {phase:?}"
            );
        }
    }
}

#[test]
fn half_done_members_are_finished_and_others_left_alone() {
    type Break = fn(&mut Observation);
    let cases: [(&str, Break); 6] = [
        ("cp2", |seen| {
            api(seen).nodes.retain(|node| node.name != "cp2");
        }),
        ("cp2", |seen| api(seen).etcd[1].learner = true),
        ("cp2", |seen| api(seen).etcd[1].name.clear()),
        ("cp2", |seen| {
            seen.hosts
                .get_mut("cp2")
                .unwrap()
                .facts
                .kube
                .manifests
                .clear();
        }),
        ("cp2", |seen| {
            seen.hosts.get_mut("cp2").unwrap().facts.kube.kubelet_conf = false;
        }),
        ("w1", |seen| {
            api(seen).nodes.retain(|node| node.name != "w1");
        }),
    ];
    for (index, (host, break_it)) in cases.into_iter().enumerate() {
        let (cluster, mut seen) = whole(topologies::STACKED);
        break_it(&mut seen);
        if index == 2 {
            // An unstarted member is known by its peer URL alone.
            assert_eq!(api(&mut seen).etcd[1].name, "");
        }
        let joins: Vec<_> = [PhaseId::JoinControlPlane, PhaseId::JoinWorker]
            .into_iter()
            .flat_map(|phase| steps(phase, &cluster, &seen))
            .filter(|step| step.action.id.starts_with("join-") && step.host == host)
            .map(|step| step.action.id)
            .collect();
        assert_eq!(joins, [format!("join-{host}")], "case {index}");
        let others = steps(PhaseId::JoinControlPlane, &cluster, &seen).len()
            + steps(PhaseId::JoinWorker, &cluster, &seen).len();
        assert_eq!(others, 3, "case {index}");
        assert_eq!(
            ids(&steps(PhaseId::Init, &cluster, &seen)),
            [""; 0],
            "case {index}"
        );
    }
}

fn api(seen: &mut Observation) -> &mut ApiSeen {
    seen.api.as_mut().unwrap()
}

#[test]
fn an_init_is_finished_until_its_last_phase_has_run() {
    let break_it: [fn(&mut ApiSeen); 4] = [
        |api| api.cluster_configuration = None,
        |api| api.coredns = false,
        |api| api.kube_proxy_daemon_set = false,
        |api| api.nodes.clear(),
    ];
    for (index, break_it) in break_it.into_iter().enumerate() {
        let (cluster, mut seen) = whole(topologies::SINGLE);
        break_it(api(&mut seen));
        assert_eq!(
            ids(&steps(PhaseId::Init, &cluster, &seen)),
            ["kubeadm-init"],
            "case {index}"
        );
    }
}

#[test]
fn nothing_is_initialised_over_a_cluster_whose_api_is_down() {
    let (cluster, mut seen) = whole(topologies::STACKED);
    seen.api = None;
    let error = actions(PhaseId::Init, &cluster, &artifacts(), &seen).unwrap_err();
    let failure = error.downcast_ref::<baremetal::failure::Failure>().unwrap();
    assert_eq!(failure.code, baremetal::failure::Code::Refused);
    assert!(failure.message.contains("cp2, cp3"), "{}", failure.message);
}

/// A host, and what speaks against going on there.
type Break = (&'static str, fn(&mut baremetal::observe::KubeFacts));

/// A setting that kept its API server down is mended in the file: the only control plane comes up on the data that it has.
#[test]
fn the_only_control_plane_goes_on_with_its_own_data_and_workers() {
    const ONE_AND_TWO: &str = "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n  \
        cp1: {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21}\n  w2: {address: 10.0.0.22}\n";
    let (cluster, mut down) = whole(ONE_AND_TWO);
    down.api = None;
    let init = steps(PhaseId::Init, &cluster, &down);
    assert_eq!(init[0].action.title, "finish the interrupted kubeadm init");
    let breaks: [Break; 4] = [
        ("cp1", |kube| kube.etcd_data = false),
        ("cp1", |kube| kube.ca_hash = None),
        ("w1", |kube| kube.ca_hash = Some("sha256:theirs".to_owned())),
        ("w2", |kube| kube.etcd_data = true),
    ];
    for (index, (host, break_it)) in breaks.into_iter().enumerate() {
        let mut seen = down.clone();
        break_it(&mut seen.hosts.get_mut(host).unwrap().facts.kube);
        let refused = actions(PhaseId::Init, &cluster, &artifacts(), &seen);
        let error = refused.expect_err(&format!("case {index}")).to_string();
        assert!(error.contains("nothing is initialised over it"), "{error}");
    }
}

#[test]
fn a_member_of_another_cluster_is_never_reset() {
    let (cluster, mut seen) = whole(topologies::STACKED);
    api(&mut seen).nodes.retain(|node| node.name != "w1");
    seen.hosts.get_mut("w1").unwrap().facts.kube.ca_hash = Some("sha256:theirs".to_owned());
    let error = actions(PhaseId::JoinWorker, &cluster, &artifacts(), &seen).unwrap_err();
    assert!(
        error.to_string().contains("w1 belongs to another cluster"),
        "{error}"
    );
}

#[test]
fn no_secret_is_an_argument_or_a_text_of_a_join() {
    let cluster = cluster(FULL);
    let seen = untouched(&cluster);
    for step in steps(PhaseId::JoinControlPlane, &cluster, &seen) {
        let script = &step.action.script;
        assert!(
            !script.args.iter().any(|arg| arg.contains("@@")),
            "{}",
            step.action.id
        );
        assert!(!script.body.contains("@@JOIN"), "{}", step.action.id);
        for attachment in &script.attachments {
            let text = String::from_utf8_lossy(&attachment.content);
            assert_eq!(
                attachment.secrets,
                text.contains("@@JOIN"),
                "{}",
                attachment.name
            );
        }
    }
}

#[test]
fn an_api_that_cannot_answer_just_now_is_asked_again_and_one_that_refuses_is_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/actions");
    let directory = tempfile::tempdir().unwrap();
    let script = format!(
        "BM={}\n{}{}",
        directory.path().display(),
        fs::read_to_string(root.join("addon-observe.sh")).unwrap(),
        r#"
asked() { echo x >>"$BM/$1"; wc -l <"$BM/$1"; }
settles() {
    if [ "$(asked settles)" -lt 2 ]; then echo 'Error from server: etcdserver: leader changed' >&2; return 1; fi
    echo here
}
refuses() {
    asked refuses >/dev/null
    echo 'Error from server (Forbidden): no' >&2
    return 3
}
ask settles settles
ask refuses refuses
answers
"#
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("%% settles 0\nhere\n"), "{said}");
    assert!(
        said.contains("%% refuses 3\n") && said.contains("(Forbidden)"),
        "{said}"
    );
    let times = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
    assert_eq!((times("settles").len(), times("refuses").len()), (4, 2));
}

#[test]
fn shellcheck_finds_nothing_in_any_action() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/actions");
    let directory = tempfile::tempdir().unwrap();
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    for entry in fs::read_dir(&root).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let text = match name.as_str() {
            "prelude.sh" => read("prelude.sh"),
            "addon-observe.sh" | "addon-apply.sh" => {
                format!(
                    "{}\n{}{}",
                    read("prelude.sh"),
                    read("addon.sh"),
                    read(&name)
                )
            }
            name if name.starts_with("leaving-") => {
                format!(
                    "{}\n{}{}",
                    read("prelude.sh"),
                    read("leaving.sh"),
                    read(name)
                )
            }
            "verify-away.sh" | "verify-put-back.sh" => {
                format!(
                    "{}\n{}{}",
                    read("prelude.sh"),
                    read("verify-back.sh"),
                    read(&name)
                )
            }
            name => format!("{}\n{}", read("prelude.sh"), read(name)),
        };
        let path = directory.path().join(&name);
        fs::write(&path, text).unwrap();
        // Functions and variables of a part are used by what is put after it.
        content(
            "shellcheck",
            &["-s", "sh", "-e", "SC2034", path.to_str().unwrap()],
            &name,
        );
    }
    let check =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/etc/keepalived/check-haproxy");
    content("shellcheck", &[check.to_str().unwrap()], "check-haproxy");
}
