//! The few fields of an X.509 certificate that the tools look at.

use anyhow::{Context as _, Result, bail};

/// Common name and organizations of a certificate: user and groups of Kubernetes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub common_name: String,
    pub organizations: Vec<String>,
}

/// Reads the subject of a certificate in DER.
pub fn subject(certificate: &[u8]) -> Result<Subject> {
    let mut subject = Subject::default();
    let mut names = fields(certificate)?.subject;
    while !names.is_empty() {
        let (_, set, after) = element(names)?;
        names = after;
        let (_, pair, _) = element(set)?;
        let (_, kind, value) = element(pair)?;
        let (_, value, _) = element(value)?;
        let value = String::from_utf8_lossy(value).into_owned();
        match kind {
            [0x55, 0x04, 0x03] => subject.common_name = value,
            [0x55, 0x04, 0x0a] => subject.organizations.push(value),
            _ => {}
        }
    }
    Ok(subject)
}

/// `sha256:<hex>` over the public key, as kubeadm's `caCertHashes` has it.
pub fn public_key_hash(certificate: &[u8]) -> Result<String> {
    let key = fields(certificate)?.public_key;
    Ok(format!("sha256:{}", crate::bundle::sha256(key)))
}

struct Fields<'a> {
    subject: &'a [u8],
    /// `SubjectPublicKeyInfo` with its header.
    public_key: &'a [u8],
}

fn fields(certificate: &[u8]) -> Result<Fields<'_>> {
    let (_, outer, _) = element(certificate)?;
    let (_, mut rest, _) = element(outer)?;
    let (tag, _, after) = element(rest)?;
    if tag == 0xa0 {
        rest = after;
    }
    // serial number, signature algorithm, issuer, validity
    for _ in 0..4 {
        rest = element(rest)?.2;
    }
    let (_, subject, after) = element(rest)?;
    let key = element(after)?.2;
    Ok(Fields {
        subject,
        public_key: &after[..after.len() - key.len()],
    })
}

/// Tag, content and what follows.
fn element(bytes: &[u8]) -> Result<(u8, &[u8], &[u8])> {
    let [tag, first, rest @ ..] = bytes else {
        bail!("a certificate ends too early");
    };
    let (length, rest) = if let 0..=0x7f = first {
        (usize::from(*first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        let digits = rest.get(..count).context("a certificate ends too early")?;
        let length = digits
            .iter()
            .fold(0, |sum, &digit| sum << 8 | usize::from(digit));
        (length, &rest[count..])
    };
    let content = rest.get(..length).context("a certificate ends too early")?;
    Ok((*tag, content, &rest[length..]))
}
