//! Planted secrets are searched for: in arguments and environments of all processes while `up` runs, and in everything that is
//! left afterwards, on both sides.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use crate::support::{HostLine, Lab, run};

const HOSTS: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("cp2", "control-plane", 12),
    ("cp3", "control-plane", 13),
    ("w1", "worker", 21),
];

const SUDO: &str = "planted-sudo-5b1f0c";
const BGP: &str = "planted-bgp-93c7d2";
/// 32 bytes in base64.
const ENCRYPTION: &str = "cGxhbnRlZC1lbmNyeXB0aW9uLWtleS0zMi1ieXRlcyE=";

#[test]
#[ignore = "needs a container engine"]
fn e2e_no_secret_is_seen() {
    let lab = Lab::new("e2e-secrets", 55, HOSTS);
    plant(&lab);
    let watch = Watch::start(&lab);
    // What the watch must find, or it proves nothing.
    let marked = "PLANTED=planted-variable exec sh -c 'sleep 1; : planted-argument'";
    assert!(!lab.on("w1", marked).ok().text().contains("planted"));

    let up = lab.run(&["up"], &["--output", "json"]);
    let seen = watch.stop();
    let up = up.ok();
    lab.run(&["up"], &[]).ok();
    assert!(seen.rounds > 50, "looked {} times only", seen.rounds);
    for planted in ["planted-argument", "planted-variable"] {
        assert!(seen.finds(planted).is_some(), "{planted} was not noticed");
    }
    assert!(!seen.tokens.is_empty(), "no join token was captured");
    assert!(!seen.keys.is_empty(), "no certificate key was captured");

    let secrets: BTreeMap<&str, &str> = [
        (SUDO, "password for sudo"),
        (BGP, "password of the BGP peer"),
        (ENCRYPTION, "encryption key"),
    ]
    .into_iter()
    .chain(seen.tokens.iter().map(|one| (one.as_str(), "join token")))
    .chain(
        seen.keys
            .iter()
            .map(|one| (one.as_str(), "certificate key")),
    )
    .collect();
    for (secret, what) in &secrets {
        let found = seen.finds(secret);
        assert_eq!(found, None, "{what} in a process");
        assert!(!up.text().contains(secret), "{what} in the output");
    }
    for text in &seen.texts {
        assert_eq!(token_in(text), None, "{text}");
    }
    assert_eq!(token_in(&up.text()), None);
    in_files_of_this_machine(&lab, &secrets);
    let patterns: Vec<_> = secrets.keys().copied().collect();
    in_files_of_hosts(&lab, &patterns.join("\n"));
}

/// The inventory with every kind of secret; the password of the sudo user is one that is nowhere else.
fn plant(lab: &Lab) {
    lab.run(&["lab", "up"], &[]).ok();
    for (host, ..) in HOSTS {
        let line = format!("operator:{SUDO}\n");
        fed(lab, host, "chpasswd", &line);
    }
    for (name, secret) in [("sudo", SUDO), ("bgp", BGP), ("encryption", ENCRYPTION)] {
        fs::write(lab.directory.path().join(name), format!("{secret}\n")).unwrap();
    }
    lab.write(
        HOSTS,
        "ssh: {user: operator, sudo-password: {file: sudo}}\n\
         control-plane: {encryption: {key: {file: encryption}}}\n",
    );
    let inventory = fs::read_to_string(lab.inventory()).unwrap();
    let pool = format!("metallb: {net}.200-{net}.219", net = lab.net);
    let peer = format!(
        "metallb: {{pools: {{default: {net}.200-{net}.219}}, bgp-mode: native, \
         peers: {{tor: {{address: {net}.1, my-asn: 64512, peer-asn: 64512, password: {{file: bgp}}}}}}}}",
        net = lab.net
    );
    assert!(inventory.contains(&pool));
    fs::write(lab.inventory(), inventory.replace(&pool, &peer)).unwrap();
}

/// Runs a command on a host with `input`, which nobody else sees.
fn fed(lab: &Lab, host: &str, script: &str, input: &str) -> String {
    let mut child = Command::new("docker")
        .args(["exec", "-i", &lab.container(host), "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{host}: {script}");
    String::from_utf8(output.stdout).unwrap()
}

/// Arguments and environments of the program, its `ssh`, and everything on the hosts.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Seen>,
}

#[derive(Default)]
struct Seen {
    rounds: usize,
    texts: BTreeSet<String>,
    /// What scripts were given on the hosts' tmpfs: the secrets that the run made itself.
    tokens: BTreeSet<String>,
    keys: BTreeSet<String>,
}

impl Watch {
    fn start(lab: &Lab) -> Self {
        let hosts: Vec<PathBuf> = HOSTS
            .iter()
            .map(|(host, ..)| {
                let name = lab.container(host);
                let of = ["inspect", "--format", "{{.State.Pid}}", &name];
                let process = run(Command::new("docker").args(of)).ok().stdout;
                Path::new("/proc").join(process.trim())
            })
            .collect();
        let ours = lab.directory.path().to_str().unwrap().to_owned();
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        let thread = std::thread::spawn(move || {
            let spaces = hosts.iter().map(|host| namespace(host).unwrap()).collect();
            let mut seen = Seen::default();
            while !until.load(Ordering::Relaxed) {
                seen.look(&spaces, &ours);
                for host in &hosts {
                    seen.capture(&host.join("root/run"));
                }
                seen.rounds += 1;
                std::thread::sleep(Duration::from_millis(2));
            }
            seen
        });
        Self { stop, thread }
    }

    fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn namespace(process: &Path) -> Option<PathBuf> {
    fs::read_link(process.join("ns/pid")).ok()
}

impl Seen {
    /// Every process of the hosts, and those of this machine that know our directory: the program and what it starts.
    fn look(&mut self, hosts: &BTreeSet<PathBuf>, ours: &str) {
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let process = process.path();
            let text = |name: &str| {
                let bytes = fs::read(process.join(name)).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let of_host = namespace(&process).is_some_and(|space| hosts.contains(&space));
            let (arguments, environment) = (text("cmdline"), text("environ"));
            if of_host || environment.contains(ours) {
                self.texts.insert(arguments);
                self.texts.insert(environment);
            }
        }
    }

    fn capture(&mut self, run: &Path) {
        let directories = fs::read_dir(run).into_iter().flatten().flatten();
        let scripts = directories.filter(|entry| {
            let name = entry.file_name();
            name.to_string_lossy().starts_with("baremetal.")
        });
        for file in scripts.flat_map(|entry| fs::read_dir(entry.path()).into_iter().flatten()) {
            // A pipe would be emptied under its reader's hands.
            let Some(file) = file
                .ok()
                .filter(|file| file.file_type().is_ok_and(|kind| kind.is_file()))
            else {
                continue;
            };
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            for line in text.lines() {
                let value = |key: &str| {
                    let value = line.trim().trim_start_matches("- ").strip_prefix(key)?;
                    Some(value.trim().trim_matches('"').to_owned())
                };
                self.keys
                    .extend(value("certificateKey:").filter(|key| key.len() == 64));
                self.tokens
                    .extend(value("token:").filter(|token| token_in(token).is_some()));
            }
        }
    }

    fn finds(&self, secret: &str) -> Option<&String> {
        self.texts.iter().find(|text| text.contains(secret))
    }
}

/// A word like a bootstrap token: `abcdef.0123456789abcdef`.
fn token_in(text: &str) -> Option<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && !"._-/".contains(letter))
        .find(|word| {
            let plain = |part: &str, length| {
                let fits = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit();
                part.len() == length && part.bytes().all(fits)
            };
            word.split_once('.')
                .is_some_and(|(id, secret)| plain(id, 6) && plain(secret, 16))
        })
}

#[test]
fn a_token_is_known_by_its_form() {
    let token = "abcdef.0123456789abcdef";
    assert_eq!(token_in(&format!("--token={token} x")), Some(token));
    assert_eq!(token_in(&format!("\"{token}\"")), Some(token));
    assert_eq!(token_in("abcdef.0123456789abcdefg abcdef.x"), None);
}

/// Logs of runs, kubeconfig, everything below our directory; not the files that the secrets come from.
fn in_files_of_this_machine(lab: &Lab, secrets: &BTreeMap<&str, &str>) {
    let planted = ["sudo", "bgp", "encryption"].map(|name| lab.directory.path().join(name));
    let mut logs = 0;
    let mut open = vec![lab.directory.path().to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            if planted.contains(&path) {
                continue;
            }
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            for (secret, what) in secrets {
                assert!(!text.contains(secret), "{what} in {}", path.display());
            }
            if path.extension().is_some_and(|ending| ending == "log") {
                logs += 1;
                assert_eq!(token_in(&text), None, "{}", path.display());
                assert!(text.len() > 1000, "{} says little", path.display());
                private(&path);
            }
        }
    }
    assert_eq!(logs, 2, "each run has a log");
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", path.display());
}

/// Files on the hosts that hold one of the patterns on stdin, with their modes; and the journal's lines.
const SEARCH: &str = "umask 077; cat >/root/patterns
find /etc /run /tmp /var/tmp /root /home /usr/local /var/log /var/lib/baremetal /var/lib/kubelet \
    -xdev -type f ! -path /root/patterns -exec grep -lF -f /root/patterns {} + |
    while read -r file; do stat -c '%a %U %n' \"$file\"; done
journalctl --no-pager -o cat | grep -F -f /root/patterns
rm /root/patterns";

fn in_files_of_hosts(lab: &Lab, patterns: &str) {
    // The search itself: what lies there is found.
    fed(lab, "w1", "cat >/tmp/planted", BGP);
    let found = fed(lab, "w1", SEARCH, patterns);
    assert_eq!(found, "644 root /tmp/planted\n");
    lab.on("w1", "rm /tmp/planted").ok();

    for (host, role, _) in HOSTS {
        let found = fed(lab, host, SEARCH, patterns);
        let allowed = match *role {
            "control-plane" => "600 root /etc/kubernetes/pki/secrets-encryption.yaml\n",
            _ => "",
        };
        assert_eq!(found, allowed, "{host}");
    }
}
