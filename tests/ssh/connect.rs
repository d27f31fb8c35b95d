//! Reaching a host, and every way of not reaching it.

use std::time::{Duration, Instant};

use baremetal::{
    inventory::Ssh,
    ssh::{ConnectError, Connection, Kind, Options, accept},
};

use super::sshd::{Sshd, free_port, host, options};

async fn fails(ssh: Ssh, address: &str, options: &Options) -> ConnectError {
    let started = Instant::now();
    let error = Connection::open(&host("cp1", address, ssh), options)
        .await
        .expect_err("it must not connect");
    let elapsed = started.elapsed();
    assert!(elapsed < Duration::from_secs(16), "{elapsed:?}: {error}");
    error
}

#[tokio::test]
async fn a_host_is_reached_and_left_without_a_trace() {
    let sshd = Sshd::start();
    let options = options();
    let directory = options.control.path().to_owned();
    let connection = Connection::open(&sshd.host(), &options).await.unwrap();
    assert!(connection.is_alive().await);
    assert!(directory.join("0.s").exists());
    connection.close().await;
    assert!(!connection.is_alive().await);
    drop((connection, options));
    assert!(!directory.exists());
}

#[tokio::test]
async fn a_refused_key_names_user_and_key() {
    let sshd = Sshd::start();
    let key = sshd.file("other_key");
    let ssh = Ssh {
        key: Some(key.clone()),
        ..sshd.ssh()
    };
    let error = fails(ssh, "127.0.0.1", &options()).await;
    assert_eq!(error.kind, Kind::Authentication, "{error:?}");
    assert!(error.message.contains("user `root`"), "{error}");
    assert!(
        error.message.contains(&key.display().to_string()),
        "{error}"
    );
}

#[tokio::test]
async fn an_unknown_host_key_is_shown_and_can_be_accepted() {
    let sshd = Sshd::start();
    let ssh = Ssh {
        known_hosts: Some(sshd.file("fresh/known_hosts")),
        ..sshd.ssh()
    };
    let error = fails(ssh.clone(), "127.0.0.1", &options()).await;
    assert_eq!(error.kind, Kind::UnknownHostKey, "{error:?}");
    assert_eq!(error.host_keys.len(), 1);
    assert!(error.message.contains("ED25519 SHA256:"), "{error}");
    assert!(
        !sshd.file("fresh/known_hosts").exists(),
        "nothing is trusted unasked"
    );
    let host = host("cp1", "127.0.0.1", ssh);
    accept(&host, &error.host_keys).unwrap();
    Connection::open(&host, &options()).await.unwrap();
}

/// Not where `HOME` is: ssh heeds the user's configuration, and would ask for the same key again.
#[tokio::test]
async fn an_accepted_host_key_goes_to_the_file_that_ssh_looks_into() {
    let sshd = Sshd::start();
    let known = sshd.file("elsewhere/known");
    let config = sshd.file("user_config");
    let text = format!("UserKnownHostsFile {}\n", known.display());
    std::fs::write(&config, text).unwrap();
    let ssh = Ssh {
        config: Some(config),
        known_hosts: None,
        ..sshd.ssh()
    };
    let error = fails(ssh.clone(), "127.0.0.1", &options()).await;
    assert_eq!(error.kind, Kind::UnknownHostKey, "{error:?}");
    let host = host("cp1", "127.0.0.1", ssh);
    accept(&host, &error.host_keys).unwrap();
    assert!(known.is_file());
    Connection::open(&host, &options()).await.unwrap();
}

#[tokio::test]
async fn a_new_host_key_is_accepted_when_asked_to_and_a_changed_one_never() {
    let mut sshd = Sshd::start();
    let ssh = Ssh {
        known_hosts: Some(sshd.file("fresh_known_hosts")),
        ..sshd.ssh()
    };
    let options = Options {
        accept_new_host_keys: true,
        ..options()
    };
    let host = host("cp1", "127.0.0.1", ssh.clone());
    Connection::open(&host, &options).await.unwrap();
    sshd.change_host_key();
    let error = fails(ssh, "127.0.0.1", &options).await;
    assert_eq!(error.kind, Kind::ChangedHostKey, "{error:?}");
    assert!(error.hint.contains("ssh-keygen -R"), "{}", error.hint);
}

#[tokio::test]
async fn a_refused_port_is_told_at_once() {
    let sshd = Sshd::start();
    let ssh = Ssh {
        port: Some(free_port()),
        ..sshd.ssh()
    };
    let started = Instant::now();
    let error = fails(ssh, "127.0.0.1", &options()).await;
    assert_eq!(error.kind, Kind::Refused, "{error:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up_in_time() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let sshd = Sshd::start();
    let ssh = Ssh {
        port: Some(listener.local_addr().unwrap().port()),
        ..sshd.ssh()
    };
    let options = Options {
        timeout: Duration::from_secs(2),
        ..options()
    };
    let error = fails(ssh, "127.0.0.1", &options).await;
    assert_eq!(error.kind, Kind::TimedOut, "{error:?}");
}

#[tokio::test]
async fn a_name_without_address_is_named() {
    let error = fails(Ssh::default(), "no-such-host.invalid", &options()).await;
    assert_eq!(error.kind, Kind::NotResolved, "{error:?}");
}

#[tokio::test]
async fn a_jump_host_is_passed_and_its_failures_are_told_from_the_hosts_own() {
    let (jump, target) = (Sshd::start(), Sshd::start());
    let both = std::fs::read_to_string(jump.file("known_hosts")).unwrap()
        + &std::fs::read_to_string(target.file("known_hosts")).unwrap();
    std::fs::write(target.file("known_hosts"), both).unwrap();
    let authorized = std::fs::read_to_string(target.file("user_key.pub")).unwrap();
    let through = Ssh {
        jump: Some(format!("root@127.0.0.1:{}", jump.port)),
        ..target.ssh()
    };
    let error = fails(through.clone(), "127.0.0.1", &options()).await;
    assert_eq!(error.kind, Kind::JumpHost, "{error:?}");
    std::fs::write(jump.file("authorized_keys"), authorized).unwrap();
    Connection::open(&host("cp1", "127.0.0.1", through.clone()), &options())
        .await
        .unwrap();
    let nowhere = Ssh {
        port: Some(free_port()),
        ..through
    };
    let error = fails(nowhere, "127.0.0.1", &options()).await;
    assert_eq!(error.kind, Kind::Refused, "{error:?}");
}
