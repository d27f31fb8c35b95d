//! `kubectl kustomize`: resources, namespace, names, labels, generators and patches.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use crate::{apiserver::patch_object, kinds, yaml};

const KNOWN: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "resources",
    "bases",
    "components",
    "namespace",
    "namePrefix",
    "nameSuffix",
    "commonLabels",
    "labels",
    "commonAnnotations",
    "patches",
    "patchesStrategicMerge",
    "patchesJson6902",
    "images",
    "replicas",
    "configMapGenerator",
    "secretGenerator",
    "generatorOptions",
    "crds",
    "configurations",
    "buildMetadata",
    "sortOptions",
    "openapi",
];

/// Builds a directory with a kustomization.
pub fn build(directory: &Path) -> Result<Vec<Value>> {
    let file = ["kustomization.yaml", "kustomization.yml", "Kustomization"]
        .iter()
        .map(|name| directory.join(name))
        .find(|path| path.is_file());
    let file = file.with_context(|| format!(
        "error: unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'", directory.display()
    ))?;
    let config = yaml::documents(&fs::read_to_string(&file)?)?
        .into_iter()
        .next()
        .unwrap_or(json!({}));
    if let Some(unknown) = config
        .as_object()
        .into_iter()
        .flat_map(|config| config.keys())
        .find(|name| !KNOWN.contains(&name.as_str()))
    {
        bail!("error: invalid Kustomization: json: unknown field {unknown:?}");
    }
    let list = |name: &str| config[name].as_array().cloned().unwrap_or_default();
    let mut objects = Vec::new();
    for resource in list("resources")
        .iter()
        .chain(&list("bases"))
        .chain(&list("components"))
    {
        let path = directory.join(resource.as_str().unwrap_or_default());
        if path.is_dir() {
            objects.extend(build(&path)?);
        } else {
            let text = fs::read_to_string(&path)
                .with_context(|| format!("error: accumulating resources: accumulation err='accumulating resources from '{resource}'"))?;
            objects.extend(yaml::documents(&text)?);
        }
    }
    for (field, kind) in [
        ("configMapGenerator", "ConfigMap"),
        ("secretGenerator", "Secret"),
    ] {
        for generator in list(field) {
            objects.push(generate(directory, &generator, kind)?);
        }
    }
    for patch in list("patchesStrategicMerge") {
        let text = patch.as_str().unwrap_or_default();
        let text = if text.contains('\n') {
            text.to_owned()
        } else {
            fs::read_to_string(directory.join(text))?
        };
        apply(&mut objects, &json!({ "patch": text }), directory)?;
    }
    for patch in list("patches").iter().chain(&list("patchesJson6902")) {
        apply(&mut objects, patch, directory)?;
    }
    for object in &mut objects {
        transform(&config, object);
    }
    objects.sort_by_key(order);
    Ok(objects)
}

/// Documents as one text.
pub fn render(documents: &[Value]) -> Result<String> {
    let texts: Result<Vec<String>> = documents.iter().map(yaml::text).collect();
    Ok(texts?.join("---\n"))
}

fn generate(directory: &Path, generator: &Value, kind: &str) -> Result<Value> {
    let mut data = json!({});
    let encode = |value: Vec<u8>| match kind {
        "Secret" => json!(BASE64.encode(value)),
        _ => json!(String::from_utf8_lossy(&value)),
    };
    for literal in generator["literals"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let (name, value) = literal
            .split_once('=')
            .context("error: literal source must be key=value")?;
        data[name] = encode(value.trim_matches(['"', '\'']).as_bytes().to_vec());
    }
    for file in generator["files"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let (name, path) = file
            .split_once('=')
            .unwrap_or_else(|| (file.rsplit('/').next().unwrap_or(file), file));
        data[name] =
            encode(fs::read(directory.join(path)).with_context(|| format!("error: {path}"))?);
    }
    let mut name = generator["name"].as_str().unwrap_or_default().to_owned();
    if generator["options"]["disableNameSuffixHash"] != true {
        name = format!(
            "{name}-{}",
            &crate::bundle::sha256(data.to_string().as_bytes())[..10]
        );
    }
    let mut object =
        json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, "data": data});
    if kind == "Secret" {
        object["type"] = json!(generator["type"].as_str().unwrap_or("Opaque"));
    }
    Ok(object)
}

/// One entry of `patches`: inline or from a file, a target or the patch's own name.
fn apply(objects: &mut [Value], entry: &Value, directory: &Path) -> Result<()> {
    let text = match (entry["patch"].as_str(), entry["path"].as_str()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(path)) => {
            fs::read_to_string(directory.join(path)).with_context(|| format!("error: {path}"))?
        }
        (None, None) => bail!("error: must specify one of patch and path"),
    };
    for patch in yaml::documents(&text)? {
        let target = if entry["target"].is_null() {
            json!({"kind": patch["kind"], "name": patch["metadata"]["name"], "namespace": patch["metadata"]["namespace"]})
        } else {
            entry["target"].clone()
        };
        let mut hit = false;
        for object in objects.iter_mut().filter(|object| fits(object, &target)) {
            hit = true;
            let custom = kinds::built_in()
                .iter()
                .all(|kind| object["kind"] != kind.kind);
            let content = match (patch.is_array(), custom) {
                (true, _) => "application/json-patch+json",
                (false, true) => "application/merge-patch+json",
                (false, false) => "application/strategic-merge-patch+json",
            };
            *object = patch_object(content, object, &patch)
                .map_err(|problem| anyhow::anyhow!("error: {problem}"))?;
        }
        if !hit && entry["target"].is_null() {
            bail!("error: no matches for Id {target}; failed to find unique target for patch");
        }
    }
    Ok(())
}

fn fits(object: &Value, target: &Value) -> bool {
    let meta = &object["metadata"];
    let group = object["apiVersion"]
        .as_str()
        .and_then(|version| version.split_once('/'))
        .map_or("", |(group, _)| group);
    let same = |wanted: &Value, have: &str| {
        wanted
            .as_str()
            .is_none_or(|wanted| wanted == have || wanted == ".*")
    };
    same(&target["kind"], object["kind"].as_str().unwrap_or_default())
        && same(&target["name"], meta["name"].as_str().unwrap_or_default())
        && same(
            &target["namespace"],
            meta["namespace"].as_str().unwrap_or_default(),
        )
        && same(&target["group"], group)
}

fn transform(config: &Value, object: &mut Value) {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let known = kinds::built_in()
        .into_iter()
        .find(|known| known.kind == kind);
    let namespaced = known.is_none_or(|known| known.namespaced);
    if let (Some(namespace), true) = (config["namespace"].as_str(), namespaced) {
        object["metadata"]["namespace"] = json!(namespace);
    }
    let affix = |name: &str| config[name].as_str().unwrap_or_default().to_owned();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if !matches!(kind.as_str(), "Namespace" | "CustomResourceDefinition") {
        object["metadata"]["name"] = json!(format!(
            "{}{name}{}",
            affix("namePrefix"),
            affix("nameSuffix")
        ));
    }
    for (field, place) in [
        ("commonLabels", "labels"),
        ("commonAnnotations", "annotations"),
    ] {
        for (name, value) in config[field].as_object().into_iter().flatten() {
            object["metadata"][place][name] = value.clone();
        }
    }
    for entry in config["labels"].as_array().into_iter().flatten() {
        for (name, value) in entry["pairs"].as_object().into_iter().flatten() {
            object["metadata"]["labels"][name] = value.clone();
        }
    }
    for image in config["images"].as_array().into_iter().flatten() {
        for list in ["containers", "initContainers"] {
            let containers = object["spec"]["template"]["spec"][list].as_array_mut();
            for container in containers.into_iter().flatten() {
                replace_image(container, image);
            }
        }
    }
    for replicas in config["replicas"].as_array().into_iter().flatten() {
        if object["metadata"]["name"] == replicas["name"] {
            object["spec"]["replicas"] = replicas["count"].clone();
        }
    }
}

fn replace_image(container: &mut Value, image: &Value) {
    let current = container["image"].as_str().unwrap_or_default().to_owned();
    let (name, tag) = match current.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (current.as_str(), "latest"),
    };
    if image["name"] == name {
        let new = image["newName"].as_str().unwrap_or(name);
        let tag = image["newTag"].as_str().unwrap_or(tag);
        container["image"] = json!(format!("{new}:{tag}"));
    }
}

/// Kustomize's order: what others need comes first.
fn order(object: &Value) -> usize {
    let first = [
        "Namespace",
        "ResourceQuota",
        "StorageClass",
        "CustomResourceDefinition",
        "ServiceAccount",
        "Role",
        "ClusterRole",
        "RoleBinding",
        "ClusterRoleBinding",
        "ConfigMap",
        "Secret",
        "Service",
    ];
    let last = [
        "ValidatingWebhookConfiguration",
        "MutatingWebhookConfiguration",
    ];
    let kind = object["kind"].as_str().unwrap_or_default();
    match first.iter().position(|known| *known == kind) {
        Some(at) => at,
        None if last.contains(&kind) => 100,
        None => 50,
    }
}
