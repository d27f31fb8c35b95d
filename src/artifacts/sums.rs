//! sha256 of local files: in parallel, and remembered by the file's identity so that a second run reads nothing.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::digest;

/// Where sums and unpacked bundles are kept: `$XDG_CACHE_HOME/baremetal`, else `~/.cache/baremetal`.
///
/// Losing it costs time, never correctness. `None` without a home.
pub fn cache_directory() -> Option<PathBuf> {
    let absolute = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("baremetal"))
}

/// A file changed this recently may change again within the file system's clock tick: its sum is not remembered.
const SETTLED_NANOSECONDS: i128 = 2_000_000_000;

/// Remembered sums, by path.
#[derive(Debug, Default)]
pub struct Sums {
    file: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    changed: bool,
}

/// What tells that a file is still the one that was summed: any write changes size, mtime or ctime, any replacement the inode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    /// Nanoseconds since 1970.
    modified: i128,
    changed: i128,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    identity: Identity,
    sha256: String,
}

impl Identity {
    fn of(path: &Path) -> std::io::Result<Self> {
        let meta = fs::metadata(path)?;
        let nanoseconds = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Ok(Self {
            device: meta.dev(),
            inode: meta.ino(),
            size: meta.size(),
            modified: nanoseconds(meta.mtime(), meta.mtime_nsec()),
            changed: nanoseconds(meta.ctime(), meta.ctime_nsec()),
        })
    }

    fn settled(&self) -> bool {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(0));
        now - self.changed.max(self.modified) > SETTLED_NANOSECONDS
    }
}

impl Sums {
    /// Reads remembered sums; a missing or unreadable file is an empty memory.
    pub fn open(directory: Option<&Path>) -> Self {
        let file = directory.map(|directory| directory.join("sums.json"));
        let known = file
            .as_ref()
            .and_then(|file| fs::read(file).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            file,
            known,
            changed: false,
        }
    }

    /// Hex sha256 of each file, in the order given; files not remembered are read in parallel.
    pub fn of(&mut self, paths: &[PathBuf]) -> Vec<std::io::Result<String>> {
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::with_capacity(paths.len()));
        let memory = &*self;
        let workers = thread::available_parallelism().map_or(2, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers.min(paths.len()) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = paths.get(index) else { break };
                        let result = memory.one(path);
                        if let Ok(mut done) = done.lock() {
                            done.push((index, result));
                        }
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_default();
        done.sort_by_key(|(index, _)| *index);
        done.into_iter()
            .zip(paths)
            .map(|((_, result), path)| {
                result.map(|(sha256, identity)| self.remember(path, sha256, identity))
            })
            .collect()
    }

    /// The sum, and the identity to remember it by when it was computed now.
    fn one(&self, path: &Path) -> std::io::Result<(String, Option<Identity>)> {
        let before = Identity::of(path)?;
        if let Some(known) = self.known.get(path)
            && known.identity == before
        {
            return Ok((known.sha256.clone(), None));
        }
        let sha256 = sha256_of_file(path)?;
        let unchanged = Identity::of(path)? == before && before.settled();
        Ok((sha256, unchanged.then_some(before)))
    }

    fn remember(&mut self, path: &Path, sha256: String, identity: Option<Identity>) -> String {
        if let Some(identity) = identity {
            let known = Known {
                identity,
                sha256: sha256.clone(),
            };
            self.known.insert(path.to_owned(), known);
            self.changed = true;
        }
        sha256
    }

    /// Keeps what was learnt. A memory that cannot be written is no failure: the next run reads the files again.
    pub fn save(&mut self) {
        let Some(file) = self.file.as_ref().filter(|_| self.changed) else {
            return;
        };
        self.known.retain(|path, _| path.exists());
        if let Ok(bytes) = serde_json::to_vec(&self.known)
            && let Some(directory) = file.parent()
            && fs::create_dir_all(directory).is_ok()
        {
            self.changed = super::write_atomically(file, &bytes).is_err();
        }
    }
}

/// Hex sha256 of a file's content.
pub fn sha256_of_file(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(digest::hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..read]);
    }
}
