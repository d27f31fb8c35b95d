//! Turns at jump hosts, which many hosts may share.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::inventory::Host;

/// Connections set up through the same jump host at once; sshd refuses more than ten logins in progress.
const THROUGH_JUMP: usize = 8;

/// Every host with the limit that it shares with others behind the same jump host.
pub(super) fn with_jumps(hosts: &[Host]) -> Vec<(Host, Option<Arc<Semaphore>>)> {
    let mut jumps: HashMap<String, Arc<Semaphore>> = HashMap::new();
    hosts
        .iter()
        .map(|host| {
            let jump = host.ssh.jump.as_ref().map(|jump| {
                let fresh = || Arc::new(Semaphore::new(THROUGH_JUMP));
                jumps.entry(jump.clone()).or_insert_with(fresh).clone()
            });
            (host.clone(), jump)
        })
        .collect()
}

/// Waits for a turn at the jump host, where there is one.
pub(super) async fn turn(jump: Option<&Arc<Semaphore>>) -> Option<SemaphorePermit<'_>> {
    jump?.acquire().await.ok()
}
