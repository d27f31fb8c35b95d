//! Scripts on a host: streams, secrets, cut connections, timeouts.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use baremetal::{
    digest::sha256,
    remote::Script,
    ssh::{RunError, Secret, Secrets},
};

use super::sshd::Sshd;

fn quiet(_: &str) {}

#[tokio::test]
async fn a_script_gives_its_output_status_and_attachments() {
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let body = "printf 'a\\nno newline'; echo err >&2; cat \"$BM/data\"; echo \"$2\"; exit 7";
    let script = Script::read("probe", body)
        .attach("data", "::attached\n")
        .arg("x")
        .arg("it's \"$HOME\" `id` \\ \n!");
    let output = connection
        .run(&script, &Secrets::default(), &quiet)
        .await
        .unwrap();
    assert_eq!(output.status, 7);
    assert_eq!(
        output.stdout,
        "a\nno newline::attached\nit's \"$HOME\" `id` \\ \n!\n"
    );
    assert_eq!(output.stderr, "err\n");
    assert_eq!((connection.round_trips(), connection.mutating()), (1, 0));
}

#[tokio::test]
async fn words_to_the_engine_are_no_output() {
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let heard = Mutex::new(Vec::new());
    let secrets = Secrets::default();
    let body = "echo ::secret TOKEN planted-token; echo ::say got planted-token; echo out";
    let say = |text: &str| heard.lock().unwrap().push(text.to_owned());
    let script = Script::change("token", body);
    let output = connection.run(&script, &secrets, &say).await.unwrap();
    assert_eq!(output.stdout, "out\n");
    assert_eq!(*heard.lock().unwrap(), ["got ***"]);
    assert_eq!(secrets.get("TOKEN"), Some(Secret::new("planted-token")));
    let script = Script::change("use", "cat \"$BM/c\"").attach_with_secrets("c", "t: @@TOKEN@@");
    let output = connection.run(&script, &secrets, &say).await.unwrap();
    assert_eq!(output.stdout, "t: planted-token");
    assert_eq!((connection.round_trips(), connection.mutating()), (2, 2));
}

#[tokio::test]
async fn a_script_that_takes_too_long_is_killed_with_all_its_children() {
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let mark = format!("31{:03}", std::process::id() % 1000);
    let body = format!("echo begun; sleep {mark} & sleep {mark}");
    for script in [Script::read("slow", &*body), Script::change("slow", &*body)] {
        let started = Instant::now();
        let script = script.timeout(Duration::from_secs(1));
        let error = connection
            .run(&script, &Secrets::default(), &quiet)
            .await
            .unwrap_err();
        let RunError::TimedOut { output, .. } = &error else {
            panic!("{error:?}")
        };
        assert_eq!(output.stdout, "begun\n");
        assert!(started.elapsed() < Duration::from_secs(8));
    }
    let sleeping = std::process::Command::new("pgrep")
        .args(["-f", &format!("sleep {mark}")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&sleeping.stdout), "");
}

/// Whether any process of this machine (both sides of a loopback connection) has `text` in its arguments or environment.
fn in_processes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        for name in ["cmdline", "environ"] {
            let content = std::fs::read(entry.path().join(name)).unwrap_or_default();
            if String::from_utf8_lossy(&content).contains(text) {
                found.push(format!("{}/{name}", entry.path().display()));
            }
        }
    }
    found
}

#[tokio::test]
async fn a_secret_is_in_no_process_and_in_no_file_that_others_can_read() {
    let token = format!("planted-{}", std::process::id() * 7919);
    let sshd = Sshd::start();
    let connection = sshd.connect().await;
    let secrets = Secrets::default();
    secrets.insert("TOKEN", Secret::new(token.as_str()));
    let body = "stat -c '%a' \"$BM\" \"$BM/config\"; cat \"$BM/config\" >\"$BM/copy\"; echo ::say running; sleep 1; echo \"$BM\"";
    let script = Script::change("use", body).attach_with_secrets("config", "token: @@TOKEN@@");
    let found = Mutex::new(None);
    let say = |_: &str| *found.lock().unwrap() = Some(in_processes(&token));
    let output = connection.run(&script, &secrets, &say).await.unwrap();
    assert_eq!(found.lock().unwrap().take(), Some(Vec::new()));
    let lines: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(lines[..2], ["700", "600"]);
    assert!(
        !std::path::Path::new(lines[2]).exists(),
        "removed at the end"
    );
    // The search finds what is there.
    let mut careless = std::process::Command::new("sh")
        .args(["-c", "sleep 5; true", &token])
        .spawn()
        .unwrap();
    // Its arguments can be read once it has started.
    let mut tries = (0..20).map(|_| {
        std::thread::sleep(Duration::from_millis(100));
        in_processes(&token)
    });
    let seen = tries.any(|seen| !seen.is_empty());
    careless.kill().unwrap();
    careless.wait().unwrap();
    assert!(seen);
}

/// Waits for a file to be there.
fn appears(path: &std::path::Path) -> bool {
    soon(|| path.exists())
}

/// Waits for a file to be gone.
fn goes(path: &std::path::Path) -> bool {
    soon(|| !path.exists())
}

/// Whether it is so within ten seconds.
fn soon(is_so: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_so() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    is_so()
}

#[tokio::test]
async fn a_change_goes_on_without_its_connection_and_a_reading_script_does_not() {
    let sshd = Sshd::start();
    for (kind, goes_on) in [("change", true), ("read", false)] {
        let connection = sshd.connect().await;
        let (began, ended) = (
            sshd.file(&format!("{kind}-began")),
            sshd.file(&format!("{kind}-ended")),
        );
        // What it writes after the cut must not kill it.
        let body = "echo \"$BM\" >\"$1\"; sleep 1; echo out; echo err >&2; echo out; touch \"$2\"";
        let script = if goes_on {
            Script::change("cut", body)
        } else {
            Script::read("cut", body)
        };
        let script = script
            .arg(began.display().to_string())
            .arg(ended.display().to_string());
        let secrets = Secrets::default();
        let cut = async {
            while std::fs::read(&began).unwrap_or_default().is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connection.close().await;
        };
        let (end, ()) = tokio::join!(connection.run(&script, &secrets, &quiet), cut);
        assert!(matches!(end, Err(RunError::Lost { .. })), "{end:?}");
        if goes_on {
            assert!(appears(&ended));
        } else {
            std::thread::sleep(Duration::from_millis(1500));
            assert!(!ended.exists());
        }
        let private = std::fs::read_to_string(&began).unwrap();
        assert!(private.starts_with("/run/baremetal."), "{private}");
        assert!(goes(std::path::Path::new(private.trim())));
    }
}

#[tokio::test]
async fn many_scripts_at_once_and_large_outputs_pass() {
    let sshd = Sshd::start();
    let connection = std::sync::Arc::new(sshd.connect().await);
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..25 {
        let connection = connection.clone();
        tasks.spawn(async move {
            let script = Script::read("number", "echo \"$1\"").arg(number.to_string());
            let output = connection.run(&script, &Secrets::default(), &quiet).await;
            output.unwrap().stdout.trim().parse::<i32>().unwrap()
        });
    }
    let mut numbers = tasks.join_all().await;
    numbers.sort_unstable();
    assert_eq!(numbers, (0..25).collect::<Vec<_>>());
    let body = "head -c 6000000 /dev/zero | tr '\\0' 'a'; cat \"$BM/large\" >&2; exit 3";
    for script in [Script::read("large", body), Script::change("large", body)] {
        let script = script.attach("large", vec![b'b'; 3_000_000]);
        let output = connection
            .run(&script, &Secrets::default(), &quiet)
            .await
            .unwrap();
        assert_eq!((output.status, output.stdout.len()), (3, 6_000_000));
        assert!(output.stderr.ends_with("bbb"), "its end is kept");
    }
}

/// Feeds the loader itself.
fn load(stream: &[u8]) -> String {
    use std::io::Write as _;
    let mut loader = std::process::Command::new("sh")
        .args(["-c", baremetal::templates::text("remote/loader.sh")])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // The loader may have gone before it has read everything.
    let _ = loader.stdin.take().unwrap().write_all(stream);
    let output = loader.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_stream_that_is_cut_or_damaged_runs_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mark = directory.path().join("ran");
    let mut archive = tar::Builder::new(Vec::new());
    let body = format!("touch '{}'\n", mark.display());
    let mut header = tar::Header::new_gnu();
    header.set_size(body.len() as u64);
    header.set_mode(0o600);
    archive
        .append_data(&mut header, ".run", body.as_bytes())
        .unwrap();
    let archive = archive.into_inner().unwrap();
    let sum = sha256(&archive);
    let header = format!("BM1 {} {sum} change 10\n", archive.len());
    let whole = [header.as_bytes(), &archive].concat();
    for cut in (0..header.len())
        .step_by(7)
        .chain((header.len()..whole.len()).step_by(173))
    {
        let said = load(&whole[..cut]);
        assert!(!mark.exists(), "cut at {cut}: {said}");
        assert!(!said.contains("::exit"), "cut at {cut}: {said}");
    }
    let mut damaged = whole.clone();
    damaged[header.len() + 520] ^= 1;
    assert!(load(&damaged).contains("::broken the script arrived incomplete"));
    assert!(!mark.exists());
    assert!(load(&whole).ends_with("\n::exit 0\n"));
    assert!(mark.exists());
}

#[test]
fn remote_scripts_are_clean() {
    for name in ["loader", "root", "transfer", "fetch", "lock", "exec"] {
        let path = format!("{}/templates/remote/{name}.sh", env!("CARGO_MANIFEST_DIR"));
        let output = std::process::Command::new("shellcheck")
            .args(["-s", "sh", &path])
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}
