//! Order, overlap, isolation of failures and stopping, with steps that only wait.

use std::sync::Mutex;

use super::*;

#[derive(Default)]
struct Fake {
    /// Milliseconds per step.
    lasts: BTreeMap<usize, u64>,
    fails: Vec<usize>,
    panics: Vec<usize>,
    log: Mutex<Vec<String>>,
}

impl Fake {
    fn note(&self, line: String) {
        self.log.lock().unwrap().push(line);
    }

    fn at(&self, line: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter()
            .position(|have| have == line)
            .unwrap_or_else(|| panic!("no `{line}` in {log:?}"))
    }

    /// Most steps between begin and end at once.
    fn most_at_once(&self) -> usize {
        let (mut now, mut most) = (0usize, 0);
        for line in self.log.lock().unwrap().iter() {
            if line.starts_with("begin") {
                now += 1;
            } else if line.starts_with("end") {
                now -= 1;
            }
            most = most.max(now);
        }
        most
    }
}

impl Runner for Fake {
    async fn run(&self, index: usize) -> bool {
        self.note(format!("begin {index}"));
        let lasts = self.lasts.get(&index).copied().unwrap_or(5);
        tokio::time::sleep(Duration::from_millis(lasts)).await;
        assert!(!self.panics.contains(&index), "asked to");
        self.note(format!("end {index}"));
        !self.fails.contains(&index)
    }

    fn skipped(&self, index: usize, reason: &str) {
        self.note(format!("skip {index}: {reason}"));
    }
}

fn node(host: &str, needs: &[usize], after: &[usize]) -> Node {
    Node {
        host: host.to_owned(),
        name: format!("step on {host}"),
        needs: needs.to_vec(),
        after: after.to_vec(),
    }
}

const LIMITS: Limits = Limits {
    hosts: 10,
    drain: Duration::from_secs(5),
};

async fn run(nodes: &[Node], fake: Fake, limits: Limits) -> (Vec<State>, Arc<Fake>) {
    let fake = Arc::new(fake);
    let states = execute(nodes, fake.clone(), limits, &Stop::default()).await;
    (states, fake)
}

#[tokio::test]
async fn what_is_needed_comes_first_and_the_rest_overlaps() {
    let nodes = [
        node("a", &[], &[]),
        node("b", &[], &[]),
        node("a", &[0], &[]),
        node("b", &[2], &[]),
    ];
    let fake = Fake {
        lasts: [(1, 100)].into(),
        ..Fake::default()
    };
    let (states, fake) = run(&nodes, fake, LIMITS).await;
    assert!(states.iter().all(|state| *state == State::Done));
    assert!(fake.at("end 0") < fake.at("begin 2"));
    assert!(fake.at("end 2") < fake.at("begin 3"));
    assert!(
        fake.at("begin 3") < fake.at("end 1"),
        "a slow step holds up nobody else"
    );
}

#[tokio::test]
async fn a_failure_stops_what_depends_on_it_and_nothing_else() {
    let nodes = [
        node("a", &[], &[]),
        node("b", &[], &[]),
        node("a", &[0], &[]),
        node("a", &[2], &[]),
        node("b", &[1], &[0]),
        node("c", &[], &[3]),
    ];
    let fake = Fake {
        fails: vec![0],
        lasts: [(1, 50)].into(),
        ..Fake::default()
    };
    let (states, fake) = run(&nodes, fake, LIMITS).await;
    let skipped = State::Skipped {
        reason: "step on a failed".to_owned(),
    };
    assert_eq!(
        states,
        [
            State::Failed,
            State::Done,
            skipped.clone(),
            skipped,
            State::Done,
            State::Done
        ]
    );
    fake.at("skip 2: step on a failed");
    fake.at("skip 3: step on a failed");
}

#[tokio::test]
async fn after_waits_for_the_end_whatever_it_is() {
    let nodes = [node("a", &[], &[]), node("a", &[], &[0])];
    let fake = Fake {
        fails: vec![0],
        lasts: [(0, 50)].into(),
        ..Fake::default()
    };
    let (states, fake) = run(&nodes, fake, LIMITS).await;
    assert_eq!(states, [State::Failed, State::Done]);
    assert!(fake.at("end 0") < fake.at("begin 1"));
}

#[tokio::test]
async fn no_more_hosts_than_the_limit_but_steps_of_one_host_overlap() {
    let nodes: Vec<Node> = (0..6)
        .map(|index| node(["a", "b", "c"][index % 3], &[], &[]))
        .collect();
    let limits = Limits { hosts: 1, ..LIMITS };
    let (states, fake) = run(&nodes, Fake::default(), limits).await;
    assert!(states.iter().all(|state| *state == State::Done));
    assert_eq!(fake.most_at_once(), 2);
    let (_, fake) = run(&nodes, Fake::default(), LIMITS).await;
    assert_eq!(fake.most_at_once(), 6);
}

#[tokio::test]
async fn a_panic_is_a_failure_of_its_step() {
    let nodes = [
        node("a", &[], &[]),
        node("b", &[], &[]),
        node("a", &[0], &[]),
    ];
    let fake = Fake {
        panics: vec![0],
        ..Fake::default()
    };
    let (states, _) = run(&nodes, fake, LIMITS).await;
    assert_eq!(states[..2], [State::Failed, State::Done]);
    assert!(matches!(states[2], State::Skipped { .. }));
}

/// Runs nodes while a stop is raised so many times after 50 ms.
async fn interrupted(nodes: &[Node], lasts: u64, times: usize, limits: Limits) -> Vec<State> {
    let fake = Arc::new(Fake {
        lasts: [(0, lasts)].into(),
        ..Fake::default()
    });
    let stop = Stop::default();
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for _ in 0..times {
            asked.raise();
        }
    });
    let started = std::time::Instant::now();
    let states = execute(nodes, fake, limits, &stop).await;
    assert!(started.elapsed() < Duration::from_secs(10));
    states
}

#[tokio::test]
async fn stopping_once_begins_nothing_new_and_lets_the_rest_end() {
    let nodes = [node("a", &[], &[]), node("a", &[0], &[])];
    let states = interrupted(&nodes, 150, 1, LIMITS).await;
    assert_eq!(states, [State::Done, State::Waiting]);
}

#[tokio::test]
async fn a_step_that_does_not_end_is_not_waited_for_for_ever() {
    let drain = Duration::from_millis(100);
    let limits = Limits { drain, ..LIMITS };
    let states = interrupted(&[node("a", &[], &[])], 100_000, 1, limits).await;
    assert_eq!(states, [State::Abandoned]);
}

#[tokio::test]
async fn stopping_twice_waits_for_nobody() {
    let drain = Duration::from_secs(1000);
    let limits = Limits { drain, ..LIMITS };
    let states = interrupted(&[node("a", &[], &[])], 100_000, 2, limits).await;
    assert_eq!(states, [State::Abandoned]);
}
