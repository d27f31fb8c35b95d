//! Requests and responses on a stream.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

use super::der::Subject;

/// Bodies larger than this are refused.
const LIMIT: usize = 64 << 20;

#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Without the query.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    /// Subject of the client's certificate, where it showed one that the server's CA signed.
    pub client: Option<Subject>,
}

impl Request {
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the body is not JSON")
    }

    pub fn param(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

impl Response {
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        let body = text.into().into_bytes();
        Self {
            status,
            content_type: "text/plain; charset=utf-8",
            body,
        }
    }

    pub fn json(status: u16, value: &Value) -> Self {
        let body = value.to_string().into_bytes();
        Self {
            status,
            content_type: "application/json",
            body,
        }
    }

    pub fn value(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).context("the answer is not JSON")
    }
}

/// Reads a request; `None` at the end of the stream.
pub async fn read_request<S: AsyncBufRead + Unpin>(stream: &mut S) -> Result<Option<Request>> {
    let Some((first, headers)) = read_head(stream).await? else {
        return Ok(None);
    };
    let mut words = first.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        bail!("not a request: {first}");
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect();
    let mut request = Request {
        method: method.to_owned(),
        path: decode(path),
        query,
        headers,
        ..Request::default()
    };
    request.body = read_body(stream, &request.headers).await?;
    if first.ends_with("HTTP/1.0") {
        request.headers.insert("connection".into(), "close".into());
    }
    Ok(Some(request))
}

/// Reads the status and body of a response.
pub async fn read_response<S: AsyncBufRead + Unpin>(stream: &mut S) -> Result<Response> {
    // Whoever closes without a word is said to end the stream, as Go's clients say it.
    let head = read_head(stream).await.ok().flatten();
    let (first, headers) = head.context("EOF")?;
    let status = first
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Ok(Response {
        status: status.context("malformed HTTP response")?,
        content_type: "",
        body: read_body(stream, &headers).await?,
    })
}

pub async fn write_response<S: AsyncWrite + Unpin>(
    stream: &mut S,
    response: &Response,
) -> Result<()> {
    let head = format!(
        "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nX-Stand-In: test double\r\n\r\n",
        response.status,
        reason(response.status),
        response.content_type,
        response.body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&response.body).await?;
    stream.flush().await?;
    Ok(())
}

pub async fn write_request<S: AsyncWrite + Unpin>(
    stream: &mut S,
    host: &str,
    request: &Request,
) -> Result<()> {
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\n",
        request.method,
        target(request)
    );
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&request.body).await?;
    stream.flush().await?;
    Ok(())
}

type Head = (String, BTreeMap<String, String>);

async fn read_head<S: AsyncBufRead + Unpin>(stream: &mut S) -> Result<Option<Head>> {
    let mut first = String::new();
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            bail!("the stream ended within the headers");
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    Ok(Some((first.trim_end().to_owned(), headers)))
}

async fn read_body<S: AsyncBufRead + Unpin>(
    stream: &mut S,
    headers: &BTreeMap<String, String>,
) -> Result<Vec<u8>> {
    let length = headers.get("content-length").map_or("0", String::as_str);
    let length: usize = length.parse().context("content-length")?;
    if length > LIMIT {
        bail!("request entity too large");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn target(request: &Request) -> String {
    let query: Vec<String> = request
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
        .collect();
    match query.is_empty() {
        true => request.path.clone(),
        false => format!("{}?{}", request.path, query.join("&")),
    }
}

fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
        out
    })
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3);
        match (
            bytes[at],
            hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()),
        ) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        422 => "Unprocessable Entity",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}
