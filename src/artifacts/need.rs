//! What a cluster needs of its artifact source.

use std::path::Path;

use semver::Version;

use super::{Item, Kind, Problem, Wrong};
use crate::{
    catalog::{catalog, same_version},
    inventory::{AddonSource, ArtifactSource, Cluster, PodNetwork, RuntimeSource},
};

/// One artifact that a cluster cannot do without, or would have to fetch from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Kinds that serve, best first: crictl may be a binary or upstream's archive.
    pub kinds: Vec<Kind>,
    pub name: String,
    /// The only version that fits; any when `None`. A leading `v` does not count.
    pub version: Option<String>,
    /// Whether another version will do, because what the source has is used then.
    pub any_version: bool,
    /// For messages: `MetalLB is installed from it`.
    pub why: String,
    /// Whether the cluster may have it from elsewhere (a registry of the user's, the internet).
    pub optional: bool,
}

/// Everything that `cluster` needs when nothing may be fetched from the internet.
pub fn required(cluster: &Cluster) -> Vec<Need> {
    let mut needs = kubernetes(&cluster.version);
    needs.extend(runtime(cluster));
    needs.extend(images(cluster));
    needs.extend(pod_network(&cluster.network.plugin));
    needs.extend(services(cluster));
    needs.extend(add_ons(cluster));
    needs.extend(cluster.verify.image.as_deref().map(trial));
    let elsewhere =
        !cluster.registries.is_empty() || cluster.control_plane.image_repository.is_some();
    for need in &mut needs {
        need.optional |= elsewhere && need.kinds == [Kind::Image];
    }
    if has_charts(cluster) {
        needs.push(need(
            &[Kind::Binary, Kind::Archive],
            "helm",
            None,
            "charts are installed with it",
        ));
    }
    needs
}

/// containerd where the inventory says that it comes from here. Else it may: hosts of the RHEL family have no package of it, and
/// which hosts those are is not known before they are asked.
fn runtime(cluster: &Cluster) -> [Need; 2] {
    let wanted = cluster.runtime.source == RuntimeSource::Artifact;
    let version = cluster.runtime.version.as_ref().map(ToString::to_string);
    let why = if wanted {
        "`runtime.source` is `artifact`"
    } else {
        "RHEL and its like have no package of it"
    };
    [
        need(&[Kind::Archive], "containerd", version, why),
        need(&[Kind::Binary], "runc", None, why),
    ]
    .map(|need| Need {
        optional: !wanted,
        ..need
    })
}

/// Whether anything is installed by a chart, wherever the chart comes from.
fn has_charts(cluster: &Cluster) -> bool {
    matches!(
        cluster.network.plugin,
        PodNetwork::Calico { .. } | PodNetwork::Cilium { .. }
    ) || cluster
        .metallb
        .as_ref()
        .is_some_and(|metallb| metallb.bgp_mode != "native")
        || cluster.longhorn.is_some()
        || cluster.harbor.is_some()
        || cluster
            .addons
            .iter()
            .any(|addon| matches!(addon.source, AddonSource::Chart { .. }))
}

/// Whether a cluster uses an item of a bundle that holds more: what it does not use is not sent to hosts.
///
/// Images that belong to no component we know are the user's own and stay.
pub fn used(item: &Item, needs: &[Need], cluster: &Cluster) -> bool {
    match item.kind {
        Kind::Chart | Kind::Manifest => needs.iter().any(|need| need.met_by(item)),
        Kind::Image => {
            let calico = matches!(cluster.network.plugin, PodNetwork::Calico { .. });
            let cilium = matches!(cluster.network.plugin, PodNetwork::Cilium { .. });
            let flannel = matches!(cluster.network.plugin, PodNetwork::Flannel(_));
            let longhorn = cluster.longhorn.is_some();
            let components = [
                (flannel, &["/flannel/", "/flannel-io/"][..]),
                (calico, &["/calico/", "/tigera/"]),
                (cilium, &["/cilium/"]),
                (cluster.metallb.is_some(), &["/metallb/", "/frrouting/"]),
                (longhorn, &["/longhornio/", "/sig-storage/csi-"]),
                (cluster.harbor.is_some(), &["/goharbor/"]),
            ];
            !components.iter().any(|(on, repositories)| {
                !on && !item.images.is_empty()
                    && item.images.iter().all(|image| {
                        repositories
                            .iter()
                            .any(|repository| image.contains(repository))
                    })
            })
        }
        Kind::Binary | Kind::Archive => true,
    }
}

/// What any cluster of a Kubernetes release needs on its hosts.
pub fn kubernetes(version: &Version) -> Vec<Need> {
    let why = format!("Kubernetes {version} needs it");
    let same = || Some(version.to_string());
    let mut needs: Vec<Need> = ["kubeadm", "kubelet", "kubectl"]
        .map(|name| need(&[Kind::Binary], name, same(), &why))
        .into();
    needs.push(need(
        &[Kind::Archive],
        "cni-plugins",
        None,
        "pods get their network through them",
    ));
    // kubeadm up to 1.31 calls it too.
    needs.push(need(
        &[Kind::Binary, Kind::Archive],
        "crictl",
        None,
        "containers and etcd are looked at with it",
    ));
    needs
}

/// Images of the control plane. kubeadm says which; here only those that every release has.
fn images(cluster: &Cluster) -> Vec<Need> {
    let mut needs: Vec<Need> = [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
    ]
    .into_iter()
    .filter(|name| *name != "kube-proxy" || cluster.kube_proxy.enabled)
    .map(|name| {
        let version = Some(format!("v{}", cluster.version));
        need(&[Kind::Image], name, version, "kubeadm starts it")
    })
    .collect();
    for name in ["etcd", "coredns", "pause"] {
        needs.push(need(&[Kind::Image], name, None, "kubeadm starts it"));
    }
    needs
}

fn pod_network(plugin: &PodNetwork) -> Vec<Need> {
    match plugin {
        PodNetwork::Flannel(flannel) => {
            let why = "the pod network runs it";
            // The built-in manifest names the images that a bundle has.
            [
                image("flannel", &flannel.version, why),
                image("flannel-cni-plugin", &flannel.cni_plugin_version, why),
            ]
            .map(|need| Need {
                any_version: true,
                ..need
            })
            .into()
        }
        PodNetwork::Calico { version, .. } => vec![chart("calico", Some(version))],
        PodNetwork::Cilium { version, .. } => vec![chart("cilium", Some(version))],
        PodNetwork::Manifests(_) | PodNetwork::None => Vec::new(),
    }
}

fn services(cluster: &Cluster) -> Vec<Need> {
    let mut needs = Vec::new();
    if let Some(metallb) = &cluster.metallb {
        let kinds: &[Kind] = if metallb.bgp_mode == "native" {
            &[Kind::Manifest, Kind::Chart]
        } else {
            &[Kind::Chart]
        };
        let version = Some(metallb.version.clone());
        needs.push(need(
            kinds,
            "metallb",
            version,
            "MetalLB is installed from it",
        ));
        for name in ["controller", "speaker"] {
            needs.push(image(name, &metallb.version, "MetalLB runs it"));
        }
    }
    if let Some(longhorn) = &cluster.longhorn {
        needs.push(chart("longhorn", Some(&longhorn.version)));
        for name in [
            "longhorn-manager",
            "longhorn-engine",
            "longhorn-instance-manager",
        ] {
            needs.push(image(name, &longhorn.version, "Longhorn runs it"));
        }
    }
    if let Some(harbor) = &cluster.harbor {
        needs.push(chart("harbor", Some(&harbor.version)));
    }
    needs
}

fn add_ons(cluster: &Cluster) -> Vec<Need> {
    let mut needs = Vec::new();
    // Hosts ask a repository themselves, but for what a bundle has.
    let bundled = matches!(cluster.artifacts, ArtifactSource::Bundle(_));
    for addon in &cluster.addons {
        let why = format!("add-on `{}` is installed from it", addon.name);
        match &addon.source {
            AddonSource::Chart {
                chart,
                repo,
                version,
                ..
            } if names_artifact(chart) && (repo.is_none() || bundled) => {
                needs.push(Need {
                    optional: repo.is_some(),
                    ..need(&[Kind::Chart], chart, version.clone(), &why)
                });
            }
            AddonSource::Artifact(name) => needs.push(need(&[Kind::Manifest], name, None, &why)),
            AddonSource::Overlay { resources, .. } => {
                needs.extend(
                    resources
                        .iter()
                        .map(|name| need(&[Kind::Manifest], name, None, &why)),
                );
            }
            _ => {}
        }
    }
    needs
}

/// The image of a verification, in place of the cluster's own `CoreDNS`.
fn trial(reference: &str) -> Need {
    let (name, tag) = image_name(reference);
    let tag = (!tag.is_empty()).then(|| tag.to_owned());
    need(&[Kind::Image], name, tag, "`verify.image` names it")
}

/// Whether a chart is an artifact by name rather than a path or a reference.
fn names_artifact(chart: &str) -> bool {
    let file = Path::new(chart).extension().is_some_and(|end| end == "tgz");
    !chart.contains(['/', ':']) && !file
}

fn image(name: &str, version: &str, why: &str) -> Need {
    need(&[Kind::Image], name, Some(version.to_owned()), why)
}

fn chart(name: &str, version: Option<&String>) -> Need {
    let why = format!("{name} is installed from it");
    need(&[Kind::Chart], name, version.cloned(), &why)
}

fn need(kinds: &[Kind], name: &str, version: Option<String>, why: &str) -> Need {
    Need {
        kinds: kinds.to_vec(),
        name: name.to_owned(),
        version,
        any_version: false,
        why: why.to_owned(),
        optional: false,
    }
}

impl Need {
    /// Whether an item is the thing needed, in whatever version.
    pub fn names(&self, item: &Item) -> bool {
        self.kinds.contains(&item.kind)
            && (self.is_called(&item.name)
                || item
                    .images
                    .iter()
                    .any(|image| image_name(image).0 == self.name))
    }

    /// Whether an item's name is ours or, of a chart, its repository's (`calico` is `tigera-operator` there).
    fn is_called(&self, name: &str) -> bool {
        let chart = || {
            catalog()
                .chart(&self.name)
                .map(|chart| chart.chart.as_str())
        };
        name == self.name || (self.kinds.contains(&Kind::Chart) && chart() == Some(name))
    }

    /// Whether an item satisfies the need.
    pub fn met_by(&self, item: &Item) -> bool {
        let fits = |version: &str| {
            self.version
                .as_deref()
                .is_none_or(|wanted| self.any_version || same_version(wanted, version))
        };
        if !self.kinds.contains(&item.kind) {
            return false;
        }
        if item.kind == Kind::Image {
            return item.images.iter().any(|image| {
                let (name, tag) = image_name(image);
                name == self.name && fits(tag)
            });
        }
        self.is_called(&item.name) && fits(&item.version)
    }

    /// `binary kubeadm 1.33.4`.
    pub fn title(&self) -> String {
        let kinds: Vec<&str> = self.kinds.iter().map(|kind| kind.name()).collect();
        let version = self
            .version
            .as_ref()
            .map(|version| format!(" {version}"))
            .unwrap_or_default();
        format!("{} {}{version}", kinds.join(" or "), self.name)
    }

    /// What to say when none of `items` satisfies the need.
    pub fn unmet(&self, items: &[Item]) -> Option<Problem> {
        if items.iter().any(|item| self.met_by(item)) {
            return None;
        }
        let mut have: Vec<String> = Vec::new();
        for item in items.iter().filter(|item| self.names(item)) {
            let tags = item.images.iter().map(|image| image_name(image));
            let tag = tags
                .into_iter()
                .find_map(|(name, tag)| (name == self.name).then(|| tag.to_owned()));
            let version = tag.unwrap_or_else(|| item.version.clone());
            if !have.contains(&version) {
                have.push(version);
            }
        }
        let why = self.why.clone();
        Some(Problem {
            item: self.title(),
            wrong: if have.is_empty() {
                Wrong::NotListed(why)
            } else {
                Wrong::Version { have, why }
            },
        })
    }
}

/// Last path component and tag of an image reference; the tag is empty where there is none.
pub fn image_name(reference: &str) -> (&str, &str) {
    let undigested = reference.split('@').next().unwrap_or(reference);
    let last = undigested.rsplit('/').next().unwrap_or(undigested);
    last.split_once(':').unwrap_or((last, ""))
}
