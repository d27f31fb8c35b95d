//! The log of a run: a file that only its owner can read, without any secret in it.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::ssh::Secrets;

/// Logs kept per cluster.
const KEPT: usize = 20;

/// A file of mode 0600 under `$XDG_STATE_HOME/baremetal/runs/<cluster>`.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: Mutex<File>,
    secrets: Secrets,
}

impl RunLog {
    /// Opens a new log and removes the oldest ones. What is in `secrets`, now or later, never gets into it.
    pub fn open(cluster: &str, secrets: Secrets) -> io::Result<Self> {
        let state = std::env::var_os("XDG_STATE_HOME")
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
            .or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))
            .ok_or_else(|| io::Error::other("neither XDG_STATE_HOME nor HOME is set"))?;
        Self::open_in(&state.join("baremetal/runs").join(cluster), secrets)
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
            file: Mutex::new(file),
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

/// Makes room for one more.
fn prune(directory: &Path) -> io::Result<()> {
    let mut logs: Vec<PathBuf> = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
        .collect();
    // Names begin with the time.
    logs.sort();
    let excess = logs.len().saturating_sub(KEPT - 1);
    logs.iter().take(excess).try_for_each(fs::remove_file)
}

/// The time as RFC 3339 has it: `2026-11-21T08:15:00Z`.
pub fn time() -> String {
    let stamp = stamp(now());
    match stamp.split_once('T') {
        Some((date, time)) => format!("{date}T{}", time.replace('-', ":")),
        None => stamp,
    }
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// UTC as `2026-11-21T08-15-00Z`: sorts by time and is a file name.
pub(super) fn stamp(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Days are counted from 1 March of year 0, so that the leap day is the last of its year.
    let day = days + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{:02}T{:02}-{:02}-{:02}Z",
        of_year - (153 * shifted + 2) / 5 + 1,
        rest / 3_600,
        rest / 60 % 60,
        rest % 60
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::ssh::Secret;

    #[test]
    fn times_are_utc() {
        assert_eq!(stamp(0), "1970-01-01T00-00-00Z");
        assert_eq!(stamp(951_782_399), "2000-02-28T23-59-59Z");
        assert_eq!(stamp(951_782_400), "2000-02-29T00-00-00Z");
        assert_eq!(stamp(1_795_248_900), "2026-11-21T08-15-00Z");
    }

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
