//! `baremetal completions`.

use anyhow::Result;
use clap::CommandFactory as _;

use crate::{cli::Cli, failure::Code};

pub fn run(shell: clap_complete::Shell) -> Result<Code> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "baremetal", &mut script);
    super::print(&String::from_utf8_lossy(&script))?;
    Ok(Code::Done)
}
