//! Adding local files to a bundle: what a file is, is read out of the file as far as that goes.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use semver::Version;
use serde::Deserialize;

use super::{
    Kind,
    bundle::{self, Bundle, Entry},
    image::{self, Members},
    run::{self, local_arch},
    sha256_of_file,
};
use crate::failure::{Code, Failure};

/// What the user says of the files; it goes before what the files say.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    pub kind: Option<Kind>,
    pub name: Option<String>,
    pub version: Option<String>,
    pub arch: Option<String>,
    /// References of an image archive.
    pub images: Vec<String>,
    /// Kubernetes release of a bundle that is made anew.
    pub kubernetes: Option<Version>,
    pub note: Option<String>,
}

/// One file with what it turned out to be.
#[derive(Debug)]
struct Found {
    kind: Kind,
    name: String,
    version: String,
    arch: Option<String>,
    images: Vec<String>,
}

/// Adds files to the bundle in a directory, which is made where it is missing. Returns the items added.
///
/// An item of the same kind, name, version and architecture is replaced. `bundle.yaml` is written last and at once: when
/// anything fails, the bundle is as it was.
pub fn add(directory: &Path, files: &[PathBuf], hints: &Hints) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for file in files {
        found.push((file, find(file, hints)?));
    }
    let mut bundle = if directory.join(bundle::FILE).exists() {
        Bundle::read(directory)?
    } else {
        Bundle::new(release(
            hints,
            found.iter().map(|(_, found)| found),
            directory,
        )?)
    };
    if let Some(note) = &hints.note {
        bundle.note = Some(note.clone()).filter(|note| !note.is_empty());
    }
    let mut added = Vec::new();
    let mut replaced = Vec::new();
    for (file, found) in found {
        let entry = take(directory, file, found)?;
        for old in bundle.items.extract_if(.., |item| item.same_item(&entry)) {
            replaced.push(old.file);
        }
        bundle.items.push(entry.clone());
        added.push(entry);
    }
    bundle.write(directory)?;
    for file in replaced {
        if !bundle.items.iter().any(|item| item.file == file)
            && let Ok(path) = bundle::inside(directory, &file)
        {
            let _ = fs::remove_file(path);
        }
    }
    Ok(added)
}

/// The Kubernetes release of a new bundle: as the user says, else kubeadm's.
fn release<'a>(
    hints: &Hints,
    mut found: impl Iterator<Item = &'a Found>,
    directory: &Path,
) -> Result<Version> {
    if let Some(version) = &hints.kubernetes {
        return Ok(version.clone());
    }
    found
        .find(|found| found.kind == Kind::Binary && found.name == "kubeadm")
        .and_then(|found| Version::parse(found.version.trim_start_matches('v')).ok())
        .ok_or_else(|| {
            let message = format!(
                "{} is a new bundle, and no kubeadm among the files says for which Kubernetes it is",
                directory.display()
            );
            let hint = "give --kubernetes VERSION, or add kubeadm first";
            Failure::new(Code::Usage, message).hint(hint).into()
        })
}

/// What a file is.
fn find(file: &Path, hints: &Hints) -> Result<Found> {
    let guess = guess(file).with_context(|| format!("cannot read {}", file.display()))?;
    let missing = |what: &str, flag: &str| {
        let message = format!("cannot tell the {what} of {}", file.display());
        Failure::new(Code::Usage, message).hint(format!("give {flag}"))
    };
    let kind = hints
        .kind
        .or(guess.kind)
        .ok_or_else(|| missing("kind", "--kind binary, archive, image, chart or manifest"))?;
    let images = if hints.images.is_empty() {
        guess.images
    } else {
        hints
            .images
            .iter()
            .map(|image| image::normalize(image))
            .collect()
    };
    if kind == Kind::Image && images.is_empty() {
        return Err(missing("image references", "--image REFERENCE").into());
    }
    let name = hints.name.clone().or(guess.name);
    let arch = hints.arch.clone().or(guess.arch);
    let version = hints.version.clone().or(guess.version).or_else(|| {
        let runs = kind == Kind::Binary && arch.as_deref().is_none_or(|arch| arch == local_arch());
        runs.then(|| run::version_of(file, name.as_deref()?))
            .flatten()
    });
    Ok(Found {
        kind,
        name: name.ok_or_else(|| missing("name", "--name NAME"))?,
        version: version.ok_or_else(|| missing("version", "--version VERSION"))?,
        arch,
        images,
    })
}

#[derive(Debug, Default)]
struct Guess {
    kind: Option<Kind>,
    name: Option<String>,
    version: Option<String>,
    arch: Option<String>,
    images: Vec<String>,
}

fn guess(file: &Path) -> Result<Guess> {
    let mut head = [0; 512];
    let read = std::io::Read::read(&mut fs::File::open(file)?, &mut head)?;
    let head = &head[..read];
    let stem = file
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned());
    let is_tar = head.get(257..262) == Some(b"ustar".as_slice());
    if head.starts_with(&[0x1f, 0x8b]) || is_tar {
        return guess_archive(file);
    }
    if head.starts_with(b"\x7fELF") {
        return Ok(Guess {
            kind: Some(Kind::Binary),
            name: file_name(file),
            arch: elf_arch(head),
            ..Guess::default()
        });
    }
    if head.starts_with(b"#!") {
        return Ok(Guess {
            kind: Some(Kind::Binary),
            name: file_name(file),
            ..Guess::default()
        });
    }
    let yaml = file
        .extension()
        .is_some_and(|end| end == "yaml" || end == "yml");
    if yaml {
        let (name, version) = stem.as_deref().map_or((None, None), split_version);
        let version = version.or_else(|| tag_of(&fs::read_to_string(file).unwrap_or_default()));
        return Ok(Guess {
            kind: Some(Kind::Manifest),
            name: name.map(component),
            version,
            ..Guess::default()
        });
    }
    Ok(Guess::default())
}

/// The version of a manifest whose images all have the same tag.
fn tag_of(manifest: &str) -> Option<String> {
    let images = super::create::images_in_yaml(manifest);
    let mut tags = images.iter().map(|image| super::image_name(image).1);
    let first = tags.next()?;
    tags.all(|tag| tag == first).then(|| first.to_owned())
}

/// The component that a manifest of upstream's is of: MetalLB publishes one for each of its ways to speak BGP.
fn component(stem: String) -> String {
    match stem.as_str() {
        "metallb-native" | "metallb-frr" | "metallb-frr-k8s" => "metallb".to_owned(),
        _ => stem,
    }
}

fn file_name(file: &Path) -> Option<String> {
    Some(file.file_name()?.to_string_lossy().into_owned())
}

/// Kubernetes' name of an ELF file's machine.
fn elf_arch(head: &[u8]) -> Option<String> {
    match head.get(18..20)? {
        [0x3e, 0] => Some("amd64".to_owned()),
        [0xb7, 0] => Some("arm64".to_owned()),
        _ => None,
    }
}

/// `metallb-v0.16.1` → name and version.
fn split_version(stem: &str) -> (Option<String>, Option<String>) {
    let versioned = stem.rsplit_once('-').filter(|(name, version)| {
        let number = version.trim_start_matches('v');
        !name.is_empty() && number.starts_with(|c: char| c.is_ascii_digit()) && number.contains('.')
    });
    match versioned {
        Some((name, version)) => (Some(name.to_owned()), Some(version.to_owned())),
        None => (Some(stem.to_owned()), None),
    }
}

fn guess_archive(file: &Path) -> Result<Guess> {
    let (names, members) = image::members(file)?;
    if let Some(chart) = chart(&members) {
        return Ok(Guess {
            kind: Some(Kind::Chart),
            name: Some(chart.name),
            version: Some(chart.version),
            ..Guess::default()
        });
    }
    if let Ok(images) = image::of_members(&members) {
        let first = images
            .references
            .first()
            .map(|image| super::image_name(image));
        return Ok(Guess {
            kind: Some(Kind::Image),
            name: first.map(|(name, _)| name.to_owned()),
            version: first.map(|(_, tag)| tag.to_owned()),
            arch: images.arch,
            images: images.references,
        });
    }
    let stem = file_name(file).unwrap_or_default();
    Ok(Guess {
        kind: Some(Kind::Archive),
        name: known_archive(&names).map(str::to_owned),
        version: version_in(&stem),
        arch: ["amd64", "arm64"]
            .into_iter()
            .find(|arch| stem.contains(arch))
            .map(str::to_owned),
        images: Vec::new(),
    })
}

#[derive(Deserialize)]
struct ChartFile {
    name: String,
    version: String,
}

/// `Chart.yaml` in the archive's only top directory.
fn chart(members: &Members) -> Option<ChartFile> {
    members
        .iter()
        .find(|(name, _)| name.ends_with("/Chart.yaml") && name.matches('/').count() == 1)
        .and_then(|(_, content)| serde_yaml::from_slice(content).ok())
}

/// Archives that are known by a member.
fn known_archive(names: &[String]) -> Option<&'static str> {
    let has = |file: &str| {
        names
            .iter()
            .any(|name| name.rsplit('/').next() == Some(file) && !name.ends_with('/'))
    };
    [
        ("loopback", "cni-plugins"),
        ("containerd", "containerd"),
        ("crictl", "crictl"),
        ("helm", "helm"),
        ("etcdctl", "etcd"),
    ]
    .into_iter()
    .find_map(|(member, name)| has(member).then_some(name))
}

/// The version in a file name as upstream writes it: `cni-plugins-linux-amd64-v1.9.1.tgz`.
fn version_in(name: &str) -> Option<String> {
    let name = [".tar.gz", ".tgz", ".tar"]
        .iter()
        .find_map(|end| name.strip_suffix(end))
        .unwrap_or(name);
    name.split(['-', '_'])
        .map(|part| part.trim_start_matches('v'))
        .find(|part| Version::parse(part).is_ok())
        .map(str::to_owned)
}

/// Copies a file to its place in the bundle.
fn take(directory: &Path, file: &Path, found: Found) -> Result<Entry> {
    let place = place(&found, file);
    let target = directory.join(&place);
    let describe = || format!("cannot copy {} to {}", file.display(), target.display());
    let parent = target.parent().unwrap_or(directory);
    fs::create_dir_all(parent).with_context(describe)?;
    if file.canonicalize().ok() != target.canonicalize().ok() {
        let mut copy = tempfile::NamedTempFile::new_in(parent).with_context(describe)?;
        let mut source = fs::File::open(file).with_context(describe)?;
        std::io::copy(&mut source, &mut copy).with_context(describe)?;
        super::persist(copy, &target)?;
    }
    if found.kind == Kind::Binary {
        // So that a bundle's kubectl runs from where it lies.
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755)).with_context(describe)?;
    }
    let meta = target.metadata().with_context(describe)?;
    Ok(Entry {
        name: found.name,
        kind: found.kind.name().to_owned(),
        version: found.version,
        arch: found.arch,
        file: place,
        images: found.images,
        sha256: sha256_of_file(&target).with_context(describe)?,
        size: Some(meta.len()),
    })
}

/// Where an item lies in a bundle: `bin/amd64/kubeadm-1.33.4`.
fn place(found: &Found, file: &Path) -> String {
    let gzip = file
        .extension()
        .is_some_and(|end| end == "gz" || end == "tgz");
    let (folder, suffix) = match found.kind {
        Kind::Binary => ("bin", ""),
        Kind::Archive if gzip => ("archives", ".tar.gz"),
        Kind::Archive => ("archives", ".tar"),
        Kind::Image => ("images", ".tar"),
        Kind::Chart => ("charts", ".tgz"),
        Kind::Manifest => ("manifests", ".yaml"),
    };
    let safe = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "._+".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .collect()
    };
    let file = format!("{}-{}{suffix}", safe(&found.name), safe(&found.version));
    match &found.arch {
        Some(arch) => format!("{folder}/{}/{file}", safe(arch)),
        None => format!("{folder}/{file}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_of_the_version_that_all_its_images_have() {
        let manifest = |tags: [&str; 2]| {
            let [one, two] = tags;
            format!("- image: example.org/one:{one}\n- image: example.org/two:{two}\n")
        };
        assert_eq!(
            tag_of(&manifest(["v0.16.1", "v0.16.1"])).as_deref(),
            Some("v0.16.1")
        );
        assert_eq!(tag_of(&manifest(["v0.16.1", "v0.0.25"])), None);
        assert_eq!(tag_of("kind: Namespace\n"), None);
        assert_eq!(component("metallb-native".to_owned()), "metallb");
        assert_eq!(component("ingress".to_owned()), "ingress");
    }

    #[test]
    fn versions_are_read_out_of_names() {
        let archive = |name| version_in(name);
        assert_eq!(
            archive("cni-plugins-linux-amd64-v1.9.1.tgz").as_deref(),
            Some("1.9.1")
        );
        assert_eq!(
            archive("containerd-static-2.3.4-linux-amd64.tar.gz").as_deref(),
            Some("2.3.4")
        );
        assert_eq!(archive("plugins.tgz"), None);
        let pair = |name| split_version(name);
        assert_eq!(
            pair("metallb-v0.16.1"),
            (Some("metallb".to_owned()), Some("v0.16.1".to_owned()))
        );
        assert_eq!(pair("my-app"), (Some("my-app".to_owned()), None));
    }

    #[test]
    fn names_cannot_leave_the_bundle() {
        let found = Found {
            kind: Kind::Binary,
            name: "../../etc/x".to_owned(),
            version: "1/2".to_owned(),
            arch: Some("../amd64".to_owned()),
            images: Vec::new(),
        };
        assert_eq!(
            place(&found, Path::new("x")),
            "bin/..-amd64/..-..-etc-x-1-2"
        );
    }
}
