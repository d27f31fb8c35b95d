//! Why a run took as long as it did: the chain of steps of which none could begin earlier, and what every step waited for.

use super::{Step, Timeline};

/// A piece of the critical path. The pieces follow each other without a gap from the start of the run to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub what: What,
    pub from: u64,
    pub until: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Connecting, looking, planning: what precedes the first step of the path.
    Before,
    /// The step at this place was ready and did not run: others had their turn.
    Turn(usize),
    Step(usize),
    /// What follows the last step: a last look, the kubeconfig.
    After,
}

impl Link {
    pub fn ms(&self) -> u64 {
        self.until.saturating_sub(self.from)
    }
}

/// From the last step back through what each one had to wait for longest; times add up to [`Timeline::total`].
pub fn critical_path(timeline: &Timeline) -> Vec<Link> {
    let total = timeline.total();
    let mut links = Vec::new();
    let mut add = |what, from, until| {
        if from < until {
            links.push(Link { what, from, until });
        }
    };
    let last = of_plans(timeline).max_by_key(|(_, step, _)| timeline.end_of(step));
    let Some((mut place, step, mut begun)) = last else {
        add(What::Before, 0, total);
        return links;
    };
    let mut until = timeline.end_of(step).min(total);
    add(What::After, until, total);
    loop {
        begun = begun.min(until);
        add(What::Step(place), begun, until);
        let Some(before) = last_cause(timeline, place) else {
            add(What::Before, 0, begun);
            break;
        };
        let cause = &timeline.steps[before];
        let ended = timeline.end_of(cause).min(begun);
        add(What::Turn(place), ended, begun);
        (place, until) = (before, ended);
        begun = cause.begun.unwrap_or(ended);
    }
    links.reverse();
    links
}

/// A stretch in which a host had nothing to run although a step was still to come on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// The step that came after it.
    pub step: usize,
    /// The step whose end it waited for; none where it only waited for its turn.
    pub cause: Option<usize>,
    pub from: u64,
    pub until: u64,
}

/// Every wait of at least `least` milliseconds, by step.
pub fn waits(timeline: &Timeline, least: u64) -> Vec<Wait> {
    let wait = |(place, step, begun): (usize, &Step, u64)| {
        let busy = timeline
            .begun()
            .filter(|(other, earlier, at)| {
                earlier.host == step.host && *other != place && (*at, *other) < (begun, place)
            })
            .map(|(_, earlier, _)| timeline.end_of(earlier))
            .max();
        let from = busy.unwrap_or(0).max(timeline.planned.unwrap_or(0));
        let cause = last_cause(timeline, place)
            // Its own host was busy with it until then: no wait.
            .filter(|cause| timeline.end_of(&timeline.steps[*cause]) > from);
        (from + least.max(1) <= begun).then_some(Wait {
            step: place,
            cause,
            from,
            until: begun,
        })
    };
    of_plans(timeline).filter_map(wait).collect()
}

/// Steps of plans that were begun: connections and commands of `exec` wait for nothing.
fn of_plans(timeline: &Timeline) -> impl Iterator<Item = (usize, &Step, u64)> {
    timeline
        .begun()
        .filter(|(_, step, _)| step.phase != "connect")
}

/// Of what a step waited for, that which ended last; through steps that were not begun to what they waited for in turn.
fn last_cause(timeline: &Timeline, place: usize) -> Option<usize> {
    let mut open = timeline.steps[place].waits_for.clone();
    let mut seen = vec![false; timeline.steps.len()];
    seen[place] = true;
    let mut last = None;
    while let Some(next) = open.pop() {
        if std::mem::replace(&mut seen[next], true) {
            continue;
        }
        let step = &timeline.steps[next];
        if step.begun.is_none() {
            open.extend(&step.waits_for);
            continue;
        }
        let key = (timeline.end_of(step), next);
        // A chain only leads back: what had not begun before is no cause.
        if step.begun <= timeline.steps[place].begun {
            last = last.max(Some(key));
        }
    }
    last.map(|(_, place)| place)
}
