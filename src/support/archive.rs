//! The archive: one `.tar.gz` of mode 0600, complete or not there, with a manifest that says what is in it and what is missing.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};
use serde::Serialize;

use super::{Redactor, Section};
use crate::failure::{Code, Failure};

/// `manifest.json` of the archive.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Manifest {
    /// Of this program.
    pub version: String,
    pub cluster: String,
    /// UTC.
    pub made: String,
    /// Hosts that were asked, and others that should have been.
    pub hosts: BTreeMap<String, Origin>,
    /// What is missing of the rest, with the reason.
    pub missing: Vec<String>,
    /// Files with the exit status of the command that printed them, where it was not 0.
    pub failed: BTreeMap<String, i32>,
}

/// What there is of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Collected {
        files: usize,
    },
    /// Its answer has no end: the reason.
    Incomplete {
        files: usize,
        reason: String,
    },
    Unreachable(String),
    /// `--limit` left it out.
    LeftOut,
}

/// An archive that is being written.
pub struct Archive<'a> {
    /// Where it will be.
    path: PathBuf,
    /// Removed when it is not finished.
    part: tempfile::TempPath,
    tar: tar::Builder<GzEncoder<File>>,
    /// First part of every name in it.
    root: String,
    redactor: &'a Redactor,
    /// Seconds since 1970, for the files in it.
    now: u64,
}

impl<'a> Archive<'a> {
    /// Begins one. [`Code::Usage`] where `path` is there already or cannot be written.
    pub fn create(path: &Path, root: &str, redactor: &'a Redactor, now: u64) -> Result<Self> {
        let refuse = |what: String| {
            Failure::new(Code::Usage, what).hint("give another file with `--out FILE`")
        };
        if path.exists() {
            let what = format!("{} is there already; it was left alone", path.display());
            return Err(refuse(what).into());
        }
        let part = PathBuf::from(format!("{}.part", path.display()));
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&part)
            .map_err(|error| refuse(format!("{}: {error}", part.display())))?;
        Ok(Self {
            path: path.to_owned(),
            part: tempfile::TempPath::try_from_path(part)?,
            tar: tar::Builder::new(GzEncoder::new(file, Compression::default())),
            root: root.to_owned(),
            redactor,
            now,
        })
    }

    /// Adds a text, without its secrets; its name too may hold one.
    pub fn add(&mut self, name: &str, text: &str) -> io::Result<()> {
        let text = self.redactor.text(text);
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.now);
        let name = format!("{}/{}", self.root, safe(&self.redactor.text(name)));
        self.tar.append_data(&mut header, name, text.as_bytes())
    }

    /// Adds the sections of a host; how many, and those that failed.
    pub fn add_sections(
        &mut self,
        host: &str,
        sections: &[Section],
        failed: &mut BTreeMap<String, i32>,
    ) -> io::Result<usize> {
        for section in sections {
            // What the API says is of no host.
            let name = match section.name.strip_prefix("cluster/") {
                Some(name) => format!("cluster/{name}.txt"),
                None => format!("hosts/{host}/{}.txt", section.name),
            };
            self.add(&name, &section.text)?;
            if section.status != 0 {
                failed.insert(safe(&name), section.status);
            }
        }
        Ok(sections.len())
    }

    /// Writes the manifest and gives the archive its name.
    pub fn finish(mut self, manifest: &Manifest) -> Result<PathBuf> {
        let text = format!("{}\n", serde_json::to_string_pretty(manifest)?);
        self.add("manifest.json", &text)?;
        let write = || -> io::Result<()> {
            let mut file = self.tar.into_inner()?.finish()?;
            file.flush()?;
            file.sync_all()
        };
        write().with_context(|| self.path.display().to_string())?;
        self.part
            .persist_noclobber(&self.path)
            .with_context(|| self.path.display().to_string())?;
        Ok(self.path)
    }
}

/// A name that stays within the archive, whatever a host calls its files.
fn safe(name: &str) -> String {
    let parts = name.split('/').filter(|part| !part.is_empty());
    let parts = parts.map(|part| {
        let plain = |letter: char| match letter {
            letter if letter.is_ascii_alphanumeric() || "._-+@*".contains(letter) => letter,
            _ => '_',
        };
        let part: String = part.chars().map(plain).take(150).collect();
        if part.chars().all(|letter| letter == '.') {
            "_".to_owned()
        } else {
            part
        }
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use std::{io::Read as _, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::ssh::{Secret, Secrets};

    fn redactor() -> Redactor {
        let secrets = Secrets::default();
        secrets.insert("S", Secret::new("planted-value"));
        Redactor::new(&secrets)
    }

    fn read(path: &Path) -> BTreeMap<String, String> {
        let file = File::open(path).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            assert_eq!(entry.header().mode().unwrap(), 0o600);
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (name, text)
        });
        entries.collect()
    }

    #[test]
    fn an_archive_is_private_and_has_no_secret_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.tar.gz");
        let redactor = redactor();
        let mut archive = Archive::create(&path, "s", &redactor, 0).unwrap();
        archive
            .add("inventory.yaml", "password: planted-other\n")
            .unwrap();
        let sections = [
            Section {
                name: "files/etc/a b".to_owned(),
                status: 0,
                text: "a planted-value\n".to_owned(),
            },
            Section {
                name: "cluster/../../nodes".to_owned(),
                status: 124,
                text: "-----BEGIN PRIVATE KEY-----\nplanted\n".to_owned(),
            },
        ];
        let mut manifest = Manifest {
            missing: vec!["plan: planted-value".to_owned()],
            ..Manifest::default()
        };
        let count = archive
            .add_sections("cp1", &sections, &mut manifest.failed)
            .unwrap();
        assert_eq!(count, 2);
        assert_eq!(archive.finish(&manifest).unwrap(), path);
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = read(&path);
        let names: Vec<&str> = files.keys().map(String::as_str).collect();
        let expected = [
            "s/cluster/_/_/nodes.txt",
            "s/hosts/cp1/files/etc/a_b.txt",
            "s/inventory.yaml",
            "s/manifest.json",
        ];
        assert_eq!(names, expected);
        assert!(!format!("{files:?}").contains("planted"), "{files:?}");
        assert_eq!(files["s/inventory.yaml"], "password: ***\n");
        assert!(
            files["s/manifest.json"].contains("\"cluster/_/_/nodes.txt\": 124"),
            "{files:?}"
        );
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_overwritten_and_nothing_half_done_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("s.tar.gz");
        let redactor = redactor();
        drop(Archive::create(&path, "s", &redactor, 0).unwrap());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        std::fs::write(&path, "mine").unwrap();
        let error = Archive::create(&path, "s", &redactor, 0).err().unwrap();
        assert_eq!(error.downcast_ref::<Failure>().unwrap().code, Code::Usage);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let nowhere = directory.path().join("none/s.tar.gz");
        assert!(Archive::create(&nowhere, "s", &redactor, 0).is_err());
    }
}
