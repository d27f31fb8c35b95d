//! tar archives whose bytes depend on nothing but their content.

use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, GzBuilder};

/// Programs of the CNI plugin archive; a CNI runtime asks each for its version.
const CNI_PLUGINS: &[&str] = &[
    "bandwidth",
    "bridge",
    "dhcp",
    "dummy",
    "firewall",
    "host-device",
    "host-local",
    "ipvlan",
    "loopback",
    "macvlan",
    "portmap",
    "ptp",
    "sbr",
    "static",
    "tap",
    "tuning",
    "vlan",
    "vrf",
];

const CNI_PROGRAM: &str = r#"#!/bin/sh
# Stand-in for a CNI plugin: no pod network is made.
case "${CNI_COMMAND:-VERSION}" in
VERSION) printf '{"cniVersion":"1.0.0","supportedVersions":["0.3.1","0.4.0","1.0.0"]}\n' ;;
ADD) printf '{"cniVersion":"1.0.0","interfaces":[],"ips":[]}\n' ;;
*) exit 0 ;;
esac
"#;

/// The flat CNI plugin archive.
pub fn cni_plugins() -> Result<Vec<u8>> {
    let files: Vec<(String, u32, Vec<u8>)> = CNI_PLUGINS
        .iter()
        .map(|name| {
            let program = CNI_PROGRAM.replace("a CNI plugin", &format!("the CNI plugin {name}"));
            (format!("./{name}"), 0o755, program.into_bytes())
        })
        .collect();
    gzip(&tar(&files)?)
}

/// A tar archive of (path, mode, content).
pub fn tar(files: &[(String, u32, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(1);
        header.set_uid(0);
        header.set_gid(0);
        archive.append_data(&mut header, path, content.as_slice())?;
    }
    Ok(archive.into_inner()?)
}

pub fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut archive = GzBuilder::new()
        .mtime(1)
        .write(Vec::new(), Compression::fast());
    archive.write_all(content)?;
    Ok(archive.finish()?)
}
