//! A client that never stops asking, and killing runs where they stand.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use serde_json::Value;

use super::{Lab, run};

/// Asks `/readyz` through the virtual IP all the time.
pub struct Watch {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Duration>,
}

impl Watch {
    pub fn start(lab: &Lab) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, url) = (stop.clone(), format!("https://{}:6443/readyz", lab.vip()));
        let asking = std::thread::spawn(move || {
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !told.load(Ordering::Relaxed) {
                let answer = run(Command::new("curl").args(["-ksf", "--max-time", "1", &url]));
                let silent = last.elapsed();
                longest = longest.max(silent);
                if answer.code == Some(0) && silent > Duration::from_secs(2) {
                    // For whoever reads the log: events of a run carry its time as well. Nobody is left to tell when stderr is closed.
                    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                    let line = format!(
                        "no answer for {silent:?} until {}\n",
                        now.unwrap_or_default().as_secs()
                    );
                    let _ = std::io::stderr().lock().write_all(line.as_bytes());
                }
                if answer.code == Some(0) {
                    last = Instant::now();
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            longest
        });
        Self { stop, asking }
    }

    /// The longest time without an answer.
    pub fn stop(self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.asking.join().expect("the client lived")
    }
}

/// Runs a command with `--output json` and kills it at the first event whose name (of `boundary`) is not `known`: that name, or
/// `None` when the run came to its end, which must be a good one.
pub fn killed_at_a_new_boundary(
    command: &mut Command,
    known: &BTreeSet<String>,
    boundary: impl Fn(&Value) -> Option<String>,
) -> Option<String> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut last = Value::Null;
    for line in BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines() {
        last = serde_json::from_str(&line.expect("events are text")).expect("an event");
        if let Some(name) = boundary(&last).filter(|name| !known.contains(name)) {
            child.kill().expect("SIGKILL is sent");
            child.wait().expect("a killed program ends");
            return Some(name);
        }
    }
    let status = child.wait().expect("the program ends");
    assert!(
        status.success(),
        "the run that nobody killed failed: {last}"
    );
    None
}

/// The begin or end of a phase's steps: `join-worker step-finished`.
pub fn phase_boundary(event: &Value) -> Option<String> {
    let kind = event["event"].as_str()?;
    let of_a_step = matches!(kind, "step-started" | "step-finished");
    of_a_step.then(|| format!("{} {kind}", event["phase"].as_str().unwrap_or_default()))
}
