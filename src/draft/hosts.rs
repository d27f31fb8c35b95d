//! Hosts as people have them at hand: typed or in a list.

use std::net::IpAddr;

use crate::inventory::{Role, SecretSource, edit::NewHost};

/// One host of a line: `NAME ADDRESS [ROLE…]`, `ADDRESS NAME` as in `/etc/hosts`, or an address alone; `USER@` may stand before the
/// address. Words are parted by spaces, commas or `=`. The error says what is wrong with it.
///
/// `number` names hosts of which only an IP address is known.
pub fn parse_host(line: &str, number: usize) -> Result<NewHost, String> {
    let mut words: Vec<&str> = line
        .split([' ', '\t', ',', '='])
        .filter(|word| !word.is_empty())
        .collect();
    let mut roles = Vec::new();
    while let Some(role) = words.last().and_then(|word| role(word)) {
        roles.insert(0, role);
        words.pop();
    }
    let is_address = |word: &str| bare(word).parse::<IpAddr>().is_ok();
    let (name, address) = match words.as_slice() {
        [] => return Err("names no host; write `NAME ADDRESS`".to_owned()),
        [address] if is_address(address) => (format!("node{number}"), *address),
        [name] => (name_of(bare(name)), *name),
        [address, name] if is_address(address) && !is_address(name) => (name_of(name), *address),
        [name, address] => (name_of(name), *address),
        [.., word] => {
            return Err(format!(
                "`{word}` is no role; write `NAME ADDRESS`, then `control-plane`, `worker` or `load-balancer`"
            ));
        }
    };
    let user = address.split_once('@').map(|(user, _)| user.to_owned());
    Ok(NewHost {
        roles,
        ssh_user: user.filter(|user| !user.is_empty()),
        ..NewHost::new(name, bare(address))
    })
}

fn role(word: &str) -> Option<Role> {
    match word {
        "control-plane" => Some(Role::ControlPlane),
        "worker" => Some(Role::Worker),
        "load-balancer" => Some(Role::LoadBalancer),
        _ => None,
    }
}

/// The address without `USER@`.
fn bare(word: &str) -> &str {
    word.split_once('@').map_or(word, |(_, address)| address)
}

/// Node names are lower case.
pub(super) fn name_of(word: &str) -> String {
    word.to_lowercase()
}

/// The hosts of a list, one a line; what follows `#` is ignored. The error names the line.
pub fn from_list(text: &str) -> Result<Vec<NewHost>, String> {
    let mut hosts = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let host = parse_host(line, hosts.len() + 1)
            .map_err(|why| format!("line {}: {why}", index + 1))?;
        hosts.push(host);
    }
    Ok(hosts)
}

/// Where a secret comes from: `prompt`, `env:NAME` or `file:PATH`. The error says what to write.
pub fn parse_source(text: &str) -> Result<SecretSource, String> {
    match text.split_once(':') {
        None if text == "prompt" => Ok(SecretSource::Prompt),
        Some(("env", name)) if !name.is_empty() => Ok(SecretSource::Env(name.to_owned())),
        Some(("file", path)) if !path.is_empty() => Ok(SecretSource::File(path.into())),
        // It may be the password itself.
        _ => Err("it is none of `prompt`, `env:NAME` and `file:PATH`".to_owned()),
    }
}

/// Gives roles to hosts that have none: the first `planes` are control planes, which run workloads too where no other host does.
pub fn assign_roles(hosts: &mut [NewHost], planes: usize) {
    if hosts.iter().any(|host| !host.roles.is_empty()) {
        for host in hosts.iter_mut().filter(|host| host.roles.is_empty()) {
            host.roles = vec![Role::Worker];
        }
        return;
    }
    let alone = planes >= hosts.len();
    for (index, host) in hosts.iter_mut().enumerate() {
        host.roles = match (index < planes, alone) {
            (true, true) => vec![Role::ControlPlane, Role::Worker],
            (true, false) => vec![Role::ControlPlane],
            (false, _) => vec![Role::Worker],
        };
    }
}
