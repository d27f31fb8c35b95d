//! What a command printed on many hosts: hosts that said the same stand together, so that the odd one out is seen.

use super::text::ended;

/// What a command left behind on one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostOutput {
    pub host: String,
    /// `None` where the command could not be run, or its end is not known.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Why there is no status.
    pub reason: Option<String>,
}

impl HostOutput {
    fn said(&self) -> (Option<i32>, &str, &str, Option<&str>) {
        let reason = self.reason.as_deref();
        (self.status, &self.stdout, &self.stderr, reason)
    }
}

/// A block per different output, in the order of the first host of each; every line of stderr says so.
pub fn outputs(all: &[HostOutput]) -> String {
    let mut groups: Vec<Vec<&HostOutput>> = Vec::new();
    for one in all {
        match groups
            .iter_mut()
            .find(|group| group[0].said() == one.said())
        {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
        .iter()
        .map(|group| block(group))
        .collect::<Vec<_>>()
        .join("\n")
}

fn block(group: &[&HostOutput]) -> String {
    let first = group[0];
    let names: Vec<&str> = group.iter().map(|one| one.host.as_str()).collect();
    let mut text = format!("== {}", names.join(", "));
    if first.status != Some(0) || first.reason.is_some() {
        text.push_str(": ");
        text.push_str(&ended(first.status, first.reason.as_deref()));
    }
    text.push('\n');
    for line in first.stdout.lines() {
        text.push_str(line);
        text.push('\n');
    }
    for line in first.stderr.lines() {
        text.push_str("stderr: ");
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: &str, status: i32, stdout: &str, stderr: &str) -> HostOutput {
        HostOutput {
            host: host.to_owned(),
            status: Some(status),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
            reason: None,
        }
    }

    #[test]
    fn hosts_that_said_the_same_stand_together() {
        let lost = HostOutput {
            host: "w2".to_owned(),
            reason: Some("the connection to w2 was lost".to_owned()),
            ..HostOutput::default()
        };
        let all = [
            of("cp1", 0, "active\n", ""),
            of("cp2", 3, "inactive\n", "one\ntwo"),
            of("w1", 0, "active\n", ""),
            lost,
            of("w3", 0, "", ""),
        ];
        assert_eq!(
            outputs(&all),
            "\
== cp1, w1
active

== cp2: exit 3
inactive
stderr: one
stderr: two

== w2: the connection to w2 was lost

== w3
"
        );
        assert_eq!(outputs(&[]), "");
    }

    #[test]
    fn what_failed_does_not_stand_with_what_did_not() {
        let all = [
            of("a", 0, "x\n", ""),
            of("b", 1, "x\n", ""),
            of("c", 0, "x\n", "x"),
        ];
        assert_eq!(outputs(&all).matches("==").count(), 3);
    }
}
