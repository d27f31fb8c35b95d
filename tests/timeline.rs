//! A run afterwards: what is read of its events, why it took so long, and the page made of it.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use baremetal::{
    phases::{
        self, PhaseId,
        preflight::{Finding, Level},
    },
    report::{
        Event, FailureReport, Ordered, Topology, json_line,
        timeline::{self, Outcome, Timeline, What, critical_path, waits},
    },
};

use crate::{
    support::{Run, fits_the_schema, run},
    topologies,
};

/// Step of a plan: phase, host, what must have succeeded, when it ran.
type Row<'a> = (PhaseId, &'a str, &'a [usize], (u64, u64));

/// Two hosts are prepared, one is initialised, the other joins; the second waits for the first, and for its turn.
const PLAN: &[Row<'_>] = &[
    (PhaseId::Os, "cp1", &[], (2_000, 5_000)),
    (PhaseId::Os, "w1", &[], (2_000, 3_000)),
    (PhaseId::Images, "cp1", &[0], (5_000, 6_000)),
    (PhaseId::Images, "w1", &[1], (3_000, 4_500)),
    (PhaseId::Init, "cp1", &[2], (6_000, 16_000)),
    (PhaseId::JoinWorker, "w1", &[3, 4], (16_500, 20_000)),
    (PhaseId::Verify, "cp1", &[5], (20_000, 21_000)),
];

fn title(phase: PhaseId) -> String {
    phases::title(phase).to_owned()
}

fn order(plan: &[Row<'_>]) -> Event {
    Event::Order {
        steps: plan
            .iter()
            .map(|(phase, host, needs, _)| Ordered {
                phase: *phase,
                host: (*host).to_owned(),
                title: title(*phase),
                needs: needs.to_vec(),
                after: Vec::new(),
            })
            .collect(),
    }
}

fn begin(total: u64, plan: &[Row<'_>]) -> Vec<(u64, Event)> {
    let cluster = topologies::cluster(topologies::STACKED);
    let hosts = ["cp1", "w1"].map(str::to_owned).to_vec();
    let connected = |host: &str, ms| Event::HostConnected {
        host: host.to_owned(),
        ms,
    };
    let mut events = vec![
        (
            0,
            Event::RunStarted {
                command: "up".to_owned(),
                cluster: "home".to_owned(),
                hosts,
                note: None,
            },
        ),
        (
            0,
            Event::Inventory {
                topology: Box::new(Topology::of(&cluster)),
            },
        ),
        (300, connected("cp1", 290)),
        (400, connected("w1", 390)),
    ];
    events.push((
        1_900,
        Event::Planned {
            steps: plan.len(),
            changes: 9,
        },
    ));
    events.push((1_900, order(plan)));
    assert!(plan.iter().all(|(.., (_, until))| *until <= total));
    events
}

fn started(step: usize, row: &Row<'_>) -> (u64, Event) {
    let event = Event::StepStarted {
        step,
        phase: row.0,
        host: row.1.to_owned(),
        title: title(row.0),
    };
    (row.3.0, event)
}

fn finished(step: usize, row: &Row<'_>) -> (u64, Event) {
    let event = Event::StepFinished {
        step,
        phase: row.0,
        host: row.1.to_owned(),
        title: title(row.0),
        changed: vec![format!("create file /etc/{step}")],
        ms: row.3.1 - row.3.0,
    };
    (row.3.1, event)
}

fn end(at: u64, code: u8) -> (u64, Event) {
    let event = Event::RunFinished {
        code,
        message: "home is up".to_owned(),
        changed: 7,
        failed: usize::from(code > 0),
        skipped: 0,
        ms: at,
        mutating: 7,
        mutating_on: BTreeMap::new(),
        round_trips: BTreeMap::from([("cp1".to_owned(), 12), ("w1".to_owned(), 6)]),
    };
    (at, event)
}

fn good() -> Vec<(u64, Event)> {
    let mut events = begin(23_000, PLAN);
    for (step, row) in PLAN.iter().enumerate() {
        events.extend([started(step, row), finished(step, row)]);
    }
    events.push(end(23_000, 0));
    events
}

fn failure() -> FailureReport {
    FailureReport {
        message: "kubeadm init ended with status 1".to_owned(),
        command: "kubeadm init --config /dev/stdin".to_owned(),
        status: Some(1),
        output: vec![
            "<script>alert('from a host')</script>".to_owned(),
            "\u{1b}[31mport 6443 & 10250 are in use\u{1b}[0m\u{7}".to_owned(),
        ],
        journal: BTreeMap::from([(
            "kubelet.service".to_owned(),
            vec!["</pre><img src=x onerror=alert(1)>".to_owned()],
        )]),
        hint: "`ss -ltnp 'sport = :6443'` names who listens".to_owned(),
    }
}

/// The first control plane does not come up, and says things that a browser must not take for its own.
fn bad() -> Vec<(u64, Event)> {
    let mut events = begin(23_000, PLAN);
    for (step, row) in PLAN.iter().enumerate().take(4) {
        events.extend([started(step, row), finished(step, row)]);
    }
    events.push(started(4, &PLAN[4]));
    events.push((
        16_000,
        Event::StepFailed {
            step: 4,
            phase: PhaseId::Init,
            host: "cp1".to_owned(),
            title: title(PhaseId::Init),
            ms: 10_000,
            failure: failure(),
        },
    ));
    for (step, row) in PLAN.iter().enumerate().skip(5) {
        let event = Event::StepSkipped {
            step,
            phase: row.0,
            host: row.1.to_owned(),
            title: title(row.0),
            reason: "first control plane failed on cp1".to_owned(),
        };
        events.push((16_001, event));
    }
    events.push((
        16_100,
        Event::HostUnreachable {
            host: "w2\" onload=\"alert(1)".to_owned(),
            reason: "no answer within 10 s".to_owned(),
            hint: "is it switched on?".to_owned(),
        },
    ));
    events.push((
        16_200,
        Event::Findings {
            findings: vec![Finding {
                id: "swap",
                host: "w1".to_owned(),
                level: Level::Warning,
                found: "swap on /dev/<b>sda2</b>".to_owned(),
                needed: "no swap".to_owned(),
                fix: "nothing: `up` switches it off".to_owned(),
            }],
        },
    ));
    let text = "a note with <i>".to_owned();
    events.push((16_300, Event::Note { text }));
    events.push(end(17_000, 6));
    events
}

const RUN: &str = "1795248900-4711";

fn json(events: &[(u64, Event)]) -> String {
    let line = |(at, event): &(u64, Event)| json_line(RUN, *at, event) + "\n";
    events.iter().map(line).collect()
}

fn read(events: &[(u64, Event)]) -> Timeline {
    Timeline::read(&json(events)).unwrap()
}

#[test]
fn every_event_is_understood() {
    let ran = Event::HostRan {
        host: "cp1".to_owned(),
        status: Some(3),
        stdout: "out".to_owned(),
        stderr: "err".to_owned(),
        reason: None,
        ms: 100,
    };
    let progress = Event::StepProgress {
        step: 0,
        phase: PhaseId::Os,
        host: "cp1".to_owned(),
        text: "half".to_owned(),
    };
    let mut events = bad();
    events.extend([(900, ran), (950, progress)]);
    for line in json(&events).lines() {
        fits_the_schema(&serde_json::from_str(line).unwrap());
    }
    let timeline = read(&events);
    assert_eq!(timeline.unknown, 0);
    assert_eq!(
        (timeline.command.as_str(), timeline.cluster.as_str()),
        ("up", "home")
    );
    assert_eq!(timeline.started(), Some(1_795_248_900));
    assert_eq!(timeline.planned, Some(1_900));
    assert_eq!(timeline.end.as_ref().unwrap().code, 6);
    assert_eq!(timeline.hosts, ["cp1", "w1", "w2\" onload=\"alert(1)"]);
    assert_eq!(timeline.topology.as_ref().unwrap().machines.len(), 5);
    assert_eq!((timeline.findings.len(), timeline.notes.len()), (1, 1));
    let outcomes: Vec<&str> = timeline
        .steps
        .iter()
        .map(|step| match &step.outcome {
            Outcome::Open => "open",
            Outcome::Done => "done",
            Outcome::Failed(_) => "failed",
            Outcome::Skipped(_) => "skipped",
        })
        .collect();
    // Two connections, the plan's seven, the command of `exec`.
    let plan = [
        "done", "done", "done", "done", "failed", "skipped", "skipped",
    ];
    assert_eq!(
        outcomes,
        [&["done", "done"], &plan[..], &["failed"]].concat()
    );
    let [.., ran] = timeline.steps.as_slice() else {
        panic!()
    };
    assert_eq!((ran.begun, ran.ended), (Some(800), Some(900)));
}

#[test]
fn how_the_claims_of_a_verification_ended_is_told() {
    let held = Finding {
        id: "api",
        host: "cp1".to_owned(),
        level: Level::Passed,
        found: "https://10.0.0.10:6443/readyz answers".to_owned(),
        needed: String::new(),
        fix: String::new(),
    };
    let verified = Event::Verified {
        findings: vec![held],
    };
    let mut events = good();
    events.insert(1, (1, verified));
    let timeline = read(&events);
    let levels: Vec<_> = (timeline.findings.iter().map(|one| &*one.level)).collect();
    assert_eq!((levels, timeline.unknown), (vec!["passed"], 0));
}

#[test]
fn the_critical_path_leads_from_the_start_to_the_end_without_a_gap() {
    let timeline = read(&good());
    let path = critical_path(&timeline);
    let told: Vec<(String, u64, u64)> = path
        .iter()
        .map(|link| {
            let what = match link.what {
                What::Before => "before".to_owned(),
                What::After => "after".to_owned(),
                What::Turn(_) => "turn".to_owned(),
                What::Step(place) => {
                    let step = &timeline.steps[place];
                    format!("{} {}", step.host, step.phase)
                }
            };
            (what, link.from, link.until)
        })
        .collect();
    let expected = [
        ("before", 0, 2_000),
        ("cp1 os", 2_000, 5_000),
        ("cp1 images", 5_000, 6_000),
        ("cp1 init", 6_000, 16_000),
        ("turn", 16_000, 16_500),
        ("w1 join-worker", 16_500, 20_000),
        ("cp1 verify", 20_000, 21_000),
        ("after", 21_000, 23_000),
    ];
    let expected: Vec<_> = expected
        .iter()
        .map(|(what, from, until)| ((*what).to_owned(), *from, *until))
        .collect();
    assert_eq!(told, expected);
    let sum: u64 = path.iter().map(timeline::Link::ms).sum();
    assert_eq!(sum, timeline.total());
}

#[test]
fn the_critical_path_adds_up_however_the_run_ended() {
    let good = good();
    for events in [&good[..1], &good[..3], &good[..6], &good[..12], &bad()] {
        let timeline = read(events);
        let path = critical_path(&timeline);
        let sum: u64 = path.iter().map(timeline::Link::ms).sum();
        assert_eq!(sum, timeline.total(), "{} events: {path:?}", events.len());
        for two in path.windows(2) {
            assert_eq!(two[0].until, two[1].from, "{path:?}");
        }
    }
}

#[test]
fn a_step_that_was_left_out_is_no_end_of_the_chain() {
    // What `verify` needs was not begun: the chain goes on with what that had waited for.
    let mut events = begin(23_000, PLAN);
    for step in [0, 1, 2, 3, 4, 6] {
        events.extend([started(step, &PLAN[step]), finished(step, &PLAN[step])]);
    }
    events.push(end(23_000, 0));
    let timeline = read(&events);
    let names: Vec<&str> = critical_path(&timeline)
        .iter()
        .filter_map(|link| match link.what {
            What::Step(place) => Some(timeline.steps[place].phase.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(names, ["os", "images", "init", "verify"]);
}

#[test]
fn a_wait_names_what_was_waited_for() {
    let timeline = read(&good());
    let of = |place: usize| {
        let step = &timeline.steps[place];
        format!("{} {}", step.host, step.phase)
    };
    let told: Vec<_> = waits(&timeline, 50)
        .iter()
        .map(|wait| (of(wait.step), wait.cause.map(of), wait.from, wait.until))
        .collect();
    let (w1, cp1) = ("w1 join-worker".to_owned(), "cp1 verify".to_owned());
    assert_eq!(
        told,
        [
            // The steps' own beginnings lie 100 ms behind the plan.
            ("cp1 os".to_owned(), None, 1_900, 2_000),
            ("w1 os".to_owned(), None, 1_900, 2_000),
            (w1.clone(), Some("cp1 init".to_owned()), 4_500, 16_500),
            (cp1, Some(w1), 16_000, 20_000),
        ]
    );
}

#[test]
fn what_hosts_say_is_text_in_the_page_and_nothing_else() {
    let page = timeline::page(&read(&bad())).unwrap();
    for text in [
        "<script",
        "<img",
        "<b>",
        "<i>",
        "onload=\"",
        "\u{1b}",
        "\u{7}",
    ] {
        assert!(!page.contains(text), "{text}");
    }
    assert!(page.contains("&lt;script&gt;alert(&#x27;from a host&#x27;)&lt;&#x2f;script&gt;"));
    assert!(page.contains("port 6443 &amp; 10250 are in use?"));
    // Nothing is fetched, and nothing could be.
    let page = timeline::page(&read(&good())).unwrap();
    assert!(page.contains("default-src 'none'"));
    for text in ["http://", "https://", " src=", "@import", "url(h"] {
        assert!(!page.contains(text), "{text}");
    }
}

#[test]
fn the_page_of_a_run_that_failed() {
    insta::assert_snapshot!("page", timeline::page(&read(&bad())).unwrap());
}

#[test]
fn the_picture_shows_every_machine_the_endpoint_and_every_pool() {
    for (_, text) in topologies::ALL {
        let cluster = topologies::cluster(text);
        let topology = Topology::of(&cluster);
        let inventory = Event::Inventory {
            topology: Box::new(topology.clone()),
        };
        let page = timeline::page(&read(&[(0, inventory)])).unwrap();
        let shown = |name: &str| page.contains(&format!(">{name}</text>"));
        for machine in &topology.machines {
            assert!(
                shown(&machine.name) && shown(&machine.address),
                "{}",
                machine.name
            );
        }
        assert!(shown(&topology.endpoint.address), "{:?}", topology.endpoint);
        for pool in &topology.pools {
            assert!(
                page.contains(&format!(">pool {} (", pool.name)),
                "{}",
                pool.name
            );
        }
        assert_eq!(
            page.matches("<g><title>").count(),
            1 + topology.machines.len() + topology.pools.len() + topology.peers.len()
        );
    }
}

#[test]
fn the_page_of_a_run_that_was_killed_says_so() {
    let events = good();
    let page = timeline::page(&read(&events[..events.len() - 4])).unwrap();
    assert!(page.contains("cut short: the run was killed, or still runs"));
    assert!(page.contains("not ended when the run was cut short"));
    assert!(!page.contains("What went wrong"));
}

#[test]
fn a_log_is_read_as_the_lines_of_a_pipeline_are() {
    let log: String = json(&bad())
        .lines()
        .map(|line| {
            format!("2026-11-21T08-15-00Z {line}\n2026-11-21T08-15-00Z cp1 os: status 0, 12 ms\n")
        })
        .collect();
    // What a host said stands behind its name, and is no event, even where it looks like one.
    let forged = json_line(
        RUN,
        99_000,
        &Event::Note {
            text: "forged".to_owned(),
        },
    );
    let log = format!("{log}2026-11-21T08-15-00Z cp1 os| {forged}\n{forged}\n");
    assert_eq!(Timeline::read(&log).unwrap(), read(&bad()));
    // Of several runs in one file the last.
    let two = json(&bad()).replace(RUN, "1-1") + &json(&good());
    assert_eq!(Timeline::read(&two).unwrap(), read(&good()));
}

#[test]
fn lines_of_a_newer_program_are_counted_and_damaged_ones_do_no_harm() {
    let text = json(&good());
    let newer = "{\"run\":\"1795248900-4711\",\"at\":5,\"event\":\"made-up\",\"x\":1}\n";
    let huge = "{\"run\":\"1795248900-4711\",\"at\":5,\"event\":\"step-started\",\"step\":18446744073709551615,\"phase\":\"os\",\"host\":\"a\",\"title\":\"t\"}\n";
    let timeline = Timeline::read(&format!("{text}{newer}{huge}{{\nnot json\n")).unwrap();
    assert_eq!(timeline.unknown, 2);
    let page = timeline::page(&timeline).unwrap();
    assert!(page.contains("2 events of the log were not understood"));
    for nothing in [
        "",
        "hello\n",
        "{}\n",
        "2026-11-21T08-15-00Z {\"event\":\"note\",\"text\":\"a\"}\n",
    ] {
        let error = Timeline::read(nothing).unwrap_err().to_string();
        assert!(
            error.starts_with("none of its lines is an event"),
            "{error}"
        );
    }
}

/// The program with a state directory in which two runs of `home` and one of `away` are kept.
struct Desk(tempfile::TempDir);

const NAMES: [&str; 3] = [
    "2026-11-21T08-15-00Z-4711",
    "2026-11-21T09-15-00Z-4712",
    "2026-11-20T09-15-00Z-12",
];

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for (name, cluster, events) in [
            (NAMES[0], "home", good()),
            (NAMES[1], "home", bad()),
            (NAMES[2], "away", good()[..1].to_vec()),
        ] {
            let directory = desk.runs().join(cluster);
            fs::create_dir_all(&directory).unwrap();
            let text: String = json(&events)
                .lines()
                .map(|line| format!("2026-11-21T08-15-00Z {line}\n"))
                .collect();
            fs::write(directory.join(format!("{name}.log")), text).unwrap();
        }
        desk
    }

    fn runs(&self) -> std::path::PathBuf {
        self.0.path().join("state/baremetal/runs")
    }

    fn report(&self, arguments: &[&str]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baremetal"));
        command
            .arg("report")
            .args(arguments)
            .env("XDG_STATE_HOME", self.0.path().join("state"))
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        run(&mut command)
    }

    fn text(&self, file: impl AsRef<Path>) -> String {
        fs::read_to_string(self.0.path().join(file)).unwrap()
    }
}

#[test]
fn runs_are_listed_newest_first() {
    let desk = Desk::new();
    let list = desk.report(&[]).ok();
    assert_eq!(
        list.stdout,
        "\
RUN                        CLUSTER  COMMAND  TOOK   RESULT
2026-11-21T09-15-00Z-4712  home     up       17.0s  exit 6: home is up
2026-11-21T08-15-00Z-4711  home     up       23.0s  home is up
2026-11-20T09-15-00Z-12    away     up       1ms    cut short, or still running
"
    );
    let away = desk.report(&["--cluster", "away"]).ok();
    assert_eq!(away.stdout.lines().count(), 2, "{}", away.stdout);
}

#[test]
fn a_run_is_drawn_by_name_by_its_beginning_as_the_last_or_from_a_file() {
    let desk = Desk::new();
    let last = desk.report(&["--last"]).ok();
    assert_eq!(last.stdout, format!("{}.html\n", NAMES[1]));
    let file = desk.0.path().join(format!("{}.html", NAMES[1]));
    let mode = file.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "as private as the log");
    assert!(desk.text(&file).contains("home is up (exit code 6)"));
    desk.report(&["2026-11-21T08", "--out", "named.html"]).ok();
    assert!(
        desk.text("named.html")
            .contains("<p class=\"verdict done\">home is up</p>")
    );
    desk.report(&["--last", "--cluster", "away", "--out", "away.html"])
        .ok();
    assert!(desk.text("away.html").contains("cut short"));
    fs::write(desk.0.path().join("events.jsonl"), json(&good())).unwrap();
    let printed = desk.report(&["events.jsonl", "--out", "-"]).ok();
    assert_eq!(printed.stdout, desk.text("named.html"));
}

#[test]
fn what_cannot_be_drawn_is_refused_with_what_to_do() {
    let desk = Desk::new();
    fs::write(desk.0.path().join("shopping.txt"), "milk\n").unwrap();
    for (arguments, said) in [
        (
            &["2026-11-22"][..],
            "error: `2026-11-22` is neither a file nor the name of a run\n  \
             → 2026-11-21T09-15-00Z-4712, 2026-11-21T08-15-00Z-4711, 2026-11-20T09-15-00Z-12; `baremetal report` lists all\n",
        ),
        (
            &["2026-11-21"],
            "error: 2 runs begin with `2026-11-21`\n  \
             → 2026-11-21T09-15-00Z-4712, 2026-11-21T08-15-00Z-4711; `baremetal report` lists all\n",
        ),
        (
            &["shopping.txt"],
            "error: shopping.txt tells of no run: none of its lines is an event with its time, as the log of a run and \
             `--output json` have them\n  → `baremetal report` lists the runs that can be drawn\n",
        ),
        (
            &["--out", "x.html"],
            "error: which run is to be drawn in x.html?\n  → name one, or give `--last`; `baremetal report` lists them\n",
        ),
    ] {
        let refused = desk.report(arguments).code(2);
        assert_eq!(refused.stderr, said, "{arguments:?}");
        assert_eq!(refused.stdout, "");
    }
    let none = desk.report(&["--last", "--cluster", "hom"]).code(2);
    assert!(
        none.stderr.starts_with("error: no run of hom is kept in "),
        "{}",
        none.stderr
    );
    let both = desk.report(&["x", "--last"]).code(2);
    assert!(
        both.stderr.contains("cannot be used with"),
        "{}",
        both.stderr
    );
    let nowhere = desk.report(&["--last", "--out", "nowhere/x.html"]).code(1);
    assert!(
        nowhere.stderr.contains("nowhere/x.html cannot be written"),
        "{}",
        nowhere.stderr
    );
}
