//! `kubectl delete`.

use anyhow::Result;

use super::{
    Api,
    api::{self, Wanted, is_not_found},
    get,
};
use crate::{args::Flags, complain, say};

pub const FLAGS: &str = "f,filename= k,kustomize= l,selector= all ignore-not-found wait timeout= grace-period= force now cascade= A,all-namespaces field-selector= o,output= dry-run= R,recursive";

pub async fn run(api: &Api, flags: &Flags) -> Result<u8> {
    let mut targets = Vec::new();
    for document in api::documents(flags.all("filename"), flags.get("kustomize"))? {
        let Ok(kind) = api.kind_of(&document).await else {
            continue;
        };
        targets.push((
            kind.clone(),
            api.path(&kind, &document).0,
            get::name(&document).to_owned(),
        ));
    }
    // The last made goes first.
    targets.reverse();
    if !flags.rest.is_empty() {
        targets.extend(named(api, flags).await?);
    }
    let mut complete = true;
    if targets.is_empty() {
        complain("No resources found");
    }
    for (kind, path, name) in targets {
        match api.call("DELETE", &path, "", &[], Vec::new()).await {
            Ok(_) => {
                let resource = match kind.group.as_str() {
                    "" => kind.kind.to_lowercase(),
                    group => format!("{}.{group}", kind.kind.to_lowercase()),
                };
                say(format!("{resource} {name:?} deleted"));
            }
            Err(error) if is_not_found(&error) && flags.on("ignore-not-found") => {}
            Err(error) => {
                complain(&format!("{error:#}"));
                complete = false;
            }
        }
    }
    Ok(u8::from(!complete))
}

async fn named(api: &Api, flags: &Flags) -> Result<Vec<(crate::kinds::Kind, String, String)>> {
    let selector = flags.get("selector").unwrap_or_default();
    let fields = flags.get("field-selector").unwrap_or_default();
    let mut targets = Vec::new();
    for wanted in api.wanted(&flags.rest).await? {
        let Wanted { kind, name } = &wanted;
        if let Some(name) = name {
            let directory = kind.path(Some(&api.namespace));
            targets.push((kind.clone(), format!("{directory}/{name}"), name.clone()));
            continue;
        }
        if selector.is_empty() && fields.is_empty() && !flags.on("all") {
            anyhow::bail!("error: resource(s) were provided, but no name was specified");
        }
        for object in api
            .find(&wanted, selector, fields, flags.on("all-namespaces"))
            .await?
        {
            targets.push((
                kind.clone(),
                api.path(kind, &object).0,
                get::name(&object).to_owned(),
            ));
        }
    }
    Ok(targets)
}
