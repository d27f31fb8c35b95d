//! Logins at once: key exchange is work for this machine's processors, and too many at once are all late.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Logins in progress for each processor. One takes about 0.1 s of it with the post-quantum key exchange that is the default
/// since OpenSSH 9.0, and waits for the host several times in between.
const PER_PROCESSOR: usize = 8;
/// A host that has not answered by then no longer counts: hosts that are off do not hold up the others.
const ANSWERS: Duration = Duration::from_millis(500);
/// An `ssh` that has computed for so long, in ticks of 10 ms, is in the middle of a key exchange: its host has answered.
const COMPUTES: u64 = 2;

/// A limit of logins in progress, shared by all connections of a run; apart from that of hosts worked on at once.
#[derive(Debug)]
pub struct Pace(Arc<Semaphore>);

impl Default for Pace {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new(PER_PROCESSOR * processors)))
    }
}

impl Pace {
    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Turn {
        // Never closed.
        Turn(self.0.clone().acquire_owned().await.ok())
    }
}

/// A login in progress.
pub(super) struct Turn(Option<OwnedSemaphorePermit>);

impl Turn {
    /// Gives the turn up once the host shows no sign of life; never returns.
    pub(super) async fn while_answered(self, process: Option<u32>) -> Infallible {
        loop {
            tokio::time::sleep(ANSWERS).await;
            if !process.is_some_and(computes) {
                break;
            }
        }
        drop(self.0);
        std::future::pending().await
    }
}

/// Whether a process has computed for as long as only a key exchange takes. Known on Linux; elsewhere time alone decides.
fn computes(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/stat"))
        .ok()
        .and_then(|stat| ticks(&stat))
        .is_some_and(|ticks| ticks >= COMPUTES)
}

/// User and system time of `/proc/PID/stat` (proc(5), fields 14 and 15); the second field may hold blanks and brackets.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_any_name() {
        let stat = "7 (a) S 1 (b) R 1 7 7 0 -1 4194304 100 0 0 0 12 3 0 0 20 0 1 0 99";
        assert_eq!(ticks(stat), Some(15));
        assert_eq!(ticks("7 (ssh) S 1"), None);
    }

    #[tokio::test]
    async fn a_host_that_is_silent_gives_its_turn_to_another() {
        let pace = Pace(Arc::new(Semaphore::new(1)));
        // No such process: it computes nothing.
        let silent = pace.turn().await.while_answered(Some(u32::MAX));
        tokio::select! {
            never = silent => match never {},
            _second = pace.turn() => (),
            () = tokio::time::sleep(ANSWERS * 10) => panic!("the turn was kept"),
        }
    }

    #[tokio::test]
    async fn a_login_in_the_middle_of_its_key_exchange_keeps_its_turn() {
        let me = std::process::id();
        let mut work = String::new();
        while !computes(me) {
            work = crate::digest::sha256(work);
        }
        let pace = Pace(Arc::new(Semaphore::new(1)));
        let busy = pace.turn().await.while_answered(Some(me));
        tokio::select! {
            never = busy => match never {},
            _second = pace.turn() => panic!("the turn was given away"),
            () = tokio::time::sleep(ANSWERS * 2) => (),
        }
    }
}
