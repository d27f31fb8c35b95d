//! The script of facts reads for itself what programs would tell: both must say the same, on whatever machine this is.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    process::Command,
};

use baremetal::{
    inventory,
    observe::{Facts, check_script, facts_script, parse_facts},
};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const WORKER: &str = "\
cluster: c
kubernetes: 1.33.4
endpoint: 10.0.0.10
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  w1: {address: 127.0.0.1, role: worker}
";

/// The script for the worker; `check` without what only a plan needs.
fn script(check: bool) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, WORKER).unwrap();
    let cluster = inventory::load(&file).unwrap();
    let host = cluster.host("w1").unwrap();
    let script = if check { check_script } else { facts_script };
    script(&cluster, host).body
}

/// Runs a script with a shell of this machine; `None` where it has no such shell.
fn run(shell: &[&str], script: &str) -> Option<Facts> {
    let directory = tempfile::tempdir().unwrap();
    let output = Command::new(shell[0])
        .args(&shell[1..])
        .args(["-c", script])
        .env("BM", directory.path())
        .env("PATH", PATH)
        .output()
        .ok()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && stderr.is_empty(),
        "{shell:?}: {stderr}"
    );
    Some(parse_facts(&String::from_utf8_lossy(&output.stdout)).unwrap())
}

fn says(command: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", command])
        .env("PATH", PATH)
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn facts_are_what_programs_say_in_every_shell() {
    let mut ran = 0;
    for shell in [&["dash"][..], &["bash"], &["busybox", "sh"], &["sh"]] {
        let Some(facts) = run(shell, &script(true)) else {
            continue;
        };
        ran += 1;
        assert_eq!(facts.one("uid"), says("id -u"), "{shell:?}");
        assert_eq!(facts.kernel, says("uname -r"), "{shell:?}");
        assert_eq!(facts.one("machine"), says("uname -m"), "{shell:?}");
        assert_eq!(facts.cpus.to_string(), says("nproc"), "{shell:?}");
        assert_eq!(
            facts.hostname,
            says("cat /proc/sys/kernel/hostname"),
            "{shell:?}"
        );
        let known = "grep -wo -e overlay -e nfs /proc/filesystems | sort";
        assert_eq!(
            facts.all("filesystem").join("\n"),
            says(&format!("{known} -r")),
            "{shell:?}"
        );
        let route = "ip -o route show default | sed -n 's/.* dev \\([^ ]*\\).*/\\1/p' | head -n 1";
        assert_eq!(
            facts.default_interface.clone().unwrap_or_default(),
            says(route),
            "{shell:?}"
        );
        let addresses: Vec<_> = facts.all("address").to_vec();
        let seen = "ip -o addr show | awk '{ sub(/@.*/, \"\", $2); print $2, $4 }'";
        assert_eq!(addresses.join("\n"), says(seen), "{shell:?}");
        disks(&facts, shell);
    }
    assert!(ran > 0);
}

/// Size, inodes and mount point of every place, in the order of the places.
fn disks(facts: &Facts, shell: &[&str]) {
    let places: BTreeMap<_, _> = facts
        .all("disk")
        .iter()
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    assert!(places.len() >= 6, "{places:?}");
    for (place, said) in places {
        let mut real = Path::new(place);
        while !real.is_dir() {
            real = real.parent().unwrap();
        }
        let df = |what: &str| {
            says(&format!(
                "df --output={what} {} | tail -n 1",
                real.display()
            ))
        };
        let words: Vec<_> = said.splitn(4, ' ').collect();
        assert_eq!(words[1], df("size"), "{place} in {shell:?}");
        assert_eq!(
            words[2].split_once(':').unwrap().1,
            df("itotal"),
            "{place} in {shell:?}"
        );
        assert_eq!(words[3], df("target"), "{place} in {shell:?}");
    }
}

/// A start of a program is most of what the script costs a host, and two hundred hosts may be containers of one machine.
#[test]
fn few_programs_are_started() {
    let directory = tempfile::tempdir().unwrap();
    let (log, bin) = (directory.path().join("log"), directory.path().join("bin"));
    fs::create_dir(&bin).unwrap();
    let wrapper = directory.path().join("wrapper");
    let text = format!(
        "#!/bin/sh\necho \"${{0##*/}}\" >>{}\nPATH={PATH}\nexec \"${{0##*/}}\" \"$@\"\n",
        log.display()
    );
    fs::write(&wrapper, text).unwrap();
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).unwrap();
    for place in PATH.split(':') {
        for program in fs::read_dir(place).into_iter().flatten() {
            // The same name in two places is one program.
            let _ = symlink(&wrapper, bin.join(program.unwrap().file_name()));
        }
    }
    let script = script(true);
    let counted = script.replace(PATH, &bin.display().to_string());
    assert_ne!(counted, script);
    run(&["/bin/sh"], &counted).unwrap();
    let started = fs::read_to_string(log).unwrap();
    let count = started.lines().count();
    assert!((3..=12).contains(&count), "{count} programs:\n{started}");
}

/// The part of the script that asks for the virtual IP, with `programs` (name and text) in place of the host's.
fn asked(vip: &str, programs: &[(&str, &str)]) -> String {
    let script = script(true);
    let part = |from: &str| {
        let start = script.find(from).unwrap();
        let end = script[start..].find("\n}\n").unwrap();
        &script[start..start + end + 3]
    };
    let directory = tempfile::tempdir().unwrap();
    for tool in ["sed", "sh"] {
        symlink(
            says(&format!("command -v {tool}")),
            directory.path().join(tool),
        )
        .unwrap();
    }
    for (name, text) in programs {
        let file = directory.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let text = format!(
        "{}\n{}\nvip={vip} arp=program node_ip=10.0.0.11\nask_for_vip eth0\n",
        part("have() {"),
        part("ask_for_vip() {")
    );
    let output = Command::new("/bin/sh")
        .args(["-c", &text])
        .env("PATH", directory.path())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Debian has two packages with a program of that name; what their options mean and what they print differs.
#[test]
fn the_virtual_ip_is_free_only_if_somebody_was_asked() {
    const IPUTILS: &str = "echo 'ARPING 10.0.0.10 from 10.0.0.11 eth0'\n";
    const HABETS: &str = "case $* in *-D*) echo '!'; exit 0 ;; esac\necho 'ARPING 10.0.0.10'\n";
    const PYTHON: &str = "case \"$*\" in *'-c program eth0 10.0.0.10 10.0.0.11 1') echo 'mac 52:54:00:00:00:04' ;; *) exit 1 ;; esac";
    let arping =
        |head: &str, tail: &str| asked("10.0.0.10", &[("arping", &format!("{head}{tail}"))]);
    let taken = "mac 52:54:00:AA:00:01\nasked\n";
    let answer = "echo 'Unicast reply from 10.0.0.10 [52:54:00:AA:00:01]  0.672ms'\n\
                  echo 'Sent 1 probes (1 broadcast(s))'; echo 'Received 1 response(s)'";
    assert_eq!(arping(IPUTILS, answer), taken);
    let silence = "echo 'Sent 1 probes (1 broadcast(s))'; echo 'Received 0 response(s)'; exit 1";
    assert_eq!(arping(IPUTILS, silence), "asked\n");
    let answer = "echo '60 bytes from 52:54:00:AA:00:01 (10.0.0.10): index=0 time=7.3 usec'\n\
                  echo '--- 10.0.0.10 statistics ---'; echo '1 packets transmitted, 1 packets received,   0% unanswered (0 extra)'";
    assert_eq!(arping(HABETS, answer), taken);
    let silence = "echo '--- 10.0.0.10 statistics ---'; echo '1 packets transmitted, 0 packets received, 100% unanswered (0 extra)'; exit 1";
    assert_eq!(arping(HABETS, silence), "asked\n");
    // A program that could not ask has said nothing of who has the address.
    assert_eq!(
        arping(
            "",
            "echo 'arping: socket: Operation not permitted' >&2; exit 2"
        ),
        ""
    );
    assert_eq!(asked("10.0.0.10", &[]), "");
    let broken = ("arping", "exit 2");
    assert_eq!(
        asked("10.0.0.10", &[broken, ("python3", PYTHON)]),
        "mac 52:54:00:00:00:04\nasked\n"
    );
    let neighbour = (
        "ip",
        "[ \"$*\" = 'neigh show fd00::10 dev eth0' ] && echo 'fd00::10 lladdr 52:54:00:00:00:06 router REACHABLE'",
    );
    // Not by ARP, which knows no IPv6.
    let six = |ping: &str| {
        let arping = ("arping", "echo 'Sent 1 probes (1 broadcast(s))'");
        asked(
            "fd00::10",
            &[arping, ("python3", "exit 0"), ("ping", ping), neighbour],
        )
    };
    assert_eq!(six("exit 0"), "mac 52:54:00:00:00:06\nasked\n");
    assert_eq!(six("exit 1"), "mac 52:54:00:00:00:06\nasked\n");
    assert_eq!(six("exit 2"), "");
}

/// A path without a slash has no parent: the script must end all the same.
#[test]
fn a_relative_directory_does_not_hold_the_script_up() {
    let script = script(true);
    let relative = script.replacen("disks='", "disks='var/lib/etcd etcd ", 1);
    assert_ne!(relative, script);
    let facts = run(&["/bin/sh"], &relative).unwrap();
    assert_eq!(facts.all("disk").len(), 3 + facts_of_places(&script));
}

/// How many directories the script is asked about, without `/`.
fn facts_of_places(script: &str) -> usize {
    let line = script.lines().find_map(|line| line.strip_prefix("disks='"));
    line.unwrap().split(' ').count()
}

/// PEM of a certificate that ends on a day, and of its key.
fn certificate(year: i32) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["kubernetes".into()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn the_ends_of_certificates_are_told_and_no_key() {
    use base64::Engine as _;
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    fs::create_dir_all(root.join("pki/etcd")).unwrap();
    fs::create_dir_all(root.join("manifests")).unwrap();
    fs::write(root.join("manifests/kube-apiserver.yaml"), "").unwrap();
    let base64 = base64::engine::general_purpose::STANDARD;
    let (first, key) = certificate(2031);
    let (second, _) = certificate(2032);
    let (third, third_key) = certificate(2033);
    // A key before it, another certificate behind it.
    fs::write(
        root.join("pki/apiserver.crt"),
        format!("{key}{first}{second}"),
    )
    .unwrap();
    fs::write(root.join("pki/etcd/peer.crt"), &second).unwrap();
    fs::write(
        root.join("pki/etcd/broken.crt"),
        "-----BEGIN CERTIFICATE-----\n",
    )
    .unwrap();
    fs::write(root.join("pki/apiserver.key"), &key).unwrap();
    let conf = format!(
        "users:\n- user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        base64.encode(&third),
        base64.encode(&third_key)
    );
    fs::write(root.join("scheduler.conf"), conf).unwrap();
    let script = script(false).replace("/etc/kubernetes", root.to_str().unwrap());
    for shell in [&["dash"][..], &["bash"], &["busybox", "sh"], &["sh"]] {
        let Some(facts) = run(shell, &script) else {
            continue;
        };
        let seen: Vec<_> = facts
            .certificates
            .iter()
            .map(|one| (one.name.as_str(), one.days(0) / 365 + 1970))
            .collect();
        let expected = [
            ("apiserver.crt", 2031),
            ("etcd/peer.crt", 2032),
            ("scheduler.conf", 2033),
        ];
        assert_eq!(seen, expected, "{shell:?}");
        let all = format!("{:?}", facts.raw);
        for key in [&key, &third_key] {
            let body = key.lines().nth(1).unwrap();
            assert!(!all.contains(body), "{shell:?}");
            assert!(!all.contains(&base64.encode(key)), "{shell:?}");
        }
    }
}
