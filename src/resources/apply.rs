//! One script that brings about a list of changes, and the proof that it did.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::probe::{probe_body, quote};
use super::{Change, Resource, compare, parse_probe};
use crate::{
    artifacts::Item,
    failure::{Code, Failure},
    remote::{Attachment, Script},
    templates,
};

/// Begins the answer of the probe at the end of an apply script.
const PROBE: &str = "probe";

/// Where an artifact lies on a host between its transfer and its use.
pub fn staged_path(item: &Item) -> String {
    format!("/var/lib/baremetal/artifacts/{}", item.sha256)
}

/// Lines of a script under construction, and what they need beside them.
#[derive(Debug, Default)]
pub(super) struct Calls {
    lines: String,
    attachments: Vec<Attachment>,
}

impl Calls {
    /// One call of a function of `apply.sh`.
    pub(super) fn call(&mut self, words: &[&str]) {
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                self.lines.push(' ');
            }
            self.lines.push_str(&quote(word));
        }
        self.lines.push('\n');
    }

    /// The name under which the script finds `content`.
    pub(super) fn attach(&mut self, content: &str) -> String {
        let name = format!("content-{}", self.attachments.len());
        self.attachments.push(Attachment {
            name: name.clone(),
            content: content.as_bytes().to_vec(),
            secrets: false,
        });
        name
    }
}

/// One script that brings about all changes, in order; artifacts that are transferred lie on the host already.
///
/// It stops at the first failure with `failed: RESOURCE: WHY` on stderr. At its end the same resources are observed
/// again; [`verify_apply`] reads that.
pub fn apply_script(name: &str, changes: &[Change]) -> Script {
    let mut calls = Calls::default();
    remember_units(changes, &mut calls);
    let mut rest = changes;
    while let Some(change) = rest.first() {
        // Neighbouring packages are one call of the package manager.
        let together = rest
            .iter()
            .take_while(|next| matches!(next.resource, Resource::Package(_)))
            .count();
        if together > 1 {
            packages(&rest[..together], &mut calls);
            rest = &rest[together..];
        } else {
            calls.call(&["resource", &change.resource.label()]);
            change.resource.apply(change.verb, &mut calls);
            rest = &rest[1..];
        }
    }
    let resources: Vec<&Resource> = changes.iter().map(|change| &change.resource).collect();
    let mut body = templates::text("resources/apply.sh").to_owned();
    body.push_str(templates::text("resources/before.sh"));
    body.push_str("before_anything\n");
    body.push_str(&calls.lines);
    let _ = writeln!(body, "finish\necho {PROBE}\nlearn=yes");
    body.push_str(&probe_body(&resources));
    let mut script = Script::change(name, body).timeout(time_for(changes));
    script.attachments = calls.attachments;
    script
}

/// Before packages are installed, which may bring units and start them.
fn remember_units(changes: &[Change], calls: &mut Calls) {
    let units = changes.iter().filter_map(|change| match &change.resource {
        Resource::Service(service) => Some(service.unit.as_str()),
        _ => None,
    });
    let mut words = vec!["remember_units"];
    words.extend(units);
    if words.len() > 1 {
        calls.call(&words);
    }
}

fn packages(changes: &[Change], calls: &mut Calls) {
    let names: Vec<&str> = changes
        .iter()
        .filter_map(|change| match &change.resource {
            Resource::Package(package) => Some(package.name.as_str()),
            _ => None,
        })
        .collect();
    calls.call(&["resource", &format!("packages {}", names.join(" "))]);
    let mut words = vec!["packages"];
    words.extend(names);
    calls.call(&words);
}

/// Downloads of packages and pulls of images take what the network takes.
fn time_for(changes: &[Change]) -> Duration {
    let slow = changes
        .iter()
        .filter(|change| matches!(change.resource, Resource::Package(_) | Resource::Image(_)))
        .count();
    Duration::from_secs(600 + 120 * slow.min(20) as u64)
}

/// Whether everything is as wanted after [`apply_script`] ended: "applied but still different" names the resources.
///
/// # Errors
/// [`Code::Phase`] for each resource that is not; a plain error when the output is cut.
pub fn verify_apply(changes: &[Change], stdout: &str) -> Result<()> {
    let answer = stdout
        .split_once(&format!("{PROBE}\n"))
        .map(|(_, answer)| answer)
        .context("the script ended without observing what it changed")?;
    let resources: Vec<Resource> = changes
        .iter()
        .map(|change| change.resource.clone())
        .collect();
    let observed = parse_probe(&resources.iter().collect::<Vec<_>>(), answer)?;
    let left: Vec<String> = compare(&resources, &observed)
        .into_iter()
        .map(|change| format!("{} (still to {})", change.summary, change.verb))
        .collect();
    if left.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        Code::Phase,
        format!("applied but still different: {}", left.join("; ")),
    )
    .hint("something on the host undoes or refuses the change: another configuration manager, an immutable file, a service that fails after its start")
    .into())
}
