//! Texts of a certain form: what the inventory's strings may look like, each with one parser and one message.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use semver::Version;

use super::cluster::Taint;

/// Why a text is refused, worded to follow the text itself: `is not an address; write …`.
pub type Refusal = String;

/// Declares types that are written as a string of one form. The name is the JSON Schema `format`.
macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident: $out:ty, $format:literal, $example:literal, $parse:path;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq)]
            pub struct $name(pub $out);

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
                    let text = String::deserialize(input)?;
                    $parse(&text).map(Self).map_err(|why| serde::de::Error::custom(format!("`{text}` {why}")))
                }
            }

            impl schemars::JsonSchema for $name {
                fn inline_schema() -> bool {
                    true
                }

                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    schemars::json_schema!({"type": "string", "format": $format, "examples": [$example]})
                }
            }
        )*

        /// Checks a text against the form of that name; unknown forms accept everything.
        pub fn check(format: &str, text: &str) -> Result<(), Refusal> {
            match format {
                $($format => $parse(text).map(drop),)*
                _ => Ok(()),
            }
        }

        /// Every form: its name and an example.
        #[cfg(test)]
        pub const FORMS: &[(&str, &str)] = &[$(($format, $example)),*];
    };
}

forms! {
    /// A DNS-1123 label.
    Label: String, "dns-label", "homelab", dns_label;
    /// A full Kubernetes version, or a minor one that a bundle completes.
    KubernetesVersion: WantedVersion, "kubernetes-version", "1.33.4", wanted_version;
    /// A version of a component, with or without `v`.
    ComponentVersion: String, "version", "1.12.1", component_version;
    /// An IP address.
    Address: IpAddr, "ip", "10.0.0.11", address;
    /// Where SSH connects: an address or a name.
    HostAddress: String, "host-address", "10.0.0.11", host_address;
    /// An address with or without a prefix length.
    Vip: (IpAddr, Option<u8>), "vip", "10.0.0.10/24", vip;
    /// `HOST` or `HOST:PORT`.
    HostPort: (String, Option<u16>), "host-port", "api.example.org:6443", host_port;
    /// A network without host bits.
    Cidr: IpNet, "cidr", "10.244.0.0/16", cidr;
    /// Addresses for Services: a network or `FROM-TO`.
    Range: AddressRange, "address-range", "10.0.0.200-10.0.0.219", range;
    /// `500ms`, `15s`, `10m`, `4h`.
    Time: Duration, "duration", "15s", duration;
    /// `key=value:Effect` or `key:Effect`.
    TaintText: Taint, "taint", "dedicated=gpu:NoSchedule", taint;
    /// A Kubernetes quantity of CPU or memory.
    Quantity: String, "quantity", "500Mi", quantity;
    /// A list of CPUs as Linux writes it.
    CpuList: String, "cpu-list", "0-1", cpu_list;
    /// `64512:100` or `large:64512:1:2`.
    Community: String, "bgp-community", "64512:100", community;
    /// Five fields, or `@daily` and the like.
    Cron: String, "cron", "0 2 * * *", cron;
    /// `http://…`, `https://…` or `oci://…`.
    Url: String, "url", "https://mirror.example.org", url;
}

/// What `kubernetes:` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedVersion {
    Exact(Version),
    /// `1.33`: the bundle or the catalog says which patch.
    Minor(u64),
}

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

/// DNS-1123 label: what a cluster and most objects are called.
pub fn dns_label(text: &str) -> Result<String, Refusal> {
    if is_dns_label(text) {
        return Ok(text.to_owned());
    }
    let allowed = "a-z, 0-9 and `-`, at most 63 characters, a letter or digit at both ends";
    Err(name_refusal(text, allowed, '-'))
}

/// DNS-1123 subdomain: what a node is called.
pub fn dns_subdomain(text: &str) -> Result<String, Refusal> {
    if is_dns_subdomain(text) {
        return Ok(text.to_owned());
    }
    let allowed = "a-z, 0-9, `-` and `.`, a letter or digit at both ends";
    Err(name_refusal(text, allowed, '.'))
}

fn is_dns_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_dns_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_dns_label)
}

fn name_refusal(text: &str, allowed: &str, extra: char) -> Refusal {
    let allowed_char = |c: char| c.is_ascii_alphanumeric() || c == extra;
    let better: String = text
        .to_lowercase()
        .chars()
        .map(|c| if allowed_char(c) { c } else { '-' })
        .take(63)
        .collect();
    let better = better.trim_matches(['-', '.']);
    let write = if is_dns_subdomain(better) && better != text {
        format!("; write `{better}`")
    } else {
        String::new()
    };
    format!("is not a name that Kubernetes takes ({allowed}){write}")
}

/// `v1.33.4`, `1.33.4` or `1.33`.
pub fn wanted_version(text: &str) -> Result<WantedVersion, Refusal> {
    let bare = text.strip_prefix('v').unwrap_or(text);
    if let Ok(version) = Version::parse(bare) {
        return Ok(WantedVersion::Exact(version));
    }
    if let Some(("1", minor)) = bare.split_once('.')
        && let Ok(minor) = minor.parse()
    {
        return Ok(WantedVersion::Minor(minor));
    }
    Err("is not a Kubernetes version; write one such as `1.33.4`".to_owned())
}

fn component_version(text: &str) -> Result<String, Refusal> {
    let bare = text.strip_prefix('v').unwrap_or(text);
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = bare.splitn(3, '.');
    let fits = parts.next().is_some_and(number)
        && parts.next().is_some_and(number)
        && parts.next().is_none_or(|rest| {
            rest.bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_digit())
        });
    if fits {
        Ok(text.to_owned())
    } else {
        Err("is not a version; write one such as `1.12.1`".to_owned())
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

fn host_address(text: &str) -> Result<String, Refusal> {
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

fn vip(text: &str) -> Result<(IpAddr, Option<u8>), Refusal> {
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

fn host_port(text: &str) -> Result<(String, Option<u16>), Refusal> {
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

pub fn duration(text: &str) -> Result<Duration, Refusal> {
    let refusal = || {
        "is no duration; write a number with its unit, such as `500ms`, `15s`, `10m` or `4h`"
            .to_owned()
    };
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(refusal)?;
        let number: u64 = rest[..digits].parse().map_err(|_| refusal())?;
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |at| digits + at);
        let milliseconds: u64 = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(refusal()),
        };
        let part = number.checked_mul(milliseconds).ok_or_else(refusal)?;
        total = total
            .checked_add(Duration::from_millis(part))
            .ok_or_else(refusal)?;
        rest = &rest[unit_end..];
    }
    if total.is_zero() {
        Err(refusal())
    } else {
        Ok(total)
    }
}

/// `KEY=VALUE:EFFECT` or `KEY:EFFECT`.
pub fn taint(text: &str) -> Result<Taint, Refusal> {
    const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    let Some((left, effect)) = text.rsplit_once(':') else {
        return Err(format!("has no effect; write `{text}:NoSchedule`"));
    };
    let (key, value) = match left.split_once('=') {
        Some((key, value)) => (key, Some(value)),
        None => (left, None),
    };
    if !EFFECTS.contains(&effect) {
        let right = EFFECTS
            .iter()
            .find(|known| known.eq_ignore_ascii_case(effect))
            .unwrap_or(&"NoSchedule");
        return Err(format!(
            "has the unknown effect `{effect}`; write `{left}:{right}` (or {})",
            others(&EFFECTS, right)
        ));
    }
    label_key(key)?;
    if let Some(value) = value {
        label_value(value)?;
    }
    let value = value
        .filter(|value| !value.is_empty())
        .map(ToOwned::to_owned);
    Ok(Taint {
        key: key.to_owned(),
        value,
        effect: effect.to_owned(),
    })
}

fn others(all: &[&str], but: &str) -> String {
    let rest: Vec<&str> = all.iter().copied().filter(|one| *one != but).collect();
    rest.join(", ")
}

/// A label or taint key: an optional DNS prefix and a name.
pub fn label_key(text: &str) -> Result<(), Refusal> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    if prefix.is_some_and(|prefix| !is_dns_subdomain(prefix))
        || name.is_empty()
        || !is_label_text(name)
    {
        return Err(
            "has no valid key; write `name` or `example.org/name` (letters, digits, `-`, `_`, `.`)"
                .to_owned(),
        );
    }
    Ok(())
}

pub fn label_value(text: &str) -> Result<(), Refusal> {
    if is_label_text(text) {
        Ok(())
    } else {
        Err("is no valid label value; write at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends".to_owned())
    }
}

fn is_label_text(text: &str) -> bool {
    text.len() <= 63
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && !text.starts_with(['-', '_', '.'])
        && !text.ends_with(['-', '_', '.'])
}

fn quantity(text: &str) -> Result<String, Refusal> {
    quantity_value(text).map(|_| text.to_owned())
}

/// The value of a Kubernetes quantity in thousandths of its unit.
pub fn quantity_value(text: &str) -> Result<u128, Refusal> {
    let refusal = || "is no quantity; write one such as `500m`, `2`, `512Mi` or `20Gi`".to_owned();
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (whole, fraction) = match text[..digits].split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (&text[..digits], ""),
    };
    let factor: u128 = match &text[digits..] {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        _ => return Err(refusal()),
    };
    if whole.is_empty() || whole.len() > 15 || fraction.len() > 9 || fraction.contains('.') {
        return Err(refusal());
    }
    let whole: u128 = whole.parse().map_err(|_| refusal())?;
    let mut value = whole * factor;
    if !fraction.is_empty() {
        let part: u128 = fraction.parse().map_err(|_| refusal())?;
        value += part * factor / 10_u128.pow(u32::try_from(fraction.len()).unwrap_or(9));
    }
    Ok(value)
}

fn cpu_list(text: &str) -> Result<String, Refusal> {
    let fits = text.split(',').all(|part| match part.split_once('-') {
        Some((from, to)) => match (from.parse::<u16>(), to.parse::<u16>()) {
            (Ok(from), Ok(to)) => from <= to,
            _ => false,
        },
        None => part.parse::<u16>().is_ok(),
    });
    if fits {
        Ok(text.to_owned())
    } else {
        Err("is no list of CPUs; write one such as `0-1` or `0,2`".to_owned())
    }
}

fn community(text: &str) -> Result<String, Refusal> {
    let numbers = |text: &str, count: usize, most: u64| {
        let parts: Vec<&str> = text.split(':').collect();
        parts.len() == count
            && parts
                .iter()
                .all(|part| part.parse::<u64>().is_ok_and(|number| number <= most))
    };
    let fits = match text.strip_prefix("large:") {
        Some(rest) => numbers(rest, 3, u32::MAX.into()),
        None => numbers(text, 2, u16::MAX.into()),
    };
    if fits {
        Ok(text.to_owned())
    } else {
        Err("is no BGP community; write one such as `64512:100` or `large:64512:1:2`".to_owned())
    }
}

fn cron(text: &str) -> Result<String, Refusal> {
    let fits = match text.strip_prefix('@') {
        Some(word) => matches!(
            word,
            "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly"
        ),
        None => text.split_whitespace().count() == 5,
    };
    if fits {
        Ok(text.to_owned())
    } else {
        Err("is no cron schedule; write five fields such as `0 2 * * *`, or `@daily`".to_owned())
    }
}

fn url(text: &str) -> Result<String, Refusal> {
    let fits = ["http://", "https://", "oci://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    if fits && !text.contains(char::is_whitespace) {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("is no URL; write one such as `https://mirror.example.org`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{FORMS, check, duration, quantity_value, range};

    #[test]
    fn every_form_takes_its_own_example_and_no_rubbish() {
        for (form, example) in FORMS {
            assert_eq!(check(form, example), Ok(()), "{form}");
            assert!(check(form, "?! ?!").is_err(), "{form} takes anything");
            assert!(check(form, "").is_err(), "{form} takes nothing");
        }
    }

    #[test]
    fn quantities_and_durations_have_their_units() {
        assert_eq!(quantity_value("1.5Gi"), Ok(1_610_612_736_000));
        assert_eq!(quantity_value("250m"), Ok(250));
        assert!(quantity_value("1Zi").is_err());
        assert_eq!(duration("1h30m").map(|time| time.as_secs()), Ok(5400));
        assert!(
            duration("15").is_err()
                && duration("0s").is_err()
                && duration("99999999999999999999h").is_err()
        );
    }

    #[test]
    fn ranges_are_normalised() {
        let text = |written| range(written).map(|range| range.text);
        assert_eq!(
            text("10.0.0.5 - 10.0.0.9"),
            Ok("10.0.0.5-10.0.0.9".to_owned())
        );
        assert_eq!(text("10.0.0.5"), Ok("10.0.0.5/32".to_owned()));
        assert_eq!(text("fd00::/120"), Ok("fd00::/120".to_owned()));
        assert!(text("10.0.0.9-10.0.0.5").is_err() && text("10.0.0.1-fd00::1").is_err());
    }
}
