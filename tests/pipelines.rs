//! The README's examples for GitHub and GitLab: their shell is checked, and run with the program as far as it goes without a cluster.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Run, run};

/// Every checksum of this version is pinned: nothing has to be fetched. Nobody answers on these hosts.
const INVENTORY: &str = "\
cluster: homelab
kubernetes: 1.36.4
endpoint: 10.0.0.10
ssh: {port: 1}
hosts:
  cp1: {address: 127.0.0.1, node-ip: 10.0.0.11, role: control-plane}
  w1: {address: 127.0.0.2, node-ip: 10.0.0.21}
";

/// A piece of shell with what it is called.
#[derive(Debug)]
struct Step {
    name: String,
    shell: String,
}

/// The YAML block of the README that begins with this comment.
fn block(file: &str) -> Value {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let start = format!("```yaml\n# {file}\n");
    let (_, rest) = readme.split_once(&start).expect("the example is there");
    let (text, _) = rest.split_once("\n```").expect("the example ends");
    serde_yaml::from_str(text).expect("the example is YAML")
}

fn github() -> Vec<Step> {
    let all = block(".github/workflows/cluster.yaml");
    let jobs = all["jobs"].as_object().unwrap();
    let steps = jobs
        .values()
        .flat_map(|job| job["steps"].as_array().unwrap());
    steps
        .filter_map(|step| {
            Some(Step {
                name: step["name"].as_str().unwrap_or_default().to_owned(),
                shell: step["run"].as_str()?.to_owned(),
            })
        })
        .collect()
}

/// One step per script: its lines are run by one shell.
fn gitlab() -> Vec<Step> {
    fn scripts(name: &str, value: &Value, found: &mut Vec<Step>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            let name = if name.is_empty() {
                key.clone()
            } else {
                format!("{name} {key}")
            };
            match value.as_array().filter(|_| key.ends_with("script")) {
                Some(lines) => {
                    let lines: Vec<&str> =
                        lines.iter().map(|line| line.as_str().unwrap()).collect();
                    let shell = lines.join("\n");
                    found.push(Step { name, shell });
                }
                None => scripts(&name, value, found),
            }
        }
    }
    let mut found = Vec::new();
    scripts("", &block(".gitlab-ci.yml"), &mut found);
    found
}

/// A checkout on a runner.
struct Runner(tempfile::TempDir);

impl Runner {
    fn new() -> Self {
        let runner = Self(tempfile::tempdir().unwrap());
        for (name, text) in [
            ("inventory.yaml", INVENTORY),
            ("key-variable", "-----BEGIN KEY-----\n"),
            ("known-variable", "cp1 ssh-ed25519 AAAA\n"),
        ] {
            fs::write(runner.at(name), text).unwrap();
        }
        fs::create_dir(runner.at("bin")).unwrap();
        fs::create_dir(runner.at("home")).unwrap();
        runner
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    /// `baremetal` that ends so, whatever it is asked.
    fn ends(&self, code: u8) {
        let program = self.at("bin/baremetal");
        fs::write(&program, format!("#!/bin/sh\nexit {code}\n")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a step as runners do: a shell that stops at the first failure.
    fn step(&self, step: &Step, shell: &str) -> Run {
        let program = Path::new(env!("CARGO_BIN_EXE_baremetal")).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{path}", self.at("bin").display(), program.display());
        let github = shell == "bash";
        let variable = |text: &str, file: &str| {
            if github {
                text.to_owned()
            } else {
                self.at(file).display().to_string()
            }
        };
        let mut command = Command::new(shell);
        command
            .args(["-e", "-c", &step.shell])
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.at("home"))
            .env("XDG_STATE_HOME", self.at("state"))
            .env("SSH_KEY", variable("-----BEGIN KEY-----", "key-variable"))
            .env(
                "KNOWN_HOSTS",
                variable("cp1 ssh-ed25519 AAAA", "known-variable"),
            )
            // Whoever asks for something out there is refused at once.
            .envs(
                ["http_proxy", "https_proxy", "all_proxy"].map(|name| (name, "http://127.0.0.1:9")),
            )
            .current_dir(self.0.path())
            .stdin(Stdio::null());
        run(&mut command)
    }
}

fn named<'a>(steps: &'a [Step], name: &str) -> &'a Step {
    let found = steps.iter().find(|step| step.name == name);
    found.unwrap_or_else(|| panic!("no step `{name}` in {steps:?}"))
}

#[test]
fn the_shell_of_both_is_right() {
    for (shell, steps) in [("bash", github()), ("sh", gitlab())] {
        assert!(steps.len() >= 4, "{steps:?}");
        for step in steps {
            let Step { name, shell: text } = &step;
            assert!(
                !text.contains("${{"),
                "{name}: text of others would become shell: {text}"
            );
            run(Command::new(shell).args(["-n", "-c", text])).ok();
            let mut check = Command::new("shellcheck");
            let mut check = check
                .args(["--shell", shell, "--severity", "style", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            check
                .stdin
                .take()
                .unwrap()
                .write_all(text.as_bytes())
                .unwrap();
            let said = check.wait_with_output().unwrap();
            assert!(
                said.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&said.stdout)
            );
        }
    }
}

#[test]
fn a_key_is_for_its_owner_alone() {
    for (shell, steps, name) in [
        ("bash", github(), "key and known hosts"),
        ("sh", gitlab(), "default before_script"),
    ] {
        let runner = Runner::new();
        for _ in 0..2 {
            runner.step(named(&steps, name), shell).ok();
        }
        let key = runner.at("home/.ssh/id_ed25519");
        assert_eq!(fs::read_to_string(&key).unwrap(), "-----BEGIN KEY-----\n");
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let known = fs::read_to_string(runner.at("home/.ssh/known_hosts")).unwrap();
        assert!(known.starts_with("cp1 ssh-ed25519 AAAA\n"));
    }
}

#[test]
fn the_inventory_is_checked_without_a_network() {
    let steps = github();
    let runner = Runner::new();
    let check = named(&steps, "the inventory alone");
    // No checksum of this version is pinned.
    let unpinned = INVENTORY.replace("1.36.4", "1.33.3");
    fs::write(runner.at("inventory.yaml"), unpinned).unwrap();
    let right = runner.step(check, "bash").ok();
    assert!(
        right.stderr.contains("the inventory is right"),
        "{}",
        right.stderr
    );
    fs::write(
        runner.at("inventory.yaml"),
        INVENTORY.replace("hosts:", "hots:"),
    )
    .unwrap();
    let wrong = runner.step(check, "bash").code(3);
    assert!(wrong.stderr.contains("`hots`"), "{}", wrong.stderr);
}

#[test]
fn a_plan_with_changes_is_no_failure_and_everything_else_is() {
    let (github, gitlab) = (github(), gitlab());
    let plan = named(&github, "what would be done");
    let check = named(&gitlab, "check script");
    // The program itself, with hosts that do not answer.
    let dead = Runner::new().step(plan, "bash").code(4);
    assert!(
        dead.stderr.contains("2 of 2 hosts cannot be worked on"),
        "{}",
        dead.stderr
    );
    let runner = Runner::new();
    Runner::step(&runner, check, "sh").code(4);
    assert!(runner.at("check.xml").is_file());
    for (code, wanted) in [(0, 0), (7, 0), (4, 4), (6, 6), (8, 8), (130, 130)] {
        let runner = Runner::new();
        runner.ends(code);
        let step = runner.step(plan, "bash").code(wanted);
        assert_eq!(step.stdout.contains("nothing to do"), code == 0);
        assert_eq!(step.stdout.contains("when this is merged"), code == 7);
        // Of the lines before it in GitLab's script the same program ends so, and stops it.
        let last = check.shell.rsplit_once("code=0").unwrap().1;
        let alone = Step {
            name: String::new(),
            shell: format!("code=0{last}"),
        };
        runner.step(&alone, "sh").code(wanted);
    }
}

#[test]
fn runs_are_kept_where_only_their_own_job_looks() {
    let all = block(".github/workflows/cluster.yaml");
    let jobs = all["jobs"].as_object().unwrap();
    for job in jobs.values() {
        let state = &job["env"]["XDG_STATE_HOME"];
        assert_eq!(*state, "${{ github.workspace }}/state");
    }
    let variables = &block(".gitlab-ci.yml")["variables"];
    assert_eq!(variables["XDG_STATE_HOME"], "$CI_PROJECT_DIR/state");
}

#[test]
fn a_run_that_failed_leaves_its_page_and_its_report() {
    let (github, gitlab) = (github(), gitlab());
    for (shell, up, page) in [
        (
            "bash",
            named(&github, "up"),
            named(&github, "the run as a page"),
        ),
        (
            "sh",
            named(&gitlab, "up script"),
            named(&gitlab, "up after_script"),
        ),
    ] {
        let runner = Runner::new();
        // Runs of other jobs are not kept where this one looks.
        runner.step(page, shell).code(2);
        runner.step(up, shell).code(4);
        let junit = fs::read_to_string(runner.at("up.xml")).unwrap();
        assert!(junit.contains("failures=\"2\""), "{junit}");
        runner.step(page, shell).ok();
        let page = fs::read_to_string(runner.at("up.html")).unwrap();
        assert!(
            page.contains("cp1 is unreachable") && page.contains("(exit code 4)"),
            "{page}"
        );
    }
}
