//! Bundles in one archive: unpacked once into the cache, by the archive's sha256.

use std::{
    fs::{self, File},
    io::{BufReader, BufWriter, Read, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use super::{
    Sums,
    bundle::{self, Bundle},
};
use crate::failure::{Code, Failure};

/// Opens a tar archive, compressed with gzip or not.
pub fn open_tar(path: &Path) -> Result<tar::Archive<Box<dyn Read>>> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut magic = [0; 4];
    let read = file.read(&mut magic)?;
    file.seek(SeekFrom::Start(0))?;
    let file = BufReader::with_capacity(1 << 18, file);
    match &magic[..read] {
        [0x1f, 0x8b, ..] => Ok(tar::Archive::new(Box::new(MultiGzDecoder::new(file)))),
        [0x28, 0xb5, 0x2f, 0xfd] => Err(unpackable(path, "it is compressed with zstd")),
        [0xfd, b'7', b'z', ..] => Err(unpackable(path, "it is compressed with xz")),
        _ => Ok(tar::Archive::new(Box::new(file))),
    }
}

fn unpackable(path: &Path, why: &str) -> anyhow::Error {
    Failure::new(
        Code::Preflight,
        format!("cannot read {} as a tar archive: {why}", path.display()),
    )
    .hint("use a plain tar archive or one compressed with gzip")
    .into()
}

/// The directory of a bundle: the path itself, or the place in the cache where the archive is unpacked.
pub fn directory(path: &Path, cache: Option<&Path>, sums: &mut Sums) -> Result<PathBuf> {
    if !path.is_file() {
        return Ok(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
    }
    let path = path.canonicalize()?;
    let sha256 = sums
        .of(std::slice::from_ref(&path))
        .remove(0)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let Some(cache) = cache else {
        return Err(Failure::new(
            Code::Usage,
            "no place to unpack the bundle: neither XDG_CACHE_HOME nor HOME is set",
        )
        .into());
    };
    let bundles = cache.join("bundles");
    let place = bundles.join(&sha256);
    if !place.is_dir() {
        unpack(&path, &bundles, &place)?;
    }
    Ok(root(&place))
}

/// Unpacks beside the place and renames, so that a run that is killed leaves no half bundle there.
fn unpack(archive: &Path, bundles: &Path, place: &Path) -> Result<()> {
    let describe = || {
        format!(
            "cannot unpack {} into {}",
            archive.display(),
            bundles.display()
        )
    };
    fs::create_dir_all(bundles).with_context(describe)?;
    let partial = tempfile::Builder::new()
        .prefix("unpacking-")
        .tempdir_in(bundles)
        .with_context(describe)?;
    let mut tar = open_tar(archive)?;
    tar.set_preserve_mtime(false);
    tar.unpack(partial.path()).map_err(|error| {
        let hint = "is the archive complete, and is there space in the cache directory?";
        Failure::new(Code::Preflight, format!("{}: {error}", describe())).hint(hint)
    })?;
    let partial = partial.keep();
    match fs::rename(&partial, place) {
        Err(_) if place.is_dir() => {
            // Another run was faster; its copy is as good.
            let _ = fs::remove_dir_all(&partial);
            Ok(())
        }
        result => result.with_context(describe),
    }
}

/// Where `bundle.yaml` lies: at the top, or in the one directory that the archive consists of.
fn root(place: &Path) -> PathBuf {
    if place.join(bundle::FILE).exists() {
        return place.to_owned();
    }
    let entries: Vec<PathBuf> = fs::read_dir(place)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    match entries.as_slice() {
        [only] if only.join(bundle::FILE).exists() => only.clone(),
        _ => place.to_owned(),
    }
}

/// The list of a bundle, read without unpacking an archive.
pub fn list(path: &Path) -> Result<Bundle> {
    if !path.is_file() {
        return Bundle::read(path);
    }
    let mut tar = open_tar(path)?;
    let entries = tar.entries()?;
    for entry in entries {
        let mut entry =
            entry.map_err(|error| unpackable(path, &format!("it is damaged: {error}")))?;
        let name = entry.path()?.into_owned();
        let depth = name
            .components()
            .filter(|part| matches!(part, std::path::Component::Normal(_)));
        if name.file_name().is_some_and(|name| name == bundle::FILE) && depth.count() <= 2 {
            let mut text = String::new();
            entry.read_to_string(&mut text)?;
            return Bundle::parse(&text, &path.join(bundle::FILE));
        }
    }
    Err(unpackable(path, "it has no bundle.yaml"))
}

/// Packs a bundle's directory into one archive, `bundle.yaml` first so that it is found quickly. Compressed where the name says so.
pub fn pack(directory: &Path, bundle: &Bundle, out: &Path) -> Result<()> {
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new(".")))
        .with_context(|| format!("cannot write {}", out.display()))?;
    let writer = BufWriter::with_capacity(1 << 18, file.as_file());
    if is_gzip_name(out) {
        let mut gzip = GzEncoder::new(writer, Compression::fast());
        append_all(&mut gzip, directory, bundle)?;
        gzip.finish()?.flush()?;
    } else {
        let mut writer = writer;
        append_all(&mut writer, directory, bundle)?;
        writer.flush()?;
    }
    super::persist(file, out)
}

fn append_all(out: &mut impl std::io::Write, directory: &Path, bundle: &Bundle) -> Result<()> {
    let mut tar = tar::Builder::new(out);
    tar.mode(tar::HeaderMode::Deterministic);
    tar.append_path_with_name(directory.join(bundle::FILE), bundle::FILE)?;
    let mut files: Vec<&str> = bundle
        .items
        .iter()
        .map(|entry| entry.file.as_str())
        .collect();
    files.sort_unstable();
    files.dedup();
    for file in files {
        tar.append_path_with_name(directory.join(file), file)
            .with_context(|| format!("cannot pack {file}"))?;
    }
    tar.finish()?;
    Ok(())
}

/// Whether a path names an archive rather than a directory.
pub fn is_archive_name(path: &Path) -> bool {
    let name = path.to_string_lossy();
    is_gzip_name(path) || name.ends_with(".tar")
}

fn is_gzip_name(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".tar.gz") || name.ends_with(".tgz")
}
