//! `baremetal man`: manual pages, made of the same words as `--help`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::{cli::Cli, failure::Code, report::text::count};

pub fn run(out: Option<&Path>) -> Result<Code> {
    let mut program = Cli::command().disable_help_subcommand(true);
    program.build();
    let Some(out) = out else {
        super::print(&page(&program)?)?;
        return Ok(Code::Done);
    };
    let mut pages = Vec::new();
    below(&program, &mut pages)?;
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    for (name, text) in &pages {
        let path = out.join(name);
        crate::artifacts::write_atomically(&path, text.as_bytes())?;
    }
    let pages = count(pages.len(), "page");
    super::print(&format!("{pages} in {}\n", out.display()))?;
    Ok(Code::Done)
}

/// File name and text of the page of a command, and of every command below it.
fn below(command: &Command, pages: &mut Vec<(String, String)>) -> Result<()> {
    let name = format!("{}.1", full_name(command));
    pages.push((name, page(command)?));
    command
        .get_subcommands()
        .try_for_each(|verb| below(verb, pages))
}

/// `baremetal-bundle-create`.
fn full_name(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

fn page(command: &Command) -> Result<String> {
    let man = Man::new(command.clone())
        .title(full_name(command))
        .source(concat!("baremetal ", env!("CARGO_PKG_VERSION")))
        .manual("baremetal");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut text = String::from_utf8(text)?;
    if let Some(after) = command.get_after_help() {
        text.push_str(&sections(&after.to_string()));
    }
    Ok(text)
}

/// `Examples:` and what stands below it, line by line as it is.
fn sections(after: &str) -> String {
    let mut out = String::new();
    for block in after.split("\n\n") {
        let (title, lines) = block.split_once('\n').unwrap_or((block, ""));
        out.push_str(".SH ");
        out.push_str(&title.trim_end_matches(':').to_uppercase());
        out.push_str("\n.nf\n");
        for line in lines.lines() {
            // A dot or a quote at the beginning would be a request; a bare dash becomes a hyphen that cannot be pasted.
            out.push_str("\\&");
            out.push_str(
                &line
                    .replace('\\', "\\e")
                    .replace('-', "\\-")
                    .replace('\'', "\\(aq"),
            );
            out.push('\n');
        }
        out.push_str(".fi\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_shown_as_they_are_typed() {
        assert_eq!(
            sections("Examples:\n  a --b 'c' \\d\n\nExit codes:\n    0  done"),
            ".SH EXAMPLES\n.nf\n\\&  a \\-\\-b \\(aqc\\(aq \\ed\n.fi\n.SH EXIT CODES\n.nf\n\\&    0  done\n.fi\n"
        );
    }
}
