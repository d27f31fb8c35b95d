//! Making a bundle from what upstream, or a mirror of it, publishes.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use semver::Version;

use super::{
    From, Item, Kind, Need,
    bundle::{Bundle, Entry},
    http::Http,
    image::{self, normalize},
    image_name, kubernetes,
    packed::open_tar,
    registry::Registry,
    required,
    run::{self, local_arch},
    sha256_of_file,
    upstream::Source,
};
use crate::{
    catalog::catalog,
    failure::{Code, Failure},
    inventory::Cluster,
};

/// What the bundle is for and where its content comes from.
pub struct Order<'a> {
    pub version: Version,
    /// `None` for a plain cluster without add-ons.
    pub cluster: Option<&'a Cluster>,
    pub architectures: Vec<String>,
    /// Versions of components, by name, instead of the catalog's.
    pub components: Vec<(String, String)>,
    pub mirror: Option<String>,
    pub registry: Option<String>,
}

/// Fetches everything into a directory. What is there already and right is not fetched again, so that a broken run goes on.
///
/// `say` hears what is being fetched. All problems of one stage are reported together.
pub fn create(order: &Order<'_>, directory: &Path, say: &dyn Fn(&str)) -> Result<Bundle> {
    let needs = needs(order)?;
    let architectures: Vec<&str> = order.architectures.iter().map(String::as_str).collect();
    let cache = super::cache_directory();
    let source = Source::new(order.mirror.as_deref(), cache.as_deref());
    let (items, problems) = source.items(&needs, &architectures);
    stop_at(&problems)?;
    fs::create_dir_all(directory)?;
    let mut work = Work {
        directory,
        say,
        http: &source.http,
        bundle: Bundle::new(order.version.clone()),
        problems: Vec::new(),
    };
    for item in &items {
        let optional = needs.iter().any(|need| need.optional && need.met_by(item));
        work.fetch(item, optional);
    }
    stop_at(&work.problems)?;
    let registry = Registry {
        http: source.http.clone(),
        instead: order.registry.clone(),
    };
    for arch in &architectures {
        let images = work.images(order, &needs, arch, &source);
        for image in images {
            work.pull(&registry, &image, arch);
        }
    }
    stop_at(&work.problems)?;
    work.bundle.write(directory)?;
    Ok(work.bundle)
}

/// What the bundle must have; an unknown component is a mistake of the command line.
fn needs(order: &Order<'_>) -> Result<Vec<Need>> {
    let mut needs = match order.cluster {
        Some(cluster) => required(cluster),
        None => kubernetes(&order.version),
    };
    for (name, version) in &order.components {
        let mut known = false;
        for need in needs.iter_mut().filter(|need| need.name == *name) {
            need.version = Some(version.clone());
            known = true;
        }
        if !known {
            let names: Vec<&str> = needs.iter().map(|need| need.name.as_str()).collect();
            let message = format!("nothing called `{name}` goes into this bundle");
            let hint = format!("it has {}", names.join(", "));
            return Err(Failure::new(Code::Usage, message).hint(hint).into());
        }
    }
    Ok(needs)
}

fn stop_at(problems: &[String]) -> Result<()> {
    if problems.is_empty() {
        return Ok(());
    }
    let hint = "run the command again: what has arrived is kept";
    let message = format!("the bundle is not complete:\n  {}", problems.join("\n  "));
    Err(Failure::new(Code::Phase, message).hint(hint).into())
}

struct Work<'a> {
    directory: &'a Path,
    say: &'a dyn Fn(&str),
    http: &'a Http,
    bundle: Bundle,
    problems: Vec<String>,
}

impl Work<'_> {
    /// Fetches one file and lists it. One that some clusters do without is left out where a mirror does not have it.
    fn fetch(&mut self, item: &Item, optional: bool) {
        let From::Url(url) = &item.from else { return };
        let file = place(item);
        let path = self.directory.join(&file);
        if sha256_of_file(&path).ok().as_deref() != Some(&item.sha256) {
            (self.say)(&format!("fetch {url}"));
            if let Err(error) = self.http.download(url, &item.sha256, &path) {
                let line = format!("{} {}: {error:#}", item.name, item.version);
                if optional {
                    (self.say)(&format!("left out: {line}"));
                } else {
                    self.problems.push(line);
                }
                return;
            }
        }
        self.bundle.items.push(Entry {
            name: item.name.clone(),
            kind: item.kind.name().to_owned(),
            version: item.version.clone(),
            arch: item.arch.clone(),
            file,
            images: Vec::new(),
            sha256: item.sha256.clone(),
            size: path.metadata().ok().map(|meta| meta.len()),
        });
    }

    /// Pulls one image and lists it.
    fn pull(&mut self, registry: &Registry, reference: &str, arch: &str) {
        let (name, tag) = image_name(reference);
        let file = format!("images/{arch}/{name}-{}.tar", tag.replace(['/', '+'], "-"));
        let path = self.directory.join(&file);
        let right = image::inspect(&path).is_ok_and(|images| {
            images.references == [reference] && images.arch.as_deref() == Some(arch)
        });
        if !right {
            (self.say)(&format!("pull {reference} for {arch}"));
            if let Err(error) = registry.pull(reference, arch, &path) {
                self.problems.push(format!("{error:#}"));
                return;
            }
        }
        match sha256_of_file(&path) {
            Ok(sha256) => self.bundle.items.push(Entry {
                name: name.to_owned(),
                kind: Kind::Image.name().to_owned(),
                version: tag.to_owned(),
                arch: Some(arch.to_owned()),
                file,
                images: vec![reference.to_owned()],
                sha256,
                size: path.metadata().ok().map(|meta| meta.len()),
            }),
            Err(error) => self.problems.push(format!("{}: {error}", path.display())),
        }
    }

    /// References of every image that hosts of an architecture will want.
    fn images(
        &mut self,
        order: &Order<'_>,
        needs: &[Need],
        arch: &str,
        source: &Source<'_>,
    ) -> BTreeSet<String> {
        let mut images = self.kubeadm_images(&order.version);
        for need in needs.iter().filter(|need| need.kinds == [Kind::Image]) {
            if let Some(known) = catalog().image(&need.name) {
                let version = need.version.as_ref().unwrap_or(&known.version);
                images.insert(normalize(&known.reference.replace("{version}", version)));
            }
        }
        let trial = order.cluster.and_then(|one| one.verify.image.as_deref());
        images.extend(trial.map(normalize));
        let charts: Vec<Entry> = self
            .bundle
            .items
            .iter()
            .filter(|entry| entry.kind == "chart")
            .cloned()
            .collect();
        for chart in charts {
            images.extend(self.chart_images(&chart, source));
        }
        for entry in self
            .bundle
            .items
            .iter()
            .filter(|entry| entry.kind == "manifest")
        {
            let text = fs::read_to_string(self.directory.join(&entry.file)).unwrap_or_default();
            images.extend(images_in_yaml(&text));
        }
        if images.is_empty() {
            self.problems.push(format!("for {arch}: no image is known"));
        }
        images
    }

    /// kubeadm is asked, in whichever architecture runs here.
    fn kubeadm_images(&mut self, version: &Version) -> BTreeSet<String> {
        let kubeadm = self.bundle.items.iter().find(|entry| {
            entry.name == "kubeadm"
                && entry
                    .arch
                    .as_deref()
                    .is_none_or(|arch| arch == local_arch())
        });
        let images = kubeadm
            .map(|entry| self.directory.join(&entry.file))
            .and_then(|file| run::kubeadm_images(&file, version));
        if images.is_none() {
            self.problems.push(format!(
                "kubeadm must be asked for its images, and there is none that runs here; add --arch {}",
                local_arch()
            ));
        }
        images
            .unwrap_or_default()
            .iter()
            .map(|image| normalize(image))
            .collect()
    }

    /// A chart's images: from the list that its makers publish, else from the manifests that helm renders.
    fn chart_images(&mut self, chart: &Entry, source: &Source<'_>) -> BTreeSet<String> {
        let list = catalog()
            .chart(&chart.name)
            .and_then(|known| known.images.as_ref());
        if let Some(url) = list {
            let version = chart.version.trim_start_matches('v');
            let url = source.rewrite(&url.replace("{version}", version));
            match self.http.text(&url) {
                Ok(text) => {
                    let lines = text
                        .lines()
                        .map(str::trim)
                        .filter(|line| line.contains('/'));
                    return lines.map(normalize).collect();
                }
                Err(error) => self
                    .problems
                    .push(format!("images of {}: {error:#}", chart.name)),
            }
            return BTreeSet::new();
        }
        let file = self.directory.join(&chart.file);
        let rendered = self.helm().and_then(|helm| {
            let file = file.canonicalize().ok()?;
            let args = ["template", &chart.name, file.to_str()?];
            run::output(&helm, "helm", &args)
        });
        if let Some(text) = rendered {
            return images_in_yaml(&text);
        }
        self.problems.push(format!(
            "images of chart {}: helm cannot render it here; add them with `baremetal bundle add`",
            chart.name
        ));
        BTreeSet::new()
    }

    /// helm for this machine, taken out of its archive.
    fn helm(&self) -> Option<PathBuf> {
        let entry = self.bundle.items.iter().find(|entry| {
            entry.name == "helm"
                && entry
                    .arch
                    .as_deref()
                    .is_none_or(|arch| arch == local_arch())
        })?;
        let file = self.directory.join(&entry.file);
        if entry.kind == "binary" {
            return Some(file);
        }
        let out = super::cache_directory()?.join(format!("helm-{}", entry.sha256));
        if out.exists() {
            return Some(out);
        }
        let mut tar = open_tar(&file).ok()?;
        for member in tar.entries().ok()? {
            let mut member = member.ok()?;
            if member
                .path()
                .ok()?
                .file_name()
                .is_some_and(|name| name == "helm")
            {
                let mut copy = tempfile::NamedTempFile::new_in(out.parent()?).ok()?;
                std::io::copy(&mut member, &mut copy).ok()?;
                super::persist(copy, &out).ok()?;
                return Some(out);
            }
        }
        None
    }
}

/// Where an item lies in a bundle.
fn place(item: &Item) -> String {
    let (folder, suffix) = match item.kind {
        Kind::Binary => ("bin", ""),
        Kind::Archive => ("archives", ".tar.gz"),
        Kind::Image => ("images", ".tar"),
        Kind::Chart => ("charts", ".tgz"),
        Kind::Manifest => ("manifests", ".yaml"),
    };
    let file = format!("{}-{}{suffix}", item.name, item.version);
    match &item.arch {
        Some(arch) => format!("{folder}/{arch}/{file}"),
        None => format!("{folder}/{file}"),
    }
}

/// Every `image: REFERENCE` of YAML documents.
pub(super) fn images_in_yaml(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim_start().trim_start_matches("- ").trim_start();
            let value = line.strip_prefix("image:")?.trim();
            let value = value.split(" #").next()?.trim().trim_matches(['"', '\'']);
            let plain = !value.is_empty() && !value.contains([' ', '{', '$']);
            plain.then(|| normalize(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_in_manifests() {
        let text = "
spec:
  containers:
  - image: quay.io/metallb/speaker:v0.16.1 # pinned
    name: speaker
  - name: b
    image: \"busybox\"
  - image: {{ .Values.image }}
imagePullPolicy: Always
";
        let images: Vec<String> = images_in_yaml(text).into_iter().collect();
        assert_eq!(
            images,
            [
                "docker.io/library/busybox:latest",
                "quay.io/metallb/speaker:v0.16.1"
            ]
        );
    }
}
