//! `check` on lab hosts: faults that only show between hosts, found together, and nothing changed.

use std::process::Command;

use serde_json::Value;

use crate::support::{HostLine, Lab, Run, run};

const HOSTS: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("cp2", "control-plane", 12),
    ("cp3", "[control-plane, worker]", 13),
];

#[test]
#[ignore = "needs a container engine"]
fn e2e_check() {
    let lab = Lab::new("e2e-check", 57, HOSTS);
    lab.run(&["lab", "up"], &[]).ok();
    let bare = state(&lab);
    nothing_is_wrong(&lab);
    five_faults(&lab);
    nothing_is_wrong(&lab);
    wrong_sizes_and_strangers(&lab);
    nothing_is_wrong(&lab);
    a_host_without_python(&lab);
    assert_eq!(state(&lab), bare, "hosts are as they were");
}

/// `check` with events.
fn check(lab: &Lab, more: &[&str]) -> Run {
    lab.run(&["check"], &[&["--output", "json"], more].concat())
}

fn findings(run: &Run) -> Vec<Value> {
    run.events()
        .iter()
        .flat_map(|event| event["findings"].as_array().cloned().unwrap_or_default())
        .collect()
}

/// Lines of the table: findings that say the same of several hosts are one.
fn lines(run: &Run) -> Vec<(String, String)> {
    let mut lines: Vec<_> = findings(run)
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap().to_owned();
            (text("id"), text("found"))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

/// Files with their times, listeners, interfaces and processes' programs: what a check might change, but for logs.
fn state(lab: &Lab) -> Vec<String> {
    let list = "find /etc /opt /usr/local /var/lib /root /home /run/baremetal* -path /var/lib/systemd -prune -o -type f ! -name '*lock*' \
                -printf '%p %s %T@\\n' 2>/dev/null | sort
                ss -H -lntuw | awk '{print $1, $5}' | sort
                ip -o addr | awk '{print $2, $4}'
                iptables -S; sysctl -a 2>/dev/null | grep -c net.ipv4.conf";
    let of = |(host, ..): &HostLine<'_>| format!("{host}\n{}", lab.on(host, list).ok().stdout);
    HOSTS.iter().map(of).collect()
}

#[track_caller]
fn nothing_is_wrong(lab: &Lab) {
    let fine = check(lab, &[]).ok();
    assert_eq!(findings(&fine), Vec::<Value>::new());
    let end = fine.finished();
    assert_eq!(end["message"], "3 hosts fit for e2e-check", "{end}");
    assert_eq!(end["mutating"], 0, "{end}");
    for (host, ..) in HOSTS {
        assert_eq!(end["round-trips"][host], 2, "{end}");
    }
    // Eight ports and VRRP of each of the three from each of the others.
    let tried = |event: &Value| event["text"] == "54 connections to 3 hosts tried";
    assert!(fine.events().iter().any(tried), "{}", fine.stdout);
}

/// A fault planted on a host and mended again.
struct Fault {
    id: &'static str,
    on: &'static str,
    spoil: &'static str,
    mend: &'static str,
    found: &'static str,
}

const FAULTS: &[Fault] = &[
    Fault {
        id: "ports",
        on: "cp1",
        spoil: "exec perl -MIO::Socket::INET -e '$0 = \"squatter\"; \
                my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => \"0.0.0.0:2380\") or die; \
                exit if fork; sleep 600' >/dev/null 2>&1",
        mend: "pkill squatter",
        found: "port 2380 is used by squatter",
    },
    Fault {
        id: "machine-id",
        on: "cp2",
        spoil: "cp -p /etc/machine-id /root/kept; printf '%s\\n' 0123456789abcdef0123456789abcdef >/etc/machine-id",
        mend: "cat /root/kept >/etc/machine-id; touch -r /root/kept /etc/machine-id; rm /root/kept",
        found: "0123456789abcdef0123456789abcdef is on cp2 and cp3",
    },
    Fault {
        id: "machine-id",
        on: "cp3",
        spoil: "cp -p /etc/machine-id /root/kept; printf '%s\\n' 0123456789abcdef0123456789abcdef >/etc/machine-id",
        mend: "cat /root/kept >/etc/machine-id; touch -r /root/kept /etc/machine-id; rm /root/kept",
        found: "0123456789abcdef0123456789abcdef is on cp2 and cp3",
    },
    Fault {
        // Containers share the machine's clock, and time namespaces leave the wall clock alone: the host's `date` lies instead.
        id: "clock",
        on: "cp3",
        spoil: "printf '#!/bin/sh\\nexec /usr/bin/date -d \"+40 seconds\" \"$@\"\\n' >/usr/local/sbin/date; chmod 0755 /usr/local/sbin/date",
        mend: "rm /usr/local/sbin/date",
        found: "s ahead of the other hosts'",
    },
    Fault {
        id: "reach",
        on: "cp2",
        spoil: "iptables -A INPUT -s 10.123.57.11 -p tcp --dport 10250 -j DROP",
        mend: "iptables -D INPUT -s 10.123.57.11 -p tcp --dport 10250 -j DROP",
        found: "tcp 10250 (kubelet) cannot be reached from cp1: no answer",
    },
];

/// A machine on the lab's network that is none of its hosts; gone when dropped.
struct Stranger(String);

impl Stranger {
    fn with_address(lab: &Lab, name: &str, address: &str) -> Self {
        let inspect = |what: &str| {
            let asked = ["inspect", "--format", what, &lab.container("cp1")];
            let said = run(Command::new("docker").args(asked)).ok().stdout;
            said.trim().to_owned()
        };
        let image = inspect("{{.Config.Image}}");
        let network = inspect("{{range $name, $_ := .NetworkSettings.Networks}}{{$name}}{{end}}");
        let name = format!("{}-{name}", lab.name);
        run(Command::new("docker").args(["rm", "--force", &name]));
        run(Command::new("docker").args([
            "run",
            "--detach",
            "--name",
            &name,
            "--network",
            &network,
            "--ip",
            address,
            "--cap-add",
            "NET_ADMIN",
            "--cap-add",
            "NET_RAW",
            "--entrypoint",
            "sleep",
            &image,
            "600",
        ]))
        .ok();
        Self(name)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        run(Command::new("docker").args(["rm", "--force", &self.0]));
    }
}

fn five_faults(lab: &Lab) {
    for fault in FAULTS {
        lab.on(fault.on, fault.spoil).ok();
    }
    let stranger = Stranger::with_address(lab, "vip", &lab.vip());
    let found = check(lab, &[]);
    let table = run(lab.command(&["check"], &[]).env("COLUMNS", "160"));
    drop(stranger);
    for fault in FAULTS {
        lab.on(fault.on, fault.mend).ok();
    }
    let found = found.code(5);
    assert_eq!(found.finished()["mutating"], 0);
    let lines = lines(&found);
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let says = |id: &str, text: &str| {
        lines
            .iter()
            .any(|(one, found)| one == id && found.contains(text))
    };
    for fault in FAULTS {
        assert!(says(fault.id, fault.found), "{}: {lines:#?}", fault.id);
    }
    let vip = format!(", none of the hosts, answers for {}", lab.vip());
    assert!(says("vip", &vip), "{lines:#?}");
    for one in findings(&found) {
        assert_eq!(one["level"], "failure", "{one}");
        assert!(one["needed"] != "" && one["fix"] != "", "{one}");
    }
    // The same for people: one entry each.
    let table = table.code(5);
    assert_eq!(table.stderr.matches("FAIL ").count(), 5, "{}", table.stderr);
}

/// Another router with our id, an address of the pool in use, and a card that sends larger packets than others take.
fn wrong_sizes_and_strangers(lab: &Lab) {
    let stranger = Stranger::with_address(lab, "pool", &format!("{}.205", lab.net));
    let advertise = "import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
while True: s.sendto(bytes([0x21, 10, 100, 1, 0, 1, 0, 0]) + bytes(12), ('224.0.0.18', 0)); time.sleep(1)";
    run(Command::new("docker").args(["exec", "--detach", &stranger.0, "python3", "-c", advertise]))
        .ok();
    lab.on("cp1", "ip link set eth0 mtu 9000").ok();
    let found = check(lab, &["--skip-check", "reach"]);
    lab.on("cp1", "ip link set eth0 mtu 1500").ok();
    drop(stranger);
    let lines = lines(&found.code(5));
    let says = |id: &str, text: &str| {
        lines
            .iter()
            .any(|(one, found)| one == id && found.contains(text))
    };
    let net = &lab.net;
    assert!(
        says("vrrp-id", &format!("{net}.205 uses VRRP id 10 already")),
        "{lines:#?}"
    );
    assert!(
        says("pool", &format!("answers for {net}.205")),
        "{lines:#?}"
    );
    assert!(
        says(
            "mtu",
            "packets of 9000 bytes, the MTU of eth0, do not get to cp2, cp3; 1500 bytes do"
        ),
        "{lines:#?}"
    );
    assert_eq!(lines.len(), 3, "{lines:#?}");
}

fn a_host_without_python(lab: &Lab) {
    let junit = lab.directory.path().join("check.xml");
    lab.on("cp2", "mv /usr/bin/python3 /usr/bin/away").ok();
    let found = check(lab, &["--junit", junit.to_str().unwrap()]);
    let without = check(lab, &["--skip-check", "wire"]);
    lab.on("cp2", "mv /usr/bin/away /usr/bin/python3").ok();
    let found = found.ok();
    let all = findings(&found);
    assert_eq!(all.len(), 1, "{all:#?}");
    let expected = serde_json::json!(["wire", "cp2", "skipped"]);
    let one = &all[0];
    assert_eq!(
        serde_json::json!([one["id"], one["host"], one["level"]]),
        expected
    );
    assert_eq!(
        found.finished()["message"],
        "3 hosts fit for e2e-check, 1 not checked"
    );
    let report = std::fs::read_to_string(junit).unwrap();
    assert!(
        report.contains("<skipped message=\"not checked: there is no python3 on the host\""),
        "{report}"
    );
    let end = without.ok().finished();
    assert_eq!(end["round-trips"]["cp2"], 1, "{end}");
}
