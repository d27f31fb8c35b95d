//! The program's own words and exit codes, without a host: wrong inventories, help, schema, completions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{Run, run};

pub const GOOD: &str = "\
cluster: home
kubernetes: 1.33.4
endpoint: 10.0.0.10
metallb: 10.0.0.200-10.0.0.219
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  w1: {address: 10.0.0.21}
";

/// The program, away from the bundle, the terminal and the state of whoever runs the tests.
pub fn baremetal(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_baremetal"));
    command
        .args(arguments)
        .env_remove("BAREMETAL_BUNDLE")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    command
}

/// `check --offline` of an inventory that was [`GOOD`] until `from` became `to`.
fn check(from: &str, to: &str, more: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inventory.yaml");
    assert!(GOOD.contains(from), "{from} is not in the inventory");
    fs::write(&path, GOOD.replacen(from, to, 1)).unwrap();
    let mut command = baremetal(&["check", "--offline"]);
    command.arg("inventory.yaml").args(more);
    run(command.current_dir(directory.path()))
}

#[track_caller]
fn says(run: &Run, words: &[&str]) {
    for word in words {
        assert!(run.stderr.contains(word), "no `{word}` in:\n{}", run.stderr);
    }
}

#[test]
fn an_unknown_key_is_shown_with_its_place_and_the_nearest_one() {
    let wrong = check("metallb:", "metalb:", &[]).code(3);
    says(&wrong, &["inventory.yaml:4:1: ", "`metalb`", "`metallb`"]);
    assert_eq!(wrong.stdout, "");
}

#[test]
fn a_bad_network_is_shown_with_its_place_and_what_to_write() {
    let wrong = check("hosts:", "network: {pods: 10.244.0.0/33}\nhosts:", &[]).code(3);
    says(
        &wrong,
        &["inventory.yaml:5:17: network.pods: ", "10.244.0.0/33"],
    );
}

#[test]
fn a_virtual_ip_in_a_pool_is_refused() {
    let wrong = check("10.0.0.200-10.0.0.219", "10.0.0.5-10.0.0.10", &[]).code(3);
    says(
        &wrong,
        &["inventory.yaml:3:11: endpoint: 10.0.0.10 ", "pool"],
    );
    says(
        &wrong,
        &["1 mistake in inventory.yaml; nothing was changed"],
    );
}

#[test]
fn all_mistakes_are_said_at_once() {
    let twice = "metalb: 10.0.0.200-10.0.0.219\nendpiont: x";
    let wrong = check("metallb: 10.0.0.200-10.0.0.219", twice, &[]).code(3);
    says(&wrong, &["inventory.yaml:4:1: ", "inventory.yaml:5:1: "]);
}

#[test]
fn a_check_that_does_not_exist_cannot_be_skipped() {
    let wrong = check("", "", &["--skip-check", "memori"]).code(2);
    says(
        &wrong,
        &["`memori` (did you mean `memory`?)", "checks are: sudo, os,"],
    );
}

#[test]
fn a_missing_inventory_is_named() {
    let wrong = run(&mut baremetal(&["up", "nowhere/inventory.yaml"])).code(3);
    says(
        &wrong,
        &["there is no inventory nowhere/inventory.yaml", "examples"],
    );
}

#[test]
fn a_bundle_that_is_not_there_is_named_before_anything_is_done() {
    let wrong = check("", "", &["--bundle", "nowhere"]).code(5);
    says(&wrong, &["there is no bundle nowhere", "bundle create"]);
}

/// `verb` of [`GOOD`], which no host answers for.
fn of_good(verb: &str, more: &[&str]) -> Run {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("inventory.yaml"), GOOD).unwrap();
    let mut command = baremetal(&[verb, "inventory.yaml"]);
    run(command.args(more).current_dir(directory.path()))
}

#[test]
fn the_name_of_another_cluster_is_refused_before_any_host_is_asked() {
    for verb in ["reset", "rebuild"] {
        let wrong = of_good(verb, &["--yes=hom"]).code(8);
        assert_eq!(wrong.stdout, "");
        assert_eq!(
            wrong.stderr,
            "error: the inventory is of cluster `home`, not of `hom`; nothing was changed\n  \
             → look at which inventory is meant, then give the name of its cluster\n"
        );
    }
}

#[test]
fn a_host_that_the_inventory_does_not_have_is_not_reset() {
    let wrong = of_good("reset", &["w2", "--yes=home"]).code(2);
    assert_eq!(
        wrong.stderr,
        "error: the inventory has no host `w2`; nothing was changed\n  → its hosts are cp1, w1\n"
    );
}

#[test]
fn a_limit_that_means_no_host_is_refused_before_any_host_is_asked() {
    for arguments in [
        &["up"][..],
        &["plan"],
        &["check"],
        &["check", "--offline"],
        &["render", "--out", "rendered"],
        &["exec", "--", "true"],
    ] {
        let (verb, more) = arguments.split_first().unwrap();
        let limit = ["--limit", "role:workers"];
        let wrong = of_good(verb, &[&limit, more].concat()).code(2);
        assert_eq!(
            wrong.stderr,
            "error: no role is named `workers` (did you mean `worker`?)\n  \
             → hosts: cp1, w1; roles: control-plane, worker, load-balancer\n",
            "{verb}"
        );
        assert_eq!(wrong.stdout, "");
    }
}

#[test]
fn render_writes_the_files_of_the_hosts_within_the_limit_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("inventory.yaml"), GOOD).unwrap();
    let render = |more: &[&str]| {
        let mut command = baremetal(&["render", "inventory.yaml", "--out", "rendered"]);
        run(command.args(more).current_dir(directory.path())).ok()
    };
    let hosts = || {
        let entries = fs::read_dir(directory.path().join("rendered")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    };
    let said = render(&["--limit", "!cp1"]).stdout;
    assert!(said.ends_with(" for 1 host in rendered\n"), "{said}");
    assert_eq!(hosts(), ["w1"]);
    render(&[]);
    assert_eq!(hosts(), ["cp1", "w1"]);
}

#[test]
fn ssh_goes_to_one_host_and_says_so() {
    for (name, said) in [
        ("w2", "error: no host is named `w2`\n  → hosts: cp1, w1\n"),
        (
            "cp11",
            "error: no host is named `cp11` (did you mean `cp1`?)\n  → hosts: cp1, w1\n",
        ),
        (
            "*1",
            "error: `*1` means cp1, w1: ssh goes to one host\n  \
             → name one of them; `baremetal exec --limit` runs a command on all\n",
        ),
        (
            "role:master",
            "error: no role is named `master`\n  → hosts: cp1, w1; roles: control-plane, worker, load-balancer\n",
        ),
    ] {
        assert_eq!(of_good("ssh", &[name]).code(2).stderr, said);
    }
}

#[test]
fn machines_that_are_no_lab_are_not_made_anew() {
    let wrong = of_good("rebuild", &["--yes=home", "--recreate-lab"]).code(2);
    says(&wrong, &["inventory.yaml has no `lab:` block"]);
}

#[test]
fn without_a_command_the_usage_is_shown() {
    let wrong = run(&mut baremetal(&[])).code(2);
    says(
        &wrong,
        &["Usage: baremetal <COMMAND>", "Exit codes:", "  0  done"],
    );
    let wrong = run(&mut baremetal(&["upp"])).code(2);
    says(&wrong, &["'upp'", "'up'"]);
}

#[test]
fn the_help_of_every_command_has_an_example() {
    fn below(command: &clap::Command, path: &[String], found: &mut Vec<Vec<String>>) {
        for verb in command.get_subcommands() {
            let path = [path, &[verb.get_name().to_owned()]].concat();
            below(verb, &path, found);
            found.push(path);
        }
    }
    let mut verbs = vec![Vec::new()];
    let program = <baremetal::cli::Cli as clap::CommandFactory>::command();
    below(&program, &[], &mut verbs);
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in verbs {
        let help = run(baremetal(&[]).args(&verb).arg("--help")).ok().stdout;
        let example = [&["  baremetal".to_owned()], verb.as_slice()].concat();
        assert!(
            help.contains("Example") && help.contains(&example.join(" ")),
            "{verb:?}:\n{help}"
        );
        // On a terminal of 80 columns a longer line is broken, and pasted as two commands.
        let (_, examples) = help.split_once("Example").unwrap();
        for line in examples.lines().filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 78, "{verb:?}: {line}");
        }
    }
}

#[test]
fn every_example_inventory_is_rendered_without_a_network() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories");
    let mut inventories: Vec<PathBuf> = fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .chain([root.join("kubespray/inventory.ini")])
        .collect();
    inventories.sort();
    assert!(inventories.len() > 7, "{inventories:?}");
    for inventory in inventories {
        let out = tempfile::tempdir().unwrap();
        let rendered = run(baremetal(&["render"])
            .arg(&inventory)
            .arg("--out")
            .arg(out.path())
            // Whoever asks for something out there is refused at once.
            .envs(
                ["http_proxy", "https_proxy", "all_proxy"].map(|name| (name, "http://127.0.0.1:9")),
            )
            .env("HARBOR_ADMIN_PASSWORD", "x"));
        // What comes from a bundle needs it; the stand-in may not have been made, and the other one is the user's.
        if rendered.stderr.contains("there is no bundle ") {
            // An inventory that leaves its version to the bundle is itself in want of it.
            assert!(matches!(rendered.code, Some(3 | 5)), "{rendered:?}");
            continue;
        }
        let said = rendered.ok().stdout;
        assert!(said.contains(" files for "), "{said}");
        let hosts = fs::read_dir(out.path()).unwrap();
        let named = hosts
            .filter_map(Result::ok)
            .filter(|entry| entry.path().is_dir());
        assert!(
            said.contains(&format!("for {} host", named.count())),
            "{said}"
        );
    }
}

#[test]
fn schemas_are_json() {
    for (kind, word) in [
        ("inventory", "metallb"),
        ("events", "run-finished"),
        ("status", "problems"),
    ] {
        let text = run(&mut baremetal(&["schema", kind])).ok().stdout;
        let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(schema["$schema"].is_string(), "{kind}");
        assert!(text.contains(&format!("\"{word}\"")), "{kind}");
    }
}

/// [`GOOD`] with hosts on which nobody answers: all are told to be out of reach.
pub fn dead() -> String {
    GOOD.replace(
        "address: 10.0.0.11",
        "address: 127.0.0.1, node-ip: 10.0.0.11",
    )
    .replace(
        "address: 10.0.0.21",
        "address: 127.0.0.2, node-ip: 10.0.0.21",
    )
    .replace("hosts:", "ssh: {port: 1}\nhosts:")
}

/// Refused before any host was asked: a pipeline reads why, and no report is green.
#[test]
fn a_run_that_was_refused_is_a_failed_case_of_its_report() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("inventory.yaml", &dead());
    write("bad.yaml", &dead().replace("hosts:", "hots:"));
    for (arguments, code, says) in [
        (&["check", "bad.yaml", "--offline"][..], 3, "hots"),
        (
            &["check", "inventory.yaml", "--bundle", "nowhere"],
            5,
            "nowhere",
        ),
        (&["verify", "bad.yaml"], 3, "hots"),
        (
            &["verify", "inventory.yaml", "--skip-check", "everything"],
            2,
            "everything",
        ),
        (
            &["verify", "inventory.yaml", "--failover=node"],
            8,
            "cannot spare one",
        ),
    ] {
        let mut command = baremetal(arguments);
        command
            .args(["--output", "json", "--junit", "run.xml"])
            .env("XDG_STATE_HOME", directory.path().join("state"))
            .current_dir(directory.path());
        let ended = run(&mut command);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.text());
        let last = ended.stdout.lines().last().unwrap();
        let last: serde_json::Value = serde_json::from_str(last).unwrap();
        assert_eq!(
            (&last["event"], &last["code"]),
            (&"run-finished".into(), &code.into())
        );
        let report = fs::read_to_string(directory.path().join("run.xml")).unwrap();
        let totals = "tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\"";
        assert!(report.contains(totals), "{arguments:?}: {report}");
        let message = format!("<failure message=\"exit code {code}: ");
        assert!(
            report.contains(&message) && report.contains(says),
            "{report}"
        );
    }
}

#[test]
fn what_a_run_prints_as_json_fits_the_published_schema() {
    let text = run(&mut baremetal(&["schema", "events"])).ok().stdout;
    let schema: serde_json::Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    // It sees what is wrong.
    let wrong = serde_json::json!({"run": "1-2", "at": 1, "event": "note"});
    assert!(!validator.is_valid(&wrong));
    let dead = dead();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("inventory.yaml"), dead).unwrap();
    let mut kinds = Vec::new();
    for (arguments, code) in [
        (&["exec", "--", "true"][..], 4),
        (&["reset", "--yes=home"], 4),
        (&["maintenance-off", "w1"], 4),
        (&["check", "--bundle", "nowhere"], 5),
        (&["plan", "--skip-check", "everything"], 2),
        (&["verify", "--skip-check", "everything"], 2),
    ] {
        let (verb, more) = arguments.split_first().unwrap();
        let mut command = baremetal(&verb.split('-').collect::<Vec<_>>());
        command
            .args(["inventory.yaml", "--output", "json"])
            .args(more)
            .env("XDG_STATE_HOME", directory.path().join("state"))
            .current_dir(directory.path());
        let ended = run(&mut command);
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.text());
        for line in ended.stdout.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(validator.is_valid(&event), "{line}");
            kinds.push(event["event"].as_str().unwrap().to_owned());
        }
    }
    kinds.sort();
    kinds.dedup();
    for kind in [
        "run-started",
        "inventory",
        "host-unreachable",
        "run-finished",
    ] {
        assert!(kinds.iter().any(|one| one == kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn the_completions_are_those_of_the_command_line() {
    for (shell, file) in [
        ("bash", "completions/baremetal.bash"),
        ("zsh", "completions/_baremetal"),
        ("fish", "completions/baremetal.fish"),
    ] {
        let made = run(&mut baremetal(&["completions", shell])).ok().stdout;
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let kept = fs::read_to_string(kept).unwrap_or_default();
        assert!(
            made == kept,
            "{file} is not what the program prints; refresh it: cargo run -- completions {shell} > {file}"
        );
    }
}

/// `add-node` with [`GOOD`]; the directory is kept so that the inventory can be looked at.
fn add_node(arguments: &[&str]) -> (tempfile::TempDir, Run) {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("inventory.yaml"), GOOD).unwrap();
    let mut command = baremetal(&["add-node", "inventory.yaml"]);
    let run = run(command.args(arguments).current_dir(directory.path()));
    (directory, run)
}

#[test]
fn what_is_missing_of_a_new_host_is_named_with_its_flag() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["w9"],
            "error: w9 is not in the inventory, and its address was not given\n  → `--address ADDRESS` or `w9=ADDRESS` adds it; the inventory has cp1, w1\n",
        ),
        (
            &["w1", "--role", "worker"],
            "error: `--role` is for hosts that are not in the inventory yet; these are\n  → change the host's entry in the inventory instead\n",
        ),
        (
            &["w1=10.0.0.99"],
            "error: w1 is in the inventory with the address 10.0.0.21, not 10.0.0.99\n  → leave the address out, or give the host another name\n",
        ),
        (
            &["w8", "w9", "--address", "10.0.0.29"],
            "error: `--address` is for one host, and 2 are new\n  → write NAME=ADDRESS for each\n",
        ),
        (
            &["w9=10.0.0.29", "w9"],
            "error: w9 is named twice\n  → name each host once\n",
        ),
        (
            &["=10.0.0.29"],
            "error: `=10.0.0.29` is no host\n  → write NAME or NAME=ADDRESS\n",
        ),
    ];
    for (arguments, said) in cases {
        let (directory, run) = add_node(arguments);
        let run = run.code(2);
        assert_eq!(run.stderr, *said, "{arguments:?}");
        assert_eq!(run.stdout, "");
        let left = fs::read_to_string(directory.path().join("inventory.yaml")).unwrap();
        assert_eq!(left, GOOD);
    }
}

#[test]
fn a_new_host_that_the_rules_refuse_is_refused_with_the_lines_to_write_by_hand() {
    let (directory, run) = add_node(&["cp2=10.0.0.12", "--role", "control-plane"]);
    let run = run.code(3);
    says(
        &run,
        &[
            "inventory.yaml",
            "2 control planes",
            "allow-even-control-planes: true",
        ],
    );
    let (_, run) = add_node(&["w2=10.0.0.21"]);
    says(&run.code(3), &["10.0.0.21"]);
    let left = fs::read_to_string(directory.path().join("inventory.yaml")).unwrap();
    assert_eq!(left, GOOD);
}

#[test]
fn init_writes_what_loads_and_overwrites_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let init = |more: &[&str]| {
        let arguments = [&["init", "home.yaml", "--offline"], more].concat();
        run(baremetal(&arguments).current_dir(directory.path()))
    };
    let missing = init(&["--host", "cp1 10.0.0.11"]).code(2);
    says(
        &missing,
        &[
            "name of the cluster: there is no terminal to ask on; give --cluster VALUE",
            "proposed: --cluster home",
            "`--yes` takes every proposal",
        ],
    );
    assert!(!directory.path().join("home.yaml").exists());
    let written = init(&["--host", "cp1 10.0.0.11", "--host", "w1 10.0.0.21", "--yes"]).ok();
    assert_eq!(
        written.stdout,
        "home.yaml is written; next: baremetal check home.yaml\n"
    );
    let text = fs::read_to_string(directory.path().join("home.yaml")).unwrap();
    let again = init(&["--host", "cp1 10.0.0.12", "--yes"]).code(2);
    says(
        &again,
        &["home.yaml is there already; it was left alone", "--force"],
    );
    assert_eq!(
        fs::read_to_string(directory.path().join("home.yaml")).unwrap(),
        text
    );
    init(&["--host", "cp1 10.0.0.12", "--yes", "--force"]).ok();
    assert!(
        fs::read_to_string(directory.path().join("home.yaml"))
            .unwrap()
            .contains("10.0.0.12")
    );
    assert_eq!(
        fs::read_dir(directory.path()).unwrap().count(),
        1,
        "nothing is left behind"
    );
    let clash = init(&["--from-kubespray", ".", "--host", "a 10.0.0.1"]).code(2);
    says(&clash, &["--from-kubespray", "cannot be used with"]);
}

#[test]
fn init_converts_an_inventory_of_kubesprays_and_lists_what_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories/kubespray");
    let from = from.to_str().unwrap();
    let written =
        run(baremetal(&["init", "ours.yaml", "--from-kubespray", from])
            .current_dir(directory.path()))
        .ok();
    says(
        &written,
        &[
            "note: ",
            "`metrics_server_enabled` was not carried over; install metrics-server through `addons`",
        ],
    );
    let text = fs::read_to_string(directory.path().join("ours.yaml")).unwrap();
    insta::assert_snapshot!("init-from-kubespray", text.replace(from, "KUBESPRAY"));
    let ours = baremetal::inventory::load(&directory.path().join("ours.yaml")).unwrap();
    let theirs = baremetal::inventory::load(Path::new(from)).unwrap();
    let essence = |cluster: &baremetal::inventory::Cluster| {
        let hosts = cluster.hosts.iter();
        let hosts: Vec<_> = hosts
            .map(|host| {
                (
                    host.name.clone(),
                    host.address.clone(),
                    host.roles.clone(),
                    host.labels.clone(),
                )
            })
            .collect();
        (
            cluster.endpoint.clone(),
            hosts,
            cluster.network.pods.clone(),
            cluster.version.clone(),
            cluster.kube_proxy.clone(),
        )
    };
    assert_eq!(essence(&ours), essence(&theirs));
    let none = run(
        baremetal(&["init", "b.yaml", "--from-kubespray", "ours.yaml"])
            .current_dir(directory.path()),
    )
    .code(3);
    says(&none, &["ours.yaml is no inventory of kubespray's"]);
}

/// Nothing of a lab is taken down for a cluster that could not be made again.
#[test]
fn a_bundle_without_what_is_needed_is_found_before_lab_hosts_are_destroyed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let lab = GOOD.replace(
        "endpoint: 10.0.0.10",
        "lab: {subnet: 10.0.0.0/24}\nendpoint: 10.0.0.10",
    );
    fs::write(at("inventory.yaml"), lab).unwrap();
    fs::create_dir(at("bundle")).unwrap();
    let list = "apiVersion: baremetal.bundle/v1\nkubernetes: 1.33.4\nitems: []\n";
    fs::write(at("bundle/bundle.yaml"), list).unwrap();
    for engine in ["docker", "podman"] {
        let script = format!("#!/bin/sh\necho \"$*\" >>{}\n", at("asked").display());
        fs::write(at(engine), script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(at(engine), mode).unwrap();
    }
    let mut command = baremetal(&["rebuild", "inventory.yaml", "--recreate-lab", "--yes=home"]);
    let path = format!(
        "{}:{}",
        directory.path().display(),
        std::env::var("PATH").unwrap()
    );
    let wrong = run(command
        .args(["--bundle", "bundle"])
        .env("PATH", path)
        .env("XDG_STATE_HOME", directory.path())
        .current_dir(directory.path()));
    assert_ne!(wrong.code, Some(0), "{wrong:?}");
    assert!(wrong.stderr.contains("bundle"), "{}", wrong.stderr);
    let asked = fs::read_to_string(at("asked")).unwrap_or_default();
    assert_eq!(asked, "", "{}", wrong.stderr);
}
