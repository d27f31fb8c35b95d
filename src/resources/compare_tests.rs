//! Comparison of kinds whose state cannot be made in a directory: services, kernel, packages, images.

use super::*;

fn seen(values: &[(&str, &str)]) -> Observed {
    values
        .iter()
        .fold(Observed::default(), |seen, (key, value)| {
            seen.with(*key, *value)
        })
}

fn service(state: ServiceState) -> Service {
    Service {
        unit: "haproxy.service".into(),
        state,
        enabled: true,
        restart_on: vec!["/etc/a".into()],
        reload_on: vec!["/etc/b".into()],
        required: true,
    }
}

fn verbs(resources: &[Resource], observed: &[Observed]) -> Vec<&'static str> {
    compare(resources, observed)
        .iter()
        .map(|change| change.verb)
        .collect()
}

fn one(service: Service, values: &[(&str, &str)]) -> Vec<&'static str> {
    let running = [
        ("load", "loaded"),
        ("active", "active"),
        ("enabled", "enabled"),
        ("since", "100"),
    ];
    let all: Vec<_> = running.iter().chain(values).copied().collect();
    verbs(&[Resource::Service(service)], &[seen(&all)])
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn services_are_restarted_and_reloaded_when_older_than_their_files() {
    use ServiceState::{Any, Running, Stopped};
    type Case = (
        ServiceState,
        &'static [(&'static str, &'static str)],
        &'static [&'static str],
    );
    let table: &[Case] = &[
        (Running, &[], &[]),
        (
            Running,
            &[("mtime /etc/a", "99"), ("mtime /etc/b", "100")],
            &[],
        ),
        (Running, &[("mtime /etc/a", "101")], &["restart"]),
        (Running, &[("mtime /etc/b", "101")], &["reload"]),
        // A restart reads everything anew.
        (
            Running,
            &[("mtime /etc/a", "101"), ("mtime /etc/b", "101")],
            &["restart"],
        ),
        (
            Running,
            &[("mtime /etc/b", "101"), ("reloaded", "102")],
            &[],
        ),
        (
            Running,
            &[("mtime /etc/b", "103"), ("reloaded", "102")],
            &["reload"],
        ),
        (
            Running,
            &[("mtime /etc/a", "101"), ("reloaded", "102")],
            &["restart"],
        ),
        (Running, &[("active", "failed")], &["start"]),
        (Running, &[("active", "activating")], &["start"]),
        (Running, &[("enabled", "disabled")], &["enable"]),
        (Running, &[("enabled", "static")], &[]),
        (Any, &[("active", "inactive"), ("mtime /etc/a", "101")], &[]),
        (Any, &[("mtime /etc/a", "101")], &["restart"]),
        (
            Any,
            &[("active", "inactive"), ("enabled", "disabled")],
            &["enable"],
        ),
        (Stopped, &[], &["stop"]),
        (Stopped, &[("active", "inactive")], &[]),
    ];
    for (state, values, expected) in table {
        assert_eq!(
            one(service(*state), values),
            *expected,
            "{state:?} {values:?}"
        );
    }
    let off = Service {
        enabled: false,
        ..service(Stopped)
    };
    assert_eq!(one(off.clone(), &[("active", "inactive")]), ["disable"]);
    assert_eq!(
        one(off, &[("active", "inactive"), ("enabled", "masked")]),
        [""; 0]
    );
}

#[test]
fn a_service_sees_what_changes_before_it() {
    let file = |path: &str| Resource::File(File::new(path, "x", 0o644));
    let running = seen(&[
        ("load", "loaded"),
        ("active", "active"),
        ("enabled", "enabled"),
        ("since", "100"),
    ]);
    let unit = || Resource::Service(service(ServiceState::Running));
    let before = |path: &str| {
        compare(
            &[file(path), unit()],
            &[Observed::default(), running.clone()],
        )
    };
    assert_eq!(
        before("/etc/a")[1].summary,
        "service haproxy.service (for /etc/a)"
    );
    assert_eq!(before("/etc/b")[1].verb, "reload");
    assert_eq!(before("/etc/c").len(), 1);
    // What comes after it is none of its business, and a change of mode alone is no change of content.
    assert_eq!(
        verbs(
            &[unit(), file("/etc/a")],
            &[running.clone(), Observed::default()]
        ),
        ["create"]
    );
    let same = seen(&[
        ("state", "file"),
        ("mode", "600"),
        ("owner", "ours"),
        ("sha256", &crate::digest::sha256(b"x")),
    ]);
    assert_eq!(verbs(&[file("/etc/a"), unit()], &[same, running]), ["set"]);
}

#[test]
fn a_unit_that_a_package_brings_is_started_after_it() {
    let missing = seen(&[
        ("load", "not-found"),
        ("active", "inactive"),
        ("enabled", ""),
    ]);
    let optional = Service {
        required: false,
        ..service(ServiceState::Running)
    };
    let resources = [
        Resource::Package(Package::new("haproxy")),
        Resource::Service(optional),
    ];
    assert_eq!(
        verbs(&resources, &[Observed::default(), missing.clone()]),
        ["install", "start"]
    );
    assert_eq!(
        verbs(
            &resources,
            &[seen(&[("installed", "haproxy")]), missing.clone()]
        ),
        [""; 0]
    );
    assert_eq!(
        verbs(
            &[Resource::Service(service(ServiceState::Running))],
            &[missing]
        ),
        ["start"]
    );
}

#[test]
fn what_a_kernel_lacks_matters_only_where_it_is_required() {
    let module = |required| {
        Resource::Module(Module {
            name: "br_netfilter".into(),
            proof: None,
            required,
        })
    };
    let sysctl = |required| {
        Resource::Sysctl(Sysctl {
            key: "net.bridge.bridge-nf-call-iptables".into(),
            value: "1".into(),
            required,
        })
    };
    let unavailable = seen(&[("state", "unavailable")]);
    assert_eq!(
        verbs(&[module(true)], std::slice::from_ref(&unavailable)),
        ["load"]
    );
    assert_eq!(
        verbs(&[module(false)], std::slice::from_ref(&unavailable)),
        [""; 0]
    );
    assert_eq!(
        verbs(&[module(false)], &[seen(&[("state", "available")])]),
        ["load"]
    );
    assert_eq!(verbs(&[sysctl(false)], &[Observed::default()]), [""; 0]);
    assert_eq!(verbs(&[sysctl(true)], &[Observed::default()]), ["set"]);
    // The module may bring the key.
    let both = [module(false), sysctl(false)];
    assert_eq!(
        verbs(
            &both,
            &[seen(&[("state", "available")]), Observed::default()]
        ),
        ["load", "set"]
    );
    assert_eq!(verbs(&[sysctl(true)], &[seen(&[("value", "1")])]), [""; 0]);
}

#[test]
fn the_answer_of_a_host_is_read() {
    let resources = [
        Resource::Sysctl(Sysctl {
            key: "net.ipv4.ip_local_port_range".into(),
            value: "32768 60999".into(),
            required: true,
        }),
        Resource::Sysctl(Sysctl {
            key: "net.ipv4.conf.eth0/100.forwarding".into(),
            value: "1".into(),
            required: true,
        }),
        Resource::Package(Package {
            name: "containerd".into(),
            or: vec!["containerd.io".into()],
        }),
        Resource::Service(service(ServiceState::Running)),
        Resource::Image(Image {
            references: vec!["registry.k8s.io/pause:3.10".into(), "busybox".into()],
            item: None,
        }),
        Resource::SwapOff(SwapOff),
        Resource::Hostname(Hostname { name: "cp1".into() }),
        Resource::Module(Module {
            name: "br_netfilter".into(),
            proof: Some("/proc/sys/net/bridge".into()),
            required: true,
        }),
    ];
    let list: Vec<&Resource> = resources.iter().collect();
    let answer = "me 0\npath 1 644 0 5 1.5 regular file\npath 2 644 0 5 4.000001 regular file\npath 3 555 0 0 1.0 directory\n\
        package containerd.io installed 1.7\nmodule br_netfilter unavailable\n\
        sysctl net/ipv4/ip_local_port_range:32768\t60999\nsysctl net/ipv4/conf/eth0.100/forwarding:0\n\
        unit LoadState=loaded\nunit ActiveState=active\nunit UnitFileState=enabled\nunit ExecMainStartTimestamp=\n\
        unit InactiveExitTimestamp=Thu 1970-01-01 00:00:02.000000 UTC\nreloaded haproxy.service 3.5\n\
        swap /dev/sda2\nhostname debian\netc-hostname debian\nimage registry.k8s.io/pause:3.10\nend\n";
    let observed = parse_probe(&list, answer).unwrap();
    let summaries: Vec<String> = compare(&resources, &observed)
        .into_iter()
        .map(|change| format!("{} {}", change.verb, change.summary))
        .collect();
    assert_eq!(
        summaries,
        [
            "set sysctl net.ipv4.conf.eth0/100.forwarding (0 → 1)",
            "reload service haproxy.service (for /etc/b)",
            "import image registry.k8s.io/pause:3.10 busybox",
            "disable swap off (/dev/sda2)",
            "set hostname (debian → cp1)",
        ]
    );
    assert!(
        parse_probe(&list, answer.strip_suffix("end\n").unwrap()).is_err(),
        "a cut answer"
    );
    assert!(parse_probe(&list, "path 99 644 0 5 1.5 regular file\nend\n").is_err());
}

#[test]
fn neighbouring_packages_are_installed_by_one_call() {
    let resources: Vec<Resource> = ["socat", "conntrack", "it's"]
        .map(|name| Resource::Package(Package::new(name)))
        .into();
    let script = apply_script("apply", &compare(&resources, &[]));
    assert!(
        script
            .body
            .contains("\npackages socat conntrack \"it's\"\n"),
        "{}",
        script.body
    );
    assert!(script.mutating);
}
