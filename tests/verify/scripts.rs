//! The scripts themselves, with the host's programs played where this machine must not be changed.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, UdpSocket},
    process::{Command, Stdio},
    thread,
};

use baremetal::{
    observe::cluster_script,
    phases::verify::{
        failover::{self, Away, Failover},
        holds_script, host_script,
        trial::{self, ArpAsk},
    },
    remote::Script,
};

use super::{INVENTORY, load, objects::trial_of};
use crate::support::played::Host;

#[test]
fn scripts_please_shellcheck() {
    let cluster = load(INVENTORY);
    let trial = trial_of(&cluster);
    let plan = Failover {
        away: Away::Node,
        host: "cp1".to_owned(),
        bound: std::time::Duration::from_secs(5),
    };
    let ask = ArpAsk {
        host: "cp1".to_owned(),
        interface: "eth0".to_owned(),
        own: "10.0.0.11".parse().unwrap(),
    };
    let address = "10.0.0.200".parse().unwrap();
    for script in [
        host_script(&cluster, &cluster.hosts[0]),
        holds_script(&cluster),
        cluster_script("https://127.0.0.1:2379"),
        trial.make().unwrap(),
        trial.wait(false),
        trial.move_volume("w1", "volume-1", None),
        trial.wait_volume("volume-1"),
        trial.pairs("10.244.1.2", &[]),
        trial::volume("write", "u", "x"),
        trial::arp(&ask, address),
        trial::remove(),
        plan.take_away(),
        failover::put_back(),
    ] {
        let mut shellcheck = Command::new("shellcheck")
            // Functions that one script of several uses; a prelude that all begin with.
            .args(["-s", "sh", "-e", "SC2317,SC2329,SC2034", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("shellcheck is needed");
        let mut stdin = shellcheck.stdin.take().unwrap();
        stdin.write_all(script.body.as_bytes()).unwrap();
        drop(stdin);
        let output = shellcheck.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", script.name);
    }
}

/// An API server's answers to `kubectl get --raw`.
const API: &str = r#"for word; do page=$word; done
[ ! -f "$home/down" ] || { echo 'error: connection refused' >&2; exit 1; }
case $page in /readyz) echo ok ;; /version) cat "$home/version" ;; esac"#;

/// Answers one question over UDP as a name server does; `answer` makes the end of the answer.
fn name_server(rcode: u8, address: [u8; 4]) -> (u16, thread::JoinHandle<Vec<u8>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(std::time::Duration::from_secs(10)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let task = thread::spawn(move || {
        let mut question = [0; 512];
        let (length, from) = socket.recv_from(&mut question).unwrap();
        let question = question[..length].to_vec();
        let mut answer = question.clone();
        answer[2] = 0x85;
        answer[3] = rcode;
        answer[7] = u8::from(rcode == 0);
        if rcode == 0 {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4]);
            answer.extend(address);
        }
        socket.send_to(&answer, from).unwrap();
        question
    });
    (port, task)
}

/// The script of a worker that asks a name server of ours, and waits for nothing.
fn on_worker(port: u16) -> Script {
    let cluster = load(INVENTORY);
    let mut script = host_script(&cluster, cluster.host("w1").unwrap());
    assert_eq!(script.args[4..9], ["tell", "5", "5", "10.96.0.10", "53"]);
    script.args[5] = String::from("0");
    script.args[6] = String::from("0");
    script.args[7] = String::from("127.0.0.1");
    script.args[8] = port.to_string();
    assert!(!script.mutating);
    script
}

#[test]
fn a_host_tells_of_the_api_and_of_dns() {
    let host = Host::new(&[
        ("kubectl", API),
        ("ip", "echo '2: eth0 inet 10.0.0.10/32 scope global eth0'"),
    ]);
    fs::write(host.path("version"), r#"{"gitCommit": "bae2c62"}"#).unwrap();
    let (port, server) = name_server(0, [10, 96, 0, 1]);
    let told = host.run(&on_worker(port), &[]).ok();
    assert_eq!(
        told.stdout,
        "api ok\ndns ok\nholds yes\n::secret HOLDS_VIP_W1 yes\n"
    );
    // One datagram, with a name as names are written, although a label has the length of a line end.
    let question = server.join().unwrap();
    let mut expected = b"\x42\x4d\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x0akubernetes\x07default\x03svc\x07cluster\x05local\x00".to_vec();
    expected.extend([0, 1, 0, 1]);
    assert_eq!(question, expected);
    for (rcode, address, why) in [
        (0, [10, 96, 0, 2], "another address is in the answer"),
        (2, [0; 4], "it answers SERVFAIL"),
        (3, [0; 4], "it answers NXDOMAIN"),
    ] {
        let (port, server) = name_server(rcode, address);
        let told = host.run(&on_worker(port), &[]).ok();
        assert!(
            told.stdout.contains(&format!("\ndns fail {why}\n")),
            "{}",
            told.stdout
        );
        server.join().unwrap();
    }
}

#[test]
fn a_host_without_the_api_says_why_and_up_stops_there() {
    let host = Host::new(&[("kubectl", API), ("ip", "echo '2: eth0 inet 10.0.0.21/24'")]);
    fs::write(host.path("version"), r#"{"gitCommit": "stand-in"}"#).unwrap();
    let told = host.run(&on_worker(1), &[]).ok();
    assert_eq!(
        told.stdout,
        "api ok\ndns skip Kubernetes is a stand-in, which runs no CoreDNS\nholds no\n::secret HOLDS_VIP_W1 no\n"
    );
    fs::write(host.path("down"), "").unwrap();
    let mut script = on_worker(1);
    let told = host.run(&script, &[]).ok();
    assert!(
        told.stdout
            .starts_with("api fail error: connection refused\ndns skip the API, "),
        "{}",
        told.stdout
    );
    script.args[4] = String::from("fail");
    let stopped = host.run(&script, &[]).code(1);
    assert_eq!(
        stopped.stderr,
        "https://10.0.0.10:6443/readyz does not answer with the cluster's CA from here: error: connection refused\n"
    );
}

#[test]
fn pods_ask_each_other_from_the_namespace_that_has_their_address() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                asked.extend(byte);
            }
            let fine = asked.starts_with(b"GET /health HTTP/1.0\r\n");
            let status = if fine { "200 OK" } else { "404 Not Found" };
            write!(stream, "HTTP/1.1 {status}\r\n\r\nOK").unwrap();
        }
    });
    let host = Host::new(&[(
        "nsenter",
        r#"space=${1#--net=}; shift
[ "$1" = ip ] || { case $space in */right) exec "$@" ;; *) exit 1 ;; esac; }
case $space in */right) echo '3: eth0 inet 10.244.1.2/24' ;; *) echo '3: eth0 inet 10.244.1.23/24' ;; esac"#,
    )]);
    fs::create_dir_all(host.path("run/netns")).unwrap();
    for name in ["other", "right"] {
        fs::write(host.path("run/netns").join(name), "").unwrap();
    }
    let mut trial = trial_of(&load(INVENTORY));
    trial.port = port;
    let others = [("w1", "127.0.0.1"), ("w2", "127.0.0.2")];
    let said = host
        .run(&trial.pairs("10.244.1.2", &others[..1]), &["/run/netns"])
        .ok();
    assert_eq!(said.stdout, "w1 ok\n");
    let said = host
        .run(&trial.pairs("10.244.1.2", &others[1..]), &["/run/netns"])
        .ok();
    assert_eq!(said.stdout, "w2 fail no answer\n");
    trial.path = "/elsewhere".to_owned();
    let said = host
        .run(&trial.pairs("10.244.1.2", &others[..1]), &["/run/netns"])
        .ok();
    assert_eq!(said.stdout, "w1 fail HTTP/1.1 404 Not Found\n");
    let said = host
        .run(&trial.pairs("10.244.9.9", &others), &["/run/netns"])
        .ok();
    assert!(
        said.stdout.starts_with("none no network namespace in "),
        "{}",
        said.stdout
    );
}

#[test]
fn a_volume_is_only_one_where_something_is_mounted() {
    // The mount has another device where the file says so.
    let stat = r#"case $3 in */mount) cat "$home/device" ;; *) echo 1 ;; esac"#;
    let host = Host::new(&[("stat", stat)]);
    let places = ["/var/lib/kubelet"];
    let of = |way: &str, content: &str| {
        host.run(&trial::volume(way, "uid-1", content), &places)
            .ok()
            .stdout
    };
    assert!(of("write", "a").starts_with("fail the kubelet has no volume"));
    let mount = host.path("var/lib/kubelet/pods/uid-1/volumes/kubernetes.io~csi/pvc-1/mount");
    fs::create_dir_all(&mount).unwrap();
    fs::write(host.path("device"), "1\n").unwrap();
    assert!(of("write", "a").starts_with("fail nothing is mounted on "));
    assert!(!mount.join("baremetal-verify").exists());
    fs::write(host.path("device"), "2\n").unwrap();
    assert_eq!(
        of("read", "a"),
        "fail the file that was written is not there\n"
    );
    assert_eq!(of("write", "a b"), "ok\n");
    assert_eq!(of("read", "a b"), "ok\n");
    assert_eq!(
        of("read", "c"),
        "fail it gives back something else than was written\n"
    );
}

/// Namespaces and volumes that go when they are deleted; every change is written down.
const OBJECTS: &str = r#"shift 2
case "$*" in
'get namespaces '*) cat "$home/spaces" ;;
'get persistentvolumes '*) cat "$home/volumes" ;;
'delete '*) echo "$*" >>"$home/log"; : >"$home/spaces"; : >"$home/volumes" ;;
'patch '* | 'apply '*) echo "$*" >>"$home/log" ;;
*) echo "unexpected: $*" >&2; exit 1 ;;
esac"#;

#[test]
fn what_a_killed_run_has_left_goes_before_anything_is_made() {
    let host = Host::new(&[("kubectl", OBJECTS)]);
    let left = |spaces: &str, volumes: &str| {
        fs::write(host.path("spaces"), spaces).unwrap();
        fs::write(host.path("volumes"), volumes).unwrap();
        fs::remove_file(host.path("log")).ok();
    };
    let trial = trial_of(&load(INVENTORY));
    let private = host.path("private");
    let apply = format!(
        "apply --server-side --field-manager=baremetal-verify -f {}/objects.yaml\n",
        private.display()
    );
    left("", "pvc-9 shop\n");
    host.run(&trial.make().unwrap(), &[]).ok();
    assert_eq!(host.text("log"), apply);
    left(
        "namespace/baremetal-verify-1\n",
        "pvc-1 baremetal-verify-1\npvc-9 shop\n",
    );
    let said = host.run(&trial.make().unwrap(), &[]).ok();
    assert!(
        said.stdout
            .contains("::say removing what an earlier verification has left")
    );
    let swept = "patch persistentvolume pvc-1 --type merge -p {\"spec\":{\"persistentVolumeReclaimPolicy\":\"Delete\"}}\n\
                 delete namespace/baremetal-verify-1 --wait=false --ignore-not-found\n";
    assert_eq!(host.text("log"), format!("{swept}{apply}"));
    left(
        "namespace/baremetal-verify-1\n",
        "pvc-1 baremetal-verify-1\n",
    );
    host.run(&trial::remove(), &[]).ok();
    assert_eq!(host.text("log"), swept);
    left("", "");
    host.run(&trial::remove(), &[]).ok();
    assert_eq!(host.text("log"), "");
}

/// Units that are active while a file says so.
const SYSTEMCTL: &str = r#"echo "$*" >>"$home/log"
case $1 in
is-active) [ -f "$home/active/$3" ] ;;
stop) rm -f "$home/active/$2" ;;
start) [ ! -f "$home/broken" ] || exit 1; shift; for unit; do : >"$home/active/$unit"; done ;;
esac"#;

/// Sets the timer unless it must not be had; the command is kept.
const SYSTEMD_RUN: &str = r#"echo "systemd-run $*" >>"$home/log"
for word; do command=$word; done
printf '%s\n' "$command" >"$home/timer"
[ -f "$home/no-timer" ] || : >"$home/active/baremetal-put-back.timer""#;

/// A pod of each name, until it is removed.
const CRICTL: &str = r#"[ ! -f "$home/no-runtime" ] || exit 1
case $1 in
pods) for word; do name=$word; done; [ -f "$home/active/id-${name#^}.gone" ] || echo "id-${name#^}" ;;
rmp) echo "crictl $*" >>"$home/log"; [ -f "$home/stubborn" ] || : >"$home/active/$3.gone" ;;
esac"#;

/// A host on which these units run, and the files of its own that the scripts know.
fn with_units(units: &[&str]) -> Host {
    let host = Host::new(&[
        ("systemctl", SYSTEMCTL),
        ("systemd-run", SYSTEMD_RUN),
        ("crictl", CRICTL),
    ]);
    fs::create_dir_all(host.path("active")).unwrap();
    fs::create_dir_all(host.path("run")).unwrap();
    for unit in units {
        fs::write(host.path("active").join(unit), "").unwrap();
    }
    host
}

const PUT_BACK: [&str; 1] = ["/run/baremetal-put-back"];

fn active(host: &Host, unit: &str) -> bool {
    host.path("active").join(unit).exists()
}

fn take_away(away: Away) -> Script {
    let plan = Failover {
        away,
        host: "cp1".to_owned(),
        bound: std::time::Duration::from_secs(5),
    };
    plan.take_away()
}

#[test]
fn a_host_goes_away_only_with_a_timer_that_brings_it_back() {
    let host = with_units(&["keepalived.service", "kubelet.service"]);
    fs::write(host.path("no-timer"), "").unwrap();
    let refused = host.run(&take_away(Away::Vip), &PUT_BACK).code(1);
    let said = &refused.stderr;
    assert!(said.contains("no timer could be set"), "{said}");
    assert!(active(&host, "keepalived.service"), "{}", host.text("log"));
    fs::remove_file(host.path("no-timer")).unwrap();

    host.run(&take_away(Away::Vip), &PUT_BACK).ok();
    assert!(!active(&host, "keepalived.service") && active(&host, "kubelet.service"));
    let log = host.text("log");
    assert!(log.contains("--on-active=25 "), "{log}");
    // A second run finds it away, and puts it back first.
    host.run(&take_away(Away::Node), &PUT_BACK).ok();
    assert!(!active(&host, "keepalived.service") && !active(&host, "kubelet.service"));
    // haproxy did not run before: it is not started either.
    let list = "keepalived.service\nkubelet.service\n";
    assert_eq!(host.text("run/baremetal-put-back"), list);
    let log = host.text("log");
    for name in [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "etcd",
    ] {
        let gone = format!("crictl rmp --force id-{name}\n");
        assert!(log.contains(&gone), "{log}");
    }
    // The words of the timer are read by systemd before a shell does.
    assert!(
        !host.text("timer").contains(['$', '%']),
        "{}",
        host.text("timer")
    );
    // What the timer does when nobody else lives to do it.
    let systemctl = host.path("bin/systemctl").display().to_string();
    let timer = host.text("timer").replace("systemctl", &systemctl);
    let done = Command::new("sh").args(["-c", &timer]).status().unwrap();
    assert!(done.success());
    assert!(active(&host, "keepalived.service") && active(&host, "kubelet.service"));
    assert!(!host.path("run/baremetal-put-back").exists());
}

#[test]
fn half_a_control_plane_is_not_taken_for_a_whole_one() {
    let host = with_units(&["keepalived.service", "kubelet.service"]);
    fs::write(host.path("no-runtime"), "").unwrap();
    let refused = host.run(&take_away(Away::Node), &PUT_BACK).code(1);
    let said = &refused.stderr;
    assert!(said.contains("crictl does not work on this host"), "{said}");
    assert!(active(&host, "keepalived.service") && active(&host, "kubelet.service"));
    fs::remove_file(host.path("no-runtime")).unwrap();
    fs::write(host.path("stubborn"), "").unwrap();
    let half = host.run(&take_away(Away::Node), &PUT_BACK).code(1);
    assert_eq!(half.stderr, "kube-apiserver still runs\n");
    assert!(active(&host, "baremetal-put-back.timer"));
    host.run(&failover::put_back(), &PUT_BACK).ok();
    assert!(active(&host, "keepalived.service") && active(&host, "kubelet.service"));
    let bare = with_units(&[]);
    let nothing = bare.run(&take_away(Away::Vip), &PUT_BACK).code(1);
    assert_eq!(nothing.stderr, "none of it runs here: keepalived.service\n");
    assert!(!bare.path("run/baremetal-put-back").exists());
}

#[test]
fn a_host_that_does_not_come_back_keeps_its_timer() {
    let host = with_units(&["keepalived.service"]);
    // Nothing is away: nothing happens.
    host.run(&failover::put_back(), &PUT_BACK).ok();
    host.run(&take_away(Away::Vip), &PUT_BACK).ok();
    fs::write(host.path("broken"), "").unwrap();
    let stuck = host.run(&failover::put_back(), &PUT_BACK).code(1);
    assert_eq!(stuck.stderr, "did not start: keepalived.service\n");
    assert!(active(&host, "baremetal-put-back.timer"));
    fs::remove_file(host.path("broken")).unwrap();
    host.run(&failover::put_back(), &PUT_BACK).ok();
    assert!(active(&host, "keepalived.service") && !active(&host, "baremetal-put-back.timer"));
}
