//! etcd's membership, asked over its client port.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::{
    net::{Client, tls},
    store::{Files, Member, Proposal},
};

const PKI: &str = "/etc/kubernetes/pki/etcd";

pub struct Cluster {
    endpoints: Vec<String>,
    tls: Arc<ClientConfig>,
}

impl Cluster {
    /// With this host's health check certificate.
    pub fn of_host(endpoints: &[String]) -> Result<Self> {
        let path = |name: &str| format!("{PKI}/{name}");
        let files = Files::read(
            &path("healthcheck-client.crt"),
            &path("healthcheck-client.key"),
            &path("ca.crt"),
        )?;
        let tls = tls::client(Some(&files.ca), Some(files.pair()))?;
        Ok(Self {
            endpoints: endpoints.to_vec(),
            tls,
        })
    }

    pub async fn members(&self) -> Result<Vec<Member>> {
        Ok(serde_json::from_value(
            self.ask("/client/members", &Value::Null).await?,
        )?)
    }

    pub async fn add(&self, peer: &str) -> Result<Member> {
        if let Some(member) = self
            .members()
            .await?
            .into_iter()
            .find(|member| member.peer_url == peer)
        {
            return Ok(member);
        }
        let add = Proposal::AddMember {
            peer_url: peer.to_owned(),
            learner: true,
        };
        Ok(serde_json::from_value(
            self.ask("/client/propose", &json!(add)).await?,
        )?)
    }

    pub async fn remove(&self, id: u64) -> Result<()> {
        self.ask("/client/propose", &json!(Proposal::RemoveMember { id }))
            .await?;
        Ok(())
    }

    /// Asks again until the learner has caught up.
    pub async fn promote(&self, id: u64, timeout: Duration) -> Result<()> {
        let end = Instant::now() + timeout;
        loop {
            match self
                .ask("/client/propose", &json!(Proposal::Promote { id }))
                .await
            {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > end => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
    }

    /// Asks one endpoint after the other.
    async fn ask(&self, path: &str, body: &Value) -> Result<Value> {
        let mut problem = "no etcd endpoint".to_owned();
        for endpoint in &self.endpoints {
            match Client::new(endpoint, self.tls.clone())
                .post(path, body)
                .await
            {
                Ok(answer) if answer.status == 200 => return answer.value(),
                Ok(answer) => problem = String::from_utf8_lossy(&answer.body).into_owned(),
                Err(error) => problem = format!("{error:#}"),
            }
        }
        bail!("{problem}")
    }
}
