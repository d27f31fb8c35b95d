use std::{fs, path::Path};

use baremetal::inventory::{self, ArtifactSource, LoadOptions};

const TEXT: &str = "cluster: demo\nartifacts: {bundle: kit}\nhosts: {n1: 10.0.0.1}\n";

fn bundle(directory: &Path, name: &str, version: &str) {
    fs::create_dir_all(directory.join(name)).unwrap();
    let text = format!("apiVersion: baremetal.bundle/v1\nkubernetes: {version}\nitems: []\n");
    fs::write(directory.join(name).join("bundle.yaml"), text).unwrap();
}

fn load(text: &str, options: &LoadOptions) -> Result<inventory::Cluster, String> {
    let directory = tempfile::tempdir().unwrap();
    bundle(directory.path(), "kit", "1.32.5");
    bundle(directory.path(), "other", "1.30.9");
    let file = directory.path().join("inventory.yaml");
    fs::write(&file, text).unwrap();
    let options = LoadOptions {
        bundle: options
            .bundle
            .as_ref()
            .map(|bundle| directory.path().join(bundle)),
        ..options.clone()
    };
    let prefix = format!("{}/", directory.path().display());
    inventory::load_with(&file, &options).map_err(|error| error.to_string().replace(&prefix, ""))
}

#[test]
fn the_version_is_the_bundles_where_the_inventory_says_none() {
    let cluster = load(TEXT, &LoadOptions::default()).unwrap();
    assert_eq!(cluster.version.to_string(), "1.32.5");
    let minor = TEXT.replace("cluster: demo", "cluster: demo\nkubernetes: 1.32");
    assert_eq!(
        load(&minor, &LoadOptions::default())
            .unwrap()
            .version
            .to_string(),
        "1.32.5"
    );
}

#[test]
fn a_bundle_of_the_command_line_replaces_the_inventorys() {
    let options = LoadOptions {
        bundle: Some("other".into()),
        ..LoadOptions::default()
    };
    let cluster = load(TEXT, &options).unwrap();
    assert_eq!(cluster.version.to_string(), "1.30.9");
    assert!(matches!(cluster.artifacts, ArtifactSource::Bundle(path) if path.ends_with("other")));
}

#[test]
fn a_bundle_of_another_version_is_refused_where_the_version_is_written() {
    let text = TEXT.replace("cluster: demo", "cluster: demo\nkubernetes: 1.33.4");
    let said = load(&text, &LoadOptions::default()).unwrap_err();
    let first = said.lines().next().unwrap();
    assert_eq!(
        first,
        "inventory.yaml:2:13: kubernetes: 1.33.4 is not what the bundle holds; write `1.32.5`, remove the line, or use another bundle"
    );
}

#[test]
fn a_bundle_that_is_not_there_is_named_when_it_must_say_the_version() {
    let said = load(&TEXT.replace("kit", "absent"), &LoadOptions::default()).unwrap_err();
    assert!(said.starts_with("inventory.yaml:2:21: artifacts.bundle: the bundle's Kubernetes version cannot be read: "), "{said}");
    let known = TEXT
        .replace("kit", "absent")
        .replace("cluster: demo", "cluster: demo\nkubernetes: 1.33.4");
    assert!(
        load(&known, &LoadOptions::default()).is_ok(),
        "the run itself checks the bundle"
    );
}
