//! Field names of the kinds whose typing mistakes must not go unnoticed. Pure.

use std::net::IpAddr;

use serde_json::Value;

use crate::kinds::Kind;

const WORKLOAD: &str = "template selector replicas minReadySeconds revisionHistoryLimit strategy updateStrategy progressDeadlineSeconds paused serviceName podManagementPolicy volumeClaimTemplates ordinals persistentVolumeClaimRetentionPolicy";
const JOB: &str = "template selector parallelism completions activeDeadlineSeconds backoffLimit manualSelector ttlSecondsAfterFinished completionMode suspend podFailurePolicy podReplacementPolicy backoffLimitPerIndex maxFailedIndexes managedBy successPolicy";
const POD: &str = "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC shareProcessNamespace securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources";
const CONTAINER: &str = "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy volumeMounts volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty restartPolicyRules";
const BUDGET: &str = "minAvailable maxUnavailable selector unhealthyPodEvictionPolicy";
const SERVICE: &str = "ports selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig ipFamilies ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy trafficDistribution";
const METADATA: &str = "name generateName namespace selfLink uid resourceVersion generation creationTimestamp deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences finalizers managedFields";

/// Fields of `spec` of MetalLB's kinds (v0.16).
const METALLB: &[(&str, &str)] = &[
    (
        "IPAddressPool",
        "addresses autoAssign avoidBuggyIPs serviceAllocation",
    ),
    (
        "L2Advertisement",
        "ipAddressPools ipAddressPoolSelectors nodeSelectors interfaces serviceSelectors",
    ),
    (
        "BGPAdvertisement",
        "aggregationLength aggregationLengthV6 localPref communities ipAddressPools ipAddressPoolSelectors nodeSelectors peers serviceSelectors",
    ),
    (
        "BGPPeer",
        "myASN peerASN dynamicASN localASN peerAddress interface sourceAddress peerPort holdTime keepaliveTime connectTime routerID nodeSelectors password passwordSecret bfdProfile enableGracefulRestart ebgpMultiHop vrf disableMP dualStackAddressFamily",
    ),
    (
        "BFDProfile",
        "receiveInterval transmitInterval detectMultiplier echoInterval echoMode passiveMode minimumTtl",
    ),
    ("Community", "communities"),
];

/// Path of the first field that the kind does not have.
pub fn unknown_field(kind: &Kind, object: &Value) -> Option<String> {
    let top = match kind.kind.as_str() {
        "ConfigMap" => "data binaryData immutable",
        "Secret" => "data stringData type immutable",
        "Namespace"
        | "Node"
        | "Service"
        | "Deployment"
        | "DaemonSet"
        | "StatefulSet"
        | "Job"
        | "Pod"
        | "PodDisruptionBudget" => "spec status",
        "StorageClass" => {
            "provisioner parameters reclaimPolicy mountOptions allowVolumeExpansion volumeBindingMode allowedTopologies"
        }
        "ServiceAccount" => "secrets imagePullSecrets automountServiceAccountToken",
        "ClusterRole" | "Role" => "rules aggregationRule",
        "ClusterRoleBinding" | "RoleBinding" => "subjects roleRef",
        _ => "",
    };
    let own = format!("apiVersion kind metadata {top}");
    let of_top = if top.is_empty() {
        None
    } else {
        fields(object, "", &own)
    };
    let spec = &object["spec"];
    of_top
        .or_else(|| fields(&object["metadata"], "metadata.", METADATA))
        .or_else(|| match kind.kind.as_str() {
            "Deployment" | "DaemonSet" | "StatefulSet" => {
                fields(spec, "spec.", WORKLOAD).or_else(|| template(&spec["template"]))
            }
            "Job" => fields(spec, "spec.", JOB).or_else(|| template(&spec["template"])),
            "Pod" => pod(spec, "spec."),
            "PodDisruptionBudget" => fields(spec, "spec.", BUDGET),
            "Service" => fields(spec, "spec.", SERVICE).or_else(|| {
                each(
                    &spec["ports"],
                    "spec.ports",
                    "name protocol appProtocol port targetPort nodePort",
                )
            }),
            _ if kind.group == "metallb.io" => {
                let (_, known) = METALLB.iter().find(|(name, _)| *name == kind.kind)?;
                fields(spec, "spec.", known)
            }
            _ => None,
        })
}

/// Fields without which the kind is invalid.
pub fn missing_field(kind: &Kind, object: &Value) -> Option<String> {
    let spec = &object["spec"];
    match kind.kind.as_str() {
        "Deployment" | "DaemonSet" | "StatefulSet" => {
            let labels = &spec["template"]["metadata"]["labels"];
            let selector = spec["selector"]["matchLabels"].as_object();
            let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
                return Some("spec.selector: Required value".into());
            };
            if selector.iter().any(|(name, value)| labels[name] != *value) {
                return Some("spec.template.metadata.labels: Invalid value: `selector` does not match template `labels`".into());
            }
            containers(&spec["template"]["spec"])
        }
        "Pod" => containers(spec),
        "PodDisruptionBudget" => super::eviction::problem(object),
        "Service"
            if spec["type"] != "ExternalName"
                && spec["ports"].as_array().is_none_or(Vec::is_empty)
                && spec["clusterIP"] != "None" =>
        {
            Some("spec.ports: Required value".into())
        }
        "StorageClass" if object["provisioner"].as_str().is_none_or(str::is_empty) => {
            Some("provisioner: Required value".into())
        }
        "StorageClass" => strings(&object["parameters"], "parameters"),
        "ConfigMap" => strings(&object["data"], "data"),
        _ => labels(&object["metadata"]),
    }
}

/// What MetalLB's webhooks check.
pub fn metallb(kind: &Kind, object: &Value) -> Result<(), String> {
    let spec = &object["spec"];
    match kind.kind.as_str() {
        "IPAddressPool" => {
            let addresses = spec["addresses"].as_array().filter(|all| !all.is_empty());
            for address in addresses.ok_or("pool has no prefixes defined")? {
                let text = address.as_str().unwrap_or_default();
                if !range(text) {
                    return Err(format!("invalid CIDR {text:?} in pool"));
                }
            }
            Ok(())
        }
        "BGPPeer" => {
            if spec["myASN"].as_u64().unwrap_or(0) == 0 {
                return Err("missing local ASN".into());
            }
            if spec["peerASN"].as_u64().unwrap_or(0) == 0 && spec["dynamicASN"].is_null() {
                return Err("missing peer ASN and dynamicASN".into());
            }
            if spec["peerAddress"].is_null() == spec["interface"].is_null() {
                return Err(
                    "peerAddress and interface are mutually exclusive, one is needed".into(),
                );
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Refuses a pool that has addresses of another one.
pub fn apart<'a>(pool: &Value, others: impl Iterator<Item = &'a Value>) -> Result<(), String> {
    let ranges = |pool: &Value| -> Vec<(String, IpAddr, IpAddr)> {
        let all = pool["spec"]["addresses"].as_array();
        let texts = all.into_iter().flatten().filter_map(Value::as_str);
        texts
            .filter_map(|text| {
                let (from, to) = ends(text)?;
                Some((text.to_owned(), from, to))
            })
            .collect()
    };
    let own = ranges(pool);
    for other in others {
        for (text, from, to) in ranges(other) {
            if let Some((mine, ..)) = own
                .iter()
                .find(|(_, low, high)| *low <= to && from <= *high)
            {
                let name = other["metadata"]["name"].as_str().unwrap_or_default();
                return Err(format!(
                    "CIDR {mine:?} overlaps with already defined CIDR {text:?} of pool {name:?}"
                ));
            }
        }
    }
    Ok(())
}

/// First and last address of a range or a network.
fn ends(text: &str) -> Option<(IpAddr, IpAddr)> {
    if let Some((from, to)) = text.split_once('-') {
        return Some((from.trim().parse().ok()?, to.trim().parse().ok()?));
    }
    let net: ipnet::IpNet = text.parse().ok()?;
    Some((net.network(), net.broadcast()))
}

fn range(text: &str) -> bool {
    match text.split_once('-') {
        Some((from, to)) => {
            let parse = |text: &str| text.trim().parse::<std::net::IpAddr>().ok();
            matches!((parse(from), parse(to)), (Some(from), Some(to)) if from <= to && from.is_ipv4() == to.is_ipv4())
        }
        None => text.parse::<ipnet::IpNet>().is_ok(),
    }
}

fn containers(spec: &Value) -> Option<String> {
    let Some(all) = spec["containers"].as_array().filter(|all| !all.is_empty()) else {
        return Some("spec.template.spec.containers: Required value".into());
    };
    all.iter()
        .any(|one| one["name"].is_null() || one["image"].as_str().is_none_or(str::is_empty))
        .then(|| "spec.template.spec.containers[0].image: Required value".into())
}

/// Values that must be strings, as a typed decoder would insist.
fn strings(map: &Value, path: &str) -> Option<String> {
    let (name, _) = map
        .as_object()?
        .iter()
        .find(|(_, value)| !value.is_string())?;
    Some(format!("{path}.{name}: Invalid value: must be a string"))
}

fn labels(metadata: &Value) -> Option<String> {
    strings(&metadata["labels"], "metadata.labels")
        .or_else(|| strings(&metadata["annotations"], "metadata.annotations"))
}

fn template(template: &Value) -> Option<String> {
    fields(template, "spec.template.", "metadata spec")
        .or_else(|| pod(&template["spec"], "spec.template.spec."))
}

fn pod(spec: &Value, path: &str) -> Option<String> {
    fields(spec, path, POD)
        .or_else(|| each(&spec["containers"], &format!("{path}containers"), CONTAINER))
        .or_else(|| {
            each(
                &spec["initContainers"],
                &format!("{path}initContainers"),
                CONTAINER,
            )
        })
        .or_else(|| {
            each(
                &spec["tolerations"],
                &format!("{path}tolerations"),
                "key operator value effect tolerationSeconds",
            )
        })
}

fn each(list: &Value, path: &str, known: &str) -> Option<String> {
    let list = list.as_array()?;
    list.iter()
        .enumerate()
        .find_map(|(at, item)| fields(item, &format!("{path}[{at}]."), known))
}

fn fields(object: &Value, path: &str, known: &str) -> Option<String> {
    let name = object
        .as_object()?
        .keys()
        .find(|name| !known.split(' ').any(|known| known == name.as_str()))?;
    Some(format!("{path}{name}"))
}
