//! Sealing of shared certificates with a certificate key. Good enough for a test double: a key stream of SHA-256 and a check sum.

use anyhow::{Result, bail};
use sha2::{Digest as _, Sha256};

const CHECK: usize = 32;

pub fn seal(key: &str, plain: &[u8]) -> Vec<u8> {
    let mut sealed = check(key, plain).to_vec();
    sealed.extend(stream(key, &sealed.clone(), plain));
    sealed
}

pub fn open(key: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    let Some((sum, body)) = sealed.split_at_checked(CHECK) else {
        bail!("the secret is too short");
    };
    let plain = stream(key, sum, body);
    if check(key, &plain) != sum {
        bail!("cipher: message authentication failed");
    }
    Ok(plain)
}

fn check(key: &str, plain: &[u8]) -> [u8; CHECK] {
    Sha256::new()
        .chain_update(key)
        .chain_update(plain)
        .finalize()
        .into()
}

fn stream(key: &str, salt: &[u8], bytes: &[u8]) -> Vec<u8> {
    let blocks = bytes.chunks(CHECK).zip(0_u64..);
    blocks
        .flat_map(|(block, count)| {
            let pad = Sha256::new()
                .chain_update(key)
                .chain_update(salt)
                .chain_update(count.to_be_bytes())
                .finalize();
            block
                .iter()
                .zip(pad)
                .map(|(byte, pad)| byte ^ pad)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_with_the_right_key_only() {
        let sealed = seal("aa", b"some certificate longer than thirty-two bytes");
        assert_eq!(
            open("aa", &sealed).unwrap(),
            b"some certificate longer than thirty-two bytes"
        );
        assert!(open("ab", &sealed).is_err());
    }
}
