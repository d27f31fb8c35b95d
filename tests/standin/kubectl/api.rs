//! The API as kubectl sees it: kinds by any of their names, failures in kubectl's words.

use std::{fs, io::Read as _, path::Path};

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{
    kinds::{self, Kind},
    net::{Client, Refused, Response},
    yaml,
};

pub struct Api {
    client: Client,
    pub server: String,
    /// Of `-n`.
    pub namespace: String,
    custom: OnceCell<Vec<Kind>>,
}

/// One object by name, or all of a kind.
pub struct Wanted {
    pub kind: Kind,
    pub name: Option<String>,
}

/// The server's answer that says no.
#[derive(Debug)]
pub struct Status {
    pub code: u16,
    pub reason: String,
    pub message: String,
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.reason.as_str() {
            "" => write!(out, "Error from server: {}", self.message),
            "Invalid" => write!(out, "The {}", self.message),
            reason => write!(out, "Error from server ({reason}): {}", self.message),
        }
    }
}

impl std::error::Error for Status {}

/// Whether an error is the server's `NotFound`.
pub fn is_not_found(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<Status>()
        .is_some_and(|status| status.code == 404)
}

impl Api {
    pub fn new(client: Client, server: &str, namespace: &str) -> Self {
        Self {
            client,
            server: server.to_owned(),
            namespace: namespace.to_owned(),
            custom: OnceCell::new(),
        }
    }

    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, "", &[], Vec::new()).await
    }

    /// The body of any page, with its status.
    pub async fn raw(&self, path: &str) -> Result<Response> {
        self.client
            .get(path)
            .await
            .map_err(|error| self.explain(&error))
    }

    pub async fn call(
        &self,
        method: &str,
        path: &str,
        content: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Value> {
        let answer = self.client.call(method, path, content, query, body).await;
        let answer = answer.map_err(|error| self.explain(&error))?;
        if answer.status < 300 {
            return answer.value();
        }
        let status = answer.value().unwrap_or_default();
        let text = |name: &str| status[name].as_str().unwrap_or_default().to_owned();
        let message = match text("message") {
            message if message.is_empty() => String::from_utf8_lossy(&answer.body).into_owned(),
            message => message,
        };
        Err(Status {
            code: answer.status,
            reason: text("reason"),
            message,
        }
        .into())
    }

    fn explain(&self, error: &anyhow::Error) -> anyhow::Error {
        match error.downcast_ref::<Refused>() {
            Some(refused) if refused.0.contains("refused") => anyhow!(
                "The connection to the server {} was refused - did you specify the right host or port?",
                self.client.authority
            ),
            _ => anyhow!("Unable to connect to the server: {error:#}"),
        }
    }

    /// Kinds of the cluster's CRDs.
    async fn custom(&self) -> Result<&Vec<Kind>> {
        self.custom
            .get_or_try_init(|| async {
                let crds = self
                    .get(&kinds::of("CustomResourceDefinition").path(None))
                    .await?;
                Ok(crds["items"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Kind::of_crd)
                    .collect())
            })
            .await
    }

    /// The kind that a user calls `word`.
    pub async fn kind(&self, word: &str) -> Result<Kind> {
        if let Some(kind) = kinds::built_in().into_iter().find(|kind| kind.called(word)) {
            return Ok(kind);
        }
        let custom = self
            .custom()
            .await?
            .iter()
            .find(|kind| kind.called(word))
            .cloned();
        custom.with_context(|| format!("error: the server doesn't have a resource type {word:?}"))
    }

    /// The kind of a manifest.
    pub async fn kind_of(&self, object: &Value) -> Result<Kind> {
        let (kind, version) = (&object["kind"], &object["apiVersion"]);
        if kind.is_null() || version.is_null() {
            bail!("error: error validating data: [apiVersion not set, kind not set]");
        }
        let fits = |known: &Kind| *kind == known.kind && *version == known.api_version();
        if let Some(known) = kinds::built_in().into_iter().find(fits) {
            return Ok(known);
        }
        let custom = self
            .custom()
            .await?
            .iter()
            .find(|known| fits(known))
            .cloned();
        custom.with_context(|| format!(
            "error: resource mapping not found for name: {} namespace: {} from \"STDIN\": no matches for kind {kind} in version {version}\nensure CRDs are installed first",
            object["metadata"]["name"], object["metadata"]["namespace"],
        ))
    }

    /// Path of an object; its manifest's namespace goes before `-n`.
    pub fn path(&self, kind: &Kind, object: &Value) -> (String, String) {
        let namespace = object["metadata"]["namespace"]
            .as_str()
            .unwrap_or(&self.namespace);
        let directory = kind.path(Some(namespace));
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        (format!("{directory}/{name}"), directory)
    }

    /// `TYPE NAME…`, `TYPE/NAME…` or `TYPE,TYPE`.
    pub async fn wanted(&self, words: &[String]) -> Result<Vec<Wanted>> {
        let mut wanted = Vec::new();
        if words.iter().any(|word| word.contains('/')) {
            for word in words {
                let Some((kind, name)) = word.split_once('/') else {
                    bail!(
                        "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'"
                    );
                };
                wanted.push(Wanted {
                    kind: self.kind(kind).await?,
                    name: Some(name.to_owned()),
                });
            }
            return Ok(wanted);
        }
        let Some((kinds, names)) = words.split_first() else {
            bail!(
                "error: You must specify the type of resource. Use \"kubectl api-resources\" for a complete list of supported resources."
            );
        };
        for word in kinds.split(',') {
            let kind = self.kind(word).await?;
            if names.is_empty() {
                wanted.push(Wanted {
                    kind: kind.clone(),
                    name: None,
                });
            }
            for name in names {
                wanted.push(Wanted {
                    kind: kind.clone(),
                    name: Some(name.clone()),
                });
            }
        }
        Ok(wanted)
    }

    /// Live objects: one, or those that a selector of labels leaves.
    pub async fn find(
        &self,
        wanted: &Wanted,
        selector: &str,
        fields: &str,
        all: bool,
    ) -> Result<Vec<Value>> {
        let directory = wanted.kind.path((!all).then_some(&self.namespace));
        if let Some(name) = &wanted.name {
            return Ok(vec![self.get(&format!("{directory}/{name}")).await?]);
        }
        let query = [("labelSelector", selector), ("fieldSelector", fields)];
        let list = self.call("GET", &directory, "", &query, Vec::new()).await?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }
}

/// `node/cp1`, `deployment.apps/coredns`.
pub fn shown(kind: &Kind, name: &str) -> String {
    let singular = kind.kind.to_lowercase();
    match kind.group.as_str() {
        "" => format!("{singular}/{name}"),
        group => format!("{singular}.{group}/{name}"),
    }
}

/// Documents of `-f` (a file, a directory, `-`) and `-k`, lists taken apart.
pub fn documents(files: &[String], kustomization: Option<&str>) -> Result<Vec<Value>> {
    let mut documents = Vec::new();
    for file in files {
        let text = if file == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text
        } else if Path::new(file).is_dir() {
            let mut paths: Vec<_> = fs::read_dir(file)?
                .flatten()
                .map(|entry| entry.path())
                .collect();
            paths.retain(|path| {
                path.extension()
                    .is_some_and(|end| end == "yaml" || end == "yml" || end == "json")
            });
            paths.sort();
            let texts: std::io::Result<Vec<String>> =
                paths.iter().map(fs::read_to_string).collect();
            texts?.join("\n---\n")
        } else {
            fs::read_to_string(file)
                .with_context(|| format!("error: the path {file:?} does not exist"))?
        };
        documents.extend(
            yaml::documents(&text).with_context(|| format!("error: error parsing {file}"))?,
        );
    }
    if let Some(directory) = kustomization {
        documents.extend(super::kustomize::build(directory.as_ref())?);
    }
    let flat = documents
        .into_iter()
        .flat_map(|document| match document["items"].as_array() {
            Some(items)
                if document["kind"]
                    .as_str()
                    .is_some_and(|kind| kind.ends_with("List")) =>
            {
                items.clone()
            }
            _ => vec![document],
        });
    Ok(flat.collect())
}
