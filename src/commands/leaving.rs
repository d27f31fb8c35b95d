//! What `remove-node` and `maintenance` have in common: through whom, who says so, and the inventory's entries.

use std::path::Path;

use anyhow::Result;

use super::{open::Opened, spare};
use crate::{
    cli::SourceArgs,
    engine,
    failure::{Code, Failure},
    inventory::{
        Cluster, Host, LoadOptions,
        edit::{Change, Edited, InventoryFile, WRONG_AFTER},
    },
    observe::{Facts, Observation},
    phases::{PhaseId, leaving::Mark, reset},
    plan::Action,
    report::PlanStyle,
};

/// While nodes leave one after the other, their number is even at times.
pub(super) fn load_options(source: &SourceArgs) -> LoadOptions {
    LoadOptions {
        even_control_planes: true,
        ..super::load_options(source)
    }
}

/// Who does this, and when.
pub(super) fn mark(reason: Option<String>) -> Mark {
    Mark {
        by: engine::operator(),
        since: engine::time(),
        reason,
        ..Mark::default()
    }
}

/// The control plane of `staying` through which all is done; `whole` is the cluster of the inventory.
///
/// # Errors
/// [`Code::Unreachable`] where none answers, [`Code::Refused`] where it, or who else was reached, is of another cluster.
pub(super) fn via(
    opened: &Opened,
    whole: &Cluster,
    staying: &Cluster,
    seen: &Observation,
) -> Result<Host> {
    spare::is_one_cluster(whole, staying, seen)?;
    let answering = staying.control_planes().find(|host| {
        seen.hosts
            .get(&host.name)
            .is_some_and(|seen| engine::answers(&seen.facts))
    });
    // With what the lab knows about how it is reached.
    let host = answering.and_then(|host| opened.cluster.host(&host.name));
    host.cloned().ok_or_else(|| {
        let names: Vec<_> = staying.control_planes().map(|host| host.name.as_str()).collect();
        Failure::new(
            Code::Unreachable,
            format!(
                "no control plane that stays answers /readyz ({}); nothing was changed",
                names.join(", ")
            ),
        )
        .hint("look at their kubelets and at etcd (`journalctl -u kubelet`, `crictl ps -a`): without quorum no node can leave")
        .into()
    })
}

/// All that frees the host, in order.
///
/// # Errors
/// [`Code::Refused`] where the host serves another cluster.
pub(super) fn reset(
    cluster: &Cluster,
    host: &Host,
    facts: &Facts,
) -> Result<Vec<(PhaseId, Action)>> {
    if let Some(server) = reset::other_cluster(cluster, facts) {
        return Err(Failure::new(
            Code::Refused,
            format!(
                "{} belongs to another cluster: its kubelet talks to {server}; nothing was changed",
                host.name
            ),
        )
        .hint("take it out of this inventory by hand; it is no node of this cluster")
        .into());
    }
    Ok(reset::host(cluster, host, facts, reset::Options::default()))
}

pub(super) fn style(style: PlanStyle) -> PlanStyle {
    PlanStyle {
        command: "baremetal remove-node",
        ..style
    }
}

/// The inventory's entries of hosts that leave.
pub(super) struct Entries {
    file: InventoryFile,
    options: LoadOptions,
    /// Names in the inventory.
    names: Vec<String>,
    keep: bool,
}

impl Entries {
    pub fn read(path: &Path, options: LoadOptions, cluster: &Cluster, keep: bool) -> Result<Self> {
        Ok(Self {
            file: InventoryFile::read(path)?,
            options,
            names: cluster.hosts.iter().map(|host| host.name.clone()).collect(),
            keep,
        })
    }

    fn edited(&self, gone: &[String]) -> Result<Option<Edited>> {
        let changes: Vec<Change> = gone
            .iter()
            .filter(|name| self.names.contains(name))
            .map(|name| Change::Remove(name.clone()))
            .collect();
        if self.keep || changes.is_empty() || changes.len() == self.names.len() {
            return Ok(None);
        }
        self.file.edit(&self.options, &changes).map(Some)
    }

    /// Fails where the entries cannot be taken out of the text: better before anything is changed than after it.
    pub fn can_go(&self, names: &[String]) -> Result<()> {
        self.edited(names)
            .map(|_| ())
            .map_err(|error| match error.downcast::<Failure>() {
                // An inventory that would be wrong afterwards is no matter of its text.
                Ok(failure) if !failure.message.contains(WRONG_AFTER) => {
                    let hint = failure.hint.clone().unwrap_or_default();
                    failure
                        .hint(format!(
                            "{hint}\nor leave the entries to be taken out afterwards: --keep-entry"
                        ))
                        .into()
                }
                Ok(failure) => failure.into(),
                Err(error) => error,
            })
    }

    /// The cluster that the inventory describes when the entries are gone.
    pub fn without(&self, whole: &Cluster, gone: &[String]) -> Cluster {
        if let Ok(Some(edited)) = self.edited(gone) {
            return edited.cluster;
        }
        // Entries that stay keep what they stand for, such as priorities by place.
        let mut cluster = whole.clone();
        cluster.hosts.retain(|host| !gone.contains(&host.name));
        cluster
    }

    /// Takes the entries out of the file; what was done, where something was.
    pub fn remove(&self, gone: &[String]) -> Result<Option<String>> {
        let Some(edited) = self.edited(gone)? else {
            return Ok(None);
        };
        self.file.write(&edited)?;
        Ok(Some(format!("{} was edited", self.file.path().display())))
    }
}
