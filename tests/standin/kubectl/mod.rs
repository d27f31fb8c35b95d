//! `kubectl`: the verbs that the project's scripts and its users need.

mod api;
mod apply;
mod delete;
mod diff;
mod drain;
mod get;
mod jsonpath;
mod kustomize;
mod metadata;
mod nodes;
mod wait;

pub use api::{Api, is_not_found};
pub use apply::send;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{args::Flags, block_on, identity::Identity, kubeconfig::Access, say};

/// Flags that every verb takes.
const GLOBAL: &str = "kubeconfig= n,namespace= context= cluster= user= s,server= request-timeout= v,v= cache-dir= as= as-group= token= certificate-authority= insecure-skip-tls-verify match-server-version warnings-as-errors";

/// Runs `kubectl ARGUMENT…`.
pub fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let (verb, rest) = verb(arguments)?;
    let flags = |own: &str| Flags::parse(&format!("{GLOBAL} {own}"), &rest);
    match verb.as_str() {
        "get" => with(&flags(get::FLAGS)?, get::run),
        "apply" => with(&flags(apply::FLAGS)?, apply::run),
        "create" => with(&flags(apply::FLAGS_OF_CREATE)?, apply::create),
        "replace" => with(&flags(apply::FLAGS)?, apply::replace),
        "diff" => Ok(
            with(&flags(diff::FLAGS)?, diff::run).unwrap_or_else(|problem| {
                crate::complain(&format!("{problem:#} [stand-in]"));
                2
            }),
        ),
        "delete" => with(&flags(delete::FLAGS)?, delete::run),
        "patch" => with(&flags(metadata::FLAGS_OF_PATCH)?, metadata::patch),
        "label" => with(&flags(metadata::FLAGS)?, async |api, flags| {
            metadata::run(api, flags, "labels").await
        }),
        "annotate" => with(&flags(metadata::FLAGS)?, async |api, flags| {
            metadata::run(api, flags, "annotations").await
        }),
        "taint" => with(&flags(nodes::FLAGS)?, nodes::taint),
        "cordon" => with(&flags(nodes::FLAGS)?, async |api, flags| {
            nodes::cordon(api, flags, true).await
        }),
        "uncordon" => with(&flags(nodes::FLAGS)?, async |api, flags| {
            nodes::cordon(api, flags, false).await
        }),
        "drain" => with(&flags(nodes::FLAGS)?, drain::run),
        "rollout" => with(&flags(wait::FLAGS)?, wait::rollout),
        "wait" => with(&flags(wait::FLAGS)?, wait::run),
        "kustomize" => {
            let flags =
                flags("enable-helm helm-command= load-restrictor= o,output= enable-alpha-plugins")?;
            let documents =
                kustomize::build(flags.rest.first().map_or(".", String::as_str).as_ref())?;
            say(kustomize::render(&documents)?.trim_end());
            Ok(0)
        }
        "version" => version(identity, &flags("client o,output= short")?),
        "cluster-info" => with(&flags("")?, async |api, _| {
            say(format!(
                "Kubernetes control plane is running at {} [stand-in]",
                api.server
            ));
            Ok(0)
        }),
        "auth" => with(&flags("all-namespaces list quiet")?, async |api, flags| {
            let verb = flags.rest.get(1).map_or("get", String::as_str);
            api.get("/api/v1/namespaces").await?;
            say(if verb.is_empty() { "no" } else { "yes" });
            Ok(0)
        }),
        "exec" => exec(&flags(
            "c,container= i,stdin t,tty q,quiet pod-running-timeout=",
        )?),
        "logs" => {
            say("[stand-in] containers of a test double write no logs");
            Ok(0)
        }
        other => bail!("error: unknown command {other:?} for \"kubectl\""),
    }
}

/// The verb and what is left, with global flags before the verb moved behind it.
fn verb(arguments: &[String]) -> Result<(String, Vec<String>)> {
    let mut before = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if !argument.starts_with('-') {
            before.extend(rest.cloned());
            return Ok((argument.clone(), before));
        }
        before.push(argument.clone());
        let name = argument.trim_start_matches('-');
        let takes_value = GLOBAL.split(' ').any(|word| {
            word.strip_suffix('=')
                .is_some_and(|word| word.split(',').any(|known| known == name))
        });
        if takes_value && let Some(value) = rest.next() {
            before.push(value.clone());
        }
    }
    bail!(
        "kubectl controls the Kubernetes cluster manager. [stand-in]\n\nUsage:\n  kubectl [flags] [options]"
    )
}

fn with<F>(flags: &Flags, run: F) -> Result<u8>
where
    F: AsyncFnOnce(&Api, &Flags) -> Result<u8>,
{
    block_on(async {
        let api = connect(flags)?;
        run(&api, flags).await
    })
}

fn connect(flags: &Flags) -> Result<Api> {
    let path = match flags
        .get("kubeconfig")
        .map(str::to_owned)
        .or_else(|| std::env::var("KUBECONFIG").ok())
    {
        Some(path) => path,
        None => format!("{}/.kube/config", std::env::var("HOME").unwrap_or_default()),
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("error: stat {path}"))?;
    let mut access = Access::parse(&text, flags.get("context"))?;
    if let Some(server) = flags.get("server") {
        access.server = server.to_owned();
    }
    let timeout = flags
        .get("request-timeout")
        .and_then(crate::clock::duration)
        .filter(|&seconds| seconds > 0);
    let client = access
        .client()?
        .timeout(std::time::Duration::from_secs(timeout.unwrap_or(30)));
    let namespace = flags.get("namespace").unwrap_or("default");
    Ok(Api::new(client, &access.server, namespace))
}

fn version(identity: &Identity, flags: &Flags) -> Result<u8> {
    let own = json!({
        "major": "1", "minor": identity.minor().to_string(), "gitVersion": format!("v{}", identity.version), "gitCommit": "stand-in",
    });
    let server = match flags.on("client") {
        true => Value::Null,
        false => block_on(async { connect(flags)?.get("/version").await })?,
    };
    if flags.get("output") == Some("json") {
        let mut both = json!({ "clientVersion": own });
        if !server.is_null() {
            both["serverVersion"] = server;
        }
        say(serde_json::to_string_pretty(&both)?);
    } else {
        say(format!("Client Version: v{} [stand-in]", identity.version));
        if !server.is_null() {
            say(format!(
                "Server Version: {} [stand-in]",
                server["gitVersion"].as_str().unwrap_or_default()
            ));
        }
    }
    Ok(0)
}

/// `exec` into the etcd pod of this host: its etcdctl is the host's.
fn exec(flags: &Flags) -> Result<u8> {
    let pod = flags.rest.first().map_or("", String::as_str);
    let local = format!("etcd-{}", crate::runtime::hostname());
    if pod.trim_start_matches("pod/") != local
        || flags
            .tail
            .first()
            .is_none_or(|program| program != "etcdctl")
    {
        bail!(
            "error: [stand-in] only etcdctl in this host's own etcd pod ({local}) can be run, not {pod:?}"
        );
    }
    let status = std::process::Command::new("etcdctl")
        .args(&flags.tail[1..])
        .status()?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(1))
}
