//! Who belongs to the cluster: the file against the live nodes and members of etcd.
//!
//! A host that the cluster lacks joins; that is a phase. What is here is the rest: what no phase does, because doing it would cost a
//! node its pods, etcd its quorum or clients their endpoint without anybody having asked for that. Pure.

use std::path::Path;

use super::{Differences, Refusal, kubeadm};
use crate::{
    inventory::{Cluster, Host},
    observe::{ApiSeen, EtcdMember, NodeSeen, Observation},
};

const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// What the live cluster and the file disagree about in membership, with `file` as the user calls it.
///
/// Nothing where no API answers: then there is nothing to compare with.
pub(super) fn differences(cluster: &Cluster, seen: &Observation, file: &Path) -> Differences {
    let Some(api) = &seen.api else {
        return Differences::default();
    };
    let look = Look {
        cluster,
        seen,
        api,
        file: file.display().to_string(),
    };
    let mut found = Differences::default();
    for host in &cluster.hosts {
        found.refusals.extend(look.of_host(host));
    }
    for node in &api.nodes {
        if cluster.host(&node.name).is_none() {
            look.stranger(node, &mut found);
        }
    }
    for member in &api.etcd {
        found.notes.extend(look.orphan(member));
    }
    found
}

struct Look<'a> {
    cluster: &'a Cluster,
    seen: &'a Observation,
    api: &'a ApiSeen,
    file: String,
}

impl Look<'_> {
    fn node(&self, name: &str) -> Option<&NodeSeen> {
        self.api.nodes.iter().find(|node| node.name == name)
    }

    /// The member of etcd that is known by the host's name or, before it has started, by its address.
    fn member(&self, host: &Host) -> Option<&EtcdMember> {
        let peer = kubeadm::peer_url(host);
        self.api
            .etcd
            .iter()
            .find(|member| member.name == host.name || member.peer_urls.contains(&peer))
    }

    /// The first thing that keeps a host of the file from being what the file says; one command mends all of them.
    fn of_host(&self, host: &Host) -> Option<Refusal> {
        let Some(node) = self.node(&host.name) else {
            return self.renamed(host);
        };
        self.role(host, node)
            .or_else(|| self.address(host, node))
            .or_else(|| self.version(host, node))
    }

    fn role(&self, host: &Host, node: &NodeSeen) -> Option<Refusal> {
        let kube = self.seen.hosts.get(&host.name).map(|seen| &seen.facts.kube);
        let labelled = node.labels.contains_key(CONTROL_PLANE);
        let serves = kube.is_some_and(|kube| {
            kube.manifests
                .iter()
                .any(|one| one == "kube-apiserver.yaml")
        });
        let plane = labelled || serves || self.member(host).is_some();
        let what = match (host.is_node(), host.is_control_plane(), plane) {
            (false, ..) => "only a load balancer in the file, but a node of the cluster",
            (true, false, true) => "a worker in the file, but a control plane of the cluster",
            // An interrupted join as a control plane has brought `admin.conf` before the kubelet registers the node; a host
            // without `kubelet.conf` was made new and may join as anything.
            (true, true, false)
                if kube.is_none_or(|kube| kube.kubelet_conf && !kube.admin_conf) =>
            {
                "a control plane in the file, but a worker of the cluster"
            }
            _ => return None,
        };
        Some(Refusal::new(
            format!(
                "{} is {what}: the role of a node does not change in place",
                host.name
            ),
            self.replace(host),
        ))
    }

    fn address(&self, host: &Host, node: &NodeSeen) -> Option<Refusal> {
        let own_flag = |(name, _): &(String, String)| name == "node-ip" || name == "cloud-provider";
        if self.cluster.kubelet.args.iter().any(own_flag) {
            return None;
        }
        let wanted: Vec<String> = std::iter::once(host.node_ip)
            .chain(host.node_ip_v6)
            .map(|address| address.to_string())
            .collect();
        let live = &node.internal_ips;
        let node_differs = !live.is_empty() && wanted.iter().any(|one| !live.contains(one));
        let peer = kubeadm::peer_url(host);
        let member_differs = host.is_control_plane()
            && self
                .api
                .etcd
                .iter()
                .any(|one| one.name == host.name && !one.peer_urls.contains(&peer));
        if !node_differs && !member_differs {
            return None;
        }
        let known = if node_differs {
            live.join(", ")
        } else {
            "another address in etcd".to_owned()
        };
        Some(Refusal::new(
            format!(
                "{} has the address {} in the file, but the cluster knows it by {known}: certificates and members of etcd \
                 are bound to an address",
                host.name,
                wanted.join(", ")
            ),
            self.moved(host),
        ))
    }

    fn version(&self, host: &Host, node: &NodeSeen) -> Option<Refusal> {
        let wanted = format!("v{}", self.cluster.version);
        if node.version.is_empty() || node.version == wanted {
            return None;
        }
        Some(Refusal::new(
            format!(
                "{} runs kubelet {}, but the file says {wanted}: versions are not changed by `up`",
                host.name, node.version
            ),
            format!(
                "put `kubernetes: {}` into {}; upgrades are not there yet",
                node.version.trim_start_matches('v'),
                self.file
            ),
        ))
    }

    /// A host that no node is called after, but whose address a node has.
    fn renamed(&self, host: &Host) -> Option<Refusal> {
        let address = host.node_ip.to_string();
        let node = self
            .api
            .nodes
            .iter()
            .filter(|node| self.cluster.host(&node.name).is_none())
            .find(|node| node.internal_ips.contains(&address))?;
        Some(Refusal::new(
            format!(
                "{} of the file has the address of node {} ({address}): a node does not change its name",
                host.name, node.name
            ),
            format!(
                "call it {} in {file} again; or, to join it anew, do that, then `baremetal remove-node --keep-entry {file} {}`, call it \
                 {} and run `baremetal add-node {file} {}`",
                node.name,
                node.name,
                host.name,
                host.name,
                file = self.file
            ),
        ))
    }

    /// A node that the file has not. It is never removed for that.
    fn stranger(&self, node: &NodeSeen, found: &mut Differences) {
        let hosts = &self.cluster.hosts;
        let taken = |host: &&Host| node.internal_ips.contains(&host.node_ip.to_string());
        if hosts
            .iter()
            .find(taken)
            .is_some_and(|host| self.node(&host.name).is_none())
        {
            // Told as a host that was renamed.
            return;
        }
        let (name, file) = (&node.name, &self.file);
        let address = node.internal_ips.first().map_or("", String::as_str);
        let member = self.api.etcd.iter().find(|member| member.name == *name);
        let plane = node.labels.contains_key(CONTROL_PLANE) || member.is_some();
        let alive = node.ready || member.is_some_and(|member| member.healthy);
        let entry = format!("`{name}: {{address: {address}, role: control-plane}}`");
        if plane && alive {
            found.refusals.push(Refusal::new(
                format!(
                    "{name} ({address}) is a control plane of the cluster, but not in the file: load balancers would leave out \
                     a control plane that lives, and the virtual IP could be held twice"
                ),
                format!("put {entry} into {file}; to be rid of it, then run `baremetal remove-node {file} {name}`"),
            ));
        } else if plane {
            found.notes.push(format!(
                "{name} ({address}) is a control plane of the cluster that does not answer, and not in the file: etcd still \
                 counts it. Put {entry} into {file} and run `baremetal remove-node {file} {name} --dead`"
            ));
        } else {
            found.notes.push(format!(
                "{name} ({address}) is a node of the cluster, but not in the file: it is left as it is. Put `{name}: {{address: \
                 {address}}}` into {file}; to be rid of it, then run `baremetal remove-node {file} {name}`"
            ));
        }
    }

    /// A member of etcd that is no node's and no host's.
    fn orphan(&self, member: &EtcdMember) -> Option<String> {
        let ours = |host: &Host| {
            host.name == member.name || member.peer_urls.contains(&kubeadm::peer_url(host))
        };
        if self.node(&member.name).is_some() || self.cluster.hosts.iter().any(ours) {
            return None;
        }
        let name = if member.name.is_empty() {
            "without a name"
        } else {
            &member.name
        };
        Some(format!(
            "etcd has a member {name} ({}) that is neither in the file nor a node: it counts for quorum. `etcdctl member \
             remove {}` on a control plane removes it",
            member.peer_urls.join(", "),
            member.id
        ))
    }

    /// The commands that take a node out as it is and bring it back as the file has it; its entry stays as it is written.
    fn replace(&self, host: &Host) -> String {
        let (name, file) = (&host.name, &self.file);
        format!(
            "`baremetal remove-node --keep-entry {file} {name}`, then `baremetal add-node {file} {name}`"
        )
    }

    /// As [`Look::replace`], of a host that the cluster knows by another address: it is reached there until it has left.
    fn moved(&self, host: &Host) -> String {
        let (name, file) = (&host.name, &self.file);
        format!(
            "put the old address of {name} back into {file} and run `baremetal remove-node --keep-entry {file} {name}`; then write \
             {} again and run `baremetal add-node {file} {name}`",
            host.node_ip
        )
    }
}
