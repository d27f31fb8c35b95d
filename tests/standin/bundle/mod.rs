//! `standin bundle --kubernetes VERSION DIR`: a complete artifact bundle, written from nothing but this program.

mod archives;
mod charts;
mod images;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::{args::Flags, identity, say, versions};

const NOTE: &str = "stand-in Kubernetes: a test double, not a real cluster";

/// Versions of what does not follow Kubernetes.
const HELM: &str = "3.18.4";
const CRICTL: &str = "1.36.0";
const CNI_PLUGINS: &str = "1.9.1";
const METALLB: &str = "v0.16.1";

/// Runs `standin bundle ARGUMENT…`.
pub fn run(arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse("kubernetes= arch=", arguments)?;
    let [directory] = flags.rest.as_slice() else {
        bail!("usage: standin bundle [--kubernetes VERSION] [--arch ARCH] DIR");
    };
    let version = flags.get("kubernetes").unwrap_or(versions::DEFAULT);
    let arch = flags.get("arch").unwrap_or(match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    });
    let count = write(version.trim_start_matches('v'), arch, Path::new(directory))?;
    say(format!(
        "{directory}: {count} items for Kubernetes {version} ({NOTE})"
    ));
    Ok(0)
}

/// Writes the bundle; returns the number of its items.
fn write(version: &str, arch: &str, directory: &Path) -> Result<usize> {
    let mut bundle = Bundle {
        directory: directory.to_owned(),
        arch: arch.to_owned(),
        items: Vec::new(),
    };
    for part in ["bin", "archives", "images", "charts", "manifests"] {
        let part = directory.join(part);
        let _ = fs::remove_dir_all(&part);
        fs::create_dir_all(&part).with_context(|| format!("{}", part.display()))?;
    }
    binaries(&mut bundle, version)?;
    let plugins = archives::cni_plugins()?;
    bundle.add(
        "cni-plugins",
        "archive",
        CNI_PLUGINS,
        "archives/cni-plugins.tgz",
        &plugins,
    )?;
    for image in images::all(version) {
        let file = format!("images/{}.tar", image.name);
        let archive = images::archive(&image.reference, arch)?;
        bundle.add_image(&image.name, &image.reference, &file, &archive)?;
    }
    for chart in charts::ALL {
        let file = format!("charts/{}-{}.tgz", chart.name, chart.version);
        bundle.add(
            chart.name,
            "chart",
            chart.version,
            &file,
            &charts::archive(chart)?,
        )?;
    }
    let metallb = charts::METALLB_MANIFEST.as_bytes();
    bundle.add(
        "metallb",
        "manifest",
        METALLB,
        "manifests/metallb.yaml",
        metallb,
    )?;
    bundle.finish(version)
}

/// Copies of this program, one for each tool.
fn binaries(bundle: &mut Bundle, version: &str) -> Result<()> {
    let program = fs::read("/proc/self/exe")?;
    let etcd = versions::etcd(version);
    let tools = [
        ("kubeadm", version),
        ("kubelet", version),
        ("kubectl", version),
        ("helm", HELM),
        ("crictl", CRICTL),
        ("etcdctl", etcd),
        ("etcdutl", etcd),
    ];
    for (tool, version) in tools {
        let file = format!("bin/{tool}");
        let content = identity::write_copy(&program, tool, version, &bundle.directory.join(&file))?;
        bundle.record(tool, "binary", version, &file, &content);
    }
    Ok(())
}

struct Bundle {
    directory: PathBuf,
    arch: String,
    items: Vec<Map<String, Value>>,
}

impl Bundle {
    fn add(
        &mut self,
        name: &str,
        kind: &str,
        version: &str,
        file: &str,
        content: &[u8],
    ) -> Result<()> {
        let path = self.directory.join(file);
        fs::write(&path, content).with_context(|| format!("{}", path.display()))?;
        self.record(name, kind, version, file, content);
        Ok(())
    }

    fn add_image(&mut self, name: &str, reference: &str, file: &str, content: &[u8]) -> Result<()> {
        let version = reference.rsplit(':').next().unwrap_or_default();
        self.add(name, "image", version, file, content)?;
        if let Some(item) = self.items.last_mut() {
            item.insert("images".into(), json!([reference]));
        }
        Ok(())
    }

    /// Notes an item whose file is written.
    fn record(&mut self, name: &str, kind: &str, version: &str, file: &str, content: &[u8]) {
        let mut item = Map::new();
        item.insert("name".into(), json!(name));
        item.insert("kind".into(), json!(kind));
        item.insert("version".into(), json!(version));
        if !matches!(kind, "chart" | "manifest") {
            item.insert("arch".into(), json!(self.arch));
        }
        item.insert("file".into(), json!(file));
        item.insert("sha256".into(), json!(sha256(content)));
        item.insert("size".into(), json!(content.len()));
        self.items.push(item);
    }

    fn finish(self, version: &str) -> Result<usize> {
        let count = self.items.len();
        let bundle = json!({
            "apiVersion": "baremetal.bundle/v1",
            "kubernetes": version,
            "note": NOTE,
            "items": self.items,
        });
        fs::write(
            self.directory.join("bundle.yaml"),
            serde_yaml::to_string(&bundle)?,
        )?;
        Ok(count)
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

/// Two lowercase digits a byte.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
