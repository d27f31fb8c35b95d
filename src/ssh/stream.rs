//! A running script: what it is told on stdin, what it says on stdout and stderr.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use openssh::{Child, ChildStderr, ChildStdin, ChildStdout, Session};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    sync::watch,
    task::JoinHandle,
};

use super::{RunError, Secret, Secrets};
use crate::remote::Output;

/// By which sudo's question is known.
pub(super) const PROMPT: &str = "::password";
/// For a script to end after the host should have ended it.
const GRACE: Duration = Duration::from_secs(30);

/// Hears the `::say` lines of a script while it runs.
pub type Listener<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// A running script.
pub struct Stream {
    host: String,
    /// A script of mode `read` dies without it.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: Errors,
    started: Instant,
    /// What the login shell printed before the loader was there.
    before: String,
    /// The session; it is closed when this is dropped.
    _child: Child<Arc<Session>>,
}

/// One thing on stdout.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Output(Vec<u8>),
    Say(String),
    /// The command that begins.
    Run(String),
    Secret(String, Secret),
    Broken(String),
    Exit(i32),
}

impl Stream {
    /// The streams of a session that has just begun; `None` where one is missing.
    pub(super) fn of(host: &str, mut child: Child<Arc<Session>>) -> Option<Self> {
        Some(Self {
            host: host.to_owned(),
            stdin: child.stdin().take(),
            stdout: BufReader::new(child.stdout().take()?),
            stderr: Errors::collect(child.stderr().take()?),
            started: Instant::now(),
            before: String::new(),
            _child: child,
        })
    }

    /// How often sudo has asked for a password.
    pub(super) fn asked(&self) -> usize {
        *self.stderr.asked.borrow()
    }

    /// What was said on stderr, when it has ended.
    pub async fn errors(&mut self) -> String {
        self.stderr.end().await
    }

    /// What the login shell printed before the loader was there.
    pub(super) fn before(&self) -> &str {
        &self.before
    }

    /// Waits for the loader and answers sudo; false when there will be none.
    pub(super) async fn ready(&mut self, password: Option<&Secret>) -> bool {
        let mut asked = self.stderr.asked.clone();
        let mut line = Vec::new();
        loop {
            tokio::select! {
                read = self.stdout.read_until(b'\n', &mut line) => {
                    if !matches!(read, Ok(1..)) {
                        return false;
                    }
                    if line == b"::ready\n" {
                        return true;
                    }
                    self.before.push_str(&String::from_utf8_lossy(&line));
                    line.clear();
                }
                times = next(&mut asked) => match (times, password, &mut self.stdin) {
                    (1, Some(password), Some(stdin)) => {
                        let answer = format!("{}\n", password.expose());
                        if stdin.write_all(answer.as_bytes()).await.is_err() {
                            return false;
                        }
                    }
                    // Asked once more: the first answer was wrong.
                    _ => return false,
                },
            }
        }
    }

    /// The next line on stdout, or `None` when stdout has ended.
    pub async fn next(&mut self) -> Option<Said> {
        let mut line = Vec::new();
        match self.stdout.read_until(b'\n', &mut line).await {
            Ok(1..) => Some(understand(line)),
            _ => None,
        }
    }

    /// Writes to the script's stdin; false when it does not read any more.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(bytes).await.is_ok(),
            None => false,
        }
    }

    /// Ends the script's stdin.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Reads to the end of the script, at most `limit` and some grace.
    pub async fn finish(
        mut self,
        limit: Duration,
        secrets: &Secrets,
        say: Listener<'_>,
    ) -> Result<Output, RunError> {
        let mut output = Output {
            status: -1,
            ..Output::default()
        };
        let mut stdout = Vec::new();
        let collected = self.collect(&mut stdout, &mut output.command, secrets, say);
        let end = tokio::time::timeout(limit + GRACE, collected).await;
        let elapsed = self.started.elapsed();
        self.stdin = None;
        output.stdout = String::from_utf8_lossy(&stdout).into_owned();
        output.stderr = self.stderr.end().await;
        match end {
            Ok(Some(Said::Exit(status))) => {
                output.status = status;
                // `timeout` on the host says 124, or 137 when it had to kill.
                if matches!(status, 124 | 137) && elapsed >= limit {
                    return Err(RunError::TimedOut {
                        after: limit,
                        output,
                    });
                }
                Ok(output)
            }
            Ok(Some(Said::Broken(reason))) => {
                Err(RunError::Broken(format!("{}: {reason}", self.host)))
            }
            Ok(_) => Err(RunError::Lost {
                host: self.host,
                said: String::new(),
            }),
            Err(_) => Err(RunError::TimedOut {
                after: limit,
                output,
            }),
        }
    }

    /// Collects output up to the loader's last word, which is returned.
    async fn collect(
        &mut self,
        output: &mut Vec<u8>,
        command: &mut Option<String>,
        secrets: &Secrets,
        say: Listener<'_>,
    ) -> Option<Said> {
        while let Some(said) = self.next().await {
            match said {
                Said::Output(line) => output.extend_from_slice(&line),
                Said::Say(text) => say(&secrets.redact(&text)),
                Said::Run(text) => *command = Some(text),
                Said::Secret(name, value) => secrets.insert(name, value),
                end @ (Said::Exit(_) | Said::Broken(_)) => {
                    // The loader puts a newline before its last word.
                    output.pop();
                    return Some(end);
                }
            }
        }
        None
    }
}

fn understand(line: Vec<u8>) -> Said {
    let Some(rest) = line.strip_prefix(b"::") else {
        return Said::Output(line);
    };
    let text = String::from_utf8_lossy(rest);
    let text = text.trim_end_matches('\n');
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "say" => Said::Say(rest.to_owned()),
        "run" => Said::Run(rest.to_owned()),
        "broken" => Said::Broken(rest.to_owned()),
        "secret" => {
            let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
            Said::Secret(name.to_owned(), Secret::new(value))
        }
        "exit" => match rest.parse() {
            Ok(status) => Said::Exit(status),
            Err(_) => Said::Output(line),
        },
        _ => Said::Output(line),
    }
}

/// The new number of questions; never returns when there can be no more.
async fn next(asked: &mut watch::Receiver<usize>) -> usize {
    if asked.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *asked.borrow_and_update()
}

/// stderr of a script, collected on the side.
struct Errors {
    text: Arc<Mutex<Vec<u8>>>,
    /// How often sudo has asked.
    asked: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

/// Of stderr so much is kept, from its end.
const KEPT: usize = 256 * 1024;

impl Errors {
    fn collect(mut stderr: ChildStderr) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (sender, asked) = watch::channel(0);
        let kept = text.clone();
        let task = tokio::spawn(async move {
            let mut chunk = vec![0; 8192];
            while let Ok(length @ 1..) = stderr.read(&mut chunk).await {
                let times = keep(&mut lock(&kept), &chunk[..length]);
                if times > 0 {
                    sender.send_modify(|asked| *asked += times);
                }
            }
        });
        Self { text, asked, task }
    }

    /// What was said; a process that outlived the script and holds the stream is not waited for.
    async fn end(&mut self) -> String {
        let _ = tokio::time::timeout(Duration::from_secs(2), &mut self.task).await;
        String::from_utf8_lossy(&lock(&self.text)).into_owned()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(text: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Appends without sudo's prompts, and says how many of them there were.
fn keep(text: &mut Vec<u8>, chunk: &[u8]) -> usize {
    text.extend_from_slice(chunk);
    let mut times = 0;
    let prompt = PROMPT.as_bytes();
    while let Some(at) = text.windows(prompt.len()).position(|part| part == prompt) {
        text.drain(at..at + prompt.len());
        times += 1;
    }
    if text.len() > KEPT {
        text.drain(..text.len() - KEPT);
    }
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        let of = |line: &str| understand(line.as_bytes().to_vec());
        assert_eq!(of("::say half done\n"), Said::Say("half done".to_owned()));
        let run = Said::Run("kubeadm init".to_owned());
        assert_eq!(of("::run kubeadm init\n"), run);
        assert_eq!(of("::exit 3\n"), Said::Exit(3));
        assert_eq!(of("::exit x\n"), Said::Output(b"::exit x\n".to_vec()));
        assert_eq!(of("::other\n"), Said::Output(b"::other\n".to_vec()));
        assert_eq!(of("a ::exit 3\n"), Said::Output(b"a ::exit 3\n".to_vec()));
        let secret = Said::Secret("T".to_owned(), Secret::new("a b"));
        assert_eq!(of("::secret T a b\n"), secret);
    }

    #[test]
    fn a_prompt_cut_in_two_is_seen() {
        let mut text = Vec::new();
        assert_eq!(keep(&mut text, b"lecture\n::pass"), 0);
        assert_eq!(keep(&mut text, b"word"), 1);
        assert_eq!(text, b"lecture\n");
    }
}
