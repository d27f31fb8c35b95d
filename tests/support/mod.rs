//! Lab hosts for the end-to-end tests and the benchmark: a cluster of our own, driven through the program as a user drives it.

pub mod played;
pub mod watch;

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// A lab of its own: name, subnet, state directory, inventory. Removed when dropped.
pub struct Lab {
    pub name: String,
    /// First three numbers of its /24: `10.123.51`.
    pub net: String,
    pub directory: tempfile::TempDir,
    keep: bool,
}

/// What a run of the program left behind.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// A host of an inventory: name, role, last number of its address.
pub type HostLine<'a> = (&'a str, &'a str, u8);

pub const THREE_AND_TWO: &[HostLine<'_>] = &[
    ("cp1", "control-plane", 11),
    ("cp2", "control-plane", 12),
    ("cp3", "control-plane", 13),
    ("w1", "worker", 21),
    ("w2", "worker", 22),
];

impl Lab {
    /// Names must differ between tests that could leave something behind; `third` is the third number of the subnet.
    pub fn new(name: &str, third: u8, hosts: &[HostLine<'_>]) -> Self {
        let lab = Self {
            name: name.to_owned(),
            net: format!("10.123.{third}"),
            directory: tempfile::tempdir().expect("a temporary directory"),
            keep: std::env::var_os("BAREMETAL_KEEP_LAB").is_some(),
        };
        lab.write(hosts, "");
        // What an earlier test process left when it was killed has another ssh key.
        lab.run(&["lab", "down"], &[]).ok();
        lab
    }

    /// Writes the inventory; `more` is appended as it is.
    pub fn write(&self, hosts: &[HostLine<'_>], more: &str) {
        let net = &self.net;
        let mut text = format!(
            "cluster: {}\nendpoint: {net}.10\nlab: {{subnet: {net}.0/24}}\nmetallb: {net}.200-{net}.219\n{more}hosts:\n",
            self.name
        );
        for (name, role, last) in hosts {
            text.push_str(&format!(
                "  {name}: {{address: {net}.{last}, role: {role}}}\n"
            ));
        }
        fs::write(self.inventory(), text).expect("the inventory can be written");
    }

    pub fn inventory(&self) -> PathBuf {
        self.directory.path().join("inventory.yaml")
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.directory
            .path()
            .join(format!("{}.kubeconfig", self.name))
    }

    pub fn vip(&self) -> String {
        format!("{}.10", self.net)
    }

    /// The program with this lab's state and bundle, its inventory as the last argument of `verb`.
    pub fn command(&self, verb: &[&str], more: &[&str]) -> Command {
        self.command_with(verb, &self.inventory(), more)
    }

    /// [`Lab::command`] with another inventory.
    pub fn command_with(&self, verb: &[&str], inventory: &Path, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_baremetal"));
        command
            .args(verb)
            .arg(inventory)
            .args(more)
            .env("XDG_STATE_HOME", self.state())
            .env("BAREMETAL_BUNDLE", bundle())
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// The program's state directory: ssh key and known hosts of the lab, logs of runs.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    pub fn run(&self, verb: &[&str], more: &[&str]) -> Run {
        run(&mut self.command(verb, more))
    }

    /// `up` with events on stdout.
    pub fn up(&self) -> Run {
        self.run(&["up"], &["--output", "json"])
    }

    /// `up` once more, which must find nothing to do and send no mutating command to any host.
    #[track_caller]
    pub fn nothing_to_do(&self) -> Run {
        let again = self.up().ok();
        let end = again.finished();
        let done: Vec<Value> = again
            .events()
            .into_iter()
            .filter(|event| event["event"] == "step-finished")
            .map(|event| {
                let of = |key: &str| event[key].clone();
                Value::from(vec![of("host"), of("title"), of("changed")])
            })
            .collect();
        assert_eq!(
            (&end["changed"], &end["mutating"]),
            (&0.into(), &0.into()),
            "{done:#?}"
        );
        again
    }

    /// Waits until what pods were moved for runs again: the next look at the cluster asks webhooks of theirs.
    pub fn settled(&self) {
        for (namespace, deployment) in
            [("kube-system", "coredns"), ("metallb-system", "controller")]
        {
            let name = format!("deployment/{deployment}");
            let status = [
                "-n",
                namespace,
                "rollout",
                "status",
                &name,
                "--timeout=120s",
            ];
            self.kubectl(&status).ok();
        }
    }

    /// Runs `sh -c` on a host through the container engine, as somebody at its console would.
    pub fn on(&self, host: &str, script: &str) -> Run {
        run(Command::new("docker").args(["exec", &self.container(host), "sh", "-c", script]))
    }

    pub fn container(&self, host: &str) -> String {
        format!("baremetal_{}_{host}", self.name)
    }

    /// Kills the container of a host, as a power cut does, and removes it.
    pub fn destroy(&self, host: &str) {
        run(Command::new("docker").args(["rm", "--force", "--volumes", &self.container(host)]))
            .ok();
    }

    /// `kubectl` of the bundle with the fetched kubeconfig, on the machine that ran `up`. Asks again where nobody answered: the
    /// endpoint may be silent for a moment while control planes come and go.
    pub fn kubectl(&self, args: &[&str]) -> Run {
        let start = Instant::now();
        loop {
            let done = run(Command::new(kubectl())
                .arg("--kubeconfig")
                .arg(self.kubeconfig())
                .args(args));
            let unheard = done.code != Some(0)
                && ["Unable to connect to the server", "was refused"]
                    .iter()
                    .any(|words| done.stderr.contains(words));
            if !unheard || start.elapsed() > Duration::from_secs(5) {
                return done;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Whether the API answers through the endpoint within a second.
    pub fn answers(&self) -> bool {
        let url = format!("https://{}:6443/readyz", self.vip());
        run(Command::new("curl").args(["-ksf", "--max-time", "1", &url])).code == Some(0)
    }

    /// How long the API does not answer from now on: until it answered three times in a row, at most `limit`.
    pub fn gap(&self, limit: Duration) -> Duration {
        let start = Instant::now();
        let mut last_failure = start;
        let mut good = 0;
        while good < 3 || start.elapsed() < Duration::from_secs(8) {
            if self.answers() {
                good += 1;
            } else {
                good = 0;
                last_failure = Instant::now();
            }
            assert!(
                start.elapsed() < limit,
                "the API did not come back within {limit:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        let gap = last_failure.duration_since(start);
        let line = format!("{}: no answer for {gap:?}\n", self.name);
        // Nobody is left to tell when stderr is closed.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
        gap
    }

    /// Names of etcd's members, as the one on `host` has them; all of them vote.
    pub fn voters(&self, host: &str) -> BTreeSet<String> {
        let list = self.on(
            host,
            "etcdctl --endpoints https://127.0.0.1:2379 --cacert /etc/kubernetes/pki/etcd/ca.crt \
             --cert /etc/kubernetes/pki/etcd/server.crt --key /etc/kubernetes/pki/etcd/server.key member list -w json",
        );
        let list: Value = serde_json::from_str(&list.ok().stdout).expect("etcdctl prints JSON");
        let members = list["members"].as_array().expect("a list of members");
        assert!(
            members.iter().all(|member| member["isLearner"] != true),
            "{list}"
        );
        members
            .iter()
            .filter_map(|member| member["name"].as_str().map(str::to_owned))
            .collect()
    }

    /// The hosts that have the virtual IP on an interface.
    pub fn vip_holders(&self, hosts: &[HostLine<'_>]) -> Vec<String> {
        let vip = self.vip();
        hosts
            .iter()
            .filter(|(name, role, _)| {
                role.contains("control-plane")
                    && self
                        .on(name, &format!("ip -o addr show to {vip}"))
                        .stdout
                        .contains(&vip)
            })
            .map(|(name, ..)| (*name).to_owned())
            .collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.keep {
            let directory = self.directory.path().display();
            let kept = format!("kept: lab {} and {directory}\n", self.name);
            // Nobody is left to tell when stderr is closed.
            let _ = std::io::stderr().lock().write_all(kept.as_bytes());
            self.directory.disable_cleanup(true);
        } else {
            self.run(&["lab", "down"], &[]);
        }
    }
}

impl Run {
    /// The run, if it ended 0; else everything it said.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub fn code(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            Some(code),
            "\n--- stdout\n{}\n--- stderr\n{}",
            tail(&self.stdout),
            tail(&self.stderr)
        );
        self
    }

    /// Events of `--output json`, each as `baremetal schema events` describes it.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let events: Vec<Value> = self
            .stdout
            .lines()
            .map(|line| serde_json::from_str(line).expect("every line is an event"))
            .collect();
        // `plan` prints the plan behind them.
        for event in events.iter().filter(|line| line.get("event").is_some()) {
            fits_the_schema(event);
        }
        events
    }

    /// The event that ends every run.
    pub fn finished(&self) -> Value {
        self.events()
            .into_iter()
            .rfind(|event| event["event"] == "run-finished")
            .expect("a run says how it ended")
    }

    /// Everything it printed.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Whether an event is as `baremetal schema events` describes it.
#[track_caller]
pub fn fits_the_schema(event: &Value) {
    static SCHEMA: std::sync::LazyLock<jsonschema::Validator> = std::sync::LazyLock::new(|| {
        let schema = baremetal::report::events_schema().to_value();
        jsonschema::validator_for(&schema).expect("the schema of events is a schema")
    });
    if let Err(error) = SCHEMA.validate(event) {
        panic!("{error}, at `{}` of {event}", error.instance_path());
    }
}

/// The last lines, so that a failed assertion stays readable.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
}

pub fn run(command: &mut Command) -> Run {
    let start = Instant::now();
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("the program starts");
    Run {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
        took: start.elapsed(),
    }
}

/// kubectl where the bundle has it: `bundle add` names the file after architecture and version.
pub fn kubectl() -> PathBuf {
    let list = fs::read_to_string(bundle().join("bundle.yaml")).expect("the bundle has a list");
    let list: Value = serde_yaml::from_str(&list).expect("bundle.yaml is YAML");
    let items = list["items"].as_array().expect("a list of items");
    let file = items
        .iter()
        .find(|item| item["name"] == "kubectl")
        .and_then(|item| item["file"].as_str());
    bundle().join(file.expect("every bundle has kubectl"))
}

/// `BAREMETAL_BUNDLE`, else the stand-in that `tests/standin.sh` made.
pub fn bundle() -> PathBuf {
    let path = std::env::var_os("BAREMETAL_BUNDLE").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/standin"),
        PathBuf::from,
    );
    assert!(
        path.join("bundle.yaml").is_file(),
        "no bundle at {}: run tests/standin.sh first",
        path.display()
    );
    path
}
