//! The public key of a certificate, without a TLS library: as much DER as that takes.

use std::net::IpAddr;

use base64::Engine as _;

use crate::digest::sha256;

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
    const VERSION: u8 = 0xa0;
    let certificate = Value::read(der)?;
    let to_be_signed = Value::read(certificate.content)?;
    let mut rest = to_be_signed.content;
    if Value::read(rest)?.tag == VERSION {
        rest = &rest[Value::read(rest)?.whole.len()..];
    }
    // serialNumber, signature, issuer, validity, subject
    for _ in 0..5 {
        rest = rest.get(Value::read(rest)?.whole.len()..)?;
    }
    Some(Value::read(rest)?.whole)
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
    fn broken_certificates_have_no_key() {
        assert_eq!(public_key_hash(""), None);
        assert_eq!(public_key(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(public_key(&[0x30, 0x02, 0x30, 0x00]), None);
    }
}
