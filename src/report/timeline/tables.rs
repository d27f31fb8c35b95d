//! The tables of a page: phases, and all steps.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Outcome, Step, Timeline,
    page::{step_name, title_of},
};
use crate::{
    phases::{self, PHASES},
    report::text::{duration, printable},
};

/// A phase in all.
#[derive(Serialize)]
pub(super) struct Row {
    name: String,
    steps: String,
    changes: String,
    span: String,
    longest: String,
}

/// A step in the list of all.
#[derive(Serialize)]
pub(super) struct Line {
    class: &'static str,
    host: String,
    name: String,
    from: String,
    took: String,
    outcome: String,
    changed: Vec<String>,
}

/// A step with its beginning and its end.
type Span<'a> = (&'a Step, u64, u64);

/// Phases in the order of the table, others behind.
pub(super) fn rows(timeline: &Timeline) -> Vec<Row> {
    let mut by_phase: BTreeMap<(usize, &str), Vec<Span<'_>>> = BTreeMap::new();
    for (_, step, begun) in timeline.begun() {
        let place = PHASES
            .iter()
            .position(|row| phases::name(row.id) == step.phase);
        let place = match step.phase.as_str() {
            "connect" => 0,
            _ => place.map_or(usize::MAX, |place| place + 1),
        };
        let steps = by_phase.entry((place, &step.phase)).or_default();
        steps.push((step, begun, timeline.end_of(step)));
    }
    by_phase
        .into_iter()
        .map(|((_, phase), steps)| {
            let begun = steps.iter().map(|(_, begun, _)| *begun).min().unwrap_or(0);
            let ended = steps.iter().map(|(.., ended)| *ended).max().unwrap_or(0);
            let took = |(_, begun, ended): &Span<'_>| ended.saturating_sub(*begun);
            let longest = steps.iter().max_by_key(|step| took(step));
            let changes: usize = steps.iter().map(|(step, ..)| step.changed.len()).sum();
            Row {
                name: title_of(phase),
                steps: steps.len().to_string(),
                changes: changes.to_string(),
                span: duration(ended.saturating_sub(begun)),
                longest: longest
                    .map(|step| format!("{} on {}", duration(took(step)), printable(&step.0.host)))
                    .unwrap_or_default(),
            }
        })
        .collect()
}

/// Every step, as it began; those that were not begun last.
pub(super) fn lines(timeline: &Timeline) -> Vec<Line> {
    let mut steps: Vec<&Step> = timeline
        .steps
        .iter()
        .filter(|step| step.phase != "connect")
        .collect();
    steps.sort_by_key(|step| step.begun.unwrap_or(u64::MAX));
    steps
        .into_iter()
        .map(|step| {
            let (class, outcome) = match (&step.outcome, step.begun) {
                (Outcome::Done, _) => ("", "done".to_owned()),
                (Outcome::Failed(failed), _) => ("failed", format!("failed: {}", failed.message)),
                (Outcome::Skipped(reason), _) => ("skipped", format!("not started: {reason}")),
                (Outcome::Open, Some(_)) => ("open", "not ended".to_owned()),
                (Outcome::Open, None) => ("skipped", "not started".to_owned()),
            };
            Line {
                class,
                host: printable(&step.host),
                name: printable(&step_name(step)),
                from: step.begun.map(duration).unwrap_or_default(),
                took: step
                    .begun
                    .map(|begun| duration(timeline.end_of(step).saturating_sub(begun)))
                    .unwrap_or_default(),
                outcome: printable(&outcome),
                changed: step.changed.iter().map(|line| printable(line)).collect(),
            }
        })
        .collect()
}
