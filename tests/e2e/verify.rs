//! `verify` on lab hosts: whole, each claim broken, hosts out of service, and killed.

use std::{
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{HostLine, Lab, Run};

const HOSTS: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("cp2", "control-plane", 12),
    ("cp3", "control-plane", 13),
    ("w1", "worker", 21),
];
const MINUTE: Duration = Duration::from_mins(1);
/// Claims for which objects are made: left out where something else is looked at.
const OBJECTS: &[&str] = &[
    "pods",
    "load-balancer",
    "load-balancer-arp",
    "load-balancer-http",
    "storage",
    "storage-move",
];

#[test]
#[ignore = "needs a container engine"]
fn e2e_verify() {
    let lab = Lab::new("e2e-verify", 63, HOSTS);
    lab.up().ok();
    let real = real(&lab);
    whole(&lab, real);
    quick(&lab, real);
    killed_with_objects(&lab);
    each_claim_broken(&lab);
    if real {
        what_only_real_pods_show(&lab);
    }
    the_virtual_ip_moves(&lab);
    a_control_plane_goes_and_comes(&lab);
    killed_with_a_host_away(&lab);
    whole(&lab, real);
}

fn verify(lab: &Lab, more: &[&str]) -> Run {
    lab.run(&["verify"], &[&["--output", "json"], more].concat())
}

/// `--failover` with nothing but the quick half before it.
fn fail_over(lab: &Lab, how: &[&str]) -> Run {
    verify(lab, &[how, &without_objects()].concat())
}

fn without_objects() -> Vec<&'static str> {
    OBJECTS.iter().flat_map(|id| ["--skip-check", id]).collect()
}

/// Whether Kubernetes is a real one, whose every claim can be shown.
fn real(lab: &Lab) -> bool {
    let version = lab.kubectl(&["get", "--raw", "/version"]).ok().stdout;
    !version.contains("stand-in")
}

/// `level id host` of every claim.
fn claims(run: &Run) -> Vec<String> {
    let mut claims: Vec<String> = findings(run)
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("level"), text("id"), text("host"))
        })
        .collect();
    claims.sort();
    claims
}

fn findings(run: &Run) -> Vec<Value> {
    run.events()
        .iter()
        .filter(|event| event["event"] == "verified")
        .flat_map(|event| event["findings"].as_array().cloned().unwrap_or_default())
        .collect()
}

/// The claims that failed, as `id host`.
fn failed(run: &Run) -> Vec<String> {
    claims(run)
        .iter()
        .filter_map(|one| one.strip_prefix("failure ").map(str::to_owned))
        .collect()
}

fn found<'a>(all: &'a [Value], id: &str) -> &'a str {
    let one = all.iter().find(|one| one["id"] == id);
    one.and_then(|one| one["found"].as_str()).unwrap_or("")
}

#[track_caller]
fn nothing_is_left(lab: &Lab) {
    let left = lab
        .kubectl(&[
            "get",
            "namespaces",
            "-l",
            "baremetal.dev/verify=yes",
            "-o",
            "name",
        ])
        .ok();
    assert_eq!(left.stdout.trim(), "");
    for (host, ..) in HOSTS {
        let away = lab.on(
            host,
            "ls /run/baremetal-put-back 2>/dev/null; systemctl is-active baremetal-put-back.timer",
        );
        assert_eq!(away.stdout.trim(), "inactive", "{host}");
    }
}

#[track_caller]
fn whole(lab: &Lab, real: bool) {
    let report = lab.directory.path().join("verify.xml");
    let run = verify(lab, &["--junit", report.to_str().unwrap()]).ok();
    let every = |level: &str, id: &str| -> Vec<String> {
        let hosts = HOSTS.iter().map(|(host, ..)| *host);
        hosts.map(|host| format!("{level} {id} {host}")).collect()
    };
    let shown = if real { "passed" } else { "skipped" };
    let all = claims(&run);
    for (level, id) in [
        ("passed", "api"),
        ("passed", "nodes"),
        (shown, "dns"),
        (shown, "pods"),
    ] {
        for one in every(level, id) {
            assert!(all.contains(&one), "{one}: {all:#?}");
        }
    }
    let one = |level: &str, id: &str| {
        let start = format!("{level} {id} ");
        let hits = all.iter().filter(|one| one.starts_with(&start)).count();
        assert_eq!(hits, 1, "{start}: {all:#?}");
    };
    for (level, id) in [
        ("passed", "vip"),
        ("passed", "etcd"),
        ("passed", "load-balancer"),
        (shown, "load-balancer-arp"),
        (shown, "load-balancer-http"),
        // The inventory has none.
        ("skipped", "storage"),
        ("skipped", "storage-move"),
        ("passed", "cleanup"),
    ] {
        one(level, id);
    }
    assert_eq!(all.len(), 4 * 4 + 8, "{all:#?}");
    let findings = findings(&run);
    let address = format!("a Service got {}.", lab.net);
    assert!(
        found(&findings, "load-balancer").starts_with(&address),
        "{findings:#?}"
    );
    if !real {
        for id in ["dns", "pods", "load-balancer-arp", "load-balancer-http"] {
            assert!(found(&findings, id).contains("stand-in"), "{id}");
        }
    }
    let junit = std::fs::read_to_string(report).unwrap();
    assert!(
        junit.contains("<testsuite name=\"verify\" tests=\"24\" failures=\"0\" errors=\"0\""),
        "{junit}"
    );
    nothing_is_left(lab);
}

/// Makes nothing, and asks each host as little as can be.
fn quick(lab: &Lab, real: bool) {
    let run = verify(lab, &["--quick"]).ok();
    let end = run.finished();
    assert_eq!(end["mutating"], 0, "{end}");
    for (host, ..) in HOSTS {
        let trips = if *host == "cp1" { 3 } else { 2 };
        assert_eq!(end["round-trips"][host], trips, "{end}");
    }
    let unknown = if real { 0 } else { 4 };
    let all = claims(&run);
    assert_eq!(all.len(), 3 * 4 + 2, "{all:#?}");
    assert_eq!(
        all.iter().filter(|one| one.starts_with("passed ")).count(),
        all.len() - unknown,
        "{all:#?}"
    );
}

fn start(lab: &Lab, more: &[&str]) -> Child {
    lab.command(&["verify"], more)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts")
}

/// Kills the program as soon as something can be seen of it.
fn killed_when(lab: &Lab, more: &[&str], seen: impl Fn() -> bool) {
    let mut child = start(lab, more);
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < MINUTE, "it was not come to");
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("SIGKILL is sent");
    child.wait().expect("a killed program ends");
}

fn killed_with_objects(lab: &Lab) {
    let spaces = || {
        lab.kubectl(&[
            "get",
            "namespaces",
            "-l",
            "baremetal.dev/verify=yes",
            "-o",
            "name",
        ])
        .ok()
        .stdout
    };
    killed_when(lab, &[], || spaces().contains("baremetal-verify-"));
    let left = spaces();
    assert!(left.contains("baremetal-verify-"), "the kill came too late");
    let name = left.trim().trim_start_matches("namespace/");
    let marks = lab.kubectl(&[
        "get",
        "namespace",
        name,
        "-o",
        "jsonpath={.metadata.annotations}",
    ]);
    assert!(marks.ok().stdout.contains("baremetal.dev/since"));
    verify(lab, &[]).ok();
    nothing_is_left(lab);
}

fn holder(lab: &Lab) -> String {
    let holders = lab.vip_holders(HOSTS);
    assert_eq!(holders.len(), 1, "{holders:?}");
    holders[0].clone()
}

/// A control plane that does not hold the virtual IP, and through which nobody asks first.
fn bystander(lab: &Lab) -> &'static str {
    let holder = holder(lab);
    ["cp3", "cp2"]
        .into_iter()
        .find(|name| *name != holder)
        .unwrap()
}

fn within(limit: Duration, what: &str, done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < limit, "{what} took longer than {limit:?}");
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn is_well(lab: &Lab) -> bool {
    verify(lab, &["--quick"]).code == Some(0)
}

/// The claims that fail now; everything that fails says what is needed and what to do.
fn failures(lab: &Lab, expected: &[&str]) -> Vec<String> {
    let run = verify(lab, &["--quick"]).code(6);
    let failed = failed(&run);
    for one in expected {
        assert!(failed.iter().any(|line| line == one), "{one}: {failed:?}");
    }
    for one in findings(&run)
        .iter()
        .filter(|one| one["level"] == "failure")
    {
        assert!(one["needed"] != "" && one["fix"] != "", "{one}");
    }
    failed
}

fn each_claim_broken(lab: &Lab) {
    the_endpoint_out_of_reach(lab);
    the_virtual_ip_twice_and_nowhere(lab);
    a_kubelet_and_a_member_stopped(lab);
    no_address(lab);
}

fn the_endpoint_out_of_reach(lab: &Lab) {
    let rule = format!("OUTPUT -d {} -p tcp --dport 6443 -j DROP", lab.vip());
    lab.on("w1", &format!("iptables -I {rule}")).ok();
    failures(lab, &["api w1"]);
    lab.on("w1", &format!("iptables -D {rule}")).ok();
}

fn the_virtual_ip_twice_and_nowhere(lab: &Lab) {
    let (vip, other) = (lab.vip(), bystander(lab));
    let both = [format!("vip {other}"), format!("vip {}", holder(lab))];
    // Nobody is to learn of it by ARP: what is remembered would last longer than the test.
    let twice = format!(
        "cat /proc/sys/net/ipv4/conf/all/arp_ignore >/root/kept && echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore && ip addr add {vip}/32 dev lo"
    );
    let once = format!(
        "ip addr del {vip}/32 dev lo && cat /root/kept >/proc/sys/net/ipv4/conf/all/arp_ignore && rm /root/kept"
    );
    lab.on(other, &twice).ok();
    failures(lab, &both.each_ref().map(String::as_str));
    lab.on(other, &once).ok();
    // Where no haproxy answers, nobody holds it, and no node reaches the API; etcd does not mind.
    let planes = ["cp1", "cp2", "cp3"];
    for host in planes {
        lab.on(host, "systemctl stop haproxy").ok();
    }
    std::thread::sleep(Duration::from_secs(4));
    let all = failures(lab, &["api cp1", "api w1", "vip cp1"]);
    assert!(!all.iter().any(|line| line.starts_with("etcd")), "{all:?}");
    for host in planes {
        lab.on(host, "systemctl start haproxy").ok();
    }
    within(MINUTE, "haproxy's return", || {
        lab.answers() && lab.vip_holders(HOSTS).len() == 1
    });
}

fn a_kubelet_and_a_member_stopped(lab: &Lab) {
    let plane = bystander(lab);
    lab.on("w1", "systemctl stop kubelet").ok();
    lab.on(plane, STOP_ETCD).ok();
    // The controller manager gives a kubelet that is silent some time.
    within(2 * MINUTE, "to miss w1's kubelet", || {
        let node = lab.kubectl(&["get", "node", "w1", "--no-headers"]).ok();
        node.stdout.contains("NotReady")
    });
    failures(lab, &["nodes w1", &format!("etcd {plane}")]);
    // Nobody is taken out of service on top of that, least of all a member that quorum needs.
    let run = fail_over(lab, &["--failover"]).code(6);
    let left = format!("skipped failover {}", holder(lab));
    assert!(claims(&run).contains(&left), "{:?}", claims(&run));
    let refused = fail_over(lab, &["--failover=node"]).code(8);
    let why = "is not taken out of service: etcd would have no quorum";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
    let dead = format!("etcd {plane}");
    assert!(failed(&refused).contains(&dead), "{:?}", claims(&refused));
    lab.on(&holder(lab), "systemctl is-active keepalived kubelet")
        .ok();
    for host in ["w1", plane] {
        lab.on(host, "systemctl start kubelet").ok();
    }
    within(MINUTE, "the kubelets' return", || is_well(lab));
}

fn no_address(lab: &Lab) {
    let automatic = |on: bool| {
        let patch = format!("{{\"spec\":{{\"autoAssign\":{on}}}}}");
        let pool = [
            "-n",
            "metallb-system",
            "patch",
            "ipaddresspool",
            "default",
            "--type",
            "merge",
            "-p",
        ];
        // Whom the webhook's pod has moved from in the meantime is found out by trying.
        let patched = || lab.kubectl(&[&pool[..], &[&patch]].concat()).code == Some(0);
        within(MINUTE, "MetalLB's webhook", patched);
    };
    automatic(false);
    let run = verify(lab, &[]).code(6);
    automatic(true);
    assert_eq!(failed(&run).len(), 1, "{:?}", claims(&run));
    assert_eq!(
        found(&findings(&run), "load-balancer"),
        "a Service got no address within 20 s"
    );
    nothing_is_left(lab);
}

/// The claims that the stand-in skips.
fn what_only_real_pods_show(lab: &Lab) {
    names_are_not_answered(lab);
    packets_of_pods_are_lost(lab);
    two_machines_have_the_address_of_a_service(lab);
}

fn names_are_not_answered(lab: &Lab) {
    let scale = |replicas: &str| {
        let to = [
            "-n",
            "kube-system",
            "scale",
            "deployment",
            "coredns",
            replicas,
        ];
        lab.kubectl(&to).ok();
    };
    scale("--replicas=0");
    within(MINUTE, "the end of CoreDNS", || {
        let verified = verify(lab, &["--quick"]);
        verified.code == Some(6) && failed(&verified).contains(&"dns w1".to_owned())
    });
    scale("--replicas=2");
    lab.settled();
    within(MINUTE, "the return of CoreDNS", || is_well(lab));
}

fn packets_of_pods_are_lost(lab: &Lab) {
    let rule = "INPUT -p udp --dport 8472 -j DROP";
    lab.on("w1", &format!("iptables -I {rule}")).ok();
    let run = verify(lab, &[]).code(6);
    lab.on("w1", &format!("iptables -D {rule}")).ok();
    let all = failed(&run);
    assert!(all.contains(&"pods w1".to_owned()), "{all:?}");
    assert!(!all.iter().any(|one| one.starts_with("etcd")), "{all:?}");
    nothing_is_left(lab);
}

fn two_machines_have_the_address_of_a_service(lab: &Lab) {
    // The first of the pool; two of the hosts, as one of them may be the one that announces it.
    let address = format!("{}.200/32", lab.net);
    let both = ["w1", bystander(lab)];
    for host in both {
        lab.on(host, &format!("ip addr add {address} dev eth0"))
            .ok();
    }
    let run = verify(lab, &[]).code(6);
    for host in both {
        lab.on(host, &format!("ip addr del {address} dev eth0"))
            .ok();
    }
    let all = failed(&run);
    let arp = |one: &String| one.starts_with("load-balancer-arp ");
    assert!(all.iter().any(arp), "{all:?}");
    nothing_is_left(lab);
}

/// Static pods of the stand-in are a unit; of a real cluster, containers.
const STOP_ETCD: &str = "systemctl stop kubelet; systemctl stop standin-static-pods 2>/dev/null || \
                         crictl pods -q --namespace kube-system --name '^etcd' | xargs -r crictl stopp";

fn the_virtual_ip_moves(lab: &Lab) {
    let before = holder(lab);
    let run = fail_over(lab, &["--failover"]).ok();
    let all = findings(&run);
    let found = found(&all, "failover");
    assert!(
        found.contains(&format!("with keepalived stopped on {before}")),
        "{found}"
    );
    assert!(
        found.contains("took the virtual IP; it is back in service"),
        "{found}"
    );
    assert_ne!(holder(lab), before);
    lab.on(&before, "systemctl is-active keepalived haproxy")
        .ok();
    nothing_is_left(lab);
}

fn a_control_plane_goes_and_comes(lab: &Lab) {
    let before = holder(lab);
    let run = fail_over(lab, &["--failover=node", "--max-gap", "10s"]).ok();
    let all = findings(&run);
    let found = found(&all, "failover");
    assert!(
        found.contains(&format!("with all of {before}'s control plane stopped")),
        "{found}"
    );
    lab.on(&before, "systemctl is-active keepalived haproxy kubelet")
        .ok();
    nothing_is_left(lab);
    assert!(is_well(lab));
}

/// The host comes back although nobody lives to put it back.
fn killed_with_a_host_away(lab: &Lab) {
    let away = holder(lab);
    let runs = || lab.on(&away, "systemctl is-active --quiet keepalived").code == Some(0);
    let how = [&["--failover", "--max-gap", "1s"], &without_objects()[..]].concat();
    killed_when(lab, &how, || !runs());
    assert!(!runs(), "the kill came too late");
    within(Duration::from_secs(40), "its return by itself", runs);
}
