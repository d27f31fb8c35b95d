//! What a user reads: every rendering of one run, whole, at 80 and at 160 columns.

#![allow(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test may panic; the sample run is one list of events"
)]

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use baremetal::{
    phases::{
        PhaseId,
        preflight::{Finding, Level},
    },
    plan::{Action, Plan, Step, Work},
    remote::Script,
    report::{self, Event, FailureReport, PlanStyle, Render},
    resources::{Change, Package, Resource, SwapOff},
};
use indicatif::InMemoryTerm;

const RESUME: &str = "baremetal up inventory.yaml --parallel 5";

/// A run in which a step succeeds, one fails, one is skipped, and a host does not answer.
fn run() -> Vec<(u64, Event)> {
    let step =
        |step, phase, host: &str, title: &str| (step, phase, host.to_owned(), title.to_owned());
    let (a, b) = (
        step(0, PhaseId::Os, "cp1", "operating system"),
        step(
            1,
            PhaseId::LoadBalancer,
            "worker-1",
            "load balancer and virtual IP",
        ),
    );
    let started =
        |(step, phase, host, title): &(usize, PhaseId, String, String)| Event::StepStarted {
            step: *step,
            phase: *phase,
            host: host.clone(),
            title: title.clone(),
        };
    let skipped = |number, host: &str| Event::StepSkipped {
        step: number,
        phase: PhaseId::JoinWorker,
        host: host.to_owned(),
        title: "join with kubeadm".to_owned(),
        reason: "load balancer and virtual IP failed on worker-1".to_owned(),
    };
    vec![
        (
            0,
            Event::RunStarted {
                command: "up".to_owned(),
                cluster: "home".to_owned(),
                hosts: ["cp1", "worker-1", "w2"].map(str::to_owned).to_vec(),
                note: Some("stand-in bundle: no real Kubernetes".to_owned()),
            },
        ),
        (
            312,
            Event::HostConnected {
                host: "cp1".to_owned(),
                ms: 312,
            },
        ),
        (
            5_012,
            Event::HostUnreachable {
                host: "w2".to_owned(),
                reason: "no answer from 10.0.0.22 port 22 within 5 s".to_owned(),
                hint: "is it switched on? try `ssh ops@10.0.0.22`".to_owned(),
            },
        ),
        (
            5_300,
            Event::Findings {
                findings: vec![Finding {
                    id: "swap",
                    host: "cp1".to_owned(),
                    level: Level::Warning,
                    found: "swap on /dev/sda2".to_owned(),
                    needed: "no swap".to_owned(),
                    fix: "nothing: `up` switches it off".to_owned(),
                }],
            },
        ),
        (
            5_400,
            Event::Planned {
                steps: 4,
                changes: 23,
            },
        ),
        (5_401, started(&a)),
        (5_402, started(&b)),
        (
            6_000,
            Event::StepProgress {
                step: 1,
                phase: b.1,
                host: b.2.clone(),
                text: "installing haproxy, keepalived".to_owned(),
            },
        ),
        (
            65_000,
            Event::StepFinished {
                step: 0,
                phase: a.1,
                host: a.2,
                title: a.3,
                changed: vec![
                    "install package conntrack".to_owned(),
                    "create file /etc/sysctl.d/90-kubernetes.conf".to_owned(),
                ],
                ms: 59_599,
            },
        ),
        (
            66_000,
            Event::StepFailed {
                step: 1,
                phase: b.1,
                host: b.2,
                title: b.3,
                ms: 60_598,
                failure: failure(),
            },
        ),
        (66_001, skipped(2, "worker-1")),
        (66_002, skipped(3, "w2")),
        (
            66_100,
            Event::RunFinished {
                code: 6,
                message: "home is not complete".to_owned(),
                changed: 2,
                failed: 2,
                skipped: 2,
                ms: 66_100,
                mutating: 2,
                mutating_on: [("cp1".to_owned(), 2)].into(),
                round_trips: BTreeMap::from([("cp1".to_owned(), 4)]),
            },
        ),
    ]
}

fn failure() -> FailureReport {
    FailureReport {
        message: "haproxy.service did not start".to_owned(),
        command: "systemctl start haproxy.service".to_owned(),
        status: Some(1),
        output: vec![
            "Job for haproxy.service failed because the control process exited with error code.".to_owned(),
            "See \"systemctl status haproxy.service\" & \"journalctl -xeu haproxy.service\".\u{1b}[0m".to_owned(),
        ],
        journal: BTreeMap::from([(
            "haproxy.service".to_owned(),
            vec!["[ALERT] (812) : Starting frontend api: cannot bind socket (Address already in use) [0.0.0.0:6443]".to_owned()],
        )]),
        hint: "another program listens on port 6443: `ss -ltnp 'sport = :6443'` names it; stop it or choose another port for the endpoint".to_owned(),
    }
}

/// A place to write to that can be read while the writer lives.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn play(renderer: &mut dyn Render, events: &[(u64, Event)]) {
    for (ms, event) in events {
        renderer.event(*ms, event).unwrap();
    }
}

#[test]
fn plain_lines_have_no_control_codes() {
    for verbose in [false, true] {
        let out = Shared::default();
        play(
            &mut report::Plain::new(out.clone(), verbose).resume(RESUME),
            &run(),
        );
        assert!(!out.text().contains(|c: char| c.is_control() && c != '\n'));
        insta::assert_snapshot!(format!("plain-verbose-{verbose}"), out.text());
    }
}

#[test]
fn progress_lines_are_not_a_flood() {
    let out = Shared::default();
    let mut plain = report::Plain::new(out.clone(), false);
    for ms in (0..25_000).step_by(100) {
        let event = Event::StepProgress {
            step: 1,
            phase: PhaseId::Images,
            host: "cp1".to_owned(),
            text: format!("{ms} bytes"),
        };
        plain.event(ms, &event).unwrap();
    }
    assert_eq!(out.text().lines().count(), 3);
}

fn look(width: u16, color: bool, unicode: bool) -> report::Look {
    report::Look {
        color,
        unicode,
        width: width.into(),
        height: 40,
    }
}

#[test]
fn the_live_view_shows_running_steps_below_finished_ones() {
    let events = run();
    for width in [80, 160] {
        let term = InMemoryTerm::new(40, width);
        let look = look(width, false, true);
        let mut terminal = report::Terminal::on(Box::new(term.clone()), look, false).resume(RESUME);
        play(&mut terminal, &events[..8]);
        std::thread::sleep(Duration::from_millis(250));
        // The spinner turns with the clock; every other character stands still.
        let live: String = term
            .contents()
            .chars()
            .map(|c| {
                if ('\u{2800}'..='\u{28ff}').contains(&c) {
                    '*'
                } else {
                    c
                }
            })
            .collect();
        insta::assert_snapshot!(format!("terminal-live-{width}"), live);
        play(&mut terminal, &events[8..]);
        terminal.finish().unwrap();
        insta::assert_snapshot!(format!("terminal-end-{width}"), term.contents());
    }
}

#[test]
fn the_live_view_works_without_colour_and_without_unicode() {
    for (color, unicode) in [(false, false), (true, true)] {
        let term = InMemoryTerm::new(60, 100);
        let look = look(100, color, unicode);
        let mut terminal = report::Terminal::on(Box::new(term.clone()), look, true);
        play(&mut terminal, &run());
        let drawn = String::from_utf8(term.contents_formatted()).unwrap();
        assert_eq!(drawn.contains("\u{1b}[32m"), color, "{drawn}");
        assert_eq!(term.contents().is_ascii(), !unicode, "{}", term.contents());
        assert!(
            term.contents()
                .contains("create file /etc/sysctl.d/90-kubernetes.conf")
        );
    }
}

#[test]
fn more_running_steps_than_lines_are_counted() {
    let term = InMemoryTerm::new(12, 80);
    let small = report::Look {
        height: 12,
        ..look(80, false, true)
    };
    let mut terminal = report::Terminal::on(Box::new(term.clone()), small, false);
    terminal
        .event(
            0,
            &Event::Planned {
                steps: 200,
                changes: 200,
            },
        )
        .unwrap();
    for step in 0..200 {
        let event = Event::StepStarted {
            step,
            phase: PhaseId::Os,
            host: format!("node-{step}"),
            title: "operating system".to_owned(),
        };
        terminal.event(1, &event).unwrap();
    }
    std::thread::sleep(Duration::from_millis(250));
    let shown = term.contents();
    assert!(
        shown.contains("0 of 200 steps, 194 more running"),
        "{shown}"
    );
    assert_eq!(shown.matches("operating system").count(), 6, "{shown}");
}

#[test]
fn json_lines_fit_their_schema() {
    let out = Shared::default();
    play(&mut report::Json::new(out.clone(), "1-2"), &run());
    insta::assert_snapshot!("events", out.text());
    let schema = report::events_schema().to_value();
    let variants = schema["oneOf"].as_array().unwrap();
    for line in out.text().lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let variant = variants
            .iter()
            .find(|variant| variant["properties"]["event"]["const"] == line["event"])
            .unwrap_or_else(|| panic!("no schema for {line}"));
        let known = |key: &String| {
            schema["properties"].get(key).is_some() || variant["properties"].get(key).is_some()
        };
        for key in line.as_object().unwrap().keys() {
            assert!(known(key), "{key} of {line} is not in the schema");
        }
        for key in variant["required"].as_array().unwrap() {
            assert!(
                line.get(key.as_str().unwrap()).is_some(),
                "{line} lacks {key}"
            );
        }
    }
}

#[test]
fn junit_has_a_case_per_step() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("up.xml");
    let mut junit = report::Junit::new(path.clone());
    let events = run();
    // Cut short: what had not ended is an error, and the file is there and whole.
    play(&mut junit, &events[..7]);
    junit.finish().unwrap();
    let cut = std::fs::read_to_string(&path).unwrap();
    assert_eq!(cut.matches("<error ").count(), 2, "{cut}");
    assert!(cut.ends_with("</testsuites>\n"));
    play(&mut junit, &events[7..]);
    junit.finish().unwrap();
    insta::assert_snapshot!("junit", std::fs::read_to_string(&path).unwrap());
}

#[test]
fn junit_tells_what_was_not_checked_from_what_passed() {
    let finding = |id: &'static str, level: Level| Finding {
        id,
        host: "w1".into(),
        level,
        found: format!("found {id}"),
        needed: "needed".into(),
        fix: "fix & more".into(),
    };
    let findings = vec![
        finding("clock", Level::Warning),
        finding("ports", Level::Skipped),
        finding("mtu", Level::Passed),
    ];
    let mut junit = report::Junit::new("unused-levels.xml".into());
    play(&mut junit, &[(0, Event::Findings { findings })]);
    std::fs::remove_file("unused-levels.xml").ok();
    let text = junit.render();
    let totals = "tests=\"3\" failures=\"0\" errors=\"0\" skipped=\"1\"";
    assert!(text.contains(totals), "{text}");
    for case in [
        "name=\"clock\" time=\"0.000\"><system-out>warning: found clock\nneeded: needed\nfix: fix &amp; more</system-out></testcase>",
        "name=\"ports\" time=\"0.000\"><skipped message=\"found ports\"/></testcase>",
        "name=\"mtu\" time=\"0.000\"/>",
    ] {
        assert!(text.contains(case), "{text}");
    }
}

#[test]
fn junit_of_a_run_that_stopped_is_red_and_of_found_changes_is_not() {
    let ended = |code: u8| {
        let mut junit = report::Junit::new("unused-codes.xml".into());
        let event = Event::RunFinished {
            code,
            message: "refused".into(),
            changed: 0,
            failed: 0,
            skipped: 0,
            ms: 0,
            mutating: 0,
            mutating_on: BTreeMap::new(),
            round_trips: BTreeMap::new(),
        };
        play(&mut junit, &[(0, event)]);
        std::fs::remove_file("unused-codes.xml").ok();
        junit.render()
    };
    for code in [0, 7] {
        assert!(ended(code).contains("tests=\"0\" failures=\"0\""));
    }
    for code in [3, 5, 8, 9, 130] {
        let text = ended(code);
        let message = format!("<failure message=\"exit code {code}: refused\"");
        assert!(text.contains(&message), "{text}");
    }
}

#[tokio::test]
async fn the_junit_file_is_written_when_every_reporter_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("up.xml");
    let (reporter, receiver) = report::Reporter::new();
    let handle = report::spawn(report::Format::Plain, receiver, false, Some(path.clone()));
    for (_, event) in run().into_iter().take(6) {
        reporter.send(event);
    }
    drop(reporter);
    handle.await.unwrap().unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().contains("<error "));
}

#[tokio::test]
async fn a_junit_file_that_cannot_be_written_is_said_at_the_end() {
    let (reporter, receiver) = report::Reporter::new();
    let missing = Some("/nonexistent/up.xml".into());
    let handle = report::spawn(report::Format::Plain, receiver, false, missing);
    reporter.note("still running");
    drop(reporter);
    let error = handle.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("/nonexistent"), "{error}");
}

fn change(verb: &'static str, summary: &str, diff: Option<&str>) -> Change {
    let name = summary
        .split(' ')
        .next_back()
        .unwrap_or_default()
        .to_owned();
    let resource = if summary.starts_with("package") {
        Resource::Package(Package {
            name,
            or: Vec::new(),
        })
    } else {
        Resource::SwapOff(SwapOff)
    };
    Change {
        resource,
        verb,
        summary: summary.to_owned(),
        diff: diff.map(str::to_owned),
    }
}

fn sample_plan() -> Plan {
    let os = vec![
        change("install", "package conntrack", None),
        change("install", "package haproxy", None),
        change("install", "package keepalived", None),
        change(
            "update",
            "file /etc/sysctl.d/90-kubernetes.conf",
            Some(
                "--- live\n+++ wanted\n@@ -1,2 +1,2 @@\n net.ipv4.ip_forward = 1\n-vm.overcommit_memory = 0\n+vm.overcommit_memory = 1\n",
            ),
        ),
        change("set", "sysctl vm.overcommit_memory = 1", None),
        change("restart", "service haproxy.service", None),
    ];
    let step = |phase, host: &str, work| Step {
        phase,
        host: host.to_owned(),
        needs: Vec::new(),
        after: Vec::new(),
        work,
    };
    let init = Action {
        id: "kubeadm-init".to_owned(),
        title: "initialise the control plane with kubeadm".to_owned(),
        detail: vec!["endpoint 10.0.0.10:6443".to_owned()],
        script: Script::change("kubeadm-init", ""),
        units: Vec::new(),
        hint: String::new(),
    };
    Plan {
        steps: vec![
            step(PhaseId::Os, "cp1", Work::Apply(os.clone())),
            step(PhaseId::Os, "cp2", Work::Apply(os)),
            step(
                PhaseId::Os,
                "w1",
                Work::Apply(vec![change("disable", "swap", None)]),
            ),
            step(PhaseId::Init, "cp1", Work::Run(Box::new(init))),
        ],
        notes: vec![
            "w2 did not answer and is left out: no answer from 10.0.0.22 port 22 within 5 s"
                .to_owned(),
        ],
    }
}

#[test]
fn a_plan_reads_in_execution_order() {
    for width in [80, 160] {
        let style = PlanStyle {
            width,
            ..PlanStyle::default()
        };
        insta::assert_snapshot!(format!("plan-{width}"), report::plan(&sample_plan(), style));
    }
    let short = PlanStyle {
        diffs: false,
        ..PlanStyle::default()
    };
    let text = report::plan(&sample_plan(), short);
    assert!(!text.contains("@@"));
    let coloured = PlanStyle {
        color: true,
        ..PlanStyle::default()
    };
    let text = report::plan(&sample_plan(), coloured);
    assert!(
        text.contains("\u{1b}[32m+vm.overcommit_memory = 1\u{1b}[0m"),
        "{text}"
    );
    assert_eq!(report::plan(&Plan::default(), short), "nothing to do\n");
}

#[test]
fn findings_are_grouped_and_fit_the_width() {
    let finding = |id, host: &str, level, found: &str, needed: &str, fix: &str| Finding {
        id,
        host: host.to_owned(),
        level,
        found: found.to_owned(),
        needed: needed.to_owned(),
        fix: fix.to_owned(),
    };
    let swap = |host| {
        finding(
            "swap",
            host,
            Level::Warning,
            "swap on /dev/sda2",
            "no swap",
            "nothing: `up` switches it off; `system.swap: allow` keeps it",
        )
    };
    let port = finding(
        "port-6443",
        "worker-1",
        Level::Failure,
        "port 6443 is in use by nginx (pid 812)",
        "a free port for the load balancer of the API",
        "stop nginx, or set `endpoint.port`: /very/long/path/that/cannot/be/broken/at/any/space/whatsoever/in/it.conf",
    );
    let all = [swap("cp1"), port, swap("cp2")];
    for width in [80, 160] {
        let text = report::findings(&all, width);
        insta::assert_snapshot!(format!("findings-{width}"), text);
    }
    let widest = |text: &str| text.lines().map(console::measure_text_width).max();
    assert!(widest(&report::findings(&all, 160)) <= Some(160));
    assert!(widest(&report::findings(&all, 100)) <= Some(100));
    assert_eq!(report::findings(&[], 80), "");
}

/// A cluster with everything that the summary can speak of.
const INVENTORY: &str = "
cluster: home
kubernetes: 1.33.4
endpoint: 10.0.0.10
metallb: 10.0.0.200-10.0.0.219
longhorn: true
harbor: {host: registry.home, address: 10.0.0.200, admin-password: {env: HARBOR}}
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21, role: worker}
";

#[test]
fn the_summary_says_what_there_is_and_what_to_do_next() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("my inventory.yaml");
    std::fs::write(&file, INVENTORY).unwrap();
    let cluster = baremetal::inventory::load(&file).unwrap_or_else(|error| panic!("{error:#}"));
    let text = report::summary(&cluster, &file.with_extension("kubeconfig"));
    let text = text.replace(&directory.path().display().to_string(), "DIR");
    insta::assert_snapshot!("summary", text);
}

#[test]
fn a_check_that_was_not_made_is_said_to_be_skipped() {
    let skipped = Finding {
        id: "wire",
        host: "w1".to_owned(),
        level: Level::Skipped,
        found: "not checked: no python3".to_owned(),
        needed: "Python".to_owned(),
        fix: "install it".to_owned(),
    };
    let text = report::findings(&[skipped], 80);
    let expected = "skip wire on w1\n     found   not checked: no python3\n     needed  Python\n     fix     install it\n\n\
                    1 not checked; `--skip-check ID` leaves a check out\n";
    assert_eq!(text, expected);
}
