//! Artifacts: verified on the host, skipped when there, nothing left of what did not arrive whole.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::Duration,
};

use baremetal::{
    digest::sha256,
    ssh::{Connection, RunError, Secrets, fetch_script},
};

use super::sshd::Sshd;

fn artifact(sshd: &Sshd) -> (PathBuf, Vec<u8>) {
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    let path = sshd.file("artifact");
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test]
async fn an_artifact_arrives_once() {
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let (path, bytes) = artifact(&sshd);
    let target = sshd.file("host/artifacts/x");
    let to = target.display().to_string();
    for times in [2, 0] {
        let heard = Mutex::new(Vec::new());
        let progress = |sent, total| heard.lock().unwrap().push((sent, total));
        let output = connection
            .transfer(&path, &sha256(&bytes), &to, &progress)
            .await
            .unwrap();
        assert_eq!(output.status, 0, "{}", output.stderr);
        assert_eq!(std::fs::read(&target).unwrap(), bytes);
        let heard = heard.into_inner().unwrap();
        // Only the first time is anything sent.
        assert!(heard.len() >= times, "{heard:?}");
        assert_eq!(heard.is_empty(), times == 0);
        let total = bytes.len() as u64;
        assert!(heard.last().is_none_or(|last| *last == (total, total)));
    }
    // A damaged copy on the host is replaced.
    std::fs::write(&target, "damaged").unwrap();
    connection
        .transfer(&path, &sha256(&bytes), &to, &|_, _| ())
        .await
        .unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
}

#[tokio::test]
async fn what_is_damaged_or_does_not_fit_leaves_nothing() {
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let (path, _) = artifact(&sshd);
    let directory = sshd.file("host");
    let to = directory.join("x").display().to_string();
    let output = connection
        .transfer(&path, &sha256(b"another"), &to, &|_, _| ())
        .await
        .unwrap();
    assert_eq!(output.status, 1);
    assert!(
        output.stderr.contains("damaged or incomplete"),
        "{}",
        output.stderr
    );
    assert_eq!(names(&directory), [""; 0]);
    let huge = std::fs::File::create(sshd.file("huge")).unwrap();
    huge.set_len(8 << 40).unwrap();
    let output = connection
        .transfer(&sshd.file("huge"), &sha256(b"huge"), &to, &|_, _| ())
        .await
        .unwrap();
    assert_eq!(output.status, 28, "{}", output.stderr);
    assert!(output.stderr.contains("no space in"), "{}", output.stderr);
    assert_eq!(names(&directory), [""; 0]);
}

#[tokio::test]
async fn a_transfer_that_is_cut_leaves_nothing() {
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let slow = sshd.file("slow");
    std::fs::File::create(&slow)
        .unwrap()
        .set_len(2 << 30)
        .unwrap();
    let directory = sshd.file("host");
    let to = directory.join("x").display().to_string();
    let begun = tokio::sync::Notify::new();
    let progress = |sent, _| {
        if sent > 0 {
            begun.notify_one();
            // Paced, so that it cannot end before it is cut, however busy the machine.
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let cut = async {
        begun.notified().await;
        connection.close().await;
    };
    let expected = sha256(b"never");
    let (end, ()) = tokio::join!(connection.transfer(&slow, &expected, &to, &progress), cut);
    assert!(matches!(end, Err(RunError::Lost { .. })), "{end:?}");
    for _ in 0..600 {
        if names(&directory).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{:?}", names(&directory));
}

#[tokio::test]
async fn a_host_fetches_and_verifies() {
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let (path, bytes) = artifact(&sshd);
    let url = format!("file://{}", path.display());
    let target = sshd.file("host/x");
    let to = target.display().to_string();
    let fetch = async |connection: &Connection, sha256: &str| {
        let script = fetch_script(&url, sha256, &to, Some(bytes.len() as u64));
        connection
            .run(&script, &Secrets::default(), &|_| ())
            .await
            .unwrap()
    };
    let output = fetch(&connection, &sha256(b"another")).await;
    assert_eq!(output.status, 1);
    assert!(output.stderr.contains("has checksum"), "{}", output.stderr);
    assert!(!target.exists());
    assert_eq!(fetch(&connection, &sha256(&bytes)).await.status, 0);
    assert_eq!(std::fs::read(&target).unwrap(), bytes);
}
