//! The public key of a certificate, without a TLS library: as much DER as that takes.

use base64::Engine as _;

use crate::digest::sha256;

/// `sha256:<hex>` of the subject public key info, as kubeadm's `caCertHashes` want it. `pem` is a PEM file in base64.
pub(super) fn public_key_hash(pem: &str) -> Option<String> {
    let base64 = base64::engine::general_purpose::STANDARD;
    let text = String::from_utf8(base64.decode(pem).ok()?).ok()?;
    let (_, rest) = text.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END CERTIFICATE-----")?;
    let der = base64
        .decode(body.split_whitespace().collect::<String>())
        .ok()?;
    Some(format!("sha256:{}", sha256(public_key(&der)?)))
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

struct Value<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Value<'a> {
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
    fn broken_certificates_have_no_key() {
        assert_eq!(public_key_hash(""), None);
        assert_eq!(public_key(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(public_key(&[0x30, 0x02, 0x30, 0x00]), None);
    }
}
