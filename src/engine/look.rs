//! A look at every host within seconds: who does not answer in time keeps nobody waiting.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Session, elect,
    jump::{turn, with_jumps},
    observe::{gone, odd, understand},
    session::{lock, millis},
};
use crate::{
    inventory::Host,
    observe::{Facts, HostSeen, Observation},
    report::Event,
    ssh::{ConnectError, Kind, RunError},
    status::{self, Answers},
};

/// What every host said, and why others said nothing.
#[derive(Debug, Default)]
pub struct Looked {
    pub seen: Observation,
    /// By host: what control planes said beside their facts.
    pub answers: BTreeMap<String, Answers>,
}

impl Session {
    /// Asks every host as soon as it is connected, one round trip each, all at once; a host without an answer within `patience` is
    /// left out with the reason. Hosts that were out of reach before are tried again.
    ///
    /// Fails only when the run is asked to stop.
    pub async fn look(&self, patience: Duration) -> Result<Looked> {
        let mut tasks = JoinSet::new();
        for (host, jump) in with_jumps(&self.0.cluster.hosts) {
            let session = self.clone();
            tasks.spawn(async move {
                let begun = Instant::now();
                let answer = tokio::time::timeout(patience, session.ask_status(&host, jump)).await;
                let answer = answer.unwrap_or_else(|_| Err(session.silent(&host, begun).into()));
                (host.name, answer)
            });
        }
        let answers = self.unless_stopped(tasks.join_all()).await?;
        let mut looked = Looked::default();
        for (host, answer) in answers {
            match answer {
                Ok((facts, answers)) => {
                    lock(&self.0.unreachable).remove(&host);
                    let resources = BTreeMap::new();
                    let seen = HostSeen { facts, resources };
                    looked.seen.hosts.insert(host.clone(), seen);
                    looked.answers.insert(host, answers);
                }
                Err(error) => {
                    let message = format!("{}; {}", error.message, error.hint);
                    self.leave_out(*error);
                    looked.seen.unreachable.insert(host, message);
                }
            }
        }
        looked.seen.elected = elect(&self.0.cluster, &looked.seen);
        Ok(looked)
    }

    async fn ask_status(
        &self,
        host: &Host,
        jump: Option<Arc<Semaphore>>,
    ) -> Result<(Facts, Answers), Box<ConnectError>> {
        let begun = Instant::now();
        {
            let _turn = turn(jump.as_ref()).await;
            match self.connection(&host.name) {
                Ok(connection) if connection.is_alive().await => {}
                _ => {
                    self.keep(self.open(host).await?);
                    self.event(Event::HostConnected {
                        host: host.name.clone(),
                        ms: millis(begun),
                    });
                }
            }
        }
        let _turn = self.0.limit.acquire().await;
        let script = status::host_script(&self.0.cluster, host);
        let output = self.script(&host.name, &script).await;
        let output = output.map_err(|error: RunError| Box::new(gone(host, error)))?;
        understand(&output, &script)
            .and_then(|()| status::read_host(&output.stdout))
            .map_err(|error| Box::new(odd(host, &error)))
    }

    /// Why a host is left out that did not answer in time.
    fn silent(&self, host: &Host, begun: Instant) -> ConnectError {
        let seconds = (begun.elapsed().as_millis() + 500) / 1000;
        let what = if self.connection(&host.name).is_ok() {
            "it was connected, but did not answer"
        } else {
            "no connection"
        };
        ConnectError {
            host: host.name.clone(),
            kind: Kind::TimedOut,
            message: format!("{what} within {seconds} s"),
            hint: "`--timeout SECONDS` gives a slow host more time".to_owned(),
            detail: Vec::new(),
            host_keys: Vec::new(),
        }
    }
}
