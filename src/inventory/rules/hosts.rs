//! Hosts: roles, names, labels, taints, what may stand in an ssh command line.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{Cluster, EndpointKind, Host, Role, Ssh, context::Context, forms, keys};

use crate::phases::preflight::IDS;

pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    // A host that could not be read may have had any role.
    if !context
        .mistakes
        .iter()
        .any(|mistake| mistake.path.starts_with("hosts"))
    {
        control_planes(context, cluster);
        load_balancers(context, cluster);
        schedulable(context, cluster);
    }
    priorities(context, cluster);
    skipped_checks(context, cluster);
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for host in &cluster.hosts {
        let short = host.name.to_lowercase();
        if let Some(other) = names.insert(short, &host.name) {
            let message =
                format!("differs from `{other}` in letter case alone; give it another name");
            context.refuse_key(&["hosts", &host.name], message);
        }
        host_settings(context, host);
    }
    ssh(
        context,
        &["ssh"],
        &cluster
            .hosts
            .first()
            .map(|host| host.ssh.clone())
            .unwrap_or_default(),
    );
}

fn control_planes(context: &mut Context<'_>, cluster: &Cluster) {
    let count = cluster.control_planes().count();
    if count == 0 {
        let message =
            "no host is a control plane; write `role: control-plane` for one or three of them";
        if context.has(&["hosts"]) {
            context.refuse_key(&["hosts"], message);
        }
    } else if count.is_multiple_of(2) && !cluster.allow_even_control_planes {
        let message = format!(
            "{count} control planes tolerate no more failures than {}; use {} or {}, or write `allow-even-control-planes: true`",
            count - 1,
            count - 1,
            count + 1
        );
        context.refuse_key(&["hosts"], message);
    } else if count > 7 {
        context.warn(format!(
            "{count} control planes make etcd slow; three or five are enough for most clusters"
        ));
    }
}

fn load_balancers(context: &mut Context<'_>, cluster: &Cluster) {
    let pair: Vec<&Host> = cluster
        .hosts
        .iter()
        .filter(|host| host.roles.contains(&Role::LoadBalancer))
        .collect();
    for host in &pair {
        if host.is_node() {
            context.refuse_host(
                host,
                &["role"],
                "a load balancer is no node; give it the role `load-balancer` alone",
            );
        }
    }
    let wanted = matches!(cluster.endpoint.kind, EndpointKind::LoadBalancers(_));
    match (wanted, pair.as_slice()) {
        (true, []) => context.refuse(
            &["endpoint", "held-by"],
            "no host has the role `load-balancer`; give it to two hosts, or write `held-by: control-planes`",
        ),
        (true, [only]) => context.warn(format!("`{}` is the only load balancer: the API goes down with it; add a second one", only.name)),
        (false, [first, ..]) => context.refuse(
            &["hosts", &first.name, "role"],
            "a load balancer has nothing to do; write `endpoint: {vip: ADDRESS, held-by: load-balancers}`, or remove the host",
        ),
        _ => {}
    }
}

/// Somebody must be able to run what the inventory installs.
fn schedulable(context: &mut Context<'_>, cluster: &Cluster) {
    if cluster.hosts.iter().any(|host| host.schedulable)
        || cluster.control_planes().next().is_none()
    {
        return;
    }
    let needs = cluster.metallb.is_some()
        || cluster.longhorn.is_some()
        || cluster.harbor.is_some()
        || !cluster.addons.is_empty();
    let what = "no host may run workloads";
    if needs {
        let message = format!("{what}; add a worker, or write `role: [control-plane, worker]`");
        context.refuse_key(&["hosts"], message);
    } else {
        context.warn(format!(
            "{what}: add a worker, or write `role: [control-plane, worker]`"
        ));
    }
}

fn priorities(context: &mut Context<'_>, cluster: &Cluster) {
    let mut seen: BTreeMap<u8, &str> = BTreeMap::new();
    for host in cluster.vip_holders() {
        if let Some(other) = seen.insert(host.vrrp_priority, &host.name) {
            let message = format!(
                "{} is the priority of `{other}` too; give each holder of the VIP its own",
                host.vrrp_priority
            );
            context.refuse_host(host, &["vrrp-priority"], message);
        }
    }
}

/// Skipping is by id; an id that no check has would skip nothing.
fn skipped_checks(context: &mut Context<'_>, cluster: &Cluster) {
    let unknown = |id: &str| {
        let mut ids = IDS.iter().map(|(id, _)| *id);
        if ids.any(|known| known == id) {
            return None;
        }
        let near = keys::nearest(id, IDS.iter().map(|(id, _)| *id));
        let advice = if let Some(near) = near {
            format!("write `{near}`")
        } else {
            let all: Vec<&str> = IDS.iter().map(|(id, _)| *id).collect();
            format!("known are {}", all.join(", "))
        };
        Some(format!("there is no check `{id}`; {advice}"))
    };
    for (index, id) in cluster.run.skip_checks.iter().enumerate() {
        if let Some(message) = unknown(id) {
            context.refuse(&["run", "skip-checks", &format!("[{index}]")], message);
        }
    }
    for host in &cluster.hosts {
        for (index, id) in host.skip_checks.iter().enumerate() {
            if let Some(message) = unknown(id) {
                context.refuse_host(host, &["skip-checks", &format!("[{index}]")], message);
            }
        }
    }
}

fn host_settings(context: &mut Context<'_>, host: &Host) {
    let name = host.name.as_str();
    for (key, value) in &host.labels {
        let verdict = forms::label_key(key).and_then(|()| forms::label_value(value));
        if let Err(why) = verdict {
            context.refuse_host(host, &["labels", key], format!("`{key}={value}` {why}"));
        }
    }
    for key in host.annotations.keys() {
        if let Err(why) = forms::label_key(key) {
            context.refuse_host(host, &["annotations", key], format!("`{key}` {why}"));
        }
    }
    let mut taints = BTreeSet::new();
    for taint in &host.taints {
        if !taints.insert((&taint.key, &taint.effect)) {
            let message = format!(
                "`{}` has the effect {} twice; keep one",
                taint.key, taint.effect
            );
            context.refuse_host(host, &["taints"], message);
        }
    }
    if let Some(interface) = &host.interface
        && (interface.is_empty()
            || interface.len() > 15
            || interface.contains([' ', '/'])
            || interface.starts_with('-'))
    {
        let message = format!(
            "`{interface}` is no network interface; write its name as `ip link` shows it, such as `eth0`"
        );
        context.refuse_host(host, &["interface"], message);
    }
    let mut paths = BTreeSet::new();
    for disk in &host.data_disks {
        let instead = "a mount point such as `/var/lib/longhorn`";
        if let Some(message) = super::paths::wrong(&disk.path, instead) {
            context.refuse_host(host, &["data-disks"], message);
        } else if !paths.insert(&disk.path) {
            context.refuse_host(
                host,
                &["data-disks"],
                format!("`{}` is listed twice; keep one", disk.path),
            );
        }
    }
    if context.has(&["hosts", name, "ssh"]) {
        ssh(context, &["hosts", name, "ssh"], &host.ssh);
    }
}

/// Nothing of it may be taken for an option of `ssh`.
fn ssh(context: &mut Context<'_>, path: &[&str], ssh: &Ssh) {
    for (key, value, form) in [
        ("user", &ssh.user, "a login name"),
        ("jump", &ssh.jump, "`USER@HOST:PORT`"),
    ] {
        let Some(value) = value else { continue };
        if value.is_empty() || value.starts_with('-') || value.contains(char::is_whitespace) {
            context.refuse(
                &[path, &[key]].concat(),
                format!("`{value}` cannot be used; write {form}"),
            );
        }
    }
}
