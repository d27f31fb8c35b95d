//! Longhorn, Harbor and add-ons.

use std::{collections::BTreeMap, path::PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{OneOrMany, Secret};
use crate::inventory::forms::{
    Address, ComponentVersion, Cron, HostPort, Label, Quantity, Time, Url,
};

/// On, off, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum LonghornEntry {
    Switch(bool),
    Full(Box<Longhorn>),
}

/// Longhorn.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Longhorn {
    /// Version. Default: the catalog's.
    pub version: Option<ComponentVersion>,
    /// Copies of each volume. Default: the number of storage nodes, at most 3.
    #[schemars(range(min = 1, max = 20))]
    pub replicas: Option<u8>,
    /// Names of hosts or groups that store data. Default: hosts with `data-disks`; without any, all that run workloads.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// Directory on hosts without `data-disks`. Default: `/var/lib/longhorn`.
    #[schemars(extend("default" = "/var/lib/longhorn"))]
    pub data_path: Option<String>,
    /// Whether the class `longhorn` is the default one. Default: true.
    #[schemars(extend("default" = true))]
    pub default_class: Option<bool>,
    /// What happens to a volume of class `longhorn` whose claim is deleted. Default: `Delete`; class `longhorn-retain` is always there.
    pub reclaim_policy: Option<ReclaimPolicy>,
    /// Further classes by name.
    #[serde(default)]
    pub storage_classes: BTreeMap<String, StorageClass>,
    /// Volumes for several nodes at once (needs an NFS client on hosts). Default: true.
    #[schemars(extend("default" = true))]
    pub rwx: Option<bool>,
    /// Encrypted volumes (needs `dm_crypt` on hosts). Default: false.
    #[schemars(extend("default" = false))]
    pub encryption: Option<bool>,
    /// Whether volumes come back by themselves after all replicas failed. Default: true.
    #[schemars(extend("default" = true))]
    pub auto_salvage: Option<bool>,
    /// Recurring snapshots, backups and the like, by name.
    #[serde(default)]
    pub recurring_jobs: BTreeMap<String, RecurringJob>,
    /// Where backups go: a URL, or more.
    pub backup: Option<BackupEntry>,
    /// Ingress for the web interface: its host name, or more. Default: none.
    pub ui: Option<UiEntry>,
    /// Longhorn settings by name, over ours.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Chart values over ours.
    #[serde(default)]
    pub values: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ReclaimPolicy {
    Delete,
    Retain,
}

/// A `StorageClass` of Longhorn.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StorageClass {
    /// What happens to a volume whose claim is deleted. Default: `Delete`.
    pub reclaim_policy: Option<ReclaimPolicy>,
    /// Whether it is the default class. Default: false.
    #[schemars(extend("default" = false))]
    pub default: Option<bool>,
    /// Copies of each volume. Default: Longhorn's.
    #[schemars(range(min = 1, max = 20))]
    pub replicas: Option<u8>,
    /// Further parameters of the provisioner.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// Something that Longhorn does on a schedule.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecurringJob {
    /// When.
    #[schemars(required)]
    pub cron: Option<Cron>,
    /// What.
    #[schemars(required)]
    pub task: Option<RecurringTask>,
    /// Groups of volumes; `default` is every volume without a job. Default: `default`.
    pub groups: Option<Vec<String>>,
    /// How many are kept. Default: 7.
    #[schemars(extend("default" = 7))]
    pub retain: Option<u32>,
    /// How many volumes at once. Default: 2.
    #[schemars(range(min = 1), extend("default" = 2))]
    pub concurrency: Option<u32>,
}

#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum RecurringTask {
    Snapshot,
    SnapshotForceCreate,
    SnapshotCleanup,
    SnapshotDelete,
    Backup,
    BackupForceCreate,
    FilesystemTrim,
    SystemBackup,
}

/// A target's URL, or one with credentials.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum BackupEntry {
    Url(String),
    Full(Backup),
}

/// Where Longhorn's backups go.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Backup {
    /// `s3://bucket@region/`, `nfs://host:/path`, `cifs://host/share`, `azblob://container@core.windows.net/`.
    #[schemars(required)]
    pub url: Option<String>,
    /// Keys of the credential Secret: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_ENDPOINTS`, `AWS_CERT`, …
    #[serde(default)]
    pub credentials: BTreeMap<String, Secret>,
    /// How often Longhorn looks for backups there. Default: `5m`.
    #[schemars(extend("default" = "5m"))]
    pub poll_interval: Option<Time>,
}

/// A host name, or one with settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum UiEntry {
    Host(String),
    Full(Ui),
}

/// Ingress for Longhorn's web interface.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Ui {
    /// Host name of the web interface.
    #[schemars(required)]
    pub host: Option<String>,
    /// `IngressClass`. Default: the cluster's.
    pub ingress_class: Option<String>,
    /// Secret with the certificate. Default: no TLS.
    pub tls_secret: Option<String>,
}

/// A registry on the cluster, trusted by every node.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Harbor {
    /// DNS name or address under which it is reached.
    #[schemars(required)]
    pub host: Option<HostPort>,
    /// Password of `admin`: `{file: PATH}`, `{env: NAME}` or `prompt`.
    #[schemars(required)]
    pub admin_password: Option<Secret>,
    /// Address of a MetalLB pool for it. Default: `host` if that is an address, else any.
    pub address: Option<Address>,
    /// Chart version. Default: the catalog's.
    pub version: Option<ComponentVersion>,
    /// Class of its volumes. Default: the cluster's default one.
    pub storage_class: Option<String>,
    /// Size of the registry's volume. Default: `50Gi`.
    #[schemars(extend("default" = "50Gi"))]
    pub size: Option<Quantity>,
    /// Chart values over ours.
    #[serde(default)]
    pub values: Map<String, Value>,
}

/// A path or chart reference, or more.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline, extend("x-instead" = "a path such as `./manifests/app.yaml`, or `{chart: NAME, repo: URL}`"))]
pub enum AddonEntry {
    Path(String),
    Full(Box<Addon>),
}

/// Something installed through the API: exactly one of `chart`, `kustomize`, `manifests` and `artifact`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Addon {
    /// Namespace. Default: the add-on's name for charts, else what the manifests say.
    pub namespace: Option<Label>,
    /// Labels of the namespace, e.g. for pod security.
    #[serde(default)]
    pub namespace_labels: BTreeMap<String, String>,
    /// A chart: a name in `repo` or in the bundle, a path, or an `oci://` reference.
    pub chart: Option<String>,
    /// Chart repository.
    pub repo: Option<Url>,
    /// Chart version. Default: the newest of the repository, or the bundle's.
    pub version: Option<ComponentVersion>,
    /// Values of the chart.
    #[serde(default)]
    pub values: Map<String, Value>,
    /// Files of values, later ones over earlier ones and `values` over all; relative to the inventory.
    #[serde(default)]
    pub values_files: Vec<PathBuf>,
    /// A kustomize directory; relative to the inventory.
    pub kustomize: Option<PathBuf>,
    /// Manifests, or directories of them; relative to the inventory.
    pub manifests: Option<OneOrMany<PathBuf>>,
    /// A manifest of the artifact source, by name.
    pub artifact: Option<String>,
    /// What must hold before the add-on counts as installed: `deployment/NAME`, or more.
    #[serde(default)]
    pub wait: Vec<WaitEntry>,
}

/// A workload to roll out, or a condition.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum WaitEntry {
    Rollout(String),
    Full(Wait),
}

/// `endpoints`, or `resource` with `condition`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Wait {
    /// Service that must have an endpoint.
    pub endpoints: Option<String>,
    /// `certificate/web`, as `kubectl wait` takes it.
    pub resource: Option<String>,
    /// Condition that must be true. Default: `Ready`.
    #[schemars(extend("default" = "Ready"))]
    pub condition: Option<String>,
}
