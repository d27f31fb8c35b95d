//! The kinds that an API server knows without any CRD.

use serde_json::Value;

/// One resource: how kubectl users and URLs call it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "`kind` is what objects call it")]
pub struct Kind {
    pub kind: String,
    /// Empty for the core group.
    pub group: String,
    pub version: String,
    pub plural: String,
    pub short: Vec<String>,
    pub namespaced: bool,
    /// Whether it comes from a `CustomResourceDefinition`.
    pub custom: bool,
}

/// Kind, group/version, plural, short names, whether namespaced.
const BUILT_IN: &[(&str, &str, &str, &str, bool)] = &[
    ("Namespace", "v1", "namespaces", "ns", false),
    ("Node", "v1", "nodes", "no", false),
    ("PersistentVolume", "v1", "persistentvolumes", "pv", false),
    ("ConfigMap", "v1", "configmaps", "cm", true),
    ("Secret", "v1", "secrets", "", true),
    ("Service", "v1", "services", "svc", true),
    ("ServiceAccount", "v1", "serviceaccounts", "sa", true),
    ("Endpoints", "v1", "endpoints", "ep", true),
    ("Event", "v1", "events", "ev", true),
    ("Pod", "v1", "pods", "po", true),
    (
        "PersistentVolumeClaim",
        "v1",
        "persistentvolumeclaims",
        "pvc",
        true,
    ),
    ("LimitRange", "v1", "limitranges", "limits", true),
    ("ResourceQuota", "v1", "resourcequotas", "quota", true),
    (
        "ReplicationController",
        "v1",
        "replicationcontrollers",
        "rc",
        true,
    ),
    ("Deployment", "apps/v1", "deployments", "deploy", true),
    ("DaemonSet", "apps/v1", "daemonsets", "ds", true),
    ("StatefulSet", "apps/v1", "statefulsets", "sts", true),
    ("ReplicaSet", "apps/v1", "replicasets", "rs", true),
    (
        "ControllerRevision",
        "apps/v1",
        "controllerrevisions",
        "",
        true,
    ),
    ("Job", "batch/v1", "jobs", "", true),
    ("CronJob", "batch/v1", "cronjobs", "cj", true),
    (
        "ClusterRole",
        "rbac.authorization.k8s.io/v1",
        "clusterroles",
        "",
        false,
    ),
    (
        "ClusterRoleBinding",
        "rbac.authorization.k8s.io/v1",
        "clusterrolebindings",
        "",
        false,
    ),
    ("Role", "rbac.authorization.k8s.io/v1", "roles", "", true),
    (
        "RoleBinding",
        "rbac.authorization.k8s.io/v1",
        "rolebindings",
        "",
        true,
    ),
    (
        "StorageClass",
        "storage.k8s.io/v1",
        "storageclasses",
        "sc",
        false,
    ),
    ("CSIDriver", "storage.k8s.io/v1", "csidrivers", "", false),
    ("CSINode", "storage.k8s.io/v1", "csinodes", "", false),
    (
        "VolumeAttachment",
        "storage.k8s.io/v1",
        "volumeattachments",
        "",
        false,
    ),
    (
        "CustomResourceDefinition",
        "apiextensions.k8s.io/v1",
        "customresourcedefinitions",
        "crd,crds",
        false,
    ),
    (
        "APIService",
        "apiregistration.k8s.io/v1",
        "apiservices",
        "",
        false,
    ),
    (
        "ValidatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        "validatingwebhookconfigurations",
        "",
        false,
    ),
    (
        "MutatingWebhookConfiguration",
        "admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations",
        "",
        false,
    ),
    (
        "PriorityClass",
        "scheduling.k8s.io/v1",
        "priorityclasses",
        "pc",
        false,
    ),
    (
        "RuntimeClass",
        "node.k8s.io/v1",
        "runtimeclasses",
        "",
        false,
    ),
    (
        "PodDisruptionBudget",
        "policy/v1",
        "poddisruptionbudgets",
        "pdb",
        true,
    ),
    (
        "NetworkPolicy",
        "networking.k8s.io/v1",
        "networkpolicies",
        "netpol",
        true,
    ),
    ("Ingress", "networking.k8s.io/v1", "ingresses", "ing", true),
    (
        "IngressClass",
        "networking.k8s.io/v1",
        "ingressclasses",
        "",
        false,
    ),
    ("Lease", "coordination.k8s.io/v1", "leases", "", true),
    (
        "EndpointSlice",
        "discovery.k8s.io/v1",
        "endpointslices",
        "",
        true,
    ),
    (
        "CertificateSigningRequest",
        "certificates.k8s.io/v1",
        "certificatesigningrequests",
        "csr",
        false,
    ),
    (
        "HorizontalPodAutoscaler",
        "autoscaling/v2",
        "horizontalpodautoscalers",
        "hpa",
        true,
    ),
];

impl Kind {
    /// `apps/v1`, `v1`.
    pub fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// Where objects of this kind are, with or without a namespace.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = match self.group.as_str() {
            "" => format!("/api/{}", self.version),
            group => format!("/apis/{group}/{}", self.version),
        };
        match namespace {
            Some(namespace) if self.namespaced => {
                format!("{root}/namespaces/{namespace}/{}", self.plural)
            }
            _ => format!("{root}/{}", self.plural),
        }
    }

    /// Prefix of its keys in the store.
    pub fn prefix(&self) -> String {
        format!("/registry/{}/{}/", self.group, self.plural)
    }

    pub fn key(&self, namespace: &str, name: &str) -> String {
        format!("{}{namespace}/{name}", self.prefix())
    }

    /// `deployments.apps`, `nodes`: the name in errors.
    pub fn resource(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Whether a user means this kind by `word`.
    pub fn called(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let (name, group) = word.split_once('.').unwrap_or((&word, ""));
        let fits = name == self.plural
            || name == self.kind.to_lowercase()
            || self.short.iter().any(|short| short == name);
        let version_first = format!("{}.{}", self.version, self.group);
        fits && (group.is_empty() || group == self.group || group == version_first)
    }

    /// The kind that a `CustomResourceDefinition` defines, in the version that it stores.
    pub fn of_crd(crd: &Value) -> Option<Self> {
        let spec = &crd["spec"];
        let names = &spec["names"];
        let versions = spec["versions"].as_array()?;
        let version = versions.iter().find(|version| version["storage"] == true)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(Self {
            kind: text(&names["kind"])?,
            group: text(&spec["group"])?,
            version: text(&version["name"])?,
            plural: text(&names["plural"])?,
            short: names["shortNames"]
                .as_array()
                .map(|all| all.iter().filter_map(text).collect())
                .unwrap_or_default(),
            namespaced: spec["scope"] == "Namespaced",
            custom: true,
        })
    }
}

/// Every built-in kind.
pub fn built_in() -> Vec<Kind> {
    BUILT_IN
        .iter()
        .map(|&(kind, api, plural, short, namespaced)| {
            let (group, version) = api.rsplit_once('/').unwrap_or(("", api));
            Kind {
                kind: kind.into(),
                group: group.into(),
                version: version.into(),
                plural: plural.into(),
                short: short
                    .split(',')
                    .filter(|short| !short.is_empty())
                    .map(str::to_owned)
                    .collect(),
                namespaced,
                custom: false,
            }
        })
        .collect()
}

/// A built-in kind by its name. Panics for a name that is not in the table: a mistake of this program.
pub fn of(kind: &str) -> Kind {
    built_in()
        .into_iter()
        .find(|known| known.kind == kind)
        .unwrap_or_else(|| panic!("{kind} is not in the table of kinds"))
}
