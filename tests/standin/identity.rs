//! Which tool of which version a copy of this program plays: a trailer after the executable.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

const MAGIC: &[u8] = b"\nbaremetal-standin\n";
const LENGTH: usize = 32;

/// Version of the tool, without a leading `v`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub version: String,
}

impl Identity {
    /// Reads the trailer of the running program; without one it plays the newest version of the lab's default minor.
    pub fn of_this_program() -> Self {
        let version = fs::read("/proc/self/exe")
            .ok()
            .and_then(|program| read_trailer(&program));
        Self {
            version: version
                .or_else(|| std::env::var("STANDIN_VERSION").ok())
                .unwrap_or_else(|| crate::versions::DEFAULT.to_owned()),
        }
    }

    /// `(1, 33)`.
    pub fn minor(&self) -> u32 {
        crate::versions::minor(&self.version)
    }
}

/// Writes a copy of `program` that plays `tool` of `version`.
pub fn write_copy(program: &[u8], tool: &str, version: &str, to: &Path) -> Result<Vec<u8>> {
    let mut copy = program.to_vec();
    let mut text = format!("{tool} {version}").into_bytes();
    text.resize(LENGTH, b' ');
    copy.extend_from_slice(MAGIC);
    copy.extend_from_slice(&text);
    fs::write(to, &copy).with_context(|| format!("{}", to.display()))?;
    fs::set_permissions(to, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(copy)
}

fn read_trailer(program: &[u8]) -> Option<String> {
    let start = program.len().checked_sub(LENGTH + MAGIC.len())?;
    let (magic, text) = program[start..].split_at(MAGIC.len());
    if magic != MAGIC {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    Some(text.split_whitespace().nth(1)?.to_owned())
}
