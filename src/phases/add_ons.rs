//! Harbor and the user's add-ons, in the order of the file.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::{
    PhaseId, UserSecret,
    addon::{SecretObject, Unit},
    kubeadm::merge,
};
use crate::{
    inventory::{Addon, AddonSource, Cluster, Harbor},
    templates,
};

const ID: PhaseId = PhaseId::AddOns;
const ADMIN_PASSWORD: &str = "HARBOR_ADMIN_PASSWORD";

pub(super) fn units(cluster: &Cluster) -> Result<Vec<Unit>> {
    let mut units = Vec::new();
    if let Some(harbor) = &cluster.harbor {
        units.push(self::harbor(harbor)?);
    }
    units.extend(
        cluster
            .addons
            .iter()
            .map(|addon| Unit::new(ID, addon.clone()).with_namespace()),
    );
    Ok(units)
}

fn harbor(harbor: &Harbor) -> Result<Unit> {
    let (name, port) = match harbor.host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (harbor.host.as_str(), None),
    };
    let mut values: Value = serde_yaml::from_str(&templates::render(
        "addons/harbor/values.yaml.j2",
        json!({
            "host": harbor.host,
            "name": name,
            "port": port.filter(|port| *port != "443"),
            "address": harbor.address,
            "size": harbor.size,
            "storage_class": harbor.storage_class,
        }),
    )?)?;
    merge(&mut values, &Value::Object(harbor.values.clone()));
    let addon = Addon {
        name: "harbor".to_owned(),
        namespace: "harbor".to_owned(),
        namespace_labels: [].into(),
        source: AddonSource::Chart {
            chart: "harbor".to_owned(),
            repo: None,
            version: None,
            values: match values {
                Value::Object(values) => values,
                _ => Map::new(),
            },
        },
        wait: Vec::new(),
    };
    let password = SecretObject {
        namespace: "harbor".to_owned(),
        name: "harbor-admin".to_owned(),
        kind: "Opaque".to_owned(),
        keys: [(ADMIN_PASSWORD.to_owned(), ADMIN_PASSWORD.to_owned())].into(),
    };
    Ok(Unit::new(ID, addon)
        .with_namespace()
        .with_secrets(vec![password]))
}

/// The password of Harbor's administrator, as scripts ask for it.
pub(super) fn user_secrets(harbor: &Harbor) -> UserSecret {
    UserSecret {
        name: ADMIN_PASSWORD.to_owned(),
        title: "password of Harbor's administrator".to_owned(),
        source: harbor.admin_password.clone(),
        lengths: &[],
    }
}
