//! Directories on hosts.

use crate::inventory::{Cluster, context::Context};

pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    let mut one = |path: &[&str], directory: &str, example: &str| {
        if let Some(message) = wrong(directory, example) {
            context.refuse(path, message);
        }
    };
    one(
        &["control-plane", "etcd", "data-dir"],
        &cluster.control_plane.etcd_data_dir,
        "one such as `/var/lib/etcd`",
    );
    one(
        &["runtime", "root"],
        &cluster.runtime.root,
        "one such as `/var/lib/containerd`",
    );
    if let Some(longhorn) = &cluster.longhorn {
        one(
            &["longhorn", "data-path"],
            &longhorn.data_path,
            "one such as `/var/lib/longhorn`",
        );
    }
}

/// Why a directory cannot be one on a host; scripts take several in one line.
pub fn wrong(directory: &str, instead: &str) -> Option<String> {
    if !directory.starts_with('/') {
        return Some(format!(
            "`{directory}` is not an absolute path; write {instead}"
        ));
    }
    let odd = |letter: char| {
        letter.is_whitespace() || letter.is_control() || "*?[]{}'\"\\$`".contains(letter)
    };
    directory.contains(odd).then(|| {
        format!("`{directory}` has a blank or another character that a path on hosts must not have; write {instead}")
    })
}
