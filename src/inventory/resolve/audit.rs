//! The audit policy of the API server: one that it does not take keeps every API server down.

use std::path::Path;

use crate::inventory::{
    Audit,
    context::Context,
    diagnostic::Position,
    schema::{self, AuditEntry},
    yaml::{self, Node, Yaml},
};

/// Written where the inventory only says `audit: true`.
const POLICY: &str = include_str!("audit-policy.yaml");

/// `audit.Level` of k8s.io/apiserver.
const LEVELS: [&str; 4] = ["None", "Metadata", "Request", "RequestResponse"];

/// Keys of a rule whose values are lists of texts.
const LISTS: [&str; 6] = [
    "users",
    "userGroups",
    "verbs",
    "namespaces",
    "nonResourceURLs",
    "omitStages",
];

pub fn audit(context: &mut Context<'_>, written: Option<AuditEntry>) -> Option<Audit> {
    let full = match written {
        None | Some(AuditEntry::Switch(false)) => return None,
        Some(AuditEntry::Switch(true)) => schema::Audit::default(),
        Some(AuditEntry::Full(full)) => full,
    };
    let policy = match full.policy {
        Some(file) => own(context, &file),
        None => POLICY.to_owned(),
    };
    Some(Audit {
        policy,
        max_age_days: full.max_age_days.unwrap_or(30),
        max_backups: full.max_backups.unwrap_or(10),
        max_size_mb: full.max_size_mb.unwrap_or(100),
    })
}

/// A policy of the user's.
fn own(context: &mut Context<'_>, file: &Path) -> String {
    let at = ["control-plane", "audit", "policy"];
    let policy = context.content(&at, file);
    if context.is_clean(&at)
        && let Err((place, why)) = check(&policy)
    {
        let shown = file.display();
        let message = format!(
            "`{shown}` is no audit policy: {shown}:{}:{}: {why}",
            place.line, place.column
        );
        context.refuse(&at, message);
    }
    policy
}

/// Where a policy is not one that an API server starts with, and why (`LoadPolicyFromBytes` and `ValidatePolicy` of k8s.io/apiserver).
fn check(text: &str) -> Result<(), (Position, String)> {
    let (tree, mistakes) = yaml::parse(text);
    if let Some(mistake) = mistakes.into_iter().next() {
        return Err((mistake.at, mistake.message));
    }
    let start = Position { line: 1, column: 1 };
    let Some(tree) = tree.filter(|tree| !tree.is_null()) else {
        return Err((start, "the file is empty".to_owned()));
    };
    for (key, wanted) in [("apiVersion", "audit.k8s.io/v1"), ("kind", "Policy")] {
        let node = tree.get(key);
        if node.and_then(text_of) != Some(wanted) {
            let at = node.map_or(tree.at, |node| node.at);
            return Err((at, format!("write `{key}: {wanted}`")));
        }
    }
    let rules = match tree.get("rules") {
        Some(node) => items(node, "rules")?,
        None => &[],
    };
    if rules.is_empty() {
        let at = tree.get("rules").map_or(tree.at, |node| node.at);
        return Err((
            at,
            "`rules` is empty; write at least one, such as `rules: [{level: Metadata}]`".to_owned(),
        ));
    }
    texts(&tree, "omitStages")?;
    rules.iter().try_for_each(rule)
}

fn rule(rule: &Node) -> Result<(), (Position, String)> {
    let node = rule.get("level");
    if !node
        .and_then(text_of)
        .is_some_and(|level| LEVELS.contains(&level))
    {
        let at = node.map_or(rule.at, |node| node.at);
        let message = format!("each rule needs a `level`: {}", LEVELS.join(", "));
        return Err((at, message));
    }
    LISTS.iter().try_for_each(|key| texts(rule, key))?;
    let Some(resources) = rule.get("resources") else {
        return Ok(());
    };
    for group in items(resources, "resources")? {
        if !matches!(group.value, Yaml::Map(_)) {
            let message = "write a mapping such as `{group: \"\", resources: [secrets]}`";
            return Err((group.at, message.to_owned()));
        }
        texts(group, "resources")?;
        texts(group, "resourceNames")?;
    }
    Ok(())
}

/// Items of what must be a list.
fn items<'a>(node: &'a Node, key: &str) -> Result<&'a [Node], (Position, String)> {
    match &node.value {
        Yaml::List(items) => Ok(items),
        _ if node.is_null() => Ok(&[]),
        _ => Err((node.at, format!("`{key}` must be a list"))),
    }
}

/// A key that, where it is written, must be a list of texts.
fn texts(node: &Node, key: &str) -> Result<(), (Position, String)> {
    let Some(list) = node.get(key) else {
        return Ok(());
    };
    match items(list, key)?
        .iter()
        .find(|item| text_of(item).is_none())
    {
        Some(item) => Err((item.at, format!("`{key}` must be a list of texts"))),
        None => Ok(()),
    }
}

fn text_of(node: &Node) -> Option<&str> {
    match &node.value {
        Yaml::Scalar(scalar) => Some(&scalar.text),
        _ => None,
    }
}
