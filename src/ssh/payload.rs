//! A script with all it needs as one message: header and tar archive, as `templates/remote/loader.sh` takes it.

use std::fmt::Write as _;

use super::{RunError, Secrets};
use crate::{digest::sha256, remote::Script};

/// How the loader runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Ends with the connection.
    Read,
    /// Goes on without the connection.
    Change,
    /// Gets the rest of stdin.
    Stream,
}

impl Mode {
    pub(super) fn of(script: &Script) -> Self {
        if script.mutating {
            Self::Change
        } else {
            Self::Read
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Change => "change",
            Self::Stream => "stream",
        }
    }
}

/// The bytes that are sent; fails where an attachment asks for a secret that is not known.
pub(super) fn encode(script: &Script, secrets: &Secrets, mode: Mode) -> Result<Vec<u8>, RunError> {
    let archive = archive(script, secrets)?;
    let header = format!(
        "BM1 {} {} {} {}\n",
        archive.len(),
        sha256(&archive),
        mode.word(),
        script.timeout.as_secs()
    );
    Ok([header.as_bytes(), &archive].concat())
}

fn archive(script: &Script, secrets: &Secrets) -> Result<Vec<u8>, RunError> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_cksum();
        archive
            .append_data(&mut header, name, content)
            .map_err(|error| RunError::Broken(format!("attachment `{name}`: {error}")))
    };
    add(".run", start(&script.args)?.as_bytes())?;
    add(".script", script.body.as_bytes())?;
    for attachment in &script.attachments {
        if attachment.secrets {
            let filled = secrets
                .fill(&attachment.content)
                .map_err(RunError::MissingSecrets)?;
            add(&attachment.name, &filled)?;
        } else {
            add(&attachment.name, &attachment.content)?;
        }
    }
    archive
        .into_inner()
        .map_err(|error| RunError::Broken(error.to_string()))
}

/// The line that starts the script with its arguments, which the shell takes literally.
fn start(args: &[String]) -> Result<String, RunError> {
    let mut line = String::from("exec sh \"$BM/.script\"");
    for arg in args {
        if arg.contains('\0') {
            return Err(RunError::Broken("an argument holds a NUL byte".to_owned()));
        }
        let _ = write!(line, " '{}'", arg.replace('\'', r"'\''"));
    }
    line.push('\n');
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;
    use crate::ssh::Secret;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_real_shell_takes_arguments_literally(args in proptest::collection::vec("[^\0]{0,12}", 0..4)) {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(".script"), "printf '%s\\0' \"$@\"").unwrap();
            let line = start(&args).unwrap();
            let output = Command::new("sh").args(["-c", &line]).env("BM", directory.path()).output().unwrap();
            let expected = format!("{}\0", args.join("\0"));
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        }
    }

    #[test]
    fn a_missing_secret_stops_before_anything_is_sent() {
        let script = Script::change("x", "").attach_with_secrets("c", "token: @@TOKEN@@");
        let secrets = Secrets::default();
        let error = encode(&script, &secrets, Mode::Change).unwrap_err();
        assert!(error.to_string().contains("TOKEN"), "{error}");
        secrets.insert("TOKEN", Secret::new("abc"));
        let sent = encode(&script, &secrets, Mode::Change).unwrap();
        assert!(sent.windows(10).any(|window| window == b"token: abc"));
    }
}
