//! Files, directories, blocks in shared files, and files that must not be there.

use serde::Serialize;
use similar::TextDiff;

use super::{
    Change, Observed,
    apply::Calls,
    compare::Verdict,
    probe::{Answers, Questions},
};
use crate::digest::sha256;

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

/// Lines of ours between two markers in a file that others write too (`/etc/hosts`, `/etc/fstab`). Written in place where
/// the file is a mount point.
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

    pub(super) fn label(&self) -> String {
        format!("file {}", self.path)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        let same = sha256(self.content.as_bytes());
        questions.hash(&self.path, (!self.secret).then_some(&same));
    }

    /// The values of [`Answers::path`] and, where it differs and is no secret, `content`.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        with_content(answers, &self.path)
    }

    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        let missing = observed.get("state") != "file";
        if self.keep && !missing {
            return None;
        }
        if missing || observed.get("sha256") != sha256(self.content.as_bytes()) {
            let verb = if missing { "create" } else { "update" };
            let old = observed.values.get("content").map(String::as_str);
            let shown = if missing { Some("") } else { old };
            let mut verdict = Verdict::new(verb)?;
            verdict.diff = shown
                .filter(|_| !self.secret)
                .map(|old| diff(&self.path, missing, old, &self.content));
            return Some(verdict);
        }
        mode_differs(observed, self.mode)
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        let name = calls.attach(&self.content);
        let mode = format!("{:o}", self.mode);
        let mut words = vec!["file", &name, &mode, &self.path];
        words.extend(self.check.as_deref());
        calls.call(&words);
    }
}

impl Directory {
    pub(super) fn label(&self) -> String {
        format!("directory {}", self.path)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.path(&self.path);
    }

    pub(super) fn read(&self, answers: &Answers) -> Observed {
        answers.path(&self.path)
    }

    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        if observed.get("state") != "directory" {
            return Verdict::new("create");
        }
        mode_differs(observed, self.mode)
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        calls.call(&["directory", &format!("{:o}", self.mode), &self.path]);
    }
}

impl Block {
    pub(super) fn label(&self) -> String {
        format!("block {} in {}", self.marker, self.path)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.whole(&self.path);
    }

    /// The values of [`Answers::path`] and `content`.
    pub(super) fn read(&self, answers: &Answers) -> Observed {
        with_content(answers, &self.path)
    }

    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        let missing = observed.get("state") != "file";
        let old = observed.get("content");
        let new = self.merged(old);
        if !missing && new == old {
            return None;
        }
        let mut verdict = Verdict::new(if missing { "create" } else { "update" })?;
        verdict.diff = Some(diff(&self.path, missing, old, &new));
        Some(verdict)
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        let name = calls.attach(&self.content);
        calls.call(&["block", &name, &self.marker, &self.path]);
    }

    /// The file as it will be: our block in the place of the first one, or at the end. `block` of `apply.sh` does the same.
    fn merged(&self, old: &str) -> String {
        let (begin, end) = (
            format!("# BEGIN baremetal {}", self.marker),
            format!("# END baremetal {}", self.marker),
        );
        let ours = || {
            let mut lines = vec![begin.as_str()];
            lines.extend(lines_of(&self.content));
            lines.push(&end);
            lines
        };
        let mut written = false;
        let mut out: Vec<&str> = Vec::new();
        // Lines after a begin marker: dropped when its end is found, kept when the block was never closed.
        let mut held: Option<Vec<&str>> = None;
        for line in lines_of(old) {
            if line == begin {
                out.extend(held.take().unwrap_or_default());
                held = Some(Vec::new());
            } else if line == end {
                if held.take().is_some() && !written {
                    out.extend(ours());
                    written = true;
                }
            } else if let Some(held) = &mut held {
                held.push(line);
            } else {
                out.push(line);
            }
        }
        out.extend(held.unwrap_or_default());
        if !written {
            out.extend(ours());
        }
        out.iter().flat_map(|line| [*line, "\n"]).collect()
    }
}

impl Absent {
    pub(super) fn label(&self) -> String {
        format!("file {}", self.path)
    }

    pub(super) fn ask(&self, questions: &mut Questions) {
        questions.path(&self.path);
    }

    pub(super) fn read(&self, answers: &Answers) -> Observed {
        answers.path(&self.path)
    }

    #[expect(clippy::unused_self, reason = "every kind has the same five functions")]
    pub(super) fn compare(&self, observed: &Observed, _before: &[Change]) -> Option<Verdict> {
        match observed.get("state") {
            "" | "missing" => None,
            _ => Verdict::new("remove"),
        }
    }

    pub(super) fn apply(&self, _verb: &str, calls: &mut Calls) {
        calls.call(&["absent", &self.path]);
    }
}

/// Lines as awk sees them: separated by newlines alone, a last one without a newline counts.
fn lines_of(text: &str) -> impl Iterator<Item = &str> {
    let none = text.is_empty();
    text.strip_suffix('\n')
        .unwrap_or(text)
        .split('\n')
        .skip(usize::from(none))
}

/// What must be done about mode and owner alone.
pub(super) fn mode_differs(observed: &Observed, mode: u32) -> Option<Verdict> {
    let wanted = format!("{mode:o}");
    if observed.get("mode") != wanted {
        let remark = format!("mode {} → {wanted}", observed.get("mode"));
        return Verdict::because("set", remark);
    }
    if observed.get("owner") != "ours" {
        return Verdict::because("set", "owner → root");
    }
    None
}

fn with_content(answers: &Answers, path: &str) -> Observed {
    let observed = answers.path(path);
    let content = answers
        .paths
        .get(path)
        .and_then(|seen| seen.content.clone());
    match content.map(String::from_utf8) {
        Some(Ok(text)) => observed.with("content", text),
        _ => observed,
    }
}

fn diff(path: &str, created: bool, old: &str, new: &str) -> String {
    let before = if created { "/dev/null" } else { path };
    unified_diff(before, path, old, new)
}

/// What changes from one text to the other; the names stand in its header.
pub fn unified_diff(before: &str, after: &str, old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new)
        .unified_diff()
        .context_radius(3)
        .header(before, after)
        .to_string()
}
