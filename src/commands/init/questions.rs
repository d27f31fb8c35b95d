//! The questions, each with its flag, its proposal and what an answer may be.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{
    ask::{Asker, Question},
    hosts::{hosts, roles},
};
use crate::{
    cli::InitArgs,
    draft::{self, Answers, NONE, Proposal, Proposals},
    failure::{Code, Failure},
    inventory::{self, SecretSource},
};

/// A name, of a user or an interface.
fn word(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(char::is_whitespace) {
        return Err("is no name; write one word".to_owned());
    }
    Ok(text.to_owned())
}

/// A text of one of the inventory's forms.
fn form(name: &'static str) -> impl Fn(&str) -> Result<String, String> {
    move |text| inventory::check_form(name, text).map(|()| text.to_owned())
}

/// What must be known to connect.
pub fn before_looking(args: &InitArgs, asker: &mut Asker<'_>, answers: &mut Answers) -> Result<()> {
    answers.hosts = hosts(args, asker)?;
    let proposal = Proposal {
        value: cluster_name(&args.inventory),
        why: "Kubeconfig and confirmations go by this name.".to_owned(),
    };
    answers.cluster = asker.ask(
        args.cluster.as_deref(),
        &Question {
            title: "name of the cluster",
            flag: "--cluster",
            proposal: Some(&proposal),
            check: &form("dns-label"),
        },
    )?;
    let proposal = Proposal {
        value: crate::catalog::catalog().newest().to_string(),
        why: "The newest release that is known here.".to_owned(),
    };
    answers.kubernetes = asker.ask(
        args.kubernetes.as_deref(),
        &Question {
            title: "Kubernetes version",
            flag: "--kubernetes",
            proposal: Some(&proposal),
            check: &form("kubernetes-version"),
        },
    )?;
    roles(args, asker, &mut answers.hosts)?;
    let proposal = Proposal {
        value: NONE.to_owned(),
        why: "`none` leaves it to ssh and ~/.ssh/config.".to_owned(),
    };
    let user = asker.ask(
        args.user.as_deref(),
        &Question {
            title: "user to log in as",
            flag: "--user",
            proposal: Some(&proposal),
            check: &word,
        },
    )?;
    answers.user = Some(user).filter(|user| user != NONE);
    let lying = |path: &Option<PathBuf>| path.as_ref().map(|path| from_inventory(args, path));
    answers.key = lying(&args.key);
    answers.sudo = args.sudo_password.as_deref().map(source).transpose()?;
    if let Some(SecretSource::File(path)) = &mut answers.sudo {
        *path = from_inventory(args, path).into();
    }
    answers.config = lying(&args.ssh_config);
    answers.jump.clone_from(&args.jump);
    Ok(())
}

/// What was given is not repeated: somebody may have typed the password.
fn source(text: &str) -> Result<SecretSource> {
    draft::parse_source(text)
        .map_err(|why| Failure::new(Code::Usage, format!("--sudo-password: {why}")).into())
}

/// A path of the command line as the inventory has it: relative to the inventory's directory.
fn from_inventory(args: &InitArgs, path: &Path) -> String {
    let beside = args
        .inventory
        .parent()
        .is_none_or(|parent| parent.as_os_str().is_empty());
    let path = match std::path::absolute(path) {
        Ok(absolute) if !beside && !path.starts_with("~") => absolute,
        _ => path.to_owned(),
    };
    path.to_string_lossy().into_owned()
}

/// A name from the file's, else from its directory's.
fn cluster_name(inventory: &Path) -> String {
    let path = std::path::absolute(inventory).unwrap_or_else(|_| inventory.to_owned());
    let stem = path
        .file_stem()
        .filter(|stem| *stem != "inventory" && *stem != "cluster");
    let name = stem
        .or_else(|| path.parent()?.file_name())
        .unwrap_or_default();
    let name = name
        .to_string_lossy()
        .to_lowercase()
        .replace(['_', '.', ' '], "-");
    match inventory::check_form("dns-label", &name) {
        Ok(()) => name,
        Err(_) => "cluster".to_owned(),
    }
}

/// What is proposed from what was seen.
pub fn after_looking(
    args: &InitArgs,
    asker: &mut Asker<'_>,
    answers: &mut Answers,
    proposals: &Proposals,
) -> Result<()> {
    answers.endpoint = ask(
        asker,
        args.endpoint.as_ref(),
        (
            "--endpoint",
            "virtual IP of the API, or HOST:PORT of your load balancer",
        ),
        proposals.endpoint.as_ref(),
        &form("host-port"),
    )?;
    answers.interface = ask(
        asker,
        args.interface.as_ref(),
        (
            "--interface",
            "interface of the virtual IP (`auto`: by address)",
        ),
        proposals.interface.as_ref(),
        &word,
    )?;
    answers.metallb = ask(
        asker,
        args.metallb.as_ref(),
        ("--metallb", "addresses for Services (`none`: no MetalLB)"),
        proposals.metallb.as_ref(),
        &range_or_none,
    )?;
    let (pods, services) = (proposals.pods.as_ref(), proposals.services.as_ref());
    answers.pods = ask(
        asker,
        args.pods.as_ref(),
        ("--pods", "pod network"),
        pods,
        &form("cidr"),
    )?;
    answers.services = ask(
        asker,
        args.services.as_ref(),
        ("--services", "service network"),
        services,
        &form("cidr"),
    )?;
    let title = "replicated storage by Longhorn, yes or no";
    let longhorn = ask(
        asker,
        args.longhorn.as_ref(),
        ("--longhorn", title),
        proposals.longhorn.as_ref(),
        &yes_or_no,
    )?;
    answers.longhorn = longhorn == "yes";
    Ok(())
}

/// The answer as it is used, or what is wrong with it.
type Check<'a> = &'a dyn Fn(&str) -> Result<String, String>;

fn range_or_none(text: &str) -> Result<String, String> {
    if text != NONE {
        inventory::check_form("address-range", text)?;
    }
    Ok(text.to_owned())
}

fn yes_or_no(text: &str) -> Result<String, String> {
    match text.to_lowercase().as_str() {
        "yes" | "y" => Ok("yes".to_owned()),
        "no" | "n" => Ok("no".to_owned()),
        _ => Err("is neither yes nor no".to_owned()),
    }
}

fn ask(
    asker: &mut Asker<'_>,
    given: Option<&String>,
    (flag, title): (&'static str, &str),
    proposal: Option<&Proposal>,
    check: Check<'_>,
) -> Result<String> {
    let question = Question {
        title,
        flag,
        proposal,
        check,
    };
    asker.ask(given.map(String::as_str), &question)
}
