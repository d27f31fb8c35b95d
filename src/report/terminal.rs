//! The live view: a line per running step at the bottom, finished ones scrolling up above them.

use std::{collections::BTreeMap, fmt::Write as _, io, time::Duration};

use console::{Style, Term};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::{
    Event, Render,
    failure::Failures,
    plain::step_name,
    text::{self, changes, count, duration, printable},
};

/// Redraws per second at most.
const HERTZ: u8 = 10;
/// Lines that stay free for what scrolls up.
const HEADROOM: usize = 6;

/// What the terminal can show.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub color: bool,
    pub unicode: bool,
    /// Columns.
    pub width: usize,
    /// Lines.
    pub height: usize,
}

impl Look {
    /// The look of the terminal that stderr is: no colour with `NO_COLOR`, no Unicode in another locale.
    pub fn of_stderr() -> Self {
        let (height, width) = Term::stderr().size();
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .find(|value| !value.is_empty())
            .unwrap_or_default()
            .to_lowercase();
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            color: !set("NO_COLOR"),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            width: width.into(),
            height: height.into(),
        }
    }
}

/// Renders events as a live view.
pub struct Terminal {
    multi: MultiProgress,
    look: Look,
    verbose: bool,
    column: usize,
    /// Running steps in the order in which they started; those without a bar wait for room.
    running: BTreeMap<usize, Running>,
    totals: Option<ProgressBar>,
    steps: usize,
    ended: usize,
    failures: Failures,
    /// Whether the cursor must be taken to a new line at the end: indicatif leaves it after the last line.
    newline: bool,
}

struct Running {
    host: String,
    name: String,
    bar: Option<ProgressBar>,
}

impl Terminal {
    /// Draws on stderr.
    pub fn stderr(verbose: bool) -> Self {
        Self {
            newline: true,
            ..Self::on(
                Box::new(Term::buffered_stderr()),
                Look::of_stderr(),
                verbose,
            )
        }
    }

    /// Draws on any terminal; unlike indicatif's own target this one draws with `NO_COLOR` too.
    pub fn on(term: Box<dyn TermLike>, look: Look, verbose: bool) -> Self {
        let target = ProgressDrawTarget::term_like_with_hz(term, HERTZ);
        Self {
            multi: MultiProgress::with_draw_target(target),
            look,
            verbose,
            column: 0,
            running: BTreeMap::new(),
            totals: None,
            steps: 0,
            ended: 0,
            failures: Failures::default(),
            newline: false,
        }
    }

    /// With the command line that goes on where this run stops, for the end of a run that failed.
    #[must_use]
    pub fn resume(mut self, command: impl Into<String>) -> Self {
        self.failures = Failures::new(command);
        self
    }

    fn paint(&self, style: &Style, text: &str) -> String {
        style
            .clone()
            .force_styling(self.look.color)
            .apply_to(text)
            .to_string()
    }

    fn say(&self, line: &str) -> io::Result<()> {
        self.multi.println(line)
    }

    /// A line that scrolls up: mark, host, text.
    fn scroll(&self, mark: Mark, host: &str, text: &str) -> io::Result<()> {
        let sign = self.paint(&mark.style(), mark.sign(self.look.unicode));
        let column = self.column;
        for line in printable(text).lines() {
            let host = if host.is_empty() {
                String::new()
            } else {
                format!("{host:<column$}  ")
            };
            self.say(format!("{sign} {host}{line}").trim_end())?;
        }
        Ok(())
    }

    fn start(&mut self, step: usize, host: &str, name: String) {
        let running = Running {
            host: host.to_owned(),
            name,
            bar: None,
        };
        self.running.insert(step, running);
        self.fill();
    }

    /// Gives bars to running steps as far as the screen has room.
    fn fill(&mut self) {
        let room = self.look.height.saturating_sub(HEADROOM).max(1);
        let shown = self
            .running
            .values()
            .filter(|step| step.bar.is_some())
            .count();
        let column = self.column;
        let style = self.bar_style();
        for step in self
            .running
            .values_mut()
            .filter(|step| step.bar.is_none())
            .take(room.saturating_sub(shown))
        {
            let bar = match &self.totals {
                Some(totals) => self.multi.insert_before(totals, ProgressBar::no_length()),
                None => self.multi.add(ProgressBar::no_length()),
            };
            bar.set_style(style.clone());
            bar.set_prefix(format!("{:<column$}", step.host));
            bar.set_message(step.name.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            step.bar = Some(bar);
        }
        self.count_up();
    }

    fn bar_style(&self) -> ProgressStyle {
        let ticks: &[&str] = if self.look.unicode {
            &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", "⠿"]
        } else {
            &["-", "\\", "|", "/", "-"]
        };
        ProgressStyle::with_template("{spinner} {prefix}  {elapsed:>4} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .tick_strings(ticks)
    }

    fn count_up(&mut self) {
        let Some(totals) = &self.totals else { return };
        let hidden = self
            .running
            .values()
            .filter(|step| step.bar.is_none())
            .count();
        let mut text = format!("{} of {}", self.ended, count(self.steps, "step"));
        if hidden > 0 {
            let _ = write!(text, ", {hidden} more running");
        }
        let (failed, skipped) = self.failures.counts();
        if failed > 0 {
            let _ = write!(text, ", {failed} failed");
        }
        if skipped > 0 {
            let _ = write!(text, ", {skipped} not started");
        }
        totals.set_message(text);
    }

    fn show_totals(&mut self, steps: usize) {
        self.steps = steps;
        let bar = self.multi.add(ProgressBar::no_length());
        let style = ProgressStyle::with_template("  {elapsed:>4} {wide_msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        bar.enable_steady_tick(Duration::from_secs(1));
        self.totals = Some(bar);
        self.count_up();
    }

    fn end(&mut self, step: usize) {
        if let Some(Running { bar: Some(bar), .. }) = self.running.remove(&step) {
            bar.finish_and_clear();
            self.multi.remove(&bar);
        }
        self.ended += 1;
        self.fill();
    }

    fn progress(&mut self, step: usize, text: &str) {
        if let Some(step) = self.running.get(&step)
            && let Some(bar) = &step.bar
        {
            bar.set_message(printable(&format!("{}: {text}", step.name)));
        }
    }

    fn close(&mut self, event: &Event) -> io::Result<()> {
        self.stop();
        let width = self.look.width.min(text::PLAIN_WIDTH);
        for line in printable(&self.failures.render(width)).lines() {
            self.say(line)?;
        }
        let Event::RunFinished { code, .. } = event else {
            return Ok(());
        };
        let mark = if *code == 0 { Mark::Done } else { Mark::Failed };
        let sign = self.paint(&mark.style(), mark.sign(self.look.unicode));
        self.say(&format!("{sign} {}", printable(&text::ending(event))))
    }

    /// Takes the live lines away.
    fn stop(&mut self) {
        for bar in self.running.values().filter_map(|step| step.bar.as_ref()) {
            bar.finish_and_clear();
        }
        self.running.clear();
        if let Some(totals) = self.totals.take() {
            totals.finish_and_clear();
        }
    }

    fn step(&mut self, event: &Event) -> io::Result<()> {
        match event {
            Event::StepStarted {
                step,
                phase,
                host,
                title,
            } => {
                self.start(*step, host, step_name(*phase, title));
                Ok(())
            }
            Event::StepProgress { step, text, .. } => {
                self.progress(*step, text);
                Ok(())
            }
            Event::StepFinished {
                step,
                phase,
                host,
                title,
                changed,
                ms,
            } => {
                self.end(*step);
                let name = step_name(*phase, title);
                let text = format!("{name}: {} in {}", changes(changed.len()), duration(*ms));
                self.scroll(Mark::Done, host, &text)?;
                let shown = if self.verbose {
                    changed.as_slice()
                } else {
                    &[]
                };
                shown
                    .iter()
                    .try_for_each(|change| self.scroll(Mark::None, host, change))
            }
            Event::StepFailed {
                step,
                phase,
                host,
                title,
                failure,
                ..
            } => {
                self.end(*step);
                let text = format!("{}: {}", step_name(*phase, title), failure.message);
                self.scroll(Mark::Failed, host, &text)
            }
            // Told once, grouped, at the end; here they would bury what failed.
            Event::StepSkipped { step, .. } => {
                self.end(*step);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Render for Terminal {
    fn event(&mut self, _ms: u64, event: &Event) -> io::Result<()> {
        self.failures.event(event);
        match event {
            Event::RunStarted {
                command,
                cluster,
                hosts,
                note,
            } => {
                let widths = hosts.iter().map(|host| console::measure_text_width(host));
                self.column = widths.max().unwrap_or(0);
                let title = format!("{command} {cluster}, {}", count(hosts.len(), "host"));
                self.say(&self.paint(&Style::new().bold(), &printable(&title)))?;
                note.iter()
                    .try_for_each(|note| self.scroll(Mark::Note, "", note))
            }
            Event::HostConnected { .. } => Ok(()),
            Event::HostUnreachable { host, reason, .. } => {
                self.scroll(Mark::Failed, host, &format!("unreachable: {reason}"))
            }
            Event::Planned { steps, changes: n } => {
                let text = format!("planned {}, {}", count(*steps, "step"), changes(*n));
                self.say(&text)?;
                if *steps > 0 {
                    self.show_totals(*steps);
                }
                Ok(())
            }
            Event::Findings { findings } | Event::Verified { findings } => {
                let text = super::findings(findings, self.look.width);
                self.say(&format!("\n{}", printable(&text)))
            }
            Event::HostRan {
                host,
                status,
                reason,
                ms,
                ..
            } => {
                let mark = if *status == Some(0) {
                    Mark::Done
                } else {
                    Mark::Failed
                };
                let end = text::ended(*status, reason.as_deref());
                self.scroll(mark, host, &format!("{end} in {}", duration(*ms)))
            }
            Event::Note { text } => self.scroll(Mark::Note, "", text),
            Event::RunFinished { .. } => self.close(event),
            step => self.step(step),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.stop();
        if self.newline {
            return Term::stderr().write_str("\n");
        }
        Ok(())
    }
}

/// What a line that scrolls up begins with.
#[derive(Debug, Clone, Copy)]
enum Mark {
    Done,
    Failed,
    Note,
    None,
}

impl Mark {
    fn sign(self, unicode: bool) -> &'static str {
        match (self, unicode) {
            (Self::Done, true) => "✓",
            (Self::Done, false) => "+",
            (Self::Failed, true) => "✗",
            (Self::Failed, false) => "!",
            (Self::Note, true) => "·",
            (Self::Note, false) => "-",
            (Self::None, _) => " ",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Done => Style::new().green(),
            Self::Failed => Style::new().red().bold(),
            Self::Note | Self::None => Style::new().dim(),
        }
    }
}
