//! `kubeadm`: the verbs that a cluster's life needs.

mod images;

use anyhow::{Result, bail};

use crate::{identity::Identity, say};

/// Runs `kubeadm ARGUMENT…`.
pub fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["version", rest @ ..] => version(identity, rest),
        ["config", "images", "list", ..] => images::list(identity, &arguments[3..]),
        _ => bail!("unknown command {:?} for \"kubeadm\"", words.join(" ")),
    }
}

fn version(identity: &Identity, rest: &[&str]) -> Result<u8> {
    let version = &identity.version;
    match rest {
        ["-o", "short"] | ["-oshort" | "--output=short"] => say(format!("v{version}")),
        ["-o", "json"] | ["-ojson" | "--output=json"] => say(serde_json::json!({
            "clientVersion": {
                "major": "1",
                "minor": identity.minor().to_string(),
                "gitVersion": format!("v{version}"),
                "gitCommit": "stand-in",
            }
        })),
        [] => say(format!(
            "kubeadm version: &version.Info{{Major:\"1\", Minor:\"{}\", GitVersion:\"v{version}\", GitCommit:\"stand-in\"}}",
            identity.minor()
        )),
        _ => bail!("invalid output format: {}", rest.join(" ")),
    }
    Ok(0)
}
