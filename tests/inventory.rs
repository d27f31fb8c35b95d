//! Inventories: the examples load, and every mistake has its message at its place.

mod audit;
mod bundles;
mod edit;
mod examples;
mod groups;
mod kubespray;
mod mistakes;
mod reference;
mod robust;
mod schema;

use std::{fs, path::Path};

use baremetal::{
    failure::{Code, Failure},
    inventory::{self, Cluster, LoadOptions},
};

/// Three control planes and two workers: what most cases change a little.
const BASE: &str = "\
cluster: demo
kubernetes: 1.33.4
endpoint: 10.0.0.10
ssh: {user: ops}
hosts:
  cp1: {address: 10.0.0.11, role: control-plane}
  cp2: {address: 10.0.0.12, role: control-plane}
  cp3: {address: 10.0.0.13, role: control-plane}
  w1: {address: 10.0.0.21}
  w2: {address: 10.0.0.22}
";

/// Loads a text as `inventory.yaml` in a directory of its own.
fn load(text: &str) -> anyhow::Result<Cluster> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, text)?;
    inventory::load(&file).map_err(|error| shorten(&error, directory.path()))
}

/// The failure without the directory, so that messages can be compared.
fn shorten(error: &anyhow::Error, directory: &Path) -> anyhow::Error {
    let failure = error
        .downcast_ref::<Failure>()
        .expect("a failure with its exit code");
    assert_eq!(failure.code, Code::Inventory);
    let text = failure
        .message
        .replace(&format!("{}/", directory.display()), "");
    Failure {
        message: text,
        ..failure.clone()
    }
    .into()
}

/// All that is said about a text, the count left out.
fn complaints(text: &str) -> Vec<String> {
    match load(text) {
        Ok(_) => Vec::new(),
        Err(error) => {
            let text = error.to_string();
            let lines = text
                .lines()
                .filter(|line| line.starts_with("inventory.yaml:"));
            lines
                .map(|line| line.trim_start_matches("inventory.yaml:").to_owned())
                .collect()
        }
    }
}

/// Loads one of `inventories/`. The lab's bundle is one that says 1.33.4, whatever was built last.
fn example(name: &str) -> Cluster {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("inventories")
        .join(name);
    let directory = tempfile::tempdir().unwrap();
    let list = "apiVersion: baremetal.bundle/v1\nkubernetes: 1.33.4\nitems: []\n";
    fs::write(directory.path().join("bundle.yaml"), list).unwrap();
    let options = LoadOptions {
        bundle: (name == "lab.yaml").then(|| directory.path().to_owned()),
        ..LoadOptions::default()
    };
    inventory::load_with(&path, &options).unwrap_or_else(|error| panic!("{error:#}"))
}
