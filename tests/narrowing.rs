//! `--limit` with `plan` and `up`: what differs on the hosts that are meant, nothing elsewhere, and what cannot be done so.

use std::path::Path;

use baremetal::{
    failure::{Code, Failure},
    inventory::Cluster,
    observe::Observation,
    phases::{Context, PhaseId, resources},
    plan::{Limited, Narrowing},
    resources::Observed,
};

use crate::{
    joining::{done, names, satisfied, without},
    topologies::{self, artifacts},
};

const STACKED: [&str; 5] = ["cp1", "cp2", "cp3", "w1", "w2"];

fn narrow(cluster: &Cluster, seen: &Observation, chosen: &[&str]) -> Result<Limited, Failure> {
    let names = names(chosen);
    let narrowing = Narrowing {
        cluster,
        seen,
        names: &names,
        file: Path::new("home.yaml"),
    };
    narrowing.can_begin()?;
    narrowing
        .plan(&artifacts())
        .map_err(|error| error.downcast::<Failure>().unwrap())
}

/// A phase of these hosts is as the inventory says.
fn right(cluster: &Cluster, seen: &mut Observation, phase: PhaseId, hosts: &[&str]) {
    for host in hosts {
        let one = seen.hosts.get_mut(*host).unwrap();
        let wanted = resources(
            phase,
            &Context {
                cluster,
                host: cluster.host(host).unwrap(),
                facts: &one.facts,
                artifacts: &artifacts(),
            },
        );
        let observed: Vec<Observed> = wanted.iter().map(satisfied).collect();
        one.resources.insert(phase, observed);
    }
}

/// Every host differs in everything but its settings, which no node must be restarted for.
fn running() -> (Cluster, Observation) {
    let (cluster, mut seen) = without(topologies::STACKED, &[]);
    right(&cluster, &mut seen, PhaseId::ControlPlaneFiles, &STACKED);
    (cluster, seen)
}

#[test]
fn what_differs_on_a_worker_is_done_there_and_nowhere_else() {
    let (cluster, seen) = running();
    let limited = narrow(&cluster, &seen, &["w1"]).unwrap();
    assert_eq!(
        done(&limited),
        [
            "w1 os",
            "w1 runtime",
            "w1 binaries",
            "w1 images",
            "cp1 node-metadata",
            "w1 verify",
            "cp1 verify",
        ]
    );
    assert_eq!(
        limited.elsewhere(&names(&["w1"])),
        ["cp1: set labels, annotations and taints of nodes"]
    );
    let said = format!("{:?}", limited.plan);
    for other in ["\"cp2\"", "\"cp3\"", "\"w2\"", "node w2", "node cp1"] {
        assert!(!said.contains(other), "{other}: {said}");
    }
    let left = &limited.left_out;
    for (place, host) in ["cp1", "cp2", "cp3", "w2"].iter().enumerate() {
        assert!(
            left[place].starts_with(&format!("{host}: operating system, ")),
            "{left:?}"
        );
    }
    assert!(
        left.iter().any(|line| line.starts_with("cluster: ")),
        "{left:?}"
    );
}

#[test]
fn a_host_that_is_right_has_nothing_to_do_whatever_others_need() {
    let (cluster, mut seen) = running();
    right(&cluster, &mut seen, PhaseId::Os, &["w1"]);
    let before = narrow(&cluster, &seen, &["w1"]).unwrap();
    assert!(!done(&before).contains(&"w1 os".to_owned()), "{before:?}");
    // Of a phase without resources nothing is seen.
    let pair = cluster_of_a_pair();
    let limited = narrow(&pair.0, &pair.1, &["lb1", "lb2"]).unwrap();
    assert!(limited.plan.is_empty(), "{:?}", done(&limited));
    assert!(!limited.left_out.is_empty());
}

/// A cluster whose load balancers of their own are as they should be, and whose nodes are not.
fn cluster_of_a_pair() -> (Cluster, Observation) {
    let (cluster, mut seen) = without(topologies::PAIR, &[]);
    for phase in [PhaseId::Os, PhaseId::LoadBalancer] {
        right(&cluster, &mut seen, phase, &["lb1", "lb2"]);
    }
    (cluster, seen)
}

#[test]
fn nobody_joins_by_being_named() {
    let (cluster, seen) = without(topologies::STACKED, &["cp3", "w2"]);
    let refused = narrow(&cluster, &seen, &["w1", "w2", "cp3"]).unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    assert_eq!(
        refused.message,
        "cp3, w2 are no whole members of stacked yet, and with `--limit` nobody joins; nothing was changed"
    );
    assert_eq!(
        refused.hint.as_deref(),
        Some(
            "join with `baremetal add-node home.yaml cp3 w2`, or leave out what is no member with `!`"
        )
    );
    // Others that are no members do not matter, and are said.
    let (cluster, mut seen) = without(topologies::STACKED, &["w2"]);
    right(&cluster, &mut seen, PhaseId::ControlPlaneFiles, &STACKED);
    let limited = narrow(&cluster, &seen, &["w1"]).unwrap();
    assert!(
        limited.left_out.contains(&"w2: is no node yet".to_owned()),
        "{:?}",
        limited.left_out
    );
    let joins = |step: &String| step.contains("join");
    assert!(!done(&limited).iter().any(joins), "{limited:?}");
}

#[test]
fn holders_of_the_virtual_ip_change_how_they_speak_together_or_not_at_all() {
    let (cluster, mut seen) = running();
    let refused = narrow(&cluster, &seen, &["cp1", "w1"]).unwrap_err();
    assert_eq!(refused.code, Code::Refused);
    assert_eq!(
        refused.message,
        "keepalived changes on cp1 and on cp2, cp3: of holders of the virtual IP that disagree two would hold it; \
         nothing was changed"
    );
    assert_eq!(
        refused.hint.as_deref(),
        Some("take them in, `--limit cp1,cp2,cp3,w1`, or leave `--limit` out")
    );
    let together = narrow(&cluster, &seen, &["cp1", "cp2", "cp3"]).unwrap();
    assert!(done(&together).contains(&"cp2 load-balancer".to_owned()));
    // One that strayed alone is brought back alone.
    right(&cluster, &mut seen, PhaseId::LoadBalancer, &["cp2", "cp3"]);
    let alone = narrow(&cluster, &seen, &["cp1"]).unwrap();
    assert!(done(&alone).contains(&"cp1 load-balancer".to_owned()));
}

/// Settings have changed for every node.
fn changed_settings() -> (Cluster, Observation) {
    let (cluster, mut seen) = without(topologies::STACKED, &[]);
    right(
        &cluster,
        &mut seen,
        PhaseId::LoadBalancer,
        &["cp1", "cp2", "cp3"],
    );
    (cluster, seen)
}

#[test]
fn changed_settings_go_to_control_planes_first_and_to_the_one_that_is_asked_last() {
    let (cluster, seen) = changed_settings();
    assert_eq!(seen.elected, "cp1");
    for (chosen, early, missing, rule, all) in [
        (
            &["w1"][..],
            "w1",
            "cp2, cp3, cp1",
            "settings go to control planes first",
            "cp1,cp2,cp3,w1",
        ),
        (
            &["cp2", "cp3", "w2"],
            "w2",
            "cp1",
            "settings go to control planes first",
            "cp1,cp2,cp3,w2",
        ),
        (
            &["cp1", "cp2"],
            "cp1",
            "cp3",
            "the control plane through which the cluster is asked is the last of them",
            "cp1,cp2,cp3",
        ),
    ] {
        let refused = narrow(&cluster, &seen, chosen).unwrap_err();
        assert_eq!(refused.code, Code::Refused);
        assert_eq!(
            refused.message,
            format!(
                "changed settings cannot go to {early} before {missing}: {rule}; nothing was changed"
            )
        );
        let hint = format!("take them in, `--limit {all}`, or leave `--limit` out");
        assert_eq!(refused.hint.as_deref(), Some(hint.as_str()));
    }
}

#[test]
fn changed_settings_are_tried_on_one_control_plane_with_the_clusters_copy_before() {
    let (cluster, seen) = changed_settings();
    let limited = narrow(&cluster, &seen, &["cp3"]).unwrap();
    let done = done(&limited);
    let place = |step: &str| done.iter().position(|one| one == step);
    let (copy, roll) = (place("cp1 configuration"), place("cp3 settings"));
    assert!(copy.is_some() && copy < roll, "{done:?}");
    assert!(!done.contains(&"cp2 settings".to_owned()), "{done:?}");
    let settings = "changed settings of running nodes";
    for host in ["cp1", "cp2", "w1", "w2"] {
        let line = limited
            .left_out
            .iter()
            .find(|line| line.starts_with(host))
            .unwrap();
        assert!(line.contains(settings), "{line}");
    }
}

#[test]
fn without_a_cluster_or_without_an_answer_nothing_is_done() {
    let (cluster, mut seen) = running();
    for host in seen.hosts.values_mut() {
        host.facts.kube.apiserver_ready = false;
    }
    let silent = narrow(&cluster, &seen, &["w1"]).unwrap_err();
    assert_eq!(silent.code, Code::Refused);
    assert!(
        silent
            .message
            .starts_with("no control plane of stacked answers: "),
        "{silent}"
    );
    for host in seen.hosts.values_mut() {
        host.facts.kube = baremetal::observe::KubeFacts::default();
    }
    let bare = narrow(&cluster, &seen, &["w1"]).unwrap_err();
    assert_eq!(
        (bare.code, bare.message.as_str(), bare.hint.as_deref()),
        (
            Code::Refused,
            "stacked is not there yet, and a part of it cannot be made alone; nothing was changed",
            Some("make the cluster first: baremetal up home.yaml")
        )
    );
    let (cluster, mut seen) = running();
    seen.hosts.remove("w1");
    seen.unreachable
        .insert("w1".to_owned(), "it is off".to_owned());
    let gone = narrow(&cluster, &seen, &["w1"]).unwrap_err();
    assert_eq!(gone.code, Code::Unreachable);
    assert_eq!(gone.message, "w1 cannot be worked on; nothing was changed");
    // With others beside it the run goes on, and says who was left out.
    let limited = narrow(&cluster, &seen, &["w1", "w2"]).unwrap();
    assert_eq!(limited.plan.notes, ["w1 was left out: it is off"]);
    assert!(done(&limited).contains(&"w2 os".to_owned()));
}
