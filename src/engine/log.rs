//! The log of a run: a file that only its owner can read, without any secret in it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::{
    report::{
        Event, Keeper, json_line, run_id,
        text::{self, stamp},
    },
    ssh::Secrets,
};

/// Logs kept per cluster.
const KEPT: usize = 20;

/// A file of mode 0600 under `$XDG_STATE_HOME/baremetal/runs/<cluster>`; clones write to the same one.
#[derive(Debug, Clone)]
pub struct RunLog {
    path: PathBuf,
    file: Arc<Mutex<File>>,
    secrets: Secrets,
}

impl RunLog {
    /// Opens a new log and removes the oldest ones. What is in `secrets`, now or later, never gets into it.
    pub fn open(cluster: &str, secrets: Secrets) -> io::Result<Self> {
        Self::open_in(&runs()?.join(cluster), secrets)
    }

    /// The newest logs of a cluster, oldest first; none where there are none.
    pub fn newest(cluster: &str, count: usize) -> io::Result<Vec<PathBuf>> {
        let directory = runs()?.join(cluster);
        if !directory.is_dir() {
            return Ok(Vec::new());
        }
        let mut logs = logs(&directory)?;
        logs.drain(..logs.len().saturating_sub(count));
        Ok(logs)
    }

    /// Opens a new log in `directory`.
    pub fn open_in(directory: &Path, secrets: Secrets) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        prune(directory)?;
        let name = format!("{}-{}.log", stamp(now()), std::process::id());
        let path = directory.join(name);
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)?;
        Ok(Self {
            path,
            file: Arc::new(Mutex::new(file)),
            secrets,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line, or several. A log that cannot be written stops no run.
    pub fn line(&self, text: &str) {
        let text = self.secrets.redact(text.trim_end());
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writeln!(file, "{} {text}", stamp(now()));
    }
}

/// Events as `--output json` prints them, behind the time; progress is worth nothing afterwards.
impl Keeper for RunLog {
    fn keep(&self, ms: u64, event: &Event) {
        if !matches!(event, Event::StepProgress { .. }) {
            self.line(&json_line(run_id(), ms, event));
        }
    }
}

/// The directory of all logs: one directory below it per cluster.
pub fn runs() -> io::Result<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))
        .ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set"))?;
    Ok(state.join("baremetal/runs"))
}

/// The oldest first.
fn logs(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    // Names begin with the time.
    logs.sort();
    Ok(logs)
}

/// Makes room for one more.
fn prune(directory: &Path) -> io::Result<()> {
    let logs = logs(directory)?;
    let excess = logs.len().saturating_sub(KEPT - 1);
    logs.iter().take(excess).try_for_each(fs::remove_file)
}

/// The time as RFC 3339 has it: `2026-11-21T08:15:00Z`.
pub fn time() -> String {
    text::time(now())
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ssh::Secret;

    #[test]
    fn a_log_is_private_and_has_no_secret_even_one_that_came_later() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        let log = RunLog::open_in(&directory.path().join("c"), secrets.clone()).unwrap();
        secrets.insert("T", Secret::new("planted-token"));
        log.line("joined with planted-token");
        let mode = log.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(log.path()).unwrap();
        assert!(text.ends_with("joined with ***\n"), "{text}");
    }

    #[test]
    fn an_event_has_no_secret_that_json_writes_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let secrets = Secrets::default();
        secrets.insert("T", Secret::new("pla\"nted\\token"));
        let log = RunLog::open_in(directory.path(), secrets).unwrap();
        let text = "joined with pla\"nted\\token".to_owned();
        log.keep(0, &Event::Note { text });
        let text = fs::read_to_string(log.path()).unwrap();
        assert!(text.contains("\"joined with ***\""), "{text}");
    }

    #[test]
    fn every_event_but_progress_is_kept_as_a_pipeline_gets_it() {
        let directory = tempfile::tempdir().unwrap();
        let log = RunLog::open_in(directory.path(), Secrets::default()).unwrap();
        let (reporter, _receiver) = crate::report::Reporter::new();
        reporter.note("before it is kept");
        reporter.keep(log.clone());
        reporter.clone().note("kept");
        reporter.send(Event::StepProgress {
            step: 0,
            phase: crate::phases::PhaseId::Os,
            host: "cp1".to_owned(),
            text: "half".to_owned(),
        });
        let text = fs::read_to_string(log.path()).unwrap();
        let [line] = text.lines().collect::<Vec<_>>()[..] else {
            panic!("{text}");
        };
        let (_, json) = line.split_once(' ').unwrap();
        let event: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(event["event"], "note");
        assert_eq!(event["text"], "kept");
        assert_eq!(event["run"], run_id());
        assert!(event["at"].is_u64());
    }

    #[test]
    fn the_newest_logs_are_kept() {
        let directory = tempfile::tempdir().unwrap();
        for number in 0..25 {
            fs::write(directory.path().join(format!("2020-{number:02}.log")), "").unwrap();
        }
        RunLog::open_in(directory.path(), Secrets::default()).unwrap();
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().collect();
        assert_eq!(names.len(), KEPT);
        assert!(!directory.path().join("2020-05.log").exists());
        assert!(directory.path().join("2020-06.log").exists());
    }
}
