//! Bootstrap tokens and certificate keys.

use std::{fs::File, io::Read as _};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{
    config::check_token,
    node,
    upload::{Api, SYSTEM},
};
use crate::{args::Flags, bundle, clock, kubeconfig::Access, say};

const FLAGS: &str = "kubeconfig= dry-run ttl= description= usages= groups= print-join-command config= certificate-key= o,output= experimental-output= v,v=";
const GROUP: &str = "system:bootstrappers:kubeadm:default-node-token";

pub async fn run(arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    if words == ["generate"] {
        say(random()?);
        return Ok(0);
    }
    let path = flags
        .get("kubeconfig")
        .unwrap_or("/etc/kubernetes/admin.conf");
    let access = Access::read(path)?;
    let api = Api::new(access.client()?);
    match words.as_slice() {
        ["create", rest @ ..] => {
            let token = match rest {
                [] => random()?,
                [token] => (*token).to_owned(),
                _ => bail!("accepts at most 1 arg(s), received {}", rest.len()),
            };
            let ttl = flags.get("ttl").unwrap_or("24h0m0s");
            let ttl = clock::duration(ttl).with_context(|| {
                format!("invalid argument {ttl:?} for \"--ttl\" flag: time: invalid duration")
            })?;
            store(
                &api,
                &token,
                ttl,
                flags.get("description").unwrap_or_default(),
            )
            .await?;
            match flags.on("print-join-command") {
                true => say(format!(
                    "kubeadm join {} --token {token} --discovery-token-ca-cert-hash {} ",
                    access.server.trim_start_matches("https://"),
                    node::ca_hash()?
                )),
                false => say(token),
            }
        }
        ["delete", tokens @ ..] if !tokens.is_empty() => {
            for token in tokens {
                let id = token.split('.').next().unwrap_or_default();
                if id.len() != 6 {
                    bail!(
                        "given token or token id {token:?} didn't match pattern \"\\A([a-z0-9]{{6}})\\z\""
                    );
                }
                api.delete(&format!("{SYSTEM}/secrets/bootstrap-token-{id}"))
                    .await
                    .with_context(|| format!("failed to delete bootstrap token {id:?}"))?;
                say(format!("bootstrap token {id:?} deleted"));
            }
        }
        ["list"] => list(&api, flags.get("output")).await?,
        other => bail!(
            "unknown command {:?} for \"kubeadm token\"",
            other.join(" ")
        ),
    }
    Ok(0)
}

async fn list(api: &Api, output: Option<&str>) -> Result<()> {
    let secrets = api.get(&format!("{SYSTEM}/secrets")).await?;
    for secret in secrets["items"].as_array().into_iter().flatten() {
        if secret["type"] != "bootstrap.kubernetes.io/token" {
            continue;
        }
        let field =
            |name: &str| crate::apiserver::decoded(&secret["data"][name]).unwrap_or_default();
        let token = format!("{}.{}", field("token-id"), field("token-secret"));
        match output {
            Some("json") => say(json!({
                "kind": "BootstrapToken", "apiVersion": "output.kubeadm.k8s.io/v1alpha3", "token": token,
                "description": field("description"), "expires": field("expiration"), "usages": ["authentication", "signing"], "groups": [GROUP],
            })),
            _ => say(format!(
                "{token}   {}   authentication,signing   {}",
                field("expiration"),
                field("description")
            )),
        }
    }
    Ok(())
}

/// Puts a token into the cluster; with `ttl` 0 it never ends.
pub async fn store(api: &Api, token: &str, ttl: u64, description: &str) -> Result<()> {
    let usages = json!({
        "auth-extra-groups": GROUP, "usage-bootstrap-authentication": "true", "usage-bootstrap-signing": "true",
    });
    put(api, token, ttl, description, usages).await
}

/// The token without any use that kubeadm makes for every upload of certificates.
pub async fn store_proxy(api: &Api) -> Result<()> {
    let what = "Proxy for managing TTL for the kubeadm-certs secret";
    put(api, &random()?, 2 * 3600, what, json!({})).await
}

async fn put(api: &Api, token: &str, ttl: u64, description: &str, mut data: Value) -> Result<()> {
    check_token(token)?;
    let (id, secret) = token.split_once('.').unwrap_or_default();
    data["token-id"] = json!(id);
    data["token-secret"] = json!(secret);
    data["description"] = json!(description);
    if ttl > 0 {
        data["expiration"] = json!(clock::format(clock::seconds() + ttl));
    }
    for value in data
        .as_object_mut()
        .into_iter()
        .flat_map(|data| data.values_mut())
    {
        *value = json!(BASE64.encode(value.as_str().unwrap_or_default()));
    }
    let object = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "bootstrap.kubernetes.io/token",
        "metadata": {"name": format!("bootstrap-token-{id}"), "namespace": "kube-system"}, "data": data,
    });
    api.put(&format!("{SYSTEM}/secrets"), &object).await?;
    Ok(())
}

pub fn random() -> Result<String> {
    let letters: Vec<char> = ('a'..='z').chain('0'..='9').collect();
    let text: String = bytes(22)?
        .iter()
        .map(|byte| letters[usize::from(*byte) % letters.len()])
        .collect();
    Ok(format!("{}.{}", &text[..6], &text[6..]))
}

/// 32 random bytes in hex.
pub fn certificate_key() -> Result<String> {
    Ok(bundle::hex(&bytes(32)?))
}

fn bytes(count: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Signature of cluster-info for a token, as the controller manager's bootstrap signer adds it.
pub fn signature(config: &str, token: &str) -> Value {
    json!(crate::bundle::sha256(
        format!("{token} {config}").as_bytes()
    ))
}
