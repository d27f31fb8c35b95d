//! Destructive commands ask for the cluster's name; pipelines give it with `--yes=NAME`.

use std::io::IsTerminal as _;

use anyhow::Result;

use crate::failure::{Code, Failure};

/// Refuses a wrong `--yes=NAME` at once, before any host is asked for anything.
///
/// # Errors
/// [`Code::Refused`] when the name is not the cluster's.
pub(super) fn early(cluster: &str, yes: Option<&str>) -> Result<()> {
    match yes {
        Some(name) if name != cluster => Err(wrong(cluster, name)),
        _ => Ok(()),
    }
}

/// Whether the user means this cluster: told by `--yes=NAME`, else asked for on the terminal. `what` ends the question: `end it`.
///
/// # Errors
/// [`Code::Refused`] for a wrong name, [`Code::Usage`] where nobody can be asked. Nothing may have been changed by then.
pub(super) async fn by_name(cluster: &str, yes: Option<&str>, what: &str) -> Result<()> {
    early(cluster, yes)?;
    if yes.is_some() {
        return Ok(());
    }
    if !terminal() {
        return Err(Failure::new(
            Code::Usage,
            "there is no terminal to ask for the cluster's name; nothing was changed",
        )
        .hint(format!("say it on the command line: --yes={cluster}"))
        .into());
    }
    let question = format!("Type the cluster's name to {what}");
    let name = tokio::task::spawn_blocking(move || {
        dialoguer::Input::<String>::new()
            .with_prompt(question)
            .allow_empty(true)
            .interact_text()
    })
    .await??;
    if name.trim() == cluster {
        return Ok(());
    }
    Err(wrong(cluster, name.trim()))
}

/// Whether somebody is there to be asked.
pub(super) fn terminal() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// A question that Return answers with no.
pub(super) async fn yes(question: String) -> Result<bool> {
    let answer = tokio::task::spawn_blocking(move || {
        // Only one line is asked: of more the terminal would show some twice.
        let (before, last) = question.rsplit_once('\n').unwrap_or(("", &question));
        if !before.is_empty() {
            console::Term::stderr().write_line(before)?;
        }
        dialoguer::Confirm::new()
            .with_prompt(last)
            .default(false)
            .interact()
    });
    Ok(answer.await??)
}

fn wrong(cluster: &str, name: &str) -> anyhow::Error {
    Failure::new(
        Code::Refused,
        format!("the inventory is of cluster `{cluster}`, not of `{name}`; nothing was changed"),
    )
    .hint("look at which inventory is meant, then give the name of its cluster")
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_name_goes_on() {
        by_name("home", Some("home"), "x").await.unwrap();
        for wrong in ["", "hom", "Home", "home "] {
            let error = by_name("home", Some(wrong), "x").await.unwrap_err();
            let failure = error.downcast::<Failure>().unwrap();
            assert_eq!(failure.code, Code::Refused, "{wrong:?}");
            assert!(failure.message.contains("nothing was changed"));
        }
    }
}
