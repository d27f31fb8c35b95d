//! Whether a bundle is sound in itself: what `bundle verify` checks beyond the sums.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    From, Item, Kind, Sums,
    bundle::{self, Bundle},
    check, image, kubernetes, packed,
    run::{kubeadm_images, local_arch},
};

/// What was found.
#[derive(Debug)]
pub struct Report {
    pub bundle: Bundle,
    /// Bytes of all items.
    pub size: u64,
    /// What makes the bundle unusable, one line each.
    pub problems: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
}

/// Checks sums, references, stray files, and completeness for the bundle's Kubernetes version.
pub fn verify(path: &Path, cache: Option<&Path>) -> Result<Report> {
    let mut sums = Sums::open(cache);
    let directory = packed::directory(path, cache, &mut sums)?;
    let bundle = Bundle::read(&directory)?;
    let (items, problems) = check(&directory, &bundle, &mut sums);
    sums.save();
    let mut problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mut notes = Vec::new();
    for item in items.iter().filter(|item| item.kind == Kind::Image) {
        problems.extend(wrong_references(item));
    }
    completeness(&bundle, &items, &mut problems, &mut notes);
    for file in stray(&directory, &bundle) {
        notes.push(format!("{file} is not in bundle.yaml"));
    }
    Ok(Report {
        size: items.iter().filter_map(|item| item.size).sum(),
        bundle,
        problems,
        notes,
    })
}

/// References that are listed but not in the archive: containerd would not know the image under that name.
fn wrong_references(item: &Item) -> Option<String> {
    let From::Local(path) = &item.from else {
        return None;
    };
    let title = format!("image {} {}", item.name, item.version);
    let inside = match image::inspect(path) {
        Ok(images) => images,
        Err(error) => return Some(format!("{title}: {error:#}")),
    };
    let lacks = |reference: &&String| !inside.references.contains(&image::normalize(reference));
    let missing: Vec<&str> = item
        .images
        .iter()
        .filter(lacks)
        .map(String::as_str)
        .collect();
    // An archive without names gets them from the list when it is imported.
    (!missing.is_empty() && !inside.references.is_empty()).then(|| {
        format!(
            "{title}: {} is listed but not in the archive, which has {}",
            missing.join(", "),
            inside.references.join(", ")
        )
    })
}

/// What is missing for the Kubernetes version, per architecture for which there is a kubeadm.
fn completeness(
    bundle: &Bundle,
    items: &[Item],
    problems: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    let needs = kubernetes(&bundle.kubernetes);
    for arch in architectures(items) {
        let fits = |item: &&Item| item.arch.as_deref().is_none_or(|have| have == arch);
        let here: Vec<Item> = items.iter().filter(fits).cloned().collect();
        for need in &needs {
            let Some(problem) = need.unmet(&here) else {
                continue;
            };
            let line = format!("for {arch}: {problem}");
            if need.optional {
                notes.push(line);
            } else if !super::is_listed(need, bundle) {
                problems.push(line);
            }
        }
        images_of_kubeadm(bundle, &here, &arch, problems, notes);
    }
}

/// kubeadm itself says which images its release needs.
fn images_of_kubeadm(
    bundle: &Bundle,
    here: &[Item],
    arch: &str,
    problems: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    let kubeadm = here
        .iter()
        .find(|item| item.kind == Kind::Binary && item.name == "kubeadm");
    let Some(From::Local(kubeadm)) = kubeadm.map(|item| &item.from) else {
        return;
    };
    let runs = arch == local_arch();
    let Some(wanted) = runs
        .then(|| kubeadm_images(kubeadm, &bundle.kubernetes))
        .flatten()
    else {
        notes.push(format!(
            "for {arch}: kubeadm does not run on this machine, so its images were not compared"
        ));
        return;
    };
    let have: BTreeSet<String> = here
        .iter()
        .flat_map(|item| &item.images)
        .map(|image| image::normalize(image))
        .collect();
    for image in wanted {
        if !have.contains(&image::normalize(&image)) {
            problems.push(format!(
                "for {arch}: image {image} is missing; kubeadm starts it"
            ));
        }
    }
}

/// Architectures that the bundle is for: those of its kubeadm; this machine's when kubeadm is for any.
fn architectures(items: &[Item]) -> Vec<String> {
    let mut found: Vec<String> = items
        .iter()
        .filter(|item| item.kind == Kind::Binary && item.name == "kubeadm")
        .map(|item| item.arch.clone().unwrap_or_else(|| local_arch().to_owned()))
        .collect();
    found.sort_unstable();
    found.dedup();
    if found.is_empty() {
        found.push(local_arch().to_owned());
    }
    found
}

/// Files of the directory that are not in the list.
fn stray(directory: &Path, bundle: &Bundle) -> Vec<String> {
    let listed: BTreeSet<PathBuf> = bundle
        .items
        .iter()
        .map(|entry| directory.join(&entry.file))
        .chain([directory.join(bundle::FILE)])
        .collect();
    let mut found = Vec::new();
    let mut open = vec![directory.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(path),
                Ok(_) if !listed.contains(&path) => {
                    let name = path.strip_prefix(directory).unwrap_or(&path);
                    found.push(name.display().to_string());
                }
                _ => {}
            }
        }
    }
    found.sort_unstable();
    found
}
