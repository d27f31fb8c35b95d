use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::{
    failure::Code,
    inventory,
    observe::{Budget, InterfaceAddress, LonghornNode, LonghornSeen, PodSeen, Replica},
};

const THREE: &str = "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n\
  \x20 cp1: {address: 10.0.0.11, role: control-plane}\n\
  \x20 cp2: {address: 10.0.0.12, role: control-plane}\n\
  \x20 cp3: {address: 10.0.0.13, role: control-plane}\n\
  \x20 w1: 10.0.0.21\n\
  \x20 w2: 10.0.0.22\n";

/// A cluster of three control planes and two workers, and what its API says.
struct Scene {
    cluster: Cluster,
    seen: LeavingSeen,
    options: Options,
    kubelet_stopped: bool,
    /// The host whose machine answers at the address in the file.
    answers: Option<&'static str>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inventory.yaml");
        std::fs::write(&path, THREE).unwrap();
        let cluster = inventory::load(Path::new(&path)).unwrap();
        let node = |host: &Host| NodeSeen {
            name: host.name.clone(),
            ready: true,
            internal_ips: vec![host.node_ip.to_string()],
            ..NodeSeen::default()
        };
        let member = |host: &Host| EtcdMember {
            id: format!("id-{}", host.name),
            name: host.name.clone(),
            peer_urls: vec![kubeadm::peer_url(host)],
            learner: false,
            healthy: true,
        };
        let seen = LeavingSeen {
            nodes: cluster.nodes().map(node).collect(),
            etcd: cluster.control_planes().map(member).collect(),
            ..LeavingSeen::default()
        };
        Self {
            cluster,
            seen,
            options: Options {
                drain: Duration::from_secs(30),
                replicas: Duration::from_mins(5),
                delete_unmanaged_pods: false,
                lose_volumes: Vec::new(),
            },
            kubelet_stopped: false,
            answers: None,
        }
    }

    fn dies(&mut self, name: &str) {
        for node in &mut self.seen.nodes {
            node.ready &= node.name != name;
        }
        for member in &mut self.seen.etcd {
            member.healthy &= member.name != name;
        }
    }

    fn pod(&mut self, name: &str, owner: Option<&str>) {
        self.seen.pods.push(PodSeen {
            namespace: "default".to_owned(),
            name: name.to_owned(),
            owner: owner.map(str::to_owned),
            labels: [("app".to_owned(), name.to_owned())].into(),
            ..PodSeen::default()
        });
    }

    /// Longhorn on both workers; volume, node and whether the replica is healthy.
    fn longhorn(&mut self, replicas: &[(&str, &str, bool)]) {
        let node = |name: &str| LonghornNode {
            name: name.to_owned(),
            allow_scheduling: true,
            eviction_requested: false,
        };
        self.seen.longhorn = Some(LonghornSeen {
            nodes: vec![node("w1"), node("w2")],
            replicas: replicas
                .iter()
                .map(|(volume, node, healthy)| Replica {
                    volume: (*volume).to_owned(),
                    node: (*node).to_owned(),
                    healthy: *healthy,
                    was_healthy: true,
                })
                .collect(),
            claims: [("pvc-1".to_owned(), "shop/data".to_owned())].into(),
        });
    }

    fn removal(&self, name: &str, reached: bool) -> Result<Plan, Failure> {
        let mut rest = self.cluster.clone();
        rest.hosts.retain(|host| host.name != name);
        let mut facts = Facts::default();
        facts.kube.kubelet_active = !self.kubelet_stopped;
        let machine = self.cluster.host(self.answers.unwrap_or(name));
        facts.addresses.extend(machine.map(|host| InterfaceAddress {
            interface: "eth0".to_owned(),
            address: host.node_ip,
            prefix: 24,
        }));
        let clean = |id: &str| action(id, id.to_owned(), vec![], script("leaving-back"), "");
        let via = rest.control_planes().next().unwrap();
        let leaving = Leaving {
            cluster: &rest,
            name,
            host: self.cluster.host(name),
            facts: reached.then_some(&facts),
            via,
            seen: &self.seen,
            mark: Mark::default(),
            options: &self.options,
        };
        let around = Around {
            balancers: BTreeMap::new(),
            reset: if reached {
                vec![
                    (PhaseId::StopNode, clean("stop")),
                    (PhaseId::RestoreHost, clean("restore")),
                ]
            } else {
                Vec::new()
            },
        };
        plan(&leaving, around)
    }

    fn maintenance(&self, name: &str) -> Result<Plan, Failure> {
        on(&Maintenance {
            name,
            addresses: self
                .cluster
                .host(name)
                .map(|host| host.node_ip)
                .into_iter()
                .collect(),
            via: self
                .cluster
                .control_planes()
                .find(|host| host.name != name)
                .unwrap(),
            seen: &self.seen,
            mark: Mark::default(),
            drain: Duration::from_secs(30),
            delete_unmanaged_pods: false,
        })
    }

    fn mark(&mut self, name: &str, key: &str, mark: &Mark) {
        for node in &mut self.seen.nodes {
            if node.name == name {
                node.unschedulable = true;
                node.annotations
                    .insert(key.to_owned(), json!(mark).to_string());
            }
        }
    }
}

/// `phase@host`, in order.
fn steps(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| format!("{}@{}", super::super::name(step.phase), step.host))
        .collect()
}

fn attachment(plan: &Plan, phase: PhaseId, name: &str) -> String {
    let step = plan.steps.iter().find(|step| step.phase == phase).unwrap();
    let Work::Run(action) = &step.work else {
        panic!("no action")
    };
    let found = action
        .script
        .attachments
        .iter()
        .find(|one| one.name == name);
    String::from_utf8(found.expect(name).content.clone()).unwrap()
}

#[test]
fn a_living_worker_is_emptied_before_anything_that_cannot_be_undone() {
    let plan = Scene::new().removal("w1", true).unwrap();
    assert_eq!(
        steps(&plan),
        [
            "cordon@cp1",
            "drain@cp1",
            "stop-node@w1",
            "restore-host@w1",
            "delete-node@cp1"
        ]
    );
    // A failed step never leads to a more destructive one: each needs the one before it.
    for (index, step) in plan.steps.iter().enumerate() {
        let before: Vec<usize> = index.checked_sub(1).into_iter().collect();
        assert_eq!(step.needs, before, "{index}");
        assert!(step.after.is_empty());
    }
}

#[test]
fn the_first_control_plane_leaves_through_another_one() {
    let plan = Scene::new().removal("cp1", true).unwrap();
    assert_eq!(
        steps(&plan),
        [
            "cordon@cp2",
            "drain@cp2",
            "leave-etcd@cp2",
            "stop-node@cp1",
            "restore-host@cp1",
            "delete-node@cp2"
        ]
    );
}

#[test]
fn a_kubelet_that_was_stopped_ends_no_pod() {
    let mut scene = Scene::new();
    // An earlier run had begun with the reset; the API has not noticed yet. A pod that tolerates everything came back.
    scene.kubelet_stopped = true;
    scene.mark("w1", LEAVING, &Mark::default());
    scene.pod("operator", Some("ReplicaSet"));
    scene.pod("by-hand", None);
    let reset = ["stop-node@w1", "restore-host@w1", "delete-node@cp1"];
    assert_eq!(steps(&scene.removal("w1", true).unwrap()), reset);
    // Nor is anything lost where nothing is there: a join that failed.
    let mut scene = Scene::new();
    scene.kubelet_stopped = true;
    scene.pod("agent", Some("DaemonSet"));
    assert_eq!(steps(&scene.removal("w1", true).unwrap()), reset);
}

#[test]
fn a_kubelet_that_is_down_for_a_moment_is_no_reason_to_drain_nothing() {
    for ready in [true, false] {
        let mut scene = Scene::new();
        scene.kubelet_stopped = true;
        scene.seen.nodes[3].ready = ready;
        scene.pod("web", Some("ReplicaSet"));
        let refusal = scene.removal("w1", true).unwrap_err();
        assert_eq!(refusal.code, Code::Refused);
        assert_eq!(
            refusal.message,
            "w1 is not removed: its kubelet does not run, so that what is there cannot be moved first: pod default/web"
        );
        let hint = refusal.hint.unwrap();
        assert!(
            hint.contains("`systemctl start kubelet` on w1") && hint.contains("--dead"),
            "{hint}"
        );
        scene.seen.pods.clear();
        scene.longhorn(&[("pvc-1", "w1", true), ("pvc-1", "w2", true)]);
        let refusal = scene.removal("w1", true).unwrap_err();
        assert!(
            refusal.message.ends_with("replica of volume pvc-1"),
            "{refusal}"
        );
    }
    // The kubelet runs but does not report: nobody asks for the pods, but those that are lost are named.
    let mut scene = Scene::new();
    scene.dies("w1");
    scene.pod("by-hand", None);
    assert!(scene.removal("w1", true).is_err());
    assert!(scene.removal("w1", false).is_ok());
}

#[test]
fn the_machine_at_the_address_must_be_the_node() {
    // The file has the address of a machine that is no node.
    let mut scene = Scene::new();
    scene.seen.nodes[3].internal_ips = vec!["10.0.0.99".to_owned()];
    scene.kubelet_stopped = true;
    let refusal = scene.removal("w1", true).unwrap_err();
    assert_eq!(refusal.code, Code::Refused);
    assert_eq!(
        refusal.message,
        "w1 is not removed: the cluster knows it by 10.0.0.99, which the machine at 10.0.0.21 does not have: that is another machine"
    );
    let hint = refusal.hint.unwrap();
    assert!(
        hint.starts_with("put the address that w1 has in the cluster (10.0.0.99) back")
            && hint.ends_with("--dead"),
        "{hint}"
    );
    // That machine lives, whatever the one at the new address says; when it is dead it may be said so.
    assert!(scene.removal("w1", false).is_err());
    scene.dies("w1");
    assert!(scene.removal("w1", false).is_ok());
    // Addresses that were swapped: another node would be reset.
    let mut scene = Scene::new();
    scene.answers = Some("w2");
    let refusal = scene.removal("w1", true).unwrap_err();
    assert_eq!(
        refusal.message,
        "w1 is not removed: the machine at 10.0.0.21 is Node w2"
    );
    // A name that the cluster does not know, and the address of a node of another name.
    scene.seen.nodes.remove(3);
    let refusal = scene.removal("w1", true).unwrap_err();
    assert!(
        refusal
            .hint
            .unwrap()
            .contains("call it so in the inventory"),
    );
}

#[test]
fn a_member_of_etcd_goes_by_its_name() {
    // The file has cp2's address for cp1, whose Node is gone.
    let mut scene = Scene::new();
    scene.seen.nodes.remove(0);
    scene.seen.etcd[1].peer_urls = scene.seen.etcd[0].peer_urls.clone();
    scene.seen.etcd.remove(0);
    let plan = scene.removal("cp1", true).unwrap();
    assert_eq!(steps(&plan), ["stop-node@cp1", "restore-host@cp1"]);
    // One that never started has no name yet.
    scene.seen.etcd[0].name.clear();
    scene.seen.etcd[0].healthy = false;
    scene.seen.etcd[0].learner = true;
    let plan = scene.removal("cp1", true).unwrap();
    let Work::Run(leave) = &plan.steps[0].work else {
        panic!("no action")
    };
    assert_eq!(
        leave.script.args,
        ["cp1", "https://10.0.0.11:2380", "https://127.0.0.1:2379"]
    );
    let plan = Scene::new().removal("cp1", true).unwrap();
    let Work::Run(leave) = &plan.steps[2].work else {
        panic!("no action")
    };
    assert_eq!(leave.script.args[..2], ["cp1", "-"]);
    // Another member at the address of a machine is none of its own.
    let mut scene = Scene::new();
    scene.seen.nodes.remove(0);
    scene.seen.etcd[0].peer_urls = vec!["https://10.0.0.99:2380".to_owned()];
    let refusal = scene.removal("cp1", true).unwrap_err();
    assert!(
        refusal.message.contains("knows it by 10.0.0.99"),
        "{refusal}"
    );
}

#[test]
fn nothing_runs_on_a_dead_host() {
    let mut scene = Scene::new();
    scene.dies("cp1");
    let plan = scene.removal("cp1", false).unwrap();
    assert_eq!(steps(&plan), ["leave-etcd@cp2", "delete-node@cp2"]);
    assert!(plan.notes[0].contains("is not drained"), "{:?}", plan.notes);
}

#[test]
fn who_is_not_dead_is_not_buried() {
    let scene = Scene::new();
    for name in ["w1", "cp1"] {
        let refusal = scene.removal(name, false).unwrap_err();
        assert_eq!(refusal.code, Code::Refused);
        assert!(
            refusal.message.contains("not dead: its kubelet reports"),
            "{refusal}"
        );
    }
    let mut scene = Scene::new();
    scene.seen.nodes[0].ready = false;
    let refusal = scene.removal("cp1", false).unwrap_err();
    assert!(
        refusal.message.contains("its member of etcd answers"),
        "{refusal}"
    );
}

#[test]
fn quorum_is_counted_without_the_leaving_member() {
    let mut scene = Scene::new();
    scene.dies("cp3");
    let refusal = scene.removal("cp1", true).unwrap_err();
    assert_eq!(refusal.code, Code::Refused);
    assert!(
        refusal.message.contains("would lose its quorum"),
        "{refusal}"
    );
    assert!(scene.removal("cp3", false).is_ok());
    assert!(scene.removal("w1", true).is_ok());
}

#[test]
fn pods_that_nobody_makes_again_are_named() {
    let mut scene = Scene::new();
    scene.pod("web", Some("ReplicaSet"));
    scene.pod("by-hand", None);
    let refusal = scene.removal("w1", true).unwrap_err();
    assert_eq!(
        refusal.message,
        "w1 is not removed: nobody would make these pods again: default/by-hand"
    );
    assert!(refusal.hint.unwrap().contains("--delete-unmanaged-pods"));
    scene.options.delete_unmanaged_pods = true;
    let plan = scene.removal("w1", true).unwrap();
    let Work::Run(drain) = &plan.steps[1].work else {
        panic!("no action")
    };
    assert_eq!(drain.script.args, ["w1", "30", "yes"]);
}

#[test]
fn the_drain_knows_which_budget_keeps_which_pod() {
    let mut scene = Scene::new();
    scene.pod("web", Some("ReplicaSet"));
    scene.pod("other", Some("StatefulSet"));
    scene.pod("agent", Some("DaemonSet"));
    scene.seen.budgets.push(Budget {
        namespace: "default".to_owned(),
        name: "at-least-one".to_owned(),
        selector: json!({"matchLabels": {"app": "web"}}),
    });
    let plan = scene.removal("w1", true).unwrap();
    assert_eq!(
        attachment(&plan, PhaseId::Drain, "kept"),
        "default web at-least-one is kept by PodDisruptionBudget default/at-least-one\n\
         default other - has not ended\n"
    );
}

#[test]
fn replicas_move_before_the_drain_and_their_settings_are_remembered() {
    let mut scene = Scene::new();
    scene.longhorn(&[("pvc-1", "w1", true)]);
    let plan = scene.removal("w1", true).unwrap();
    assert_eq!(
        steps(&plan)[..3],
        ["cordon@cp1", "move-replicas@cp1", "drain@cp1"]
    );
    let undo: Value =
        serde_json::from_str(&attachment(&plan, PhaseId::Drain, "longhorn-undo.json")).unwrap();
    assert_eq!(
        undo,
        json!({"spec": {"allowScheduling": true, "evictionRequested": false}})
    );
    // Nobody else would take it.
    scene.seen.longhorn.as_mut().unwrap().nodes[1].allow_scheduling = false;
    let refusal = scene.removal("w1", true).unwrap_err();
    assert!(refusal.message.contains("no other node takes"), "{refusal}");
    // Nor does one that is down.
    scene.longhorn(&[("pvc-1", "w1", true)]);
    scene.dies("w2");
    let refusal = scene.removal("w1", true).unwrap_err();
    assert!(refusal.message.contains("no other node takes"), "{refusal}");
}

#[test]
fn the_last_replica_counts_although_it_has_failed() {
    // As Longhorn has it when the node of the only healthy replica dies.
    let mut scene = Scene::new();
    scene.longhorn(&[
        ("pvc-1", "w1", false),
        ("pvc-2", "w1", false),
        ("pvc-2", "w2", true),
    ]);
    // A living node cannot give a failed replica away.
    let refusal = scene.removal("w1", true).unwrap_err();
    assert_eq!(
        refusal.message,
        "w1 is not removed: it has the last replica, which has failed and cannot be moved, of Longhorn's volumes pvc-1 (shop/data)"
    );
    // It is out of reach already.
    assert!(scene.maintenance("w1").is_ok());
    scene.dies("w1");
    let refusal = scene.removal("w1", false).unwrap_err();
    assert_eq!(refusal.code, Code::Refused);
    assert_eq!(
        refusal.message,
        "w1 is not removed: it alone has a healthy replica of Longhorn's volumes pvc-1 (shop/data)"
    );
    scene.options.lose_volumes = vec!["pvc-1".to_owned()];
    let plan = scene.removal("w1", false).unwrap();
    assert_eq!(attachment(&plan, PhaseId::DeleteNode, "lose"), "pvc-1\n");
    // One that was never whole is no copy.
    scene.options.lose_volumes.clear();
    let longhorn = scene.seen.longhorn.as_mut().unwrap();
    longhorn.replicas[0].was_healthy = false;
    assert!(scene.removal("w1", false).is_ok());
}

#[test]
fn the_last_healthy_replica_does_not_die_unless_it_is_named() {
    let mut scene = Scene::new();
    scene.dies("w1");
    scene.longhorn(&[
        ("pvc-1", "w1", true),
        ("pvc-1", "w2", false),
        ("pvc-2", "w1", true),
        ("pvc-2", "w2", true),
    ]);
    let refusal = scene.removal("w1", false).unwrap_err();
    assert_eq!(refusal.code, Code::Refused);
    assert_eq!(
        refusal.message,
        "w1 is not removed: it alone has a healthy replica of Longhorn's volumes pvc-1 (shop/data)"
    );
    assert!(refusal.hint.unwrap().contains("--lose-volume=pvc-1"));
    scene.options.lose_volumes = vec!["pvc-1".to_owned()];
    assert_eq!(
        steps(&scene.removal("w1", false).unwrap()),
        ["delete-node@cp1"]
    );
    // A replica on another dead node saves nothing.
    scene.options.lose_volumes.clear();
    scene.longhorn(&[("pvc-2", "w1", true), ("pvc-2", "w2", true)]);
    assert!(scene.removal("w1", false).is_ok());
    scene.dies("w2");
    assert!(scene.removal("w1", false).is_err());
}

#[test]
fn what_has_left_already_is_not_done_again() {
    let mut scene = Scene::new();
    scene.seen.etcd.remove(0);
    scene.seen.nodes[0].ready = false;
    let plan = scene.removal("cp1", true).unwrap();
    assert_eq!(
        steps(&plan),
        ["stop-node@cp1", "restore-host@cp1", "delete-node@cp2"]
    );
    scene.seen.nodes.remove(0);
    assert_eq!(
        steps(&scene.removal("cp1", true).unwrap()),
        ["stop-node@cp1", "restore-host@cp1"]
    );
    assert!(scene.removal("cp1", false).unwrap().is_empty());
}

#[test]
fn maintenance_goes_and_comes_back() {
    let mut scene = Scene::new();
    scene.pod("web", Some("ReplicaSet"));
    let plan = scene.maintenance("w1").unwrap();
    assert_eq!(steps(&plan), ["cordon@cp1", "drain@cp1"]);
    let patch: Value =
        serde_json::from_str(&attachment(&plan, PhaseId::Cordon, "mark.json")).unwrap();
    assert_eq!(patch["spec"]["unschedulable"], true);
    let text = patch["metadata"]["annotations"][MAINTENANCE]
        .as_str()
        .unwrap();
    let mark: Mark = serde_json::from_str(text).unwrap();
    assert!(mark.cordoned && mark.longhorn.is_none());

    assert!(attachment(&plan, PhaseId::Drain, "unmark.json").contains("unschedulable"));
    scene.mark("w1", MAINTENANCE, &mark);
    let again = scene.maintenance("w1").unwrap();
    assert_eq!(again.steps.len(), 2);
    // It is in maintenance: a drain that fails does not end that.
    assert_eq!(attachment(&again, PhaseId::Drain, "unmark.json"), "");
    let address = std::mem::take(&mut scene.seen.nodes[3].internal_ips);
    scene.seen.nodes[3].internal_ips = vec!["10.0.0.99".to_owned()];
    let refusal = scene.maintenance("w1").unwrap_err();
    assert_eq!(
        refusal.message,
        "w1 is not put into maintenance: the cluster knows it by 10.0.0.99, the inventory by 10.0.0.21: these may be two machines"
    );
    scene.seen.nodes[3].internal_ips = address;
    scene.seen.pods.clear();
    assert!(scene.maintenance("w1").unwrap().is_empty());
    let via = scene.cluster.host("cp1").unwrap();
    let back = off("w1", via, &scene.seen).unwrap();
    assert_eq!(steps(&back), ["uncordon@cp1"]);
    let undo: Value =
        serde_json::from_str(&attachment(&back, PhaseId::Uncordon, "unmark.json")).unwrap();
    assert_eq!(undo["spec"], json!({"unschedulable": null}));
    assert!(off("w2", via, &scene.seen).unwrap().is_empty());
}

#[test]
fn off_leaves_a_node_cordoned_that_was_so_before() {
    let mut scene = Scene::new();
    scene.mark("w1", MAINTENANCE, &Mark::default());
    let via = scene.cluster.host("cp1").unwrap();
    let back = off("w1", via, &scene.seen).unwrap();
    let undo: Value =
        serde_json::from_str(&attachment(&back, PhaseId::Uncordon, "unmark.json")).unwrap();
    assert!(undo.get("spec").is_none(), "{undo}");
    assert!(back.notes[0].contains("stays cordoned"));
}

#[test]
fn one_control_plane_at_a_time() {
    let mut scene = Scene::new();
    let mark = Mark {
        by: "root@desk".to_owned(),
        since: "2026-11-21T08:15:00Z".to_owned(),
        reason: Some("new disk".to_owned()),
        cordoned: true,
        longhorn: None,
    };
    scene.mark("cp2", MAINTENANCE, &mark);
    let refusal = scene.maintenance("cp1").unwrap_err();
    assert_eq!(refusal.code, Code::Refused);
    assert_eq!(
        refusal.message,
        "cp1 is not put into maintenance: one control plane at a time, and cp2 is in maintenance by root@desk since \
         2026-11-21T08:15:00Z (new disk)"
    );
    // A worker does not count, in either direction.
    assert!(scene.maintenance("w1").is_ok());
    assert!(scene.maintenance("cp2").is_ok());
}

#[test]
fn maintenance_refuses_what_would_be_out_of_reach() {
    let mut scene = Scene::new();
    scene.dies("cp3");
    let refusal = scene.maintenance("cp1").unwrap_err();
    assert!(
        refusal.message.contains("no quorum while it is away"),
        "{refusal}"
    );
    let mut scene = Scene::new();
    scene.longhorn(&[("pvc-1", "w1", true)]);
    let refusal = scene.maintenance("w1").unwrap_err();
    assert!(refusal.message.contains("pvc-1 (shop/data)"), "{refusal}");
    let mut scene = Scene::new();
    scene.pod("by-hand", None);
    assert!(scene.maintenance("w1").is_err());
    assert!(scene.maintenance("w9").is_err());
}
