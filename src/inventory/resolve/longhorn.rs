//! Longhorn and Harbor.

use std::collections::BTreeMap;

use crate::inventory::{
    BackupTarget, Harbor, Host, Longhorn, LonghornUi, RecurringJob, StorageClass,
    context::Context,
    schema::{self, BackupEntry, LonghornEntry, ReclaimPolicy, RecurringTask, UiEntry},
};

/// Longhorn, unless switched off.
pub fn longhorn(
    context: &mut Context<'_>,
    entry: LonghornEntry,
    hosts: &[Host],
) -> Option<Longhorn> {
    let full = match entry {
        LonghornEntry::Switch(false) => return None,
        LonghornEntry::Switch(true) => schema::Longhorn::default(),
        LonghornEntry::Full(full) => *full,
    };
    let storage_nodes = storage_nodes(context, &full.nodes, hosts);
    let fitting = u8::try_from(storage_nodes.len())
        .unwrap_or(u8::MAX)
        .clamp(1, 3);
    Some(Longhorn {
        version: context.component(full.version, "longhorn"),
        replicas: full.replicas.unwrap_or(fitting),
        data_path: full
            .data_path
            .unwrap_or_else(|| "/var/lib/longhorn".to_owned()),
        default_class: full.default_class.unwrap_or(true),
        reclaim_policy: reclaim_policy(full.reclaim_policy),
        storage_classes: full
            .storage_classes
            .into_iter()
            .map(storage_class)
            .collect(),
        rwx: full.rwx.unwrap_or(true),
        encryption: full.encryption.unwrap_or(false),
        auto_salvage: full.auto_salvage.unwrap_or(true),
        recurring_jobs: full
            .recurring_jobs
            .into_iter()
            .filter_map(recurring_job)
            .collect(),
        backup: full
            .backup
            .and_then(|backup| backup_target(context, backup)),
        ui: full.ui.and_then(ui),
        settings: full.settings,
        values: full.values,
        storage_nodes,
    })
}

/// The named hosts and groups; else hosts with data disks; else all that run workloads.
fn storage_nodes(context: &mut Context<'_>, named: &[String], hosts: &[Host]) -> Vec<String> {
    for (index, name) in named.iter().enumerate() {
        let known = hosts
            .iter()
            .any(|host| host.name == *name || host.groups.contains(name));
        if !known {
            let near =
                crate::inventory::keys::nearest(name, hosts.iter().map(|host| host.name.as_str()));
            let advice = near.map_or_else(
                || "write the name of a host or of a group with hosts".to_owned(),
                |near| format!("write `{near}`"),
            );
            context.refuse(
                &["longhorn", "nodes", &format!("[{index}]")],
                format!("there is no host or group `{name}`; {advice}"),
            );
        }
    }
    let with_disks = hosts
        .iter()
        .any(|host| host.is_node() && !host.data_disks.is_empty());
    let stores = |host: &&Host| {
        if !named.is_empty() {
            return named
                .iter()
                .any(|name| host.name == *name || host.groups.contains(name));
        }
        if with_disks {
            !host.data_disks.is_empty()
        } else {
            host.schedulable
        }
    };
    hosts
        .iter()
        .filter(|host| host.is_node())
        .filter(stores)
        .map(|host| host.name.clone())
        .collect()
}

fn reclaim_policy(policy: Option<ReclaimPolicy>) -> String {
    match policy {
        Some(ReclaimPolicy::Retain) => "Retain".to_owned(),
        Some(ReclaimPolicy::Delete) | None => "Delete".to_owned(),
    }
}

fn storage_class((name, class): (String, schema::StorageClass)) -> StorageClass {
    let mut parameters: BTreeMap<String, String> = class.parameters;
    if let Some(replicas) = class.replicas {
        parameters.insert("numberOfReplicas".to_owned(), replicas.to_string());
    }
    StorageClass {
        name,
        reclaim_policy: reclaim_policy(class.reclaim_policy),
        default: class.default.unwrap_or(false),
        parameters,
    }
}

fn recurring_job((name, job): (String, schema::RecurringJob)) -> Option<RecurringJob> {
    let task = match job.task? {
        RecurringTask::Snapshot => "snapshot",
        RecurringTask::SnapshotForceCreate => "snapshot-force-create",
        RecurringTask::SnapshotCleanup => "snapshot-cleanup",
        RecurringTask::SnapshotDelete => "snapshot-delete",
        RecurringTask::Backup => "backup",
        RecurringTask::BackupForceCreate => "backup-force-create",
        RecurringTask::FilesystemTrim => "filesystem-trim",
        RecurringTask::SystemBackup => "system-backup",
    };
    Some(RecurringJob {
        name,
        cron: job.cron?.0,
        task: task.to_owned(),
        groups: job.groups.unwrap_or_else(|| vec!["default".to_owned()]),
        retain: job.retain.unwrap_or(7),
        concurrency: job.concurrency.unwrap_or(2),
    })
}

fn backup_target(context: &mut Context<'_>, entry: BackupEntry) -> Option<BackupTarget> {
    const SCHEMES: [&str; 4] = ["s3://", "nfs://", "cifs://", "azblob://"];
    let full = match entry {
        BackupEntry::Url(url) => schema::Backup {
            url: Some(url),
            ..Default::default()
        },
        BackupEntry::Full(full) => full,
    };
    let url = full.url?;
    if !SCHEMES.iter().any(|scheme| url.starts_with(scheme)) {
        context.refuse(&["longhorn", "backup", "url"], format!("`{url}` is no backup target; write `s3://BUCKET@REGION/`, `nfs://HOST:/PATH`, `cifs://HOST/SHARE` or `azblob://CONTAINER@core.windows.net/`"));
    }
    let credentials = full
        .credentials
        .into_iter()
        .map(|(key, secret)| {
            let secret = context.secret(&["longhorn", "backup", "credentials", &key], secret);
            (key, secret)
        })
        .collect();
    let seconds = full.poll_interval.map_or(300, |time| time.0.as_secs());
    Some(BackupTarget {
        url,
        credentials,
        poll_interval: format!("{seconds}s"),
    })
}

fn ui(entry: UiEntry) -> Option<LonghornUi> {
    let full = match entry {
        UiEntry::Host(host) => schema::Ui {
            host: Some(host),
            ..Default::default()
        },
        UiEntry::Full(full) => full,
    };
    Some(LonghornUi {
        host: full.host?,
        ingress_class: full.ingress_class,
        tls_secret: full.tls_secret,
    })
}

pub fn harbor(context: &mut Context<'_>, harbor: schema::Harbor) -> Harbor {
    let (host, port) = harbor.host.map(|host| host.0).unwrap_or_default();
    let own_address = host
        .parse::<std::net::IpAddr>()
        .ok()
        .map(|address| address.to_string());
    Harbor {
        version: context.component(harbor.version, "harbor"),
        host: match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        },
        address: harbor
            .address
            .map(|address| address.0.to_string())
            .or(own_address),
        admin_password: match harbor.admin_password {
            Some(secret) => context.secret(&["harbor", "admin-password"], secret),
            None => crate::inventory::SecretSource::Prompt,
        },
        storage_class: harbor.storage_class,
        size: harbor.size.map_or_else(|| "50Gi".to_owned(), |size| size.0),
        values: harbor.values,
    }
}
