//! The stand-in's API server: Kubernetes' paths and verbs over TLS, objects in the [`Store`].

mod access;
mod admission;
pub mod controllers;
mod errors;
mod eviction;
mod longhorn;
mod objects;
mod patch;
mod routes;
pub mod schema;
mod services;
mod tokens;
mod workloads;

use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};

use anyhow::{Context as _, Result};
use serde_json::json;

use crate::{
    net::{Request, Response, server, tls},
    store::{Files, Store},
};

pub use access::decoded;
pub use errors::Failure;
pub use objects::Objects;

/// The etcd member of this host, while it runs.
pub type Etcd = Arc<RwLock<Option<Arc<Store>>>>;

/// Flags of kube-apiserver that the stand-in obeys; every other must at least be one that exists.
pub struct Server {
    etcd: Etcd,
    version: String,
}

/// Serves until an error. `flags` are those of the static pod manifest.
pub async fn run(flags: BTreeMap<String, String>, etcd: Etcd, version: String) -> Result<()> {
    let flag = |name: &str| {
        flags
            .get(name)
            .with_context(|| format!("kube-apiserver needs --{name}"))
    };
    for name in [
        "encryption-provider-config",
        "audit-policy-file",
        "admission-control-config-file",
    ] {
        if let Some(path) = flags.get(name) {
            std::fs::read(path).with_context(|| format!("--{name}: open {path}"))?;
        }
    }
    let files = Files::read(
        flag("tls-cert-file")?,
        flag("tls-private-key-file")?,
        flag("client-ca-file")?,
    )?;
    let config = tls::server(files.pair(), &files.ca, false)?;
    let address = flags.get("bind-address").map_or("0.0.0.0", String::as_str);
    let address = match address {
        "::" => format!("[::]:{}", flag("secure-port")?),
        address => format!("{address}:{}", flag("secure-port")?),
    };
    let server = Arc::new(Server { etcd, version });
    server::serve(&address, config, move |request| {
        let server = server.clone();
        async move { server.answer(request).await }
    })
    .await
}

impl Server {
    async fn answer(&self, request: Request) -> Response {
        if let Some(response) = self.unprotected(&request) {
            return response;
        }
        match self.protected(&request).await {
            Ok(response) => response,
            Err(failure) => failure.response(),
        }
    }

    /// What anybody may ask: health and version.
    fn unprotected(&self, request: &Request) -> Option<Response> {
        let (page, verbose) = (request.path.as_str(), request.query.contains_key("verbose"));
        match page {
            "/livez" | "/livez/ping" => Some(Response::text(200, "ok")),
            "/readyz" | "/healthz" => Some(match (self.ready(), verbose) {
                (true, false) => Response::text(200, "ok"),
                (true, true) => Response::text(
                    200,
                    "[+]ping ok\n[+]etcd ok [stand-in]\nreadyz check passed\n",
                ),
                (false, _) => Response::text(
                    500,
                    "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n",
                ),
            }),
            "/readyz/etcd" => Some(match self.etcd_answers() {
                true => Response::text(200, "ok"),
                false => Response::text(500, "internal server error: etcd failed: reason withheld"),
            }),
            "/version" => {
                let minor = crate::versions::minor(&self.version).to_string();
                Some(Response::json(
                    200,
                    &json!({
                        "major": "1", "minor": minor, "gitVersion": format!("v{}", self.version),
                        "gitCommit": "stand-in", "platform": "linux/amd64",
                    }),
                ))
            }
            _ => None,
        }
    }

    async fn protected(&self, request: &Request) -> Result<Response, Failure> {
        let objects = Objects::new(self.store()?);
        let user = access::user(request, &objects).await?;
        access::allow(&user, request)?;
        if let Some(node) = request.path.strip_prefix("/standin/heartbeat/") {
            objects.store.heartbeat(node).await?;
            return Ok(Response::json(200, &json!({})));
        }
        if request.path == "/standin/sign" {
            return access::sign(&user, request);
        }
        routes::answer(&objects, request).await
    }

    fn store(&self) -> Result<Arc<Store>, Failure> {
        let store = self
            .etcd
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone();
        store.ok_or_else(|| {
            Failure::internal("dial tcp 127.0.0.1:2379: connect: connection refused")
        })
    }

    /// Etcd answers and what the apiserver itself creates is there: a client that waited for this may use `kube-system`.
    fn ready(&self) -> bool {
        let last = crate::kinds::of("Namespace").key("", "kube-node-lease");
        self.etcd_answers() && self.store().is_ok_and(|store| store.holds(&last))
    }

    fn etcd_answers(&self) -> bool {
        let Ok(store) = self.store() else {
            return false;
        };
        store.healthy()
    }
}

/// Applies a patch of a content type to an object; for tools that patch files.
pub fn patch_object(
    content_type: &str,
    object: &serde_json::Value,
    by: &serde_json::Value,
) -> Result<serde_json::Value, String> {
    patch::patch(content_type, object, by).map_err(|failure| failure.message)
}
