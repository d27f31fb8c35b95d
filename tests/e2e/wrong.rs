//! What may be wrong with hosts, connections and artifacts: each says what, where and what to do, and leaves hosts as they were
//! or so that the next run ends well.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::support::{self, HostLine, Lab, Run, run};

const HOSTS: &[HostLine<'_>] = &[("cp1", "control-plane", 11), ("w1", "worker", 21)];

#[test]
#[ignore = "needs a container engine"]
fn e2e_wrong_input() {
    let lab = Lab::new("e2e-wrong", 54, HOSTS);
    lab.run(&["lab", "up"], &[]).ok();
    let bare = files(&lab);
    host_out_of_reach(&lab);
    keys_that_do_not_fit(&lab);
    sudo_users(&lab);
    spoilt_bundle(&lab);
    unfit_hosts(&lab);
    assert_eq!(files(&lab), bare, "hosts are as they were");

    interrupted(&lab);
    no_room_in_the_middle(&lab);
    two_at_once(&lab);
    nothing_is_left_to_do(&lab);
}

/// What an unattended upgrade does, by another name.
const HOLD_THE_LOCK: &str = "exec python3 -c 'import fcntl, time
lock = open(\"/var/lib/dpkg/lock-frontend\", \"w\")
fcntl.lockf(lock, fcntl.LOCK_EX)
open(\"/proc/self/comm\", \"w\").write(\"slow-update\")
time.sleep(15)'";

#[test]
#[ignore = "needs a container engine"]
fn e2e_package_lock_is_waited_for() {
    let lab = Lab::new("e2e-wrong", 54, HOSTS);
    lab.run(&["lab", "up"], &[]).ok();
    let mut holder = Command::new("docker")
        .args(["exec", &lab.container("w1"), "sh", "-c", HOLD_THE_LOCK])
        .spawn()
        .unwrap();
    // It has to have begun.
    std::thread::sleep(Duration::from_secs(1));
    let done = lab.up().ok();
    assert!(holder.wait().unwrap().success());
    let found = finding(&done, "package-lock", "w1");
    assert_eq!(found["level"], "warning");
    says(&found["found"], &["held by slow-update (process "]);
    says(&found["fix"], &["let it end"]);
    // It was in the way for longer than everything before the first package takes.
    assert!(done.took > Duration::from_secs(14), "{:?}", done.took);
    nothing_is_left_to_do(&lab);
}

/// The lab's hosts as hosts of one's own: no `lab:` block, so that everything about ssh may be wrong.
fn own_hosts(lab: &Lab, ssh: &Ssh, more: &str) -> PathBuf {
    let text = fs::read_to_string(lab.inventory()).unwrap();
    let hosts = text.lines().filter(|line| !line.starts_with("lab:"));
    let hosts: Vec<_> = hosts.collect();
    let path = lab.directory.path().join("own.yaml");
    let Ssh { user, key, known } = ssh;
    let (key, known) = (key.display(), known.display());
    let ssh = format!("key: {key}, known-hosts: {known}, config: /dev/null");
    let text = format!("{}\n{more}ssh: {{user: {user}, {ssh}}}\n", hosts.join("\n"));
    fs::write(&path, text).unwrap();
    path
}

struct Ssh<'a> {
    /// Further settings may follow, after a comma.
    user: &'a str,
    key: PathBuf,
    known: PathBuf,
}

impl<'a> Ssh<'a> {
    fn right(lab: &Lab, user: &'a str) -> Self {
        let of_lab = lab.state().join("baremetal/lab").join(&lab.name);
        Self {
            user,
            key: of_lab.join("id_ed25519"),
            known: of_lab.join("known_hosts"),
        }
    }
}

/// `up` of an inventory, with events.
fn up(lab: &Lab, inventory: &Path) -> Run {
    run(&mut lab.command_with(&["up"], inventory, &["--output", "json"]))
}

/// It ended with `code` and changed nothing.
#[track_caller]
fn refused(run: Run, code: i32) -> Run {
    let run = run.code(code);
    let end = run.finished();
    assert_eq!(end["code"], code, "{end}");
    assert_eq!(end["mutating"], 0, "{end}");
    assert_eq!(end["changed"], 0, "{end}");
    assert!(
        run.stderr.contains("\n  → "),
        "no next step: {}",
        run.stderr
    );
    run
}

#[track_caller]
fn says(text: &Value, words: &[&str]) {
    let text = text.as_str().expect("a text");
    for word in words {
        assert!(text.contains(word), "no `{word}` in: {text}");
    }
}

/// The one event of a kind about a host.
#[track_caller]
fn event(run: &Run, kind: &str, host: &str) -> Value {
    run.events()
        .into_iter()
        .find(|event| event["event"] == kind && event["host"] == host)
        .unwrap_or_else(|| panic!("no {kind} of {host}: {}", run.text()))
}

#[track_caller]
fn finding(run: &Run, id: &str, host: &str) -> Value {
    run.events()
        .iter()
        .flat_map(|event| event["findings"].as_array().cloned().unwrap_or_default())
        .find(|finding| finding["id"] == id && finding["host"] == host)
        .unwrap_or_else(|| panic!("{id} of {host} was not found: {}", run.text()))
}

/// Every host of the lab is refused for the same reason.
#[track_caller]
fn unreachable(run: &Run, reason: &[&str], hint: &[&str]) {
    for (host, ..) in HOSTS {
        let event = event(run, "host-unreachable", host);
        says(&event["reason"], reason);
        says(&event["hint"], hint);
    }
    assert!(run.stderr.contains("(cp1, w1); nothing was changed"));
}

fn host_out_of_reach(lab: &Lab) {
    let nobody = format!("  w2: {{address: {}.99}}\n", lab.net);
    let inventory = own_hosts(lab, &Ssh::right(lab, "root"), &nobody);
    let wrong = refused(up(lab, &inventory), 4);
    // The time for a connection, and that for the facts of the others.
    assert!(wrong.took < Duration::from_secs(17), "{:?}", wrong.took);
    let gone = event(&wrong, "host-unreachable", "w2");
    says(&gone["reason"], &["root@10.123.54.99"]);
    says(&gone["hint"], &["check that the machine is on"]);
    assert!(gone["at"].as_u64().unwrap() < 15_500, "{gone}");
    for (host, ..) in HOSTS {
        event(&wrong, "host-connected", host);
    }
    assert!(
        wrong
            .stderr
            .contains("1 of 3 hosts cannot be worked on (w2)")
    );
}

fn keys_that_do_not_fit(lab: &Lab) {
    let other = lab.directory.path().join("other");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&other))
    .ok();
    let key = Ssh {
        key: other.clone(),
        ..Ssh::right(lab, "root")
    };
    let wrong = refused(up(lab, &own_hosts(lab, &key, "")), 4);
    let offered = format!("does not let user `root` in (tried {})", other.display());
    unreachable(&wrong, &[&offered], &["ssh: key:", "ssh-copy-id root@"]);

    let known = lab.directory.path().join("known");
    fs::write(&known, "").unwrap();
    let stranger = Ssh {
        known: known.clone(),
        ..Ssh::right(lab, "root")
    };
    let inventory = own_hosts(lab, &stranger, "");
    let wrong = refused(up(lab, &inventory), 4);
    unreachable(
        &wrong,
        &["the host key of root@", " is not known: ED25519 SHA256:"],
        &["compare the fingerprint", "--accept-new-host-keys"],
    );
    assert_eq!(fs::read_to_string(&known).unwrap(), "", "nobody said yes");

    // The key of somebody else, for every host.
    let public = fs::read_to_string(other.with_extension("pub")).unwrap();
    let line = |(.., last): &HostLine<'_>| format!("{}.{last} {public}", lab.net);
    let lines: String = HOSTS.iter().map(line).collect();
    fs::write(&known, &lines).unwrap();
    for more in [&[][..], &["--accept-new-host-keys"]] {
        let arguments = [&["--output", "json"], more].concat();
        let wrong = run(&mut lab.command_with(&["up"], &inventory, &arguments));
        unreachable(
            &refused(wrong, 4),
            &["the host key of root@", " has changed"],
            &["ssh-keygen -R", "somebody answers in its place"],
        );
    }
    assert_eq!(fs::read_to_string(&known).unwrap(), lines);
}

fn sudo_users(lab: &Lab) {
    let password = lab.directory.path().join("password");
    let operator = Ssh::right(lab, "operator, sudo-password: {file: password}");
    let inventory = own_hosts(lab, &operator, "");
    fs::write(&password, "not-the-one\n").unwrap();
    let wrong = refused(up(lab, &inventory), 4);
    unreachable(
        &wrong,
        &["sudo does not accept the password of user `operator`"],
        &["check the password's source in the inventory"],
    );
    assert!(!wrong.text().contains("not-the-one"));

    let none = own_hosts(lab, &Ssh::right(lab, "operator"), "");
    unreachable(
        &refused(up(lab, &none), 4),
        &["sudo wants a password of user `operator`"],
        &["ssh: sudo-password:"],
    );

    fs::write(&password, "operator-pw\n").unwrap();
    let right = own_hosts(lab, &operator, "");
    let without = Ssh::right(lab, "ops");
    for inventory in [right, own_hosts(lab, &without, "")] {
        let check = run(&mut lab.command_with(&["check"], &inventory, &["--output", "json"]));
        let end = check.ok().finished();
        assert_eq!(end["mutating"], 0, "{end}");
        says(&end["message"], &["2 hosts fit for e2e-wrong"]);
    }
}

fn spoilt_bundle(lab: &Lab) {
    let whole = support::bundle();
    let beside = whole.parent().expect("a bundle lies somewhere");
    let copy = tempfile::tempdir_in(beside).unwrap();
    link(&whole, copy.path());
    let listed = fs::read_to_string(whole.join("bundle.yaml")).unwrap();
    let item = fs::read_dir(copy.path().join("archives")).unwrap().next();
    let item = item.expect("an archive").unwrap().path();
    let name = format!("archives/{}", item.file_name().unwrap().display());
    assert!(listed.contains(&name));

    let right = sum(&item);
    let mut content = fs::read(&item).unwrap();
    content[5] ^= 1;
    fs::remove_file(&item).unwrap();
    fs::write(&item, content).unwrap();
    let spoilt = copy.path().to_str().unwrap();
    let options = ["--output", "json", "--bundle", spoilt];
    let wrong = refused(lab.run(&["up"], &options), 5);
    for words in [&name, "damaged", &right, &sum(&item), "baremetal bundle"] {
        assert!(wrong.stderr.contains(words), "{words}: {}", wrong.stderr);
    }
    assert!(wrong.stderr.contains("nothing was changed on any host"));

    fs::remove_file(&item).unwrap();
    let missing = refused(lab.run(&["up"], &options), 5);
    let words = format!("no file {name}");
    assert!(missing.stderr.contains(&words), "{}", missing.stderr);
    for run in [wrong, missing] {
        let trips = run.finished()["round-trips"].clone();
        assert_eq!(trips, serde_json::json!({}), "a host was asked");
    }
}

/// The same files, by hard links.
fn link(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&to).unwrap();
            link(&entry.path(), &to);
        } else {
            fs::hard_link(entry.path(), &to).unwrap();
        }
    }
}

fn sum(path: &Path) -> String {
    let text = run(Command::new("sha256sum").arg(path)).ok().stdout;
    text[..64].to_owned()
}

/// A host made unfit and mended again.
struct Unfit {
    check: &'static str,
    /// Where the finding is expected.
    host: &'static str,
    /// What is done, and undone, where.
    on: &'static str,
    spoil: &'static str,
    mend: &'static str,
    found: &'static str,
    fix: &'static str,
}

const UNFIT: &[Unfit] = &[
    Unfit {
        check: "systemd",
        host: "w1",
        on: "w1",
        spoil: "mv /run/systemd/system /run/systemd/away",
        mend: "mv /run/systemd/away /run/systemd/system",
        found: "no systemd: /run/systemd/system is missing",
        fix: "a system that boots with systemd",
    },
    Unfit {
        check: "os",
        host: "w1",
        on: "w1",
        spoil: "cp /etc/os-release /root/kept\n\
                printf 'ID=plan9\\nVERSION_ID=4\\nPRETTY_NAME=\"Plan 9\"\\n' >/etc/os-release",
        mend: "cat /root/kept >/etc/os-release; rm /root/kept",
        found: "Plan 9",
        fix: "install a supported system; `--skip-check os`",
    },
    Unfit {
        check: "ports",
        host: "cp1",
        on: "cp1",
        spoil: "exec perl -MIO::Socket::INET -e '$0 = \"squatter\";\
                my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => \"0.0.0.0:6443\") or die; \
                exit if fork; sleep 60' >/dev/null 2>&1",
        mend: "pkill squatter",
        found: "port 6443 is used by squatter",
        fix: "ss -ltnp sport = :6443",
    },
    Unfit {
        check: "vip",
        host: "cp1",
        on: "w1",
        spoil: "ip addr add 10.123.54.10/24 dev eth0",
        mend: "ip addr del 10.123.54.10/24 dev eth0",
        found: ") answers for 10.123.54.10",
        fix: "choose another address for the endpoint",
    },
    Unfit {
        check: "disk",
        host: "cp1",
        on: "cp1",
        spoil: "mkdir /var/lib/baremetal && mount -t tmpfs -o size=8m none /var/lib/baremetal",
        mend: "umount /var/lib/baremetal && rmdir /var/lib/baremetal",
        found: "8 MiB free on /var/lib/baremetal",
        fix: "mount a larger disk",
    },
];

fn unfit_hosts(lab: &Lab) {
    for unfit in UNFIT {
        lab.on(unfit.on, unfit.spoil).ok();
        let wrong = lab.up();
        lab.on(unfit.on, unfit.mend).ok();
        let wrong = refused(wrong, 5);
        let finding = finding(&wrong, unfit.check, unfit.host);
        assert_eq!(finding["level"], "failure", "{finding}");
        says(&finding["found"], &[unfit.found]);
        says(&finding["fix"], &[unfit.fix]);
        assert_ne!(finding["needed"], "", "{finding}");
    }
}

/// Names, sizes and times of the files that a run may touch.
fn files(lab: &Lab) -> Vec<String> {
    let list = "find /etc /opt /usr/local /var/lib -path /var/lib/systemd -prune -o -type f ! -name '*lock*' \
                -printf '%p %s %T@\\n' | sort";
    let of = |(host, ..): &HostLine<'_>| format!("{host}\n{}", lab.on(host, list).ok().stdout);
    HOSTS.iter().map(of).collect()
}

/// Ctrl-C while packages are installed: what runs ends, nothing new begins.
fn interrupted(lab: &Lab) {
    let mut child = lab
        .command(&["up"], &[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    while !said.contains("start  operating system") {
        let line = lines.next().expect("a run that goes on").unwrap();
        said.push_str(&line);
        said.push('\n');
    }
    let process = child.id().to_string();
    run(Command::new("kill").args(["-INT", &process])).ok();
    for line in lines {
        said.push_str(&line.unwrap());
        said.push('\n');
    }
    let code = child.wait().unwrap().code();
    assert_eq!(code, Some(130), "{said}");
    let again = format!(
        "to go on, run again: baremetal up {}",
        lab.inventory().display()
    );
    for words in [
        "stopping: what runs has 60 s to end, nothing new is begun",
        "done   operating system",
        "interrupted: e2e-wrong is not complete",
        &again,
    ] {
        assert!(said.contains(words), "no `{words}` in:\n{said}");
    }
    assert!(!said.contains("start  container"), "{said}");
    nothing_runs(lab);
}

/// No script of ours is left on a host, nor its directory.
fn nothing_runs(lab: &Lab) {
    for (host, ..) in HOSTS {
        let left = lab.on(host, "ls -d /run/baremetal.*/ 2>/dev/null || true");
        assert_eq!(left.ok().stdout, "", "{host}");
    }
}

/// The disk is full where artifacts are put: the step says so, other hosts' steps are done.
fn no_room_in_the_middle(lab: &Lab) {
    let place = "/var/lib/baremetal";
    lab.on("cp1", &format!("mount -t tmpfs -o size=2m none {place}"))
        .ok();
    let wrong = lab.run(&["up"], &["--output", "json", "--skip-check", "disk"]);
    lab.on("cp1", &format!("umount {place}")).ok();
    let wrong = wrong.code(6);
    let events = wrong.events();
    let failed: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "step-failed")
        .collect();
    assert!(!failed.is_empty());
    for step in failed {
        assert_eq!(step["host"], "cp1", "{step}");
        says(
            &step["failure"]["message"],
            &["could not be transferred: no space in /var/lib/baremetal"],
        );
        says(&step["failure"]["hint"], &["make room on the host"]);
    }
    let end = wrong.finished();
    assert!(end["skipped"].as_u64() > Some(0), "{end}");
    event(&wrong, "step-finished", "w1");
    nothing_runs(lab);
}

/// The second of two runs is refused and told who is at work; the first does not mind.
fn two_at_once(lab: &Lab) {
    let mut first = lab
        .command(&["up"], &["--output", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    let planned = lines.any(|line| line.unwrap().contains("\"event\":\"planned\""));
    assert!(planned, "the first run has nothing to do");
    let second = lab.up();
    let first = {
        let rest = std::thread::spawn(move || lines.map_while(Result::ok).last());
        let process = first.id();
        let code = first.wait().unwrap().code();
        assert_eq!(code, Some(0), "{:?}", rest.join());
        process
    };
    let second = second.code(9);
    let who = format!("process {first}, since ");
    for words in [
        "another run holds cp1: ",
        &who,
        "baremetal up ",
        "wait for its end",
    ] {
        assert!(second.stderr.contains(words), "{words}: {}", second.stderr);
    }
    assert_eq!(second.finished()["changed"], 0);
}

fn nothing_is_left_to_do(lab: &Lab) {
    let again = lab.up().ok();
    let end = again.finished();
    assert_eq!(end["mutating"], 0, "{}", again.stdout);
    assert_eq!(end["changed"], 0, "{end}");
    says(&end["message"], &["nothing to do"]);
    nothing_runs(lab);
}
