//! Objects in the store, each under the key of its kind, namespace and name.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Failure, admission};
use crate::{
    clock,
    kinds::{self, Kind},
    store::{self, Held, Proposal, Store},
};

/// Attempts at a read-modify-write before a conflict is reported.
const ATTEMPTS: usize = 20;

/// Objects in the store. A value holds the object and what each field manager last applied.
#[derive(Clone)]
pub struct Objects {
    pub store: Arc<Store>,
}

/// An object with the revision of its value in the store.
#[derive(Debug, Clone, Default)]
pub struct Live {
    pub object: Value,
    /// Field manager to what it last applied.
    pub applied: Map<String, Value>,
    pub revision: u64,
}

impl Objects {
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    pub async fn get(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Value>, Failure> {
        Ok(self
            .live(kind, namespace, name)
            .await?
            .map(|live| live.object))
    }

    pub async fn list(&self, kind: &Kind, namespace: Option<&str>) -> Result<Vec<Value>, Failure> {
        let prefix = match namespace {
            Some(namespace) if kind.namespaced => format!("{}{namespace}/", kind.prefix()),
            _ => kind.prefix(),
        };
        let held = self.store.range(&prefix).await?;
        Ok(held.into_values().map(|held| read(held).object).collect())
    }

    pub async fn live(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Live>, Failure> {
        let key = kind.key(namespace, name);
        let mut held = self.store.range(&key).await?;
        Ok(held.remove(&key).map(read))
    }

    /// Writes a whole object where its revision is still `live.revision`; returns it as written.
    pub async fn put(&self, kind: &Kind, live: &Live) -> Result<Value, Failure> {
        let meta = &live.object["metadata"];
        let key = kind.key(
            meta["namespace"].as_str().unwrap_or(""),
            meta["name"].as_str().unwrap_or(""),
        );
        let value = json!({ "object": live.object, "applied": live.applied });
        let write = Proposal::Write {
            key,
            expected: live.revision,
            value: Some(value),
        };
        let revision = self.store.propose(&write).await?;
        let mut object = live.object.clone();
        object["metadata"]["resourceVersion"] = json!(revision.to_string());
        Ok(object)
    }

    pub async fn remove(&self, kind: &Kind, namespace: &str, name: &str) -> Result<(), Failure> {
        for _ in 0..ATTEMPTS {
            let Some(live) = self.live(kind, namespace, name).await? else {
                return Err(Failure::not_found(&kind.resource(), name));
            };
            let key = kind.key(namespace, name);
            let write = Proposal::Write {
                key,
                expected: live.revision,
                value: None,
            };
            match self.store.propose(&write).await {
                Err(store::Error::Conflict) => {}
                other => return Ok(other.map(|_| ())?),
            }
        }
        Err(store::Error::Conflict.into())
    }

    /// Changes an object by a function of the live one, again where another writer was quicker.
    /// Returns what was there and what is there now; nothing is written where both are the same or `dry`.
    pub async fn change<F>(
        &self,
        kind: &Kind,
        at: (&str, &str),
        dry: bool,
        change: F,
    ) -> Result<(Option<Value>, Value), Failure>
    where
        F: Fn(Option<Live>) -> Result<Live, Failure>,
    {
        for _ in 0..ATTEMPTS {
            let before = self.live(kind, at.0, at.1).await?;
            let mut after = change(before.clone())?;
            after.revision = before.as_ref().map_or(0, |before| before.revision);
            let old = before.as_ref().map(|before| before.object.clone());
            admission::immutable(kind, old.as_ref(), &after.object)?;
            finish(kind, old.as_ref(), &mut after.object, at);
            let same = before.is_some_and(|before| {
                before.object == after.object && before.applied == after.applied
            });
            if same || dry {
                return Ok((old, after.object));
            }
            match self.put(kind, &after).await {
                Err(failure) if failure.reason == "Conflict" => {}
                other => return Ok((old, other?)),
            }
        }
        Err(store::Error::Conflict.into())
    }

    /// The kind under `/api/v1` or `/apis/GROUP/VERSION` with a plural name.
    pub(super) async fn kind(
        &self,
        group: &str,
        version: &str,
        plural: &str,
    ) -> Result<Kind, Failure> {
        let built_in = kinds::built_in().into_iter();
        let crds = self
            .list(&kinds::of("CustomResourceDefinition"), None)
            .await?;
        built_in
            .chain(crds.iter().filter_map(Kind::of_crd))
            .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
            .ok_or_else(|| {
                Failure::new(
                    404,
                    "NotFound",
                    "the server could not find the requested resource",
                )
            })
    }
}

fn read(held: Held) -> Live {
    let mut value = held.value;
    let mut object = value["object"].take();
    object["metadata"]["resourceVersion"] = json!(held.revision.to_string());
    let applied = value["applied"].as_object().cloned().unwrap_or_default();
    Live {
        object,
        applied,
        revision: held.revision,
    }
}

/// What the server itself fills in.
fn finish(kind: &Kind, old: Option<&Value>, object: &mut Value, (namespace, name): (&str, &str)) {
    object["apiVersion"] = json!(kind.api_version());
    object["kind"] = json!(kind.kind);
    let was_changed = old.is_some_and(|old| old["spec"] != object["spec"]);
    let generation = old.map_or(0, |old| old["metadata"]["generation"].as_u64().unwrap_or(0));
    let meta = &mut object["metadata"];
    meta["name"] = json!(name);
    if kind.namespaced {
        meta["namespace"] = json!(namespace);
    } else if let Some(meta) = meta.as_object_mut() {
        meta.remove("namespace");
    }
    match old {
        None => {
            meta["creationTimestamp"] = json!(clock::now());
            meta["uid"] = json!(admission::uid(kind, namespace, name));
            meta["generation"] = json!(1);
        }
        Some(old) => {
            for field in ["creationTimestamp", "uid", "resourceVersion"] {
                meta[field] = old["metadata"][field].clone();
            }
            meta["generation"] = json!(generation + u64::from(was_changed));
        }
    }
}
