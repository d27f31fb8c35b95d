//! Which hosts are meant: the grammar of `--limit`.
//!
//! Terms are separated by commas; a host is selected by any of them and left out by any that begins with `!`. Terms that only
//! leave out begin with every host.
//!
//! ```text
//! cp1          the host of that name, else the group, else the role
//! w*, w[1-3]   hosts by glob
//! group:edge   hosts of a group
//! role:worker  hosts of a role: control-plane, worker, load-balancer
//! !w2          all but that
//! ```

use anyhow::Result;
use globset::Glob;

use super::{Cluster, Host, Role, keys::nearest};
use crate::failure::{Code, Failure};

pub(super) const ROLES: [(&str, Role); 3] = [
    ("control-plane", Role::ControlPlane),
    ("worker", Role::Worker),
    ("load-balancer", Role::LoadBalancer),
];

/// Names of the hosts that `selector` means, in the order of the file.
///
/// [`Code::Usage`] where a term means nothing in this inventory, with the nearest name, and where no host is left: a
/// misspelt selector must not pass for an empty one.
pub fn select(cluster: &Cluster, selector: &str) -> Result<Vec<String>> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for term in selector
        .split(',')
        .map(str::trim)
        .filter(|term| !term.is_empty())
    {
        match term.strip_prefix('!') {
            Some(term) => without.push(meaning(cluster, term.trim())?),
            None => with.push(meaning(cluster, term)?),
        }
    }
    let chosen = |host: &&Host| {
        let named = |terms: &[Meaning]| terms.iter().any(|term| term.holds(host));
        (with.is_empty() || named(&with)) && !named(&without)
    };
    let names: Vec<String> = cluster
        .hosts
        .iter()
        .filter(chosen)
        .map(|host| host.name.clone())
        .collect();
    if names.is_empty() || (with.is_empty() && without.is_empty()) {
        return Err(refuse(cluster, format!("`{selector}` selects no host")));
    }
    Ok(names)
}

enum Meaning {
    Name(String),
    Names(globset::GlobMatcher),
    Group(String),
    Role(Role),
}

impl Meaning {
    fn holds(&self, host: &Host) -> bool {
        match self {
            Self::Name(name) => host.name == *name,
            Self::Names(glob) => glob.is_match(&host.name),
            Self::Group(group) => host.groups.contains(group),
            Self::Role(role) => host.roles.contains(role),
        }
    }
}

fn meaning(cluster: &Cluster, term: &str) -> Result<Meaning> {
    if let Some(group) = term.strip_prefix("group:") {
        return grouped(cluster, group)
            .ok_or_else(|| unknown(cluster, "group", group, groups(cluster).into_iter()));
    }
    if let Some(role) = term.strip_prefix("role:") {
        let known = ROLES.iter().map(|(name, _)| *name);
        return of_role(role).ok_or_else(|| unknown(cluster, "role", role, known));
    }
    if term.contains(['*', '?', '[']) {
        let glob = Glob::new(term)
            .map_err(|error| refuse(cluster, format!("`{term}` is no pattern: {}", error.kind())))?
            .compile_matcher();
        if cluster.hosts.iter().any(|host| glob.is_match(&host.name)) {
            return Ok(Meaning::Names(glob));
        }
        return Err(refuse(cluster, format!("no host is like `{term}`")));
    }
    if cluster.host(term).is_some() {
        return Ok(Meaning::Name(term.to_owned()));
    }
    grouped(cluster, term)
        .or_else(|| of_role(term))
        .ok_or_else(|| {
            let hosts = cluster.hosts.iter().map(|host| host.name.as_str());
            let known = hosts
                .chain(groups(cluster))
                .chain(ROLES.iter().map(|(name, _)| *name));
            unknown(cluster, "host, group or role", term, known)
        })
}

fn grouped(cluster: &Cluster, group: &str) -> Option<Meaning> {
    groups(cluster)
        .contains(&group)
        .then(|| Meaning::Group(group.to_owned()))
}

fn of_role(role: &str) -> Option<Meaning> {
    let (_, role) = ROLES.iter().find(|(name, _)| *name == role)?;
    Some(Meaning::Role(*role))
}

/// Every group that a host is of, once, in the order of the file.
fn groups(cluster: &Cluster) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for group in cluster.hosts.iter().flat_map(|host| &host.groups) {
        if !all.contains(&group.as_str()) {
            all.push(group);
        }
    }
    all
}

fn unknown<'a>(
    cluster: &Cluster,
    kind: &str,
    word: &str,
    known: impl Iterator<Item = &'a str>,
) -> anyhow::Error {
    let guess =
        nearest(word, known).map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"));
    refuse(cluster, format!("no {kind} is named `{word}`{guess}"))
}

fn refuse(cluster: &Cluster, message: String) -> anyhow::Error {
    let hosts: Vec<&str> = cluster
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    let mut hint = format!("hosts: {}", hosts.join(", "));
    let groups = groups(cluster);
    if !groups.is_empty() {
        hint.push_str("; groups: ");
        hint.push_str(&groups.join(", "));
    }
    hint.push_str("; roles: control-plane, worker, load-balancer");
    Failure::new(Code::Usage, message).hint(hint).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::load;

    fn cluster() -> Cluster {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inventory.yaml");
        let text = "\
cluster: home
kubernetes: 1.33.4
endpoint: 10.0.0.10
groups: {edge: {}, racks: {}}
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  w1: {address: 10.0.0.21, group: edge}
  w2: {address: 10.0.0.22, group: [edge, racks]}
  worker: {address: 10.0.0.23}
";
        std::fs::write(&path, text).unwrap();
        load(&path).unwrap()
    }

    #[test]
    fn terms_add_and_leave_out() {
        let cluster = cluster();
        for (selector, wanted) in [
            ("w1", "w1"),
            ("w2,cp1", "cp1 w2"),
            ("w?", "w1 w2"),
            ("w*", "w1 w2 worker"),
            ("w[2-9]", "w2"),
            ("*", "cp1 w1 w2 worker"),
            ("edge", "w1 w2"),
            ("group:racks", "w2"),
            ("control-plane", "cp1"),
            // A host's name goes before a role's.
            ("worker", "worker"),
            ("role:worker", "w1 w2 worker"),
            ("!w1", "cp1 w2 worker"),
            ("edge,!w2", "w1"),
            ("!role:worker", "cp1"),
            (" w1 , w2 ", "w1 w2"),
        ] {
            assert_eq!(
                select(&cluster, selector).unwrap().join(" "),
                wanted,
                "{selector}"
            );
        }
    }

    #[test]
    fn what_means_nothing_is_refused_with_the_nearest_name() {
        let cluster = cluster();
        for (selector, said) in [
            ("w3", "no host, group or role is named `w3`"),
            (
                "!edg",
                "no host, group or role is named `edg` (did you mean `edge`?)",
            ),
            (
                "role:workers",
                "no role is named `workers` (did you mean `worker`?)",
            ),
            (
                "group:rack",
                "no group is named `rack` (did you mean `racks`?)",
            ),
            ("x*", "no host is like `x*`"),
            ("w[1", "`w[1` is no pattern: "),
            ("w1,!w*", "`w1,!w*` selects no host"),
            ("", "`` selects no host"),
            (",", "`,` selects no host"),
        ] {
            let error = select(&cluster, selector).unwrap_err();
            let failure = error.downcast_ref::<Failure>().unwrap();
            assert!(failure.message.starts_with(said), "{selector}: {failure}");
            assert_eq!(failure.code, Code::Usage);
            let hint = failure.hint.as_deref().unwrap();
            assert!(
                hint.starts_with("hosts: cp1, w1, w2, worker; groups: edge, racks; roles: "),
                "{hint}"
            );
        }
    }
}
