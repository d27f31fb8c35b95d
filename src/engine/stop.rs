//! Ctrl-C: the first lets running steps end, the second does not wait for them.

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

/// How far a run has been asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Level {
    #[default]
    Go,
    /// Nothing new is begun; what runs may end.
    Drain,
    /// Nothing is waited for.
    Now,
}

/// Asked to stop or not; clones share it.
#[derive(Debug, Clone)]
pub struct Stop(watch::Sender<Level>);

impl Default for Stop {
    fn default() -> Self {
        Self(watch::Sender::new(Level::Go))
    }
}

impl Stop {
    /// One that SIGINT and SIGTERM raise, a level each.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let raised = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => raised.raise(),
                    _ = terminate.recv() => raised.raise(),
                }
            }
        });
        Ok(stop)
    }

    /// One level further.
    pub fn raise(&self) {
        self.0.send_modify(|level| {
            *level = match level {
                Level::Go => Level::Drain,
                Level::Drain | Level::Now => Level::Now,
            }
        });
    }

    pub fn level(&self) -> Level {
        *self.0.borrow()
    }

    /// Returns when `level` is reached.
    pub async fn reached(&self, level: Level) {
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`: this ends only when the level is reached.
        let _ = receiver.wait_for(|now| *now >= level).await;
    }
}
