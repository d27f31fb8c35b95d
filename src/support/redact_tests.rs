use proptest::prelude::*;

use super::*;
use crate::ssh::Secret;

fn redactor() -> Redactor {
    let secrets = Secrets::default();
    secrets.insert("HARBOR", Secret::new("Sw0rdfish!"));
    secrets.insert("SHORT", Secret::new("tiger"));
    secrets.insert("QUOTED", Secret::new("a\"b\\c\td"));
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
    "password: correct PLANTED staple",
    "      DB_PASSWORD:  two PLANTED",
    "Environment:\n      DB_PASSWORD:  two words, \"PLANTED\" and 'more' # PLANTED",
    "app[1]: using password: correct \"horse\" PLANTED",
    "{\"message\":\"using password: correct PLANTED\",\"level\":\"info\"}",
    "DB_PASSWORD=correct PLANTED",
    "err=\"container &Container{Name:db,Env:[]EnvVar{EnvVar{Name:DB_PASSWORD,Value:PLANTED,ValueFrom:nil,},EnvVar{Name:A,Value:,ValueFrom:nil,},},}\"",
    "Env:[]EnvVar{EnvVar{Name:DB_PASSWORD,Value:a, b PLANTED,ValueFrom:nil,},",
    "[{Name:API_TOKEN_2 Value:a PLANTED ValueFrom:<nil>}]",
    "{\"name\":\"API_TOKEN\",\"value\":\"PLANTED\"}",
    "{\\\"name\\\":\\\"API_TOKEN\\\",\\\"value\\\":\\\"PLANTED\\\"}",
    "- name: DB_PASSWORD\n  value: two PLANTED",
    "- name: \"DB_PASSWORD_1\"\n  value: 'it''s PLANTED'",
    "- {name: DB_PASSWORD, value: PLANTED}",
    "- --password\n- PLANTED",
    "    - \"--password\"\n    - \"two PLANTED\"",
    "args: [\"--password\", \"PLANTED\", \"--v=2\"]",
    "{\"args\":[\"--db-password\",\"PLANTED\"]}",
    "Args:[--password PLANTED --v=2]",
    "PASSWORD_1=PLANTED",
    "db_password2=PLANTED",
    "TOKEN_VALUE: PLANTED",
    "apiTokenValue=PLANTED",
    "passwords: PLANTED",
    "passwords:\n- PLANTED\n- two PLANTED",
    "passwords:\n  - PLANTED\n  - two PLANTED\nnext: kept",
    "password={PLANTED}",
    "password: {PLANTED}",
    "password: {value: PLANTED}",
    "password:\n  value: PLANTED",
    "password:\n  PLANTED",
    "password:\n\n  two PLANTED\n  and PLANTED\nnext: kept",
    "PASSWORD_1: |\n  PLANTED\nnext: kept",
    "password: 'it''s PLANTED'",
    "password='it'\\''s PLANTED'",
    "password: \"a \\\" PLANTED\"",
    "msg=\"{\\\"token\\\":\\\"a\\\\\\\" PLANTED\\\"}\"",
    "curl -u admin:PLANTED https://x",
    "curl --user 'admin:PLANTED' https://x",
    "ctr images pull --user=admin:PLANTED r.example/x",
    "dsn root:PLANTED@tcp(10.0.0.5:3306)/db",
    "bearer_token = PLANTED",
    "EnvVar{Name:DB_PASSWORD,Value:two PLANTED",
    "  - name: DB_PASSWORD\n    value: |\n      PLANTED\n    other: kept",
    "- name: DB_PASSWORD\n  value:\n    PLANTED\n",
    "password:\n  value: |\n    PLANTED\n",
    "{\"Env\":[\"DB_PASSWORD=two PLANTED\",\"A=b\"]}",
    "Environment=\"DB_PASSWORD=two PLANTED\"",
    "Environment='DB_PASSWORD=two PLANTED' A=b",
    "Set-Cookie: session=PLANTED; Path=/",
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
        let known = ["Sw0rdfish!", "tiger", "first line of it", "second-line", "a\"b\\c\td", r#"a\"b\\c\td"#];
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
        // Why something failed, of which a secret is only the subject.
        "I1121 22:50:49.123456       1 token.go:123] \"Rotated\" node=\"cp1\"",
        "open /run/secrets/serviceaccount/token: no such file or directory",
        "couldn't find key password in Secret default/db",
        "Authentication failed, passed=3 passes: 2 bypass: true",
        "  TokenExpirationSeconds:  3607\n    SecretName:  db\n    Optional:    false",
        "      DB_PASSWORD:  <set to the key 'password' in secret 'db'>  Optional: false",
        "Image pull secrets:  <none>",
        "{\"automountServiceAccountToken\":false,\"imagePullSecrets\":[{\"name\":\"pull\"}],\"secret\":null}",
        "imagePullSecrets:\n- name: pull\nsecret:\n  secretName: db\n  items: []",
        "Volume{Name:db,VolumeSource{Secret:&SecretVolumeSource{SecretName:db,Items:[]KeyToPath{},},Secret:nil,}",
        "EnvVar{Name:TOKEN_TTL,Value:24h,ValueFrom:nil,}",
        "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      key: db\n      name: db",
        "- --token-auth-file=/etc/tokens.csv\n- --v=2",
        "--discovery-token-ca-cert-hash sha256:x --token-ttl 2h",
        "docker run --user 1000:1000 -u 0:0",
        "password: \"\"",
        "    - --kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key",
        "\"Caches populated\" type=\"*v1.Secret\" reflector=\"x\"",
    ] {
        assert_eq!(redactor().text(text), text);
    }
}

/// What is said behind a secret's name is why something failed: only what may be the secret is taken.
#[test]
fn the_rest_of_a_sentence_stays() {
    for (text, expected) in [
        (
            "failed to list *v1.Secret: Get \"https://10.0.0.10:6443/x\": dial tcp: connection refused",
            "failed to list *v1.Secret: *** \"https://10.0.0.10:6443/x\": dial tcp: connection refused",
        ),
        (
            "failed to fetch anonymous token: unexpected status: 401 Unauthorized",
            "failed to fetch anonymous token: *** status: 401 Unauthorized",
        ),
        (
            "{\"message\":\"using --token=abc for it\",\"level\":\"info\"}",
            "{\"message\":\"using --token=*** for it\",\"level\":\"info\"}",
        ),
        (
            "{\"message\":\"password: a b\\nnext\",\"level\":\"info\"}",
            "{\"message\":\"password: ***\\nnext\",\"level\":\"info\"}",
        ),
        (
            "EnvVar{Name:DB_PASSWORD,Value:X,ValueFrom:nil,},EnvVar{Name:A,Value:b,ValueFrom:nil,}",
            "EnvVar{Name:DB_PASSWORD,Value:***,ValueFrom:nil,},EnvVar{Name:A,Value:b,ValueFrom:nil,}",
        ),
        (
            "{\"password\":1234,\"user\":\"a\"}",
            "{\"password\":***,\"user\":\"a\"}",
        ),
        (
            "- name: DB_PASSWORD\n  value: |\n    a\n  other: kept\n",
            "- name: DB_PASSWORD\n  value: ***\n  other: kept\n",
        ),
        (
            "{\"Env\":[\"DB_PASSWORD=a b\",\"A=b\"]}",
            "{\"Env\":[\"DB_PASSWORD=***\",\"A=b\"]}",
        ),
        (
            "Environment='DB_PASSWORD=a b' 'A=b'",
            "Environment='DB_PASSWORD=***' 'A=b'",
        ),
        (
            "password:\n  a b\nnext: kept\n",
            "password: ***\nnext: kept\n",
        ),
        (
            "tokens:\n- a\n- b\nnext: kept\n",
            "tokens: ***\nnext: kept\n",
        ),
    ] {
        assert_eq!(redactor().text(text), expected);
    }
}

#[test]
fn time_grows_with_the_length_alone() {
    for piece in [
        "secretName: x ",
        "password:\n",
        "--token ",
        "{\"token\":[",
        "a:b@tcp",
        "name: password,Value:",
        "'",
        "password: '",
    ] {
        let text = piece.repeat(100_000 / piece.len());
        let begun = std::time::Instant::now();
        redactor().text(&text);
        assert!(
            begun.elapsed().as_secs() < 10,
            "{piece}: {:?}",
            begun.elapsed()
        );
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
