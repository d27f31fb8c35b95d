//! Addresses as numbers: neighbours and ranges within a network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

/// The address of a number, of the same family as another; none where it is none of that family.
pub fn like(family: IpAddr, number: u128) -> Option<IpAddr> {
    match family {
        IpAddr::V4(_) => Some(Ipv4Addr::from(u32::try_from(number).ok()?).into()),
        IpAddr::V6(_) => Some(Ipv6Addr::from(number).into()),
    }
}

/// Whether a host may have the address: not the network's own, its router's usual one or its broadcast address, and none that
/// looks like one (.0, .255).
pub fn is_usable(network: IpNet, address: IpAddr) -> bool {
    if let IpAddr::V4(address) = address
        && matches!(address.octets()[3], 0 | 255)
    {
        return false;
    }
    let (first, last) = (number(network.network()), number(network.broadcast()));
    let own = number(address);
    network.contains(&address) && own > first + 1 && own + 1 < last
}

/// Up to `count` free addresses nearest to the hosts: first those just below the lowest, then those just above the highest.
pub fn nearest(network: IpNet, used: &[IpAddr], count: usize) -> Vec<IpAddr> {
    let inside = || used.iter().copied().filter(|one| network.contains(one));
    let (Some(lowest), Some(highest)) = (inside().min(), inside().max()) else {
        return Vec::new();
    };
    let below = (1..=16).filter_map(|step| number(lowest).checked_sub(step));
    let above = (1..=16).map(|step| number(highest) + step);
    below
        .chain(above)
        .filter_map(|number| like(network.addr(), number))
        .filter(|address| is_usable(network, *address) && !used.contains(address))
        .take(count)
        .collect()
}

/// Ranges for a pool, best first: in the hosts' own /24 from .200 up, then down; in a smaller network from its top down.
pub fn windows(network: IpNet, used: &[IpAddr]) -> Vec<Vec<IpAddr>> {
    let Some(near) = used.iter().find(|one| network.contains(*one)) else {
        return Vec::new();
    };
    let last = number(network.broadcast());
    let (size, starts): (u128, Vec<u128>) = if network.prefix_len() <= 24 {
        let base = number(*near) & !0xff;
        let starts = [200, 220, 180, 160, 140, 120, 100, 80, 60, 40, 20];
        (20, starts.iter().map(|start| base + start).collect())
    } else {
        let starts = (1..4).filter_map(|step| last.checked_sub(step * 8 + 1));
        (8, starts.collect())
    };
    let window = |start: u128| -> Option<Vec<IpAddr>> {
        let addresses = (start..start + size).map(|number| like(network.addr(), number));
        let addresses = addresses.collect::<Option<Vec<_>>>()?;
        let fits = |one: &IpAddr| is_usable(network, *one) && !used.contains(one);
        addresses.iter().all(fits).then_some(addresses)
    };
    starts.into_iter().filter_map(window).collect()
}
