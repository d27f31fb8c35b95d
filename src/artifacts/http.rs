//! Fetching over HTTP from the machine that runs `baremetal`: retried where that can help, never trusted without a checksum.

use std::{io::Read, path::Path, thread, time::Duration};

use anyhow::{Context as _, Result, anyhow};
use sha2::{Digest as _, Sha256};
use ureq::{Agent, Body, http::Response};

use crate::digest::hex;

/// Attempts in all, and the pause before the second; the pause doubles.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);
/// Larger answers are no checksum file, index or image manifest.
const TEXT_LIMIT: u64 = 64 << 20;

/// A client with timeouts on everything; proxies come from the environment.
#[derive(Clone)]
pub struct Http {
    agent: Agent,
}

/// An answer that is no success.
#[derive(Debug)]
pub struct Status {
    pub code: u16,
    /// `WWW-Authenticate` of a 401.
    pub challenge: Option<String>,
}

impl std::fmt::Display for Status {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the server answered {}", self.code)
    }
}

impl std::error::Error for Status {}

impl Default for Http {
    fn default() -> Self {
        let config = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_recv_response(Some(Duration::from_mins(1)))
            .http_status_as_error(false)
            .user_agent(concat!("baremetal/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
        }
    }
}

impl Http {
    /// GET with headers. Retries what may pass: no connection, 429 and 5xx.
    pub fn get(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>> {
        let mut pause = PAUSE;
        let mut attempt = 1;
        loop {
            let error = match self.once(url, headers) {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let final_answer = error
                .downcast_ref::<Status>()
                .is_some_and(|status| status.code != 429 && status.code < 500);
            if final_answer || attempt == ATTEMPTS {
                return Err(error.context(format!("cannot fetch {url}")));
            }
            attempt += 1;
            thread::sleep(pause);
            pause *= 2;
        }
    }

    fn once(&self, url: &str, headers: &[(&str, String)]) -> Result<Response<Body>> {
        let mut request = self.agent.get(url);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = request.call()?;
        let code = response.status().as_u16();
        if response.status().is_success() {
            return Ok(response);
        }
        let challenge = response
            .headers()
            .get("www-authenticate")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Err(Status { code, challenge }.into())
    }

    /// The text behind a URL.
    pub fn text(&self, url: &str) -> Result<String> {
        let response = self.get(url, &[])?;
        read_text(response).with_context(|| format!("cannot read {url}"))
    }

    /// Fetches a file whose sha256 is known; a file with another sum is never given its name.
    pub fn download(&self, url: &str, sha256: &str, to: &Path) -> Result<u64> {
        let response = self.get(url, &[])?;
        save(response, sha256, to).with_context(|| format!("cannot fetch {url}"))
    }
}

/// The body as text, up to a limit.
pub fn read_text(response: Response<Body>) -> Result<String> {
    let body = response.into_body().into_with_config().limit(TEXT_LIMIT);
    Ok(body.read_to_string()?)
}

/// Writes a body to a file, which appears only whole and with the sum expected; returns its length.
pub fn save(response: Response<Body>, sha256: &str, to: &Path) -> Result<u64> {
    let mut body = response
        .into_body()
        .into_with_config()
        .limit(u64::MAX)
        .reader();
    let directory = to.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    let mut length = 0;
    loop {
        let read = body.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        std::io::Write::write_all(&mut file, &buffer[..read])?;
        length += read as u64;
    }
    let is = hex(&hasher.finalize());
    if !is.eq_ignore_ascii_case(sha256) {
        return Err(anyhow!("it has sha256 {is}, expected {sha256}"));
    }
    super::persist(file, to)?;
    Ok(length)
}
