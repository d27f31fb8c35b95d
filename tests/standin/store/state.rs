//! What is replicated, and how entries change it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub id: u64,
    /// Empty until the member has started.
    pub name: String,
    pub peer_url: String,
    pub client_url: String,
    pub learner: bool,
}

/// Term and index of an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    pub term: u64,
    pub index: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub at: Position,
    pub command: Command,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// A new leader's first entry.
    Nothing,
    Put {
        key: String,
        value: Value,
    },
    Delete {
        key: String,
    },
    Member(Member),
    RemoveMember(u64),
}

/// What a client asks the leader for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Proposal {
    /// Writes or deletes (`None`) a key whose revision is `expected` (0: absent).
    Write {
        key: String,
        expected: u64,
        value: Option<Value>,
    },
    AddMember {
        peer_url: String,
        learner: bool,
    },
    Promote {
        id: u64,
    },
    RemoveMember {
        id: u64,
    },
    /// A member tells its name and client URL once it runs.
    Started {
        id: u64,
        name: String,
        client_url: String,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    pub cluster: u64,
    pub last: Position,
    pub members: BTreeMap<u64, Member>,
    pub removed: BTreeSet<u64>,
    pub map: BTreeMap<String, Held>,
}

/// A value and the index of the entry that wrote it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Held {
    pub revision: u64,
    pub value: Value,
}

impl State {
    pub fn apply(&mut self, entry: &Entry) {
        self.last = entry.at;
        match &entry.command {
            Command::Nothing => {}
            Command::Put { key, value } => {
                let held = Held {
                    revision: entry.at.index,
                    value: value.clone(),
                };
                self.map.insert(key.clone(), held);
            }
            Command::Delete { key } => {
                self.map.remove(key);
            }
            Command::Member(member) => {
                self.members.insert(member.id, member.clone());
            }
            Command::RemoveMember(id) => {
                self.members.remove(id);
                self.removed.insert(*id);
            }
        }
    }

    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.learner)
    }

    pub fn majority(&self) -> usize {
        self.voters().count() / 2 + 1
    }

    /// The command that a proposal means now, or why it is refused (etcd's words).
    pub fn decide(&self, proposal: Proposal, in_step: &BTreeSet<u64>) -> Result<Command, String> {
        match proposal {
            Proposal::Write {
                key,
                expected,
                value,
            } => {
                let revision = self.map.get(&key).map_or(0, |held| held.revision);
                if revision != expected {
                    return Err(CONFLICT.to_owned());
                }
                Ok(match value {
                    Some(value) => Command::Put { key, value },
                    None => Command::Delete { key },
                })
            }
            Proposal::AddMember { peer_url, learner } => self.add(peer_url, learner),
            Proposal::Promote { id } => {
                let member = self.members.get(&id).ok_or(NOT_FOUND)?;
                if !member.learner {
                    return Err("etcdserver: can only promote a learner member".into());
                }
                if !in_step.contains(&id) {
                    return Err(
                        "etcdserver: can only promote a learner member which is in sync with leader".into(),
                    );
                }
                Ok(Command::Member(Member {
                    learner: false,
                    ..member.clone()
                }))
            }
            Proposal::RemoveMember { id } => self.remove(id, in_step),
            Proposal::Started {
                id,
                name,
                client_url,
            } => {
                let member = self.members.get(&id).ok_or(NOT_FOUND)?;
                Ok(Command::Member(Member {
                    name,
                    client_url,
                    ..member.clone()
                }))
            }
        }
    }

    fn add(&self, peer_url: String, learner: bool) -> Result<Command, String> {
        if self
            .members
            .values()
            .any(|member| member.peer_url == peer_url)
        {
            return Err("etcdserver: Peer URLs already exists".into());
        }
        if learner && self.members.values().any(|member| member.learner) {
            return Err("etcdserver: too many learner members in cluster".into());
        }
        let seed = format!("{peer_url} {} {}", self.cluster, self.last.index);
        let id = digest(&seed);
        Ok(Command::Member(Member {
            id,
            name: String::new(),
            peer_url,
            client_url: String::new(),
            learner,
        }))
    }

    fn remove(&self, id: u64, in_step: &BTreeSet<u64>) -> Result<Command, String> {
        let member = self.members.get(&id).ok_or(NOT_FOUND)?;
        let left: Vec<&Member> = self.voters().filter(|member| member.id != id).collect();
        let alive = left
            .iter()
            .filter(|member| in_step.contains(&member.id))
            .count();
        if !member.learner && in_step.contains(&id) && alive < left.len() / 2 + 1 {
            return Err(
                "etcdserver: re-configuration failed due to not enough started members".into(),
            );
        }
        Ok(Command::RemoveMember(id))
    }
}

pub const CONFLICT: &str = "the object has been modified";
const NOT_FOUND: &str = "etcdserver: member not found";

/// A number out of a text, for ids.
pub fn digest(text: &str) -> u64 {
    let digest = <sha2::Sha256 as sha2::Digest>::digest(text.as_bytes());
    digest
        .iter()
        .take(8)
        .fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}
