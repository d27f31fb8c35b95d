//! Field names and types of the configuration documents. Pure.
//!
//! A tree is written as text: `name` is a string, `name:b` a bool, `:i` an integer, `:l` a list of strings, `:m` a map of strings,
//! `:d` a duration, `:*` anything; `name{…}` is an object and `name[…]` a list of objects.

use serde_json::Value;

const NODE: &str = "name criSocket taints:* ignorePreflightErrors:l imagePullPolicy";
const BOOTSTRAP: &str = "bootstrapTokens[token description ttl:d expires usages:l groups:l]";
const VOLUMES: &str = "extraVolumes[name hostPath mountPath readOnly:b pathType]";
const PAIRS: &str = "extraArgs[name value] extraEnvs:*";
const TIMEOUTS: &str = "timeouts{controlPlaneComponentHealthCheck:d kubeletHealthCheck:d kubernetesAPICall:d etcdAPICall:d tlsBootstrap:d discovery:d upgradeManifests:d}";
const POINT: &str = "localAPIEndpoint{advertiseAddress bindPort:i}";
const PATCHES: &str = "patches{directory} skipPhases:l";
const ETCD: &str = "external{endpoints:l caFile certFile keyFile}";
const NETWORK: &str = "networking{serviceSubnet podSubnet dnsDomain} kubernetesVersion controlPlaneEndpoint certificatesDir imageRepository featureGates:* clusterName";
const DISCOVERY: &str = "bootstrapToken{token apiServerEndpoint caCertHashes:l unsafeSkipCAVerification:b} file{kubeConfigPath} tlsBootstrapToken";

/// `KubeletConfiguration` (kubelet.config.k8s.io/v1beta1), any value.
const KUBELET: &str = "enableServer staticPodPath podLogsDir syncFrequency fileCheckFrequency httpCheckFrequency staticPodURL staticPodURLHeader address port readOnlyPort tlsCertFile tlsPrivateKeyFile tlsCipherSuites tlsMinVersion tlsCurvePreferences rotateCertificates serverTLSBootstrap authentication authorization registryPullQPS registryBurst imagePullCredentialsVerificationPolicy preloadedImagesVerificationAllowlist eventRecordQPS eventBurst enableDebuggingHandlers enableContentionProfiling healthzPort healthzBindAddress oomScoreAdj clusterDomain clusterDNS streamingConnectionIdleTimeout nodeStatusUpdateFrequency nodeStatusReportFrequency nodeLeaseDurationSeconds imageMinimumGCAge imageMaximumGCAge imageGCHighThresholdPercent imageGCLowThresholdPercent volumeStatsAggPeriod kubeletCgroups systemCgroups cgroupRoot cgroupsPerQOS cgroupDriver cpuManagerPolicy singleProcessOOMKill cpuManagerPolicyOptions cpuManagerReconcilePeriod memoryManagerPolicy topologyManagerPolicy topologyManagerScope topologyManagerPolicyOptions qosReserved runtimeRequestTimeout hairpinMode maxPods podCIDR podPidsLimit resolvConf runOnce cpuCFSQuota cpuCFSQuotaPeriod nodeStatusMaxImages maxOpenFiles contentType kubeAPIQPS kubeAPIBurst serializeImagePulls maxParallelImagePulls evictionHard evictionSoft evictionSoftGracePeriod evictionPressureTransitionPeriod evictionMaxPodGracePeriod evictionMinimumReclaim mergeDefaultEvictionSettings podsPerCore enableControllerAttachDetach protectKernelDefaults makeIPTablesUtilChains iptablesMasqueradeBit iptablesDropBit featureGates failSwapOn memorySwap containerLogMaxSize containerLogMaxFiles containerLogMaxWorkers containerLogMonitorInterval configMapAndSecretChangeDetectionStrategy systemReserved kubeReserved reservedSystemCPUs showHiddenMetricsForVersion systemReservedCgroup kubeReservedCgroup enforceNodeAllocatable allowedUnsafeSysctls volumePluginDir providerID kernelMemcgNotification logging enableSystemLogHandler enableSystemLogQuery shutdownGracePeriod shutdownGracePeriodCriticalPods shutdownGracePeriodByPodPriority crashLoopBackOff reservedMemory enableProfilingHandler enableDebugFlagsHandler seccompDefault memoryThrottlingFactor registerWithTaints registerNode tracing localStorageCapacityIsolation containerRuntimeEndpoint imageServiceEndpoint failCgroupV1 userNamespaces";

/// `KubeProxyConfiguration` (kubeproxy.config.k8s.io/v1alpha1).
const KUBE_PROXY: &str = "featureGates clientConnection{kubeconfig acceptContentTypes contentType qps:* burst:i} logging:* hostnameOverride bindAddress healthzBindAddress metricsBindAddress bindAddressHardFail:b enableProfiling:b showHiddenMetricsForVersion mode iptables{masqueradeBit:i masqueradeAll:b localhostNodePorts:b syncPeriod:d minSyncPeriod:d} ipvs{syncPeriod:d minSyncPeriod:d scheduler excludeCIDRs:l strictARP:b tcpTimeout:d tcpFinTimeout:d udpTimeout:d} nftables{masqueradeBit:i masqueradeAll:b syncPeriod:d minSyncPeriod:d} winkernel:* detectLocalMode detectLocal{bridgeInterface interfaceNamePrefix} clusterCIDR nodePortAddresses:l oomScoreAdj:i conntrack{maxPerCore:i min:i tcpEstablishedTimeout:d tcpCloseWaitTimeout:d tcpBeLiberal:b udpTimeout:d udpStreamTimeout:d} configSyncPeriod:d portRange windowsRunAsService:b";

/// The tree of a document's fields; `None` for a kind or version that kubeadm does not have.
pub fn tree(api_version: &str, kind: &str) -> Option<String> {
    let four = api_version == "kubeadm.k8s.io/v1beta4";
    let component = match four {
        true => format!("{PAIRS} {VOLUMES}"),
        false => format!("extraArgs:m {VOLUMES}"),
    };
    let node = match four {
        true => {
            format!("nodeRegistration{{{NODE} kubeletExtraArgs[name value] imagePullSerial:b}}")
        }
        false => format!("nodeRegistration{{{NODE} kubeletExtraArgs:m}}"),
    };
    let (new, timeouts) = if four {
        ("dryRun:b", TIMEOUTS)
    } else {
        ("", "")
    };
    let tree = match (api_version, kind) {
        ("kubelet.config.k8s.io/v1beta1", "KubeletConfiguration") => KUBELET
            .split(' ')
            .map(|name| format!("{name}:*"))
            .collect::<Vec<_>>()
            .join(" "),
        ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration") => KUBE_PROXY.to_owned(),
        ("kubeadm.k8s.io/v1beta3" | "kubeadm.k8s.io/v1beta4", "InitConfiguration") => {
            format!("{BOOTSTRAP} {node} {POINT} certificateKey {PATCHES} {new} {timeouts}")
        }
        ("kubeadm.k8s.io/v1beta3" | "kubeadm.k8s.io/v1beta4", "JoinConfiguration") => {
            let old = if four { "" } else { "timeout:d" };
            format!(
                "{node} caCertPath discovery{{{DISCOVERY} {old}}} controlPlane{{{POINT} certificateKey}} {PATCHES} {new} {timeouts}"
            )
        }
        ("kubeadm.k8s.io/v1beta3", "ClusterConfiguration") => format!(
            "{NETWORK} etcd{{local{{imageRepository imageTag dataDir extraArgs:m serverCertSANs:l peerCertSANs:l}} {ETCD}}} apiServer{{{component} certSANs:l timeoutForControlPlane:d}} controllerManager{{{component}}} scheduler{{{component}}} dns{{imageRepository imageTag type}}"
        ),
        ("kubeadm.k8s.io/v1beta4", "ClusterConfiguration") => format!(
            "{NETWORK} etcd{{local{{imageRepository imageTag dataDir {PAIRS} serverCertSANs:l peerCertSANs:l}} {ETCD}}} apiServer{{{component} certSANs:l}} controllerManager{{{component}}} scheduler{{{component}}} dns{{imageRepository imageTag disabled:b}} proxy{{disabled:b}} encryptionAlgorithm certificateValidityPeriod:d caCertificateValidityPeriod:d"
        ),
        ("kubeadm.k8s.io/v1beta4", "ResetConfiguration") => format!(
            "cleanupTmpDir:b certificatesDir criSocket dryRun:b force:b ignorePreflightErrors:l skipPhases:l unmountFlags:l {TIMEOUTS}"
        ),
        ("kubeadm.k8s.io/v1beta4", "UpgradeConfiguration") => {
            "apply:* node:* plan:* diff:* timeouts:*".to_owned()
        }
        _ => return None,
    };
    Some(tree)
}

/// Checks a document against a tree; the error is what a strict decoder says.
pub fn check(document: &Value, tree: &str) -> Result<(), String> {
    object(document, &format!("apiVersion kind {tree}"), "")
}

fn object(value: &Value, tree: &str, path: &str) -> Result<(), String> {
    let Some(fields) = value.as_object() else {
        return if value.is_null() {
            Ok(())
        } else {
            Err(mismatch(path, "object", value))
        };
    };
    let known = split(tree);
    for (name, value) in fields {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let Some((_, kind)) = known.iter().find(|(known, _)| known == name) else {
            return Err(format!("unknown field {path:?}"));
        };
        field(value, kind, &path)?;
    }
    Ok(())
}

fn field(value: &Value, kind: &str, path: &str) -> Result<(), String> {
    let right = match kind {
        _ if value.is_null() => true,
        ":*" => true,
        ":b" => value.is_boolean(),
        ":i" => value.is_i64(),
        ":l" => value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string)),
        ":m" => value
            .as_object()
            .is_some_and(|map| map.values().all(Value::is_string)),
        ":d" => value
            .as_str()
            .is_some_and(|text| text.ends_with("ms") || crate::clock::duration(text).is_some()),
        "" => value.is_string(),
        kind if kind.starts_with('{') => return object(value, inner(kind), path),
        kind => {
            let Some(list) = value.as_array() else {
                return Err(mismatch(path, "list of objects", value));
            };
            return list
                .iter()
                .enumerate()
                .try_for_each(|(at, item)| object(item, inner(kind), &format!("{path}[{at}]")));
        }
    };
    match right {
        true => Ok(()),
        false => Err(mismatch(
            path,
            match kind {
                ":b" => "bool",
                ":i" => "int32",
                ":l" => "list of strings",
                ":m" => "map of strings",
                ":d" => "duration",
                _ => "string",
            },
            value,
        )),
    }
}

fn mismatch(path: &str, wanted: &str, value: &Value) -> String {
    format!("json: cannot unmarshal {value} into field {path} of type {wanted}")
}

fn inner(kind: &str) -> &str {
    &kind[1..kind.len() - 1]
}

/// Names of one level, each with its type.
fn split(tree: &str) -> Vec<(&str, &str)> {
    let mut words = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, letter) in tree.char_indices().chain([(tree.len(), ' ')]) {
        match letter {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ' ' if depth == 0 => {
                let word = tree[start..at].trim();
                if !word.is_empty() {
                    let end = word.find([':', '{', '[']).unwrap_or(word.len());
                    words.push(word.split_at(end));
                }
                start = at;
            }
            _ => {}
        }
    }
    words
}
