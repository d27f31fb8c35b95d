//! All connections of a run with what they share: secrets, log, limits, counters.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Level, RunLog, Stop,
    jump::{turn, with_jumps},
};
use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Host},
    remote::{Output, Script},
    report::{Event, Reporter},
    ssh::{self, ConnectError, Connection, ControlDir, Kind, Pace, RunError, Secret, Secrets},
};

/// A connection that is closed while it is set up (a busy sshd) is tried again for so long.
const BUSY: Duration = Duration::from_secs(8);

/// How a session works; the default is strict and knows no passwords.
#[derive(Debug, Default)]
pub struct Options {
    pub accept_new_host_keys: bool,
    /// Somebody will be asked about hosts whose keys are not known yet; they are reported by [`Session::report_unknown`] only.
    pub asks_for_host_keys: bool,
    /// By host name.
    pub sudo_passwords: BTreeMap<String, Secret>,
    /// What is known before the run; grows by what scripts capture.
    pub secrets: Secrets,
    pub log: Option<RunLog>,
    pub stop: Stop,
    /// For the whole of one connection, tries of busy hosts included; the inventory's own time, and tries besides, when `None`.
    pub patience: Option<Duration>,
}

/// Connections to the hosts of a cluster. Clones share them; they are closed with the last one.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) cluster: Cluster,
    pub(super) reporter: Reporter,
    pub(super) options: Options,
    /// Hosts worked on at once.
    pub(super) limit: Semaphore,
    control: Arc<ControlDir>,
    pace: Arc<Pace>,
    /// By host; the last one is in use, those before it were lost.
    connections: Mutex<BTreeMap<String, Vec<Arc<Connection>>>>,
    pub(super) unreachable: Mutex<BTreeMap<String, ConnectError>>,
    /// What the facts seen last say of certificates that end soon.
    pub(super) certificates: Mutex<Option<String>>,
}

impl Session {
    /// Connects to all hosts at once and waits for the last answer: at most 15 s and a little.
    ///
    /// Hosts that cannot be reached are reported and left out; fails where this machine itself cannot go on, and when the run is
    /// asked to stop.
    pub async fn connect(cluster: &Cluster, options: Options, reporter: &Reporter) -> Result<Self> {
        let session = Self::new(cluster, options, reporter)?;
        session
            .unless_stopped(session.connect_all(&cluster.hosts))
            .await?;
        Ok(session)
    }

    /// A session without a connection yet: [`Session::look`] makes them. Fails where this machine itself cannot go on.
    pub fn new(cluster: &Cluster, options: Options, reporter: &Reporter) -> Result<Self> {
        let control = ControlDir::new().map_err(|error| {
            Failure::new(
                Code::Unreachable,
                format!("no directory for control sockets: {error}"),
            )
            .hint("set XDG_RUNTIME_DIR or TMPDIR to a short path")
        })?;
        for (host, password) in &options.sudo_passwords {
            // A name that no attachment can ask for: it is there to be kept out of outputs.
            let name = format!("sudo password of {host}");
            options.secrets.insert(name, password.clone());
        }
        if let Some(log) = &options.log {
            reporter.keep(log.clone());
        }
        Ok(Self(Arc::new(Inner {
            cluster: cluster.clone(),
            reporter: reporter.clone(),
            options,
            limit: Semaphore::new(cluster.run.parallel.max(1)),
            control: Arc::new(control),
            pace: Arc::default(),
            connections: Mutex::default(),
            unreachable: Mutex::default(),
            certificates: Mutex::default(),
        })))
    }

    /// `work` to its end, or [`Code::Interrupted`] as soon as the run is asked to stop: only for work that changes nothing.
    pub(super) async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T> {
        tokio::select! {
            end = work => Ok(end),
            () = self.stop().reached(Level::Drain) => Err(anyhow!(
                Failure::new(Code::Interrupted, "interrupted before anything was changed")
                    .hint("run the same command again")
            )),
        }
    }

    /// Tries again the hosts that could not be reached, after their keys were accepted.
    pub async fn connect_again(&self, hosts: &[&str]) {
        let hosts: Vec<Host> = self
            .0
            .cluster
            .hosts
            .iter()
            .filter(|host| hosts.contains(&host.name.as_str()))
            .cloned()
            .collect();
        for host in &hosts {
            lock(&self.0.unreachable).remove(&host.name);
        }
        self.connect_all(&hosts).await;
    }

    async fn connect_all(&self, hosts: &[Host]) {
        let mut tasks = JoinSet::new();
        for (host, jump) in with_jumps(hosts) {
            let session = self.clone();
            tasks.spawn(async move {
                let _turn = turn(jump.as_ref()).await;
                session.connect_one(&host).await;
            });
        }
        tasks.join_all().await;
    }

    async fn connect_one(&self, host: &Host) {
        let started = Instant::now();
        match self.open(host).await {
            Ok(connection) => {
                let ms = millis(started);
                self.keep(connection);
                self.event(Event::HostConnected {
                    host: host.name.clone(),
                    ms,
                });
            }
            Err(error) => self.leave_out(error),
        }
    }

    pub(super) async fn open(&self, host: &Host) -> Result<Connection, ConnectError> {
        let (patience, own) = (self.0.options.patience, self.0.cluster.run.connect_timeout);
        let busy = patience.unwrap_or(BUSY);
        let options = ssh::Options {
            accept_new_host_keys: self.0.options.accept_new_host_keys,
            timeout: patience.map_or(own, |patience| patience.min(own)),
            control: self.0.control.clone(),
            pace: self.0.pace.clone(),
            sudo_password: self.0.options.sudo_passwords.get(&host.name).cloned(),
        };
        let started = Instant::now();
        let mut pause = Duration::from_millis(200);
        loop {
            match Connection::open(host, &options).await {
                Err(error) if error.kind == Kind::Closed && started.elapsed() + pause < busy => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                end => return end,
            }
        }
    }

    pub(super) fn keep(&self, connection: Connection) {
        lock(&self.0.connections)
            .entry(connection.host().to_owned())
            .or_default()
            .push(Arc::new(connection));
    }

    /// Works without this host from now on.
    pub(super) fn leave_out(&self, error: ConnectError) {
        if !self.0.options.asks_for_host_keys || error.host_keys.is_empty() {
            self.report(&error);
        }
        self.log(&format!("{error}\n{}", error.detail.join("\n")));
        lock(&self.0.unreachable).insert(error.host.clone(), error);
    }

    fn report(&self, error: &ConnectError) {
        self.event(Event::HostUnreachable {
            host: error.host.clone(),
            reason: error.message.clone(),
            hint: error.hint.clone(),
        });
    }

    /// Hosts whose keys are not known yet.
    pub fn unknown(&self) -> Vec<ConnectError> {
        let unreachable = lock(&self.0.unreachable);
        let unknown = unreachable
            .values()
            .filter(|error| !error.host_keys.is_empty());
        unknown.cloned().collect()
    }

    /// Reports those hosts, whose keys nobody has accepted.
    pub fn report_unknown(&self) {
        for error in self.unknown() {
            self.report(&error);
        }
    }

    /// Hosts that could not be worked on, with the reason.
    pub fn unreachable(&self) -> BTreeMap<String, ConnectError> {
        lock(&self.0.unreachable).clone()
    }

    /// Hosts that can be worked on, in the order of the inventory.
    pub fn reachable(&self) -> Vec<Host> {
        let unreachable = lock(&self.0.unreachable);
        let connections = lock(&self.0.connections);
        let there = |host: &&Host| {
            connections.contains_key(&host.name) && !unreachable.contains_key(&host.name)
        };
        self.0.cluster.hosts.iter().filter(there).cloned().collect()
    }

    pub(super) fn connection(&self, host: &str) -> Result<Arc<Connection>, RunError> {
        let connections = lock(&self.0.connections);
        let connection = connections.get(host).and_then(|all| all.last().cloned());
        connection.ok_or_else(|| RunError::Lost {
            host: host.to_owned(),
            said: "it was never reached".to_owned(),
        })
    }

    /// Sees to it that the host has a connection that lives.
    pub(super) async fn reconnect(&self, host: &str) -> Result<(), RunError> {
        if self.connection(host)?.is_alive().await {
            return Ok(());
        }
        let Some(host) = self.0.cluster.host(host) else {
            return Ok(());
        };
        let connection = self
            .open(host)
            .await
            .map_err(|error| RunError::Connect(error.into()))?;
        self.keep(connection);
        Ok(())
    }

    /// Runs a script on a host; one that only reads is run again on a new connection when its own is lost.
    pub async fn script(&self, host: &str, script: &Script) -> Result<Output, RunError> {
        self.script_heard(host, script, &|_| ()).await
    }

    pub(super) async fn script_heard(
        &self,
        host: &str,
        script: &Script,
        say: ssh::Listener<'_>,
    ) -> Result<Output, RunError> {
        let secrets = &self.0.options.secrets;
        let started = Instant::now();
        let mut end = self.connection(host)?.run(script, secrets, say).await;
        if matches!(end, Err(RunError::Lost { .. })) {
            // Later scripts find a live connection; this one is safe to repeat only if it changes nothing.
            let again = self.reconnect(host).await;
            if again.is_ok() && !script.mutating {
                end = self.connection(host)?.run(script, secrets, say).await;
            }
        }
        self.log_script(host, script, &end, started);
        end
    }

    fn log_script(
        &self,
        host: &str,
        script: &Script,
        end: &Result<Output, RunError>,
        started: Instant,
    ) {
        let name = &script.name;
        let ms = millis(started);
        let output = match end {
            Ok(output) => {
                self.log(&format!("{host} {name}: status {}, {ms} ms", output.status));
                output
            }
            Err(error) => {
                self.log(&format!("{host} {name}: {error}, {ms} ms"));
                let RunError::TimedOut { output, .. } = error else {
                    return;
                };
                output
            }
        };
        let stdout = if script.sensitive { "" } else { &output.stdout };
        for line in stdout.lines().chain(output.stderr.lines()) {
            self.log(&format!("{host} {name}| {line}"));
        }
    }

    pub(super) fn log(&self, text: &str) {
        if let Some(log) = &self.0.options.log {
            log.line(text);
        }
    }

    /// Reports an event.
    pub fn event(&self, event: Event) {
        self.0.reporter.send(event);
    }

    /// A line about certificates that end soon, as the facts seen last have it.
    pub fn certificates_ending(&self) -> Option<String> {
        lock(&self.0.certificates).clone()
    }

    pub fn secrets(&self) -> &Secrets {
        &self.0.options.secrets
    }

    pub fn stop(&self) -> &Stop {
        &self.0.options.stop
    }

    /// Where the log of the run is.
    pub fn log_path(&self) -> Option<&std::path::Path> {
        self.0.options.log.as_ref().map(RunLog::path)
    }

    /// Scripts sent so far, by host.
    pub fn round_trips(&self) -> BTreeMap<String, usize> {
        self.count(Connection::round_trips)
    }

    /// Scripts sent so far that may change a host, by host; without the hosts that were only looked at.
    pub fn mutating(&self) -> BTreeMap<String, usize> {
        let mut count = self.count(Connection::mutating);
        count.retain(|_, scripts| *scripts > 0);
        count
    }

    fn count(&self, of: impl Fn(&Connection) -> usize) -> BTreeMap<String, usize> {
        lock(&self.0.connections)
            .iter()
            .map(|(host, all)| (host.clone(), all.iter().map(|one| of(one)).sum()))
            .collect()
    }

    /// Closes every connection; scripts that change a host go on there.
    pub async fn close(&self) {
        let all: Vec<_> = lock(&self.0.connections)
            .values()
            .flatten()
            .cloned()
            .collect();
        for connection in all {
            connection.close().await;
        }
    }

    /// The error for a command that cannot go on without every host; `None` when all were reached.
    pub fn all_reached(&self) -> Result<()> {
        let unreachable = self.unreachable();
        let Some((_, first)) = unreachable.iter().next() else {
            return Ok(());
        };
        let names: Vec<&str> = unreachable.keys().map(String::as_str).collect();
        let failure = if names.len() == 1 {
            Failure::from(first.clone())
        } else {
            Failure::new(
                Code::Unreachable,
                format!(
                    "{} of {} hosts cannot be worked on: {}",
                    names.len(),
                    self.0.cluster.hosts.len(),
                    names.join(", ")
                ),
            )
            .hint(first.hint.clone())
        };
        Err(anyhow!(failure))
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
