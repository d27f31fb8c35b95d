//! The client outside of the cluster: this machine, over HTTP.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::super::session::lock;
use crate::phases::verify::failover::{ANSWERS, EVERY, Sample};

/// The status of one GET, or why there is none. Nothing is kept open, no proxy is asked, no redirect followed.
pub(super) async fn get(url: String, ca: Option<Vec<u8>>, limit: Duration) -> Result<u16, String> {
    let asked = tokio::task::spawn_blocking(move || {
        let agent = agent(ca.as_deref(), limit)?;
        match agent.get(&url).call() {
            Ok(response) => Ok(response.status().as_u16()),
            Err(error) => Err(error.to_string()),
        }
    });
    asked
        .await
        .unwrap_or_else(|_| Err("the client ended".to_owned()))
}

fn agent(ca: Option<&[u8]>, limit: Duration) -> Result<Agent, String> {
    let mut config = Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections(0)
        .proxy(None);
    if let Some(pem) = ca {
        let authority = Certificate::from_pem(pem).map_err(|error| error.to_string())?;
        let roots = RootCerts::new_with_certs(&[authority]);
        config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
    }
    Ok(config.build().into())
}

/// Asks the API again and again, a new connection each time, whether the answer before has come or not.
pub(super) struct Client {
    samples: Arc<Mutex<Vec<Sample>>>,
    started: Instant,
    task: JoinHandle<()>,
}

impl Client {
    /// Begins to ask `url`, which the owner of `ca` must answer.
    pub fn start(url: &str, ca: &[u8]) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let started = Instant::now();
        let (kept, url, ca) = (samples.clone(), url.to_owned(), ca.to_owned());
        let task = tokio::spawn(async move {
            let mut tick = tokio::time::interval(EVERY);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                tick.tick().await;
                let (kept, url, ca) = (kept.clone(), url.clone(), ca.clone());
                tokio::spawn(async move {
                    let at = started.elapsed();
                    let said = get(url, Some(ca), ANSWERS).await;
                    let answered = said.is_ok_and(is_answer);
                    lock(&kept).push(Sample { at, answered });
                });
            }
        });
        Self {
            samples,
            started,
            task,
        }
    }

    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// What was asked so far and is decided: questions of the last second may still get their answers.
    pub fn decided(&self) -> Vec<Sample> {
        let until = self.elapsed().saturating_sub(ANSWERS + EVERY);
        let mut samples: Vec<Sample> = lock(&self.samples)
            .iter()
            .copied()
            .filter(|one| one.at <= until)
            .collect();
        samples.sort_by_key(|one| one.at);
        samples
    }

    /// Whether every question of the last `time` that is decided was answered, and there were some.
    pub fn well_for(&self, time: Duration) -> bool {
        let from = self.elapsed().saturating_sub(time + ANSWERS + EVERY);
        let decided = self.decided();
        let last: Vec<_> = decided.iter().filter(|one| one.at >= from).collect();
        last.len() > 2 && last.iter().all(|one| one.answered)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An API server that lets nobody ask anonymously answers 401 or 403; one that is not ready, 500.
fn is_answer(status: u16) -> bool {
    matches!(status, 200 | 401 | 403)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{TcpListener, TcpStream},
        sync::atomic::{AtomicBool, Ordering},
    };

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring};

    use super::*;

    /// An authority in PEM, and a server of its own on loopback that answers while it is well.
    fn server(well: &Arc<AtomicBool>) -> (Vec<u8>, String) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let own = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&own, &issuer).unwrap().der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], own.into())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}/readyz", listener.local_addr().unwrap());
        let (config, well) = (Arc::new(config), well.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let session = ServerConnection::new(config.clone()).unwrap();
                let status = if well.load(Ordering::Relaxed) {
                    "200 OK"
                } else {
                    "500 Internal Server Error"
                };
                answer(StreamOwned::new(session, stream), status);
            }
        });
        (authority.into_bytes(), url)
    }

    fn answer(mut stream: StreamOwned<ServerConnection, TcpStream>, status: &str) {
        let mut asked = [0; 1024];
        if stream.read(&mut asked).is_ok() {
            let text = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\nok");
            // A client that does not believe us hangs up.
            let _ = stream.write_all(text.as_bytes());
        }
    }

    #[tokio::test]
    async fn nobody_but_the_owner_of_the_authority_is_believed() {
        let well = Arc::new(AtomicBool::new(true));
        let (ca, url) = server(&well);
        let (stranger, _) = server(&well);
        let ask = |ca: Option<Vec<u8>>| get(url.clone(), ca, Duration::from_secs(5));
        assert_eq!(ask(Some(ca)).await, Ok(200));
        assert!(ask(Some(stranger)).await.is_err());
        assert!(ask(Some(b"no certificate".to_vec())).await.is_err());
        assert!(ask(None).await.is_err());
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        let silent = format!("http://{}/", nobody.local_addr().unwrap());
        let limit = Duration::from_millis(200);
        assert!(get(silent, None, limit).await.is_err());
    }

    /// Machines that run tests are slow at times: what must come is waited for.
    async fn until(what: &str, holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_secs(30);
        while !holds() {
            assert!(Instant::now() < end, "{what}");
            tokio::time::sleep(EVERY).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_client_sees_a_gap_and_its_end() {
        let well = Arc::new(AtomicBool::new(true));
        let (ca, url) = server(&well);
        let client = Client::start(&url, &ca);
        let second = Duration::from_secs(1);
        until("it is well", || client.well_for(second)).await;
        let before = client.elapsed();
        well.store(false, Ordering::Relaxed);
        let gap_of = |client: &Client| {
            let mut samples = client.decided();
            samples.retain(|one| one.at >= before);
            crate::phases::verify::failover::gap(&samples)
        };
        until("it is not", || gap_of(&client) >= EVERY * 3).await;
        assert!(!client.well_for(second));
        well.store(true, Ordering::Relaxed);
        until("it is well again", || client.well_for(second)).await;
        // The gap is over: it grows no more, and what was well before it does not hide it.
        let gap = gap_of(&client);
        assert!(
            gap >= EVERY * 3 && gap < client.elapsed().saturating_sub(before),
            "{gap:?}"
        );
        assert!(!client.well_for(client.elapsed()));
    }
}
