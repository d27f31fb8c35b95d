//! From the leader to the others: entries, or the whole state where a history differs.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::{
    member::{Role, Store},
    state::{Entry, Position, State},
};

/// A leader says that it lives this often.
const BEAT: Duration = Duration::from_millis(200);

#[derive(Debug, Serialize, Deserialize)]
pub struct Append {
    term: u64,
    leader: u64,
    /// The last entry that the member is believed to have.
    after: Position,
    entries: Vec<Entry>,
    /// Instead of entries: everything.
    state: Option<State>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Answer {
    term: u64,
    taken: bool,
    last: Position,
}

/// Keeps one task for each other member, as the membership changes.
pub async fn supervise(store: Arc<Store>) {
    let mut tasks: BTreeMap<u64, AbortOnDropHandle<()>> = BTreeMap::new();
    loop {
        let members: BTreeMap<u64, String> = {
            let inner = store.lock();
            inner
                .state
                .members
                .values()
                .map(|member| (member.id, member.peer_url.clone()))
                .collect()
        };
        tasks.retain(|id, _| {
            let stays = members.contains_key(id);
            if !stays {
                store.lock().peers.remove(id);
            }
            stays
        });
        for (id, url) in members {
            if id != store.id {
                tasks.entry(id).or_insert_with(|| {
                    AbortOnDropHandle::new(tokio::spawn(follow(store.clone(), id, url)))
                });
            }
        }
        {
            // A leader that is no member any more has told the others; now it leaves.
            let mut inner = store.lock();
            let last = inner.state.last;
            let told = inner.state.voters().filter(|member| {
                inner
                    .peers
                    .get(&member.id)
                    .is_some_and(|(position, _)| *position >= last)
            });
            let told = told.count() >= inner.state.majority();
            let removed = !inner.state.members.contains_key(&store.id);
            if inner.role == Role::Leader && removed && told {
                inner.role = Role::Follower;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Sends one member what it lacks, and a beat when it lacks nothing.
async fn follow(store: Arc<Store>, id: u64, url: String) {
    let mut whole = false;
    loop {
        let work = store.work.notified();
        let message = message(&store, id, whole);
        let Some(message) = message else {
            tokio::time::sleep(BEAT).await;
            continue;
        };
        let patience = match message.state {
            Some(_) => Duration::from_secs(10),
            None => Duration::from_millis(1500),
        };
        let client = store.client(&url);
        let sent = tokio::time::timeout(patience, client.post("/append", &json!(message))).await;
        match sent
            .map_err(anyhow::Error::from)
            .flatten()
            .and_then(|answer| answer.value())
        {
            Ok(answer) => {
                let answer: Answer = serde_json::from_value(answer).unwrap_or_default();
                whole = !note(&store, id, &message, &answer);
                if whole {
                    continue;
                }
            }
            Err(_) => tokio::time::sleep(BEAT).await,
        }
        let behind = {
            let inner = store.lock();
            inner
                .peers
                .get(&id)
                .is_none_or(|(position, _)| *position < inner.state.last)
        };
        if !behind {
            let _ = tokio::time::timeout(BEAT, work).await;
        }
    }
}

/// What the member is to be told; `None` where this member does not lead.
fn message(store: &Store, id: u64, whole: bool) -> Option<Append> {
    let inner = store.lock();
    if inner.role != Role::Leader {
        return None;
    }
    let last = inner.state.last;
    let after = inner.peers.get(&id).map_or(last, |(position, _)| *position);
    let entries: Vec<Entry> = inner
        .tail
        .iter()
        .filter(|entry| entry.at > after)
        .cloned()
        .collect();
    let complete = entries
        .first()
        .map_or(after == last, |entry| entry.at.index == after.index + 1);
    let state = (whole || !complete).then(|| inner.state.clone());
    Some(Append {
        term: inner.vote.term,
        leader: store.id,
        after,
        entries: if state.is_some() { Vec::new() } else { entries },
        state,
    })
}

/// Notes an answer; false where the member needs the whole state.
fn note(store: &Store, id: u64, message: &Append, answer: &Answer) -> bool {
    let mut inner = store.lock();
    if answer.term > inner.vote.term {
        let _ = inner.step_down(answer.term);
        return true;
    }
    if inner.role != Role::Leader || inner.vote.term != message.term {
        return true;
    }
    let known =
        answer.last == inner.state.last || inner.tail.iter().any(|entry| entry.at == answer.last);
    let position = match (answer.taken, known) {
        (true, _) | (false, true) => answer.last,
        (false, false) => Position::default(),
    };
    inner.peers.insert(id, (position, Instant::now()));
    drop(inner);
    store.progress.notify_waiters();
    answer.taken || known
}

/// Takes what a leader sends.
pub fn take(store: &Store, body: &[u8]) -> Result<Value> {
    let append: Append = serde_json::from_slice(body).context("append")?;
    let mut inner = store.lock();
    let refuse = |term, last| {
        Ok(json!(Answer {
            term,
            taken: false,
            last
        }))
    };
    if append.term < inner.vote.term {
        return refuse(inner.vote.term, inner.state.last);
    }
    if append.term > inner.vote.term || inner.role == Role::Leader {
        inner.step_down(append.term)?;
    }
    inner.leader = Some(append.leader);
    inner.heard = Instant::now();
    if let Some(state) = append.state {
        inner.state = state;
        inner.tail.clear();
        let inner = &mut *inner;
        inner.disk.snapshot(&inner.state)?;
    } else if append.after != inner.state.last {
        return refuse(inner.vote.term, inner.state.last);
    } else if !append.entries.is_empty() {
        let inner = &mut *inner;
        for entry in &append.entries {
            inner.state.apply(entry);
        }
        inner.disk.append(&append.entries, &inner.state)?;
        for entry in append.entries {
            inner.remember(entry);
        }
    }
    Ok(json!(Answer {
        term: inner.vote.term,
        taken: true,
        last: inner.state.last
    }))
}
