//! Files, directories, blocks in shared files, and files that must not be there.

use serde::Serialize;

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Directory {
    pub path: String,
    /// Octal, e.g. `0o755`.
    pub mode: u32,
}

/// A whole file that is ours. Owner is root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    pub path: String,
    #[serde(skip)]
    pub content: String,
    pub mode: u32,
    /// Whether content may be shown in diffs.
    pub secret: bool,
    /// POSIX sh that checks the new content, given as `$1`, before it takes the old one's place: `haproxy -c -f "$1"`.
    pub check: Option<String>,
    /// Written only where no such file is: the user's or a program's own file wins.
    pub keep: bool,
}

/// Lines of ours between two markers in a file that others write too (`/etc/hosts`, `/etc/fstab`). Written in place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    pub path: String,
    /// Word in the marker comments.
    pub marker: String,
    pub content: String,
}

/// A file that must not be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Absent {
    pub path: String,
}

impl File {
    pub fn new(path: impl Into<String>, content: impl Into<String>, mode: u32) -> Self {
        Self {
            path: path.into(),
            content: content.into(),
            mode,
            secret: false,
            check: None,
            keep: false,
        }
    }
}
