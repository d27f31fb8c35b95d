//! Which Kubernetes.

use semver::Version;

use crate::{
    catalog::catalog,
    inventory::{
        ArtifactSource, LoadOptions,
        context::Context,
        forms::{KubernetesVersion, WantedVersion},
    },
};

/// The version to install: the option's, the inventory's, or the bundle's.
pub fn version(
    context: &mut Context<'_>,
    wanted: Option<KubernetesVersion>,
    artifacts: &ArtifactSource,
    options: &LoadOptions,
) -> Version {
    let wanted = match &options.kubernetes {
        Some(version) => Some(WantedVersion::Exact(version.clone())),
        None => wanted.map(|wanted| wanted.0),
    };
    let bundle = bundle_version(context, artifacts, wanted.is_some());
    let version = match (wanted, bundle) {
        (Some(WantedVersion::Exact(version)), Some(bundle)) if version != bundle => {
            let message = format!(
                "{version} is not what the bundle holds; write `{bundle}`, remove the line, or use another bundle"
            );
            context.refuse(&["kubernetes"], message);
            version
        }
        (Some(WantedVersion::Minor(minor)), Some(bundle)) if minor != bundle.minor => {
            let message = format!(
                "1.{minor} is not what the bundle holds; write `{bundle}`, remove the line, or use another bundle"
            );
            context.refuse(&["kubernetes"], message);
            bundle
        }
        (Some(WantedVersion::Exact(version)), _) => version,
        (Some(WantedVersion::Minor(minor)), None) => completed(context, minor),
        (_, Some(bundle)) => bundle,
        (None, None) => {
            if !matches!(artifacts, ArtifactSource::Bundle(_)) && !context.has(&["kubernetes"]) {
                context.refuse(
                    &[],
                    "`kubernetes` is missing; add the version, such as `kubernetes: 1.33.4`",
                );
            }
            newest(*catalog().minors().end())
        }
    };
    if catalog().minor(&version).is_none() {
        let (oldest, latest) = catalog().minors().into_inner();
        let message = format!(
            "Kubernetes {version} is not supported; write a version from 1.{oldest} to 1.{latest}, such as `{}`",
            newest(latest)
        );
        context.refuse(&["kubernetes"], message);
    }
    version
}

/// The newest patch release of a minor one, where the catalog knows it.
fn completed(context: &mut Context<'_>, minor: u64) -> Version {
    if catalog().minors().contains(&minor) && catalog().latest_patch(minor).is_none() {
        let message = format!(
            "1.{minor} leaves the patch release open, and none is known here; write a full version such as `1.{minor}.4`"
        );
        context.refuse(&["kubernetes"], message);
    }
    newest(minor)
}

fn newest(minor: u64) -> Version {
    let known = catalog().latest_patch(minor);
    known.cloned().unwrap_or_else(|| Version::new(1, minor, 0))
}

/// The bundle's own version. A bundle that is not there is a mistake only where nothing else says the version: the run
/// itself checks the whole bundle later.
fn bundle_version(
    context: &mut Context<'_>,
    artifacts: &ArtifactSource,
    known: bool,
) -> Option<Version> {
    let ArtifactSource::Bundle(path) = artifacts else {
        return None;
    };
    if !path.exists() && known {
        return None;
    }
    match crate::artifacts::bundle_version(path) {
        Ok(version) => Some(version),
        Err(error) => {
            let message = format!(
                "the bundle's Kubernetes version cannot be read: {error:#}; give another bundle, or write `kubernetes: VERSION`"
            );
            context.refuse(&["artifacts", "bundle"], message);
            None
        }
    }
}
