//! A script for a host as a value: what it does, what it is given, what may be shown of it.
//!
//! Pure data between those who say what to do (phases, observe) and those who do it (ssh, engine).

use std::time::Duration;

use serde::Serialize;

/// A POSIX sh script that is sent on stdin, checked for completeness on the host and only then run as root.
///
/// Inside the script `$BM` is a private directory on tmpfs (mode 0700) that is removed when the script ends;
/// every attachment lies there under its name. `@@NAME@@` inside an attachment with `secrets` is replaced, when it is sent, by
/// the secret of that name captured earlier in the run.
///
/// Lines on stdout that begin with `::` speak to the engine: `::secret NAME VALUE` stores a secret (never logged),
/// `::say TEXT` shows progress, `::run COMMAND` names the command that begins. Every other line is output.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Script {
    /// Short name for logs and errors: `kubeadm-init`.
    pub name: String,
    /// POSIX sh; no secret in it.
    pub body: String,
    /// Positional parameters of the script; never a secret.
    pub args: Vec<String>,
    pub attachments: Vec<Attachment>,
    /// Whether it may change the host; counted, so that "nothing to do" can be proven.
    pub mutating: bool,
    /// Whether stdout is kept out of logs.
    pub sensitive: bool,
    pub timeout: Duration,
}

/// Content for a script, carried on stdin.
#[derive(Clone, PartialEq, Serialize)]
pub struct Attachment {
    pub name: String,
    #[serde(skip)]
    pub content: Vec<u8>,
    /// Whether `@@NAME@@` is replaced by captured secrets.
    pub secrets: bool,
}

impl std::fmt::Debug for Attachment {
    /// Shows the length only: contents may be secret.
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "Attachment({}, {} bytes)",
            self.name,
            self.content.len()
        )
    }
}

impl Script {
    /// A script that only reads.
    pub fn read(name: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            body: body.into(),
            args: Vec::new(),
            attachments: Vec::new(),
            mutating: false,
            sensitive: false,
            timeout: Duration::from_mins(1),
        }
    }

    /// A script that changes the host.
    pub fn change(name: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            mutating: true,
            timeout: Duration::from_mins(10),
            ..Self::read(name, body)
        }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub fn attach(mut self, name: impl Into<String>, content: impl Into<Vec<u8>>) -> Self {
        self.attachments.push(Attachment {
            name: name.into(),
            content: content.into(),
            secrets: false,
        });
        self
    }

    /// Attaches content in which `@@NAME@@` is replaced by captured secrets when it is sent.
    #[must_use]
    pub fn attach_with_secrets(
        mut self,
        name: impl Into<String>,
        content: impl Into<Vec<u8>>,
    ) -> Self {
        self.attachments.push(Attachment {
            name: name.into(),
            content: content.into(),
            secrets: true,
        });
        self
    }

    #[must_use]
    pub fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// What a script left behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    pub status: i32,
    /// Without the `::` lines.
    pub stdout: String,
    pub stderr: String,
    /// The last command that the script named with `::run`.
    pub command: Option<String>,
}
