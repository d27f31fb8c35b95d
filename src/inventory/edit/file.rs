//! An inventory's file: read once, written back whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, fchown},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::{Change, Edited, edit};
use crate::{
    failure::{Code, Failure},
    inventory::{LoadOptions, load},
};

/// An inventory as it was read.
#[derive(Debug, Clone)]
pub struct InventoryFile {
    path: PathBuf,
    text: String,
}

impl InventoryFile {
    /// Reads an inventory's text. Fails with [`Code::Inventory`].
    pub fn read(path: &Path) -> Result<Self> {
        let path = load::file_of(path);
        let text = load::read(&path)?;
        Ok(Self { path, text })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// All changes or none; nothing is written yet. Fails with [`Code::Inventory`].
    pub fn edit(&self, options: &LoadOptions, changes: &[Change]) -> Result<Edited> {
        let edited = edit(&self.text, &self.path, options, changes);
        Ok(edited.map_err(|refusal| refusal.failure(&self.path))?)
    }

    /// Writes an edit back: readers see the old text or the new one, also after a power cut. A link is followed; mode and owner
    /// stay. Fails, and leaves the file as it is, where it is no longer what was read.
    pub fn write(&self, edited: &Edited) -> Result<()> {
        let real = fs::canonicalize(&self.path)
            .with_context(|| format!("find the inventory {}", self.path.display()))?;
        // A file that its owner made read-only stays as it is, though a rename would not ask.
        let old = OpenOptions::new()
            .append(true)
            .open(&real)
            .map_err(|error| {
                let what = format!(
                    "the inventory {} cannot be written: {error}",
                    real.display()
                );
                let hint = format!(
                    "check its permissions; the change:\n{}",
                    edited.diff(&self.path)
                );
                Failure::new(Code::Inventory, what).hint(hint)
            })?;
        let directory = real.parent().unwrap_or(Path::new("/"));
        let mut new = tempfile::Builder::new()
            .prefix(".baremetal-")
            .tempfile_in(directory)
            .with_context(|| format!("write a new inventory in {}", directory.display()))?;
        new.write_all(edited.after.as_bytes())
            .and_then(|()| keep_owner(&old, new.as_file()))
            .and_then(|()| new.as_file().sync_all())
            .with_context(|| format!("write a new {}", real.display()))?;
        self.must_be_unchanged(edited)?;
        new.persist(&real)
            .with_context(|| format!("write the inventory {}", real.display()))?;
        // The name is durable with its directory.
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .with_context(|| format!("write the directory {}", directory.display()))
    }

    fn must_be_unchanged(&self, edited: &Edited) -> Result<()> {
        if fs::read(&self.path).is_ok_and(|now| now == self.text.as_bytes()) {
            return Ok(());
        }
        let shown = self.path.display();
        let what = format!(
            "the inventory {shown} was changed by someone else while this ran; it was left alone"
        );
        let hint = format!(
            "make the change in it by hand:\n{}",
            edited.diff(&self.path)
        );
        Err(Failure::new(Code::Inventory, what).hint(hint).into())
    }
}

/// The mode, and the owner where that is someone else.
fn keep_owner(old: &File, new: &File) -> std::io::Result<()> {
    let (was, is) = (old.metadata()?, new.metadata()?);
    if (was.uid(), was.gid()) != (is.uid(), is.gid()) {
        fchown(new, Some(was.uid()), Some(was.gid()))?;
    }
    new.set_permissions(was.permissions())
}
