//! Patches: what makes a node's kubelet and static pods different from the others'.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{api, merge, pairs};
use crate::{
    inventory::{Cluster, Host},
    observe::Facts,
};

/// Whether kubeadm takes a file in its directory of patches for one.
pub(in crate::phases) fn is_patch(name: &str) -> bool {
    const TARGETS: [&str; 6] = [
        "corednsdeployment",
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubeletconfiguration",
    ];
    TARGETS.iter().any(|target| name.starts_with(target))
}

/// What a node's kubelet should run with, but for defaults and patches of the user's.
pub(in crate::phases) fn kubelet_wanted(cluster: &Cluster, host: &Host, facts: &Facts) -> Value {
    let mut wanted = super::cluster::kubelet_configuration(cluster);
    merge(
        &mut wanted,
        &Value::Object(kubelet_patch(cluster, host, facts)),
    );
    wanted
}

/// Patches of one node: the user's, its kubelet's own settings, and what control-plane guarantees ask for. File name to content.
pub fn patches(cluster: &Cluster, host: &Host, facts: &Facts) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let kubelet = kubelet_patch(cluster, host, facts);
    if !kubelet.is_empty() {
        files.insert(
            // Sorts after a patch of the user's for all nodes: what is said of one host wins.
            "kubeletconfiguration-host+merge.yaml".to_owned(),
            serde_yaml::to_string(&kubelet)?,
        );
    }
    if host.is_control_plane() {
        let plane = &cluster.control_plane;
        if let Some(guarantees) = &plane.guarantees {
            for (component, (cpu, memory)) in &guarantees.resources {
                let same = json!({"cpu": cpu, "memory": memory});
                files.insert(
                    format!("{component}-guarantees+strategic.yaml"),
                    container_patch(
                        component,
                        &json!({"resources": {"requests": same, "limits": same}}),
                    )?,
                );
            }
        }
        if api(cluster) == "v1beta3" {
            environment_patches(cluster, &mut files)?;
        }
    }
    files.extend(
        cluster
            .control_plane
            .patches
            .iter()
            .filter(|(name, _)| host.is_control_plane() || name.starts_with("kubeletconfiguration"))
            .map(|(name, content)| (name.clone(), content.clone())),
    );
    Ok(files)
}

/// v1beta3 has no `extraEnvs`: the environment is patched into the static pods.
fn environment_patches(cluster: &Cluster, files: &mut BTreeMap<String, String>) -> Result<()> {
    let plane = &cluster.control_plane;
    for (name, component) in [
        ("kube-apiserver", &plane.api_server),
        ("kube-controller-manager", &plane.controller_manager),
        ("kube-scheduler", &plane.scheduler),
        ("etcd", &plane.etcd),
    ] {
        if !component.env.is_empty() {
            files.insert(
                format!("{name}-environment+strategic.yaml"),
                container_patch(name, &json!({"env": pairs(&component.env)}))?,
            );
        }
    }
    Ok(())
}

fn container_patch(name: &str, fields: &Value) -> Result<String> {
    let mut container = json!({"name": name});
    merge(&mut container, fields);
    Ok(serde_yaml::to_string(
        &json!({"spec": {"containers": [container]}}),
    )?)
}

/// Settings of this node's kubelet alone.
pub(in crate::phases) fn kubelet_patch(
    cluster: &Cluster,
    host: &Host,
    facts: &Facts,
) -> Map<String, Value> {
    let mut patch = json!({});
    if !facts.resolv_conf.is_empty() {
        patch["resolvConf"] = facts.resolv_conf.as_str().into();
    }
    if let Some(cpus) = cluster
        .control_plane
        .guarantees
        .as_ref()
        .filter(|_| host.is_control_plane())
        .and_then(|guarantees| guarantees.reserved_cpus.as_ref())
    {
        patch["cpuManagerPolicy"] = "static".into();
        patch["reservedSystemCPUs"] = cpus.as_str().into();
    }
    merge(&mut patch, &Value::Object(host.kubelet.clone()));
    match patch {
        Value::Object(patch) => patch,
        _ => Map::new(),
    }
}
