//! Kubeconfig files: written by kubeadm, read by every client.

use std::fs;

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{
    net::{Client, tls},
    pki::Signed,
    yaml,
};

/// How a user of a kubeconfig proves who it is.
pub enum Login<'a> {
    Certificate(&'a Signed),
    /// A file with certificate and key.
    File(&'a str),
    Token(&'a str),
    Nobody,
}

/// A kubeconfig with one cluster and at most one user.
pub fn render(cluster: &str, server: &str, user: &str, ca: &[u8], login: &Login<'_>) -> String {
    let context = format!("{user}@{cluster}");
    let who = match login {
        Login::Certificate(signed) => json!({
            "client-certificate-data": BASE64.encode(&signed.certificate),
            "client-key-data": BASE64.encode(&signed.key),
        }),
        Login::File(path) => json!({"client-certificate": path, "client-key": path}),
        Login::Token(token) => json!({ "token": token }),
        Login::Nobody => json!({}),
    };
    let mut config = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {},
        "clusters": [{"name": cluster, "cluster": {"server": server, "certificate-authority-data": BASE64.encode(ca)}}],
        "users": [{"name": user, "user": who}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": user}}],
        "current-context": context,
    });
    if matches!(login, Login::Nobody) {
        config["users"] = json!([]);
        config["contexts"] = json!([]);
        config["current-context"] = json!("");
    }
    serde_yaml::to_string(&config).unwrap_or_default()
}

/// Where a kubeconfig points, and how.
pub struct Access {
    pub server: String,
    pub ca: Option<Vec<u8>>,
    certificate: Option<(Vec<u8>, Vec<u8>)>,
    token: Option<String>,
}

impl Access {
    pub fn read(path: &str) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("error loading config file {path:?}: open {path}"))?;
        Self::parse(&text, None)
    }

    /// The current context, or the one named.
    pub fn parse(text: &str, context: Option<&str>) -> Result<Self> {
        let config = yaml::documents(text)?
            .into_iter()
            .next()
            .context("the kubeconfig is empty")?;
        let named = |list: &str, name: &Value| -> Result<Value> {
            let all = config[list].as_array().cloned().unwrap_or_default();
            let found = all.into_iter().find(|entry| entry["name"] == *name);
            found.with_context(|| {
                format!("context was not found for specified context: {name} in {list}")
            })
        };
        let context = context.map_or_else(|| config["current-context"].clone(), |name| json!(name));
        let (cluster, user) = if context.as_str().is_none_or(str::is_empty) {
            (config["clusters"][0]["cluster"].clone(), Value::Null)
        } else {
            let context = named("contexts", &context)?;
            let cluster = named("clusters", &context["context"]["cluster"])?;
            (
                cluster["cluster"].clone(),
                named("users", &context["context"]["user"])?["user"].clone(),
            )
        };
        let ca = part(&cluster, "certificate-authority")?;
        let certificate = part(&user, "client-certificate")?.zip(part(&user, "client-key")?);
        let Some(server) = cluster["server"].as_str() else {
            bail!("invalid configuration: no server has been provided");
        };
        Ok(Self {
            server: server.to_owned(),
            ca,
            certificate,
            token: user["token"].as_str().map(str::to_owned),
        })
    }

    pub fn client(&self) -> Result<Client> {
        let pair = self
            .certificate
            .as_ref()
            .map(|(certificate, key)| tls::Pair { certificate, key });
        let client = Client::new(&self.server, tls::client(self.ca.as_deref(), pair)?);
        Ok(match &self.token {
            Some(token) => client.bearer(token.clone()),
            None => client,
        })
    }
}

/// `NAME-data` in base64, or the file `NAME`.
fn part(of: &Value, name: &str) -> Result<Option<Vec<u8>>> {
    if let Some(data) = of[format!("{name}-data")].as_str() {
        return Ok(Some(
            BASE64
                .decode(data)
                .with_context(|| format!("{name}-data"))?,
        ));
    }
    match of[name].as_str() {
        Some(path) => {
            Ok(Some(fs::read(path).with_context(|| {
                format!("unable to read {name} {path}")
            })?))
        }
        None => Ok(None),
    }
}
