//! `crictl`: images of the real containerd, containers of the stand-in's static pods.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{args::Flags, identity::Identity, pods, runtime, say};

const FLAGS: &str = "r,runtime-endpoint= i,image-endpoint= t,timeout= c,config= D,debug o,output= q,quiet a,all name= state= s,namespace= namespace= label= latest n,last= p,pod= no-trunc v,verbose f,force prune digests tail= follow image= id=";

pub fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    // What follows the container of `exec` belongs to the program that it runs.
    let own_end = arguments
        .iter()
        .position(|word| word == "exec")
        .map_or(arguments.len(), |at| at + 1);
    let (own, inner) = arguments.split_at(own_end);
    let flags = Flags::parse(FLAGS, own)?;
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    if words
        .first()
        .is_some_and(|word| *word == "--version" || *word == "version")
    {
        say(format!("crictl version v{} [stand-in]", identity.version));
        return Ok(0);
    }
    let endpoint = flags
        .get("runtime-endpoint")
        .map_or_else(configured, str::to_owned);
    if !Path::new(endpoint.trim_start_matches("unix://")).exists() {
        bail!(
            "validate service connection: validate CRI v1 runtime API for endpoint {endpoint:?}: rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix: no such file or directory\""
        );
    }
    match words.as_slice() {
        ["info"] => say(serde_json::to_string_pretty(&json!({
            "status": {"conditions": [{"type": "RuntimeReady", "status": true}, {"type": "NetworkReady", "status": Path::new("/etc/cni/net.d").exists()}]},
            "config": {"stand-in": true},
        }))?),
        ["images" | "image" | "img", ..] => images(&flags)?,
        ["pull", image] => pull(image)?,
        ["inspecti", image] => {
            if !runtime::images().contains(*image) {
                bail!("no such image {image:?} present");
            }
            say(json!({"status": {"repoTags": [image]}}));
        }
        ["rmi", images @ ..] => {
            for image in images {
                if !runtime::quiet(
                    Command::new("ctr").args(["-n", "k8s.io", "images", "rm", image]),
                ) {
                    bail!("failed to remove image {image:?}");
                }
            }
        }
        ["ps" | "pods", ..] => list(&flags, words[0] == "pods")?,
        // The kubelet starts static pods again; without it they are gone.
        ["rmp", ..]
            if flags.on("force")
                && !runtime::systemctl(&["is-active", "--quiet", "kubelet.service"]) =>
        {
            pods::stop();
        }
        ["stopp" | "rmp" | "stop" | "rm", ids @ ..] => stop(ids)?,
        ["exec"] => return exec(inner),
        ["logs", ..] => say("[stand-in] containers of a test double write no logs"),
        ["inspect" | "inspectp", id] => {
            let all = statuses();
            let one = all
                .iter()
                .find(|pod| pod["id"].as_str().is_some_and(|full| full.starts_with(id)));
            say(one.with_context(|| format!("container with ID starting with {id} not found"))?);
        }
        other => bail!("No help topic for '{}'", other.join(" ")),
    }
    Ok(0)
}

/// `/etc/crictl.yaml`, else containerd's socket.
fn configured() -> String {
    let text = fs::read_to_string("/etc/crictl.yaml").unwrap_or_default();
    let config = crate::yaml::documents(&text)
        .ok()
        .and_then(|all| all.into_iter().next())
        .unwrap_or_default();
    config["runtime-endpoint"]
        .as_str()
        .unwrap_or("unix:///run/containerd/containerd.sock")
        .to_owned()
}

fn images(flags: &Flags) -> Result<()> {
    let images = runtime::images();
    let tags = images
        .iter()
        .filter(|image| !image.starts_with("sha256:") && !image.contains('@'));
    match flags.get("output") {
        Some("json") => {
            let images: Vec<Value> = tags.map(|image| json!({"id": format!("sha256:{}", crate::bundle::sha256(image.as_bytes())), "repoTags": [image], "size": "1024", "pinned": false})).collect();
            say(serde_json::to_string_pretty(&json!({ "images": images }))?);
        }
        _ if flags.on("quiet") => {
            for image in tags {
                let id = crate::bundle::sha256(image.as_bytes());
                say(format!("sha256:{id}"));
            }
        }
        _ => {
            say("IMAGE                TAG                 IMAGE ID            SIZE");
            for image in tags {
                let (name, tag) = image.rsplit_once(':').unwrap_or((image, ""));
                say(format!(
                    "{name}   {tag}   {}   1.02kB",
                    &crate::bundle::sha256(image.as_bytes())[..13]
                ));
            }
        }
    }
    Ok(())
}

fn pull(image: &str) -> Result<()> {
    if runtime::images().contains(image) {
        say(format!("Image is up to date for {image}"));
        return Ok(());
    }
    bail!("pulling image: failed to pull and unpack image {image:?}: no internet");
}

fn statuses() -> Vec<Value> {
    let text = fs::read_to_string(pods::STATUS).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

fn list(flags: &Flags, pods: bool) -> Result<()> {
    let fits = |pod: &Value| {
        let name = pod["name"].as_str().unwrap_or_default();
        let wanted = flags.get("name").unwrap_or_default();
        let text = wanted
            .trim_start_matches('^')
            .trim_end_matches(['$', '*', '.', '-']);
        let named = match (wanted.starts_with('^'), wanted.ends_with('$')) {
            (true, true) => name == text,
            (true, false) => name.starts_with(text),
            _ => name.contains(text),
        };
        let state = flags.get("state").unwrap_or("running").to_lowercase();
        named
            && matches!(state.as_str(), "running" | "ready")
            && flags
                .get("namespace")
                .is_none_or(|space| space == "kube-system")
    };
    let found: Vec<Value> = statuses().into_iter().filter(fits).collect();
    let id = |pod: &Value| pod["id"].as_str().unwrap_or_default().to_owned();
    if flags.get("output") == Some("json") {
        let items: Vec<Value> = found
            .iter()
            .map(|pod| json!({"id": id(pod), "metadata": {"name": pod["name"], "attempt": pod["attempt"], "namespace": "kube-system"}, "state": if pods { "SANDBOX_READY" } else { "CONTAINER_RUNNING" }}))
            .collect();
        let name = if pods { "items" } else { "containers" };
        say(serde_json::to_string_pretty(&json!({ name: items }))?);
        return Ok(());
    }
    if !flags.on("quiet") {
        say("CONTAINER ID        STATE               NAME                ATTEMPT");
    }
    for pod in &found {
        match flags.on("quiet") {
            true => say(id(pod)),
            false => say(format!(
                "{}   Running   {}   {}   [stand-in]",
                &id(pod)[..13],
                pod["name"].as_str().unwrap_or_default(),
                pod["attempt"]
            )),
        }
    }
    Ok(())
}

/// Containers of static pods that are stopped come back as others.
fn stop(ids: &[&str]) -> Result<()> {
    for id in ids {
        let all = statuses();
        let Some(name) = all
            .iter()
            .find(|pod| pod["id"].as_str().is_some_and(|full| full.starts_with(id)))
            .and_then(|pod| pod["name"].as_str())
        else {
            continue;
        };
        pods::end(name)?;
        say(format!("Stopped sandbox {id}"));
    }
    Ok(())
}

/// Only etcdctl, in etcd's container.
fn exec(words: &[String]) -> Result<u8> {
    let words: Vec<&String> = words
        .iter()
        .skip_while(|word| word.starts_with('-'))
        .collect();
    let [id, program, rest @ ..] = words.as_slice() else {
        bail!("exec needs a container and a command")
    };
    let is_etcd = statuses().iter().any(|pod| {
        pod["name"] == "etcd"
            && pod["id"]
                .as_str()
                .is_some_and(|full| full.starts_with(id.as_str()))
    });
    if !is_etcd || !program.ends_with("etcdctl") {
        bail!(
            "container with ID starting with {id} not found: ID does not exist [stand-in: only etcdctl in etcd's container can be run]"
        );
    }
    let rest: Vec<String> = rest.iter().map(|word| (*word).clone()).collect();
    crate::etcdctl::run(&Identity::of_this_program(), &rest)
}
