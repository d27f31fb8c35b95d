//! A TLS client that keeps its connection.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::Value;
use tokio::{io::BufReader, net::TcpStream, sync::Mutex, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Request, Response, http};

const TIMED_OUT: &str = "net/http: request canceled (timeout exceeded while awaiting headers)";

/// A server that did not take the connection, so that nothing can have happened.
#[derive(Debug)]
pub struct Refused(pub String);

impl std::fmt::Display for Refused {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

type Connection = BufReader<TlsStream<TcpStream>>;

pub struct Client {
    /// `10.0.0.1:6443`.
    pub authority: String,
    tls: Arc<ClientConfig>,
    bearer: Option<String>,
    timeout: Duration,
    connection: Mutex<Option<Connection>>,
}

impl Client {
    /// A client of `https://HOST:PORT`.
    pub fn new(url: &str, tls: Arc<ClientConfig>) -> Self {
        let authority = url.trim_start_matches("https://").trim_end_matches('/');
        Self {
            authority: authority.to_owned(),
            tls,
            bearer: None,
            timeout: Duration::from_secs(15),
            connection: Mutex::new(None),
        }
    }

    pub fn bearer(mut self, token: impl Into<String>) -> Self {
        self.bearer = Some(token.into());
        self
    }

    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub async fn get(&self, path: &str) -> Result<Response> {
        self.call("GET", path, "", &[], Vec::new()).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Result<Response> {
        let body = body.to_string().into_bytes();
        self.call("POST", path, "application/json", &[], body).await
    }

    /// Sends a request, over the kept connection where there is one.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        content_type: &str,
        query: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Response> {
        let mut request = Request {
            method: method.into(),
            path: path.into(),
            body,
            ..Request::default()
        };
        request.query = query
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect();
        if !content_type.is_empty() {
            request
                .headers
                .insert("Content-Type".into(), content_type.into());
        }
        if let Some(token) = &self.bearer {
            request
                .headers
                .insert("Authorization".into(), format!("Bearer {token}"));
        }
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.take() {
            let answer = timeout(
                self.timeout,
                exchange(connection, &self.authority, &request),
            );
            // A kept connection that the server has closed meanwhile is no failure; one that hangs is.
            if let Ok((response, connection)) = answer.await.map_err(|_| anyhow!(TIMED_OUT))? {
                *kept = Some(connection);
                return Ok(response);
            }
        }
        let connection = timeout(self.timeout, self.connect())
            .await
            .map_err(|_| Refused(format!("dial tcp {}: i/o timeout", self.authority)))??;
        let (response, connection) = timeout(
            self.timeout,
            exchange(connection, &self.authority, &request),
        )
        .await
        .map_err(|_| anyhow!(TIMED_OUT))??;
        *kept = Some(connection);
        Ok(response)
    }

    async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|error| Refused(format!("dial tcp {}: {error}", self.authority)))?;
        stream.set_nodelay(true)?;
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).context("server name")?;
        let stream = TlsConnector::from(self.tls.clone())
            .connect(name, stream)
            .await
            .map_err(|error| {
                Refused(format!("tls: failed to verify certificate: x509: {error}"))
            })?;
        Ok(BufReader::new(stream))
    }
}

async fn exchange(
    mut connection: Connection,
    authority: &str,
    request: &Request,
) -> Result<(Response, Connection)> {
    http::write_request(&mut connection, authority, request).await?;
    let response = http::read_response(&mut connection).await?;
    Ok((response, connection))
}
