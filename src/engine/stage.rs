//! Brings artifacts to hosts before the steps that need them: one after the other on a host, all hosts at once.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore},
    task::{AbortHandle, JoinSet},
};

use super::{Session, explain::Fault, session::lock};
use crate::{
    artifacts::{From, Item},
    plan::{Step, Work},
    remote::Output,
    resources::{Change, staged_path},
    ssh::{self, RunError},
};

/// Transfers from here at once: more only share the same network.
const UPLINK: usize = 8;
/// Between two reports of how far a transfer is.
const REPORT: Duration = Duration::from_millis(500);

/// What lies on which host already.
pub(super) struct Stage {
    session: Session,
    /// By host: checksums of what this run has brought. Held while something is brought.
    hosts: Mutex<BTreeMap<String, Arc<AsyncMutex<Vec<String>>>>>,
    uplink: Semaphore,
}

impl Stage {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            hosts: Mutex::default(),
            uplink: Semaphore::new(UPLINK),
        }
    }

    /// Begins all transfers from here in the order of the plan, while earlier steps run. Failures are left to the steps.
    ///
    /// What hosts fetch themselves waits for its step: curl may have to be installed first.
    pub(super) fn prefetch(self: &Arc<Self>, steps: &[Step]) -> AbortHandle {
        let mut wanted: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for step in steps {
            let Work::Apply(changes) = &step.work else {
                continue;
            };
            let items = changes.iter().filter_map(Change::artifact);
            let local = items.filter(|item| matches!(item.from, From::Local(_)));
            wanted
                .entry(step.host.clone())
                .or_default()
                .extend(local.cloned());
        }
        let mut tasks = JoinSet::new();
        for (host, items) in wanted {
            let stage = self.clone();
            tasks.spawn(async move {
                for item in items {
                    if stage.bring(&host, &item, &|_| ()).await.is_err() {
                        return;
                    }
                }
            });
        }
        // With the task the set is dropped, and with the set its transfers end.
        tokio::spawn(async move { while tasks.join_next().await.is_some() {} }).abort_handle()
    }

    /// Sees to it that the item lies on the host, whole.
    pub(super) async fn bring(
        &self,
        host: &str,
        item: &Item,
        say: ssh::Listener<'_>,
    ) -> Result<(), Fault> {
        let brought = lock(&self.hosts)
            .entry(host.to_owned())
            .or_default()
            .clone();
        let mut brought = brought.lock().await;
        if brought.contains(&item.sha256) {
            return Ok(());
        }
        let end = match &item.from {
            From::Local(file) => self.send(host, item, file, say).await,
            From::Url(url) => {
                let script = ssh::fetch_script(url, &item.sha256, &staged_path(item), item.size);
                self.session.script_heard(host, &script, say).await
            }
        };
        let fault = match end {
            Ok(Output { status: 0, .. }) => {
                brought.push(item.sha256.clone());
                return Ok(());
            }
            Ok(output) => Fault::Script(output),
            Err(error) => Fault::NotRun(error),
        };
        Err(Fault::Transfer {
            artifact: format!("{} {}", item.name, item.version),
            fault: Box::new(fault),
        })
    }

    async fn send(
        &self,
        host: &str,
        item: &Item,
        file: &Path,
        say: ssh::Listener<'_>,
    ) -> Result<Output, RunError> {
        let next = Mutex::new(Instant::now() + REPORT);
        let progress = |sent: u64, total: u64| {
            let mut next = lock(&next);
            if Instant::now() >= *next {
                *next = Instant::now() + REPORT;
                let megabyte = |bytes: u64| bytes.div_ceil(1_000_000);
                say(&format!(
                    "{}: {} of {} MB",
                    item.name,
                    megabyte(sent),
                    megabyte(total)
                ));
            }
        };
        let to = staged_path(item);
        let _turn = self.uplink.acquire().await;
        let connection = self.session.connection(host)?;
        let mut end = connection
            .transfer(file, &item.sha256, &to, &progress)
            .await;
        // Cut short it has changed nothing: it may be done again.
        if matches!(end, Err(RunError::Lost { .. })) && self.session.reconnect(host).await.is_ok() {
            let connection = self.session.connection(host)?;
            end = connection
                .transfer(file, &item.sha256, &to, &progress)
                .await;
        }
        self.session.log(&match &end {
            Ok(output) => format!("{host} transfer of {}: status {}", item.name, output.status),
            Err(error) => format!("{host} transfer of {}: {error}", item.name),
        });
        end
    }
}
