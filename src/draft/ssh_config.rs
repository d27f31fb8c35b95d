//! Hosts of an ssh configuration, as `ssh_config(5)` describes it.

use std::net::IpAddr;

use super::hosts::name_of;
use crate::inventory::edit::NewHost;

/// Files included in included files; ssh gives up there too (`READCONF_MAX_DEPTH` of OpenSSH).
const DEEPEST: usize = 16;

/// The hosts of an ssh configuration that have a name of their own (no pattern). ssh reaches them by that name; where `HostName` is
/// an IP address, it is the node's.
///
/// `included` gives the texts of the files that a word of `Include` stands for, in ssh's order.
pub fn from_ssh_config(text: &str, included: &dyn Fn(&str) -> Vec<String>) -> Vec<NewHost> {
    let mut reader = Reader {
        included,
        hosts: Vec::new(),
        current: Vec::new(),
    };
    reader.read(text, 0);
    reader.hosts
}

struct Reader<'a> {
    included: &'a dyn Fn(&str) -> Vec<String>,
    hosts: Vec<NewHost>,
    /// Places in `hosts` of those that the present block is about.
    current: Vec<usize>,
}

impl Reader<'_> {
    fn read(&mut self, text: &str, depth: usize) {
        for line in text.lines() {
            let (keyword, words) = parted(line);
            match keyword.as_str() {
                "host" => self.block(&words),
                "match" => self.current.clear(),
                "hostname" => self.host_name(words.first()),
                "include" if depth < DEEPEST => self.include(&words, depth),
                _ => {}
            }
        }
    }

    fn block(&mut self, words: &[String]) {
        self.current.clear();
        for name in words.iter().filter(|name| !name.contains(['*', '?', '!'])) {
            if !self.hosts.iter().any(|host| host.address == *name) {
                self.current.push(self.hosts.len());
                self.hosts.push(NewHost::new(name_of(name), name));
            }
        }
    }

    /// The first value that ssh finds is the one that it uses.
    fn host_name(&mut self, word: Option<&String>) {
        let address: Option<IpAddr> = word.and_then(|word| word.parse().ok());
        for at in &self.current {
            let known = &mut self.hosts[*at].node_ip;
            if known.is_empty() {
                known.extend(address);
            }
        }
    }

    /// The block goes on after the included files, which begin in it.
    fn include(&mut self, words: &[String], depth: usize) {
        let block = self.current.clone();
        for text in words.iter().flat_map(|word| (self.included)(word)) {
            self.current.clone_from(&block);
            self.read(&text, depth + 1);
        }
        self.current = block;
    }
}

/// A line's keyword in lower case, and its words without their quotes; a line that ssh would refuse has none.
fn parted(line: &str) -> (String, Vec<String>) {
    let line = line.trim_start();
    let end = line
        .find(|one: char| one.is_whitespace() || one == '=')
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    (
        keyword.to_lowercase(),
        shlex::split(rest).unwrap_or_default(),
    )
}
