//! Where a time and a step lie in the drawing.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Link, Step, Timeline, What};
use crate::report::text::duration;

/// Width of the drawing, in units of its `viewBox`.
pub(super) const WIDTH: f64 = 1240.0;
const ROW: f64 = 22.0;
/// Height of a bar.
pub(super) const BAR: f64 = 18.0;
pub(super) const LANE_GAP: f64 = 10.0;
const TOP: f64 = 30.0;
const RIGHT: f64 = 16.0;
/// So that the shortest step is seen.
const NARROWEST: f64 = 2.5;

#[derive(Debug, Serialize)]
pub(super) struct Tick {
    x: String,
    label: String,
}

/// From milliseconds to places.
pub(super) struct Scale {
    left: f64,
    total: u64,
}

impl Scale {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let longest = timeline
            .hosts
            .iter()
            .map(|name| console::measure_text_width(name));
        let letters = u32::try_from(longest.max().unwrap_or(0).clamp(6, 28)).unwrap_or(28);
        Self {
            left: f64::from(letters) * 7.2 + 22.0,
            total: timeline.total(),
        }
    }

    fn x(&self, ms: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a place on a screen")]
        let share = ms.min(self.total) as f64 / self.total as f64;
        self.left + share * (WIDTH - RIGHT - self.left)
    }

    pub(super) fn span(&self, from: u64, until: u64) -> (f64, f64) {
        let x = self.x(from);
        (x, (self.x(until) - x).max(NARROWEST))
    }

    /// At most a dozen, at round times.
    pub(super) fn ticks(&self) -> Vec<Tick> {
        const STEPS: [u64; 17] = [
            10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000,
            120_000, 300_000, 600_000, 1_800_000,
        ];
        let step = STEPS.into_iter().find(|step| self.total / step <= 12);
        let step = step.unwrap_or_else(|| (self.total / 12).next_multiple_of(3_600_000));
        (0..=self.total / step)
            .map(|number| Tick {
                x: at(self.x(number * step)),
                label: tick(number * step),
            })
            .collect()
    }

    /// Along the steps of the critical path, from lane to lane.
    pub(super) fn path(&self, links: &[Link], rows: &Rows) -> String {
        let mut text = String::new();
        for link in links {
            let What::Step(place) = link.what else {
                continue;
            };
            let y = at(rows.y(place) + BAR + 1.5);
            let command = if text.is_empty() { "M" } else { " L" };
            let (from, until) = (at(self.x(link.from)), at(self.x(link.until)));
            // Writing to a String cannot fail.
            let _ = write!(text, "{command} {from} {y} L {until} {y}");
        }
        text
    }
}

fn tick(ms: u64) -> String {
    match ms {
        0 => "0".to_owned(),
        1..1_000 => format!("{ms}ms"),
        1_000..60_000 if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        60_000..3_600_000 if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ => duration(ms),
    }
}

/// Which row each step lies in.
pub(super) struct Rows {
    /// By host: its first row's place, and how many rows it has.
    lanes: Vec<(f64, f64)>,
    /// By step.
    steps: Vec<f64>,
    pub(super) bottom: f64,
}

impl Rows {
    pub(super) fn of(timeline: &Timeline) -> Self {
        let mut lanes = Vec::new();
        let mut places = vec![TOP; timeline.steps.len()];
        let mut y = TOP;
        for host in &timeline.hosts {
            let mut steps: Vec<(usize, &Step, u64)> = timeline
                .begun()
                .filter(|(_, step, _)| step.host == *host)
                .collect();
            steps.sort_by_key(|(place, _, begun)| (*begun, *place));
            // The end of the last step of every row.
            let mut ends: Vec<u64> = Vec::new();
            for (place, step, begun) in steps {
                let row = ends
                    .iter()
                    .position(|end| *end <= begun)
                    .unwrap_or(ends.len());
                let end = timeline.end_of(step).max(begun + 1);
                match ends.get_mut(row) {
                    Some(last) => *last = end,
                    None => ends.push(end),
                }
                places[place] = y + number(row) * ROW + 2.0;
            }
            let height = number(ends.len().max(1)) * ROW;
            lanes.push((y, height));
            y += height + LANE_GAP;
        }
        Self {
            lanes,
            steps: places,
            bottom: y - LANE_GAP / 2.0,
        }
    }

    pub(super) fn lane(&self, index: usize) -> (f64, f64) {
        self.lanes[index]
    }

    pub(super) fn y(&self, place: usize) -> f64 {
        self.steps[place]
    }
}

pub(super) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// A coordinate as text: one digit behind the point is finer than a screen.
pub(super) fn at(place: f64) -> String {
    format!("{place:.1}")
}
