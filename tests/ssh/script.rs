//! Scripts on a host: streams, secrets, cut connections, timeouts.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use baremetal::{
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
