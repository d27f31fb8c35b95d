//! Longhorn, Harbor and add-ons.

use std::net::IpAddr;

use crate::inventory::{Cluster, Harbor, Longhorn, context::Context, forms};

pub fn check(context: &mut Context<'_>, cluster: &Cluster) {
    if let Some(longhorn) = &cluster.longhorn {
        self::longhorn(context, longhorn);
        classes(context, longhorn);
        if cluster.lab.is_some() {
            context.warn("Longhorn needs iSCSI in the kernel, which lab hosts rarely have: its check fails there unless it is skipped");
        }
    }
    if let Some(harbor) = &cluster.harbor {
        self::harbor(context, cluster, harbor);
    }
    let built_in = [
        ("metallb", cluster.metallb.is_some()),
        ("longhorn", cluster.longhorn.is_some()),
        ("harbor", cluster.harbor.is_some()),
    ];
    for (name, _) in built_in.iter().filter(|(_, on)| *on) {
        if cluster.addons.iter().any(|addon| addon.name == *name) {
            context.refuse_key(
                &["addons", name],
                format!(
                    "`{name}` is installed by the inventory's own `{name}`; remove one of the two"
                ),
            );
        }
    }
}

fn longhorn(context: &mut Context<'_>, longhorn: &Longhorn) {
    let nodes = longhorn.storage_nodes.len();
    if nodes == 0 {
        context.refuse(
            &["longhorn"],
            "no host stores data; add a worker, or name hosts in `nodes`",
        );
        return;
    }
    let too_many = |replicas: usize| {
        format!(
            "{replicas} copies cannot lie on {nodes} storage nodes ({}); write at most {nodes}",
            longhorn.storage_nodes.join(", ")
        )
    };
    if usize::from(longhorn.replicas) > nodes {
        context.refuse(
            &["longhorn", "replicas"],
            too_many(longhorn.replicas.into()),
        );
    }
    for class in &longhorn.storage_classes {
        let replicas = class
            .parameters
            .get("numberOfReplicas")
            .and_then(|number| number.parse::<usize>().ok());
        if let Some(replicas) = replicas.filter(|replicas| *replicas > nodes) {
            context.refuse(
                &["longhorn", "storage-classes", &class.name, "replicas"],
                too_many(replicas),
            );
        }
    }
    for job in &longhorn.recurring_jobs {
        let path = ["longhorn", "recurring-jobs", job.name.as_str()];
        if let Err(why) = forms::dns_label(&job.name) {
            context.refuse_key(&path, format!("`{}` {why}", job.name));
        }
        if job.task.starts_with("backup") && longhorn.backup.is_none() {
            context.refuse(
                &["longhorn", "recurring-jobs", &job.name, "task"],
                "there is nowhere to back up to; add `longhorn.backup`, or write `snapshot`",
            );
        }
    }
}

fn classes(context: &mut Context<'_>, longhorn: &Longhorn) {
    let mut default = longhorn.default_class.then_some("longhorn");
    for class in &longhorn.storage_classes {
        let path = ["longhorn", "storage-classes", class.name.as_str()];
        if ["longhorn", "longhorn-retain"].contains(&class.name.as_str()) {
            context.refuse_key(
                &path,
                format!(
                    "the class `{}` is always there; give this one another name",
                    class.name
                ),
            );
        }
        if let Err(why) = forms::dns_subdomain(&class.name) {
            context.refuse_key(&path, format!("`{}` {why}", class.name));
        }
        if class.default
            && let Some(other) = default.replace(&class.name)
        {
            let advice = if other == "longhorn" {
                "write `longhorn.default-class: false`, or remove this".to_owned()
            } else {
                "keep one".to_owned()
            };
            context.refuse(
                &["longhorn", "storage-classes", &class.name, "default"],
                format!("`{other}` is the default class already; {advice}"),
            );
        }
    }
}

fn harbor(context: &mut Context<'_>, cluster: &Cluster, harbor: &Harbor) {
    if cluster.longhorn.is_none() && harbor.storage_class.is_none() {
        context.refuse(
            &["harbor"],
            "has nowhere to store images; add `longhorn: true`, or write `storage-class`",
        );
    }
    let Some(metallb) = &cluster.metallb else {
        context.refuse(
            &["harbor"],
            "needs an address of its own; add `metallb` with a range of free addresses",
        );
        return;
    };
    let Some(address) = harbor
        .address
        .as_ref()
        .and_then(|address| address.parse::<IpAddr>().ok())
    else {
        return;
    };
    let ranges = metallb.pools.iter().flat_map(|pool| &pool.addresses);
    if !ranges
        .filter_map(|range| forms::range(range).ok())
        .any(|range| range.contains(address))
    {
        let key = if context.has(&["harbor", "address"]) {
            "address"
        } else {
            "host"
        };
        context.refuse(
            &["harbor", key],
            format!("{address} lies in no MetalLB pool; write an address of one"),
        );
    }
}
