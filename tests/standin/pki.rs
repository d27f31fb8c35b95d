//! Real X.509: authorities, server and client certificates.

use std::{fs, net::IpAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose as Usage, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};

use crate::{
    clock,
    net::{der, tls},
};

const YEAR: u64 = 365 * 86400;

/// Certificate and private key in PEM.
#[derive(Debug, Clone)]
pub struct Signed {
    pub certificate: String,
    pub key: String,
}

impl Signed {
    /// Writes `PATH.crt` (0644) and `PATH.key` (0600).
    pub fn write(&self, path: &str) -> Result<()> {
        write(&format!("{path}.crt"), self.certificate.as_bytes(), 0o644)?;
        write(&format!("{path}.key"), self.key.as_bytes(), 0o600)
    }
}

pub struct Authority {
    pub signed: Signed,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// A new self-signed authority that lives ten years.
    pub fn new(common_name: &str) -> Result<Self> {
        let key = KeyPair::generate()?;
        let params = authority_params(common_name)?;
        let certificate = params.self_signed(&key)?.pem();
        let signed = Signed {
            certificate,
            key: key.serialize_pem(),
        };
        Ok(Self {
            signed,
            issuer: Issuer::new(params, key),
        })
    }

    /// The authority in `PATH.crt` and `PATH.key`.
    pub fn read(path: &str) -> Result<Self> {
        let read = |end: &str| {
            let path = format!("{path}.{end}");
            fs::read_to_string(&path).with_context(|| format!("open {path}"))
        };
        Self::from_pem(Signed {
            certificate: read("crt")?,
            key: read("key")?,
        })
    }

    pub fn from_pem(signed: Signed) -> Result<Self> {
        let certificates = tls::certificates(signed.certificate.as_bytes())?;
        let first = certificates.first().context("no certificate in PEM")?;
        let params = authority_params(&der::subject(first)?.common_name)?;
        let key = KeyPair::from_pem(&signed.key)?;
        Ok(Self {
            signed,
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads the authority at `path`, or makes it there.
    pub fn read_or_new(path: &str, common_name: &str) -> Result<Self> {
        if Path::new(&format!("{path}.crt")).exists() {
            return Self::read(path);
        }
        let authority = Self::new(common_name)?;
        authority.signed.write(path)?;
        Ok(authority)
    }

    pub fn client(&self, common_name: &str, organization: &str) -> Result<Signed> {
        self.sign(common_name, organization, &[], &[Usage::ClientAuth])
    }

    pub fn server(&self, common_name: &str, names: &[String]) -> Result<Signed> {
        self.sign(common_name, "", names, &[Usage::ServerAuth])
    }

    /// For peers, which are both.
    pub fn peer(&self, common_name: &str, names: &[String]) -> Result<Signed> {
        self.sign(
            common_name,
            "",
            names,
            &[Usage::ServerAuth, Usage::ClientAuth],
        )
    }

    fn sign(
        &self,
        name: &str,
        organization: &str,
        names: &[String],
        usages: &[Usage],
    ) -> Result<Signed> {
        let key = KeyPair::generate()?;
        let mut params = params(name, YEAR)?;
        if !organization.is_empty() {
            params
                .distinguished_name
                .push(DnType::OrganizationName, organization);
        }
        params.subject_alt_names = alternative_names(names)?;
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        params.extended_key_usages = usages.to_vec();
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Signed {
            certificate,
            key: key.serialize_pem(),
        })
    }
}

/// A key pair in PEM, for service account tokens: private, public.
pub fn key_pair() -> Result<(String, String)> {
    let key = KeyPair::generate()?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

/// Writes a file with its directory, with the mode from the start.
pub fn write(path: &str, content: &[u8], mode: u32) -> Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let path = Path::new(path);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("mkdir {}", parent.display()))?;
    }
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .with_context(|| format!("open {}", path.display()))?;
    file.write_all(content)?;
    Ok(())
}

fn authority_params(common_name: &str) -> Result<CertificateParams> {
    let mut params = params(common_name, 10 * YEAR)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::KeyCertSign,
    ];
    params.subject_alt_names = alternative_names(&[common_name.to_owned()])?;
    Ok(params)
}

fn params(common_name: &str, lifetime: u64) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    let epoch = date_time_ymd(1970, 1, 1);
    // Clocks of hosts differ a little.
    params.not_before = epoch + Duration::from_secs(clock::seconds() - 300);
    params.not_after = epoch + Duration::from_secs(clock::seconds() + lifetime);
    Ok(params)
}

fn alternative_names(names: &[String]) -> Result<Vec<SanType>> {
    names
        .iter()
        .map(|name| {
            Ok(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into()?),
            })
        })
        .collect()
}
