use super::*;
use crate::observe::{LonghornNode, LonghornSeen, NodeSeen, Replica};

#[test]
fn who_has_left_takes_and_keeps_nothing_of_longhorn() {
    let node = |name: &str| NodeSeen {
        name: name.to_owned(),
        ..NodeSeen::default()
    };
    let stores = |name: &str| LonghornNode {
        name: name.to_owned(),
        allow_scheduling: true,
        ..LonghornNode::default()
    };
    let replica = |node: &str| Replica {
        volume: "pvc-1".to_owned(),
        node: node.to_owned(),
        ..Replica::default()
    };
    let view = LeavingSeen {
        nodes: vec![node("w1"), node("w2")],
        longhorn: Some(LonghornSeen {
            nodes: vec![stores("w1"), stores("w2")],
            replicas: vec![replica("w1"), replica("w2")],
            ..LonghornSeen::default()
        }),
        ..LeavingSeen::default()
    };
    let after = after(&view, &["w1".to_owned()]);
    let longhorn = after.longhorn.unwrap();
    assert_eq!(after.nodes, [node("w2")]);
    assert_eq!(longhorn.nodes, [stores("w2")]);
    assert_eq!(longhorn.replicas, [replica("w2")]);
}

#[test]
fn a_host_that_was_reached_is_not_dead_because_it_is_silent_now() {
    let names = ["w1".to_owned(), "w2".to_owned()];
    let mut before = Observation::default();
    before
        .hosts
        .insert("w1".to_owned(), crate::observe::HostSeen::default());
    assert!(still_reached(&names, &before, &before).is_ok());
    let lost = still_reached(&names, &before, &Observation::default()).unwrap_err();
    assert_eq!(lost.code, Code::Unreachable);
    assert_eq!(lost.message, "no longer reached: w1; nothing was changed");
}

#[test]
fn a_name_that_nobody_has_is_said_with_the_one_that_may_be_meant() {
    let work = |unknown: &str| Work {
        plan: Plan::default(),
        names: Vec::new(),
        unknown: vec![unknown.to_owned()],
        near: vec![neither(unknown, Some("w2"))],
    };
    let names = ["w1".to_owned(), "w22".to_owned()];
    assert_eq!(
        nothing_to_do(&names, &work("w22"), Some("in.yaml was edited")),
        "w1 had left already; in.yaml was edited; w22 is neither in the inventory nor in the cluster (is w2 meant?)"
    );
    assert_eq!(
        nothing_to_do(&names[1..], &work("w22"), None),
        "nothing to do: w22 is neither in the inventory nor in the cluster (is w2 meant?)"
    );
}
