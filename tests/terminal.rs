//! What a shell, a manual and a terminal get of the program: completion, pages, width, colours.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    cli::{GOOD, baremetal, dead},
    support::run,
};

/// What a shell is told when Tab is pressed behind the last word.
fn completed(directory: &Path, words: &[&str]) -> Vec<String> {
    let mut command = baremetal(&["--", "baremetal"]);
    command
        .args(words)
        .env("BAREMETAL_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", words.len().to_string())
        .env("_CLAP_IFS", "\n")
        .env("XDG_STATE_HOME", directory.join("state"))
        .current_dir(directory);
    let said = run(&mut command).ok();
    assert_eq!(said.stderr, "");
    said.stdout.lines().map(str::to_owned).collect()
}

/// [`GOOD`] with a group, in a directory of its own.
fn desk() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let text = format!("{GOOD}  w2: {{address: 10.0.0.22, group: edge}}\ngroups: {{edge: {{}}}}\n");
    fs::write(directory.path().join("inventory.yaml"), text).unwrap();
    fs::write(directory.path().join("up.xml"), "<testsuites/>\n").unwrap();
    fs::create_dir_all(directory.path().join("state/baremetal/runs/homelab")).unwrap();
    directory
}

#[test]
fn names_of_the_inventory_are_completed() {
    let desk = desk();
    let roles = ["control-plane", "worker", "load-balancer"];
    let all = [&["cp1", "w1", "w2", "edge"], &roles[..]].concat();
    for (words, wanted) in [
        (&["ssh", "inventory.yaml", ""][..], &["cp1", "w1", "w2"][..]),
        (&["ssh", "inventory.yaml", "w"], &["w1", "w2"]),
        (&["lab", "ssh", "inventory.yaml", "c"], &["cp1"]),
        (&["remove-node", "inventory.yaml", "w1", "w"], &["w1", "w2"]),
        (&["maintenance", "on", "inventory.yaml", "c"], &["cp1"]),
        (&["up", "inventory.yaml", "--limit", ""], &all),
        (&["up", "inventory.yaml", "--limit", "ed"], &["edge"]),
        (
            &["plan", "inventory.yaml", "--limit", "w1,!w"],
            &["w1,!w2", "w1,!worker"],
        ),
        (
            &["check", "inventory.yaml", "--skip-check", "sw"],
            &["swap"],
        ),
        (
            &["verify", "inventory.yaml", "--skip-check", "dn"],
            &["dns"],
        ),
        // A report of a former run stands there, and is no inventory.
        (
            &["up", "--junit", "up.xml", "inventory.yaml", "--limit", "ed"],
            &["edge"],
        ),
        (&["report", "--cluster", "h"], &["homelab"]),
        (&["up", "inv"], &["inventory.yaml"]),
        (&["mai"], &["maintenance"]),
        // Nothing to go by: no name, and no complaint either.
        (&["ssh", "nowhere.yaml", ""], &[]),
    ] {
        let mut said = completed(desk.path(), words);
        // Flags are told too where nothing is typed yet.
        said.retain(|word| !word.starts_with('-'));
        let wanted: Vec<String> = wanted.iter().map(|&word| word.to_owned()).collect();
        assert_eq!(said, wanted, "{words:?}");
    }
    // In the middle of a line that goes on, the inventory behind it counts.
    let mut command = baremetal(&[
        "--",
        "baremetal",
        "check",
        "--limit",
        "cp1,e",
        "inventory.yaml",
    ]);
    command
        .env("BAREMETAL_COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3")
        .current_dir(desk.path());
    assert_eq!(run(&mut command).ok().stdout, "cp1,edge");
}

#[test]
fn the_script_of_a_shell_asks_the_program() {
    let desk = desk();
    let program = Path::new(env!("CARGO_BIN_EXE_baremetal")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions/baremetal.bash");
    let typed = "source \"$0\"; COMP_WORDS=(baremetal ssh inventory.yaml w); COMP_CWORD=3; COMP_TYPE=9
                 _clap_complete_baremetal baremetal w inventory.yaml; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", typed])
        .arg(script)
        .env("PATH", path)
        .current_dir(desk.path());
    let said = run(&mut bash).ok();
    assert_eq!(said.stdout, "w1\nw2\n", "{}", said.stderr);
    let unknown =
        run(baremetal(&["--", "baremetal", ""]).env("BAREMETAL_COMPLETE", "sesame")).code(1);
    assert!(unknown.stderr.contains("sesame"), "{}", unknown.stderr);
}

#[test]
fn every_command_has_a_manual_page_with_its_example() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("man");
    let said = run(baremetal(&["man", "--out"]).arg(&out)).ok().stdout;
    let pages = fs::read_dir(&out).unwrap().count();
    assert_eq!(said, format!("{pages} pages in {}\n", out.display()));
    assert!(pages > 25, "{pages}");
    for (page, words) in [
        (
            "baremetal.1",
            &[
                "EXIT CODES",
                "baremetal up inventory.yaml",
                "baremetal\\-up(1)",
            ][..],
        ),
        (
            "baremetal-up.1",
            &[
                "\\-\\-limit",
                "EXAMPLES",
                "baremetal up inventory.yaml \\-\\-bundle",
            ],
        ),
        (
            "baremetal-bundle-create.1",
            &["EXAMPLE", "baremetal bundle create"],
        ),
    ] {
        let text = fs::read_to_string(out.join(page)).unwrap();
        assert!(text.contains(".TH "), "{text}");
        for word in words {
            assert!(text.contains(word), "no `{word}` in {page}:\n{text}");
        }
    }
    let first = run(&mut baremetal(&["man"])).ok().stdout;
    assert_eq!(first, fs::read_to_string(out.join("baremetal.1")).unwrap());
}

/// Runs a line of shell on a terminal of so many columns; what it drew.
fn on_a_terminal(columns: u16, line: &str, variables: &[(&str, &str)]) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_baremetal")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty cols {columns} rows 40; {line}"))
        .arg("/dev/null")
        .env_clear()
        .env("PATH", path)
        .env("TERM", "xterm-256color")
        .env("LANG", "C.UTF-8")
        .envs(variables.iter().copied())
        .stdin(Stdio::null());
    run(&mut command).stdout
}

#[test]
fn help_is_as_wide_as_the_terminal_and_never_wider_than_can_be_read() {
    let widest = |columns| {
        let drawn = on_a_terminal(columns, "baremetal remove-node --help", &[]);
        assert!(drawn.contains("Usage:"), "{drawn}");
        // Examples are commands, which are not broken.
        let help = drawn.split("Examples:").next().unwrap().to_owned();
        help.lines()
            .map(|line| console::measure_text_width(line.trim_end()))
            .max()
            .unwrap()
    };
    assert!(widest(60) <= 60);
    assert!((80..=100).contains(&widest(100)));
    assert!((101..=120).contains(&widest(300)));
}

#[test]
fn colours_are_for_terminals_whose_user_wants_them() {
    let directory = tempfile::tempdir().unwrap();
    let dead = dead();
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, dead).unwrap();
    let state = directory.path().display().to_string();
    let colours = |variables: &[(&str, &str)]| {
        let line = format!(
            "baremetal exec {} -- true; baremetal --help",
            file.display()
        );
        let home = [("XDG_STATE_HOME", state.as_str()), ("HOME", state.as_str())];
        let drawn = on_a_terminal(90, &line, &[&home, variables].concat());
        assert!(
            drawn.contains("unreachable: ") || drawn.contains("UNREACHABLE: "),
            "{drawn}"
        );
        // `ESC [ … m` sets colours and weights; what moves the cursor ends in other letters.
        let codes = drawn.split("\u{1b}[").skip(1);
        codes
            .filter_map(|rest| {
                rest.find(|c: char| !c.is_ascii_digit() && c != ';')
                    .map(|end| &rest[end..=end])
            })
            .filter(|letter| *letter == "m")
            .count()
    };
    assert!(colours(&[]) > 4);
    assert_eq!(colours(&[("NO_COLOR", "1")]), 0);
    assert_eq!(colours(&[("NO_COLOR", "1"), ("CLICOLOR", "1")]), 0);
    // Lines and nothing else where the terminal can do no more.
    let line = format!("baremetal exec {} -- true", file.display());
    let variables = [
        ("TERM", "dumb"),
        ("XDG_STATE_HOME", &state),
        ("HOME", &state),
    ];
    let dumb = on_a_terminal(90, &line, &variables);
    assert!(!dumb.contains('\u{1b}'), "{dumb:?}");
}
