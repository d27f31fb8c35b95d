//! The private directory of a run's control sockets, emptied whatever becomes of this process.

use std::{
    fs::Permissions,
    io,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicUsize, Ordering},
};

use tempfile::TempDir;

/// Path of a control socket at most: `sun_path` has 104 bytes on some systems, and ssh appends 18 while it creates one.
const LONGEST_SOCKET: usize = 84;

/// Asks every master to exit and removes the directory as soon as its stdin ends: when we end, even by SIGKILL.
const JANITOR: &str = r#"
cat >/dev/null
for socket in "$1"/*.s; do
    [ -S "$socket" ] && ssh -o BatchMode=yes -O exit -S "$socket" none
done
rm -rf "$1"
"#;

/// A directory of mode 0700 with a short path.
#[derive(Debug)]
pub struct ControlDir {
    directory: Option<TempDir>,
    janitor: Child,
    next: AtomicUsize,
}

impl ControlDir {
    /// Makes the directory under `$XDG_RUNTIME_DIR`, else `/tmp`, else the system's temporary directory.
    pub fn new() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let candidates = [runtime, Some("/tmp".into()), Some(std::env::temp_dir())];
        let mut last = io::Error::other("no temporary directory");
        for parent in candidates.into_iter().flatten() {
            match Self::under(&parent) {
                Ok(directory) => return Ok(directory),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Makes the directory under `parent`; fails where a socket's path would be too long for the system.
    pub fn under(parent: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("bm-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(parent)?;
        if directory.path().as_os_str().len() + "/0000.s".len() > LONGEST_SOCKET {
            return Err(io::Error::new(
                io::ErrorKind::InvalidFilename,
                format!(
                    "the path of a control socket in `{}` would be too long",
                    parent.display()
                ),
            ));
        }
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "sh"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()?;
        Ok(Self {
            directory: Some(directory),
            janitor,
            next: AtomicUsize::new(0),
        })
    }

    pub fn path(&self) -> &Path {
        self.directory
            .as_ref()
            .map_or(Path::new("/"), TempDir::path)
    }

    /// A fresh name without extension for the files of one connection: `<dir>/7`.
    pub fn next(&self) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.path().join(number.to_string())
    }
}

impl Drop for ControlDir {
    fn drop(&mut self) {
        // Masters are children of their connections and gone by now; a failure leaves the rest to the janitor.
        if let Some(directory) = self.directory.take() {
            let _ = directory.close();
        }
        drop(self.janitor.stdin.take());
        let _ = self.janitor.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_private_short_and_removed() {
        let control = ControlDir::new().unwrap();
        let path = control.path().to_owned();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        assert!(path.as_os_str().len() < LONGEST_SOCKET);
        drop(control);
        assert!(!path.exists());
    }

    #[test]
    fn a_long_parent_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let long = parent.path().join("x".repeat(90));
        std::fs::create_dir(&long).unwrap();
        let error = ControlDir::under(&long).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidFilename);
    }
}
