//! A first inventory: hosts that the user names, and what is seen on them, become a commented text.
//!
//! ```text
//! list, ~/.ssh/config, typed ──hosts──▶ NewHosts ─┐
//! hosts ──facts, probe──▶ Seen ──propose──▶ Proposals ──asked or by flags──▶ Answers ──text──▶ inventory
//! ```
//!
//! Pure: the same hosts, sights and answers give the same text, however the answers were given.

mod hosts;
mod networks;
mod propose;
mod ssh_config;
mod text;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

pub use hosts::{assign_roles, from_list, parse_host, parse_source};
pub use propose::{node_addresses, propose, to_probe};
pub use ssh_config::from_ssh_config;
pub use text::text;

use crate::{
    inventory::{SecretSource, edit::NewHost},
    observe::InterfaceAddress,
};

/// What is seen of the hosts before anything is decided.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// By host name; a host that was not asked is absent.
    pub hosts: BTreeMap<String, Sight>,
    /// The host that asked the network for free addresses; none where nobody could.
    pub asker: Option<String>,
    /// Addresses that answered it.
    pub taken: BTreeSet<IpAddr>,
}

/// One host's network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    pub addresses: Vec<InterfaceAddress>,
    /// Interface of the default route.
    pub default_interface: Option<String>,
}

/// A value, and why an expert would choose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub value: String,
    /// A sentence, or several.
    pub why: String,
}

/// What can be said without asking.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proposals {
    /// None where control planes share no network: then only the user knows.
    pub endpoint: Option<Proposal>,
    pub interface: Option<Proposal>,
    pub metallb: Option<Proposal>,
    pub pods: Option<Proposal>,
    pub services: Option<Proposal>,
    pub longhorn: Option<Proposal>,
}

/// All that an inventory needs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    pub cluster: String,
    pub kubernetes: String,
    /// With roles and node addresses.
    pub hosts: Vec<NewHost>,
    pub user: Option<String>,
    /// Where sudo's password comes from.
    pub sudo: Option<SecretSource>,
    /// Jump host.
    pub jump: Option<String>,
    /// Private key file.
    pub key: Option<String>,
    /// ssh configuration instead of the user's own.
    pub config: Option<String>,
    /// A free address, or `HOST:PORT` of the user's own load balancer.
    pub endpoint: String,
    /// `auto`, or a name.
    pub interface: String,
    /// `none`, or a range.
    pub metallb: String,
    pub pods: String,
    pub services: String,
    pub longhorn: bool,
}

/// What the user writes for "leave it out".
pub const NONE: &str = "none";
/// What the user writes for "let each host's address decide".
pub const AUTO: &str = "auto";

#[cfg(test)]
mod tests;
