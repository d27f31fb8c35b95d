//! A plan as text: what `baremetal plan` prints.

use std::fmt::Write as _;

use console::Style;

use super::text::{changes, count, wrap};
use crate::{
    phases::{self, PhaseId},
    plan::{Plan, Step, Work},
    resources::Change,
};

/// How a plan is printed.
#[derive(Debug, Clone, Copy)]
pub struct PlanStyle {
    pub color: bool,
    /// Whether the differences of files and live objects are shown.
    pub diffs: bool,
    /// Columns; lists are wrapped there, differences never.
    pub width: usize,
    /// What runs the plan: `baremetal up`.
    pub command: &'static str,
}

impl Default for PlanStyle {
    fn default() -> Self {
        Self {
            color: false,
            diffs: true,
            width: 100,
            command: "baremetal up",
        }
    }
}

impl PlanStyle {
    /// For standard output as it is: its width and colours on a terminal.
    pub fn of_stdout() -> Self {
        let term = console::Term::stdout();
        let width = term.size_checked().map(|(_, columns)| usize::from(columns));
        Self {
            color: console::colors_enabled(),
            width: width.unwrap_or(Self::default().width),
            ..Self::default()
        }
    }
}

/// The whole plan in execution order: phase by phase, hosts with the same work together.
pub fn plan(plan: &Plan, style: PlanStyle) -> String {
    let mut out = String::new();
    let mut painter = Painter {
        out: &mut out,
        style,
    };
    for (number, steps) in plan.steps.chunk_by(|a, b| a.phase == b.phase).enumerate() {
        painter.phase(number + 1, steps[0].phase, steps);
    }
    for note in &plan.notes {
        painter.wrapped("note: ", note);
    }
    painter.total(plan);
    out
}

struct Painter<'a> {
    out: &'a mut String,
    style: PlanStyle,
}

impl Painter<'_> {
    fn paint(&self, style: Style, text: &str) -> String {
        style
            .force_styling(self.style.color)
            .apply_to(text)
            .to_string()
    }

    fn phase(&mut self, number: usize, phase: PhaseId, steps: &[Step]) {
        let title = format!("{number}. {}", phases::title(phase));
        let title = self.paint(Style::new().bold(), &title);
        let _ = writeln!(self.out, "{title}");
        for (work, hosts) in by_work(steps) {
            let hosts = self.paint(Style::new().cyan(), &hosts.join(", "));
            self.wrapped("   on ", &hosts);
            match work {
                Work::Apply(changes) => self.changes(changes),
                Work::Run(action) => {
                    let _ = writeln!(self.out, "     run       {}", action.title);
                    self.diff(action.detail.iter().map(String::as_str));
                }
            }
        }
        self.out.push('\n');
    }

    /// Changes in order; neighbours that differ in name alone share a line: `install   package conntrack, haproxy`.
    fn changes(&mut self, changes: &[Change]) {
        let alike = |a: &Change, b: &Change| {
            let plain = a.diff.is_none() && b.diff.is_none();
            plain && a.verb == b.verb && kind(a) == kind(b)
        };
        for group in changes.chunk_by(alike) {
            let names: Vec<&str> = group
                .iter()
                .map(|change| {
                    change
                        .summary
                        .strip_prefix(kind(change))
                        .unwrap_or_default()
                        .trim()
                })
                .collect();
            let text = format!("{} {}", kind(&group[0]), names.join(", "));
            self.wrapped(&format!("     {:<9} ", group[0].verb), &text);
            if let Some(diff) = &group[0].diff {
                self.diff(diff.lines());
            }
        }
    }

    fn diff<'t>(&mut self, lines: impl Iterator<Item = &'t str>) {
        if !self.style.diffs {
            return;
        }
        for line in lines.flat_map(str::lines) {
            let line = super::text::printable(line);
            let style = match line.chars().next() {
                Some('+') => Style::new().green(),
                Some('-') => Style::new().red(),
                Some('@') => Style::new().cyan(),
                _ => Style::new().dim(),
            };
            let line = self.paint(style, &line);
            let _ = writeln!(self.out, "{}", format!("         {line}").trim_end());
        }
    }

    /// `prefix` and text; further lines are indented as deep as the prefix.
    fn wrapped(&mut self, prefix: &str, text: &str) {
        let indent = prefix.len();
        let width = self.style.width.saturating_sub(indent).max(20);
        for (index, line) in wrap(text, width).iter().enumerate() {
            let lead = if index == 0 { prefix } else { "" };
            let _ = writeln!(self.out, "{}", format!("{lead:indent$}{line}").trim_end());
        }
    }

    fn total(&mut self, plan: &Plan) {
        if plan.is_empty() {
            let _ = writeln!(self.out, "nothing to do");
            return;
        }
        let mut hosts: Vec<&str> = plan.steps.iter().map(|step| step.host.as_str()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let _ = writeln!(
            self.out,
            "{} in {} on {}; `{}` does exactly this",
            changes(plan.changes()),
            count(plan.steps.len(), "step"),
            count(hosts.len(), "host"),
            self.style.command
        );
    }
}

/// `file`, `package`: the first word of a change's summary.
fn kind(change: &Change) -> &str {
    change.summary.split(' ').next().unwrap_or_default()
}

/// The steps of one phase with equal work put together, in the order in which each work comes first.
fn by_work(steps: &[Step]) -> Vec<(&Work, Vec<&str>)> {
    let mut groups: Vec<(&Work, Vec<&str>)> = Vec::new();
    for step in steps {
        match groups
            .iter_mut()
            .find(|(work, _)| looks_same(work, &step.work))
        {
            Some((_, hosts)) => hosts.push(&step.host),
            None => groups.push((&step.work, vec![&step.host])),
        }
    }
    groups
}

/// Whether two works read the same: what is sent to the hosts may still differ (a join's token).
fn looks_same(one: &Work, other: &Work) -> bool {
    match (one, other) {
        (Work::Apply(one), Work::Apply(other)) => {
            let shown =
                |change: &Change| (change.verb, change.summary.clone(), change.diff.clone());
            one.len() == other.len() && one.iter().zip(other).all(|(a, b)| shown(a) == shown(b))
        }
        (Work::Run(one), Work::Run(other)) => {
            one.title == other.title && one.detail == other.detail
        }
        _ => false,
    }
}
