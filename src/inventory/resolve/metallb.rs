//! MetalLB: pools, peers and how addresses are announced.

use crate::inventory::{
    BfdProfile, BgpAdvertisement, BgpPeer, Host, L2Advertisement, MetalLb, Pool,
    context::Context,
    forms::Range,
    schema::{self, BgpEntry, BgpMode, L2Entry, MetalLbEntry, OneOrMany, PoolEntry},
};

pub fn metallb(context: &mut Context<'_>, entry: MetalLbEntry, hosts: &[Host]) -> MetalLb {
    let full = match entry {
        MetalLbEntry::Ranges(ranges) => {
            let pool = PoolEntry::Ranges(ranges);
            schema::MetalLb {
                pools: Some([("default".to_owned(), pool)].into()),
                ..Default::default()
            }
        }
        MetalLbEntry::Full(full) => *full,
    };
    let has_peers = !full.peers.is_empty();
    let bgp_mode = match full.bgp_mode {
        Some(BgpMode::Frr) => "frr",
        Some(BgpMode::FrrK8s) => "frr-k8s",
        None if has_peers => "frr-k8s",
        Some(BgpMode::Native) | None => "native",
    };
    let mut entries = full.pools.unwrap_or_default();
    let mut order = context.keys(&["metallb", "pools"]);
    order.extend(
        entries
            .keys()
            .filter(|name| *name == "default" && order.is_empty())
            .cloned()
            .collect::<Vec<_>>(),
    );
    let pools = order
        .into_iter()
        .filter_map(|name| {
            entries
                .remove(&name)
                .map(|entry| pool(name, entry, has_peers))
        })
        .collect();
    let peers = full
        .peers
        .into_iter()
        .filter_map(|(name, peer)| self::peer(context, name, peer))
        .collect();
    MetalLb {
        version: context.component(full.version, "metallb"),
        bgp_mode: bgp_mode.to_owned(),
        pools,
        peers,
        bfd_profiles: full.bfd_profiles.into_iter().map(bfd_profile).collect(),
        communities: full
            .communities
            .into_iter()
            .map(|(name, value)| (name, value.0))
            .collect(),
        load_balancer_class: full.load_balancer_class,
        ignore_exclude_lb: full
            .ignore_exclude_lb
            .unwrap_or_else(|| only_control_planes_work(hosts)),
    }
}

/// kubeadm labels control planes as excluded from load balancers; where nothing else runs workloads, that must not count.
fn only_control_planes_work(hosts: &[Host]) -> bool {
    !hosts
        .iter()
        .any(|host| host.is_node() && !host.is_control_plane())
}

fn pool(name: String, entry: PoolEntry, has_peers: bool) -> Pool {
    let full = match entry {
        PoolEntry::Ranges(ranges) => schema::Pool {
            addresses: Some(ranges),
            ..Default::default()
        },
        PoolEntry::Full(full) => full,
    };
    let l2 = match full.l2 {
        Some(L2Entry::Switch(on)) => on.then(L2Advertisement::default),
        Some(L2Entry::Full(l2)) => Some(L2Advertisement {
            interfaces: l2.interfaces,
            node_selectors: schema::list(l2.node_selectors),
        }),
        None => (!has_peers && full.bgp.is_none()).then(L2Advertisement::default),
    };
    let bgp = match full.bgp {
        Some(BgpEntry::Switch(on)) => on.then(BgpAdvertisement::default),
        Some(BgpEntry::Full(bgp)) => Some(BgpAdvertisement {
            aggregation_length: bgp.aggregation_length,
            aggregation_length_v6: bgp.aggregation_length_v6,
            local_pref: bgp.local_pref,
            communities: bgp.communities,
            peers: bgp.peers,
            node_selectors: schema::list(bgp.node_selectors),
        }),
        None => (has_peers && l2.is_none()).then(BgpAdvertisement::default),
    };
    let ranges: Vec<Range> = full.addresses.map(OneOrMany::into_vec).unwrap_or_default();
    Pool {
        name,
        addresses: ranges.into_iter().map(|range| range.0.text).collect(),
        auto_assign: full.auto_assign.unwrap_or(true),
        avoid_buggy_ips: full.avoid_buggy_ips.unwrap_or(false),
        l2,
        bgp,
    }
}

fn peer(context: &mut Context<'_>, name: String, peer: schema::BgpPeer) -> Option<BgpPeer> {
    let path = ["metallb", "peers", name.as_str()];
    let password = peer
        .password
        .map(|secret| context.secret(&[&path[..], &["password"]].concat(), secret));
    let seconds = |time: crate::inventory::forms::Time| format!("{}s", time.0.as_secs());
    Some(BgpPeer {
        my_asn: peer.my_asn?,
        peer_asn: peer.peer_asn?,
        address: peer.address?.0.to_string(),
        port: peer.port.unwrap_or(179),
        hold_time: peer.hold_time.map(seconds),
        keepalive_time: peer.keepalive_time.map(seconds),
        bfd_profile: peer.bfd_profile,
        ebgp_multi_hop: peer.ebgp_multi_hop.unwrap_or(false),
        password,
        source_address: peer.source_address.map(|address| address.0.to_string()),
        router_id: peer.router_id.map(|address| address.0.to_string()),
        node_selectors: schema::list(peer.node_selectors),
        name,
    })
}

fn bfd_profile((name, profile): (String, schema::BfdProfile)) -> BfdProfile {
    BfdProfile {
        name,
        receive_interval: profile.receive_interval,
        transmit_interval: profile.transmit_interval,
        detect_multiplier: profile.detect_multiplier,
        echo_interval: profile.echo_interval,
        echo_mode: profile.echo_mode,
        passive_mode: profile.passive_mode,
        minimum_ttl: profile.minimum_ttl,
    }
}
