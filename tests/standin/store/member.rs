//! One member: its role, its state, and what clients ask of it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use anyhow::Result;
use rustls::ClientConfig;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{
    disk::{Disk, Vote},
    state::{Command, Entry, Held, Member, Position, Proposal, State},
};
use crate::net::Client;

/// A leader that no majority has acknowledged for this long does not answer reads.
const LEASE: Duration = Duration::from_millis(1400);
/// How long a client is made to wait for a leader or a majority.
const PATIENCE: Duration = Duration::from_secs(4);
/// Entries a leader remembers for members that lag.
const TAIL: usize = 1000;

/// Why the store did not do something, in etcd's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// Another writer came first.
    Conflict,
    /// The cluster refuses it.
    Refused(String),
    /// No leader, or no majority in time: it may or may not have happened.
    Unavailable(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict => out.write_str(super::state::CONFLICT),
            Self::Refused(text) | Self::Unavailable(text) => out.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Follower,
    Leader,
}

pub struct Inner {
    pub vote: Vote,
    pub state: State,
    pub tail: VecDeque<Entry>,
    pub role: Role,
    pub leader: Option<u64>,
    /// When a leader was last heard.
    pub heard: Instant,
    /// As leader: what each member has, and when it last said so.
    pub peers: BTreeMap<u64, (Position, Instant)>,
    /// As leader: when each node last said that it lives.
    pub heartbeats: BTreeMap<String, Instant>,
    pub disk: Disk,
}

pub struct Store {
    pub id: u64,
    pub inner: Mutex<Inner>,
    /// Wakes the loops that replicate and those who wait for a majority.
    pub progress: Notify,
    pub work: Notify,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) clients: Mutex<BTreeMap<String, Arc<Client>>>,
    writing: tokio::sync::Mutex<()>,
}

impl Store {
    pub fn new(disk: Disk, vote: Vote, state: State, tls: Arc<ClientConfig>) -> Arc<Self> {
        let inner = Inner {
            vote,
            state,
            tail: VecDeque::new(),
            role: Role::Follower,
            leader: None,
            heard: Instant::now(),
            peers: BTreeMap::new(),
            heartbeats: BTreeMap::new(),
            disk,
        };
        Arc::new(Self {
            id: inner.vote.member,
            inner: Mutex::new(inner),
            progress: Notify::new(),
            work: Notify::new(),
            tls,
            clients: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
        })
    }

    /// The state is never left half changed, so a panic elsewhere does not spoil it.
    pub fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub fn is_leader(&self) -> bool {
        self.lock().leads()
    }

    /// Whether this member follows or is a leader that works.
    pub fn healthy(&self) -> bool {
        let inner = self.lock();
        match inner.role {
            Role::Leader => inner.leads(),
            Role::Follower => inner.leader.is_some() && inner.heard.elapsed() < 3 * LEASE,
        }
    }

    /// Whether this member itself has a key by now.
    pub fn holds(&self, key: &str) -> bool {
        self.lock().state.map.contains_key(key)
    }

    /// Everything under a prefix, as the leader has it.
    pub async fn range(&self, prefix: &str) -> Result<BTreeMap<String, Held>, Error> {
        let answer = self
            .at_leader("/read", &json!({ "prefix": prefix }))
            .await?;
        serde_json::from_value(answer).map_err(|error| Error::Unavailable(error.to_string()))
    }

    /// Has a proposal done by the leader; returns the index of its entry, or the member it concerns.
    pub async fn propose(&self, proposal: &Proposal) -> Result<Value, Error> {
        let proposal = serde_json::to_value(proposal).unwrap_or_default();
        self.at_leader("/propose", &proposal).await
    }

    pub async fn heartbeat(&self, node: &str) -> Result<(), Error> {
        self.at_leader("/heartbeat", &json!({ "node": node }))
            .await?;
        Ok(())
    }

    /// Members, as the leader has them.
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let answer = self.at_leader("/members", &Value::Null).await?;
        serde_json::from_value(answer).map_err(|error| Error::Unavailable(error.to_string()))
    }

    /// Answers here where this member leads, else asks the leader; waits a while for there to be one.
    async fn at_leader(&self, path: &str, body: &Value) -> Result<Value, Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let leader = {
                let inner = self.lock();
                let leader = inner.leader.and_then(|id| inner.state.members.get(&id));
                leader.map(|leader| (leader.id, leader.peer_url.clone()))
            };
            match leader {
                Some((id, _)) if id == self.id && self.is_leader() => {
                    return self.serve(path, body).await;
                }
                Some((_, url)) => match self.client(&url).post(path, body).await {
                    Ok(answer) if answer.status == 200 => {
                        return answer
                            .value()
                            .map_err(|error| Error::Unavailable(error.to_string()));
                    }
                    Ok(answer) if answer.status == 409 => return Err(Error::Conflict),
                    Ok(answer) if answer.status == 412 => {
                        return Err(Error::Refused(String::from_utf8_lossy(&answer.body).into()));
                    }
                    // Not (any more) the leader, or gone: another will be found.
                    Ok(_) | Err(_) => {}
                },
                None => {}
            }
            if Instant::now() > deadline {
                return Err(Error::Unavailable("etcdserver: no leader".into()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What a leader answers.
    pub(super) async fn serve(&self, path: &str, body: &Value) -> Result<Value, Error> {
        match path {
            "/read" => {
                let prefix = body["prefix"].as_str().unwrap_or_default().to_owned();
                let inner = self.lock();
                let found: BTreeMap<&String, &Held> = inner
                    .state
                    .map
                    .range(prefix.clone()..)
                    .take_while(|(key, _)| key.starts_with(&prefix))
                    .collect();
                Ok(json!(found))
            }
            "/members" => {
                let inner = self.lock();
                Ok(json!(inner.state.members.values().collect::<Vec<_>>()))
            }
            "/heartbeat" => {
                let node = body["node"].as_str().unwrap_or_default().to_owned();
                self.lock().heartbeats.insert(node, Instant::now());
                Ok(Value::Null)
            }
            _ => {
                let proposal = serde_json::from_value(body.clone())
                    .map_err(|error| Error::Refused(error.to_string()))?;
                self.write(proposal).await
            }
        }
    }

    /// As leader: appends one entry and waits until a majority has it.
    async fn write(&self, proposal: Proposal) -> Result<Value, Error> {
        let _one_at_a_time = self.writing.lock().await;
        let (at, answer) = {
            let mut inner = self.lock();
            if !inner.leads() {
                return Err(Error::Unavailable("etcdserver: no leader".into()));
            }
            let in_step = inner.in_step(self.id);
            let command = inner.state.decide(proposal, &in_step).map_err(|reason| {
                match reason == super::state::CONFLICT {
                    true => Error::Conflict,
                    false => Error::Refused(reason),
                }
            })?;
            let answer = match &command {
                Command::Member(member) => json!(member),
                _ => Value::Null,
            };
            (
                inner
                    .append(command)
                    .map_err(|error| Error::Unavailable(format!("{error:#}")))?,
                answer,
            )
        };
        self.work.notify_waiters();
        self.majority_has(at).await?;
        Ok(if answer.is_null() {
            json!(at.index)
        } else {
            answer
        })
    }

    async fn majority_has(&self, at: Position) -> Result<(), Error> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let progress = self.progress.notified();
            {
                let inner = self.lock();
                let have = inner
                    .state
                    .voters()
                    .filter(|member| match inner.peers.get(&member.id) {
                        Some((position, _)) => *position >= at,
                        None => member.id == self.id,
                    })
                    .count();
                if have >= inner.state.majority() {
                    return Ok(());
                }
            }
            if Instant::now() > deadline || !self.lock().role_is_leader() {
                return Err(Error::Unavailable("etcdserver: request timed out".into()));
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), progress).await;
        }
    }

    pub(super) fn client(&self, url: &str) -> Arc<Client> {
        let mut clients = self
            .clients
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let client = clients.entry(url.to_owned()).or_insert_with(|| {
            Arc::new(Client::new(url, self.tls.clone()).timeout(PATIENCE + LEASE))
        });
        client.clone()
    }
}

impl Inner {
    pub fn role_is_leader(&self) -> bool {
        self.role == Role::Leader
    }

    /// Whether this member leads and a majority has said so lately.
    pub fn leads(&self) -> bool {
        let own = self.vote.member;
        let fresh = self
            .state
            .voters()
            .filter(|member| match self.peers.get(&member.id) {
                Some((_, when)) => when.elapsed() < LEASE,
                None => member.id == own,
            })
            .count();
        self.role == Role::Leader && fresh >= self.state.majority()
    }

    /// Members that have all there is, heard of lately.
    fn in_step(&self, own: u64) -> BTreeSet<u64> {
        self.peers
            .iter()
            .filter(|(_, (position, when))| *position == self.state.last && when.elapsed() < LEASE)
            .map(|(&id, _)| id)
            .chain([own])
            .collect()
    }

    /// As leader: makes a command the next entry, durable here.
    pub fn append(&mut self, command: Command) -> Result<Position> {
        let at = Position {
            term: self.vote.term,
            index: self.state.last.index + 1,
        };
        let entry = Entry { at, command };
        self.state.apply(&entry);
        self.disk
            .append(std::slice::from_ref(&entry), &self.state)?;
        self.remember(entry);
        Ok(at)
    }

    pub fn remember(&mut self, entry: Entry) {
        self.tail.push_back(entry);
        if self.tail.len() > TAIL {
            self.tail.pop_front();
        }
    }
}
