//! `kubectl drain`: which pods stand in the way, evictions that budgets may refuse, and the wait for their end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use super::{
    Api,
    api::{Status, is_not_found},
    get, nodes,
};
use crate::{args::Flags, clock, complain, kinds, say};

/// Between two attempts at an eviction that a budget refused.
const AGAIN: Duration = Duration::from_secs(5);

pub async fn run(api: &Api, flags: &Flags) -> Result<u8> {
    nodes::cordon(api, flags, true).await?;
    let timeout = flags.get("timeout").map_or(Some(0), clock::duration);
    let Some(seconds) = timeout else {
        bail!(
            "error: invalid argument {:?} for \"--timeout\" flag: time: invalid duration",
            flags.get("timeout")
        );
    };
    let end = (seconds > 0).then(|| Instant::now() + Duration::from_secs(seconds));
    let mut complete = true;
    for node in nodes::nodes(api, flags, &nodes::with_kind(&flags.rest)).await? {
        let name = get::name(&node);
        match one(api, flags, name, end, seconds).await {
            Ok(()) => say(format!("node/{name} drained")),
            Err(problem) => {
                complain(&format!(
                    "error: unable to drain node {name:?} due to error: {problem:#}, continuing command..."
                ));
                complain(&format!("There are pending nodes to be drained:\n {name}"));
                complete = false;
            }
        }
    }
    Ok(u8::from(!complete))
}

async fn one(
    api: &Api,
    flags: &Flags,
    node: &str,
    end: Option<Instant>,
    seconds: u64,
) -> Result<()> {
    let pods = leaving(api, flags, node).await?;
    let mut waiting = Vec::new();
    for pod in pods {
        say(format!("evicting pod {}", place(&pod)));
        waiting.push((pod, false));
    }
    let mut next = Instant::now();
    loop {
        let mut left = Vec::new();
        let attempt = Instant::now() >= next;
        for (pod, evicted) in waiting {
            let gone = is_gone(api, &pod).await?;
            if gone {
                say(format!("pod/{} evicted", get::name(&pod)));
                continue;
            }
            let evicted = evicted || (attempt && evict(api, flags, &pod).await?);
            left.push((pod, evicted));
        }
        if attempt {
            next = Instant::now() + AGAIN;
        }
        waiting = left;
        if waiting.is_empty() {
            return Ok(());
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            let problems: Vec<String> = waiting
                .iter()
                .map(|(pod, evicted)| match evicted {
                    true => format!(
                        "error when waiting for pod {:?} in namespace {} to terminate: global timeout reached: {seconds}s",
                        get::name(pod),
                        pod["metadata"]["namespace"]
                    ),
                    false => format!(
                        "error when evicting pods/{:?} -n {}: global timeout reached: {seconds}s",
                        get::name(pod),
                        pod["metadata"]["namespace"]
                    ),
                })
                .collect();
            bail!("[{}]", problems.join(", "));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Pods that must go; an error that names every pod that may not without a flag.
async fn leaving(api: &Api, flags: &Flags, node: &str) -> Result<Vec<Value>> {
    let query = [("fieldSelector", format!("spec.nodeName={node}"))];
    let query: Vec<(&str, &str)> = query
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let pods = api
        .call("GET", "/api/v1/pods", "", &query, Vec::new())
        .await?;
    let (mut leaving, mut ignored, mut problems) = (Vec::new(), Vec::new(), Vec::new());
    for pod in pods["items"].as_array().into_iter().flatten() {
        let over = matches!(
            pod["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed")
        );
        let scratch = pod["spec"]["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|volume| !volume["emptyDir"].is_null());
        match pod["metadata"]["ownerReferences"][0]["kind"].as_str() {
            Some("Node") => {}
            Some("DaemonSet") if flags.on("ignore-daemonsets") => ignored.push(place(pod)),
            Some("DaemonSet") => problems.push(format!(
                "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): {}",
                place(pod)
            )),
            None if !over && !flags.on("force") => problems.push(format!(
                "cannot delete cannot delete Pods that declare no controller (use --force to override): {}",
                place(pod)
            )),
            _ if scratch && !over && !flags.on("delete-emptydir-data") => problems.push(format!(
                "cannot delete Pods with local storage (use --delete-emptydir-data to override): {}",
                place(pod)
            )),
            _ => leaving.push(pod.clone()),
        }
    }
    if !problems.is_empty() {
        bail!("[{}]", problems.join(", "));
    }
    if !ignored.is_empty() {
        complain(&format!(
            "Warning: ignoring DaemonSet-managed Pods: {}",
            ignored.join(", ")
        ));
    }
    Ok(leaving)
}

/// Whether the pod was told to go; a budget may refuse.
async fn evict(api: &Api, flags: &Flags, pod: &Value) -> Result<bool> {
    let (path, _) = api.path(&kinds::of("Pod"), pod);
    let answer = if flags.on("disable-eviction") {
        api.call("DELETE", &path, "", &[], Vec::new()).await
    } else {
        let body = json!({
            "apiVersion": "policy/v1", "kind": "Eviction",
            "metadata": {"name": get::name(pod), "namespace": pod["metadata"]["namespace"]},
        });
        let body = body.to_string().into_bytes();
        api.call(
            "POST",
            &format!("{path}/eviction"),
            "application/json",
            &[],
            body,
        )
        .await
    };
    match answer {
        Ok(_) => Ok(true),
        Err(error) if is_not_found(&error) => Ok(true),
        Err(error) => match error.downcast_ref::<Status>() {
            Some(status) if status.code == 429 => {
                complain(&format!(
                    "error when evicting pods/{:?} -n {} (will retry after 5s): {}",
                    get::name(pod),
                    pod["metadata"]["namespace"],
                    status.message
                ));
                Ok(false)
            }
            _ => Err(error.context(format!(
                "error when evicting pods/{:?} -n {}",
                get::name(pod),
                pod["metadata"]["namespace"]
            ))),
        },
    }
}

/// Whether the pod is gone; one of the same name may have come.
async fn is_gone(api: &Api, pod: &Value) -> Result<bool> {
    let (path, _) = api.path(&kinds::of("Pod"), pod);
    match api.get(&path).await {
        Ok(live) => Ok(live["metadata"]["uid"] != pod["metadata"]["uid"]),
        Err(error) if is_not_found(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

fn place(pod: &Value) -> String {
    format!(
        "{}/{}",
        pod["metadata"]["namespace"].as_str().unwrap_or_default(),
        get::name(pod)
    )
}
