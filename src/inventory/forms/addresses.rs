//! Addresses, networks, ranges and endpoints.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Refusal, names::dns_subdomain};

/// Addresses from one to another, both included, and how they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressRange {
    pub from: IpAddr,
    pub to: IpAddr,
    /// As MetalLB takes it.
    pub text: String,
}

impl AddressRange {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.from.is_ipv4() == address.is_ipv4() && self.from <= address && address <= self.to
    }

    pub fn overlaps(&self, other: &Self) -> bool {
        self.from.is_ipv4() == other.from.is_ipv4()
            && self.from <= other.to
            && other.from <= self.to
    }

    pub fn overlaps_network(&self, network: &IpNet) -> bool {
        self.from.is_ipv4() == network.addr().is_ipv4()
            && self.from <= network.broadcast()
            && network.network() <= self.to
    }
}

pub fn address(text: &str) -> Result<IpAddr, Refusal> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some((bare, _)) = text.split_once('/')
        && bare.parse::<IpAddr>().is_ok()
    {
        return Err(format!("is a network; write the address alone: `{bare}`"));
    }
    if let Some(better) = without_leading_zeros(text) {
        return Err(format!(
            "is ambiguous because of its leading zeros; write `{better}`"
        ));
    }
    Err("is not an IP address; write one such as `10.0.0.11` or `fd00::11`".to_owned())
}

fn without_leading_zeros(text: &str) -> Option<IpAddr> {
    let octets: Vec<String> = text
        .split('.')
        .map(|part| part.parse::<u8>().ok().map(|n| n.to_string()))
        .collect::<Option<_>>()?;
    octets.join(".").parse().ok()
}

pub fn host_address(text: &str) -> Result<String, Refusal> {
    let numeric = text.contains(':')
        || text.contains('/')
        || text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.');
    if numeric {
        if let Some((host, port)) = text.rsplit_once(':')
            && !host.contains(':')
            && port.parse::<u16>().is_ok()
        {
            return Err(format!(
                "has a port; write `{host}` here and the port as `ssh: {{port: {port}}}`"
            ));
        }
        return address(text).map(|_| text.to_owned());
    }
    if let Some((user, host)) = text.split_once('@') {
        return Err(format!(
            "has a user; write `{host}` here and the user as `ssh: {{user: {user}}}`"
        ));
    }
    let fits = text.len() <= 253
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        && !text.starts_with(['-', '.']);
    if fits {
        Ok(text.to_owned())
    } else {
        Err("is neither an address nor a name; write one such as `10.0.0.11`".to_owned())
    }
}

pub fn vip(text: &str) -> Result<(IpAddr, Option<u8>), Refusal> {
    let Some((bare, prefix)) = text.split_once('/') else {
        return Ok((address(text)?, None));
    };
    let address = address(bare)?;
    match prefix.parse::<u8>() {
        Ok(prefix) if IpNet::new(address, prefix).is_ok() => Ok((address, Some(prefix))),
        _ => Err(format!(
            "has no valid prefix length; write one such as `{bare}/24`, or the address alone"
        )),
    }
}

pub fn host_port(text: &str) -> Result<(String, Option<u16>), Refusal> {
    if text.parse::<IpAddr>().is_ok() {
        return Ok((text.to_owned(), None));
    }
    if text.contains("://") {
        let bare = text
            .split("://")
            .nth(1)
            .unwrap_or_default()
            .trim_end_matches('/');
        return Err(format!("is a URL; write host and port alone: `{bare}`"));
    }
    if let Some((bare, _)) = text.split_once('/') {
        return Err(format!(
            "has a prefix length, which belongs to a VIP; write `{bare}`, or `{{vip: {text}}}`"
        ));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => match port.parse::<u16>() {
            Ok(port) if port > 0 => (host, Some(port)),
            _ => {
                return Err(
                    "has no valid port; write `HOST:PORT` with a port of 1 to 65535".to_owned(),
                );
            }
        },
        None => (text, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.parse::<IpAddr>().is_err() {
        dns_subdomain(host)?;
        if host
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return Err("is neither an address nor a DNS name; write one such as `10.0.0.10` or `api.example.org:6443`".to_owned());
        }
    }
    Ok((host.to_owned(), port))
}

pub fn cidr(text: &str) -> Result<IpNet, Refusal> {
    let Some((bare, prefix)) = text.split_once('/') else {
        return Err(match address(text) {
            Ok(_) => "is an address; write a network such as `10.244.0.0/16`".to_owned(),
            Err(_) => "is not a network; write one such as `10.244.0.0/16`".to_owned(),
        });
    };
    let address = address(bare)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let Some(network) = prefix
        .parse()
        .ok()
        .and_then(|prefix| IpNet::new(address, prefix).ok())
    else {
        return Err(format!(
            "has no valid prefix length; write `{bare}/N` with N of 1 to {longest}"
        ));
    };
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(format!("has host bits set; write `{}`", network.trunc()))
    }
}

/// A network or `FROM-TO`.
pub fn range(text: &str) -> Result<AddressRange, Refusal> {
    if let Some((from, to)) = text.split_once('-') {
        let (from, to) = (address(from.trim())?, address(to.trim())?);
        if from.is_ipv4() != to.is_ipv4() {
            return Err("mixes IPv4 and IPv6; write two ranges".to_owned());
        }
        if from > to {
            return Err(format!("runs backwards; write `{to}-{from}`"));
        }
        return Ok(AddressRange {
            from,
            to,
            text: format!("{from}-{to}"),
        });
    }
    if let Ok(one) = text.parse::<IpAddr>() {
        let longest = if one.is_ipv4() { 32 } else { 128 };
        return Ok(AddressRange {
            from: one,
            to: one,
            text: format!("{one}/{longest}"),
        });
    }
    if !text.contains('/') {
        return Err(
            "is no range of addresses; write `10.0.0.200-10.0.0.219` or `10.0.0.192/27`".to_owned(),
        );
    }
    let network = cidr(text)?;
    Ok(AddressRange {
        from: network.network(),
        to: network.broadcast(),
        text: network.to_string(),
    })
}
