//! A TLS listener that hands requests to a function.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use rustls::ServerConfig;
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{Request, Response, der, http};

/// An idle connection is closed after this time.
const IDLE: Duration = Duration::from_mins(2);

/// Serves until the task is dropped. Fails when the address cannot be bound.
pub async fn serve<F, R>(address: &str, tls: Arc<ServerConfig>, handler: F) -> Result<()>
where
    F: Fn(Request) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response> + Send,
{
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen tcp {address}"))?;
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        let (acceptor, handler) = (acceptor.clone(), handler.clone());
        connections.spawn(async move {
            // A client that breaks off is its own concern.
            let _ = connection(stream, acceptor, handler).await;
        });
    }
}

async fn connection<F, R>(stream: TcpStream, acceptor: TlsAcceptor, handler: F) -> Result<()>
where
    F: Fn(Request) -> R,
    R: Future<Output = Response>,
{
    stream.set_nodelay(true)?;
    let stream = timeout(Duration::from_secs(10), acceptor.accept(stream)).await??;
    let client = match stream.get_ref().1.peer_certificates() {
        Some([certificate, ..]) => der::subject(certificate).ok(),
        _ => None,
    };
    let mut stream = BufReader::new(stream);
    while let Some(mut request) = timeout(IDLE, http::read_request(&mut stream)).await?? {
        request.client.clone_from(&client);
        let last = request
            .headers
            .get("connection")
            .is_some_and(|value| value == "close");
        let response = handler(request).await;
        http::write_response(&mut stream, &response).await?;
        if last {
            break;
        }
    }
    tokio::io::AsyncWriteExt::shutdown(&mut stream).await?;
    Ok(())
}
