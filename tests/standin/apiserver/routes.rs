//! Kubernetes' paths and verbs: get, list, create, replace, patch, apply, delete.

use serde_json::{Value, json};

use super::{Failure, Objects, admission, eviction, objects::Live, patch};
use crate::{
    kinds::{self, Kind},
    net::{Request, Response},
};

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
        ("POST", Some(name))
            if kind.kind == "Pod" && target.part.as_deref() == Some("eviction") =>
        {
            eviction::evict(objects, namespace, name, request).await
        }
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
        ("PATCH", Some(name)) => change(objects, &target, name, request).await,
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

async fn change(
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
