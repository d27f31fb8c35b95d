//! Command lines as strict as the real tools': an unknown flag is an error.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// Flags by long name, and what is left.
#[derive(Debug, Default)]
pub struct Flags {
    values: BTreeMap<String, Vec<String>>,
    pub rest: Vec<String>,
    /// What follows `--`.
    pub tail: Vec<String>,
}

impl Flags {
    /// Parses `arguments` against `spec`: names separated by blanks, `f,filename=` for a flag with a value and a short name,
    /// `force` for a switch.
    pub fn parse(spec: &str, arguments: &[String]) -> Result<Self> {
        let spec = Spec::read(spec);
        let mut flags = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if argument == "--" {
                flags.tail = rest.cloned().collect();
                break;
            }
            let (name, mut value) = if let Some(long) = argument.strip_prefix("--") {
                match long.split_once('=') {
                    Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                    None => (long.to_owned(), None),
                }
            } else if argument.len() > 1 && argument.starts_with('-') {
                spec.short(argument)?
            } else {
                flags.rest.push(argument.clone());
                continue;
            };
            match spec.takes_value.get(&name) {
                None => bail!("unknown flag: --{name}"),
                Some(true) if value.is_none() => match rest.next() {
                    Some(next) => value = Some(next.clone()),
                    None => bail!("flag needs an argument: --{name}"),
                },
                Some(_) => {}
            }
            let value = value.unwrap_or_else(|| "true".to_owned());
            flags.values.entry(name).or_default().push(value);
        }
        Ok(flags)
    }

    /// The last value given.
    pub fn get(&self, name: &str) -> Option<&str> {
        Some(self.values.get(name)?.last()?.as_str())
    }

    pub fn all(&self, name: &str) -> &[String] {
        self.values.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a switch is on.
    pub fn on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "false")
    }

    pub fn given(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Values of a flag that takes comma-separated lists.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name)
            .iter()
            .flat_map(|value| value.split(','))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

#[derive(Default)]
struct Spec {
    takes_value: BTreeMap<String, bool>,
    short: BTreeMap<char, String>,
}

impl Spec {
    fn read(text: &str) -> Self {
        let mut spec = Self::default();
        for word in text.split_whitespace() {
            let (name, takes_value) = match word.strip_suffix('=') {
                Some(name) => (name, true),
                None => (word, false),
            };
            let long = match name.split_once(',') {
                Some((short, long)) => {
                    spec.short
                        .extend(short.chars().map(|short| (short, long.to_owned())));
                    long
                }
                None => name,
            };
            spec.takes_value.insert(long.to_owned(), takes_value);
        }
        spec
    }

    /// Long name and attached value of `-f`, `-ojson`, `-o=json`.
    fn short(&self, argument: &str) -> Result<(String, Option<String>)> {
        let mut letters = argument.chars().skip(1);
        let letter = letters.next().unwrap_or_default();
        let Some(name) = self.short.get(&letter) else {
            bail!("unknown shorthand flag: {letter:?} in {argument}");
        };
        let attached: String = letters.collect();
        if attached.is_empty() {
            return Ok((name.clone(), None));
        }
        if !self.takes_value[name] && !attached.starts_with('=') {
            bail!("unknown shorthand flag: {letter:?} in {argument}");
        }
        let attached = attached.trim_start_matches('=').to_owned();
        Ok((name.clone(), Some(attached)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Flags> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        Flags::parse("f,filename= o,output= force A,all", &words)
    }

    #[test]
    fn reads_long_short_and_attached_values() {
        let flags = parse("get -ojson --filename=x -f y --force pods -- a -b").unwrap();
        assert_eq!(flags.get("output"), Some("json"));
        assert_eq!(flags.all("filename"), ["x", "y"]);
        assert!(flags.on("force"));
        assert_eq!(flags.rest, ["get", "pods"]);
        assert_eq!(flags.tail, ["a", "-b"]);
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        assert!(parse("--forc").is_err());
        assert!(parse("-x").is_err());
        assert!(parse("--filename").is_err());
    }
}
