//! Releases as helm keeps them: Secrets `sh.helm.release.v1.NAME.vN`, base64 of gzip of JSON.

use std::{
    io::{Read as _, Write as _},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde_json::{Value, json};

use super::chart::{Chart, merge};
use crate::{
    clock, kinds,
    kubectl::{Api, is_not_found, send},
    yaml,
};

const TYPE: &str = "helm.sh/release.v1";

#[derive(Debug, Clone)]
pub struct Release {
    pub name: String,
    pub namespace: String,
    pub revision: u64,
    /// `deployed`, `failed`, `superseded`, `pending-install`, `pending-upgrade`.
    pub status: String,
    /// Of the user.
    pub values: Value,
    pub manifest: String,
    chart: Value,
    chart_values: Value,
    updated: String,
}

impl Release {
    pub fn new(
        name: &str,
        namespace: &str,
        chart: &Chart,
        values: &Value,
        objects: &[Value],
        last: Option<&Self>,
    ) -> Result<Self> {
        let manifest: Result<Vec<String>> = objects
            .iter()
            .map(|object| Ok(format!("---\n{}", yaml::text(object)?)))
            .collect();
        Ok(Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            revision: last.map_or(1, |last| last.revision + 1),
            status: if last.is_some() {
                "pending-upgrade"
            } else {
                "pending-install"
            }
            .to_owned(),
            values: values.clone(),
            manifest: manifest?.concat(),
            chart: chart.description.clone(),
            chart_values: chart.values.clone(),
            updated: clock::now(),
        })
    }

    /// Values of the chart under those of the user.
    pub fn merged(&self) -> Value {
        let mut all = self.chart_values.clone();
        merge(&mut all, &self.values);
        all
    }

    /// A row of `helm list -o json`.
    pub fn row(&self) -> Value {
        let text = |field: &str| self.chart[field].as_str().unwrap_or_default();
        json!({
            "name": self.name, "namespace": self.namespace, "revision": self.revision.to_string(), "updated": self.updated,
            "status": self.status, "chart": format!("{}-{}", text("name"), text("version")), "app_version": text("appVersion"),
        })
    }

    /// `helm get metadata -o json`.
    pub fn summary(&self) -> Value {
        json!({
            "name": self.name, "chart": self.chart["name"], "version": self.chart["version"], "appVersion": self.chart["appVersion"],
            "namespace": self.namespace, "revision": self.revision, "status": self.status, "deployedAt": self.updated,
        })
    }

    /// `helm status -o json`.
    pub fn status_json(&self) -> Value {
        json!({
            "name": self.name, "namespace": self.namespace, "version": self.revision, "config": self.values,
            "manifest": self.manifest, "info": {"status": self.status, "last_deployed": self.updated, "description": "[stand-in]"},
        })
    }

    fn secret(&self) -> Result<Value> {
        let record = json!({
            "name": self.name, "namespace": self.namespace, "version": self.revision, "config": self.values, "manifest": self.manifest,
            "info": {"status": self.status, "last_deployed": self.updated},
            "chart": {"metadata": self.chart, "values": self.chart_values},
        });
        let mut zipped = GzEncoder::new(Vec::new(), Compression::fast());
        zipped.write_all(record.to_string().as_bytes())?;
        let text = BASE64.encode(BASE64.encode(zipped.finish()?));
        Ok(json!({
            "apiVersion": "v1", "kind": "Secret", "type": TYPE, "data": {"release": text},
            "metadata": {
                "name": format!("sh.helm.release.v1.{}.v{}", self.name, self.revision), "namespace": self.namespace,
                "labels": {"owner": "helm", "name": self.name, "status": self.status, "version": self.revision.to_string()},
            },
        }))
    }

    fn of_secret(secret: &Value) -> Result<Self> {
        let zipped = BASE64
            .decode(BASE64.decode(secret["data"]["release"].as_str().unwrap_or_default())?)?;
        let mut text = String::new();
        GzDecoder::new(zipped.as_slice()).read_to_string(&mut text)?;
        let mut record: Value = serde_json::from_str(&text)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            name: text(&record["name"]),
            namespace: text(&record["namespace"]),
            revision: record["version"].as_u64().unwrap_or(0),
            status: text(&secret["metadata"]["labels"]["status"]),
            manifest: text(&record["manifest"]),
            updated: text(&record["info"]["last_deployed"]),
            values: record["config"].take(),
            chart: record["chart"]["metadata"].take(),
            chart_values: record["chart"]["values"].take(),
        })
    }

    fn objects(&self) -> Result<Vec<Value>> {
        yaml::documents(&self.manifest)
    }
}

/// The cluster's releases.
pub struct Releases<'a> {
    pub api: &'a Api,
}

impl Releases<'_> {
    async fn secrets(&self, namespace: Option<&str>, selector: &str) -> Result<Vec<Release>> {
        let path = kinds::of("Secret").path(namespace);
        let list = self
            .api
            .call("GET", &path, "", &[("labelSelector", selector)], Vec::new())
            .await?;
        let mut all: Vec<Release> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|secret| Release::of_secret(secret).ok())
            .collect();
        all.sort_by_key(|release| {
            (
                release.namespace.clone(),
                release.name.clone(),
                release.revision,
            )
        });
        Ok(all)
    }

    pub async fn of(&self, namespace: &str, name: &str) -> Result<Vec<Release>> {
        self.secrets(Some(namespace), &format!("owner=helm,name={name}"))
            .await
    }

    pub async fn last(&self, namespace: &str, name: &str) -> Result<Option<Release>> {
        Ok(self.of(namespace, name).await?.pop())
    }

    /// The newest revision of every release.
    pub async fn newest(&self, namespace: Option<&str>) -> Result<Vec<Release>> {
        let all = self.secrets(namespace, "owner=helm").await?;
        let mut newest: Vec<Release> = Vec::new();
        for release in all {
            match newest.last_mut() {
                Some(last) if last.name == release.name && last.namespace == release.namespace => {
                    *last = release;
                }
                _ => newest.push(release),
            }
        }
        Ok(newest)
    }

    pub async fn save(&self, release: &Release) -> Result<()> {
        let secret = release.secret()?;
        let directory = kinds::of("Secret").path(Some(&release.namespace));
        let body = || secret.to_string().into_bytes();
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        match self
            .api
            .call(
                "PUT",
                &format!("{directory}/{name}"),
                "application/json",
                &[],
                body(),
            )
            .await
        {
            Err(error) if is_not_found(&error) => {
                self.api
                    .call("POST", &directory, "application/json", &[], body())
                    .await?;
                Ok(())
            }
            other => other.map(|_| ()),
        }
    }

    pub async fn ensure_namespace(&self, name: &str) -> Result<()> {
        let kind = kinds::of("Namespace");
        let Err(error) = self.api.get(&format!("{}/{name}", kind.path(None))).await else {
            return Ok(());
        };
        if !is_not_found(&error) {
            return Err(error);
        }
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}});
        self.api
            .call(
                "POST",
                &kind.path(None),
                "application/json",
                &[],
                object.to_string().into_bytes(),
            )
            .await?;
        Ok(())
    }

    /// Applies objects and removes those that only the last revision had.
    pub async fn apply(
        &self,
        objects: &[Value],
        namespace: &str,
        last: Option<&Release>,
    ) -> Result<()> {
        for object in objects {
            let object = owned(object, namespace);
            // A chart's own CRDs are there by now; the list that this process remembers is not asked again.
            let kind = self.api.kind_of(&object).await?;
            send(self.api, &kind, &object, "helm", true, false).await?;
        }
        for old in last.map(Release::objects).transpose()?.unwrap_or_default() {
            let same = |object: &&Value| {
                object["kind"] == old["kind"]
                    && object["metadata"]["name"] == old["metadata"]["name"]
            };
            if !objects.iter().any(|object| same(&object)) {
                self.delete(&old, namespace).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, object: &Value, namespace: &str) -> Result<()> {
        if object["kind"] == "CustomResourceDefinition" {
            return Ok(());
        }
        let object = owned(object, namespace);
        let kind = self.api.kind_of(&object).await?;
        let (path, _) = self.api.path(&kind, &object);
        match self.api.call("DELETE", &path, "", &[], Vec::new()).await {
            Err(error) if !is_not_found(&error) => Err(error),
            _ => Ok(()),
        }
    }

    pub async fn remove(&self, release: &Release) -> Result<()> {
        for object in release.objects()?.iter().rev() {
            self.delete(object, &release.namespace).await?;
        }
        for revision in self.of(&release.namespace, &release.name).await? {
            let secret = revision.secret()?;
            let (path, _) = self.api.path(&kinds::of("Secret"), &secret);
            self.api.call("DELETE", &path, "", &[], Vec::new()).await?;
        }
        Ok(())
    }

    /// Waits until every workload is available.
    pub async fn wait(&self, objects: &[Value], namespace: &str, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        for object in objects {
            if !matches!(
                object["kind"].as_str(),
                Some("Deployment" | "DaemonSet" | "StatefulSet")
            ) {
                continue;
            }
            let kind = self.api.kind_of(object).await?;
            let (path, _) = self.api.path(&kind, &owned(object, namespace));
            while !available(&self.api.get(&path).await.context("resource")?) {
                if Instant::now() > end {
                    bail!(
                        "context deadline exceeded: resource {}/{} not ready",
                        kind.kind,
                        object["metadata"]["name"].as_str().unwrap_or_default()
                    );
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        Ok(())
    }
}

/// The object in the release's namespace, where it names none.
fn owned(object: &Value, namespace: &str) -> Value {
    let mut object = object.clone();
    if object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object["metadata"]["labels"]["app.kubernetes.io/managed-by"] = json!("Helm");
    object
}

fn available(object: &Value) -> bool {
    let status = &object["status"];
    let current =
        status["observedGeneration"].as_u64() >= object["metadata"]["generation"].as_u64();
    current
        && match object["kind"].as_str() {
            Some("DaemonSet") => {
                status["numberAvailable"] == status["desiredNumberScheduled"]
                    && !status["numberAvailable"].is_null()
            }
            _ => {
                status["availableReplicas"].as_u64().unwrap_or(0)
                    >= object["spec"]["replicas"].as_u64().unwrap_or(1)
            }
        }
}
