//! Versions, checksums, defaults and compatibility rules: data with a thin reader.

use std::{ops::RangeInclusive, sync::LazyLock};

use semver::{Version, VersionReq};
use serde::{Deserialize, Serialize};

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    serde_yaml::from_str(include_str!("catalog.yaml")).expect("the catalog is checked by a test")
});

/// The catalog that is compiled in.
pub fn catalog() -> &'static Catalog {
    &CATALOG
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// Supported minor releases of Kubernetes, oldest first.
    pub kubernetes: Vec<Minor>,
    pub systems: Vec<System>,
    pub downloads: Vec<Download>,
    pub charts: Vec<Chart>,
    pub images: Vec<Image>,
}

/// A minor release of Kubernetes 1.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Minor {
    pub minor: u64,
    /// The newest patch release that this catalog knows.
    #[serde(default)]
    pub latest: Option<Version>,
    /// Tags of the images that kubeadm's first releases of the minor chose; kubeadm itself is asked for the real ones.
    pub etcd: String,
    pub coredns: String,
    pub pause: String,
    /// Ranges of containerd that its makers support with this minor; one must match.
    pub containerd: Vec<VersionReq>,
}

/// A supported operating system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct System {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_ID` or its part before the dot.
    pub version: String,
}

/// Something published at a URL of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    pub name: String,
    pub kind: Kind,
    /// The default; Kubernetes' own programs have none.
    #[serde(default)]
    pub version: Option<String>,
    url: String,
    /// Where the publisher says the sha256: the sum alone, or lines of sum and file name.
    #[serde(default)]
    checksum: Option<String>,
    pins: Vec<Pin>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pin {
    version: String,
    /// Any where absent.
    #[serde(default)]
    arch: Option<String>,
    sha256: String,
}

/// What kind of thing an artifact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An executable for `/usr/local/bin`.
    Binary,
    /// A tar archive that is unpacked: `cni-plugins`, `containerd`, `crictl`, `helm`.
    Archive,
    Image,
    Chart,
    Manifest,
}

impl Kind {
    /// As `bundle.yaml` and `bundle add --kind` write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Archive => "archive",
            Self::Image => "image",
            Self::Chart => "chart",
            Self::Manifest => "manifest",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Binary,
            Self::Archive,
            Self::Image,
            Self::Chart,
            Self::Manifest,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// A chart in a repository with an index.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chart {
    /// What we call it.
    pub name: String,
    /// What the repository calls it.
    pub chart: String,
    /// The default.
    pub version: String,
    pub repository: String,
    /// URL of a list of the chart's images, with `{version}`.
    #[serde(default)]
    pub images: Option<String>,
}

/// An image that one of our own templates names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    pub name: String,
    /// The default.
    pub version: String,
    /// With `{version}`.
    pub reference: String,
}

impl Download {
    /// Whether each architecture has a file of its own.
    pub fn per_arch(&self) -> bool {
        self.url.contains("{arch}")
    }

    pub fn url(&self, version: &str, arch: &str) -> String {
        fill(&self.url, version, arch)
    }

    pub fn checksum_url(&self, version: &str, arch: &str) -> Option<String> {
        let url = self.checksum.as_ref()?;
        Some(fill(url, version, arch))
    }

    /// The pinned sha256 of a version.
    pub fn pinned(&self, version: &str, arch: &str) -> Option<&str> {
        self.pins
            .iter()
            .find(|pin| {
                same_version(&pin.version, version)
                    && pin.arch.as_deref().is_none_or(|have| have == arch)
            })
            .map(|pin| pin.sha256.as_str())
    }
}

/// Fills a template; versions in URLs have no leading `v` but where the template has one.
fn fill(template: &str, version: &str, arch: &str) -> String {
    template
        .replace("{version}", version.trim_start_matches('v'))
        .replace("{arch}", arch)
}

impl Catalog {
    pub fn download(&self, name: &str) -> Option<&Download> {
        self.downloads.iter().find(|download| download.name == name)
    }

    pub fn chart(&self, name: &str) -> Option<&Chart> {
        self.charts.iter().find(|chart| chart.name == name)
    }

    /// What is installed through the API where neither the inventory nor a bundle says the version: `longhorn`, `flannel`.
    ///
    /// Panics where the catalog has no such component; a test loads every one that the inventory knows.
    pub fn default_version(&self, component: &str) -> &str {
        let download = self.download(component);
        download
            .and_then(|download| download.version.as_deref())
            .or_else(|| Some(&*self.image(component)?.version))
            .or_else(|| Some(&*self.chart(component)?.version))
            .expect("the catalog has every component of the inventory")
    }

    pub fn image(&self, name: &str) -> Option<&Image> {
        self.images.iter().find(|image| image.name == name)
    }

    /// Oldest and newest supported minor release of Kubernetes 1.
    pub fn minors(&self) -> RangeInclusive<u64> {
        let mut all = self.kubernetes.iter().map(|minor| minor.minor);
        let oldest = all.next().expect("the catalog supports a release");
        oldest..=all.next_back().unwrap_or(oldest)
    }

    pub fn minor(&self, version: &Version) -> Option<&Minor> {
        self.kubernetes
            .iter()
            .find(|minor| version.major == 1 && version.minor == minor.minor)
    }

    /// The newest known patch release of Kubernetes 1.`minor`.
    pub fn latest_patch(&self, minor: u64) -> Option<&Version> {
        self.kubernetes
            .iter()
            .find(|known| known.minor == minor)?
            .latest
            .as_ref()
    }

    /// The newest patch release of the newest minor one that is known.
    pub fn newest(&self) -> Version {
        let known = self
            .kubernetes
            .iter()
            .filter_map(|minor| minor.latest.clone());
        known
            .max()
            .unwrap_or_else(|| Version::new(1, *self.minors().end(), 0))
    }

    /// Whether an operating system is supported, by os-release's `ID` and `VERSION_ID`.
    pub fn supports_system(&self, id: &str, version: &str) -> bool {
        let major = version.split('.').next().unwrap_or(version);
        self.systems
            .iter()
            .any(|system| system.id == id && (system.version == version || system.version == major))
    }
}

impl Minor {
    /// Whether containerd's makers support a version with this minor; says what they do support where they do not.
    pub fn containerd_fits(&self, containerd: &Version) -> Result<(), String> {
        if self
            .containerd
            .iter()
            .any(|range| range.matches(containerd))
        {
            return Ok(());
        }
        let ranges: Vec<String> = self.containerd.iter().map(ToString::to_string).collect();
        Err(ranges.join(" or "))
    }
}

/// Whether two versions are the same but for a leading `v`.
pub fn same_version(one: &str, other: &str) -> bool {
    one.trim_start_matches('v') == other.trim_start_matches('v')
}

/// The version of containerd's configuration that a containerd reads without migrating it: 2 for 1.x, 3 for 2.x.
pub fn containerd_config_version(containerd: &Version) -> u8 {
    if containerd.major < 2 { 2 } else { 3 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalog_is_whole() {
        let catalog = catalog();
        let minors: Vec<u64> = catalog.kubernetes.iter().map(|minor| minor.minor).collect();
        assert_eq!(minors, (28..=36).collect::<Vec<_>>());
        for minor in &catalog.kubernetes {
            assert!(
                minor
                    .latest
                    .as_ref()
                    .is_none_or(|latest| latest.minor == minor.minor)
            );
        }
        assert_eq!(catalog.minors(), 28..=36);
        for component in [
            "flannel",
            "flannel-cni-plugin",
            "calico",
            "cilium",
            "metallb",
            "longhorn",
            "harbor",
        ] {
            assert!(!catalog.default_version(component).is_empty());
        }
        for download in &catalog.downloads {
            let url = download.url("1.2.3", "arm64");
            assert!(url.starts_with("https://") && !url.contains('{'), "{url}");
            for pin in &download.pins {
                assert_eq!(pin.sha256.len(), 64, "{}", download.name);
                assert_eq!(pin.arch.is_some(), download.per_arch(), "{}", download.name);
            }
            if let Some(version) = &download.version {
                for arch in ["amd64", "arm64"] {
                    assert!(
                        download.pinned(version, arch).is_some(),
                        "{}",
                        download.name
                    );
                }
            }
        }
    }

    #[test]
    fn urls_are_filled_in() {
        let kubelet = catalog().download("kubelet").unwrap();
        assert_eq!(
            kubelet.url("1.36.4", "arm64"),
            "https://dl.k8s.io/release/v1.36.4/bin/linux/arm64/kubelet"
        );
        let metallb = catalog().download("metallb").unwrap();
        assert!(
            metallb
                .url("v0.16.1", "")
                .contains("/metallb/v0.16.1/config/")
        );
        assert!(metallb.pinned("v0.16.1", "amd64").is_some());
        assert!(kubelet.pinned("1.33.4", "amd64").is_none());
    }

    #[test]
    fn containerd_must_fit_kubernetes() {
        let minor = |number| catalog().minor(&Version::new(1, number, 0)).unwrap();
        assert!(minor(28).containerd_fits(&Version::new(1, 6, 20)).is_ok());
        assert!(minor(36).containerd_fits(&Version::new(2, 3, 4)).is_ok());
        assert_eq!(
            minor(35).containerd_fits(&Version::new(1, 6, 20)),
            Err(">=1.7.28, <1.8 or >=2.1.5".to_owned())
        );
        assert!(minor(34).containerd_fits(&Version::new(2, 1, 2)).is_err());
        assert!(catalog().minor(&Version::new(1, 27, 0)).is_none());
        assert_eq!(containerd_config_version(&Version::new(1, 7, 34)), 2);
        assert_eq!(containerd_config_version(&Version::new(2, 3, 4)), 3);
    }

    #[test]
    fn systems_are_matched_by_release() {
        let supports = |id, version| catalog().supports_system(id, version);
        assert!(
            supports("debian", "12") && supports("rocky", "9.4") && supports("ubuntu", "24.04")
        );
        assert!(!supports("ubuntu", "20.04") && !supports("debian", "11") && !supports("arch", ""));
    }
}
