//! A command of the user's on many hosts: what `exec` does.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use tokio::task::JoinSet;

use super::{Level, Session, session::millis};
use crate::{
    failure::{Code, Failure},
    remote::Script,
    report::{Event, HostOutput},
    ssh::RunError,
};

impl Session {
    /// Runs a line of shell on every host that was reached, as many at once as the limit allows; in the order of the inventory.
    ///
    /// A command that ends badly is no error. Asked to stop, no further host begins: [`Code::Interrupted`] names those on which it
    /// goes on without us.
    pub async fn everywhere(&self, line: &str, timeout: Duration) -> Result<Vec<HostOutput>> {
        let script = script(line, timeout);
        let hosts = self.reachable();
        let begun = std::sync::Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
        let mut tasks = JoinSet::new();
        for (index, host) in hosts.into_iter().enumerate() {
            let (session, script, begun) = (self.clone(), script.clone(), begun.clone());
            tasks.spawn(async move {
                let _turn = session.0.limit.acquire().await;
                super::session::lock(&begun).push(host.name.clone());
                let output = session.run_on(&host.name, &script).await;
                super::session::lock(&begun).retain(|name| *name != host.name);
                (index, output)
            });
        }
        let mut ended = Vec::new();
        loop {
            tokio::select! {
                next = tasks.join_next() => match next {
                    Some(end) => ended.push(end?),
                    None => break,
                },
                () = self.stop().reached(Level::Drain) => {
                    tasks.abort_all();
                    return Err(interrupted(&super::session::lock(&begun)));
                }
            }
        }
        ended.sort_by_key(|(index, _)| *index);
        Ok(ended.into_iter().map(|(_, output)| output).collect())
    }

    async fn run_on(&self, host: &str, script: &Script) -> HostOutput {
        let started = Instant::now();
        let host = host.to_owned();
        let end = match self.script(&host, script).await {
            Ok(output) => HostOutput {
                host,
                status: Some(output.status),
                stdout: unmarked(&output.stdout),
                stderr: output.stderr,
                reason: None,
            },
            Err(error) => {
                let reason = Some(error.to_string());
                // What it printed until it was killed tells most about why it hung.
                let output = match error {
                    RunError::TimedOut { output, .. } => output,
                    _ => crate::remote::Output::default(),
                };
                HostOutput {
                    host,
                    status: None,
                    stdout: unmarked(&output.stdout),
                    stderr: output.stderr,
                    reason,
                }
            }
        };
        self.event(Event::HostRan {
            host: end.host.clone(),
            status: end.status,
            stdout: end.stdout.clone(),
            stderr: end.stderr.clone(),
            reason: end.reason.clone(),
            ms: millis(started),
        });
        end
    }
}

/// What begins every line of the command's output (`templates/remote/exec.sh`).
const MARK: char = '.';

/// The command may change a host: when the connection is cut it goes on, and it is never run twice.
fn script(line: &str, timeout: Duration) -> Script {
    Script::change("exec", crate::templates::text("remote/exec.sh"))
        .attach("command", line)
        .timeout(timeout)
}

fn unmarked(stdout: &str) -> String {
    stdout
        .split_inclusive('\n')
        .map(|line| line.strip_prefix(MARK).unwrap_or(line))
        .collect()
}

fn interrupted(begun: &[String]) -> anyhow::Error {
    let failure = if begun.is_empty() {
        Failure::new(Code::Interrupted, "interrupted")
    } else {
        Failure::new(
            Code::Interrupted,
            format!("interrupted; the command goes on, on {}", begun.join(", ")),
        )
        .hint(
            "a command that has begun is not killed in the middle of a change; `--timeout` ends it",
        )
    };
    anyhow!(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_never_repeated_and_its_mark_is_taken_off() {
        let script = script("reboot", Duration::from_secs(1));
        assert!(script.mutating);
        assert_eq!(script.attachments[0].content, b"reboot");
        assert_eq!(
            unmarked(".a\n..b\n.\n.::exit 3\n.c"),
            "a\n.b\n\n::exit 3\nc"
        );
        assert_eq!(unmarked(""), "");
    }
}
