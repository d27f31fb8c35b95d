//! Items that are fetched from where upstream publishes them, or from a mirror of it, pinned by sha256.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
};

use anyhow::{Context as _, Result, anyhow};
use serde::Deserialize;

use super::{From, Item, Kind, Need, http::Http};
use crate::catalog::{Chart, Download, catalog};

/// Architectures that hosts may have.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// Where things are fetched from.
pub struct Source<'a> {
    /// URL prefix that replaces upstream's scheme and host; charts are looked for under `<prefix>/charts`.
    pub mirror: Option<&'a str>,
    /// Directory where checksums that publishers told are remembered.
    pub cache: Option<&'a Path>,
    pub http: Http,
}

impl<'a> Source<'a> {
    pub fn new(mirror: Option<&'a str>, cache: Option<&'a Path>) -> Self {
        Self {
            mirror,
            cache,
            http: Http::default(),
        }
    }

    /// An item for every need and architecture, and every problem, one line each. Images are not items: hosts pull them.
    pub fn items(&self, needs: &[Need], architectures: &[&str]) -> (Vec<Item>, Vec<String>) {
        let wanted: Vec<(&Need, &str)> = needs
            .iter()
            .filter(|need| need.kinds != [Kind::Image])
            .flat_map(|need| architectures.iter().map(move |arch| (need, *arch)))
            .collect();
        let published = Published::open(self.cache);
        // Almost always answered from the catalog; otherwise a few small files are asked for, all at once.
        let answers: Vec<Result<Item>> = thread::scope(|scope| {
            let threads: Vec<_> = wanted
                .iter()
                .map(|(need, arch)| scope.spawn(|| self.item(need, arch, &published)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(anyhow!("panicked"))))
                .collect()
        });
        published.save(self.cache);
        let mut items: Vec<Item> = Vec::new();
        let mut problems: Vec<String> = Vec::new();
        for ((need, _), answer) in wanted.iter().zip(answers) {
            match answer {
                Ok(item) if items.contains(&item) => {}
                Ok(item) => items.push(item),
                Err(error) => {
                    let line = format!("{}: {error:#}", need.title());
                    if !need.optional && !problems.contains(&line) {
                        problems.push(line);
                    }
                }
            }
        }
        (items, problems)
    }

    fn item(&self, need: &Need, arch: &str, published: &Published) -> Result<Item> {
        let catalog = catalog();
        for kind in &need.kinds {
            if *kind == Kind::Chart
                && let Some(chart) = catalog.chart(&need.name)
            {
                return self.chart(chart, need, published);
            }
            if let Some(download) = catalog.download(&need.name)
                && download.kind == *kind
            {
                return self.download(download, need, arch, published);
            }
        }
        Err(anyhow!(
            "upstream of it is not known; use a bundle that has it, or give the add-on a repository"
        ))
    }

    fn download(
        &self,
        download: &Download,
        need: &Need,
        arch: &str,
        published: &Published,
    ) -> Result<Item> {
        let version = need
            .version
            .as_ref()
            .or(download.version.as_ref())
            .context("no version is known")?;
        let url = self.rewrite(&download.url(version, arch));
        let sha256 = if let Some(pinned) = download.pinned(version, arch) {
            pinned.to_owned()
        } else {
            let sums = download.checksum_url(version, arch).ok_or_else(|| {
                anyhow!("no checksum is pinned for {version} and none is published; put the file into a bundle")
            })?;
            published.get(&url, || {
                self.published_sum(&self.rewrite(&sums), &url).context(
                    "no checksum is pinned for this version, so the published one is needed",
                )
            })?
        };
        Ok(Item {
            name: download.name.clone(),
            kind: download.kind,
            version: version.clone(),
            arch: download.per_arch().then(|| arch.to_owned()),
            sha256,
            size: None,
            images: Vec::new(),
            from: From::Url(url),
        })
    }

    fn published_sum(&self, sums: &str, url: &str) -> Result<String> {
        let text = self.http.text(sums)?;
        let file = url.rsplit('/').next().unwrap_or_default();
        find_sum(&text, file).ok_or_else(|| anyhow!("{sums} has no sha256 of {file}"))
    }

    fn chart(&self, chart: &Chart, need: &Need, published: &Published) -> Result<Item> {
        let version = need.version.as_ref().unwrap_or(&chart.version);
        let repository = match self.mirror {
            Some(mirror) => format!("{}/charts", mirror.trim_end_matches('/')),
            None => chart.repository.clone(),
        };
        let key = format!("{repository} {} {version}", chart.chart);
        // Remembered together: the sum belongs to that URL.
        let found = published.get(&key, || {
            let index = format!("{repository}/index.yaml");
            let text = self.http.text(&index)?;
            let (url, digest) =
                find_chart(&text, &chart.chart, version).with_context(|| format!("in {index}"))?;
            let url = if url.contains("://") {
                self.rewrite(&url)
            } else {
                format!("{repository}/{url}")
            };
            Ok(format!("{digest} {url}"))
        })?;
        let (digest, url) = found.split_once(' ').context("the cache is damaged")?;
        Ok(Item {
            name: chart.name.clone(),
            kind: Kind::Chart,
            version: version.clone(),
            arch: None,
            sha256: digest.to_owned(),
            size: None,
            images: Vec::new(),
            from: From::Url(url.to_owned()),
        })
    }

    /// The URL on the mirror: scheme and host replaced, path kept.
    pub fn rewrite(&self, url: &str) -> String {
        let Some(mirror) = self.mirror else {
            return url.to_owned();
        };
        let path = url
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('/'))
            .map_or("", |(_, path)| path);
        format!("{}/{path}", mirror.trim_end_matches('/'))
    }
}

/// Checksums that publishers told earlier, by URL: the first answer is kept, so that a file changed later is noticed.
struct Published {
    known: BTreeMap<String, String>,
    told: std::sync::Mutex<BTreeMap<String, String>>,
}

impl Published {
    fn open(cache: Option<&Path>) -> Self {
        let known = Self::file(cache)
            .and_then(|file| std::fs::read(file).ok())
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        Self {
            known,
            told: std::sync::Mutex::default(),
        }
    }

    fn file(cache: Option<&Path>) -> Option<PathBuf> {
        cache.map(|cache| cache.join("published.json"))
    }

    fn get(&self, key: &str, ask: impl FnOnce() -> Result<String>) -> Result<String> {
        if let Some(known) = self.known.get(key) {
            return Ok(known.clone());
        }
        let answer = ask()?;
        if let Ok(mut told) = self.told.lock() {
            told.insert(key.to_owned(), answer.clone());
        }
        Ok(answer)
    }

    /// Keeps what was told; a cache that cannot be written is no failure.
    fn save(&self, cache: Option<&Path>) {
        let (Some(file), Ok(told)) = (Self::file(cache), self.told.lock()) else {
            return;
        };
        if told.is_empty() {
            return;
        }
        let mut all = self.known.clone();
        all.extend(told.clone());
        if let Ok(bytes) = serde_json::to_vec_pretty(&all)
            && let Some(directory) = file.parent()
            && std::fs::create_dir_all(directory).is_ok()
        {
            let _ = super::write_atomically(&file, &bytes);
        }
    }
}

/// The sha256 of a file in a checksum file: the sum alone, or lines of sum and name.
pub(super) fn find_sum(text: &str, file: &str) -> Option<String> {
    let is_sum = |word: &str| word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .collect();
    if let [words] = lines.as_slice()
        && let [sum] = words.as_slice()
        && is_sum(sum)
    {
        return Some(sum.to_lowercase());
    }
    lines.iter().find_map(|words| match words.as_slice() {
        [sum, name] if is_sum(sum) => {
            let name = name.trim_start_matches('*');
            (name.rsplit('/').next() == Some(file)).then(|| sum.to_lowercase())
        }
        _ => None,
    })
}

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    entries: BTreeMap<String, Vec<IndexEntry>>,
}

#[derive(Deserialize)]
struct IndexEntry {
    version: String,
    #[serde(default)]
    urls: Vec<String>,
    #[serde(default)]
    digest: Option<String>,
}

/// URL and sha256 of a chart in a repository's index.
pub(super) fn find_chart(index: &str, chart: &str, version: &str) -> Result<(String, String)> {
    let index: Index = serde_yaml::from_str(index).context("not an index of charts")?;
    let entry = index
        .entries
        .get(chart)
        .into_iter()
        .flatten()
        .find(|entry| super::same_version(&entry.version, version))
        .ok_or_else(|| anyhow!("there is no chart {chart} {version}"))?;
    let url = entry.urls.first().context("the chart has no URL")?;
    let digest = entry.digest.as_deref().unwrap_or_default();
    let digest = digest.trim_start_matches("sha256:");
    if digest.len() != 64 {
        return Err(anyhow!("chart {chart} {version} has no digest"));
    }
    Ok((url.clone(), digest.to_lowercase()))
}
