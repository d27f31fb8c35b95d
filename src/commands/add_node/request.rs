//! Who joins.

use std::collections::BTreeSet;

use anyhow::Result;

use super::super::open;
use crate::{
    cli::AddNodeArgs,
    failure::{Code, Failure},
    inventory::Cluster,
};

/// Who joins, and the cluster that there will be.
pub(super) struct Request {
    pub names: BTreeSet<String>,
    pub cluster: Box<Cluster>,
}

impl Request {
    /// `w1 is`, `w1, w2 are`.
    pub fn are(&self, one: &str, many: &str) -> String {
        let names: Vec<_> = self.names.iter().map(String::as_str).collect();
        let verb = if names.len() == 1 { one } else { many };
        format!("{} {verb}", names.join(", "))
    }
}

/// Reads the inventory; every host must be in it.
///
/// # Errors
/// [`Code::Usage`] where a name is not, [`Code::Inventory`].
pub(super) fn resolve(args: &AddNodeArgs) -> Result<Request> {
    let cluster = Box::new(open::cluster(&args.target)?);
    let unknown: Vec<&str> = args
        .names
        .iter()
        .map(String::as_str)
        .filter(|name| cluster.host(name).is_none())
        .collect();
    if let Some(first) = unknown.first() {
        let known: Vec<_> = cluster
            .hosts
            .iter()
            .map(|host| host.name.as_str())
            .collect();
        let hint = format!(
            "write it under `hosts`: `{first}: ADDRESS`; the inventory has {}",
            known.join(", ")
        );
        let message = format!("not in the inventory: {}", unknown.join(", "));
        return Err(Failure::new(Code::Usage, message).hint(hint).into());
    }
    Ok(Request {
        names: args.names.iter().cloned().collect(),
        cluster,
    })
}
