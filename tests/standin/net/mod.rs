//! HTTP/1.1 over TLS, as much of it as the tools need among themselves and haproxy's health checks need of them.

pub mod client;
pub mod der;
pub mod http;
pub mod server;
pub mod tls;

pub use client::{Client, Refused};
pub use http::{Request, Response};
