//! The script itself, between addresses of this machine.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
};

use baremetal::{
    phases::preflight::wire::{Answer, Task},
    templates,
};
use serde_json::{Value, json};

/// Where the other host listens.
const THERE: &str = "127.0.0.3";

/// The script of one host, as it runs there.
struct Running {
    child: Child,
    out: BufReader<ChildStdout>,
    _directory: tempfile::TempDir,
}

impl Running {
    /// Started, and listening.
    fn start(task: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("wire.py", templates::text("observe/wire.py")),
            ("task.json", &task.to_string()),
        ] {
            fs::write(directory.path().join(name), text).unwrap();
        }
        let mut child = Command::new("sh")
            .args(["-c", templates::text("observe/wire.sh")])
            .env("BM", directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self {
            child,
            out,
            _directory: directory,
        };
        assert_eq!(running.line(), "::say listening");
        running
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn go(&mut self) {
        self.child
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"go\n")
            .unwrap();
    }

    /// What it answers, and that it ends with its stdin.
    fn answer(&mut self) -> Answer {
        let answer = Answer::parse(&self.line()).unwrap();
        assert_eq!(self.line(), "::say probed");
        answer
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

/// A task with nothing in it but what is given.
fn task(host: &str, more: &Value) -> Value {
    let mut task = serde_json::to_value(Task {
        host: host.to_owned(),
        token: "t".to_owned(),
        ..Task::default()
    })
    .unwrap();
    for (key, value) in more.as_object().unwrap() {
        assert!(task.get(key).is_some(), "a task has no {key}");
        task[key] = value.clone();
    }
    task
}

/// A port that is free on every address of this machine.
fn free_port() -> u16 {
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
fn the_script_reaches_what_listens_and_nothing_else() {
    if Command::new("python3").arg("--version").output().is_err() {
        writeln!(std::io::stderr(), "skipped: there is no python3").unwrap();
        return;
    }
    let [good, dumb, closed] = [(); 3].map(|()| free_port());
    let squatter = TcpListener::bind((THERE, dumb)).unwrap();
    let listen = |proto: &str, port: u16| json!({"proto": proto, "address": THERE, "port": port});
    let ears = [
        listen("tcp", good),
        listen("udp", good),
        listen("tcp", dumb),
    ];
    let mut there = Running::start(&task("there", &json!({ "listen": ears })));
    let mut here = Running::start(&task("here", &asks(good, dumb, closed)));
    there.go();
    here.go();
    let heard = there.answer();
    assert_eq!(heard.listen.len(), 1, "{heard:?}");
    assert_eq!(
        (heard.listen[0].port, &*heard.listen[0].why),
        (dumb, "used")
    );
    is_what_was_asked(&here.answer(), good, closed);
    // Still there for hosts that are slower.
    assert!(TcpStream::connect((THERE, good)).is_ok());
    there.end();
    assert!(TcpStream::connect((THERE, good)).is_err());
    here.end();
    drop(squatter);
}

fn asks(good: u16, dumb: u16, closed: u16) -> Value {
    let probe = |to: &str, proto: &str, port: u16, ours: bool| json!({"to": to, "proto": proto, "address": THERE, "port": port, "ours": ours});
    json!({
        "probes": [
            probe("there", "tcp", good, true),
            probe("there", "udp", good, true),
            probe("there", "tcp", dumb, true),
            probe("there", "tcp", good, false),
            probe("elsewhere", "udp", good, true),
            probe("there", "tcp", closed, true),
            probe("there", "udp", closed, true),
        ],
        "disk": "/tmp/not/there",
        "names": ["localhost", "no.such.name.invalid"],
        "sites": [{"of": "x", "url": format!("http://{THERE}:{closed}/v2/"), "ca": "", "verify": true}],
    })
}

#[track_caller]
fn is_what_was_asked(answer: &Answer, good: u16, closed: u16) {
    let mut missed: Vec<_> = answer
        .reach
        .iter()
        .map(|one| format!("{} {} {}", one.to, one.port, one.why))
        .collect();
    missed.sort();
    let mut expected = vec![
        format!("elsewhere {good} there answers there"),
        format!("there {closed} Connection refused"),
        format!("there {closed} Connection refused"),
    ];
    expected.sort();
    assert_eq!(missed, expected);
    let disk = answer.disk.as_ref().unwrap();
    assert_eq!(disk.directory, "/tmp");
    assert!(disk.writes > 0 && disk.p99 > 0.0, "{disk:?}");
    assert_eq!(answer.names.len(), 1);
    assert_eq!(answer.names[0].name, "no.such.name.invalid");
    assert_eq!(answer.sites[0].why, "Connection refused");
    assert_eq!(answer.errors, BTreeMap::new());
}
