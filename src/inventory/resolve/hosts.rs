//! Hosts, with what they inherit from groups and defaults.

use std::{collections::BTreeSet, net::IpAddr};

use serde_json::{Map, Value};

use crate::inventory::{
    Bmc, DataDisk, Host, Role, Ssh, Sudo,
    context::Context,
    forms,
    schema::{self, BmcEntry, BmcProtocol, DataDiskEntry, RoleName},
};

/// All hosts in the order of the file.
pub fn hosts(context: &mut Context<'_>, value: &Value, ssh: &Ssh, lab: bool) -> Vec<Host> {
    let empty = Map::new();
    let section = |name: &str| value.get(name).and_then(Value::as_object).unwrap_or(&empty);
    let (entries, groups) = (section("hosts"), section("groups"));
    let names = context.keys(&["hosts"]);
    let common = Common {
        ssh,
        alone: names.len() == 1,
        lab,
    };
    let mut used = BTreeSet::new();
    let mut hosts = Vec::new();
    for name in &names {
        if let Err(why) = forms::dns_subdomain(name) {
            context.refuse_key(&["hosts", name], format!("`{name}` {why}"));
        }
        let Some(own) = entries.get(name) else {
            continue;
        };
        let mut own = match own {
            Value::String(address) => {
                Map::from_iter([("address".to_owned(), Value::String(address.clone()))])
            }
            other => other.as_object().cloned().unwrap_or_default(),
        };
        let member_of = strings(own.get("group"));
        let mut merged = section("defaults").clone();
        for group in &member_of {
            match groups.get(group).and_then(Value::as_object) {
                Some(settings) => merge(&mut merged, settings.clone()),
                None => unknown_group(context, name, group, groups),
            }
            used.insert(group.clone());
        }
        own.remove("group");
        merge(&mut merged, own);
        match serde_json::from_value(Value::Object(merged)) {
            Ok(host) => hosts.extend(resolve(context, name, host, member_of, &common)),
            Err(error) => context.refuse(&["hosts", name], error.to_string()),
        }
    }
    for group in groups.keys().filter(|group| !used.contains(*group)) {
        context.warn(format!("group `{group}` has no host"));
    }
    hosts
}

fn unknown_group(context: &mut Context<'_>, host: &str, group: &str, groups: &Map<String, Value>) {
    let near = crate::inventory::keys::nearest(group, groups.keys().map(String::as_str));
    let advice = match near {
        Some(near) => format!("write `{near}`"),
        None if groups.is_empty() => format!("add it: `groups: {{{group}: {{…}}}}`"),
        None => format!(
            "write one of {}, or add it to `groups`",
            groups.keys().cloned().collect::<Vec<_>>().join(", ")
        ),
    };
    context.refuse(
        &["hosts", host, "group"],
        format!("there is no group `{group}`; {advice}"),
    );
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(many)) => many
            .iter()
            .filter_map(|one| one.as_str().map(ToOwned::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}

/// `over` wins: mappings key by key, everything else as a whole.
pub fn merge(under: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Object(under)), Value::Object(over)) => merge(under, over),
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

/// What holds for every host.
struct Common<'a> {
    ssh: &'a Ssh,
    /// Whether there is one host only.
    alone: bool,
    lab: bool,
}

fn resolve(
    context: &mut Context<'_>,
    name: &str,
    host: schema::Host,
    groups: Vec<String>,
    common: &Common<'_>,
) -> Option<Host> {
    let path = ["hosts", name];
    let at = context.key_position(&path);
    let address = host.address?.0;
    let (node_ip, node_ip_v6) = node_ips(context, name, &address, schema::list(host.node_ip))?;
    let roles = roles(schema::list(host.role), common.alone);
    let own_ssh = self::ssh(
        context,
        &["hosts", name, "ssh"],
        host.ssh.unwrap_or_default(),
    );
    let schedulable = roles.contains(&Role::Worker);
    Some(Host {
        name: name.to_owned(),
        address,
        node_ip,
        node_ip_v6,
        roles,
        groups,
        ssh: over(own_ssh, common.ssh),
        labels: host.labels,
        annotations: host.annotations,
        taints: host.taints.into_iter().map(|taint| taint.0).collect(),
        interface: host.interface,
        data_disks: host.data_disks.into_iter().map(data_disk).collect(),
        kubelet: host.kubelet,
        bmc: host.bmc.and_then(bmc),
        vrrp_priority: host.vrrp_priority.unwrap_or(0),
        schedulable,
        skip_checks: host.skip_checks,
        lab: common.lab,
        position: (at.line, at.column),
    })
}

/// The node's address and the IPv6 one of a dual-stack node.
fn node_ips(
    context: &mut Context<'_>,
    name: &str,
    address: &str,
    written: Vec<forms::Address>,
) -> Option<(IpAddr, Option<IpAddr>)> {
    let path = ["hosts", name, "node-ip"];
    let written: Vec<IpAddr> = written.into_iter().map(|address| address.0).collect();
    match written.as_slice() {
        [] => {
            if let Ok(address) = address.parse() {
                Some((address, None))
            } else {
                let message = format!(
                    "`{address}` is a name, and the cluster needs an address of the node; add `node-ip: ADDRESS`"
                );
                context.refuse(&["hosts", name, "address"], message);
                None
            }
        }
        [one] => Some((*one, None)),
        [first, second] if first.is_ipv4() && second.is_ipv6() => Some((*first, Some(*second))),
        _ => {
            context.refuse(
                &path,
                "takes one address, or an IPv4 and then an IPv6 one; write `[10.0.0.11, fd00::11]`",
            );
            written.first().map(|first| (*first, None))
        }
    }
}

fn roles(written: Vec<RoleName>, alone: bool) -> Vec<Role> {
    let mut roles: Vec<Role> = written
        .into_iter()
        .map(|role| match role {
            RoleName::ControlPlane => Role::ControlPlane,
            RoleName::Worker => Role::Worker,
            RoleName::LoadBalancer => Role::LoadBalancer,
        })
        .collect();
    roles.sort_unstable();
    roles.dedup();
    match (roles.is_empty(), alone) {
        (false, _) => roles,
        (true, true) => vec![Role::ControlPlane, Role::Worker],
        (true, false) => vec![Role::Worker],
    }
}

fn data_disk(entry: DataDiskEntry) -> DataDisk {
    let disk = match entry {
        DataDiskEntry::Path(path) => schema::DataDisk {
            path: Some(path),
            ..Default::default()
        },
        DataDiskEntry::Full(disk) => disk,
    };
    let reserved = disk
        .reserved
        .and_then(|quantity| forms::quantity_value(&quantity.0).ok());
    DataDisk {
        path: disk.path.unwrap_or_default(),
        device: disk.device,
        tags: disk.tags,
        reserved_bytes: reserved.and_then(|thousandths| u64::try_from(thousandths / 1000).ok()),
    }
}

fn bmc(entry: BmcEntry) -> Option<Bmc> {
    let (address, protocol) = match entry {
        BmcEntry::Address(address) => (address.0, None),
        BmcEntry::Full(bmc) => (bmc.address?.0, bmc.protocol),
    };
    let protocol = match protocol {
        Some(BmcProtocol::Ipmi) => "ipmi",
        Some(BmcProtocol::Redfish) | None => "redfish",
    };
    Some(Bmc {
        address,
        protocol: protocol.to_owned(),
    })
}

/// ssh settings of the inventory or of one host.
pub fn ssh(context: &mut Context<'_>, path: &[&str], ssh: schema::Ssh) -> Ssh {
    let at = |key| [path, &[key]].concat();
    Ssh {
        user: ssh.user,
        port: ssh.port,
        key: ssh.key.map(|key| context.existing(&at("key"), &key)),
        jump: ssh.jump,
        config: ssh
            .config
            .map(|file| context.existing(&at("config"), &file)),
        known_hosts: ssh.known_hosts.map(|file| context.resolve(&file)),
        sudo: match ssh.sudo_password {
            Some(secret) => Sudo::Password(context.secret(&at("sudo-password"), secret)),
            None => Sudo::Passwordless,
        },
    }
}

fn over(own: Ssh, common: &Ssh) -> Ssh {
    let common = common.clone();
    Ssh {
        user: own.user.or(common.user),
        port: own.port.or(common.port),
        key: own.key.or(common.key),
        jump: own.jump.or(common.jump),
        config: own.config.or(common.config),
        known_hosts: own.known_hosts.or(common.known_hosts),
        sudo: match own.sudo {
            Sudo::Passwordless => common.sudo,
            own @ Sudo::Password(_) => own,
        },
    }
}
