//! Long answers of many hosts, handed on one by one: never all in memory at once.

use anyhow::Result;
use tokio::task::JoinSet;

use super::Session;
use crate::{
    remote::{Output, Script},
    ssh::RunError,
};

/// What a host said, as far as it came.
#[derive(Debug)]
pub struct Collected {
    pub host: String,
    pub output: Output,
    /// Why there is no more.
    pub reason: Option<String>,
}

impl Session {
    /// Runs each script on its host, as many at once as the limit allows; `take` gets the answers as they come.
    ///
    /// Fails where `take` does, and when the run is asked to stop.
    pub async fn collect(
        &self,
        scripts: Vec<(String, Script)>,
        mut take: impl FnMut(Collected) -> Result<()>,
    ) -> Result<()> {
        let mut tasks = JoinSet::new();
        for (host, script) in scripts {
            let session = self.clone();
            tasks.spawn(async move {
                let _turn = session.0.limit.acquire().await;
                let end = session.script(&host, &script).await;
                let reason = end.as_ref().err().map(ToString::to_string);
                let output = match end {
                    Ok(output) | Err(RunError::TimedOut { output, .. }) => output,
                    Err(_) => Output::default(),
                };
                Collected {
                    host,
                    output,
                    reason,
                }
            });
        }
        while let Some(end) = self.unless_stopped(tasks.join_next()).await? {
            take(end?)?;
        }
        Ok(())
    }
}
