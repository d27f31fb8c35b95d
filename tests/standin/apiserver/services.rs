//! What the endpoint controllers and MetalLB's controller do for Services.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Failure, Objects, admission::is_ready, controllers::update, patch};
use crate::kinds;

/// Endpoints of Services, and addresses from MetalLB's pools.
pub async fn tick(objects: &Objects) -> Result<(), Failure> {
    let pods = objects.list(&kinds::of("Pod"), None).await?;
    let services = objects.list(&kinds::of("Service"), None).await?;
    let endpoints = kinds::of("Endpoints");
    let slices = kinds::of("EndpointSlice");
    for service in &services {
        let meta = &service["metadata"];
        let at = (
            meta["namespace"].as_str().unwrap_or(""),
            meta["name"].as_str().unwrap_or(""),
        );
        let selector = patch::selector_of(&service["spec"]["selector"]);
        if !selector.is_empty() {
            let ready: Vec<Value> = pods
                .iter()
                .filter(|pod| pod["metadata"]["namespace"] == at.0 && is_ready(pod))
                .filter(|pod| patch::selected(&pod["metadata"]["labels"], &selector))
                .map(|pod| {
                    json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"]})
                })
                .collect();
            let subsets = if ready.is_empty() {
                json!([])
            } else {
                json!([{"addresses": ready, "ports": service["spec"]["ports"]}])
            };
            write(objects, &endpoints, at, &json!({ "subsets": subsets })).await?;
            let slice: Vec<Value> = ready
                .iter()
                .map(|address| {
                    json!({
                        "addresses": [address["ip"]], "nodeName": address["nodeName"],
                        "conditions": {"ready": true},
                    })
                })
                .collect();
            let labels = json!({"labels": {"kubernetes.io/service-name": at.1}});
            let slice = json!({"addressType": "IPv4", "metadata": labels, "endpoints": slice});
            write(
                objects,
                &slices,
                (at.0, &format!("{}-standin", at.1)),
                &slice,
            )
            .await?;
        }
        if service["spec"]["type"] == "LoadBalancer"
            && service["status"]["loadBalancer"]["ingress"].is_null()
            && let Some(address) = free_address(objects, service, &services, &pods).await?
        {
            update(objects, service, |service| {
                service["status"]["loadBalancer"]["ingress"] = json!([{ "ip": address }]);
            })
            .await?;
            return Ok(());
        }
    }
    Ok(())
}

/// Merges fields into an object, made where it is missing.
async fn write(
    objects: &Objects,
    kind: &kinds::Kind,
    at: (&str, &str),
    fields: &Value,
) -> Result<(), Failure> {
    objects
        .change(kind, at, false, |live| {
            let mut live = live.unwrap_or_default();
            patch::merge(&mut live.object, fields);
            Ok(live)
        })
        .await?;
    Ok(())
}

/// An address of MetalLB's pools that no Service has, while MetalLB's controller runs.
async fn free_address(
    objects: &Objects,
    service: &Value,
    services: &[Value],
    pods: &[Value],
) -> Result<Option<String>, Failure> {
    let runs = pods.iter().any(|pod| {
        pod["metadata"]["labels"]["app"] == "metallb"
            && pod["metadata"]["labels"]["component"] == "controller"
            && is_ready(pod)
    });
    let crds = objects
        .list(&kinds::of("CustomResourceDefinition"), None)
        .await?;
    let pools = crds
        .iter()
        .filter_map(kinds::Kind::of_crd)
        .find(|kind| kind.kind == "IPAddressPool");
    let (true, Some(pools)) = (runs, pools) else {
        return Ok(None);
    };
    let taken: BTreeSet<&str> = services
        .iter()
        .filter_map(|service| service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str())
        .collect();
    let asked = &service["metadata"]["annotations"]["metallb.io/loadBalancerIPs"];
    let asked = asked
        .as_str()
        .or(service["spec"]["loadBalancerIP"].as_str());
    for pool in objects.list(&pools, None).await? {
        if pool["spec"]["autoAssign"] == false && asked.is_none() {
            continue;
        }
        for range in pool["spec"]["addresses"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let free = addresses(range).into_iter().find(|address| {
                !taken.contains(address.as_str()) && asked.is_none_or(|asked| asked == address)
            });
            if free.is_some() {
                return Ok(free);
            }
        }
    }
    Ok(None)
}

/// The first addresses of `FROM-TO` or a network.
fn addresses(range: &str) -> Vec<String> {
    let first_and_last = match range.split_once('-') {
        Some((from, to)) => from.trim().parse().ok().zip(to.trim().parse().ok()),
        None => range
            .parse::<ipnet::Ipv4Net>()
            .ok()
            .map(|net| (net.network(), net.broadcast())),
    };
    let Some((first, last)) = first_and_last else {
        return Vec::new();
    };
    ipnet::Ipv4AddrRange::new(first, last)
        .take(256)
        .map(|address| address.to_string())
        .collect()
}
