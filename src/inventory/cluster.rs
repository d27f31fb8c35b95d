//! The cluster that an inventory describes, with every default filled in: what the rest of the program works from.
//!
//! Nothing here is optional because the user left it out; an `Option` means that the feature is off.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;
use semver::Version;
use serde::Serialize;

use super::{Addon, Harbor, Longhorn, MetalLb};

/// A whole cluster as desired by the inventory.
#[derive(Debug, Clone, Serialize)]
pub struct Cluster {
    /// DNS-1123 label; also kubeadm's `clusterName`.
    pub name: String,
    /// Kubernetes version without the leading `v`.
    pub version: Version,
    pub endpoint: Endpoint,
    /// In the order of the file; names and addresses are unique.
    pub hosts: Vec<Host>,
    pub network: Network,
    pub kube_proxy: KubeProxy,
    pub kubelet: Kubelet,
    pub control_plane: ControlPlane,
    pub runtime: Runtime,
    pub registries: Vec<Registry>,
    pub system: System,
    pub metallb: Option<MetalLb>,
    pub longhorn: Option<Longhorn>,
    pub harbor: Option<Harbor>,
    pub addons: Vec<Addon>,
    pub artifacts: ArtifactSource,
    pub lab: Option<Lab>,
    pub run: RunSettings,
    pub verify: VerifySettings,
    /// The user accepts an even number of control planes.
    pub allow_even_control_planes: bool,
    /// What the user should know although nothing is wrong: shown once, before anything else.
    pub warnings: Vec<String>,
    /// Where the inventory lies; paths inside it are relative to its directory.
    pub file: PathBuf,
}

/// Where clients and nodes reach the API; never changes while the cluster grows or shrinks.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Endpoint {
    /// Address or DNS name in kubeadm's `controlPlaneEndpoint`.
    pub host: String,
    pub port: u16,
    pub kind: EndpointKind,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointKind {
    /// keepalived and haproxy on the control planes; the apiserver binds `Vip::apiserver_port`.
    Vip(Vip),
    /// keepalived and haproxy on the hosts with role `load-balancer`.
    LoadBalancers(Vip),
    /// A load balancer of the user's own, or a single control plane's address: nothing is installed for it.
    External,
}

/// A virtual IP held by keepalived.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Vip {
    pub address: IpAddr,
    /// Prefix length with which the VIP is added to the interface.
    pub prefix: u8,
    /// VRRP virtual router id, 1–255, unique in the L2 domain.
    pub router_id: u8,
    /// Port on which apiservers listen (kubeadm `localAPIEndpoint.bindPort`): 6444 behind a co-located haproxy, else 6443.
    pub apiserver_port: u16,
    /// Time between VRRP adverts; keepalived `advert_int`.
    pub advert_interval: Duration,
    pub haproxy: HaproxySettings,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct HaproxySettings {
    /// `timeout client`, `timeout server` and `timeout tunnel`: long, so that idle `exec` and watches live.
    pub idle_timeout: Duration,
    pub connect_timeout: Duration,
    /// `inter` between checks of an apiserver's `/readyz`.
    pub check_interval: Duration,
    /// Port of the monitor and stats page on 127.0.0.1.
    pub stats_port: u16,
    pub max_connections: u32,
}

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    ControlPlane,
    Worker,
    LoadBalancer,
}

/// One machine, with what it inherits from its groups and the inventory already merged in.
#[derive(Debug, Clone, Serialize)]
pub struct Host {
    /// Node name and hostname; a DNS-1123 subdomain.
    pub name: String,
    /// Where SSH connects.
    pub address: String,
    /// The node's address in the cluster network: etcd peers, kubelet, VRRP. From `node-ip`, else `address`.
    pub node_ip: IpAddr,
    /// Second node address of a dual-stack cluster.
    pub node_ip_v6: Option<IpAddr>,
    pub roles: Vec<Role>,
    pub groups: Vec<String>,
    pub ssh: Ssh,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub taints: Vec<Taint>,
    /// Interface that carries the VIP and flannel; found on the host when `None`.
    pub interface: Option<String>,
    pub data_disks: Vec<DataDisk>,
    /// Kubelet settings of this host alone (reservations, max pods): merged over `KubeletConfiguration`.
    pub kubelet: serde_json::Map<String, serde_json::Value>,
    pub bmc: Option<Bmc>,
    /// VRRP priority; distinct per host.
    pub vrrp_priority: u8,
    /// Whether workloads may run here although it is a control plane.
    pub schedulable: bool,
    /// Checks that the user skips on this host.
    pub skip_checks: Vec<String>,
    /// True where the host is a container made by the `lab:` block.
    pub lab: bool,
    /// Where the host's entry starts: 1-based line and column in the inventory.
    pub position: (usize, usize),
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: Option<String>,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// A disk that Longhorn uses.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct DataDisk {
    /// Mount point on the host.
    pub path: String,
    /// Block device to check for; it is never formatted here.
    pub device: Option<String>,
    pub tags: Vec<String>,
    /// Bytes kept free.
    pub reserved_bytes: Option<u64>,
}

/// Board management controller; address only, credentials come from elsewhere.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Bmc {
    pub address: String,
    pub protocol: String,
}

/// How to reach a host; empty fields are left to `~/.ssh/config`.
#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
pub struct Ssh {
    pub user: Option<String>,
    pub port: Option<u16>,
    pub key: Option<PathBuf>,
    /// `user@host:port`, as `ssh -J` takes it; several separated by commas.
    pub jump: Option<String>,
    pub config: Option<PathBuf>,
    pub known_hosts: Option<PathBuf>,
    pub sudo: Sudo,
}

#[derive(Debug, Clone, Default, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Sudo {
    /// `sudo -n`, or nothing at all when the login user is root.
    #[default]
    Passwordless,
    /// The password comes from a file, the environment or a prompt.
    Password(SecretSource),
}

/// Where a secret comes from; never the inventory itself.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    File(PathBuf),
    Env(String),
    /// Asked for once on the terminal.
    Prompt,
}

#[derive(Debug, Clone, Serialize)]
pub struct Network {
    /// One network, or an IPv4 and an IPv6 one.
    pub pods: Vec<IpNet>,
    pub services: Vec<IpNet>,
    pub dns_domain: String,
    /// kube-controller-manager `--node-cidr-mask-size` per family, in the order of `pods`.
    pub node_mask: Vec<u8>,
    pub plugin: PodNetwork,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodNetwork {
    Flannel(Flannel),
    /// By chart.
    Calico {
        version: String,
        values: serde_json::Value,
    },
    /// By chart.
    Cilium {
        version: String,
        values: serde_json::Value,
    },
    /// The user's own manifests, applied by us.
    Manifests(Vec<PathBuf>),
    /// The user installs one; nodes are not waited for.
    None,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Flannel {
    pub version: String,
    pub cni_plugin_version: String,
    /// `vxlan`, `host-gw` or `wireguard`.
    pub backend: String,
    pub vxlan_port: u16,
    pub mtu: Option<u16>,
    /// `--iface-regex`/`--iface` when hosts have several networks.
    pub interface: Option<String>,
}

#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct KubeProxy {
    /// `nftables`, `iptables` or `ipvs`.
    pub mode: String,
    /// Whether kube-proxy runs at all (Cilium can replace it).
    pub enabled: bool,
    /// Further `KubeProxyConfiguration` fields of the user, merged over ours.
    pub config: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Serialize, PartialEq)]
pub struct Kubelet {
    /// Command line flags (`kubeletExtraArgs`), same on every node.
    pub args: Vec<(String, String)>,
    /// `KubeletConfiguration` fields of the user, merged over ours.
    pub config: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ControlPlane {
    pub api_server: Component,
    pub controller_manager: Component,
    pub scheduler: Component,
    pub etcd: Component,
    /// Directory of etcd's data on the hosts.
    pub etcd_data_dir: String,
    pub cert_sans: Vec<String>,
    /// kubeadm `featureGates`.
    pub feature_gates: BTreeMap<String, bool>,
    /// kubeadm patches: file name (`kube-apiserver+strategic.yaml`) to content.
    pub patches: BTreeMap<String, String>,
    pub encryption: Option<Encryption>,
    pub audit: Option<Audit>,
    pub guarantees: Option<Guarantees>,
    /// kubeadm `imageRepository`.
    pub image_repository: Option<String>,
    /// Seconds that `kubeadm init` waits for the control plane.
    pub init_timeout: Duration,
}

/// Flags, environment and mounts of one control-plane component.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Component {
    pub args: Vec<(String, String)>,
    pub env: Vec<(String, String)>,
    pub volumes: Vec<Volume>,
}

/// kubeadm `HostPathMount`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub host_path: String,
    pub mount_path: String,
    pub read_only: bool,
    pub path_type: Option<String>,
}

/// Encryption of Secrets in etcd. The key is made on the first control plane unless the user brings one.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Encryption {
    /// `secretbox`, `aescbc` or `aesgcm`.
    pub provider: String,
    pub resources: Vec<String>,
    /// A base64 key of 32 bytes; generated once on the hosts when `None`.
    pub key: Option<SecretSource>,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Audit {
    /// Content of the policy file.
    pub policy: String,
    pub max_age_days: u32,
    pub max_backups: u32,
    pub max_size_mb: u32,
}

/// CPU and memory that workloads cannot take from the control plane.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Guarantees {
    /// kubelet `reservedSystemCPUs`, e.g. `0-1`; with the static CPU manager.
    pub reserved_cpus: Option<String>,
    /// Guaranteed `QoS`: requests equal limits for control-plane pods. Component name to (cpu, memory) quantities.
    pub resources: BTreeMap<String, (String, String)>,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Runtime {
    pub source: RuntimeSource,
    /// containerd version wanted from an artifact; for the distribution's package any that fits Kubernetes.
    pub version: Option<Version>,
    /// Overrides kubeadm's own answer.
    pub pause_image: Option<String>,
    /// Containerd's root directory.
    pub root: String,
}

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeSource {
    Distribution,
    Artifact,
}

/// Mirrors and trust for one registry; becomes `/etc/containerd/certs.d/<name>/hosts.toml`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Registry {
    /// `docker.io`, `registry.example:5000` or `_default`.
    pub name: String,
    pub mirrors: Vec<Mirror>,
    /// Whether the registry itself is asked when no mirror has the image.
    pub fallback: bool,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Mirror {
    pub url: String,
    /// PEM content of the CA.
    pub ca: Option<String>,
    pub skip_verify: bool,
    pub override_path: bool,
    pub capabilities: Vec<String>,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct System {
    pub sysctls: BTreeMap<String, String>,
    pub modules: Vec<String>,
    pub packages: Vec<String>,
    pub swap: Swap,
    /// NTP servers; the distribution's own when empty.
    pub time_servers: Vec<String>,
    /// Whether time synchronisation is set up by us.
    pub manage_time: bool,
    /// Whether `/etc/hosts` gets a block with the host itself and the endpoint.
    pub manage_hosts_file: bool,
    /// Whether the hostname is set to the host's name.
    pub manage_hostname: bool,
}

#[derive(Debug, Clone, Copy, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Swap {
    /// Switched off now and at boot.
    Off,
    /// Left as it is; kubelet gets `failSwapOn: false`.
    Allow,
}

/// Where binaries, images and charts come from (DESIGN 6).
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactSource {
    Upstream,
    /// URL prefix that replaces upstream's scheme and host.
    Mirror(String),
    /// A directory or one archive.
    Bundle(PathBuf),
}

/// The `lab:` block: hosts are containers made for the inventory.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct Lab {
    pub subnet: IpNet,
    /// `docker` or `podman`; the first found when `None`.
    pub engine: Option<String>,
    pub image: Option<String>,
    pub memory: Option<String>,
}

/// How a run behaves.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct RunSettings {
    /// Hosts worked on at once.
    pub parallel: usize,
    /// At most 15 s, so that an unreachable host is reported in time.
    pub connect_timeout: Duration,
    pub skip_checks: Vec<String>,
}

/// The pods of `verify`.
#[derive(Debug, Clone, Serialize, PartialEq, Eq)]
pub struct VerifySettings {
    /// The cluster's own `CoreDNS` when `None`; the rest is about the user's image then.
    pub image: Option<String>,
    pub args: Vec<String>,
    pub port: u16,
    pub path: String,
}

impl Cluster {
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    pub fn control_planes(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.is_control_plane())
    }

    /// Hosts that become nodes and are not control planes.
    pub fn workers(&self) -> impl Iterator<Item = &Host> {
        self.hosts
            .iter()
            .filter(|host| host.is_node() && !host.is_control_plane())
    }

    pub fn nodes(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| host.is_node())
    }

    /// Hosts that run keepalived and haproxy.
    pub fn vip_holders(&self) -> impl Iterator<Item = &Host> {
        let role = match self.endpoint.kind {
            EndpointKind::Vip(_) => Some(Role::ControlPlane),
            EndpointKind::LoadBalancers(_) => Some(Role::LoadBalancer),
            EndpointKind::External => None,
        };
        self.hosts
            .iter()
            .filter(move |host| role.is_some_and(|role| host.roles.contains(&role)))
    }

    pub fn vip(&self) -> Option<&Vip> {
        match &self.endpoint.kind {
            EndpointKind::Vip(vip) | EndpointKind::LoadBalancers(vip) => Some(vip),
            EndpointKind::External => None,
        }
    }

    /// kubeadm's `localAPIEndpoint.bindPort`.
    pub fn apiserver_port(&self) -> u16 {
        self.vip().map_or(6443, |vip| vip.apiserver_port)
    }

    /// `HOST:PORT`, with brackets around an IPv6 address.
    pub fn endpoint_address(&self) -> String {
        if self.endpoint.host.contains(':') {
            format!("[{}]:{}", self.endpoint.host, self.endpoint.port)
        } else {
            format!("{}:{}", self.endpoint.host, self.endpoint.port)
        }
    }

    /// Whether every node is a control plane, so that MetalLB and workloads must run there.
    pub fn control_planes_only(&self) -> bool {
        self.workers().next().is_none()
    }

    /// The address that API clients on a control plane use before any load balancer is there.
    pub fn loopback() -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}

impl Host {
    pub fn is_control_plane(&self) -> bool {
        self.roles.contains(&Role::ControlPlane)
    }

    pub fn is_node(&self) -> bool {
        self.roles.contains(&Role::ControlPlane) || self.roles.contains(&Role::Worker)
    }
}
