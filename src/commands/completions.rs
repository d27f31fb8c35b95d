//! `baremetal completions`, and what a shell is answered while a command line is typed.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Arg, Command, CommandFactory as _};
use clap_complete::{
    CompleteEnv,
    engine::{ArgValueCompleter, CompletionCandidate},
    env::Shells,
};

use crate::{
    cli::Cli,
    engine,
    failure::Code,
    inventory::{self, Outline},
    phases::{preflight, verify::CLAIMS},
};

/// Set by the scripts that [`run`] prints: the shell that asks.
const ASKED_BY: &str = "BAREMETAL_COMPLETE";

/// Prints the script that asks this program at every Tab.
pub fn run(shell: clap_complete::Shell) -> Result<Code> {
    let shells = Shells::builtins();
    let shell = shells
        .completer(&shell.to_string())
        .with_context(|| format!("{shell} cannot be completed for"))?;
    let mut script = Vec::new();
    let name = "baremetal";
    shell.write_registration(ASKED_BY, name, name, name, &mut script)?;
    super::print(&format!("{}\n", String::from_utf8_lossy(&script).trim()))?;
    Ok(Code::Done)
}

/// Answers a shell that asks how a command line goes on; whether one did. Comes before anything else that the program does.
///
/// # Errors
/// Where the shell is one that nobody knows.
pub fn answered() -> Result<bool> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let here = std::env::current_dir().ok();
    let line = typed(&words);
    CompleteEnv::with_factory(|| completed(Cli::command(), &line))
        .var(ASKED_BY)
        .try_complete(words, here.as_deref())
        .map_err(|error| anyhow::anyhow!("{}", error.to_string().trim().to_owned()))
}

/// The command line so far: what stands behind `--`, without the program.
fn typed(words: &[OsString]) -> Vec<OsString> {
    let words = words.iter().skip_while(|word| *word != "--");
    words.skip(2).cloned().collect()
}

/// The commands with what can only be known here and now: hosts, selectors, checks, runs.
fn completed(command: Command, line: &[OsString]) -> Command {
    let line = line.to_vec();
    let verb = command.get_name().to_owned();
    let of_inventories = command
        .get_arguments()
        .any(|argument| argument.get_id() == "inventory");
    command
        .mut_args(|argument| known(argument, (&verb, of_inventories), &line))
        .mut_subcommands(|verb| completed(verb, &line))
}

fn known(argument: Arg, (verb, of_inventory): (&str, bool), line: &[OsString]) -> Arg {
    let line = line.to_vec();
    match argument.get_id().as_str() {
        "limit" => argument.add(ArgValueCompleter::new(move |word: &OsStr| {
            selectors(word, &here(&line))
        })),
        "names" | "name" | "host" if of_inventory => {
            argument.add(ArgValueCompleter::new(move |word: &OsStr| {
                beginning(word, here(&line).hosts)
            }))
        }
        "skip_checks" => {
            let ids = if verb == "verify" {
                CLAIMS
            } else {
                preflight::IDS
            };
            argument.add(ArgValueCompleter::new(move |word: &OsStr| {
                beginning(word, ids.iter().map(|(id, _)| (*id).to_owned()))
            }))
        }
        "cluster" if !of_inventory => argument.add(ArgValueCompleter::new(|word: &OsStr| {
            let runs = engine::runs().unwrap_or_default();
            beginning(word, names_in(&runs))
        })),
        _ => argument,
    }
}

/// Names of the inventory that the command line holds: its first word that is a file with hosts.
fn here(line: &[OsString]) -> Outline {
    let files = line.iter().skip(1).map(|word| expanded(word));
    let mut outlines = files
        .filter(|path| path.is_file())
        .map(|path| inventory::outline(&path));
    outlines
        .find(|outline| !outline.hosts.is_empty())
        .unwrap_or_default()
}

/// A shell leaves `~` as it was typed.
fn expanded(word: &OsStr) -> PathBuf {
    let path = Path::new(word);
    match (path.strip_prefix("~"), std::env::home_dir()) {
        (Ok(below), Some(home)) => home.join(below),
        _ => path.to_owned(),
    }
}

fn beginning(word: &OsStr, names: impl IntoIterator<Item = String>) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    names
        .into_iter()
        .filter(|name| name.starts_with(&*word))
        .map(CompletionCandidate::new)
        .collect()
}

/// The last term of a selector; terms before it stay.
fn selectors(word: &OsStr, outline: &Outline) -> Vec<CompletionCandidate> {
    let word = word.to_string_lossy();
    let (before, term) = match word.rfind([',', '!']) {
        Some(end) => word.split_at(end + 1),
        None => ("", &*word),
    };
    let taken: Vec<&str> = before.split([',', '!']).collect();
    outline
        .terms()
        .into_iter()
        .filter(|name| name.starts_with(term) && !taken.contains(&name.as_str()))
        .map(|name| CompletionCandidate::new(format!("{before}{name}")))
        .collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}
