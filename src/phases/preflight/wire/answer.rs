//! What a host answered.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::links::Proto;

/// One host's answer: lists hold what is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct Answer {
    /// What could not be listened on.
    pub listen: Vec<Deaf>,
    pub reach: Vec<Missed>,
    /// Of the interface with the node's address.
    pub mtu: u32,
    pub paths: Vec<Short>,
    pub adverts: Vec<Advert>,
    pub pool: Vec<Claim>,
    pub disk: Option<Disk>,
    pub sites: Vec<Silent>,
    pub name_servers: Vec<Silent>,
    pub names: Vec<Silent>,
    pub time_servers: Vec<Silent>,
    /// Parts that could not be probed, with the reason.
    pub errors: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Deaf {
    pub proto: Proto,
    pub port: u16,
    /// `used` where another program has it, `another check` where that is one like this.
    pub why: String,
    /// The program that has it, where that is known.
    #[serde(default)]
    pub owner: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Missed {
    pub to: String,
    pub proto: Proto,
    pub port: u16,
    pub why: String,
}

/// A host that packets of full size do not reach.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Short {
    pub to: String,
    /// The largest that was answered; 0 where none was.
    pub largest: u32,
}

/// A VRRP router that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Advert {
    pub from: String,
    pub id: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Claim {
    pub address: String,
    pub mac: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Disk {
    pub directory: String,
    pub writes: u32,
    /// Milliseconds.
    pub p99: f64,
}

/// A server that did not answer, or a name that is not known.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Silent {
    #[serde(alias = "url")]
    pub name: String,
    pub why: String,
}

/// Why a host has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    NoPython,
    Other(String),
}

impl Answer {
    /// Reads the line that the script printed.
    ///
    /// # Errors
    /// When it is cut or not one.
    pub fn parse(line: &str) -> Result<Self> {
        serde_json::from_str(line).context("the answer is not understood")
    }
}
