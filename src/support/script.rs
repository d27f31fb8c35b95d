//! One read-only script per host, and the reading of its sections.

use std::{fmt::Write as _, time::Duration};

use crate::{
    inventory::{Cluster, Host},
    remote::Script,
    templates,
};

/// Lines of each journal and log.
const LINES: usize = 1000;
/// Bytes of each section.
const BYTES: usize = 400_000;

/// The output of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Path in the archive, without an ending: `journal/kubelet`.
    pub name: String,
    /// Exit status of the command; 124 where its time was over.
    pub status: i32,
    pub text: String,
}

/// Asks a host about itself, and where `asks_api` its own API server about the cluster.
pub fn host_script(cluster: &Cluster, host: &Host, asks_api: bool) -> Script {
    let port = cluster.apiserver_port();
    let api = match host.node_ip {
        _ if !asks_api => String::new(),
        std::net::IpAddr::V4(address) => format!("https://{address}:{port}"),
        std::net::IpAddr::V6(address) => format!("https://[{address}]:{port}"),
    };
    let mut body = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(body, "lines={LINES} bytes={BYTES} api='{api}'");
    if host.is_control_plane() {
        body.push_str("plane=yes\n");
    }
    body.push_str(templates::text("observe/support.sh"));
    // No log needs all of it once more.
    Script::read("support", body)
        .timeout(Duration::from_mins(5))
        .sensitive()
}

/// Reads what [`host_script`] printed, and whether it came to its end.
pub fn sections(stdout: &str) -> (Vec<Section>, bool) {
    let mut sections: Vec<Section> = Vec::new();
    for line in stdout.split_inclusive('\n') {
        if let Some(line) = line.strip_prefix('.') {
            if let Some(section) = sections.last_mut() {
                section.text.push_str(line);
            }
        } else if let Some(header) = line.trim_end().strip_prefix("%% ") {
            let (name, status) = header.rsplit_once(' ').unwrap_or((header, "0"));
            sections.push(Section {
                name: name.to_owned(),
                status: status.parse().unwrap_or(-1),
                text: String::new(),
            });
        }
    }
    let whole = sections.last().is_some_and(|last| last.name == "end");
    sections.retain(|section| section.name != "end");
    (sections, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_read_whatever_stands_in_them() {
        let (all, whole) = sections(
            "%% a/b 0\n.%% no header 1\n..dotted\n.\n.last without end\n%% c d 124\n\n%% end 0\n",
        );
        assert!(whole);
        let expected = [
            ("a/b", 0, "%% no header 1\n.dotted\n\nlast without end\n"),
            ("c d", 124, ""),
        ];
        assert_eq!(all.len(), expected.len());
        for (section, (name, status, text)) in all.iter().zip(expected) {
            let seen = (section.name.as_str(), section.status, section.text.as_str());
            assert_eq!(seen, (name, status, text));
        }
        assert!(!sections("%% a 0\n.cut").1);
        assert_eq!(sections(""), (Vec::new(), false));
    }
}
