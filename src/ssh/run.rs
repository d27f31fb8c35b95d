//! Runs scripts on a connection, and says why one could not be run.

use std::{fmt, sync::atomic::Ordering, time::Duration};

use openssh::Stdio;
use tokio::sync::SemaphorePermit;

use super::{
    ConnectError, Connection, Kind, Secrets,
    diagnose::kind_before_ready,
    payload::{self, Mode},
    stream::{Listener, PROMPT, Stream},
};
use crate::{
    remote::{Output, Script},
    templates,
};

/// For the host to start the loader.
const READY: Duration = Duration::from_secs(15);

/// Why a script has no exit status.
#[derive(Debug)]
pub enum RunError {
    /// Nothing was run: no root, no shell.
    Connect(Box<ConnectError>),
    /// The connection ended. A script that changes goes on without it.
    Lost { host: String, said: String },
    /// The script took longer than it may and was killed.
    TimedOut { after: Duration, output: Output },
    /// Nothing was run: what was sent did not arrive or could not be made.
    Broken(String),
    /// Nothing was sent: these secrets are not known.
    MissingSecrets(Vec<String>),
}

impl fmt::Display for RunError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => error.fmt(out),
            Self::Lost { host, said } if said.is_empty() => {
                write!(out, "the connection to {host} was lost")
            }
            Self::Lost { host, said } => write!(out, "the connection to {host} was lost: {said}"),
            Self::TimedOut { after, .. } => {
                write!(out, "it did not end within {} s", after.as_secs())
            }
            Self::Broken(reason) => out.write_str(reason),
            Self::MissingSecrets(names) => write!(
                out,
                "secret {} is not known: the step that captures it has not run",
                names.join(", ")
            ),
        }
    }
}

impl std::error::Error for RunError {}

impl Connection {
    /// Runs a script to its end. A status other than 0 is no error here.
    pub async fn run(
        &self,
        script: &Script,
        secrets: &Secrets,
        say: Listener<'_>,
    ) -> Result<Output, RunError> {
        let _slot = self.slot().await;
        let mode = Mode::of(script);
        let stream = self.start(script, secrets, mode).await?;
        match stream.finish(script.timeout, secrets, say).await {
            Err(RunError::Lost { .. }) => Err(self.lost()),
            end => end,
        }
    }

    /// Starts a script that gets the rest of stdin and lives until that ends.
    pub async fn stream(&self, script: &Script, secrets: &Secrets) -> Result<Stream, RunError> {
        self.start(script, secrets, Mode::Stream).await
    }

    pub(super) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed; without a permit sshd's own limit decides.
        self.slots.acquire().await.ok()
    }

    async fn start(
        &self,
        script: &Script,
        secrets: &Secrets,
        mode: Mode,
    ) -> Result<Stream, RunError> {
        let message = payload::encode(script, secrets, mode)?;
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        if script.mutating {
            self.mutating.fetch_add(1, Ordering::Relaxed);
        }
        let mut stream = self.spawn().await?;
        let ready = tokio::time::timeout(READY, stream.ready(self.sudo_password.as_ref())).await;
        if !matches!(ready, Ok(true)) {
            return Err(self.not_ready(stream, ready.is_err()).await);
        }
        // A message that cannot be written ends in the loader's own words, or in none.
        stream.send(&message).await;
        Ok(stream)
    }

    async fn spawn(&self) -> Result<Stream, RunError> {
        let prompt = self.sudo_password.as_ref().map_or("", |_| PROMPT);
        let mut command = self.session.clone().arc_command("sh");
        command
            .args(["-c", templates::text("remote/root.sh"), "sh"])
            .args([templates::text("remote/loader.sh"), prompt])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        match command.spawn().await {
            Ok(child) => Stream::of(&self.host, child)
                .ok_or_else(|| RunError::Broken("no streams".to_owned())),
            Err(error) if self.is_alive().await => Err(RunError::Broken(format!(
                "no session on {}: {error}",
                self.host
            ))),
            Err(_) => Err(self.lost()),
        }
    }

    pub(super) fn lost(&self) -> RunError {
        RunError::Lost {
            host: self.host.clone(),
            said: self.last_words(),
        }
    }

    async fn not_ready(&self, mut stream: Stream, timed_out: bool) -> RunError {
        stream.end_input();
        let asked = stream.asked();
        let stderr = stream.errors().await;
        if !self.is_alive().await {
            return self.lost();
        }
        let kind = match asked {
            2.. => Kind::WrongSudoPassword,
            _ => kind_before_ready(stream.before(), &stderr),
        };
        let said = match (stderr.trim(), timed_out) {
            ("", true) => "no answer to a command",
            ("", false) if kind == Kind::NoSudo => "there is no sudo",
            ("", false) => "no POSIX shell answered",
            (said, _) => said,
        };
        RunError::Connect(Box::new(self.attempt().await.error(kind, said)))
    }
}
