//! The one mechanism by which anything is installed through the API.

use crate::artifacts::Item;

/// Directory on control planes where charts and manifests of the artifact source lie.
pub const BLOBS: &str = "/var/lib/baremetal/artifacts";

/// Where a chart or manifest lies on control planes.
pub fn blob_path(item: &Item) -> String {
    let suffix = match item.kind {
        crate::artifacts::Kind::Chart => "tgz",
        _ => "yaml",
    };
    format!("{BLOBS}/{}-{}.{suffix}", item.name, item.version)
}
