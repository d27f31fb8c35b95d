//! One multiplexed connection to a host, through the user's own `ssh`.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    process::{Child, Command},
    sync::{Mutex, Semaphore},
};

use super::{
    ConnectError, ControlDir, Kind, Pace, Secret, config, diagnose::Attempt, host_key, pace::Turn,
};
use crate::inventory::Host;

/// An unreachable host is reported within this time, whatever the inventory says.
const LONGEST: Duration = Duration::from_secs(15);
/// Sessions at once on one connection; sshd's `MaxSessions` is 10, and the lock and transfers need some.
const SESSIONS: usize = 6;

/// How connections are opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--accept-new-host-keys`; a changed key stops all the same.
    pub accept_new_host_keys: bool,
    /// For the whole of it: jump hosts, key exchange and login. At most 15 s.
    pub timeout: Duration,
    pub control: Arc<ControlDir>,
    /// Logins at once; the time begins when it is this one's turn.
    pub pace: Arc<Pace>,
    /// Given to sudo when it asks.
    pub sudo_password: Option<Secret>,
}

/// A host that can be worked on. Its master ends when this is dropped.
#[derive(Debug)]
pub struct Connection {
    pub(super) host: String,
    pub(super) session: Arc<openssh::Session>,
    plain: Attempt,
    entry: Host,
    pub(super) sudo_password: Option<Secret>,
    pub(super) slots: Semaphore,
    pub(super) round_trips: AtomicUsize,
    pub(super) mutating: AtomicUsize,
    base: PathBuf,
    master: Mutex<Child>,
    _control: Arc<ControlDir>,
}

impl Connection {
    /// Connects and logs in; whether the user may become root is told by the first script.
    pub async fn open(host: &Host, options: &Options) -> Result<Self, ConnectError> {
        let turn = options.pace.turn().await;
        let started = Instant::now();
        let timeout = options.timeout.min(LONGEST);
        let base = options.control.next();
        let plain = plain_attempt(host, timeout);
        let settings = base.with_extension("conf");
        let spawned = config::file(host, options.accept_new_host_keys, timeout)
            .and_then(|text| std::fs::write(&settings, text))
            .and_then(|()| spawn(host, &base));
        let mut master = spawned.map_err(|error| plain.error(Kind::NoSsh, &error.to_string()))?;
        let socket = base.with_extension("s");
        let ended = wait_for(&mut master, &socket, timeout, turn).await;
        if ended != Waited::Connected {
            let _ = master.kill().await;
            let attempt = asked_attempt(host, &base, plain).await;
            let (log, jump) = (read(&base, "log"), read(&base, "err"));
            let mut error = attempt.diagnose(&log, &jump, ended == Waited::TimedOut);
            if error.kind == Kind::UnknownHostKey {
                let left = LONGEST.saturating_sub(started.elapsed());
                error.host_keys = host_key::unknown(host, &base, left).await;
                for key in &error.host_keys {
                    error.message.push_str(": ");
                    error.message.push_str(&key.fingerprint);
                }
            }
            return Err(error);
        }
        Ok(Self {
            host: host.name.clone(),
            session: Arc::new(openssh::Session::resume_mux(socket.into_boxed_path(), None)),
            plain,
            entry: host.clone(),
            sudo_password: options.sudo_password.clone(),
            slots: Semaphore::new(SESSIONS),
            round_trips: AtomicUsize::new(0),
            mutating: AtomicUsize::new(0),
            base,
            master: Mutex::new(master),
            _control: options.control.clone(),
        })
    }

    /// Name of the host.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Scripts sent so far.
    pub fn round_trips(&self) -> usize {
        self.round_trips.load(Ordering::Relaxed)
    }

    /// Scripts sent so far that may change the host.
    pub fn mutating(&self) -> usize {
        self.mutating.load(Ordering::Relaxed)
    }

    /// Whether the master still runs; it ends within 20 s of the host's last sign of life.
    pub async fn is_alive(&self) -> bool {
        matches!(self.master.lock().await.try_wait(), Ok(None))
    }

    /// Closes the connection; sessions on it end.
    pub async fn close(&self) {
        let _ = self.master.lock().await.kill().await;
    }

    /// This connection for messages, with what ssh made of its configuration.
    pub(super) async fn attempt(&self) -> Attempt {
        asked_attempt(&self.entry, &self.base, self.plain.clone()).await
    }

    /// What ssh said last of this connection.
    pub(super) fn last_words(&self) -> String {
        read(&self.base, "log")
            .lines()
            .rfind(|line| !line.starts_with("Warning: Permanently added"))
            .unwrap_or_default()
            .trim()
            .to_owned()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waited {
    Connected,
    Ended,
    TimedOut,
}

/// The master stays in the foreground as our child: its end is seen at once and it is killed with us.
fn spawn(host: &Host, base: &Path) -> std::io::Result<Child> {
    let errors = std::fs::File::create(base.with_extension("err"))?;
    Command::new("ssh")
        .args(["-M", "-N", "-T", "-o", "ControlPersist=no", "-S"])
        .arg(base.with_extension("s"))
        .arg("-E")
        .arg(base.with_extension("log"))
        .args(config::arguments(host, &base.with_extension("conf")))
        .arg("--")
        .arg(&host.address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(errors)
        // Ctrl-C on the terminal is for us alone.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// The socket is there when the login is done.
async fn wait_for(master: &mut Child, socket: &Path, timeout: Duration, turn: Turn) -> Waited {
    let process = master.id();
    let listening = async {
        while !socket.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = listening => Waited::Connected,
        _ = master.wait() => Waited::Ended,
        () = tokio::time::sleep(timeout) => Waited::TimedOut,
        never = turn.while_answered(process) => match never {},
    }
}

fn plain_attempt(host: &Host, timeout: Duration) -> Attempt {
    let user = host.ssh.user.clone().unwrap_or_default();
    Attempt {
        host: host.name.clone(),
        target: target(&user, &host.address, host.ssh.port),
        user,
        jump: host.ssh.jump.clone(),
        seconds: timeout.as_secs(),
        ..Attempt::default()
    }
}

/// What ssh made of the inventory and its own configuration: user, port, keys, jump hosts.
async fn asked_attempt(host: &Host, base: &Path, plain: Attempt) -> Attempt {
    let ask = Command::new("ssh")
        .arg("-G")
        .args(config::arguments(host, &base.with_extension("conf")))
        .arg("--")
        .arg(&host.address)
        .stdin(Stdio::null())
        .output();
    let Ok(Ok(answer)) = tokio::time::timeout(Duration::from_secs(2), ask).await else {
        return plain;
    };
    let text = String::from_utf8_lossy(&answer.stdout).into_owned();
    let all = |key: &str| {
        text.lines()
            .filter_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let one = |key: &str| all(key).pop();
    let user = one("user").unwrap_or(plain.user);
    let port = one("port").and_then(|port| port.parse().ok());
    let home = std::env::home_dir().unwrap_or_default();
    let expand = |path: &String| match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None => PathBuf::from(path),
    };
    Attempt {
        target: target(&user, &host.address, port),
        user,
        jump: plain.jump.or_else(|| one("proxyjump")),
        keys: all("identityfile")
            .into_iter()
            .filter(|path| expand(path).exists())
            .collect(),
        agent: host.ssh.key.is_none() && std::env::var_os("SSH_AUTH_SOCK").is_some(),
        ..plain
    }
}

fn target(user: &str, address: &str, port: Option<u16>) -> String {
    let at = if user.is_empty() { "" } else { "@" };
    match port {
        None | Some(22) => format!("{user}{at}{address}"),
        Some(port) if address.contains(':') => format!("{user}{at}[{address}]:{port}"),
        Some(port) => format!("{user}{at}{address}:{port}"),
    }
}

fn read(base: &Path, extension: &str) -> String {
    let bytes = std::fs::read(base.with_extension(extension)).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
