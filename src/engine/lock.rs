//! One run per cluster: a lock on every host that the kernel releases when its holder dies.

use std::{collections::BTreeSet, time::Duration};

use anyhow::{Result, anyhow};
use tokio::{sync::oneshot, task::JoinHandle};

use super::{Session, log};
use crate::{
    failure::{Code, Failure},
    inventory::Host,
    remote::Script,
    report::text,
    ssh::{RunError, Said, Stream},
    templates,
};

/// Between two signs of life; the host takes 30 s of silence for our end.
const BEAT: Duration = Duration::from_secs(5);
/// A script of an earlier run may go on for so long before this run gives up waiting for it.
const BUSY: Duration = Duration::from_mins(30);

/// The hosts of a cluster, for this run alone. Released when dropped; [`Lock::release`] also waits for it.
#[derive(Debug)]
pub struct Lock {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Session {
    /// Locks every host that can be worked on, control planes first and in the order of the inventory: of two runs one wins.
    ///
    /// Where a script of an earlier run still goes on, its end is waited for. Fails with [`Code::Locked`] and the holder's
    /// name when another run has the lock; nothing is held then. `command` is told to others: `baremetal up inventory.yaml`.
    pub async fn lock(&self, command: &str) -> Result<Lock> {
        let hosts = self.reachable();
        self.unless_stopped(self.lock_all(hosts, &holder(command)))
            .await?
    }

    /// As [`Session::lock`], of control planes and these hosts alone: enough to keep other runs out, and nothing is written
    /// on hosts that have no part in this one.
    pub async fn lock_for(&self, command: &str, names: &BTreeSet<String>) -> Result<Lock> {
        let mut hosts = self.reachable();
        hosts.retain(|host| host.is_control_plane() || names.contains(&host.name));
        self.unless_stopped(self.lock_all(hosts, &holder(command)))
            .await?
    }

    async fn lock_all(&self, hosts: Vec<Host>, holder: &str) -> Result<Lock> {
        let mut lock = Lock { held: Vec::new() };
        let (first, rest): (Vec<_>, Vec<_>) = hosts.into_iter().partition(Host::is_control_plane);
        for host in &first {
            match self.lock_host(&host.name, holder).await {
                Ok(held) => lock.held.push(held),
                Err(error) => return lock.give_up(error).await,
            }
        }
        let mut tasks = tokio::task::JoinSet::new();
        for host in rest {
            let (session, holder) = (self.clone(), holder.to_owned());
            tasks.spawn(async move { session.lock_host(&host.name, &holder).await });
        }
        let mut failed = None;
        for end in tasks.join_all().await {
            match end {
                Ok(held) => lock.held.push(held),
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) => lock.give_up(error).await,
            None => Ok(lock),
        }
    }

    async fn lock_host(&self, host: &str, holder: &str) -> Result<Held> {
        let script = Script::change("lock", templates::text("remote/lock.sh"))
            .arg(holder)
            .timeout(Duration::ZERO);
        let mut stream = self
            .connection(host)?
            .stream(&script, self.secrets())
            .await?;
        let taken = tokio::time::timeout(BUSY, self.taken(host, &mut stream)).await;
        match taken {
            Ok(Ok(())) => Ok(hold(stream)),
            Ok(Err(said)) => Err(self.not_locked(host, stream, said).await),
            Err(_) => Err(anyhow!(
                Failure::new(
                    Code::Locked,
                    format!("a script of an earlier run has not ended on {host}")
                )
                .hint(format!("look for `baremetal.` in the processes of {host}"))
            )),
        }
    }

    /// Waits for the lock; what the script said when it was not to be had.
    async fn taken(&self, host: &str, stream: &mut Stream) -> Result<(), String> {
        let mut said = String::new();
        let mut told = false;
        let mut beat = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                next = stream.next() => match next {
                    Some(Said::Say(word)) if word == "locked" => return Ok(()),
                    Some(Said::Say(word)) => {
                        if !told {
                            self.0.reporter.note(format!("{host}: {word}"));
                        }
                        told = true;
                    }
                    Some(Said::Output(line)) => said.push_str(&String::from_utf8_lossy(&line)),
                    Some(Said::Exit(75)) => return Err(said.trim().to_owned()),
                    _ => return Err(String::new()),
                },
                // While it waits for an earlier script it must hear that we live.
                _ = beat.tick(), if told => {
                    stream.send(b".").await;
                }
            }
        }
    }

    async fn not_locked(&self, host: &str, stream: Stream, said: String) -> anyhow::Error {
        if !said.is_empty() {
            return anyhow!(
                Failure::new(Code::Locked, format!("another run holds {host}: {said}")).hint(
                    "wait for its end; the lock goes with the process, there is nothing to remove"
                )
            );
        }
        let end = stream.finish(Duration::ZERO, self.secrets(), &|_| ()).await;
        let why = match end {
            Ok(output) => output.stderr.trim().to_owned(),
            Err(RunError::Lost { .. }) => "the script that holds the lock has ended".to_owned(),
            Err(error) => error.to_string(),
        };
        anyhow!(Failure::new(
            Code::Phase,
            format!("{host} cannot be locked: {why}")
        ))
    }
}

/// Gives signs of life until it is told to stop.
fn hold(mut stream: Stream) -> Held {
    let (stop, mut stopped) = oneshot::channel();
    let task = tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                () = tokio::time::sleep(BEAT) => {
                    if !stream.send(b".").await {
                        break;
                    }
                }
            }
        }
        stream.end_input();
        // To the end of the script, so that whoever comes next finds the lock free.
        let end = async { while stream.next().await.is_some() {} };
        let _ = tokio::time::timeout(BEAT, end).await;
    });
    Held { stop, task }
}

impl Lock {
    /// Releases all hosts, and waits until they are free.
    pub async fn release(self) {
        let (stops, tasks): (Vec<_>, Vec<_>) = self
            .held
            .into_iter()
            .map(|held| (held.stop, held.task))
            .unzip();
        drop(stops);
        for task in tasks {
            // A task that panicked holds nothing any more.
            let _ = task.await;
        }
    }

    async fn give_up(self, error: anyhow::Error) -> Result<Self> {
        self.release().await;
        Err(error)
    }
}

/// Who asks: `root@desk, process 4711, since 2026-11-21T08-15-00Z: baremetal up lab.yaml`.
fn holder(command: &str) -> String {
    format!(
        "{}, process {}, since {}: {command}",
        operator(),
        std::process::id(),
        text::stamp(log::now())
    )
}

/// Who runs this program, and where: `root@desk`.
pub fn operator() -> String {
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    format!(
        "{}@{}",
        user.as_deref().unwrap_or("somebody"),
        machine.trim()
    )
}
