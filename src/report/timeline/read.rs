//! Lines → [`Timeline`].

use anyhow::{Result, ensure};
use serde::Deserialize;

use super::{
    End, Failed, Outcome, Step, Timeline, Unreachable,
    told::{Ordered, Told},
};

#[derive(Deserialize)]
struct Line {
    run: String,
    at: u64,
}

pub(super) fn timeline(text: &str) -> Result<Timeline> {
    // Before every line that the log holds on its own stands the time; `--output json` has nothing there.
    let log = !text.trim_start().starts_with('{');
    let mut reader = Reader::default();
    for line in text.lines() {
        let json = if log {
            let stamped = line.split_at_checked(STAMP);
            stamped
                .filter(|(stamp, _)| stamp.ends_with("Z "))
                .map(|(_, json)| json)
        } else {
            Some(line)
        };
        let Some(json) = json.filter(|json| json.starts_with('{')) else {
            continue;
        };
        let Ok(Line { run, at }) = serde_json::from_str(json) else {
            continue;
        };
        if run != reader.timeline.run {
            // A file of several runs ends with the newest; a log is of one, whatever hosts have said in it.
            if log && reader.heard {
                continue;
            }
            reader = Reader::default();
            reader.timeline.run = run;
        }
        reader.line(at, json);
    }
    ensure!(
        reader.heard,
        "none of its lines is an event with its time, as the log of a run and `--output json` have them"
    );
    Ok(reader.timeline)
}

/// Length of `2026-11-21T08-15-00Z `.
const STAMP: usize = 21;

#[derive(Default)]
struct Reader {
    timeline: Timeline,
    heard: bool,
    /// Where the steps of the plan that is run now begin in [`Timeline::steps`].
    base: usize,
}

impl Reader {
    fn line(&mut self, at: u64, json: &str) {
        self.heard = true;
        let timeline = &mut self.timeline;
        timeline.last = timeline.last.max(at);
        match serde_json::from_str(json) {
            Ok(told) => self.told(at, told),
            Err(_) => timeline.unknown += 1,
        }
    }

    fn told(&mut self, at: u64, told: Told) {
        let timeline = &mut self.timeline;
        match told {
            Told::RunStarted {
                command,
                cluster,
                hosts,
                note,
            } => {
                (timeline.command, timeline.cluster) = (command, cluster);
                timeline.hosts = hosts;
                timeline.notes.extend(note.map(|note| (at, note)));
            }
            Told::Inventory { topology } => timeline.topology = Some(topology),
            Told::HostUnreachable { host, reason, hint } => {
                self.host(&host);
                self.timeline.unreachable.push(Unreachable {
                    at,
                    host,
                    reason,
                    hint,
                });
            }
            Told::Order { steps } => self.order(at, steps),
            Told::Findings { findings } => timeline.findings.extend(findings),
            Told::Note { text } => timeline.notes.push((at, text)),
            Told::RunFinished {
                code,
                message,
                changed,
                failed,
                skipped,
                ms,
                round_trips,
            } => {
                timeline.end = Some(End {
                    code,
                    message,
                    changed,
                    failed,
                    skipped,
                    // Both clocks started a moment apart: nothing ends after the end.
                    ms: ms.max(timeline.last),
                    round_trips,
                });
            }
            Told::Planned {} | Told::StepProgress {} => {}
            step => self.step(at, step),
        }
    }

    /// A plan begins; its steps come behind those of the plan before it.
    fn order(&mut self, at: u64, steps: Vec<Ordered>) {
        self.timeline.planned.get_or_insert(at);
        self.base = self.timeline.steps.len();
        let base = self.base;
        for (own, step) in steps.into_iter().enumerate() {
            self.host(&step.host);
            let waits_for = step.needs.into_iter().chain(step.after);
            self.timeline.steps.push(Step {
                phase: step.phase,
                host: step.host,
                title: step.title,
                waits_for: waits_for
                    // A plan is in order: what is needed stands before what needs it.
                    .filter(|place| *place < own)
                    .map(|place| base + place)
                    .collect(),
                ..Step::default()
            });
        }
    }

    fn step(&mut self, at: u64, told: Told) {
        match told {
            Told::StepStarted {
                step,
                phase,
                host,
                title,
            } => self.at(step, [phase, host, title], |step| step.begun = Some(at)),
            Told::StepFinished {
                step,
                phase,
                host,
                title,
                changed,
                ms,
            } => self.at(step, [phase, host, title], |step| {
                ended(step, at, ms, Outcome::Done);
                step.changed = changed;
            }),
            Told::StepFailed {
                step,
                phase,
                host,
                title,
                ms,
                failure,
            } => self.at(step, [phase, host, title], |step| {
                ended(step, at, ms, Outcome::Failed(failure));
            }),
            Told::StepSkipped {
                step,
                phase,
                host,
                title,
                reason,
            } => self.at(step, [phase, host, title], |step| {
                step.outcome = Outcome::Skipped(reason);
            }),
            other => self.other(at, other),
        }
    }

    /// What has a duration and is no step of a plan.
    fn other(&mut self, at: u64, told: Told) {
        match told {
            Told::HostConnected { host, ms } => {
                self.extra(at, ms, ["connect", &host, "connect"], Outcome::Done);
            }
            Told::HostRan {
                host,
                status,
                stdout,
                stderr,
                reason,
                ms,
            } => {
                let outcome = if status == Some(0) {
                    Outcome::Done
                } else {
                    Outcome::Failed(Box::new(Failed {
                        message: crate::report::text::ended(status, reason.as_deref()),
                        status,
                        output: stdout
                            .lines()
                            .chain(stderr.lines())
                            .map(str::to_owned)
                            .collect(),
                        ..Failed::default()
                    }))
                };
                self.extra(at, ms, ["exec", &host, "command"], outcome);
            }
            _ => {}
        }
    }

    fn extra(&mut self, at: u64, ms: u64, [phase, host, title]: [&str; 3], outcome: Outcome) {
        self.host(host);
        let mut step = Step {
            phase: phase.to_owned(),
            host: host.to_owned(),
            title: title.to_owned(),
            ..Step::default()
        };
        ended(&mut step, at, ms, outcome);
        // Numbers of steps are places in the plan: none may stand among those that are still to come.
        self.timeline.steps.push(step);
        if self.timeline.planned.is_none() {
            self.base = self.timeline.steps.len();
        }
    }

    /// The step at a place of the plan; a log that lacks the plan makes room for it.
    fn at(
        &mut self,
        place: usize,
        [phase, host, title]: [String; 3],
        change: impl FnOnce(&mut Step),
    ) {
        /// More than any plan has: a damaged number must not take the memory.
        const MOST: usize = 1_000_000;
        if place > MOST {
            self.timeline.unknown += 1;
            return;
        }
        self.host(&host);
        let place = self.base + place;
        let steps = &mut self.timeline.steps;
        if steps.len() <= place {
            steps.resize_with(place + 1, Step::default);
        }
        let step = &mut steps[place];
        (step.phase, step.host, step.title) = (phase, host, title);
        change(step);
    }

    fn host(&mut self, name: &str) {
        if !self.timeline.hosts.iter().any(|known| known == name) {
            self.timeline.hosts.push(name.to_owned());
        }
    }
}

fn ended(step: &mut Step, at: u64, ms: u64, outcome: Outcome) {
    step.begun.get_or_insert(at.saturating_sub(ms));
    step.ended = Some(at);
    step.outcome = outcome;
}
