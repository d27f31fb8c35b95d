//! The names in an inventory, for completion: of a file that is being written, and may be wrong in every other way.

use std::path::Path;

use serde_yaml::Value;

use super::{load, select::ROLES};

/// Names that a command line may hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// In the order of the file.
    pub hosts: Vec<String>,
    /// Groups that the file defines.
    pub groups: Vec<String>,
}

/// Names in the file at `path`; none where there is nothing to be read. Asks nobody and says nothing.
pub fn outline(path: &Path) -> Outline {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let names = serde_yaml::from_str(&text).map(|value: Value| Outline {
        hosts: keys(&value, "hosts"),
        groups: keys(&value, "groups"),
    });
    match names {
        Ok(outline) if !outline.hosts.is_empty() => outline,
        // An inventory of kubespray's, perhaps.
        _ => load(path).map_or_else(
            |_| Outline::default(),
            |cluster| Outline {
                hosts: cluster.hosts.into_iter().map(|host| host.name).collect(),
                groups: Vec::new(),
            },
        ),
    }
}

fn keys(value: &Value, of: &str) -> Vec<String> {
    let mapping = value.get(of).and_then(Value::as_mapping);
    let names = mapping.into_iter().flat_map(|mapping| mapping.keys());
    names
        .filter_map(Value::as_str)
        // A shell takes what is completed as it is.
        .filter(|name| {
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        })
        .map(str::to_owned)
        .collect()
}

impl Outline {
    /// Every term that a selector may have: hosts, groups, roles. A plain word where it means the same, for shells break words at `:`.
    pub fn terms(&self) -> Vec<String> {
        let mut terms = self.hosts.clone();
        for group in &self.groups {
            if self.hosts.contains(group) {
                terms.push(format!("group:{group}"));
            } else {
                terms.push(group.clone());
            }
        }
        for (role, _) in ROLES {
            if terms.iter().any(|term| term == role) {
                terms.push(format!("role:{role}"));
            } else {
                terms.push(role.to_owned());
            }
        }
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Outline {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("inventory.yaml");
        std::fs::write(&path, text).unwrap();
        outline(&path)
    }

    #[test]
    fn names_are_found_in_a_file_that_is_half_written() {
        let half = "cluster: home\nhosts:\n  cp1: {address: \n  }\n  w1:\n  worker: x\n  '; rm -rf /': {}\ngroups: {edge: {}, w1: {}}\n";
        let outline = of(half);
        assert_eq!(outline.hosts, ["cp1", "w1", "worker"]);
        assert_eq!(
            outline.terms(),
            [
                "cp1",
                "w1",
                "worker",
                "edge",
                "group:w1",
                "control-plane",
                "role:worker",
                "load-balancer"
            ]
        );
    }

    #[test]
    fn what_cannot_be_read_has_no_names() {
        for text in ["", "hosts: 3\n", "hosts: [a]\n", "{{{", "\u{0}"] {
            assert_eq!(of(text), Outline::default(), "{text}");
        }
        assert_eq!(outline(Path::new("/nowhere")), Outline::default());
        let kubespray =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("inventories/kubespray/inventory.ini");
        assert!(!outline(&kubespray).hosts.is_empty());
    }
}
