//! The run as a JUnit file: a suite per phase, a case per host and step.

use std::{
    fmt::Write as _,
    io,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{Event, FailureReport, Render, text::printable};
use crate::{
    failure::Code,
    phases::{
        self, PhaseId,
        preflight::{Finding, Level},
    },
};

/// The file is written anew at most this often while the run goes on, so that a killed run leaves its results behind.
const WRITE_EVERY: Duration = Duration::from_secs(2);

/// Collects events and keeps the file up to date.
pub struct Junit {
    path: PathBuf,
    name: String,
    cases: Vec<Case>,
    ended: u64,
    written: Option<Instant>,
}

#[derive(Debug)]
struct Case {
    /// `None` where the step number means nothing: connecting.
    step: Option<usize>,
    /// `None` where a run has ended before any: refused, or locked out.
    phase: Option<PhaseId>,
    host: String,
    title: String,
    ms: u64,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    /// Started; stays so when the run is cut short.
    Running,
    Passed,
    /// Passed, with what is to be said of it.
    Warned(String),
    Skipped(String),
    Failed(Box<FailureReport>),
}

impl Outcome {
    /// A failed check is a failed case; one that warns has passed, and says why it warns.
    fn of(finding: &Finding) -> Self {
        match finding.level {
            Level::Failure => Self::Failed(Box::new(FailureReport {
                message: format!("{}; needed: {}", finding.found, finding.needed),
                hint: finding.fix.clone(),
                ..FailureReport::default()
            })),
            Level::Warning => Self::Warned(format!(
                "warning: {}\nneeded: {}\nfix: {}",
                finding.found, finding.needed, finding.fix
            )),
            Level::Passed => Self::Passed,
            Level::Skipped => Self::Skipped(finding.found.clone()),
        }
    }
}

impl Junit {
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            name: "baremetal".to_owned(),
            cases: Vec::new(),
            ended: 0,
            written: None,
        }
    }

    fn connect(&mut self, host: &str, ms: u64, outcome: Outcome) {
        self.cases.push(Case {
            step: None,
            phase: Some(PhaseId::Connect),
            host: host.to_owned(),
            title: phases::title(PhaseId::Connect).to_owned(),
            ms,
            outcome,
        });
    }

    /// Sets the outcome of a step, which may not have been seen before.
    fn case(&mut self, at: (usize, PhaseId, &str, &str), ms: u64, outcome: Outcome) {
        let (step, phase, host, title) = at;
        let open = self.cases.iter_mut().find(|case| {
            case.step == Some(step)
                && case.host == host
                && case.phase == Some(phase)
                && matches!(case.outcome, Outcome::Running)
        });
        if let Some(case) = open {
            case.ms = ms;
            case.outcome = outcome;
        } else {
            self.cases.push(Case {
                step: Some(step),
                phase: Some(phase),
                host: host.to_owned(),
                title: title.to_owned(),
                ms,
                outcome,
            });
        }
    }

    fn collect(&mut self, event: &Event) {
        match event {
            Event::RunStarted {
                command, cluster, ..
            } => self.name = format!("baremetal {command} {cluster}"),
            Event::HostConnected { host, ms } => self.connect(host, *ms, Outcome::Passed),
            Event::HostUnreachable { host, reason, hint } => {
                let report = FailureReport {
                    message: reason.clone(),
                    hint: hint.clone(),
                    ..FailureReport::default()
                };
                self.connect(host, 0, Outcome::Failed(Box::new(report)));
            }
            Event::Findings { findings } => self.findings(PhaseId::Preflight, findings),
            Event::Verified { findings } => self.findings(PhaseId::Verify, findings),
            Event::RunFinished { code, message, .. } => self.stopped(*code, message),
            step => self.step(step),
        }
    }

    /// A run that has ended otherwise than well has a failed case: its own, where nothing else has failed.
    fn stopped(&mut self, code: u8, message: &str) {
        let failed = |case: &Case| matches!(case.outcome, Outcome::Failed(_));
        // `plan --exit-code` has found something to do: no failure.
        if code == Code::Done as u8 || code == Code::Changes as u8 || self.cases.iter().any(failed)
        {
            return;
        }
        let report = FailureReport {
            message: format!("exit code {code}: {message}"),
            ..FailureReport::default()
        };
        self.cases.push(Case {
            step: None,
            phase: None,
            host: self.name.clone(),
            title: "run".to_owned(),
            ms: self.ended,
            outcome: Outcome::Failed(Box::new(report)),
        });
    }

    fn findings(&mut self, phase: PhaseId, findings: &[Finding]) {
        for (index, finding) in findings.iter().enumerate() {
            let at = (index, phase, &*finding.host, finding.id);
            self.case(at, 0, Outcome::of(finding));
        }
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::StepStarted {
                step,
                phase,
                host,
                title,
            } => self.case((*step, *phase, host, title), 0, Outcome::Running),
            Event::StepFinished {
                step,
                phase,
                host,
                title,
                ms,
                ..
            } => self.case((*step, *phase, host, title), *ms, Outcome::Passed),
            Event::StepFailed {
                step,
                phase,
                host,
                title,
                ms,
                failure,
            } => {
                let failed = Outcome::Failed(Box::new(failure.clone()));
                self.case((*step, *phase, host, title), *ms, failed);
            }
            Event::StepSkipped {
                step,
                phase,
                host,
                title,
                reason,
            } => {
                let skipped = Outcome::Skipped(reason.clone());
                self.case((*step, *phase, host, title), 0, skipped);
            }
            _ => {}
        }
    }

    /// The whole file.
    pub fn render(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let all: Vec<&Case> = self.cases.iter().collect();
        let _ = writeln!(
            out,
            "<testsuites name=\"{}\"{} time=\"{}\">",
            attribute(&self.name),
            totals(&all),
            seconds(self.ended)
        );
        let mut phases: Vec<Option<PhaseId>> = self.cases.iter().map(|case| case.phase).collect();
        phases.sort_unstable();
        phases.dedup();
        for phase in phases {
            let cases: Vec<&Case> = all
                .iter()
                .copied()
                .filter(|case| case.phase == phase)
                .collect();
            let time = cases.iter().map(|case| case.ms).sum();
            let name = attribute(phase.map_or("run", phases::title));
            let head = format!(
                "name=\"{name}\"{} time=\"{}\"",
                totals(&cases),
                seconds(time)
            );
            let _ = writeln!(out, "  <testsuite {head}>");
            for case in cases {
                render_case(&mut out, case);
            }
            out.push_str("  </testsuite>\n");
        }
        out.push_str("</testsuites>\n");
        out
    }

    fn write(&mut self) -> io::Result<()> {
        self.written = Some(Instant::now());
        crate::artifacts::write_atomically(&self.path, self.render().as_bytes())
            .map_err(|error| io::Error::other(format!("{error:#}")))
    }
}

impl Render for Junit {
    fn event(&mut self, ms: u64, event: &Event) -> io::Result<()> {
        self.ended = ms;
        self.collect(event);
        match self.written {
            Some(written) if written.elapsed() < WRITE_EVERY => Ok(()),
            _ => self.write(),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.write()
    }
}

fn totals(cases: &[&Case]) -> String {
    let count =
        |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count();
    format!(
        " tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\"",
        cases.len(),
        count(|outcome| matches!(outcome, Outcome::Failed(_))),
        count(|outcome| matches!(outcome, Outcome::Running)),
        count(|outcome| matches!(outcome, Outcome::Skipped(_)))
    )
}

fn render_case(out: &mut String, case: &Case) {
    let _ = write!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\"",
        attribute(&case.host),
        attribute(&case.title),
        seconds(case.ms)
    );
    let _ = match &case.outcome {
        Outcome::Passed => writeln!(out, "/>"),
        Outcome::Warned(text) => writeln!(
            out,
            "><system-out>{}</system-out></testcase>",
            escape(printable(text).trim_end())
        ),
        Outcome::Running => writeln!(
            out,
            "><error message=\"not ended when the run was cut short\"/></testcase>"
        ),
        Outcome::Skipped(reason) => {
            writeln!(
                out,
                "><skipped message=\"{}\"/></testcase>",
                attribute(reason)
            )
        }
        Outcome::Failed(report) => writeln!(
            out,
            "><failure message=\"{}\">{}</failure></testcase>",
            attribute(&report.message),
            escape(printable(&super::failure::block_text(report)).trim_end())
        ),
    };
}

/// `7.600`.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// Text for an element of XML 1.0: characters that XML cannot carry become U+FFFD.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Text for an attribute: line ends survive as character references.
fn attribute(text: &str) -> String {
    escape(text).replace('\n', "&#10;").replace('\t', "&#9;")
}
