//! What a list of resources leaves on a host: how a reset knows it on hosts that kept no note of what was there before.

use std::collections::BTreeSet;

use super::Resource;

/// Begins every text file of ours; a file of that name without it is somebody else's.
const MARKS: [&str; 2] = ["# Written by baremetal", "# Managed by baremetal"];

/// One line per thing, `KIND NAME`, each once: `file` (ours only while its mark is in it), `plain` (without a mark), `binary`,
/// `directory`, `unit`, and `block MARKER present PATH`.
///
/// Packages, sysctls, swap and the hostname are not among them: what they were before cannot be known.
pub fn made(resources: &[Resource]) -> String {
    let lines: BTreeSet<String> = resources.iter().filter_map(line).collect();
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

fn line(resource: &Resource) -> Option<String> {
    match resource {
        Resource::File(file) => {
            let marked = file
                .content
                .lines()
                .take(2)
                .any(|line| MARKS.iter().any(|mark| line.starts_with(mark)));
            let kind = if marked { "file" } else { "plain" };
            Some(format!("{kind} {}", file.path))
        }
        Resource::Directory(directory) => Some(format!("directory {}", directory.path)),
        Resource::Block(block) => Some(format!("block {} present {}", block.marker, block.path)),
        Resource::Service(service) => Some(format!("unit {}", service.unit)),
        Resource::Binary(binary) => Some(format!("binary {}", binary.path)),
        Resource::Absent(_)
        | Resource::Package(_)
        | Resource::Module(_)
        | Resource::Sysctl(_)
        | Resource::SwapOff(_)
        | Resource::Hostname(_)
        | Resource::Archive(_)
        | Resource::Image(_)
        | Resource::Blob(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Block, Directory, File, Package};

    #[test]
    fn only_what_can_be_told_to_be_ours_is_listed_each_once() {
        let directory = Resource::Directory(Directory {
            path: "/etc/x".to_owned(),
            mode: 0o755,
        });
        let marked = "#!/bin/sh\n# Managed by baremetal; changes are overwritten.\n";
        let resources = [
            directory.clone(),
            directory,
            Resource::File(File::new("/etc/x/marked", marked, 0o644)),
            Resource::File(File::new("/etc/x/patch.yaml", "a: b\n", 0o600)),
            Resource::Package(Package::new("haproxy")),
            Resource::Block(Block {
                path: "/etc/hosts".to_owned(),
                marker: "hosts".to_owned(),
                content: String::new(),
            }),
        ];
        assert_eq!(
            made(&resources),
            "block hosts present /etc/hosts\ndirectory /etc/x\nfile /etc/x/marked\nplain /etc/x/patch.yaml\n"
        );
    }
}
