//! What scripts on hosts print, read.

use std::collections::BTreeMap;

/// One host's answer: what `templates/actions/verify-host.sh` prints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSaid {
    /// `None` on a host that is no node.
    pub api: Option<Said>,
    /// `None` where it was not asked.
    pub dns: Option<Said>,
    /// Whether it has the virtual IP.
    pub holds: Option<bool>,
}

/// How one thing ended that a host tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    Ok,
    Failed(String),
    Skipped(String),
}

impl Said {
    /// Reads `ok`, `fail WHY` or `skip WHY`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (word, why) = text.split_once(' ').unwrap_or((text, ""));
        let why = || match why.trim() {
            "" => "no reason is known".to_owned(),
            why => why.to_owned(),
        };
        match word {
            "ok" => Some(Self::Ok),
            "fail" => Some(Self::Failed(why())),
            "skip" => Some(Self::Skipped(why())),
            _ => None,
        }
    }
}

impl HostSaid {
    /// Reads what the script printed; what it did not print stays `None`.
    pub fn parse(stdout: &str) -> Self {
        let mut said = Self::default();
        for line in stdout.lines() {
            match line.split_once(' ') {
                Some(("api", rest)) => said.api = Said::parse(rest),
                Some(("dns", rest)) => said.dns = Said::parse(rest),
                Some(("holds", rest)) => said.holds = Some(rest == "yes"),
                _ => {}
            }
        }
        said
    }
}

/// What the pod of one node told of the others': what `templates/actions/verify-pairs.sh` prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pairs {
    /// By node.
    Tried(BTreeMap<String, Said>),
    /// Nothing could be tried, and why.
    Untried(String),
}

impl Pairs {
    pub fn parse(stdout: &str) -> Self {
        let mut tried = BTreeMap::new();
        for line in stdout.lines() {
            let Some((node, rest)) = line.split_once(' ') else {
                continue;
            };
            if node == "none" {
                return Self::Untried(rest.to_owned());
            }
            if let Some(said) = Said::parse(rest) {
                tried.insert(node.to_owned(), said);
            }
        }
        Self::Tried(tried)
    }
}
