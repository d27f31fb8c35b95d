//! Who leads: votes, with a question beforehand so that a member that was away disturbs nobody.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    member::{Inner, Role, Store},
    state::{Command, Member, Position},
};

/// A follower that has heard nothing for this long (and up to as much again) asks for votes.
const QUIET: Duration = Duration::from_millis(1500);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ask {
    term: u64,
    candidate: u64,
    last: Position,
    /// Only asks whether a vote would be given.
    trial: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Answer {
    term: u64,
    granted: bool,
    /// The candidate is no member any more.
    removed: bool,
}

/// Watches for silence and stands for election. Ends with an error when the cluster has removed this member.
pub async fn watch(store: Arc<Store>) -> Result<()> {
    let mut seed = store.id;
    loop {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let spread = Duration::from_millis((seed >> 33) % 1000);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let due = {
            let inner = store.lock();
            if inner.state.removed.contains(&store.id) {
                anyhow::bail!("the member has been permanently removed from the cluster");
            }
            let votes = inner.state.voters().any(|member| member.id == store.id);
            votes && inner.role == Role::Follower && inner.heard.elapsed() > QUIET + spread
        };
        if due {
            stand(&store).await?;
        }
    }
}

async fn stand(store: &Arc<Store>) -> Result<()> {
    store.lock().leader = None;
    if !ask_all(store, true).await? {
        return Ok(());
    }
    {
        let mut inner = store.lock();
        inner.vote.term += 1;
        inner.vote.voted_for = Some(store.id);
        inner.disk.vote(&inner.vote)?;
    }
    let term = store.lock().vote.term;
    if !ask_all(store, false).await? {
        return Ok(());
    }
    let mut inner = store.lock();
    if inner.vote.term == term && inner.role == Role::Follower {
        inner.role = Role::Leader;
        inner.leader = Some(store.id);
        inner.peers.clear();
        inner.heartbeats.clear();
        inner.append(Command::Nothing)?;
        drop(inner);
        store.work.notify_waiters();
    }
    Ok(())
}

/// Asks every other voter; true where a majority grants it.
async fn ask_all(store: &Arc<Store>, trial: bool) -> Result<bool> {
    let (ask, others, needed) = {
        let inner = store.lock();
        let ask = Ask {
            term: inner.vote.term + u64::from(trial),
            candidate: store.id,
            last: inner.state.last,
            trial,
        };
        let others: Vec<Member> = inner
            .state
            .voters()
            .filter(|member| member.id != store.id)
            .cloned()
            .collect();
        (ask, others, inner.state.majority())
    };
    let mut asked = tokio::task::JoinSet::new();
    for member in others {
        let (store, ask) = (store.clone(), json!(ask));
        asked.spawn(async move {
            let client = store.client(&member.peer_url);
            let answer =
                tokio::time::timeout(Duration::from_millis(800), client.post("/vote", &ask));
            answer.await.ok()?.ok()?.value().ok()
        });
    }
    let mut granted = 1;
    while granted < needed
        && let Some(answer) = asked.join_next().await
    {
        let Some(answer) = answer.ok().flatten() else {
            continue;
        };
        let answer: Answer = serde_json::from_value(answer).unwrap_or_default();
        let mut inner = store.lock();
        if answer.removed {
            inner.state.removed.insert(store.id);
        }
        if answer.term > inner.vote.term && !trial {
            inner.step_down(answer.term)?;
            return Ok(false);
        }
        granted += usize::from(answer.granted);
    }
    Ok(granted >= needed)
}

/// Answers a candidate.
pub fn answer(store: &Store, body: &Value) -> Result<Value> {
    let ask: Ask = serde_json::from_value(body.clone())?;
    let mut inner = store.lock();
    let mut answer = Answer {
        term: inner.vote.term,
        granted: false,
        removed: false,
    };
    answer.removed = inner.state.removed.contains(&ask.candidate);
    let leader_lives = match inner.role {
        Role::Leader => inner.leads(),
        Role::Follower => inner.leader.is_some() && inner.heard.elapsed() < QUIET,
    };
    let as_new = ask.last >= inner.state.last;
    if answer.removed || leader_lives || !as_new || ask.term < inner.vote.term {
        return Ok(json!(answer));
    }
    if ask.trial {
        answer.granted = ask.term > inner.vote.term;
        return Ok(json!(answer));
    }
    if ask.term > inner.vote.term {
        inner.step_down(ask.term)?;
    }
    if inner
        .vote
        .voted_for
        .is_none_or(|voted| voted == ask.candidate)
    {
        inner.vote.voted_for = Some(ask.candidate);
        inner.disk.vote(&inner.vote)?;
        inner.heard = Instant::now();
        answer.granted = true;
    }
    answer.term = inner.vote.term;
    Ok(json!(answer))
}

impl Inner {
    /// Becomes a follower in a newer term.
    pub fn step_down(&mut self, term: u64) -> Result<()> {
        self.role = Role::Follower;
        self.leader = None;
        if term > self.vote.term {
            self.vote.term = term;
            self.vote.voted_for = None;
            self.disk.vote(&self.vote)?;
        }
        Ok(())
    }
}
