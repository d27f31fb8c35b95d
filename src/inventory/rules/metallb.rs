//! MetalLB: names that must exist, and what each BGP mode can do.

use crate::inventory::{BgpPeer, MetalLb, Pool, context::Context, forms, keys};

pub fn check(context: &mut Context<'_>, metallb: &MetalLb) {
    if metallb.pools.is_empty() && context.is_clean(&["metallb"]) {
        context.refuse(
            &["metallb"],
            "has no pool; write a range such as `metallb: 10.0.0.200-10.0.0.219`",
        );
    }
    for pool in &metallb.pools {
        self::pool(context, metallb, pool);
    }
    for peer in &metallb.peers {
        self::peer(context, metallb, peer);
    }
    for profile in &metallb.bfd_profiles {
        if !metallb
            .peers
            .iter()
            .any(|peer| peer.bfd_profile.as_ref() == Some(&profile.name))
        {
            context.warn(format!("no peer uses the BFD profile `{}`", profile.name));
        }
    }
    if metallb.bgp_mode == "frr" {
        context.warn("MetalLB's mode frr is deprecated; frr-k8s takes its place");
    }
}

fn pool(context: &mut Context<'_>, metallb: &MetalLb, pool: &Pool) {
    let path = ["metallb", "pools", pool.name.as_str()];
    if let Err(why) = forms::dns_label(&pool.name) {
        context.refuse_key(&path, format!("`{}` {why}", pool.name));
    }
    if pool.l2.is_none() && pool.bgp.is_none() {
        context.refuse(&path, "its addresses would be announced by nothing; write `l2: true`, or `bgp: true` with `peers`");
    }
    let Some(bgp) = &pool.bgp else { return };
    if metallb.peers.is_empty() && context.is_clean(&["metallb", "peers"]) {
        context.refuse(
            &["metallb", "pools", &pool.name, "bgp"],
            "there is no BGP peer to announce to; add `peers`, or write `l2: true`",
        );
    }
    let has_ipv6 = pool.addresses.iter().any(|range| range.contains(':'));
    if has_ipv6 && metallb.bgp_mode == "native" {
        let message =
            "the native mode announces no IPv6 addresses by BGP; write `bgp-mode: frr-k8s`";
        context.refuse(&["metallb", "pools", &pool.name, "addresses"], message);
    }
    let peers: Vec<&str> = metallb
        .peers
        .iter()
        .map(|peer| peer.name.as_str())
        .collect();
    for (index, name) in bgp.peers.iter().enumerate() {
        if !peers.contains(&name.as_str()) {
            let at = [
                "metallb",
                "pools",
                &pool.name,
                "bgp",
                "peers",
                &format!("[{index}]"),
            ];
            context.refuse(&at, missing("peer", "peers", name, &peers));
        }
    }
    let communities: Vec<&str> = metallb.communities.keys().map(String::as_str).collect();
    for (index, name) in bgp.communities.iter().enumerate() {
        if !communities.contains(&name.as_str()) && forms::check("bgp-community", name).is_err() {
            let at = [
                "metallb",
                "pools",
                &pool.name,
                "bgp",
                "communities",
                &format!("[{index}]"),
            ];
            context.refuse(&at, missing("community", "communities", name, &communities));
        }
    }
}

fn missing(kind: &str, section: &str, name: &str, known: &[&str]) -> String {
    let advice = match keys::nearest(name, known.iter().copied()) {
        Some(near) => format!("write `{near}`"),
        None => format!("add it to `metallb.{section}`"),
    };
    format!("there is no {kind} `{name}`; {advice}")
}

fn peer(context: &mut Context<'_>, metallb: &MetalLb, peer: &BgpPeer) {
    let path = |key| ["metallb", "peers", peer.name.as_str(), key];
    if let Err(why) = forms::dns_label(&peer.name) {
        context.refuse_key(
            &["metallb", "peers", &peer.name],
            format!("`{}` {why}", peer.name),
        );
    }
    if let Some(profile) = &peer.bfd_profile {
        let known: Vec<&str> = metallb
            .bfd_profiles
            .iter()
            .map(|profile| profile.name.as_str())
            .collect();
        if !known.contains(&profile.as_str()) {
            context.refuse(
                &path("bfd-profile"),
                missing("BFD profile", "bfd-profiles", profile, &known),
            );
        }
        if metallb.bgp_mode == "native" {
            context.refuse(
                &path("bfd-profile"),
                "the native mode has no BFD; write `bgp-mode: frr-k8s`",
            );
        }
    }
    if peer.address.contains(':') && metallb.bgp_mode == "native" {
        context.refuse(
            &path("address"),
            "the native mode talks to IPv4 peers only; write `bgp-mode: frr-k8s`",
        );
    }
    if peer.router_id.as_ref().is_some_and(|id| id.contains(':')) {
        context.refuse(
            &path("router-id"),
            "a BGP router id is an IPv4 address; write one such as `10.0.0.11`",
        );
    }
    let seconds = |time: &Option<String>| {
        time.as_ref()
            .and_then(|time| time.trim_end_matches('s').parse::<u64>().ok())
    };
    let hold = seconds(&peer.hold_time);
    if hold.is_some_and(|hold| hold < 3) {
        context.refuse(
            &path("hold-time"),
            "BGP needs a hold time of at least three seconds; write `3s` or more",
        );
    }
    if let (Some(hold), Some(keepalive)) = (hold.or(Some(90)), seconds(&peer.keepalive_time))
        && keepalive >= hold
    {
        context.refuse(
            &path("keepalive-time"),
            format!(
                "must be shorter than the hold time of {hold}s; write `{}s`",
                (hold / 3).max(1)
            ),
        );
    }
}
