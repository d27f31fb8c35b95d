//! The conversation without a terminal and without hosts.

use std::collections::VecDeque;

use super::*;
use crate::draft::Proposal;

/// Answers lines in order; an empty one takes the proposal.
#[derive(Default)]
struct Script {
    lines: VecDeque<&'static str>,
    told: Vec<String>,
}

impl Person for Script {
    fn answer(&mut self, title: &str, proposal: Option<&Proposal>) -> Result<String> {
        self.told.push(title.to_owned());
        let line = self.lines.pop_front().context("no more lines")?;
        Ok(match proposal {
            Some(proposal) if line.is_empty() => proposal.value.clone(),
            _ => line.to_owned(),
        })
    }

    fn confirm(&mut self, question: &str) -> Result<bool> {
        self.told.push(question.to_owned());
        Ok(false)
    }

    fn tell(&mut self, line: &str) {
        self.told.push(line.to_owned());
    }
}

fn parsed(words: &[String]) -> InitArgs {
    use clap::Parser as _;
    let cli = crate::cli::Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
    let crate::cli::Command::Init(args) = cli.command else {
        panic!("not init: {words:?}");
    };
    *args
}

fn flags(words: &[&str]) -> InitArgs {
    let words = [
        &["baremetal", "init", "/nowhere/lab.yaml", "--offline"],
        words,
    ]
    .concat();
    parsed(&words.into_iter().map(str::to_owned).collect::<Vec<_>>())
}

#[tokio::test]
async fn the_same_answers_without_a_terminal_give_the_same_file() {
    let mut script = Script {
        lines: [
            "cp1 10.0.0.11",
            "10.0.0.12 cp2",
            "nobody here at all",
            "cp3=10.0.0.13",
            "w1,10.0.0.21",
            "",
            "Not A Name",
            "homelab",
            "1.33.4",
            "9",
            "3",
            "ops",
            "",
            "auto",
            "",
            "10.50.0.0/16",
            "10.60.0.1/16",
            "10.60.0.0/16",
            "maybe",
            "yes",
        ]
        .into(),
        ..Script::default()
    };
    let typed = conversation(&flags(&[]), Some(&mut script))
        .await
        .expect("an inventory");
    assert_eq!(script.lines.len(), 0, "{:?}", script.told);
    for told in [
        "`9` is no number from 1 to 4",
        "`10.60.0.1/16` has host bits set; write `10.60.0.0/16`",
        "`maybe` is neither yes nor no",
    ] {
        assert!(
            script.told.iter().any(|line| line == told),
            "{told}: {:?}",
            script.told
        );
    }
    let last = script.told.last().expect("the command");
    let command = last
        .strip_prefix("The same without questions:\n  ")
        .expect("the command");
    let again = conversation(&parsed(&shlex::split(command).expect("words")), None).await;
    assert_eq!(again.expect("the same inventory"), typed);
    assert!(typed.contains("cluster: homelab\n"), "{typed}");
    assert!(typed.contains("\nendpoint: 10.0.0.10\n"), "{typed}");
}

#[tokio::test]
async fn without_a_terminal_a_missing_answer_names_its_flag() {
    let missing = |words: &'static [&'static str]| async move {
        let error = conversation(&flags(words), None)
            .await
            .expect_err("not enough");
        let failure = error.downcast_ref::<Failure>().expect("a failure").clone();
        assert_eq!(failure.code, Code::Usage, "{failure:?}");
        failure
    };
    let none = missing(&[]).await;
    assert_eq!(none.message, "no host is given; an inventory needs one");
    assert!(none.hint.expect("a hint").contains("--hosts-file FILE"));
    let mut words = vec!["--host", "n1 10.0.0.11"];
    for (flag, value) in [
        ("--cluster", "one"),
        ("--kubernetes", "1.33.4"),
        ("--control-planes", "1"),
        ("--user", "none"),
        ("--endpoint", "10.0.0.10"),
        ("--interface", "auto"),
        ("--metallb", "none"),
        ("--pods", "10.244.0.0/16"),
        ("--services", "10.96.0.0/12"),
        ("--longhorn", "no"),
    ] {
        let error = conversation(&flags(&words), None)
            .await
            .expect_err("not enough");
        let failure = error.downcast_ref::<Failure>().expect("a failure");
        assert!(
            failure.message.ends_with(&format!(
                "there is no terminal to ask on; give {flag} VALUE"
            )),
            "{failure:?}"
        );
        words.extend([flag, value]);
    }
    let text = conversation(&flags(&words), None)
        .await
        .expect("an inventory");
    assert!(text.contains("n1: 10.0.0.11\n"), "{text}");
    // One flag stands for all that is proposed.
    let all = ["--host", "n1 10.0.0.11", "--yes"];
    let text = conversation(&flags(&all), None)
        .await
        .expect("an inventory");
    assert!(text.contains("endpoint: 10.0.0.10\n"), "{text}");
    assert!(text.contains("cluster: lab\n"), "{text}");
}

#[tokio::test]
async fn wrong_answers_by_flag_are_named() {
    let base = ["--host", "n1 10.0.0.11", "--yes"];
    for (wrong, said) in [
        (["--cluster", "A B"], "--cluster: `A B` "),
        (
            ["--pods", "10.0.0.1"],
            "--pods: `10.0.0.1` is an address; write a network",
        ),
        (
            ["--control-planes", "2"],
            "--control-planes: `2` is no number from 1 to 1",
        ),
        (
            ["--host", "a b c"],
            "--host: `a b c` `c` is no role; write `NAME ADDRESS`",
        ),
        (
            ["--ssh-host", "no-such-host-*-here"],
            "--ssh-host no-such-host-*-here: the ssh configuration has no such host",
        ),
        (
            ["--sudo-password", "hunter2"],
            "--sudo-password: it is none of `prompt`, `env:NAME` and `file:PATH`",
        ),
        (
            ["--hosts-file", "/nowhere/list"],
            "--hosts-file /nowhere/list: ",
        ),
    ] {
        let error = conversation(&flags(&[&base[..], &wrong].concat()), None).await;
        let error = format!("{:#}", error.expect_err("wrong"));
        assert!(error.starts_with(said), "{error}");
    }
    for (source, written) in [
        ("prompt", "sudo-password: prompt"),
        ("env:SUDO", "sudo-password: {env: SUDO}"),
        ("file:/etc/hosts", "sudo-password: {file: /etc/hosts}"),
    ] {
        let given = ["--user", "ops", "--sudo-password", source];
        let text = conversation(&flags(&[&base[..], &given].concat()), None).await;
        let text = text.expect("an inventory");
        assert!(text.contains(written), "{text}");
    }
    // Each right for itself, wrong together: nothing is made of it.
    let error = conversation(
        &flags(&[&base[..], &["--metallb", "10.0.0.5-10.0.0.15"]].concat()),
        None,
    )
    .await;
    let error = format!("{:#}", error.expect_err("overlap"));
    assert!(error.contains("nothing was written"), "{error}");
}

#[tokio::test]
async fn hosts_of_an_ssh_configuration_come_with_those_of_the_files_that_it_includes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name);
    let word = |name: &str| path(name).to_string_lossy().into_owned();
    for (name, text) in [
        (
            "main",
            &*format!(
                "Include {}\nHost rack4\nHostName 10.0.0.14\n",
                word("*.conf")
            ),
        ),
        ("a.conf", "Host rack1\nHostName 10.0.0.11\n"),
        ("b.conf", "Host rack2\nHostName 10.0.0.12\nHost other\n"),
        ("c.other", "Host rack3\nHostName 10.0.0.13\n"),
    ] {
        std::fs::write(path(name), text).expect("written");
    }
    let main = word("main");
    let by = |wanted: &'static str, config: String| async move {
        let ssh = ["--ssh-host", wanted, "--ssh-config", &config];
        let words = [
            &ssh[..],
            &[
                "--endpoint",
                "10.0.0.10",
                "--interface",
                "auto",
                "--metallb",
                "none",
                "--yes",
            ],
        ]
        .concat();
        conversation(&flags(&words), None).await
    };
    let text = by("rack*", main.clone()).await.expect("an inventory");
    for (name, there) in [
        ("rack1", true),
        ("rack2", true),
        ("rack3", false),
        ("rack4", true),
        ("other", false),
    ] {
        assert_eq!(text.contains(&format!("{name}:")), there, "{name}: {text}");
    }
    let text = by("rack[12]", main).await.expect("an inventory");
    assert!(text.contains("rack2:") && !text.contains("rack4"), "{text}");
    let error = by("rack1", word("nothing")).await.expect_err("no file");
    let error = format!("{error:#}");
    assert!(
        error.starts_with(&format!(
            "the ssh configuration {}: No such file",
            word("nothing")
        )),
        "{error}"
    );
}
