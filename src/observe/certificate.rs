//! What a certificate says, without a TLS library: its public key, names and end; as much DER as that takes.

use std::net::IpAddr;

use base64::Engine as _;
use serde::Serialize;

use super::Observation;
use crate::digest::sha256;

const DAY: i64 = 24 * 60 * 60;
/// Days. Certificates that end sooner are mentioned; kubeadm's live 365 days and only an upgrade renews them unasked.
pub const SOON: i64 = 90;

/// A certificate of a control plane's that nobody renews by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Certificate {
    /// File below `/etc/kubernetes`, without `pki/`: `apiserver.crt`, `etcd/peer.crt`, `admin.conf`.
    pub name: String,
    /// Seconds since 1970.
    pub not_after: i64,
}

impl Certificate {
    /// Reads `FILE BASE64`: the certificate in DER, or in PEM as kubeconfigs have it.
    pub(super) fn read(line: &str) -> Option<Self> {
        let (file, text) = line.split_once(' ')?;
        let base64 = base64::engine::general_purpose::STANDARD;
        let der = der_of(text).or_else(|| base64.decode(text).ok())?;
        Some(Self {
            name: file.strip_prefix("pki/").unwrap_or(file).to_owned(),
            not_after: not_after(&der)?,
        })
    }

    /// Whole days that are left at `now`, in seconds since 1970; negative once it has ended.
    pub fn days(&self, now: i64) -> i64 {
        (self.not_after - now).div_euclid(DAY)
    }

    /// Whether it is one of kubeadm's authorities, which `kubeadm certs renew` leaves alone.
    pub fn is_authority(&self) -> bool {
        ["ca.crt", "etcd/ca.crt", "front-proxy-ca.crt"].contains(&self.name.as_str())
    }
}

/// One line about certificates that end within [`SOON`], where there are any: of each host the first.
///
/// `now` in seconds since 1970.
pub fn ending(seen: &Observation, now: i64) -> Option<String> {
    let mut authority = false;
    let of_host = |(host, seen): (&String, &super::HostSeen)| {
        let all = seen.facts.certificates.iter();
        let first = all.min_by_key(|one| one.not_after)?;
        let days = first.days(now);
        authority |= days < SOON && first.is_authority();
        match days {
            SOON.. => None,
            0.. => Some(format!("{host} {} in {days} days", first.name)),
            _ => Some(format!("{host} {} HAS ENDED", first.name)),
        }
    };
    let all: Vec<String> = seen.hosts.iter().filter_map(of_host).collect();
    if all.is_empty() {
        return None;
    }
    let renewed = if authority {
        "kubeadm does not renew authorities (ca.crt): kubernetes.io, \"Manual Rotation of CA Certificates\""
    } else {
        "`kubeadm certs renew all` there, one host after the other, then restart its static pods (README, Certificates)"
    };
    Some(format!(
        "certificates end soon: {}; {renewed}",
        all.join(", ")
    ))
}

/// `sha256:<hex>` of the subject public key info, as kubeadm's `caCertHashes` want it. `pem` is a PEM file in base64.
pub(super) fn public_key_hash(pem: &str) -> Option<String> {
    Some(format!("sha256:{}", sha256(public_key(&der_of(pem)?)?)))
}

fn der_of(pem: &str) -> Option<Vec<u8>> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let text = String::from_utf8(base64.decode(pem).ok()?).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    base64
        .decode(body.split_whitespace().collect::<String>())
        .ok()
}

/// `Certificate → TBSCertificate → subjectPublicKeyInfo` (RFC 5280 4.1), header included.
fn public_key(der: &[u8]) -> Option<&[u8]> {
    // After serialNumber, signature, issuer, validity, subject.
    Some(field(der, 5)?.whole)
}

/// `Certificate → TBSCertificate → validity → notAfter` (RFC 5280 4.1.2.5), in seconds since 1970.
fn not_after(der: &[u8]) -> Option<i64> {
    const UTC_TIME: u8 = 0x17;
    let time = field(der, 3)?.children().nth(1)?;
    let text = std::str::from_utf8(time.content).ok()?;
    // `UTCTime` has two digits of the year, `GeneralizedTime` four; both end with Z.
    let text = match (time.tag, text.get(..2)?.parse::<u32>().ok()?) {
        (UTC_TIME, 0..50) => format!("20{text}"),
        (UTC_TIME, _) => format!("19{text}"),
        _ => text.to_owned(),
    };
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let days = days(number(0, 4)?, number(4, 6)?, number(6, 8)?);
    Some(((days * 24 + number(8, 10)?) * 60 + number(10, 12)?) * 60 + number(12, 14)?)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// Field `number` of the `TBSCertificate`, the version not counted.
fn field(der: &[u8], number: usize) -> Option<Value<'_>> {
    const VERSION: u8 = 0xa0;
    let certificate = Value::read(der)?;
    let to_be_signed = Value::read(certificate.content)?;
    let mut fields = to_be_signed.children().filter(|field| field.tag != VERSION);
    fields.nth(number)
}

/// DNS names and IP addresses for which a certificate is (RFC 5280 4.2.1.6). `pem` is a PEM file in base64.
pub(super) fn alternative_names(pem: &str) -> Option<Vec<String>> {
    const EXTENSIONS: u8 = 0xa3;
    /// 2.5.29.17
    const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];
    let der = der_of(pem)?;
    let certificate = Value::read(&der)?;
    let to_be_signed = Value::read(certificate.content)?;
    let extensions = to_be_signed
        .children()
        .find(|field| field.tag == EXTENSIONS)?;
    let list = Value::read(extensions.content)?;
    let extension = list.children().find(|extension| {
        extension
            .children()
            .next()
            .is_some_and(|id| id.content == SUBJECT_ALT_NAME)
    })?;
    // After the id there may be whether it is critical; the value comes last.
    let value = extension.children().last()?;
    let names = Value::read(value.content)?;
    Some(names.children().filter_map(|name| name.text()).collect())
}

struct Value<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Value<'a> {
    fn children(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let mut rest = self.content;
        std::iter::from_fn(move || {
            let child = Value::read(rest)?;
            rest = rest.get(child.whole.len()..)?;
            Some(child)
        })
    }

    /// A `GeneralName` that is a DNS name or an address.
    fn text(&self) -> Option<String> {
        match self.tag {
            0x82 => String::from_utf8(self.content.to_vec()).ok(),
            0x87 => {
                let v4: Result<[u8; 4], _> = self.content.try_into();
                let v6: Result<[u8; 16], _> = self.content.try_into();
                v4.map(|bytes| IpAddr::from(bytes).to_string())
                    .or_else(|_| v6.map(|bytes| IpAddr::from(bytes).to_string()))
                    .ok()
            }
            _ => None,
        }
    }

    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (tag, short) = (*bytes.first()?, *bytes.get(1)?);
        let (header, length) = if short < 0x80 {
            (2, usize::from(short))
        } else {
            let count = usize::from(short & 0x7f);
            let digits = bytes.get(2..2 + count).filter(|_| count <= 4)?;
            let length = digits
                .iter()
                .fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (2 + count, length)
        };
        Some(Self {
            tag,
            whole: bytes.get(..header + length)?,
            content: bytes.get(header..header + length)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_key_that_the_certificate_was_made_of() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["kubernetes".into()])
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let pem = base64::engine::general_purpose::STANDARD.encode(certificate.pem());
        let public: String = key
            .public_key_pem()
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let expected = sha256(
            base64::engine::general_purpose::STANDARD
                .decode(public)
                .unwrap(),
        );
        assert_eq!(public_key_hash(&pem), Some(format!("sha256:{expected}")));
    }

    #[test]
    fn finds_the_names_that_a_certificate_is_for() {
        let names = ["kubernetes", "10.0.0.11", "api.example.org", "fd00::11"];
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(names.map(str::to_owned))
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let pem = base64::engine::general_purpose::STANDARD.encode(certificate.pem());
        assert_eq!(
            alternative_names(&pem).unwrap(),
            names.map(str::to_owned).to_vec()
        );
        assert_eq!(alternative_names("bm9uZQ=="), None);
    }

    #[test]
    fn the_end_of_a_certificate_is_read() {
        let base64 = base64::engine::general_purpose::STANDARD;
        let key = rcgen::KeyPair::generate().unwrap();
        for (year, month, day, seconds) in [
            (2026, 11, 21, 1_795_219_200_i64),
            (2000, 2, 29, 951_782_400),
            (1999, 12, 31, 946_598_400),
            (2051, 3, 1, 2_561_241_600),
        ] {
            let mut params = rcgen::CertificateParams::new(vec!["kubernetes".into()]).unwrap();
            params.not_before = rcgen::date_time_ymd(1990, 1, 1);
            params.not_after = rcgen::date_time_ymd(year, month, day);
            let certificate = params.self_signed(&key).unwrap();
            let expected = Certificate {
                name: "etcd/peer.crt".into(),
                not_after: seconds,
            };
            for text in [certificate.der().to_vec(), certificate.pem().into_bytes()] {
                let line = format!("pki/etcd/peer.crt {}", base64.encode(text));
                assert_eq!(Certificate::read(&line), Some(expected.clone()));
            }
        }
        assert_eq!(Certificate::read("apiserver.crt MAA="), None);
        assert_eq!(Certificate::read("apiserver.crt"), None);
    }

    #[test]
    fn certificates_that_end_within_90_days_are_mentioned() {
        let mut seen = Observation::default();
        for (host, days) in [("cp1", 34), ("cp2", 90), ("cp3", 5)] {
            let one = seen.hosts.entry(host.to_owned()).or_default();
            one.facts.certificates = [("ca.crt", 3000), ("apiserver.crt", days)]
                .map(|(name, days)| Certificate {
                    name: name.to_owned(),
                    not_after: days * DAY,
                })
                .into();
        }
        let renewed = "`kubeadm certs renew all` there, one host after the other, then restart its static pods (README, Certificates)";
        let said = |day: i64, seen: &Observation| ending(seen, day * DAY);
        assert_eq!(
            said(0, &seen),
            Some(format!(
                "certificates end soon: cp1 apiserver.crt in 34 days, cp3 apiserver.crt in 5 days; {renewed}"
            ))
        );
        let late = said(6, &seen).unwrap();
        assert!(late.contains(", cp3 apiserver.crt HAS ENDED; "), "{late}");
        seen.hosts.retain(|host, _| host == "cp2");
        assert_eq!(said(0, &seen), None);
        assert!(said(1, &seen).is_some());
        let one = seen.hosts.get_mut("cp2").unwrap();
        one.facts.certificates.truncate(1);
        let authority = said(2950, &seen).unwrap();
        assert!(
            authority.contains("cp2 ca.crt in 50 days; kubeadm does not renew"),
            "{authority}"
        );
    }

    #[test]
    fn broken_certificates_have_no_key() {
        assert_eq!(public_key_hash(""), None);
        assert_eq!(public_key(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(public_key(&[0x30, 0x02, 0x30, 0x00]), None);
    }
}
