//! Questions, and who answers them: a flag, the proposal, or the user.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;

use crate::{
    draft::Proposal,
    failure::{Code, Failure},
};

/// What is not known yet.
pub struct Question<'a> {
    /// `virtual IP, or load balancer of your own`.
    pub title: &'a str,
    /// `--endpoint`.
    pub flag: &'static str,
    pub proposal: Option<&'a Proposal>,
    /// The answer as it is used, or what is wrong with it, worded to follow the answer itself.
    pub check: &'a dyn Fn(&str) -> Result<String, String>,
}

/// Whoever sits in front of it.
pub trait Person: Send {
    /// One line; the proposal when nothing is typed.
    fn answer(&mut self, title: &str, proposal: Option<&Proposal>) -> Result<String>;
    fn confirm(&mut self, question: &str) -> Result<bool>;
    /// Shows a line that is no question.
    fn tell(&mut self, line: &str);
}

/// Answers by flags first; then by proposals or a person.
pub struct Asker<'a> {
    /// None without a terminal.
    pub person: Option<&'a mut dyn Person>,
    /// `--yes`.
    pub accept: bool,
    /// What was answered, as flags: the same command without questions.
    pub flags: Vec<(&'static str, String)>,
}

impl Asker<'_> {
    pub fn ask(&mut self, given: Option<&str>, question: &Question<'_>) -> Result<String> {
        let answer = match (given, question.proposal, &mut self.person) {
            (Some(given), _, _) => (question.check)(given).map_err(|why| {
                let what = format!("{}: `{given}` {why}", question.flag);
                Failure::new(Code::Usage, what)
            })?,
            (None, Some(proposal), _) if self.accept => proposal.value.clone(),
            (None, _, Some(person)) => loop {
                let answer = person.answer(question.title, question.proposal)?;
                match (question.check)(answer.trim()) {
                    Ok(answer) => break answer,
                    Err(why) => person.tell(&format!("`{}` {why}", answer.trim())),
                }
            },
            (None, proposal, None) => return Err(unanswered(question, proposal)),
        };
        self.flags.push((question.flag, answer.clone()));
        Ok(answer)
    }

    pub fn tell(&mut self, line: &str) {
        match &mut self.person {
            Some(person) => person.tell(line),
            None => tell(line),
        }
    }
}

fn unanswered(question: &Question<'_>, proposal: Option<&Proposal>) -> anyhow::Error {
    let what = format!(
        "{}: there is no terminal to ask on; give {} VALUE",
        question.title, question.flag
    );
    let failure = Failure::new(Code::Usage, what);
    match proposal {
        Some(Proposal { value, why }) => failure.hint(format!(
            "proposed: {} {value}. {why}\n`--yes` takes every proposal",
            question.flag
        )),
        None => failure,
    }
    .into()
}

fn tell(line: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// The terminal, when there is one to ask on.
pub fn terminal() -> Option<Terminal> {
    (std::io::stdin().is_terminal() && std::io::stderr().is_terminal()).then_some(Terminal)
}

pub struct Terminal;

/// Ctrl-C in a prompt is an error of the terminal's.
fn ended(error: dialoguer::Error) -> anyhow::Error {
    let dialoguer::Error::IO(error) = error;
    if error.kind() == std::io::ErrorKind::Interrupted {
        Failure::new(Code::Interrupted, "interrupted; nothing was written").into()
    } else {
        anyhow::Error::new(error).context("read an answer")
    }
}

impl Person for Terminal {
    fn answer(&mut self, title: &str, proposal: Option<&Proposal>) -> Result<String> {
        if let Some(proposal) = proposal {
            for line in crate::report::text::wrap(&proposal.why, 78) {
                tell(&format!("  {line}"));
            }
        }
        let input = dialoguer::Input::<String>::new()
            .with_prompt(title)
            .allow_empty(true);
        let input = match proposal {
            Some(proposal) => input.default(proposal.value.clone()),
            None => input,
        };
        input.interact_text().map_err(ended)
    }

    fn confirm(&mut self, question: &str) -> Result<bool> {
        // Only one line is asked: of more the terminal would show some twice.
        let (before, last) = question.rsplit_once('\n').unwrap_or(("", question));
        if !before.is_empty() {
            tell(before);
        }
        dialoguer::Confirm::new()
            .with_prompt(last)
            .default(false)
            .interact()
            .map_err(ended)
    }

    fn tell(&mut self, line: &str) {
        tell(line);
    }
}
