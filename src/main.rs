//! Parses the command line, runs the command, maps its outcome to an exit code.

use std::{fmt::Write as _, io::Write as _, process::ExitCode};

use baremetal::{
    cli::Cli,
    commands,
    failure::{Code, Failure},
};
use clap::Parser as _;

fn main() -> ExitCode {
    match commands::answered() {
        Ok(false) => {}
        Ok(true) => return ExitCode::SUCCESS,
        Err(error) => return fail(&error),
    }
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("start the runtime")),
    };
    match runtime.block_on(commands::run(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => fail(&error),
    }
}

/// Says what failed, why, and what to do next.
fn fail(error: &anyhow::Error) -> ExitCode {
    let known = error.downcast_ref::<Failure>();
    let mut text = format!("error: {error:#}\n");
    if let Some(hint) = known.and_then(|failure| failure.hint.as_ref()) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  → {}", hint.replace('\n', "\n    "));
    }
    // Nobody is left to tell when stderr is closed.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(known.map_or(Code::Internal, |failure| failure.code) as u8)
}
