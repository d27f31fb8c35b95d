//! Passwords and keys that the user brings: from a file, the environment, or a prompt on the terminal.

use std::{collections::BTreeMap, io::IsTerminal as _};

use anyhow::Result;

use crate::{
    failure::{Code, Failure},
    inventory::{Cluster, SecretSource, Sudo},
    phases::{UserSecret, user_secrets},
    ssh::{Secret, Secrets},
};

/// What hosts' sudo asks for, by host; the same source is asked once.
pub(super) fn sudo_passwords(cluster: &Cluster) -> Result<BTreeMap<String, Secret>> {
    let mut known: Vec<(&SecretSource, Secret)> = Vec::new();
    let mut passwords = BTreeMap::new();
    for host in &cluster.hosts {
        let Sudo::Password(source) = &host.ssh.sudo else {
            continue;
        };
        let password = if let Some((_, password)) = known.iter().find(|(other, _)| *other == source)
        {
            password.clone()
        } else {
            let password = read(source, "password for sudo")?;
            known.push((source, password.clone()));
            password
        };
        passwords.insert(host.name.clone(), password);
    }
    Ok(passwords)
}

/// Everything that scripts of this cluster ask for by name.
pub(super) fn of_cluster(cluster: &Cluster) -> Result<Secrets> {
    let secrets = Secrets::default();
    for secret in user_secrets(cluster) {
        let value = right(&secret, read(&secret.source, &secret.title)?)?;
        secrets.insert(secret.name, value);
    }
    Ok(secrets)
}

/// As many of them as can be had without asking anybody, and why the first of the others cannot.
pub(super) fn at_hand(cluster: &Cluster) -> (Secrets, Option<String>) {
    let secrets = Secrets::default();
    let mut missing = None;
    for secret in user_secrets(cluster) {
        let found = match &secret.source {
            SecretSource::Prompt => Err(format!("the {} would have to be asked for", secret.title)),
            source => read(source, &secret.title)
                .and_then(|value| right(&secret, value))
                .map_err(|error| format!("{error:#}")),
        };
        match found {
            Ok(value) => secrets.insert(secret.name, value),
            Err(why) => missing = missing.or(Some(why)),
        }
    }
    (secrets, missing)
}

/// A key of the length that it must have: with another one the API server does not start. What it is, is never said.
fn right(secret: &UserSecret, value: Secret) -> Result<Secret> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    if secret.lengths.is_empty() {
        return Ok(value);
    }
    let wrong = match STANDARD.decode(value.expose()) {
        Ok(key) if secret.lengths.contains(&key.len()) => return Ok(value),
        Ok(key) => format!("it has {} bytes once decoded", key.len()),
        Err(_) => "it is not base64".to_owned(),
    };
    let lengths: Vec<String> = secret.lengths.iter().map(usize::to_string).collect();
    let message = format!(
        "{}: {wrong}, and must have {}",
        secret.title,
        lengths.join(", ")
    );
    Err(Failure::new(Code::Usage, message)
        .hint("make one with `head -c 32 /dev/urandom | base64`; no host was touched")
        .into())
}

fn read(source: &SecretSource, title: &str) -> Result<Secret> {
    let text = match source {
        SecretSource::File(path) => std::fs::read_to_string(path).map_err(|error| {
            Failure::new(Code::Usage, format!("{title}: {}: {error}", path.display()))
                .hint("the inventory names this file; make it, mode 0600, with the secret alone")
        })?,
        SecretSource::Env(name) => std::env::var(name).map_err(|_| {
            Failure::new(
                Code::Usage,
                format!("{title}: the environment has no {name}"),
            )
            .hint(format!("the inventory names it: {name}=… baremetal …"))
        })?,
        SecretSource::Prompt => ask(title)?,
    };
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::new(Code::Usage, format!("{title}: it is empty"))
            .hint("an empty secret is never right; check where it comes from")
            .into());
    }
    Ok(Secret::new(secret))
}

fn ask(title: &str) -> Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            Code::Usage,
            format!("{title}: there is no terminal to ask for it on"),
        )
        .hint(
            "name a file or an environment variable in the inventory: {file: PATH} or {env: NAME}",
        )
        .into());
    }
    Ok(dialoguer::Password::new()
        .with_prompt(title)
        .report(false)
        .interact()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(source: &SecretSource) -> String {
        format!(
            "{:#}",
            read(source, "password for sudo").expect_err("there is none")
        )
    }

    #[test]
    fn a_secret_that_is_not_there_is_named() {
        let file = SecretSource::File("/nonexistent/password".into());
        assert_eq!(
            message(&file),
            "password for sudo: /nonexistent/password: No such file or directory (os error 2)"
        );
        let env = SecretSource::Env("BAREMETAL_TEST_UNSET".into());
        assert_eq!(
            message(&env),
            "password for sudo: the environment has no BAREMETAL_TEST_UNSET"
        );
    }

    #[test]
    fn one_secret_that_is_not_there_hides_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("inventory.yaml");
        let text = "cluster: c\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts: {cp1: {address: 10.0.0.11, role: [control-plane, worker]}}\n\
                    control-plane: {encryption: {key: {env: BAREMETAL_TEST_UNSET}}}\n\
                    metallb: {pools: {p: 10.0.0.200/29}, peers: {tor: {address: 10.0.0.1, my-asn: 64512, peer-asn: 64513, password: {file: tor}}}}\n";
        std::fs::write(&path, text).expect("written");
        std::fs::write(directory.path().join("tor"), "planted-bgp").expect("written");
        let (secrets, why) = at_hand(&crate::inventory::load(&path).expect("an inventory"));
        let why = why.expect("one is missing");
        assert!(
            why.ends_with("the environment has no BAREMETAL_TEST_UNSET"),
            "{why}"
        );
        let known: Vec<_> = secrets
            .names()
            .iter()
            .filter_map(|name| secrets.get(name))
            .collect();
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].expose(), "planted-bgp");
    }

    #[test]
    fn the_line_end_of_a_file_is_no_part_of_the_secret() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "pass word\r\n").expect("written");
        let secret = read(&SecretSource::File(file.path().into()), "x").expect("a secret");
        assert_eq!(secret.expose(), "pass word");
        std::fs::write(file.path(), "\n").expect("written");
        assert_eq!(
            message(&SecretSource::File(file.path().into())),
            "password for sudo: it is empty"
        );
    }

    #[test]
    fn a_key_is_measured_and_never_shown() {
        let secret = |lengths| UserSecret {
            name: "KEY".to_owned(),
            title: "the key".to_owned(),
            source: SecretSource::Prompt,
            lengths,
        };
        let said = |lengths, key: &str| match right(&secret(lengths), Secret::new(key)) {
            Ok(value) => value.expose().to_owned(),
            Err(error) => format!("{error:#}"),
        };
        let key = |length| {
            use base64::Engine as _;
            base64::engine::general_purpose::STANDARD.encode(vec![7; length])
        };
        assert_eq!(said(&[32], &key(32)), key(32));
        assert_eq!(said(&[16, 24, 32], &key(24)), key(24));
        assert_eq!(
            said(&[32], &key(31)),
            "the key: it has 31 bytes once decoded, and must have 32"
        );
        assert_eq!(
            said(&[16, 24, 32], "planted key"),
            "the key: it is not base64, and must have 16, 24, 32"
        );
        assert_eq!(said(&[], "pass word"), "pass word");
    }
}
