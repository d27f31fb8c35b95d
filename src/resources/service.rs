//! systemd units.

use serde::Serialize;

use super::{
    Change, Observed, Resource,
    apply::Calls,
    compare::Verdict,
    probe::{Answers, Questions},
};

/// A unit that is enabled and in a state; restarted or reloaded when it is older than its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// With suffix: `haproxy.service`.
    pub unit: String,
    pub state: ServiceState,
    pub enabled: bool,
    /// Files whose change needs a restart.
    pub restart_on: Vec<String>,
    /// Files whose change needs a reload only.
    pub reload_on: Vec<String>,
    /// Whether a host without the unit is a failure.
    pub required: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    Running,
    Stopped,
    /// Enabled, but its running state is somebody else's (kubelet before kubeadm).
    Any,
}

impl Service {
    pub(super) fn label(&self) -> String {
        format!("service {}", self.unit)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.unit(&self.unit);
        for path in self.restart_on.iter().chain(&self.reload_on) {
            questions.path(path);
        }
    }

    /// `load`, `active`, `enabled` as systemd has them; `since` and `reloaded` in microseconds of the epoch; and
    /// `mtime PATH` for each file, likewise.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        let unit = answers.units.get(&self.unit);
        let property = |name: &str| {
            unit.and_then(|unit| unit.get(name))
                .cloned()
                .unwrap_or_default()
        };
        let since = ["ExecMainStartTimestamp", "InactiveExitTimestamp"]
            .iter()
            .find_map(|name| microseconds_of_date(&property(name)));
        let mut observed = Observed::default()
            .with("load", property("LoadState"))
            .with("active", property("ActiveState"))
            .with("enabled", property("UnitFileState"))
            .with("since", since.unwrap_or_default().to_string());
        if let Some(time) = answers.reloaded.get(&self.unit) {
            observed = observed.with("reloaded", microseconds(time).to_string());
        }
        for path in self.restart_on.iter().chain(&self.reload_on) {
            if let Some(seen) = answers.paths.get(path) {
                observed = observed.with(
                    format!("mtime {path}"),
                    microseconds(&seen.mtime).to_string(),
                );
            }
        }
        observed
    }

    pub(super) fn compare(&self, observed: &Observed, before: &[Change]) -> Option<Verdict> {
        let absent = matches!(observed.get("load"), "" | "not-found");
        // A package or a unit file that comes first may bring the unit.
        let installs = before.iter().any(|change| match &change.resource {
            Resource::Package(_) => true,
            Resource::File(file) => file.path.contains("/systemd/system/"),
            _ => false,
        });
        if absent && !self.required && !installs {
            return None;
        }
        let enabled = matches!(
            observed.get("enabled"),
            "enabled" | "enabled-runtime" | "static" | "alias" | "indirect" | "generated"
        );
        let active = matches!(observed.get("active"), "active" | "reloading");
        match self.state {
            ServiceState::Stopped if active => return Verdict::new("stop"),
            ServiceState::Running if !active => return Verdict::new("start"),
            ServiceState::Running | ServiceState::Any if active => {
                if let Some(verdict) = self.stale(observed, before) {
                    return Some(verdict);
                }
            }
            _ => {}
        }
        match (self.enabled, enabled) {
            (true, false) => Verdict::new("enable"),
            (false, true) if observed.get("enabled") != "static" => Verdict::new("disable"),
            _ => None,
        }
    }

    /// Whether a file is newer than the process, or will be.
    fn stale(&self, observed: &Observed, before: &[Change]) -> Option<Verdict> {
        let time = |key: &str| observed.get(key).parse::<i64>().unwrap_or_default();
        let newer = |path: &&String, than: i64| time(&format!("mtime {path}")) > than;
        let since = time("since");
        let changes = |path: &String| before.iter().any(|change| touches(change, path));
        if let Some(path) = self
            .restart_on
            .iter()
            .find(|path| changes(path) || newer(path, since))
        {
            return Verdict::because("restart", format!("for {path}"));
        }
        let loaded = since.max(time("reloaded"));
        let path = self
            .reload_on
            .iter()
            .find(|path| changes(path) || newer(path, loaded))?;
        Verdict::because("reload", format!("for {path}"))
    }

    pub(super) fn apply(&self, verb: &str, calls: &mut Calls) {
        let state = match self.state {
            ServiceState::Running => "running",
            ServiceState::Stopped => "stopped",
            ServiceState::Any => "any",
        };
        let yes = |value: bool| if value { "yes" } else { "no" };
        calls.call(&[
            "service",
            &self.unit,
            verb,
            yes(self.enabled),
            state,
            yes(self.required),
        ]);
    }
}

/// Whether a change writes to a path.
fn touches(change: &Change, path: &str) -> bool {
    // Mode and owner alone change nothing that a program has read.
    if change.verb == "set" {
        return false;
    }
    match &change.resource {
        Resource::File(file) => file.path == path,
        Resource::Block(block) => block.path == path,
        Resource::Absent(absent) => absent.path == path,
        Resource::Binary(binary) => binary.path == path,
        Resource::Blob(blob) => blob.path == path,
        Resource::Archive(archive) => path
            .strip_prefix(&archive.directory)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|name| {
                archive.members.is_empty() || archive.members.iter().any(|(_, one)| one == name)
            }),
        _ => false,
    }
}

/// Seconds with decimals, as `stat` prints them.
fn microseconds(seconds: &str) -> i64 {
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, ""));
    let part: String = part.chars().chain("000000".chars()).take(6).collect();
    whole.parse::<i64>().unwrap_or_default() * 1_000_000 + part.parse::<i64>().unwrap_or_default()
}

/// `Fri 2026-11-20 07:30:12.123456 UTC`, as systemd prints with `--timestamp=us+utc`.
fn microseconds_of_date(text: &str) -> Option<i64> {
    let mut words = text.split(' ').skip(1);
    let mut date = words.next()?.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut clock = words.next()?.splitn(3, ':');
    let (hours, minutes) = (
        clock.next()?.parse::<i64>().ok()?,
        clock.next()?.parse::<i64>().ok()?,
    );
    let of_day = (hours * 60 + minutes) * 60_000_000 + microseconds(clock.next()?);
    Some(days(year, month, day) * 86_400_000_000 + of_day)
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_systemd_and_stat_are_on_one_scale() {
        let date = microseconds_of_date("Fri 2026-11-20 07:30:12.123456 UTC");
        assert_eq!(date, Some(1_795_159_812_123_456));
        assert_eq!(microseconds("1795159812.123456789"), 1_795_159_812_123_456);
        assert_eq!(
            microseconds_of_date("Thu 1970-01-01 00:00:00.000000 UTC"),
            Some(0)
        );
        assert_eq!(microseconds_of_date(""), None);
        assert_eq!(days(2024, 2, 29), 19_782);
    }
}
