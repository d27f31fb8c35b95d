//! Versions of what is installed through the API, where the inventory names none. Facts of 2026-08, README section of each project.

pub const FLANNEL: &str = "v0.28.9";
pub const FLANNEL_CNI_PLUGIN: &str = "v1.9.1-flannel3";
/// Chart `tigera-operator`.
pub const CALICO: &str = "v3.32.1";
pub const CILIUM: &str = "1.20.1";
pub const METALLB: &str = "v0.16.1";
pub const LONGHORN: &str = "1.12.1";
/// Chart; Harbor itself is 2.15.1.
pub const HARBOR: &str = "1.19.1";

#[cfg(test)]
mod tests {
    use crate::{artifacts::same_version, catalog::catalog};

    #[test]
    fn defaults_are_the_catalogs() {
        let charts = [
            ("calico", super::CALICO),
            ("cilium", super::CILIUM),
            ("metallb", super::METALLB),
            ("longhorn", super::LONGHORN),
            ("harbor", super::HARBOR),
        ];
        for (name, version) in charts {
            let chart = catalog().chart(name).expect(name);
            assert!(same_version(&chart.version, version), "{name}");
        }
        let images = [
            ("flannel", super::FLANNEL),
            ("flannel-cni-plugin", super::FLANNEL_CNI_PLUGIN),
        ];
        for (name, version) in images {
            let mut images = catalog().images.iter();
            let image = images.find(|image| image.name == name).expect(name);
            assert!(same_version(&image.version, version), "{name}");
        }
    }

    #[test]
    fn supported_minors_are_the_catalogs() {
        let known: Vec<u64> = catalog()
            .kubernetes
            .iter()
            .map(|minor| minor.minor)
            .collect();
        let ours: Vec<u64> = crate::inventory::resolve::MINORS.collect();
        assert_eq!(ours, known);
    }
}
