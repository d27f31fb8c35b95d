//! Versions, times, quantities and other single values.

use std::time::Duration;

use semver::Version;

use super::Refusal;

/// What `kubernetes:` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedVersion {
    Exact(Version),
    /// `1.33`: the bundle or the catalog says which patch.
    Minor(u64),
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

pub fn component_version(text: &str) -> Result<String, Refusal> {
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

pub fn quantity(text: &str) -> Result<String, Refusal> {
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

pub fn cpu_list(text: &str) -> Result<String, Refusal> {
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

pub fn community(text: &str) -> Result<String, Refusal> {
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

pub fn cron(text: &str) -> Result<String, Refusal> {
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

pub fn url(text: &str) -> Result<String, Refusal> {
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
