//! Objects by path: get, list, create, replace, patch, apply, delete.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Failure, admission, patch};
use crate::{
    clock,
    kinds::{self, Kind},
    net::{Request, Response},
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
    async fn kind(&self, group: &str, version: &str, plural: &str) -> Result<Kind, Failure> {
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

/// A path taken apart.
struct Target {
    kind: Kind,
    namespace: String,
    name: Option<String>,
    /// `status`, `scale` …
    part: Option<String>,
}

async fn target(objects: &Objects, path: &str) -> Result<Target, Failure> {
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    let none = || {
        Failure::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
    };
    let (group, version, rest) = match words.as_slice() {
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(none()),
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..]
            if !rest.is_empty() && !matches!(rest, ["status" | "finalize"]) =>
        {
            (*namespace, rest)
        }
        rest => ("", rest),
    };
    let [plural, rest @ ..] = rest else {
        return Err(none());
    };
    Ok(Target {
        kind: objects.kind(group, version, plural).await?,
        namespace: namespace.to_owned(),
        name: rest.first().map(|&name| name.to_owned()),
        part: rest.get(1).map(|&part| part.to_owned()),
    })
}

/// Answers a request for objects.
pub async fn answer(objects: &Objects, request: &Request) -> Result<Response, Failure> {
    let target = target(objects, &request.path).await?;
    let Target {
        kind, namespace, ..
    } = &target;
    match (request.method.as_str(), &target.name) {
        ("GET", Some(name)) => match objects.get(kind, namespace, name).await? {
            Some(object) => Ok(Response::json(200, &object)),
            None => Err(Failure::not_found(&kind.resource(), name)),
        },
        ("GET", None) => list(objects, &target, request).await,
        ("POST", None) => create(objects, &target, request).await,
        ("PUT", Some(name)) => {
            let body = body(request)?;
            admission::check(objects, kind, namespace, &body).await?;
            let (_, object) = objects
                .change(kind, (namespace, name), dry(request), |live| {
                    let live = live.ok_or_else(|| Failure::not_found(&kind.resource(), name))?;
                    Ok(Live {
                        object: admission::convert(kind, body.clone()),
                        ..live
                    })
                })
                .await?;
            Ok(Response::json(200, &object))
        }
        ("PATCH", Some(name)) => patch(objects, &target, name, request).await,
        ("DELETE", Some(name)) => {
            if kind.kind == "Namespace" {
                admission::empty_namespace(objects, name).await?;
            }
            objects.remove(kind, namespace, name).await?;
            Ok(Response::json(
                200,
                &json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}),
            ))
        }
        _ => Err(Failure::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )),
    }
}

async fn list(objects: &Objects, target: &Target, request: &Request) -> Result<Response, Failure> {
    let namespace = (!target.namespace.is_empty()).then_some(target.namespace.as_str());
    let selector = request.param("labelSelector").unwrap_or_default();
    let fields = request.param("fieldSelector").unwrap_or_default();
    let items: Vec<Value> = objects
        .list(&target.kind, namespace)
        .await?
        .into_iter()
        .filter(|object| patch::selected(&object["metadata"]["labels"], selector))
        .filter(|object| patch::fields_selected(object, fields))
        .collect();
    let list = json!({
        "kind": format!("{}List", target.kind.kind), "apiVersion": target.kind.api_version(),
        "metadata": {}, "items": items,
    });
    Ok(Response::json(200, &list))
}

async fn create(
    objects: &Objects,
    target: &Target,
    request: &Request,
) -> Result<Response, Failure> {
    let (kind, body) = (&target.kind, body(request)?);
    admission::check(objects, kind, &target.namespace, &body).await?;
    let name = body["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let (_, object) = objects
        .change(
            kind,
            (&target.namespace, &name),
            dry(request),
            |live| match live {
                Some(_) => Err(Failure::new(
                    409,
                    "AlreadyExists",
                    format!("{} {name:?} already exists", kind.resource()),
                )),
                None => Ok(Live {
                    object: admission::convert(kind, body.clone()),
                    ..Live::default()
                }),
            },
        )
        .await?;
    after_write(objects, kind, &name).await?;
    Ok(Response::json(201, &object))
}

async fn patch(
    objects: &Objects,
    target: &Target,
    name: &str,
    request: &Request,
) -> Result<Response, Failure> {
    let (kind, namespace) = (&target.kind, &target.namespace);
    let content = request
        .headers
        .get("content-type")
        .map_or("", String::as_str);
    let body = body(request)?;
    let apply = content.starts_with("application/apply-patch");
    if apply {
        admission::check(objects, kind, namespace, &body).await?;
    }
    let manager = request
        .param("fieldManager")
        .unwrap_or("kubectl")
        .to_owned();
    let force = request.param("force") == Some("true");
    let (old, object) = objects
        .change(kind, (namespace, name), dry(request), |live| {
            if apply {
                let body = admission::convert(kind, body.clone());
                return patch::apply(live.unwrap_or_default(), &body, &manager, force);
            }
            let live = live.ok_or_else(|| Failure::not_found(&kind.resource(), name))?;
            let object = patch::patch(content, &live.object, &body)?;
            admission::unchanged_selector(&live.object, &object)?;
            Ok(Live {
                object: admission::convert(kind, object),
                ..live
            })
        })
        .await?;
    if old.is_none() && !dry(request) {
        after_write(objects, kind, name).await?;
    }
    let created = if old.is_none() { 201 } else { 200 };
    Ok(Response::json(
        if target.part.is_some() { 200 } else { created },
        &object,
    ))
}

/// What the real cluster's controllers do at once.
async fn after_write(objects: &Objects, kind: &Kind, name: &str) -> Result<(), Failure> {
    if kind.kind == "Namespace" {
        let account = kinds::of("ServiceAccount");
        let at = (name, "default");
        objects
            .change(&account, at, false, |live| Ok(live.unwrap_or_default()))
            .await?;
    }
    Ok(())
}

fn dry(request: &Request) -> bool {
    request.param("dryRun") == Some("All")
}

fn body(request: &Request) -> Result<Value, Failure> {
    request
        .json()
        .map_err(|error| Failure::bad_request(format!("{error:#}")))
}
