//! Who asks, and what they may: client certificates, bootstrap tokens, nobody.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

use super::{Failure, Objects};
use crate::{
    clock, kinds,
    net::{Request, Response},
    pki,
};

pub struct User {
    pub name: String,
    pub groups: Vec<String>,
}

const BOOTSTRAPPERS: &str = "system:bootstrappers";

/// The user of a request; anonymous where it shows nothing.
pub async fn user(request: &Request, objects: &Objects) -> Result<User, Failure> {
    if let Some(subject) = &request.client {
        return Ok(User {
            name: subject.common_name.clone(),
            groups: subject.organizations.clone(),
        });
    }
    let Some(header) = request.headers.get("authorization") else {
        return Ok(User {
            name: "system:anonymous".into(),
            groups: vec![],
        });
    };
    let unauthorized = || Failure::new(401, "Unauthorized", "Unauthorized");
    let token = header.strip_prefix("Bearer ").ok_or_else(unauthorized)?;
    let (id, secret) = token.split_once('.').ok_or_else(unauthorized)?;
    let held = objects
        .get(
            &kinds::of("Secret"),
            "kube-system",
            &format!("bootstrap-token-{id}"),
        )
        .await?
        .ok_or_else(unauthorized)?;
    let field = |name: &str| decoded(&held["data"][name]);
    let fits = field("token-secret").as_deref() == Some(secret)
        && field("usage-bootstrap-authentication").as_deref() == Some("true")
        && field("expiration").is_none_or(|when| !clock::is_past(&when));
    if !fits {
        return Err(unauthorized());
    }
    let groups = field("auth-extra-groups").unwrap_or_default();
    Ok(User {
        name: format!("system:bootstrap:{id}"),
        groups: [BOOTSTRAPPERS.to_owned()]
            .into_iter()
            .chain(groups.split(',').map(str::to_owned))
            .collect(),
    })
}

/// Value of a Secret's key as text.
pub fn decoded(value: &Value) -> Option<String> {
    String::from_utf8(BASE64.decode(value.as_str()?).ok()?).ok()
}

/// A small part of RBAC: administrators may all, the others what joining and living needs.
pub fn allow(user: &User, request: &Request) -> Result<(), Failure> {
    let member = |group: &str| user.groups.iter().any(|own| own == group);
    if member("system:masters")
        || member("kubeadm:cluster-admins")
        || user.name.starts_with("system:kube-")
    {
        return Ok(());
    }
    let path = request.path.as_str();
    let reads = request.method == "GET";
    let public = path == "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    let node = path.starts_with("/api/v1/nodes")
        || path.starts_with("/api/v1/namespaces/kube-system/pods")
        || path.starts_with("/standin/");
    let joins = reads
        && (path.starts_with("/api/v1/namespaces/kube-system/configmaps/kube")
            || path.starts_with("/api/v1/nodes/")
            || path == "/api/v1/namespaces/kube-system/secrets/kubeadm-certs")
        || path == "/standin/sign";
    let allowed = match () {
        () if reads && public => true,
        () if member("system:nodes") => reads || node,
        () if member(BOOTSTRAPPERS) => joins,
        () => false,
    };
    if allowed {
        return Ok(());
    }
    let verb = request.method.to_lowercase();
    let message = format!("User {:?} cannot {verb} path {path:?}", user.name);
    Err(Failure::new(
        403,
        "Forbidden",
        format!("forbidden: {message}"),
    ))
}

/// Signs a node's client certificate: what the controller manager does with a bootstrap request.
pub fn sign(user: &User, request: &Request) -> Result<Response, Failure> {
    let may = user.groups.iter().any(|group| {
        group == "system:bootstrappers:kubeadm:default-node-token" || group == "system:nodes"
    });
    if !may {
        return Err(Failure::new(
            403,
            "Forbidden",
            "certificatesigningrequests: not approved",
        ));
    }
    let body = request
        .json()
        .map_err(|error| Failure::bad_request(error.to_string()))?;
    let node = body["node"].as_str().unwrap_or_default();
    let signed = pki::Authority::read("/etc/kubernetes/pki/ca")
        .and_then(|authority| authority.client(&format!("system:node:{node}"), "system:nodes"))
        .map_err(|error| Failure::internal(format!("{error:#}")))?;
    let answer = json!({ "certificate": signed.certificate, "key": signed.key });
    Ok(Response::json(201, &answer))
}
