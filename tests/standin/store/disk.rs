//! A member's directory: `member/snap/db` (state), `member/wal/0.wal` (entries since), `member/vote`.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::state::{Entry, State};

/// Entries after which the state is written anew.
const LONG: usize = 2000;

/// What a member has promised.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// This member's own id.
    pub member: u64,
    pub term: u64,
    pub voted_for: Option<u64>,
}

pub struct Disk {
    directory: PathBuf,
    wal: File,
    entries: usize,
}

impl Disk {
    /// Opens a directory; the state is `None` where no member has lived yet.
    pub fn open(data: &Path) -> Result<(Self, Option<(Vote, State)>)> {
        let directory = data.join("member");
        for part in ["snap", "wal"] {
            fs::create_dir_all(directory.join(part))
                .with_context(|| format!("cannot access data directory {}", data.display()))?;
        }
        fs::set_permissions(data, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let log = directory.join("wal/0.wal");
        let wal = OpenOptions::new().create(true).append(true).open(&log)?;
        let mut disk = Self {
            directory,
            wal,
            entries: 0,
        };
        let Ok(snapshot) = fs::read(disk.directory.join("snap/db")) else {
            return Ok((disk, None));
        };
        let mut state: State = serde_json::from_slice(&snapshot).context("snap/db")?;
        let vote: Vote = serde_json::from_slice(&fs::read(disk.directory.join("vote"))?)?;
        for line in fs::read_to_string(&log)?.lines() {
            // The last line of a member that was killed may be half written: nobody was told of it.
            let Ok(entry) = serde_json::from_str::<Entry>(line) else {
                break;
            };
            if entry.at > state.last {
                state.apply(&entry);
            }
        }
        disk.snapshot(&state)?;
        Ok((disk, Some((vote, state))))
    }

    pub fn vote(&self, vote: &Vote) -> Result<()> {
        self.replace("vote", &serde_json::to_vec(vote)?)
    }

    /// Makes entries durable; `state` is the state after them.
    pub fn append(&mut self, entries: &[Entry], state: &State) -> Result<()> {
        if self.entries + entries.len() > LONG {
            return self.snapshot(state);
        }
        let mut lines = Vec::new();
        for entry in entries {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        self.wal.write_all(&lines)?;
        self.wal.sync_data()?;
        self.entries += entries.len();
        Ok(())
    }

    /// Writes the whole state and empties the log.
    pub fn snapshot(&mut self, state: &State) -> Result<()> {
        self.replace("snap/db", &serde_json::to_vec(state)?)?;
        self.wal.set_len(0)?;
        self.entries = 0;
        Ok(())
    }

    fn replace(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.directory.join(name);
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(content)?;
        file.sync_data()?;
        fs::rename(new, path)?;
        Ok(())
    }
}
