//! Ctrl-C: the first lets running steps end, the second does not wait for them.

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
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

/// Whether SIGHUP is left to us: whoever started this under `nohup` wants it to go on.
fn hangup_counts() -> bool {
    let status = std::fs::read_to_string("/proc/self/status");
    status.is_ok_and(|status| !ignores_hangup(&status))
}

/// By `SigIgn` of `proc_pid_status(5)`: a mask in hex, its first bit is signal 1.
fn ignores_hangup(status: &str) -> bool {
    let mask = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_none_or(|mask| mask & 1 == 1)
}

async fn heard(hangup: Option<&mut Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

impl Stop {
    /// One that SIGINT, SIGTERM and the loss of the terminal raise, a level each.
    pub fn on_signals() -> std::io::Result<Self> {
        let stop = Self::default();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = hangup_counts()
            .then(|| signal(SignalKind::hangup()))
            .transpose()?;
        let raised = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => raised.raise(),
                    _ = terminate.recv() => raised.raise(),
                    () = heard(hangup.as_mut()) => raised.raise(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_nohup_a_lost_terminal_stops_nobody() {
        for (status, ignored) in [
            (
                "Name:\tx\nSigBlk:\t0000000000000001\nSigIgn:\t0000000000001000\n",
                false,
            ),
            ("SigIgn:\t0000000000000001\n", true),
            ("SigIgn:\t0000000000001001\n", true),
            ("Name:\tx\n", true),
        ] {
            assert_eq!(ignores_hangup(status), ignored, "{status}");
        }
    }

    #[tokio::test]
    async fn a_lost_terminal_stops_as_ctrl_c_does() {
        let stop = Stop::on_signals().unwrap();
        if !hangup_counts() {
            // The tests themselves were started under `nohup`.
            return;
        }
        let own = std::process::id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-HUP", &own])
            .status();
        assert!(sent.unwrap().success());
        stop.reached(Level::Drain).await;
        assert_eq!(stop.level(), Level::Drain);
    }
}
