//! What a failed step tells the user: message, output, journal, what to do; and whether trying again makes sense.

use std::{collections::BTreeMap, time::Duration};

use super::Session;
use crate::{
    failure::Failure,
    plan::{Step, Work},
    remote::{Output, Script},
    report::FailureReport,
    resources::Resource,
    ssh::RunError,
};

/// Last lines of output that are shown.
const LINES: usize = 20;

/// Prints the last journal lines of each unit named in its arguments.
const JOURNAL: &str = r#"
for unit in "$@"; do
    printf 'unit %s\n' "$unit"
    journalctl -u "$unit" -n 20 --no-pager -o short-iso 2>&1 | sed 's/^/ /'
done
"#;

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum Fault {
    Script(Output),
    NotRun(RunError),
    /// The script succeeded, and yet.
    Check(anyhow::Error),
    /// An artifact did not get to the host.
    Transfer {
        artifact: String,
        fault: Box<Fault>,
    },
}

/// Words of a cause that goes away by itself, and what it is called.
#[rustfmt::skip]
const PASSING: &[(&str, &str)] = &[
    ("Could not get lock /var/lib/dpkg",        "the package manager is locked by another process"),
    ("Unable to acquire the dpkg frontend lock", "the package manager is locked by another process"),
    ("Could not get lock /var/lib/apt",         "the package manager is locked by another process"),
    ("Waiting for process with pid",            "the package manager is locked by another process"),
    ("Temporary failure resolving",             "a name could not be resolved for the moment"),
    ("TLS handshake timeout",                   "a server was slow to answer"),
    ("503 Service Unavailable",                 "a server was overloaded"),
    ("Too Many Requests",                       "a server wants fewer requests"),
    ("etcdserver: request timed out",           "etcd was slow to answer"),
    ("etcdserver: leader changed",              "etcd elected a new leader"),
    ("currently unable to handle the request",  "the API was not ready"),
    ("failed calling webhook",                  "an admission webhook was not ready"),
];

impl Fault {
    /// Why it may go better in a moment; `None` for what is permanent.
    pub(super) fn passing(&self) -> Option<&'static str> {
        let output = match self {
            Self::Script(output) => output,
            Self::Transfer { fault, .. } => return fault.passing(),
            Self::NotRun(_) | Self::Check(_) => return None,
        };
        PASSING
            .iter()
            .find(|(words, _)| output.stderr.contains(words))
            .map(|(_, cause)| *cause)
    }

    fn output(&self) -> Option<&Output> {
        match self {
            Self::Script(output) | Self::NotRun(RunError::TimedOut { output, .. }) => Some(output),
            Self::Transfer { fault, .. } => fault.output(),
            Self::NotRun(_) | Self::Check(_) => None,
        }
    }

    fn message(&self, title: &str) -> String {
        match self {
            Self::Script(output) => {
                let failed = output
                    .stderr
                    .lines()
                    .find_map(|line| line.strip_prefix("failed: "));
                let last = failed.or_else(|| output.stderr.lines().rfind(|line| !line.is_empty()));
                match last {
                    Some(line) => line.trim().to_owned(),
                    None => format!("{title} ended with status {}", output.status),
                }
            }
            Self::NotRun(error) => error.to_string(),
            Self::Check(error) => format!("{error:#}"),
            Self::Transfer { artifact, fault } => {
                format!(
                    "{artifact} could not be transferred: {}",
                    fault.message(title)
                )
            }
        }
    }

    fn hint(&self, step: &Step) -> String {
        let own = match &step.work {
            Work::Run(action) => action.hint.clone(),
            Work::Apply(_) => String::new(),
        };
        match self {
            Self::NotRun(RunError::Connect(error)) => error.hint.clone(),
            Self::NotRun(RunError::Lost { .. }) => {
                "what had begun goes on on the host; check the machine and the network and run the same command again: it waits for the end of that".to_owned()
            }
            Self::NotRun(RunError::TimedOut { .. }) if own.is_empty() => {
                "it was stopped; look at the output and the host's load, then run the same command again".to_owned()
            }
            Self::Check(error) => error
                .downcast_ref::<Failure>()
                .and_then(|failure| failure.hint.clone())
                .unwrap_or(own),
            Self::Transfer { fault, .. } => match fault.output().map(|output| output.status) {
                Some(28) => "make room on the host".to_owned(),
                _ => "check the connection, the disk of the host, and the artifact source".to_owned(),
            },
            _ => own,
        }
    }
}

impl Session {
    /// Everything about a fault, with the journal of the units involved, fetched from the host.
    pub(super) async fn explain(&self, step: &Step, fault: &Fault) -> FailureReport {
        let title = step.title();
        let secrets = self.secrets();
        let output = fault.output();
        let text = output.map_or("", |output| match output.stderr.trim() {
            "" => output.stdout.trim(),
            stderr => stderr,
        });
        let lines: Vec<&str> = text.lines().collect();
        let skip = lines.len().saturating_sub(LINES);
        FailureReport {
            message: secrets.redact(&fault.message(&title)),
            command: secrets.redact(&command(step, output)),
            status: output.map(|output| output.status),
            output: lines[skip..]
                .iter()
                .map(|line| secrets.redact(line))
                .collect(),
            journal: match fault {
                // Nobody there to ask; another attempt would only take its time.
                Fault::NotRun(RunError::Lost { .. } | RunError::Connect(_)) => BTreeMap::new(),
                _ => self.journal(&step.host, &units(step)).await,
            },
            hint: fault.hint(step),
        }
    }

    async fn journal(&self, host: &str, units: &[String]) -> BTreeMap<String, Vec<String>> {
        let mut journal: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if units.is_empty() {
            return journal;
        }
        let mut script = Script::read("journal", JOURNAL).timeout(Duration::from_secs(20));
        script.args = units.to_vec();
        let Ok(output) = self.script(host, &script).await else {
            return journal;
        };
        let mut unit = String::new();
        for line in output.stdout.lines() {
            if let Some(name) = line.strip_prefix("unit ") {
                name.clone_into(&mut unit);
            } else if let Some(line) = line.strip_prefix(' ') {
                let line = self.secrets().redact(line);
                journal.entry(unit.clone()).or_default().push(line);
            }
        }
        journal
    }
}

/// The command that failed where the script named it, else the script.
fn command(step: &Step, output: Option<&Output>) -> String {
    let named = output.and_then(|output| output.command.clone());
    named.unwrap_or_else(|| match &step.work {
        Work::Run(action) => format!("script {}", action.script.name),
        Work::Apply(_) => format!("script {}", crate::phases::name(step.phase)),
    })
}

/// Units whose journal may tell why: those of the action, or the services among the changes.
fn units(step: &Step) -> Vec<String> {
    match &step.work {
        Work::Run(action) => action.units.clone(),
        Work::Apply(changes) => changes
            .iter()
            .filter_map(|change| match &change.resource {
                Resource::Service(service) => Some(service.unit.clone()),
                _ => None,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(stderr: &str) -> Fault {
        Fault::Script(Output {
            status: 100,
            stderr: stderr.to_owned(),
            ..Output::default()
        })
    }

    #[test]
    fn only_what_passes_is_tried_again() {
        let locked = script("E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by 7");
        assert!(locked.passing().unwrap().contains("locked"));
        assert_eq!(script("E: Unable to locate package x").passing(), None);
        let lost = RunError::Lost {
            host: "a".to_owned(),
            said: String::new(),
        };
        assert_eq!(Fault::NotRun(lost).passing(), None);
    }

    #[test]
    fn the_resource_that_failed_is_the_message() {
        let fault = script("noise\nfailed: package haproxy: apt-get exited 100\nmore\n");
        assert_eq!(fault.message("x"), "package haproxy: apt-get exited 100");
        assert_eq!(script("a\nlast\n\n").message("x"), "last");
        assert_eq!(script("").message("title"), "title ended with status 100");
    }
}
