//! The hosts as lanes on a time axis: where every bar lies. Units are those of the drawing's `viewBox`.

use serde::Serialize;

use super::{
    Outcome, Step, Timeline, Wait, What,
    axis::{BAR, LANE_GAP, Rows, Scale, Tick, WIDTH, at},
    critical_path, waits,
};
use crate::report::text::{duration, printable};

/// Width of a letter of the labels on bars.
const LETTER: f64 = 6.1;

/// Lanes that fit a screen.
const MANY: usize = 12;

/// Coordinates are texts: they are printed as they are.
#[derive(Debug, Default, Serialize)]
pub(super) struct Chart {
    width: String,
    height: String,
    bottom: String,
    /// Where the times stand again below many lanes; empty where the upper ones are near enough.
    foot: String,
    lanes: Vec<Lane>,
    ticks: Vec<Tick>,
    waits: Vec<Bar>,
    bars: Vec<Bar>,
    /// `M x y L x y …` along the critical path.
    path: String,
    legend: Vec<Kind>,
}

#[derive(Debug, Serialize)]
struct Lane {
    name: String,
    /// `failed`, `unreachable` or nothing.
    class: &'static str,
    y: String,
    height: String,
    middle: String,
    odd: bool,
    width: String,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    class: String,
    /// What is shown when the pointer rests on it, and read to those who do not see it.
    title: String,
    /// On the bar, where it fits.
    label: String,
    label_x: String,
    label_y: String,
    critical: bool,
}

/// What a colour stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Kind {
    class: &'static str,
    name: &'static str,
}

const KINDS: [(Kind, &[&str]); 9] = [
    (
        kind("k-host", "hosts"),
        &["os", "runtime", "binaries", "control-plane-files"],
    ),
    (kind("k-images", "images"), &["images"]),
    (kind("k-balancer", "load balancer"), &["load-balancer"]),
    (
        kind("k-plane", "control planes"),
        &["init", "join-control-plane", "leave-etcd"],
    ),
    (kind("k-worker", "workers"), &["join-worker", "settings"]),
    (
        kind("k-cluster", "through the API"),
        &[
            "configuration",
            "network",
            "node-metadata",
            "strict-arp",
            "dns",
            "cordon",
            "uncordon",
            "delete-node",
        ],
    ),
    (
        kind("k-service", "services"),
        &["metallb", "storage", "add-ons", "move-replicas", "drain"],
    ),
    (
        kind("k-look", "connect, verify"),
        &["connect", "facts", "preflight", "verify"],
    ),
    (kind("k-host", "commands"), &["exec"]),
];
const OTHER: Kind = kind("k-other", "other");

const fn kind(class: &'static str, name: &'static str) -> Kind {
    Kind { class, name }
}

fn kind_of(phase: &str) -> Kind {
    KINDS
        .iter()
        .find(|(_, phases)| phases.contains(&phase))
        .map_or(OTHER, |(kind, _)| *kind)
}

/// A lane per host; steps of one host that ran at the same time lie below each other.
pub(super) fn chart(timeline: &Timeline) -> Chart {
    let path = critical_path(timeline);
    let scale = Scale::of(timeline);
    let rows = Rows::of(timeline);
    let mut chart = Chart {
        width: at(WIDTH),
        ticks: scale.ticks(),
        path: scale.path(&path, &rows),
        ..Chart::default()
    };
    for (index, name) in timeline.hosts.iter().enumerate() {
        let (y, height) = rows.lane(index);
        chart.lanes.push(Lane {
            name: printable(name),
            class: state(timeline, name),
            y: at(y - LANE_GAP / 2.0),
            height: at(height + LANE_GAP),
            middle: at(y + height / 2.0 + 4.0),
            odd: index % 2 == 1,
            width: at(WIDTH),
        });
    }
    chart.bottom = at(rows.bottom);
    let tall = timeline.hosts.len() > MANY;
    if tall {
        chart.foot = at(rows.bottom + 16.0);
    }
    chart.height = at(rows.bottom + if tall { 26.0 } else { 8.0 });
    let least = timeline.total() / 200 + 50;
    for wait in waits(timeline, least) {
        chart.waits.push(wait_bar(timeline, &wait, &scale, &rows));
    }
    for (place, step, begun) in timeline.begun() {
        let critical = path.iter().any(|link| link.what == What::Step(place));
        let bar = step_bar(timeline, step, begun, &scale, rows.y(place));
        chart.bars.push(Bar { critical, ..bar });
    }
    let used = |kind: &Kind| {
        timeline
            .begun()
            .any(|(_, step, _)| kind_of(&step.phase) == *kind)
    };
    chart.legend = KINDS
        .iter()
        .map(|(kind, _)| *kind)
        .chain([OTHER])
        .filter(used)
        .collect();
    chart
}

/// What became of a host, for the colour of its name.
pub(super) fn state(timeline: &Timeline, host: &str) -> &'static str {
    let of_host = || timeline.steps.iter().filter(|step| step.host == host);
    if timeline.unreachable.iter().any(|one| one.host == host) {
        "unreachable"
    } else if of_host().any(|step| matches!(step.outcome, Outcome::Failed(_))) {
        "failed"
    } else if of_host().any(|step| !step.changed.is_empty()) {
        "changed"
    } else {
        ""
    }
}

fn step_bar(timeline: &Timeline, step: &Step, begun: u64, scale: &Scale, y: f64) -> Bar {
    let end = timeline.end_of(step);
    let (x, width) = scale.span(begun, end);
    let (state, said) = match &step.outcome {
        Outcome::Failed(failed) => (" failed", format!("\nFAILED: {}", failed.message)),
        Outcome::Open => (" open", "\nnot ended when the run was cut short".to_owned()),
        _ => ("", String::new()),
    };
    let name = super::page::step_name(step);
    let label = if fits(&step.title, width) {
        printable(&step.title)
    } else if fits(&step.phase, width) {
        step.phase.clone()
    } else {
        String::new()
    };
    Bar {
        x: at(x),
        y: at(y),
        width: at(width),
        height: at(BAR),
        class: format!("{}{state}", kind_of(&step.phase).class),
        title: printable(&format!(
            "{name}\n{}: {} to {}, {}{said}",
            step.host,
            duration(begun),
            duration(end),
            duration(end.saturating_sub(begun))
        )),
        label,
        label_x: at(x + 5.0),
        label_y: at(y + 13.0),
        critical: false,
    }
}

fn fits(label: &str, width: f64) -> bool {
    let letters = u32::try_from(console::measure_text_width(label)).unwrap_or(u32::MAX);
    f64::from(letters) * LETTER + 8.0 <= width
}

fn wait_bar(timeline: &Timeline, wait: &Wait, scale: &Scale, rows: &Rows) -> Bar {
    let (x, width) = scale.span(wait.from, wait.until);
    let step = &timeline.steps[wait.step];
    let took = duration(wait.until - wait.from);
    let title = match wait.cause.map(|cause| &timeline.steps[cause]) {
        Some(cause) => format!(
            "{}: waited {took} for {} on {}",
            step.host,
            super::page::step_name(cause),
            cause.host
        ),
        None => format!("{}: waited {took} for its turn", step.host),
    };
    Bar {
        x: at(x),
        y: at(rows.y(wait.step) + BAR / 2.0 - 3.0),
        width: at(width),
        height: at(6.0),
        class: "wait".to_owned(),
        title: printable(&title),
        label: String::new(),
        label_x: String::new(),
        label_y: String::new(),
        critical: false,
    }
}
