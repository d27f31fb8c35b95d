//! Which hosts there are, and what they are.

use std::{fs, io::ErrorKind, path::Path};

use anyhow::Result;
use globset::Glob;

use super::ask::{Asker, Question};
use crate::{
    cli::InitArgs,
    draft::{self, Proposal},
    failure::{Code, Failure},
    inventory::edit::NewHost,
};

/// Hosts of flags, list and ssh configuration; typed where none of these says any.
pub fn hosts(args: &InitArgs, asker: &mut Asker<'_>) -> Result<Vec<NewHost>> {
    let usage = |what: String| Failure::new(Code::Usage, what);
    let mut hosts = Vec::new();
    let known = ssh_config(args)?;
    for line in &args.hosts {
        let found = written(line, &known, hosts.len() + 1);
        hosts.extend(found.map_err(|why| usage(format!("--host: `{line}` {why}")))?);
    }
    if let Some(file) = &args.hosts_file {
        let shown = file.display();
        let list = fs::read_to_string(file)
            .map_err(|error| usage(format!("--hosts-file {shown}: {error}")))?;
        let list = draft::from_list(&list);
        hosts.extend(list.map_err(|why| usage(format!("--hosts-file {shown}: {why}")))?);
    }
    for wanted in &args.ssh_hosts {
        let before = hosts.len();
        hosts.extend(
            known
                .iter()
                .filter(|host| fits(wanted, &host.address))
                .cloned(),
        );
        if hosts.len() == before {
            let what = format!("--ssh-host {wanted}: the ssh configuration has no such host");
            return Err(usage(what).into());
        }
    }
    if hosts.is_empty() {
        hosts = typed_hosts(asker, &known)?;
    }
    if hosts.is_empty() {
        return Err(usage("no host is given; an inventory needs one".to_owned())
            .hint("give --host 'NAME ADDRESS', --hosts-file FILE or --ssh-host NAME")
            .into());
    }
    Ok(hosts)
}

/// One line a host, until an empty one.
fn typed_hosts(asker: &mut Asker<'_>, known: &[NewHost]) -> Result<Vec<NewHost>> {
    let mut hosts: Vec<NewHost> = Vec::new();
    let Some(person) = &mut asker.person else {
        return Ok(hosts);
    };
    if !known.is_empty() {
        let names: Vec<&str> = known.iter().map(|host| host.address.as_str()).collect();
        person.tell(&format!(
            "Your ssh configuration knows {}.",
            names.join(", ")
        ));
    }
    person.tell("One host a line: NAME ADDRESS, and its roles if you like; or a name of your ssh configuration, also with `*`. An empty line ends.");
    loop {
        let title = format!("host {}", hosts.len() + 1);
        let line = person.answer(&title, None)?;
        let line = line.trim();
        if line.is_empty() {
            return Ok(hosts);
        }
        match written(line, known, hosts.len() + 1) {
            Ok(found) => {
                asker.flags.push(("--host", line.to_owned()));
                hosts.extend(found);
            }
            Err(why) => person.tell(&format!("`{line}` {why}")),
        }
    }
}

/// The hosts of the ssh configuration that a line names, else the one that it describes.
fn written(line: &str, known: &[NewHost], number: usize) -> Result<Vec<NewHost>, String> {
    let found: Vec<_> = known
        .iter()
        .filter(|host| fits(line, &host.address))
        .cloned()
        .collect();
    if found.is_empty() {
        draft::parse_host(line, number).map(|host| vec![host])
    } else {
        Ok(found)
    }
}

/// The hosts of the ssh configuration: the one given, which must be there, else the user's, if there is one.
fn ssh_config(args: &InitArgs) -> Result<Vec<NewHost>> {
    let own = std::env::home_dir().map(|home| home.join(".ssh"));
    let standard = own.as_ref().map(|own| own.join("config"));
    let Some(path) = args.ssh_config.as_ref().or(standard.as_ref()) else {
        return Ok(Vec::new());
    };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if args.ssh_config.is_none() && error.kind() == ErrorKind::NotFound => {
            return Ok(Vec::new());
        }
        Err(error) => {
            let what = format!("the ssh configuration {}: {error}", path.display());
            return Err(Failure::new(Code::Usage, what).into());
        }
    };
    Ok(draft::from_ssh_config(&text, &|word| {
        included(word, own.as_deref())
    }))
}

/// The files of one word of `Include`: a pattern as glob(7) has it, under `~/.ssh` where it is not absolute. What cannot be read is
/// passed over, as by ssh.
fn included(word: &str, own: Option<&Path>) -> Vec<String> {
    let home = own.and_then(Path::parent);
    let path = match (word.strip_prefix("~/"), home, own) {
        (Some(rest), Some(home), _) => home.join(rest),
        (None, _, Some(own)) => own.join(word),
        _ => word.into(),
    };
    let found = glob::glob(&path.to_string_lossy());
    let files = found.into_iter().flatten().filter_map(Result::ok);
    files
        .filter_map(|file| fs::read_to_string(file).ok())
        .collect()
}

/// Whether a name is what is wanted, by globs as `--limit` has them. A line that is no glob stands for itself.
fn fits(wanted: &str, name: &str) -> bool {
    wanted == name || Glob::new(wanted).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

/// Asks how many are control planes, where no host says what it is.
pub fn roles(args: &InitArgs, asker: &mut Asker<'_>, hosts: &mut [NewHost]) -> Result<()> {
    if hosts.iter().any(|host| !host.roles.is_empty()) && args.control_planes.is_none() {
        draft::assign_roles(hosts, 0);
        return Ok(());
    }
    let (count, why) = match hosts.len() {
        0..=2 => (1, "Two control planes tolerate no more failures than one."),
        3..=6 => (3, "Any one of three may fail."),
        _ => (3, "Any one of three may fail; of five, two."),
    };
    let proposal = Proposal {
        value: count.to_string(),
        why: why.to_owned(),
    };
    let most = hosts.len();
    let check = |text: &str| match text.parse::<usize>() {
        Ok(number) if (1..=most).contains(&number) => Ok(number.to_string()),
        _ => Err(format!("is no number from 1 to {most}")),
    };
    let planes = asker.ask(
        args.control_planes.as_deref(),
        &Question {
            title: "control planes, from the first host",
            flag: "--control-planes",
            proposal: Some(&proposal),
            check: &check,
        },
    )?;
    draft::assign_roles(hosts, planes.parse().unwrap_or(1));
    Ok(())
}
