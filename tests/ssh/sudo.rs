//! Becoming root by sudo. The login user is root on loopback: `id` and `sudo` are played by scripts that come first in PATH.
//! Real sudo is met in the lab's end-to-end tests.

use std::os::unix::fs::PermissionsExt as _;

use baremetal::{
    remote::Script,
    ssh::{ConnectError, Connection, Kind, Options, RunError, Secret, Secrets},
};

use super::sshd::{Sshd, options};

/// A sudo that takes `right` only, asks up to three times as the real one does, and never asks when `right` is empty.
const SUDO: &str = r#"#!/bin/sh
right=RIGHT
mode= prompt=
while [ "$1" != -- ]; do
    case $1 in
    -n) mode=n ;;
    -S) mode=S ;;
    -p) shift; prompt=$1 ;;
    esac
    shift
done
shift
[ -n "$right" ] || exec "$@"
[ "$mode" = S ] || { echo 'sudo: a password is required' >&2; exit 1; }
for try in 1 2 3; do
    printf '%s' "$prompt" >&2
    IFS= read -r given || { echo 'sudo: no password was provided' >&2; exit 1; }
    [ "$given" != "$right" ] || exec "$@"
    echo 'Sorry, try again.' >&2
done
echo 'sudo: 3 incorrect password attempts' >&2
exit 1
"#;

fn played(right: Option<&str>) -> Sshd {
    let directory = tempfile::tempdir().unwrap().keep();
    let put = |name: &str, text: &str| {
        let path = directory.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    put("id", "#!/bin/sh\necho 1000\n");
    let mut path = format!("{}:/usr/bin:/bin", directory.display());
    if let Some(right) = right {
        put("sudo", &SUDO.replace("RIGHT", &format!("'{right}'")));
    } else {
        // Nothing but a shell: no sudo anywhere.
        std::os::unix::fs::symlink("/bin/sh", directory.join("sh")).unwrap();
        path = directory.display().to_string();
    }
    Sshd::start_with(&format!("SetEnv PATH={path}\n"))
}

async fn run(sshd: &Sshd, password: Option<&str>) -> Result<String, RunError> {
    let options = Options {
        sudo_password: password.map(Secret::new),
        ..options()
    };
    let connection = Connection::open(&sshd.host(), &options).await.unwrap();
    // Anything left over of the password would be part of the script's input or output.
    let script = Script::change("x", "echo done");
    let output = connection
        .run(&script, &Secrets::default(), &|_| ())
        .await?;
    assert_eq!((output.status, output.stderr.as_str()), (0, ""));
    Ok(output.stdout)
}

async fn fails(sshd: &Sshd, password: Option<&str>) -> ConnectError {
    match run(sshd, password).await {
        Err(RunError::Connect(error)) => *error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn sudo_without_a_password_is_used_and_a_known_password_is_not_sent() {
    let sshd = played(Some(""));
    assert_eq!(run(&sshd, None).await.unwrap(), "done\n");
    assert_eq!(run(&sshd, Some("needless")).await.unwrap(), "done\n");
}

#[tokio::test]
async fn sudo_gets_its_password_when_it_asks() {
    let sshd = played(Some("right one"));
    assert_eq!(run(&sshd, Some("right one")).await.unwrap(), "done\n");
}

#[tokio::test]
async fn every_way_of_not_becoming_root_is_told() {
    let sshd = played(Some("right"));
    let error = fails(&sshd, None).await;
    assert_eq!(error.kind, Kind::SudoPassword, "{error:?}");
    let error = fails(&sshd, Some("planted-wrong")).await;
    assert_eq!(error.kind, Kind::WrongSudoPassword, "{error:?}");
    assert!(!format!("{error:?}").contains("planted"), "{error:?}");
    let error = fails(&played(None), None).await;
    assert_eq!(error.kind, Kind::NoSudo, "{error:?}");
}
