//! Which addresses a lab may use.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, Lab},
};

/// The lab's network and the address in it that the engine takes for the machine itself: the first one.
pub fn network(lab: &Lab) -> Result<(Ipv4Net, Ipv4Addr), Failure> {
    let IpNet::V4(subnet) = lab.subnet else {
        return Err(mistake(format!(
            "lab.subnet: {} is an IPv6 network; labs have IPv4 only",
            lab.subnet
        )));
    };
    let subnet = subnet.trunc();
    match subnet.hosts().next() {
        Some(gateway) if subnet.prefix_len() <= 29 => Ok((subnet, gateway)),
        _ => Err(mistake(format!(
            "lab.subnet: {subnet} is too small for a lab; take a /29 or larger"
        ))),
    }
}

/// Checks that every host, and the virtual IP, has an address of its own in the lab's network; all mistakes at once.
pub fn check(cluster: &Cluster, lab: &Lab) -> Result<(), Failure> {
    let (subnet, gateway) = network(lab)?;
    let hosts = cluster
        .hosts
        .iter()
        .map(|host| (format!("host {}", host.name), host.address.clone()));
    let vip = cluster
        .vip()
        .map(|vip| ("the virtual IP".to_owned(), vip.address.to_string()));
    let wrong: Vec<String> = hosts
        .chain(vip)
        .filter_map(|(what, address)| {
            fault(&address, subnet, gateway).map(|fault| format!("{what}: {fault}"))
        })
        .collect();
    if wrong.is_empty() {
        return Ok(());
    }
    Err(mistake(wrong.join("\n")).hint(format!(
        "give every host of a lab a free address of lab.subnet ({subnet}) other than {gateway}, which is this machine's own"
    )))
}

fn fault(address: &str, subnet: Ipv4Net, gateway: Ipv4Addr) -> Option<String> {
    let Ok(IpAddr::V4(address)) = address.parse::<IpAddr>() else {
        return Some(format!("{address} is no IPv4 address"));
    };
    if !subnet.contains(&address) {
        Some(format!("{address} lies outside lab.subnet {subnet}"))
    } else if address == gateway {
        Some(format!(
            "{address} is the address of the machine that runs the lab"
        ))
    } else if address == subnet.network() || address == subnet.broadcast() {
        Some(format!(
            "{address} is the network's own or broadcast address"
        ))
    } else {
        None
    }
}

/// The interface and network of the first route in `/proc/net/route` that overlaps `subnet`; the default route does not count.
///
/// Numbers there are hexadecimal in the machine's byte order (proc(5)).
pub fn overlapping_route(routes: &str, subnet: Ipv4Net) -> Option<(String, Ipv4Net)> {
    routes.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let destination =
            Ipv4Addr::from(u32::from_str_radix(fields.get(1)?, 16).ok()?.to_ne_bytes());
        let mask = Ipv4Addr::from(u32::from_str_radix(fields.get(7)?, 16).ok()?.to_ne_bytes());
        let route = Ipv4Net::with_netmask(destination, mask).ok()?;
        let overlaps = route.contains(&subnet) || subnet.contains(&route);
        (route.prefix_len() > 0 && overlaps).then(|| ((*fields[0]).to_owned(), route))
    })
}

fn mistake(message: String) -> Failure {
    Failure::new(Code::Inventory, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(subnet: &str) -> Lab {
        Lab {
            subnet: subnet.parse().unwrap(),
            engine: None,
            image: None,
            memory: None,
        }
    }

    #[test]
    fn the_machine_takes_the_first_address() {
        let (subnet, gateway) = network(&lab("10.9.8.7/24")).unwrap();
        assert_eq!(subnet.to_string(), "10.9.8.0/24");
        assert_eq!(gateway, Ipv4Addr::new(10, 9, 8, 1));
        assert!(network(&lab("10.9.8.0/30")).is_err());
        assert!(network(&lab("fd00::/64")).is_err());
    }

    #[test]
    fn addresses_that_no_host_can_have() {
        let (subnet, gateway) = network(&lab("10.9.8.0/24")).unwrap();
        let fault = |address| fault(address, subnet, gateway);
        assert_eq!(fault("10.9.8.11"), None);
        assert!(
            fault("10.9.9.11")
                .unwrap()
                .contains("outside lab.subnet 10.9.8.0/24")
        );
        assert!(
            fault("10.9.8.1")
                .unwrap()
                .contains("machine that runs the lab")
        );
        assert!(fault("10.9.8.255").unwrap().contains("broadcast"));
        assert!(fault("node.example").unwrap().contains("no IPv4 address"));
    }

    #[test]
    fn a_route_of_the_machine_that_is_in_the_way() {
        let routes = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\n";
        let find = |subnet: &str| overlapping_route(routes, subnet.parse().unwrap());
        let (interface, route) = find("172.17.4.0/24").unwrap();
        assert_eq!(
            (interface.as_str(), route.to_string().as_str()),
            ("docker0", "172.17.0.0/16")
        );
        assert_eq!(
            find("10.0.0.0/24"),
            None,
            "the default route covers everything and is no conflict"
        );
    }
}
