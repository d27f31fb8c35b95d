//! Host keys that nobody has seen yet: shown by fingerprint, and asked about once for all hosts.

use std::fmt::Write as _;

use anyhow::Result;

use super::confirm;
use crate::{
    engine::Session,
    inventory::Cluster,
    ssh::{self, ConnectError},
};

/// On a terminal, asks whether the new keys are to be trusted and connects to their hosts then; whether they were.
pub(super) async fn ask(cluster: &Cluster, session: &Session) -> Result<bool> {
    let unknown = session.unknown();
    if unknown.is_empty() || !confirm::terminal() {
        return Ok(false);
    }
    let trusted = confirm::yes(question(&unknown)).await?;
    answered(cluster, session, &unknown, trusted).await?;
    Ok(trusted)
}

/// All keys, and the question about them as the last line.
pub(super) fn question(unknown: &[ConnectError]) -> String {
    let mut question = String::from("These hosts are not in known_hosts:\n");
    for error in unknown {
        for key in &error.host_keys {
            let _ = writeln!(question, "  {}  {}", error.host, key.fingerprint);
        }
    }
    question.push_str("Compare them with what each machine shows on its console. Trust them");
    question
}

/// Hosts that are trusted are connected to; those whose keys are not known then are reported as out of reach.
pub(super) async fn answered(
    cluster: &Cluster,
    session: &Session,
    unknown: &[ConnectError],
    trusted: bool,
) -> Result<()> {
    if !trusted {
        session.report_unknown();
        return Ok(());
    }
    let mut names = Vec::new();
    for error in unknown {
        if let Some(host) = cluster.host(&error.host) {
            ssh::accept(host, &error.host_keys)?;
            names.push(error.host.as_str());
        }
    }
    session.connect_again(&names).await;
    // Behind a jump host that is known now may be one that is not.
    session.report_unknown();
    Ok(())
}
