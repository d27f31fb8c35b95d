//! `baremetal init`: a conversation that ends in a commented inventory, or the same by flags.

mod ask;
mod hosts;
mod look;
mod questions;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use ask::{Asker, Person, terminal};
use questions::{after_looking, before_looking};

use crate::{
    cli::InitArgs,
    draft::{self, Answers, Seen},
    failure::{Code, Failure},
    inventory::{self, LoadOptions},
};

pub async fn run(args: &InitArgs) -> Result<Code> {
    if !args.force && args.inventory.symlink_metadata().is_ok() {
        let what = format!(
            "{} is there already; it was left alone",
            args.inventory.display()
        );
        let hint = "give another name, or overwrite it with --force";
        return Err(Failure::new(Code::Usage, what).hint(hint).into());
    }
    let text = if let Some(directory) = &args.from_kubespray {
        from_kubespray(directory, &args.inventory)?
    } else {
        let mut terminal = terminal();
        let person = terminal.as_mut().map(|one| one as &mut dyn Person);
        conversation(args, person).await?
    };
    write(&args.inventory, &text, args.force)?;
    let shown = args.inventory.display();
    super::print(&format!(
        "{shown} is written; next: baremetal check {shown}\n"
    ))?;
    Ok(Code::Done)
}

/// The converted text with its warnings on top, which are shown too.
fn from_kubespray(directory: &Path, inventory: &Path) -> Result<String> {
    let (text, warnings) = inventory::converted(directory)?;
    // One line each, however long a path is: no line break may end a comment early.
    let comment = |text: &str| format!("# {}\n", text.replace(char::is_control, " "));
    let from = directory.display();
    let mut out = comment(&format!(
        "Made by `baremetal init --from-kubespray {from}`."
    ));
    if !warnings.is_empty() {
        out.push_str("#\n# Not carried over, or to be looked at:\n");
        for warning in &warnings {
            out.push_str(&comment(&format!("- {warning}")));
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr().lock(), "note: {warning}");
        }
    }
    out.push('\n');
    out.push_str(&text);
    inventory::load_text(&out, inventory, &LoadOptions::default()).context(
        "converted, the inventory would be wrong where it is to lie; nothing was written",
    )?;
    Ok(out)
}

/// Asks what no flag says, looks at the hosts in between, and returns an inventory that loads.
async fn conversation(args: &InitArgs, mut person: Option<&mut dyn Person>) -> Result<String> {
    let mut answers = Answers::default();
    let mut flags = {
        let mut asker = asker(&mut person, args, Vec::new());
        before_looking(args, &mut asker, &mut answers)?;
        asker.flags
    };
    let seen = if args.offline {
        Seen::default()
    } else {
        let watcher: Option<&mut dyn Person> = match &mut person {
            Some(person) => Some(&mut **person),
            None => None,
        };
        look::look(args, &mut answers, watcher).await?
    };
    let proposals = draft::propose(&answers.hosts, &seen);
    {
        let mut asker = asker(&mut person, args, std::mem::take(&mut flags));
        after_looking(args, &mut asker, &mut answers, &proposals)?;
        if asker.person.is_some() {
            let command = command_line(args, &answers, &asker.flags);
            asker.tell(&format!("The same without questions:\n  {command}"));
        }
    }
    let text = draft::text(&answers, &proposals);
    inventory::load_text(&text, &args.inventory, &LoadOptions::default())
        .context("with these answers the inventory would be wrong; nothing was written")?;
    Ok(text)
}

fn asker<'a>(
    person: &'a mut Option<&mut dyn Person>,
    args: &InitArgs,
    flags: Vec<(&'static str, String)>,
) -> Asker<'a> {
    Asker {
        person: match person {
            Some(person) => Some(&mut **person),
            None => None,
        },
        accept: args.yes,
        flags,
    }
}

/// The command that gives the same file without a question.
fn command_line(args: &InitArgs, answers: &Answers, flags: &[(&'static str, String)]) -> String {
    let mut words: Vec<String> = vec!["baremetal".into(), "init".into()];
    words.push(args.inventory.to_string_lossy().into_owned());
    let mut add = |flag: &str, value: &str| words.extend([flag.to_owned(), value.to_owned()]);
    args.hosts.iter().for_each(|host| add("--host", host));
    if let Some(file) = &args.hosts_file {
        add("--hosts-file", &file.to_string_lossy());
    }
    args.ssh_hosts
        .iter()
        .for_each(|name| add("--ssh-host", name));
    for (flag, value) in flags {
        add(flag, value);
    }
    if let Some(source) = &args.sudo_password {
        add("--sudo-password", source);
    }
    for (flag, value) in [
        ("--key", &answers.key),
        ("--jump", &answers.jump),
        ("--ssh-config", &answers.config),
    ] {
        if let Some(value) = value {
            add(flag, value);
        }
    }
    for (flag, given) in [("--offline", args.offline), ("--force", args.force)] {
        words.extend(given.then(|| flag.to_owned()));
    }
    shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default()
}

/// Written whole or not at all; without `force` never over a file that has come in the meantime.
fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let what = || format!("write {}", path.display());
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let directory: PathBuf = parent.unwrap_or(Path::new(".")).to_owned();
    let mut file = tempfile::Builder::new()
        .prefix(".baremetal-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(directory)
        .with_context(what)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .with_context(what)?;
    if force {
        file.persist(path).with_context(what)?;
    } else {
        file.persist_noclobber(path).with_context(what)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
