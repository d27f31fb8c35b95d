//! Who goes out of service, who may not, and how long clients waited.

use std::time::Duration;

use baremetal::{
    failure::Code,
    observe::EtcdMember,
    phases::{
        preflight::Level,
        verify::failover::{self, Away, EVERY, Failover, Sample, Seen, chosen, gap, judge},
    },
};

use super::{INVENTORY, lines, load, member};

/// Samples at every 100 ms: `+` answered, `-` not.
fn samples(text: &str) -> Vec<Sample> {
    text.chars()
        .zip(0u32..)
        .map(|(sign, index)| Sample {
            at: EVERY * index,
            answered: sign == '+',
        })
        .collect()
}

#[test]
fn a_gap_lasts_from_the_first_question_without_an_answer_to_the_next_with_one() {
    for (text, tenths) in [
        ("", 0),
        ("++++", 0),
        ("++-+", 1),
        ("++---++-+", 3),
        ("++-++----+", 4),
        ("++---", 3),
        ("+-", 1),
        ("-----", 5),
    ] {
        assert_eq!(gap(&samples(text)), EVERY * tenths, "{text}");
    }
    // They come back in any order.
    let mut mixed = samples("++---+");
    mixed.reverse();
    assert_eq!(gap(&mixed), EVERY * 3);
}

fn plan(away: Away) -> Failover {
    Failover {
        away,
        host: "cp2".to_owned(),
        bound: Duration::from_secs(5),
    }
}

fn fine() -> Seen {
    Seen {
        gone: Ok(()),
        gap: Duration::from_millis(1300),
        recovered: true,
        heir: Some(Ok("cp1".to_owned())),
        back: Ok(()),
    }
}

type Spoil = fn(&mut Seen);

#[test]
fn a_failover_within_the_bound_passes_and_all_else_fails() {
    let well = judge(&plan(Away::Vip), &fine());
    assert_eq!(well[0].level, Level::Passed);
    assert_eq!(
        well[0].found,
        "with keepalived stopped on cp2, clients had no answer for 1.3 s; cp1 took the virtual IP; it is back in service"
    );
    let cases: &[(Spoil, &str)] = &[
        (
            |seen| seen.gap = Duration::from_millis(5100),
            "FAIL failover cp2: with all of cp2's control plane stopped, clients had no answer for 5.1 s, and 5.0 s is the bound",
        ),
        (
            |seen| seen.recovered = false,
            "FAIL failover cp2: with all of cp2's control plane stopped, the API did not come back for clients before it was put back, 1.3 s later",
        ),
        (
            |seen| seen.heir = Some(Err("nobody took 10.0.0.10".to_owned())),
            "FAIL failover cp2: with all of cp2's control plane stopped, nobody took 10.0.0.10",
        ),
        (
            |seen| seen.back = Err("did not start: haproxy.service".to_owned()),
            "FAIL failover cp2: it is not back in service: did not start: haproxy.service",
        ),
        (
            |seen| seen.gone = Err("no timer could be set".to_owned()),
            "FAIL failover cp2: it could not be taken out of service: no timer could be set",
        ),
    ];
    for (spoil, line) in cases {
        let mut seen = fine();
        spoil(&mut seen);
        assert_eq!(lines(&judge(&plan(Away::Node), &seen)), [*line]);
    }
}

#[test]
fn the_host_comes_back_by_itself_after_we_would_have_put_it_back() {
    for seconds in [1, 5, 300] {
        let plan = Failover {
            bound: Duration::from_secs(seconds),
            ..plan(Away::Vip)
        };
        assert!(plan.bound < plan.watched() && plan.watched() < plan.longest());
        assert!(plan.longest() + Duration::from_secs(10) <= plan.by_itself());
        let script = plan.take_away();
        assert_eq!(
            script.args,
            ["vip".to_owned(), plan.by_itself().as_secs().to_string()]
        );
        assert!(script.mutating && failover::put_back().mutating);
    }
}

#[test]
fn the_holder_goes_and_quorum_stays() {
    let cluster = load(INVENTORY);
    let members: Vec<EtcdMember> = ["cp1", "cp2", "cp3"].map(member).into();
    let of = |away, holders: &[&str], members: &[EtcdMember], leader| {
        chosen(&cluster, away, holders, members, leader).map_err(|failure| {
            assert_eq!(failure.code, Code::Refused);
            failure.message
        })
    };
    assert_eq!(
        of(Away::Vip, &["cp2"], &members, None),
        Ok("cp2".to_owned())
    );
    assert_eq!(
        of(Away::Node, &["cp2"], &members, Some("cp1")),
        Ok("cp2".to_owned())
    );
    assert_eq!(
        of(Away::Node, &[], &members, Some("cp1")),
        Ok("cp1".to_owned())
    );
    assert_eq!(
        of(Away::Node, &["lb1"], &members, Some("cp1")),
        Ok("cp1".to_owned())
    );
    for holders in [&[][..], &["cp1", "cp2"]] {
        assert!(
            of(Away::Vip, holders, &members, None)
                .unwrap_err()
                .contains("not one host that holds")
        );
    }
    assert!(
        of(Away::Node, &[], &members, None)
            .unwrap_err()
            .contains("leads etcd")
    );
    let mut dead = members;
    dead[0].healthy = false;
    assert_eq!(
        of(Away::Node, &["cp2"], &dead, None),
        Err("cp2 is not taken out of service: etcd would have no quorum while it is away: now 2 of 3 members alive, 2 needed, then 1 of 3 members alive, 2 needed; alive: cp2, cp3; dead: cp1".to_owned())
    );
    // Of the virtual IP alone no member of etcd goes.
    assert_eq!(of(Away::Vip, &["cp2"], &dead, None), Ok("cp2".to_owned()));
}

#[test]
fn nobody_is_taken_out_of_service_where_something_is_broken_already() {
    let cluster = load(INVENTORY);
    let mut answers = super::whole(&cluster);
    let safe =
        |answers: &super::Answers| failover::is_safe(&super::quick::judge(&cluster, answers));
    assert!(safe(&answers));
    super::said(&mut answers, "w1").dns = None;
    assert!(safe(&answers), "what is not known is no failure");
    super::etcd_of(&mut answers).members[0].healthy = false;
    assert!(!safe(&answers));
    assert_eq!(
        failover::unsafe_now(&plan(Away::Node)).level,
        Level::Skipped
    );
}

#[test]
fn a_machine_that_is_no_client_measures_nothing() {
    let plan = plan(Away::Vip);
    assert_eq!(
        failover::unwatched(&plan, "https://10.0.0.10:6443/readyz", false).level,
        Level::Failure
    );
    assert_eq!(
        failover::unwatched(&plan, "https://10.0.0.10:6443/readyz", true).level,
        Level::Skipped
    );
    assert_eq!(failover::not_back(&plan, "lost").level, Level::Failure);
}
