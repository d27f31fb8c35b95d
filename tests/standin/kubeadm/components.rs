//! Values that kubelet, kube-proxy and kubeadm's feature gates refuse.

use anyhow::{Result, bail};
use serde_json::Value;

use super::config::or;
use crate::versions;

pub fn check_gates(cluster: &Value, version: &str) -> Result<()> {
    let known: &[(&str, u32, u32)] = &[
        ("PublicKeysECDSA", 19, 40),
        ("RootlessControlPlane", 22, 40),
        ("EtcdLearnerMode", 27, 32),
        ("UpgradeAddonsBeforeControlPlane", 28, 30),
        ("WaitForAllControlPlaneComponents", 30, 35),
        ("ControlPlaneKubeletLocalMode", 31, 35),
        ("NodeLocalCRISocket", 32, 40),
    ];
    let minor = versions::minor(version);
    for name in cluster["featureGates"]
        .as_object()
        .into_iter()
        .flat_map(|gates| gates.keys())
    {
        if !known
            .iter()
            .any(|&(gate, from, to)| gate == name && (from..=to).contains(&minor))
        {
            bail!("unrecognized feature-gate key: {name}");
        }
    }
    Ok(())
}

/// What the kubelet itself refuses in its configuration.
pub fn check_kubelet(kubelet: &Value) -> Result<()> {
    let wrong = |what: &str| {
        Err(anyhow::anyhow!(
            "failed to validate kubelet configuration: invalid configuration: {what}"
        ))
    };
    let reserved = |name: &str| kubelet[name]["cpu"].is_string();
    if kubelet["cpuManagerPolicy"] == "static"
        && !kubelet["reservedSystemCPUs"].is_string()
        && !reserved("systemReserved")
        && !reserved("kubeReserved")
    {
        return wrong(
            "the static CPU manager policy requires systemReserved.cpu + kubeReserved.cpu to be greater than zero",
        );
    }
    if kubelet["reservedSystemCPUs"].is_string()
        && (kubelet["systemReservedCgroup"].is_string()
            || kubelet["kubeReservedCgroup"].is_string())
    {
        return wrong(
            "can't use reservedSystemCPUs with systemReservedCgroup or kubeReservedCgroup",
        );
    }
    for (list, cgroup) in [
        ("system-reserved", "systemReservedCgroup"),
        ("kube-reserved", "kubeReservedCgroup"),
    ] {
        let enforced = kubelet["enforceNodeAllocatable"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|value| value == list);
        if enforced && kubelet[cgroup].as_str().is_none_or(str::is_empty) {
            return wrong(&format!(
                "{cgroup} (--{cgroup}) must be specified when {list:?} contained in enforceNodeAllocatable"
            ));
        }
    }
    for name in [
        "cgroupDriver",
        "failSwapOn",
        "maxPods",
        "rotateCertificates",
        "serverTLSBootstrap",
    ] {
        let value = &kubelet[name];
        let right = match name {
            "cgroupDriver" => value.is_null() || value == "systemd" || value == "cgroupfs",
            "maxPods" => value.is_null() || value.is_i64(),
            _ => value.is_null() || value.is_boolean(),
        };
        if !right {
            return wrong(&format!("{name}: {value}"));
        }
    }
    let grace =
        |name: &str| crate::clock::duration(kubelet[name].as_str().unwrap_or("0s")).unwrap_or(0);
    if grace("shutdownGracePeriodCriticalPods") > grace("shutdownGracePeriod") {
        return wrong("shutdownGracePeriod must be >= shutdownGracePeriodCriticalPods");
    }
    Ok(())
}

pub fn check_kube_proxy(proxy: &Value, version: &str) -> Result<()> {
    let mode = or(&proxy["mode"], "iptables");
    if !matches!(mode, "iptables" | "ipvs" | "nftables")
        || (mode == "nftables" && versions::minor(version) < 29)
    {
        bail!(
            "KubeProxyConfiguration.Mode: Invalid value: {mode:?}: must be iptables, ipvs or nftables [nftables from 1.29]"
        );
    }
    Ok(())
}
