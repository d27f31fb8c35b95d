//! Addresses of MetalLB's pools and volumes of Longhorn's, read from what `kubectl` printed line by line.

use std::{collections::BTreeSet, net::IpAddr};

use super::{Addresses, Longhorn, Pool};
use crate::inventory::{self, MetalLb};

/// Lines of `TYPE|CLASS|NAMESPACE/NAME|ADDRESS…`.
pub(super) fn addresses(metallb: &MetalLb, lines: &str) -> Addresses {
    let class = metallb.load_balancer_class.as_deref().unwrap_or_default();
    // Services may share an address.
    let mut taken: BTreeSet<IpAddr> = BTreeSet::new();
    let mut waiting = Vec::new();
    for line in lines.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let ["LoadBalancer", of_class, name, addresses] = fields[..] else {
            continue;
        };
        let own = addresses.split_whitespace();
        taken.extend(own.filter_map(|text| text.parse::<IpAddr>().ok()));
        // One that another controller serves is not MetalLB's to give an address.
        if addresses.trim().is_empty() && of_class == class {
            waiting.push(name.to_owned());
        }
    }
    Addresses {
        pools: metallb.pools.iter().map(|one| pool(one, &taken)).collect(),
        waiting,
    }
}

fn pool(pool: &inventory::Pool, taken: &BTreeSet<IpAddr>) -> Pool {
    let ranges: Vec<(u128, u128)> = (pool.addresses.iter())
        .filter_map(|text| range(text))
        .collect();
    let within = |address: &&IpAddr| {
        let address = number(**address);
        let mut ranges = ranges.iter();
        ranges.any(|(from, to)| (*from..=*to).contains(&address))
    };
    let mut size = (ranges.iter())
        .map(|(from, to)| (to - from).saturating_add(1))
        .fold(0, u128::saturating_add);
    if pool.avoid_buggy_ips {
        size -= ranges.iter().map(buggy).sum::<u128>();
    }
    Pool {
        name: pool.name.clone(),
        size,
        used: taken.iter().filter(within).count(),
    }
}

/// How many IPv4 addresses of a range end in 0 or 255, which MetalLB's `avoidBuggyIPs` leaves out.
fn buggy(range: &(u128, u128)) -> u128 {
    const MAPPED: u128 = 0xffff_0000_0000;
    let (from, to) = *range;
    if from >> 32 != MAPPED >> 32 {
        return 0;
    }
    // Numbers below `end` that are `rest` modulo 256.
    let below = |end: u128, rest: u128| (end + 255 - rest) / 256;
    [0, 255]
        .map(|rest| below(to + 1, rest) - below(from, rest))
        .iter()
        .sum()
}

/// First and last address of `FROM-TO` or a network; IPv4 as its IPv6 form, so that both may be compared.
fn range(text: &str) -> Option<(u128, u128)> {
    if let Some((from, to)) = text.split_once('-') {
        let of = |text: &str| Some(number(text.trim().parse().ok()?));
        let (from, to) = (of(from)?, of(to)?);
        return (from <= to).then_some((from, to));
    }
    let net: ipnet::IpNet = text.parse().ok()?;
    Some((number(net.network()), number(net.broadcast())))
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

/// Lines of `ROBUSTNESS|NAME|NAMESPACE/CLAIM`.
pub(super) fn volumes(lines: &str) -> Longhorn {
    let mut seen = Longhorn {
        volumes: 0,
        degraded: Vec::new(),
        faulted: Vec::new(),
    };
    for line in lines.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let [robustness, name, claim] = fields[..] else {
            continue;
        };
        seen.volumes += 1;
        // The claim is what people know; the volume's own name is made up.
        let claimed = claim
            .split_once('/')
            .is_some_and(|(_, name)| !name.is_empty());
        let name = if claimed { claim } else { name }.to_owned();
        match robustness {
            "degraded" => seen.degraded.push(name),
            "faulted" => seen.faulted.push(name),
            _ => {}
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(addresses: &[&str], avoid_buggy_ips: bool, taken: &[&str]) -> Pool {
        let pool_of = inventory::Pool {
            name: "p".to_owned(),
            addresses: addresses.iter().map(|&text| text.to_owned()).collect(),
            auto_assign: true,
            avoid_buggy_ips,
            l2: None,
            bgp: None,
        };
        let taken = taken.iter().map(|text| text.parse().unwrap()).collect();
        pool(&pool_of, &taken)
    }

    #[test]
    fn pools_are_counted() {
        for (addresses, avoid, taken, size, used) in [
            (
                &["10.0.0.200-10.0.0.219"][..],
                false,
                &["10.0.0.200", "10.0.0.219", "10.0.0.220"][..],
                20,
                2,
            ),
            (&["10.0.0.0/24"], false, &[], 256, 0),
            (&["10.0.0.0/24"], true, &[], 254, 0),
            (&["10.0.0.250-10.0.1.5"], true, &[], 10, 0),
            (
                &["10.0.0.1-10.0.0.9", "10.0.9.0/30"],
                true,
                &["10.0.9.2"],
                12,
                1,
            ),
            (
                &["fd00::1-fd00::100"],
                true,
                &["fd00::80", "10.0.0.1"],
                256,
                1,
            ),
            (&["::/0"], false, &[], u128::MAX, 0),
        ] {
            let pool = of(addresses, avoid, taken);
            assert_eq!((pool.size, pool.used), (size, used), "{addresses:?}");
        }
    }

    #[test]
    fn volumes_are_called_by_their_claims() {
        let seen = volumes(
            "healthy|pvc-1|a/one\ndegraded|pvc-2|a/two\nfaulted|pvc-3|/\nunknown|pvc-4|b/\n\n",
        );
        assert_eq!(seen.volumes, 4);
        assert_eq!(
            (seen.degraded, seen.faulted),
            (vec!["a/two".to_owned()], vec!["pvc-3".to_owned()])
        );
    }
}
