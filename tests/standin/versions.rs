//! Which images belong to which Kubernetes version, as the real kubeadm prints them.

/// Kubernetes version of a program without a trailer.
pub const DEFAULT: &str = "1.33.4";
pub const REGISTRY: &str = "registry.k8s.io";

/// Minor number of `1.33.4` or `v1.33.4`; 0 where there is none.
pub fn minor(version: &str) -> u32 {
    version
        .trim_start_matches('v')
        .split('.')
        .nth(1)
        .and_then(|part| part.parse().ok())
        .unwrap_or(0)
}

/// etcd image tag, `CoreDNS` tag, pause tag (kubeadm's constants.go of each minor).
pub fn companions(version: &str) -> (&'static str, &'static str, &'static str) {
    match minor(version) {
        ..=28 => ("3.5.9-0", "v1.10.1", "3.9"),
        29 => ("3.5.10-0", "v1.11.1", "3.9"),
        30 => ("3.5.12-0", "v1.11.1", "3.9"),
        31 => ("3.5.15-0", "v1.11.1", "3.10"),
        32 => ("3.5.16-0", "v1.11.3", "3.10"),
        33 => ("3.5.21-0", "v1.12.0", "3.10"),
        34 => ("3.6.4-0", "v1.12.1", "3.10.1"),
        35 => ("3.6.6-0", "v1.13.1", "3.10.1"),
        _ => ("3.6.8-0", "v1.14.2", "3.10.2"),
    }
}

/// Version of etcd without the image's build number.
pub fn etcd(version: &str) -> &'static str {
    companions(version).0.split('-').next().unwrap_or_default()
}

/// What `kubeadm config images list` prints, in its order. `repository` replaces the default registry.
pub fn images(version: &str, repository: &str) -> Vec<String> {
    let (etcd, coredns, pause) = companions(version);
    let version = version.trim_start_matches('v');
    let mut images: Vec<String> = [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
    ]
    .iter()
    .map(|name| format!("{repository}/{name}:v{version}"))
    .collect();
    let dns = if repository == REGISTRY {
        "coredns/coredns"
    } else {
        "coredns"
    };
    images.push(format!("{repository}/{dns}:{coredns}"));
    images.push(format!("{repository}/pause:{pause}"));
    images.push(format!("{repository}/etcd:{etcd}"));
    images
}
