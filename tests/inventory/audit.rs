//! The user's audit policy: what an API server would not start with is told before anything is sent.

use std::fs;

use baremetal::inventory;

use super::{BASE, shorten};

const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

/// What is said about an inventory with this policy.
fn said(policy: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("inventory.yaml");
    fs::write(directory.path().join("policy.yaml"), policy).unwrap();
    let text = format!("{BASE}control-plane:\n  audit: {{policy: policy.yaml}}\n");
    fs::write(&file, text).unwrap();
    match inventory::load(&file) {
        Ok(cluster) => {
            assert_eq!(cluster.control_plane.audit.unwrap().policy, policy);
            String::new()
        }
        Err(error) => shorten(&error, directory.path()).to_string(),
    }
}

#[test]
fn a_policy_that_an_api_server_takes_is_taken() {
    for rules in [
        "rules: [{level: Metadata}]\n",
        "omitStages: [RequestReceived]\nrules:\n- level: None\n  users: [system:kube-proxy]\n  verbs: [watch]\n  resources:\n  \
         - group: \"\"\n    resources: [endpoints]\n    resourceNames: [x]\n- level: RequestResponse\n- level: Request\n",
        // As JSON is YAML.
        "\"rules\": [{\"level\": \"None\", \"nonResourceURLs\": [\"/healthz*\"]}]\n",
    ] {
        assert_eq!(said(&format!("{HEAD}{rules}")), "", "{rules}");
    }
}

#[test]
fn a_policy_that_keeps_api_servers_down_is_refused_with_its_line() {
    for (policy, place) in [
        ("", "policy.yaml:1:1: the file is empty"),
        (
            "rules: [{level: Metadata}]\n",
            "policy.yaml:1:1: write `apiVersion: audit.k8s.io/v1`",
        ),
        (
            "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]\n",
            "policy.yaml:1:13: write `apiVersion: audit.k8s.io/v1`",
        ),
        (
            "apiVersion: audit.k8s.io/v1\nkind: Event\nrules: [{level: None}]\n",
            "policy.yaml:2:7: write `kind: Policy`",
        ),
        (HEAD, "policy.yaml:1:1: `rules` is empty"),
        (
            &format!("{HEAD}rules: []\n"),
            "policy.yaml:3:8: `rules` is empty",
        ),
        (
            &format!("{HEAD}rules: {{level: None}}\n"),
            "policy.yaml:3:8: `rules` must be a list",
        ),
        (
            &format!("{HEAD}rules:\n- level: Metadata\n- level: metadata\n"),
            "policy.yaml:5:10: each rule needs a `level`: None, Metadata, Request, RequestResponse",
        ),
        (
            &format!("{HEAD}rules:\n- verbs: [get]\n"),
            "policy.yaml:4:3: each rule needs a `level`",
        ),
        (
            &format!("{HEAD}rules:\n- level: None\n  users: admin\n"),
            "policy.yaml:5:10: `users` must be a list",
        ),
        (
            &format!("{HEAD}rules:\n- level: None\n  resources: [secrets]\n"),
            "policy.yaml:5:15: write a mapping such as",
        ),
        (&format!("{HEAD}rules:\n- level: [\n"), "policy.yaml:"),
    ] {
        let said = said(policy);
        let begins =
            "inventory.yaml:12:19: control-plane.audit.policy: `policy.yaml` is no audit policy: ";
        assert!(
            said.strip_prefix(begins)
                .is_some_and(|rest| rest.starts_with(place)),
            "{policy}: {said}"
        );
    }
}
