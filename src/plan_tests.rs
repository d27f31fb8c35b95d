use super::*;

fn item(phase: PhaseId, host: &str) -> Item {
    Item {
        phase,
        host: host.to_owned(),
        of: vec![host.to_owned()],
        needs: Vec::new(),
        after: Vec::new(),
        work: Work::Apply(Vec::new()),
    }
}

/// Two control planes, of which `a` is elected, and a worker.
fn hosts_on(on: On) -> Vec<String> {
    let names: &[&str] = match on {
        On::EveryHost | On::Nodes => &["a", "b", "w"],
        On::ControlPlanes => &["a", "b"],
        On::FirstControlPlane | On::Api => &["a"],
        On::OtherControlPlanes => &["b"],
        On::Workers => &["w"],
    };
    names.iter().map(|&name| name.to_owned()).collect()
}

fn needs(items: Vec<Item>) -> Vec<(Vec<usize>, Vec<usize>)> {
    order(items, &hosts_on)
        .into_iter()
        .map(|step| (step.needs, step.after))
        .collect()
}

#[test]
fn a_phase_waits_for_its_own_host_only() {
    let steps = needs(vec![
        item(PhaseId::Os, "a"),
        item(PhaseId::Os, "b"),
        item(PhaseId::Runtime, "a"),
        item(PhaseId::Runtime, "b"),
    ]);
    assert_eq!(steps[2], (vec![0], vec![]));
    assert_eq!(steps[3], (vec![1], vec![]));
}

#[test]
fn a_phase_with_nothing_to_do_hands_its_needs_on() {
    let steps = needs(vec![item(PhaseId::Os, "a"), item(PhaseId::Images, "a")]);
    assert_eq!(steps[1], (vec![0], vec![]));
}

#[test]
fn init_waits_for_load_balancers_but_survives_the_failure_of_another_host() {
    let steps = needs(vec![
        item(PhaseId::LoadBalancer, "a"),
        item(PhaseId::LoadBalancer, "b"),
        item(PhaseId::Init, "a"),
    ]);
    assert_eq!(steps[2], (vec![0], vec![1]));
}

#[test]
fn workers_join_after_control_planes_whether_these_succeeded_or_not() {
    let steps = needs(vec![
        item(PhaseId::Init, "a"),
        item(PhaseId::JoinControlPlane, "b"),
        item(PhaseId::JoinWorker, "w"),
    ]);
    assert_eq!(steps[1], (vec![0], vec![]));
    assert_eq!(steps[2], (vec![0], vec![1]));
}

#[test]
fn steps_for_several_hosts_wait_until_each_is_ready_or_has_failed() {
    let mut token = item(PhaseId::JoinWorker, "a");
    token.of = vec!["w".to_owned(), "b".to_owned()];
    let steps = needs(vec![
        item(PhaseId::Images, "b"),
        item(PhaseId::Images, "w"),
        item(PhaseId::Init, "a"),
        token,
    ]);
    assert_eq!(steps[3], (vec![2], vec![0, 1]));
}

#[test]
fn one_at_a_time_means_one_after_the_other() {
    let steps = needs(vec![
        item(PhaseId::JoinControlPlane, "b"),
        item(PhaseId::JoinControlPlane, "c"),
        item(PhaseId::JoinControlPlane, "d"),
    ]);
    assert_eq!(steps[1].1, vec![0]);
    assert_eq!(steps[2].1, vec![1]);
}

#[test]
fn every_need_of_the_table_names_an_earlier_row() {
    for (place, phase) in PHASES.iter().enumerate() {
        for need in phase.needs {
            let (Need::Own(id) | Need::Every(id) | Need::Some(id)) = *need;
            let found = PHASES[..place].iter().any(|earlier| earlier.id == id);
            assert!(
                found,
                "{:?} needs {id:?}, which does not come before it",
                phase.id
            );
        }
    }
}

#[test]
fn steps_need_earlier_steps_only() {
    let items = PHASES
        .iter()
        .flat_map(|phase| {
            hosts_on(phase.on)
                .into_iter()
                .map(|host| item(phase.id, &host))
        })
        .collect();
    for (index, (needs, after)) in needs(items).into_iter().enumerate() {
        assert!(needs.iter().chain(&after).all(|&other| other < index));
    }
}
