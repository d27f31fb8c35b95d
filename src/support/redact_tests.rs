use proptest::prelude::*;

use super::*;
use crate::ssh::Secret;

fn redactor() -> Redactor {
    let secrets = Secrets::default();
    secrets.insert("HARBOR", Secret::new("Sw0rdfish!"));
    secrets.insert("SHORT", Secret::new("tiger"));
    secrets.insert("LINES", Secret::new("first line of it\nsecond-line"));
    Redactor::new(&secrets)
}

/// Every form, with PLANTED in the place of the secret.
const PLANTED: &[&str] = &[
    "password: PLANTED",
    "password: \"PLANTED\"",
    "  harborAdminPassword: 'PLANTED'",
    "DB_PASSWORD=PLANTED",
    "{\"password\":\"PLANTED\",\"user\":\"admin\"}",
    "msg=\"{\\\"token\\\":\\\"PLANTED\\\"}\"",
    "kubeadm join 10.0.0.10:6443 --token PLANTED --discovery-token-ca-cert-hash sha256:x",
    "kubeadm join --token=PLANTED --v=5",
    "--certificate-key PLANTED",
    "certificateKey: PLANTED",
    "    client-key-data: PLANTED",
    "    token: PLANTED",
    "Authorization: Bearer PLANTED",
    "authorization: PLANTED with more",
    "curl -H 'Authorization: Basic PLANTED' https://x",
    "https://admin:PLANTED@registry.example/v2/",
    "http_proxy=http://user:PLANTED@proxy:3128/",
    "auth = \"PLANTED\"",
    "{\"auths\":{\"r.example\":{\"auth\":\"PLANTED\"}}}",
    "    auth_pass PLANTED",
    "  stats auth admin:PLANTED",
    "      secret: PLANTED",
    "secret-key = PLANTED",
    "AWS_SECRET_ACCESS_KEY=PLANTED",
    "passphrase:PLANTED",
    "tokens and a token => PLANTED",
    "password: |\n  PLANTED\n  PLANTED\nnext: kept",
    "- password: >-\n    PLANTED\n\n    PLANTED\n- next: kept",
    "- name: DB_PASSWORD\n  value: PLANTED",
    "{\"name\": \"API_TOKEN\", \"value\": \"PLANTED\"}",
    "password: [PLANTED, PLANTED]",
];

proptest! {
    #[test]
    fn whatever_stands_where_a_secret_stands_is_gone(
        secret in "[A-Za-z0-9+/]{1,3}[A-Za-z0-9+/=._~!-]{8,40}",
        form in 0..PLANTED.len(),
        before in "[a-z {}:=\n-]{0,20}",
        after in "[a-z {}:=\n-]{0,20}",
    ) {
        let text = format!("{before}\n{}\n{after}", PLANTED[form].replace("PLANTED", &secret));
        let redacted = redactor().text(&text);
        prop_assert!(!redacted.contains(&secret), "{redacted:?}");
    }

    #[test]
    fn forms_are_known_without_a_key_beside_them(
        id in "[a-z0-9]{6}", secret in "[a-z0-9]{16}", key in "[0-9a-f]{64}",
        noise in "[ \n\"',;:()=/-]{1,10}", body in "[A-Za-z0-9+/]{64}",
        kind in "(RSA |EC |ENCRYPTED |OPENSSH |)",
    ) {
        let token = format!("{id}.{secret}");
        let pem = format!("-----BEGIN {kind}PRIVATE KEY-----\n{body}\n{body}=\n-----END {kind}PRIVATE KEY-----");
        let base64 = base64::engine::general_purpose::STANDARD.encode(&pem);
        let one_line = pem.replace('\n', "\\n");
        let cut_end = pem.split_once("-----END").unwrap().0.to_owned();
        let text = format!("{noise}{token}{noise}{key}{noise}{base64}{noise}\n{one_line}{noise}\n{pem}\n{noise}");
        let redacted = redactor().text(&text);
        for planted in [&token, &secret, &key, &base64, &body] {
            prop_assert!(!redacted.contains(planted.as_str()), "{planted} in {redacted:?}");
        }
        let cut_begin = pem.split_once("KEY-----\n").unwrap().1;
        for cut in [cut_end.as_str(), cut_begin] {
            let redacted = redactor().text(cut);
            prop_assert!(!redacted.contains(&body), "{redacted:?}");
        }
    }

    #[test]
    fn known_secrets_are_gone_whatever_surrounds_them(around in "[ \"'=:/\n.,-]{1,8}") {
        let known = ["Sw0rdfish!", "tiger", "first line of it", "second-line"];
        let base64 = base64::engine::general_purpose::STANDARD;
        let encoded = [base64.encode("Sw0rdfish!"), base64.encode("Sw0rdfish!\n")];
        for secret in known.iter().map(|&text| text.to_owned()).chain(encoded) {
            let redacted = redactor().text(&format!("{around}{secret}{around}"));
            prop_assert!(!redacted.contains(&secret), "{redacted:?}");
        }
    }

    #[test]
    fn no_text_breaks_it_and_twice_is_once(text in "(?s).{0,200}") {
        let redactor = redactor();
        let once = redactor.text(&text);
        prop_assert_eq!(redactor.text(&once), once);
    }
}

#[test]
fn what_is_public_stays() {
    for text in [
        "image: registry.k8s.io/pause@sha256:7031c1b283388d2c2e09b57badb803c05ebed362dc88d84b480cc47f72a21097",
        "--service-account-private-key-file=/etc/kubernetes/pki/sa.key",
        "    secretName: metallb-memberlist",
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key --token-auth-file-mode=x",
        "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUM=",
        "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----",
        "a tigerish cp1.example.org 10.0.0.11:6443 v1.33.4",
        "password: {file: sudo}",
        "https://10.0.0.10:6443/readyz?timeout=2s user@host",
        "kubelet.service: Main process exited, code=exited, status=1/FAILURE",
        "secret \"metallb-memberlist\" not found; token expired",
        "NAME  READY  STATUS\ncoredns-5d78c9869d-abcde  1/1  Running",
    ] {
        assert_eq!(redactor().text(text), text);
    }
}

#[test]
fn containers_are_still_told_apart() {
    let (one, other) = ("a1".repeat(32), "b2".repeat(32));
    let redacted = redactor().text(&format!("{one} {other} {one}"));
    let words: Vec<&str> = redacted.split(' ').collect();
    assert_eq!(words[0], words[2]);
    assert_ne!(words[0], words[1]);
    assert_eq!(words[0].len(), 14);
}

#[test]
fn what_follows_a_block_stays() {
    let text = "a:\n  password: |\n    one\n\n    two\n  user: kept\nb: kept\n";
    assert_eq!(
        redactor().text(text),
        "a:\n  password: ***\n  user: kept\nb: kept\n"
    );
}
