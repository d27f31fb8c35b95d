//! `kubectl wait` and `kubectl rollout`.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{
    Api,
    api::{self, Wanted, is_not_found, shown},
    get, jsonpath,
};
use crate::{args::Flags, clock, say};

pub const FLAGS: &str = "for= timeout= all l,selector= field-selector= A,all-namespaces f,filename= o,output= w,watch revision= to-revision= dry-run= R,recursive";
const PAUSE: Duration = Duration::from_millis(300);

pub async fn run(api: &Api, flags: &Flags) -> Result<u8> {
    let condition = flags
        .get("for")
        .context("error: missing required flag --for")?;
    let end = deadline(flags, 30);
    let mut wanted = Vec::new();
    for document in api::documents(flags.all("filename"), None)? {
        let kind = api.kind_of(&document).await?;
        wanted.push(Wanted {
            kind,
            name: Some(get::name(&document).to_owned()),
        });
    }
    if wanted.is_empty() {
        wanted = api.wanted(&flags.rest).await?;
    }
    for wanted in &wanted {
        if wanted.name.is_none() && flags.get("selector").is_none() && !flags.on("all") {
            bail!("error: resource name must be specified, or use --all or -l");
        }
        one(api, flags, wanted, condition, end).await?;
    }
    Ok(0)
}

async fn one(
    api: &Api,
    flags: &Flags,
    wanted: &Wanted,
    condition: &str,
    end: Instant,
) -> Result<()> {
    let selector = flags.get("selector").unwrap_or_default();
    let fields = flags.get("field-selector").unwrap_or_default();
    let all = flags.on("all-namespaces");
    let objects = match api.find(wanted, selector, fields, all).await {
        Err(error)
            if is_not_found(&error)
                && matches!(condition, "delete" | "create")
                && condition == "delete" =>
        {
            return Ok(());
        }
        Err(error) if is_not_found(&error) && condition == "create" => Vec::new(),
        other => other?,
    };
    if objects.is_empty() && condition != "create" {
        if condition == "delete" {
            return Ok(());
        }
        bail!("error: no matching resources found");
    }
    for object in &objects {
        let (path, _) = api.path(&wanted.kind, object);
        let name = shown(&wanted.kind, get::name(object));
        loop {
            let live = match api.get(&path).await {
                Ok(live) => live,
                Err(error) if is_not_found(&error) => Value::Null,
                Err(error) => return Err(error),
            };
            if holds(condition, &live)? {
                say(format!("{name} condition met"));
                break;
            }
            if Instant::now() > end {
                bail!(
                    "error: timed out waiting for the condition on {}",
                    name.replace('.', "/")
                );
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(())
}

fn holds(condition: &str, object: &Value) -> Result<bool> {
    if condition == "delete" {
        return Ok(object.is_null());
    }
    if condition == "create" {
        return Ok(!object.is_null());
    }
    if let Some(wanted) = condition.strip_prefix("condition=") {
        let (kind, status) = wanted.split_once('=').unwrap_or((wanted, "true"));
        let same = |value: &Value, text: &str| {
            value
                .as_str()
                .is_some_and(|value| value.eq_ignore_ascii_case(text))
        };
        let conditions = object["status"]["conditions"].as_array();
        return Ok(conditions
            .into_iter()
            .flatten()
            .any(|one| same(&one["type"], kind) && same(&one["status"], status)));
    }
    if let Some(wanted) = condition.strip_prefix("jsonpath=") {
        let wanted = wanted.trim_matches('\'');
        let (path, value) = match wanted.rsplit_once("}=") {
            Some((path, value)) => (format!("{path}}}"), Some(value.trim_matches(['\'', '"']))),
            None => (wanted.to_owned(), None),
        };
        let found = jsonpath::render(&path, object)?;
        return Ok(value.map_or(!found.is_empty(), |value| found == value));
    }
    bail!("error: unrecognized condition: {condition:?}")
}

pub async fn rollout(api: &Api, flags: &Flags) -> Result<u8> {
    let Some((verb, words)) = flags.rest.split_first() else {
        bail!("error: rollout needs a subcommand");
    };
    for wanted in api.wanted(words).await? {
        let objects = api
            .find(
                &wanted,
                flags.get("selector").unwrap_or_default(),
                "",
                false,
            )
            .await?;
        for object in &objects {
            let (path, _) = api.path(&wanted.kind, object);
            if !matches!(
                wanted.kind.kind.as_str(),
                "Deployment" | "DaemonSet" | "StatefulSet"
            ) {
                bail!(
                    "error: no status viewer has been implemented for {}",
                    wanted.kind.kind
                );
            }
            match verb.as_str() {
                "status" => status(api, flags, &wanted, &path).await?,
                "restart" => {
                    let stamp = json!({"kubectl.kubernetes.io/restartedAt": clock::now()});
                    let patch = json!({"spec": {"template": {"metadata": {"annotations": stamp}}}});
                    api.call(
                        "PATCH",
                        &path,
                        "application/merge-patch+json",
                        &[],
                        patch.to_string().into_bytes(),
                    )
                    .await?;
                    say(format!(
                        "{} restarted",
                        shown(&wanted.kind, get::name(object))
                    ));
                }
                other => bail!("error: [stand-in] rollout {other} is not played"),
            }
        }
    }
    Ok(0)
}

async fn status(api: &Api, flags: &Flags, wanted: &Wanted, path: &str) -> Result<()> {
    let end = deadline(flags, 3600);
    loop {
        let object = api.get(path).await?;
        if rolled_out(&object) {
            let kind = wanted.kind.kind.to_lowercase();
            let kind = if kind == "daemonset" {
                "daemon set"
            } else {
                &kind
            };
            say(format!(
                "{kind} {:?} successfully rolled out",
                get::name(&object)
            ));
            return Ok(());
        }
        if Instant::now() > end {
            bail!("error: timed out waiting for the condition");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn rolled_out(object: &Value) -> bool {
    let status = &object["status"];
    if status["observedGeneration"].as_u64() < object["metadata"]["generation"].as_u64()
        || status.is_null()
    {
        return false;
    }
    if object["kind"] == "DaemonSet" {
        return status["numberAvailable"] == status["desiredNumberScheduled"]
            && status["updatedNumberScheduled"] == status["desiredNumberScheduled"];
    }
    let wanted = object["spec"]["replicas"].as_u64().unwrap_or(1);
    status["availableReplicas"].as_u64().unwrap_or(0) >= wanted
}

fn deadline(flags: &Flags, default: u64) -> Instant {
    let seconds = flags
        .get("timeout")
        .and_then(clock::duration)
        .unwrap_or(default);
    let seconds = if seconds == 0 { default } else { seconds };
    Instant::now() + Duration::from_secs(seconds)
}
