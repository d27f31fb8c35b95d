//! Scripts of actions: one prelude, then the text of `templates/actions/<name>.sh` as it is. Values come as arguments and attachments.

use crate::{remote::Script, templates};

const PRELUDE: &str = "actions/prelude.sh";

/// A script that changes something.
pub(super) fn change(name: &str) -> Script {
    Script::change(name, body(name))
}

/// The whole text of a script.
pub(crate) fn body(name: &str) -> String {
    format!(
        "{}\n{}",
        templates::text(PRELUDE),
        templates::text(&format!("actions/{name}.sh"))
    )
}

/// `yes` or `no`, as scripts take it.
pub(super) fn yes(answer: bool) -> &'static str {
    if answer { "yes" } else { "no" }
}
