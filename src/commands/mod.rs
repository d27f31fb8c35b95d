//! One file per verb.

mod add_node;
mod bundle;
mod check;
mod completions;
mod confirm;
mod exec;
mod host_keys;
mod init;
mod kubeconfig;
mod lab;
mod leaving;
mod limited;
mod look;
mod maintenance;
mod man;
mod open;
mod plan;
mod rebuild;
mod remove_node;
mod render;
mod report;
mod reset;
mod run;
mod schema;
mod secrets;
mod spare;
mod ssh;
mod status;
mod support_bundle;
mod up;
mod verify;

pub use completions::answered;

use std::io::Write as _;

use anyhow::Result;

use crate::{
    cli::{Cli, Command, SourceArgs},
    engine::Session,
    failure::{Code, Failure},
    inventory::LoadOptions,
    phases::preflight::{Finding, Level},
    report::Event,
};

/// Runs what the command line asks for.
/// Its exit code: a [`Code`], but for the verbs that pass on what the user's own command ended with.
pub async fn run(cli: Cli) -> Result<u8> {
    match cli.command {
        Command::Exec(args) => exec::run(&args).await,
        Command::Ssh(args) => ssh::run(&args).await,
        command => Box::pin(work(command)).await.map(|code| code as u8),
    }
}

async fn work(command: Command) -> Result<Code> {
    match command {
        Command::AddNode(args) => Box::pin(add_node::run(&args)).await,
        Command::Up(args) => Box::pin(up::run(&args)).await,
        Command::Plan(args) => plan::run(&args).await,
        Command::Check(args) => check::run(&args).await,
        Command::Status(args) => Box::pin(status::run(&args)).await,
        Command::SupportBundle(args) => Box::pin(support_bundle::run(&args)).await,
        Command::Verify(args) => Box::pin(verify::run(&args)).await,
        Command::Maintenance { command } => Box::pin(maintenance::run(&command)).await,
        Command::RemoveNode(args) => Box::pin(remove_node::run(&args)).await,
        Command::Init(args) => Box::pin(init::run(&args)).await,
        Command::Render(args) => render::run(&args),
        Command::Rebuild(args) => Box::pin(rebuild::run(&args)).await,
        Command::Reset(args) => Box::pin(reset::run(&args)).await,
        Command::Kubeconfig(args) => kubeconfig::run(&args).await,
        Command::Report(args) => report::run(&args),
        Command::Bundle { command } => bundle::run(&command),
        Command::Lab { command } => lab::run(&command).await,
        Command::Schema { kind } => schema::run(kind),
        Command::Man { out } => man::run(out.as_deref()),
        Command::Completions { shell } => completions::run(shell),
        Command::Exec(_) | Command::Ssh(_) => unreachable!("run above"),
    }
}

/// Results go to stdout; a reader that closed it early is no failure of ours.
fn print(text: &str) -> Result<()> {
    print_to_reader(text).map(drop)
}

/// Prints; whether somebody still reads.
fn print_to_reader(text: &str) -> Result<bool> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        end => Ok(end.map(|()| true)?),
    }
}

fn load_options(source: &SourceArgs) -> LoadOptions {
    LoadOptions {
        bundle: source.bundle.clone(),
        kubernetes: source.kubernetes.clone(),
        ..LoadOptions::default()
    }
}

/// For commands that have no flag of their own for it.
fn bundle_from_environment() -> LoadOptions {
    LoadOptions {
        bundle: std::env::var_os("BAREMETAL_BUNDLE").map(Into::into),
        ..LoadOptions::default()
    }
}

/// What preflight found, as one event.
fn show_findings(session: &Session, findings: &[Finding]) {
    if !findings.is_empty() {
        session.event(Event::Findings {
            findings: findings.to_vec(),
        });
    }
}

/// Refuses hosts that are not fit; what was found has been shown.
///
/// # Errors
/// [`Code::Preflight`] where a check failed.
fn fit(findings: &[Finding]) -> Result<()> {
    let failed = |finding: &&Finding| finding.level == Level::Failure;
    let failures = findings.iter().filter(failed).count();
    if failures == 0 {
        return Ok(());
    }
    let message = format!(
        "{} failed; nothing was changed",
        crate::report::text::count(failures, "check")
    );
    Err(Failure::new(Code::Preflight, message)
        .hint("mend what is listed, or leave a check out with `--skip-check ID`")
        .into())
}
