//! API server, controller manager, scheduler and etcd.

use std::{collections::BTreeMap, time::Duration};

use super::audit::audit;
use crate::inventory::{
    Component, ControlPlane, Encryption, Guarantees, Volume,
    context::Context,
    schema::{self, EncryptionEntry, EncryptionProvider, OneOrMany, PatchEntry, PathType},
};

pub fn control_plane(context: &mut Context<'_>, written: schema::ControlPlane) -> ControlPlane {
    let etcd = written.etcd.unwrap_or_default();
    let patches = patches(context, written.patches);
    ControlPlane {
        api_server: component(written.api_server),
        controller_manager: component(written.controller_manager),
        scheduler: component(written.scheduler),
        etcd: Component {
            args: args(etcd.args),
            env: etcd.env.into_iter().collect(),
            volumes: Vec::new(),
        },
        etcd_data_dir: etcd.data_dir.unwrap_or_else(|| "/var/lib/etcd".to_owned()),
        cert_sans: written.cert_sans,
        feature_gates: written.feature_gates,
        patches,
        encryption: encryption(context, written.encryption),
        audit: audit(context, written.audit),
        guarantees: written.guarantees.map(guarantees),
        image_repository: written.image_repository,
        init_timeout: written
            .init_timeout
            .map_or(Duration::from_mins(6), |time| time.0),
    }
}

fn component(written: Option<schema::Component>) -> Component {
    let written = written.unwrap_or_default();
    Component {
        args: args(written.args),
        env: written.env.into_iter().collect(),
        volumes: written
            .volumes
            .into_iter()
            .filter_map(|(name, volume)| self::volume(name, volume))
            .collect(),
    }
}

fn args(written: BTreeMap<String, OneOrMany<String>>) -> Vec<(String, String)> {
    let repeat = |(name, values): (String, OneOrMany<String>)| {
        values
            .into_vec()
            .into_iter()
            .map(move |value| (name.clone(), value))
    };
    written.into_iter().flat_map(repeat).collect()
}

fn volume(name: String, written: schema::Volume) -> Option<Volume> {
    let host_path = written.host_path?;
    let path_type = written.path_type.map(|path_type| match path_type {
        PathType::File => "File",
        PathType::FileOrCreate => "FileOrCreate",
        PathType::Directory => "Directory",
        PathType::DirectoryOrCreate => "DirectoryOrCreate",
    });
    Some(Volume {
        name,
        mount_path: written.mount_path.unwrap_or_else(|| host_path.clone()),
        host_path,
        read_only: written.read_only.unwrap_or(true),
        path_type: path_type.map(ToOwned::to_owned),
    })
}

fn patches(
    context: &mut Context<'_>,
    written: BTreeMap<String, PatchEntry>,
) -> BTreeMap<String, String> {
    let mut patches = BTreeMap::new();
    for (name, entry) in written {
        let path = ["control-plane", "patches", name.as_str()];
        let text = match entry {
            PatchEntry::File(file) => context.content(&path, &file),
            PatchEntry::Inline(inline) => serde_yaml::to_string(&inline).unwrap_or_default(),
        };
        patches.insert(name, text);
    }
    patches
}

/// On with secretbox unless switched off: etcd's disks and snapshots hold every Secret.
fn encryption(context: &mut Context<'_>, written: Option<EncryptionEntry>) -> Option<Encryption> {
    let full = match written {
        Some(EncryptionEntry::Switch(false)) => return None,
        None | Some(EncryptionEntry::Switch(true)) => schema::Encryption::default(),
        Some(EncryptionEntry::Provider(provider)) => schema::Encryption {
            provider: Some(provider),
            ..Default::default()
        },
        Some(EncryptionEntry::Full(full)) => full,
    };
    let provider = match full.provider {
        Some(EncryptionProvider::Aescbc) => "aescbc",
        Some(EncryptionProvider::Aesgcm) => "aesgcm",
        Some(EncryptionProvider::Secretbox) | None => "secretbox",
    };
    Some(Encryption {
        provider: provider.to_owned(),
        resources: full.resources.unwrap_or_else(|| vec!["secrets".to_owned()]),
        key: full
            .key
            .map(|key| context.secret(&["control-plane", "encryption", "key"], key)),
    })
}

fn guarantees(written: schema::Guarantees) -> Guarantees {
    let pair = |(name, resources): (String, schema::Resources)| {
        let (cpu, memory) = (resources.cpu?, resources.memory?);
        Some((name, (cpu.0, memory.0)))
    };
    Guarantees {
        reserved_cpus: written.reserved_cpus.map(|cpus| cpus.0),
        resources: written.resources.into_iter().filter_map(pair).collect(),
    }
}
