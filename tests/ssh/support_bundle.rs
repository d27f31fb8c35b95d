//! `support-bundle` as a user calls it, against a real sshd on loopback.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::sshd::{Sshd, free_port};
use crate::support::{Run, run};

const TOKEN: &str = "q1w2e3.r4t5y6u7i8o9p0a1";
const SUDO: &str = "planted-sudo-8c1e";

/// `cp1` answers; nobody listens for `w1`.
fn start() -> Sshd {
    let sshd = Sshd::start();
    let at = |name: &str| sshd.file(name).display().to_string();
    let text = format!(
        "# join --token {TOKEN}\ncluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\n\
         ssh: {{user: root, key: {}, config: /dev/null, known-hosts: {}, sudo-password: {{file: sudo}}}}\n\
         hosts:\n  cp1: {{address: 127.0.0.1, node-ip: 10.0.0.11, role: control-plane, ssh: {{port: {}}}}}\n  \
         w1: {{address: 127.0.0.2, node-ip: 10.0.0.21, ssh: {{port: {}}}}}\n",
        at("user_key"),
        at("known_hosts"),
        sshd.port,
        free_port()
    );
    fs::write(sshd.file("inventory.yaml"), text).unwrap();
    fs::write(sshd.file("sudo"), SUDO).unwrap();
    let logs = sshd.file("state/baremetal/runs/home");
    fs::create_dir_all(&logs).unwrap();
    for day in 1..=5 {
        let log = format!("day {day}: sudo said {SUDO}, password=planted-other\n");
        fs::write(logs.join(format!("2026-11-0{day}.log")), log).unwrap();
    }
    sshd
}

fn bundle(sshd: &Sshd, more: &[&str]) -> Run {
    run(Command::new(env!("CARGO_BIN_EXE_baremetal"))
        .current_dir(sshd.directory.path())
        .args(["support-bundle", "inventory.yaml"])
        .args(more)
        .env_remove("BAREMETAL_BUNDLE")
        .env("XDG_STATE_HOME", sshd.file("state"))
        .env("NO_COLOR", "1")
        .stdin(Stdio::null()))
}

/// Texts by name, without the first directory.
fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let file = fs::File::open(path).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let name = name.split_once('/').unwrap().1.to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        (name, text)
    });
    entries.collect()
}

#[test]
fn one_archive_without_secrets_names_who_is_missing() {
    let sshd = start();
    let made = bundle(&sshd, &[]).code(4);
    let name = made.stdout.trim_end();
    assert!(
        name.starts_with("support-home-20") && name.ends_with("Z.tar.gz"),
        "{name}"
    );
    assert!(
        made.stderr.contains("with 1 host; not whole: w1"),
        "{}",
        made.stderr
    );
    let files = unpacked(&sshd.file(name));
    let manifest: Value = serde_json::from_str(&files["manifest.json"]).unwrap();
    let why = manifest["hosts"]["w1"]["unreachable"].as_str().unwrap();
    assert!(why.contains("refuse"), "{why}");
    let count = manifest["hosts"]["cp1"]["collected"]["files"]
        .as_u64()
        .unwrap();
    let of_cp1 = files.keys().filter(|name| name.starts_with("hosts/cp1/"));
    assert_eq!(of_cp1.count() as u64, count, "{manifest:#}");
    for (name, word) in [
        ("hosts/cp1/system/uname.txt", "Linux"),
        ("hosts/cp1/facts.json", "\"kernel\""),
        ("hosts/cp1/network/routes.txt", ""),
        ("inventory.yaml", "# join --token ***\ncluster: home\n"),
        ("status.txt", "cp1   control-plane"),
        (
            "runs/2026-11-05.log",
            "day 5: sudo said ***, password=***\n",
        ),
        ("runs/2026-11-03.log", "day 3"),
    ] {
        assert!(files[name].contains(word), "{name}: {}", files[name]);
    }
    assert!(
        !files.contains_key("runs/2026-11-02.log"),
        "only the newest"
    );
    for (name, text) in &files {
        for planted in [TOKEN, SUDO, "planted-other"] {
            assert!(!text.contains(planted), "{planted} in {name}");
        }
    }
    let missing = json!([
        "plan.txt: no API server that was reached is ready",
        "cluster: no API server that was reached is ready",
    ]);
    assert_eq!(manifest["missing"], missing);
    let logs = fs::read_dir(sshd.file("state/baremetal/runs/home")).unwrap();
    assert_eq!(
        logs.count(),
        5,
        "it keeps no log, and takes no room from others"
    );
}

#[test]
fn a_limit_leaves_hosts_out_and_a_file_that_is_there_is_left_alone() {
    let sshd = start();
    let path = sshd.file("one.tar.gz");
    let out = ["--limit", "cp*", "--out", "one.tar.gz"];
    assert_eq!(bundle(&sshd, &out).ok().stdout, "one.tar.gz\n");
    let manifest: Value = serde_json::from_str(&unpacked(&path)["manifest.json"]).unwrap();
    assert_eq!(manifest["hosts"]["w1"], "left-out");
    let before = fs::read(&path).unwrap();
    let again = bundle(&sshd, &out).code(2);
    assert!(
        again.stderr.contains("error: one.tar.gz is there already; it was left alone\n  → give another file with `--out FILE`\n"),
        "{}",
        again.stderr
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    let wrong = bundle(&sshd, &["--limit", "cp9"]).code(2);
    assert!(wrong.stderr.contains("is named `cp9`"), "{}", wrong.stderr);
    let left = fs::read_dir(sshd.directory.path()).unwrap();
    let archives = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains(".tar.gz")
    });
    assert_eq!(archives.count(), 1);
}
