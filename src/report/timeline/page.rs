//! The page: everything that the template prints, already in words.

use anyhow::Result;
use serde::Serialize;

use super::{
    Failed, Finding, Link, Outcome, Step, Timeline, What,
    chart::{Chart, chart},
    critical_path,
    picture::{Picture, picture},
    tables::{Line, Row, lines, rows},
};
use crate::{
    phases::{self, PhaseId},
    report::text::{count, duration, printable, time},
};

/// Lines of a command that are shown without a click.
const SHORT: usize = 12;

#[derive(Serialize)]
struct Page {
    title: String,
    /// `done`, `failed` or `cut`.
    state: &'static str,
    verdict: String,
    facts: Vec<(&'static str, String)>,
    unreachable: Vec<(String, String, String)>,
    failures: Vec<Failure>,
    skipped: Vec<(String, Vec<String>)>,
    chart: Chart,
    path: Vec<Piece>,
    path_note: String,
    picture: Option<Picture>,
    services: String,
    findings: Vec<Finding>,
    phases: Vec<Row>,
    steps: Vec<Line>,
    notes: Vec<(String, String)>,
    unknown: String,
}

#[derive(Serialize)]
struct Failure {
    title: String,
    at: String,
    why: String,
    hint: String,
    status: String,
    command: String,
    /// Whether the command is long enough to be folded away.
    long: bool,
    output: String,
    journals: Vec<(String, String)>,
}

/// A piece of the critical path.
#[derive(Serialize)]
struct Piece {
    class: &'static str,
    what: String,
    host: String,
    from: String,
    took: String,
    /// Of the longest piece, in hundredths, for the bar.
    share: String,
    /// Of the whole run.
    percent: String,
}

/// The run as one HTML file.
///
/// # Errors
/// Where the template does not fit what it is given, which a test would have shown.
pub fn page(timeline: &Timeline) -> Result<String> {
    let total = timeline.total();
    let path = critical_path(timeline);
    let longest = path.iter().map(Link::ms).max().unwrap_or(1);
    let (state, verdict) = verdict(timeline);
    let page = Page {
        title: printable(format!("{} {}", timeline.command, timeline.cluster).trim()),
        state,
        verdict,
        facts: facts(timeline),
        unreachable: unreachable(timeline),
        failures: timeline.steps.iter().filter_map(failure).collect(),
        skipped: skipped(timeline),
        chart: chart(timeline),
        path_note: path_note(timeline, &path),
        path: path
            .iter()
            // Gaps that nobody can see are counted in the note.
            .filter(|link| !matches!(link.what, What::Turn(_)) || link.ms() * 200 >= total)
            .map(|link| piece(timeline, link, longest))
            .collect(),
        picture: timeline.topology.as_ref().map(|it| picture(timeline, it)),
        services: timeline
            .topology
            .as_ref()
            .map(|topology| printable(&topology.services.join(", ")))
            .unwrap_or_default(),
        findings: timeline.findings.iter().map(clean).collect(),
        phases: rows(timeline),
        steps: lines(timeline),
        notes: timeline
            .notes
            .iter()
            .map(|(at, note)| (duration(*at), printable(note)))
            .collect(),
        unknown: if timeline.unknown == 0 {
            String::new()
        } else {
            format!(
                "{} of the log were not understood: a newer program wrote them",
                count(timeline.unknown, "event")
            )
        },
    };
    crate::templates::render("report/page.html.j2", page)
}

/// `join workers: join w1`, or the phase alone where the step is called like it.
pub(super) fn step_name(step: &Step) -> String {
    let phase = title_of(&step.phase);
    if step.title.is_empty() || step.title == phase || step.title == step.phase {
        phase
    } else {
        format!("{phase}: {}", step.title)
    }
}

pub(super) fn title_of(phase: &str) -> String {
    let known = serde_json::from_value::<PhaseId>(phase.into());
    known.map_or_else(|_| phase.to_owned(), |id| phases::title(id).to_owned())
}

fn verdict(timeline: &Timeline) -> (&'static str, String) {
    match &timeline.end {
        None => (
            "cut",
            "cut short: the run was killed, or still runs".to_owned(),
        ),
        Some(end) if end.code == 0 => ("done", printable(&end.message)),
        Some(end) => (
            "failed",
            format!("{} (exit code {})", printable(&end.message), end.code),
        ),
    }
}

fn facts(timeline: &Timeline) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(started) = timeline.started() {
        facts.push(("began", time(started)));
    }
    facts.push(("took", duration(timeline.total())));
    facts.push(("hosts", timeline.hosts.len().to_string()));
    if let Some(end) = &timeline.end {
        facts.push(("changed", end.changed.to_string()));
        if end.failed > 0 {
            facts.push(("failed", end.failed.to_string()));
        }
        if end.skipped > 0 {
            facts.push(("not started", end.skipped.to_string()));
        }
        let trips: usize = end.round_trips.values().sum();
        if trips > 0 {
            facts.push(("scripts sent", trips.to_string()));
        }
    }
    if let Some(topology) = &timeline.topology {
        facts.push(("Kubernetes", printable(&topology.kubernetes)));
    }
    facts.push(("run", printable(&timeline.run)));
    facts
}

fn unreachable(timeline: &Timeline) -> Vec<(String, String, String)> {
    let of = |text: &String| printable(text);
    timeline
        .unreachable
        .iter()
        .map(|one| (of(&one.host), of(&one.reason), of(&one.hint)))
        .collect()
}

fn failure(step: &Step) -> Option<Failure> {
    let Outcome::Failed(failed) = &step.outcome else {
        return None;
    };
    let Failed {
        message,
        command,
        status,
        output,
        journal,
        hint,
    } = failed.as_ref();
    Some(Failure {
        title: printable(&format!("{} on {}", step_name(step), step.host)),
        at: duration(step.ended.unwrap_or_default()),
        why: printable(message),
        hint: printable(hint),
        status: status.map(|status| status.to_string()).unwrap_or_default(),
        long: command.lines().count() > SHORT,
        command: printable(command),
        output: printable(&output.join("\n")),
        journals: journal
            .iter()
            .map(|(unit, lines)| (printable(unit), printable(&lines.join("\n"))))
            .collect(),
    })
}

/// What was not started, by reason.
fn skipped(timeline: &Timeline) -> Vec<(String, Vec<String>)> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    for step in &timeline.steps {
        let Outcome::Skipped(reason) = &step.outcome else {
            continue;
        };
        let name = printable(&format!("{} on {}", step_name(step), step.host));
        let reason = printable(reason);
        match all.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, steps)) => steps.push(name),
            None => all.push((reason, vec![name])),
        }
    }
    all
}

fn piece(timeline: &Timeline, link: &Link, longest: u64) -> Piece {
    let (class, what, host) = match link.what {
        What::Before if timeline.planned.is_none() => {
            ("around", "connect and look".to_owned(), String::new())
        }
        What::Before => (
            "around",
            "before: connect, look, plan, lock".to_owned(),
            String::new(),
        ),
        What::After => ("around", "after: a last look".to_owned(), String::new()),
        What::Turn(place) => (
            "turn",
            "ready, and waiting for its turn".to_owned(),
            timeline.steps[place].host.clone(),
        ),
        What::Step(place) => {
            let step = &timeline.steps[place];
            ("step", step_name(step), step.host.clone())
        }
    };
    let of_all = link.ms() * 1_000 / timeline.total();
    let share = link.ms() * 1_000 / longest.max(1);
    Piece {
        class,
        what: printable(&what),
        host: printable(&host),
        from: duration(link.from),
        took: duration(link.ms()),
        share: format!("{}.{}", share / 10, share % 10),
        percent: format!("{} %", (of_all + 5) / 10),
    }
}

fn path_note(timeline: &Timeline, path: &[Link]) -> String {
    let sum = |wanted: fn(&What) -> bool| {
        let ms: u64 = path
            .iter()
            .filter(|link| wanted(&link.what))
            .map(Link::ms)
            .sum();
        duration(ms)
    };
    let steps = path
        .iter()
        .filter(|link| matches!(link.what, What::Step(_)));
    match steps.count() {
        0 => "No step was run.".to_owned(),
        steps => format!(
            "{}{} took {}; waiting for turns between them {}, everything around them {}; in all {}. \
             Only what stands here could have made the run shorter.",
            count(steps, "step"),
            if steps == 1 {
                ""
            } else {
                " one after the other"
            },
            sum(|what| matches!(what, What::Step(_))),
            sum(|what| matches!(what, What::Turn(_))),
            sum(|what| matches!(what, What::Before | What::After)),
            duration(timeline.total())
        ),
    }
}

fn clean(finding: &Finding) -> Finding {
    Finding {
        id: printable(&finding.id),
        host: printable(&finding.host),
        level: printable(&finding.level),
        found: printable(&finding.found),
        needed: printable(&finding.needed),
        fix: printable(&finding.fix),
    }
}
