//! Why a host could not be reached, told from what `ssh` and `sudo` said: a kind, one line, and what to do.

use std::fmt;

use super::host_key::HostKey;
use crate::failure::{Code, Failure};

/// What kept us from a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No address for the host's name.
    NotResolved,
    Refused,
    /// No answer in time, or no way to the address.
    TimedOut,
    NoRoute,
    UnknownHostKey,
    ChangedHostKey,
    Authentication,
    JumpHost,
    NoSudo,
    /// sudo wants a password and none was given.
    SudoPassword,
    WrongSudoPassword,
    /// The login shell could not start `sh`.
    NoShell,
    ControlPath,
    /// No `ssh` on this machine, or it does not start.
    NoSsh,
    /// The connection was cut while it was set up.
    Closed,
    Other,
}

/// A host that could not be worked on.
#[derive(Debug, Clone)]
pub struct ConnectError {
    pub host: String,
    pub kind: Kind,
    /// One line: what failed and where.
    pub message: String,
    pub hint: String,
    /// What `ssh` or `sudo` said, last lines.
    pub detail: Vec<String>,
    /// With [`Kind::UnknownHostKey`]: what would be trusted.
    pub host_keys: Vec<HostKey>,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.host, self.message)
    }
}

impl std::error::Error for ConnectError {}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(Code::Unreachable, error.to_string()).hint(error.hint)
    }
}

/// What is known about an attempt, for messages.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempt {
    pub host: String,
    /// `user@address:port` as far as the inventory says.
    pub target: String,
    pub user: String,
    pub jump: Option<String>,
    /// Files of keys that ssh would offer.
    pub keys: Vec<String>,
    pub agent: bool,
    pub seconds: u64,
}

impl Attempt {
    pub(super) fn error(&self, kind: Kind, said: &str) -> ConnectError {
        let detail: Vec<String> = said
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('@'))
            .map(str::to_owned)
            .collect();
        let skip = detail.len().saturating_sub(8);
        let detail = detail[skip..].to_vec();
        ConnectError {
            host: self.host.clone(),
            kind,
            message: self.message(kind, &detail),
            hint: self.hint(kind),
            detail,
            host_keys: Vec::new(),
        }
    }

    /// Reads what `ssh` said: `master` is its own log, `jump` what the processes of its jump hosts wrote.
    pub(super) fn diagnose(&self, master: &str, jump: &str, timed_out: bool) -> ConnectError {
        let said = format!("{jump}\n{master}");
        if self.jump.is_some()
            && let Some(kind) = beyond_jump(jump)
        {
            return self.error(kind, &said);
        }
        if self.jump.is_some() {
            // A changed or unknown key stays what it is: which of the two hosts has it is in ssh's own words.
            return match kind_of(&said) {
                Some(kind @ (Kind::ChangedHostKey | Kind::UnknownHostKey)) => {
                    self.error(kind, &said)
                }
                _ if kind_of(jump).is_some() => self.error(Kind::JumpHost, jump),
                Some(kind) if kind != Kind::Closed => self.error(kind, master),
                _ if timed_out => self.error(Kind::TimedOut, &said),
                _ => self.error(Kind::JumpHost, &said),
            };
        }
        let kind = kind_of(&said).unwrap_or(if timed_out {
            Kind::TimedOut
        } else {
            Kind::Other
        });
        self.error(kind, &said)
    }

    fn message(&self, kind: Kind, detail: &[String]) -> String {
        let target = &self.target;
        let last = detail.last().map_or("", String::as_str);
        match kind {
            Kind::NotResolved => format!("the name of `{target}` cannot be resolved"),
            Kind::Refused => format!("{target} refuses connections"),
            Kind::TimedOut => format!("{target} did not answer within {} s", self.seconds),
            Kind::NoRoute => format!("there is no route to {target}"),
            Kind::UnknownHostKey => format!("the host key of {target} is not known"),
            Kind::ChangedHostKey => format!("the host key of {target} has changed"),
            Kind::Authentication => {
                format!(
                    "{target} does not let user `{}` in ({})",
                    self.user,
                    self.offered()
                )
            }
            Kind::JumpHost => format!(
                "the jump host {} cannot be passed: {last}",
                self.jump.as_deref().unwrap_or("?")
            ),
            Kind::NoSudo => format!("user `{}` cannot become root: {last}", self.user),
            Kind::SudoPassword => format!("sudo wants a password of user `{}`", self.user),
            Kind::WrongSudoPassword => {
                format!("sudo does not accept the password of user `{}`", self.user)
            }
            Kind::NoShell => format!("no script can be started on {target}: {last}"),
            Kind::ControlPath => "the path of the control socket is too long".to_owned(),
            Kind::NoSsh => format!("`ssh` cannot be started on this machine: {last}"),
            Kind::Closed => format!("{target} closed the connection: {last}"),
            Kind::Other => format!("{target} cannot be reached: {last}"),
        }
    }

    fn offered(&self) -> String {
        let agent = if self.agent {
            " and the agent's keys"
        } else {
            ""
        };
        match self.keys.as_slice() {
            [] if self.agent => "tried the agent's keys".to_owned(),
            [] => "there is no key to try".to_owned(),
            keys => format!("tried {}{agent}", keys.join(", ")),
        }
    }

    fn hint(&self, kind: Kind) -> String {
        match kind {
            Kind::NotResolved => "write an address, or a name that this machine can resolve, as the host's `address`".to_owned(),
            Kind::Refused => "check the `port`, and that sshd runs on the host".to_owned(),
            Kind::TimedOut | Kind::NoRoute => {
                "check that the machine is on, its address, and the firewalls between here and there".to_owned()
            }
            Kind::UnknownHostKey => {
                "compare the fingerprint with the host's own, then answer yes on a terminal or pass --accept-new-host-keys".to_owned()
            }
            Kind::ChangedHostKey => format!(
                "if the machine was installed anew, remove its old key with `ssh-keygen -R`; otherwise somebody answers in its place ({})",
                self.target
            ),
            Kind::Authentication => format!(
                "name the key in the inventory (`ssh: key:`), load it into ssh-agent, or put it on the host: ssh-copy-id {}",
                self.target
            ),
            Kind::JumpHost => "try `ssh` to the jump host itself; its key and host key are needed as well".to_owned(),
            Kind::NoSudo => "log in as root, or install sudo and allow the user to run every command".to_owned(),
            Kind::SudoPassword => "say in the inventory where the password comes from (`ssh: sudo-password:`), or allow sudo without one".to_owned(),
            Kind::WrongSudoPassword => "check the password's source in the inventory; nothing was changed on the host".to_owned(),
            Kind::NoShell => "the login shell must run POSIX sh, and coreutils, tar and mktemp must be there".to_owned(),
            Kind::ControlPath => "set XDG_RUNTIME_DIR or TMPDIR to a short path".to_owned(),
            Kind::NoSsh => "install the OpenSSH client".to_owned(),
            Kind::Closed | Kind::Other => format!("try: ssh {}", self.target),
        }
    }
}

/// What of ssh's words means what; the first that fits.
#[rustfmt::skip]
const WORDS: &[(&str, Kind)] = &[
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Kind::ChangedHostKey),
    ("differs from the key for the IP address", Kind::ChangedHostKey),
    ("Could not resolve hostname",             Kind::NotResolved),
    ("Name or service not known",              Kind::NotResolved),
    ("host key is known for",                  Kind::UnknownHostKey),
    ("Host key verification failed",           Kind::UnknownHostKey),
    ("Permission denied",                      Kind::Authentication),
    ("Too many authentication failures",       Kind::Authentication),
    ("No supported authentication methods",    Kind::Authentication),
    ("Connection refused",                     Kind::Refused),
    ("Connection timed out",                   Kind::TimedOut),
    ("Operation timed out",                    Kind::TimedOut),
    ("Timeout, server",                        Kind::TimedOut),
    ("No route to host",                       Kind::NoRoute),
    ("Network is unreachable",                 Kind::NoRoute),
    ("Host is down",                           Kind::NoRoute),
    ("too long for Unix domain socket",        Kind::ControlPath),
    ("Connection closed by",                   Kind::Closed),
    ("Connection reset by",                    Kind::Closed),
    ("closed by remote host",                  Kind::Closed),
];

fn kind_of(said: &str) -> Option<Kind> {
    WORDS
        .iter()
        .find(|(words, _)| said.contains(words))
        .map(|(_, kind)| *kind)
}

/// What happened between the jump host and the host itself, as the jump host's process tells it.
fn beyond_jump(jump: &str) -> Option<Kind> {
    let line = jump
        .lines()
        .find(|line| line.contains("open failed") || line.contains("stdio forwarding failed"))?;
    Some(match kind_of(line) {
        Some(kind) => kind,
        None if line.contains("administratively prohibited") => return None,
        None => Kind::Refused,
    })
}

/// What `sudo` or the login shell said before the loader was there.
pub(super) fn kind_before_ready(stdout: &str, stderr: &str) -> Kind {
    let no_sudo = ["::no-sudo"];
    let wants = [
        "a password is required",
        "a terminal is required",
        "no tty present",
    ];
    let not_allowed = [
        "not in the sudoers",
        "not allowed to",
        "may not run sudo",
        "must have a tty",
    ];
    let wrong = [
        "incorrect password",
        "Sorry, try again",
        "no password was provided",
    ];
    let said = |words: &[&str]| words.iter().any(|word| stderr.contains(word));
    if no_sudo.iter().any(|word| stdout.contains(word)) || said(&not_allowed) {
        Kind::NoSudo
    } else if said(&wrong) {
        Kind::WrongSudoPassword
    } else if said(&wants) {
        Kind::SudoPassword
    } else {
        Kind::NoShell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt() -> Attempt {
        Attempt {
            host: "cp1".to_owned(),
            target: "ops@10.0.0.1:22".to_owned(),
            user: "ops".to_owned(),
            keys: vec!["/k/id".to_owned()],
            seconds: 15,
            ..Attempt::default()
        }
    }

    #[test]
    fn every_word_of_ssh_has_its_kind() {
        for (words, kind) in WORDS {
            let error = attempt().diagnose(&format!("ssh: x: {words} y"), "", false);
            assert_eq!(error.kind, *kind, "{words}");
            assert!(!error.message.is_empty() && !error.hint.is_empty());
        }
        assert_eq!(attempt().diagnose("", "", true).kind, Kind::TimedOut);
        assert_eq!(attempt().diagnose("odd", "", false).kind, Kind::Other);
    }

    #[test]
    fn a_refused_key_names_user_and_keys() {
        let error = attempt().diagnose("ops@10.0.0.1: Permission denied (publickey).", "", false);
        assert_eq!(
            error.to_string(),
            "cp1: ops@10.0.0.1:22 does not let user `ops` in (tried /k/id)"
        );
        assert_eq!(Failure::from(error).code, Code::Unreachable);
    }

    #[test]
    fn a_jump_host_is_told_from_the_host_behind_it() {
        let behind = Attempt {
            jump: Some("bastion".to_owned()),
            ..attempt()
        };
        let closed = "kex_exchange_identification: Connection closed by remote host";
        let refused =
            "channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed";
        assert_eq!(behind.diagnose(closed, refused, false).kind, Kind::Refused);
        let denied = "me@bastion: Permission denied (publickey).";
        assert_eq!(behind.diagnose(closed, denied, false).kind, Kind::JumpHost);
        let own = "ops@10.0.0.1: Permission denied (publickey).";
        assert_eq!(behind.diagnose(own, "", false).kind, Kind::Authentication);
        assert_eq!(behind.diagnose("", "", true).kind, Kind::TimedOut);
    }

    #[test]
    fn sudo_is_understood() {
        let kind = |stdout, stderr| kind_before_ready(stdout, stderr);
        assert_eq!(kind("::no-sudo\n", ""), Kind::NoSudo);
        assert_eq!(kind("", "sudo: a password is required"), Kind::SudoPassword);
        assert_eq!(kind("", "Sorry, try again."), Kind::WrongSudoPassword);
        assert_eq!(kind("", "ops is not in the sudoers file."), Kind::NoSudo);
        assert_eq!(kind("", "sh: not found"), Kind::NoShell);
    }
}
