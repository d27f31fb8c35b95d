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
    // A second run at the same time finds the first one's listeners.
    let again = json!({ "listen": [listen("tcp", good), listen("udp", good)] });
    let mut second = Running::start(&task("there", &again));
    second.go();
    let busy = second.answer().listen;
    assert_eq!(busy.len(), 2, "{busy:?}");
    assert!(
        busy.iter().all(|one| one.why == "another check"),
        "{busy:?}"
    );
    second.end();
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

/// What the script's own functions say, with less patience than on hosts.
fn python(body: &str) -> Value {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("wire.py"),
        templates::text("observe/wire.py"),
    )
    .unwrap();
    let code = format!("import json, socket, threading, time, wire\n{body}");
    let ran = Command::new("python3")
        .args(["-B", "-c", &code])
        .current_dir(directory.path())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{errors}");
    serde_json::from_slice(&ran.stdout).unwrap()
}

#[test]
fn who_does_not_answer_in_time_has_not_answered() {
    let listener = TcpListener::bind((THERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let said = python(&format!(
        r#"
url = "http://silent.example:{port}/v2/"
socket.getaddrinfo = lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("{THERE}", {port}))] * 4
task = dict.fromkeys(("names", "time-servers", "name-servers", "paths", "adverts", "pool", "disk", "probes"), [])
task.update(token="t", host="h", sites=[{{"url": url}}], etcd=False)
wire.PATIENCE = 0.5
late = wire.answers(task, [])
wire.END = 0.2
unfinished = wire.answers(task, [])
wire.PATIENCE, began = 20, time.monotonic()
alone = wire.visit({{"url": url}})
print(json.dumps([late, unfinished, alone, time.monotonic() - began < 9]))
"#
    ));
    let url = format!("http://silent.example:{port}/v2/");
    let late = json!([{"url": url, "why": "no answer within 0.5 s"}]);
    assert_eq!((&said[0]["sites"], &said[0]["errors"]), (&late, &json!({})));
    assert_eq!(said[1]["sites"], Value::Null);
    assert_eq!(
        said[1]["errors"],
        json!({"sites": "no end within 0.2 s"}),
        "{said}"
    );
    assert_eq!(said[2], "no answer within 5 s");
    assert_eq!(said[3], true, "addresses are tried at once");
}

#[test]
fn addresses_that_drop_packets_cost_no_time() {
    let listener = TcpListener::bind((THERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    // A listener whose queue is full drops what comes, as a firewall does.
    let said = python(&format!(
        r#"
full = socket.socket()
full.bind(("{THERE}", 0))
full.listen(0)
fill = [socket.socket() for _ in range(4)]
for one in fill:
    one.setblocking(False)
    one.connect_ex(full.getsockname())
socket.getaddrinfo = lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", there) for there in [full.getsockname()] * 3 + [("{THERE}", {port})]]
began = time.monotonic()
wire.dial("several.example", {port}).close()
print(json.dumps(time.monotonic() - began < 3))
"#
    ));
    assert_eq!(said, true);
}

#[test]
fn a_member_of_etcd_says_itself_how_long_it_writes() {
    let said = python(
        r#"
import http.server
class Metrics(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        for bound, count in (("0.001", 10), ("0.016", 90), ("0.032", 100), ("+Inf", 100)):
            self.wfile.write(b'etcd_disk_wal_fsync_duration_seconds_bucket{le="%s"} %d\n' % (bound.encode(), count))
    def log_message(self, *_):
        pass
server = http.server.HTTPServer(("127.0.0.3", 0), Metrics)
threading.Thread(target=server.serve_forever, daemon=True).start()
task = {"disk": "/var/lib/etcd", "etcd": True}
wire.ETCD = "http://127.0.0.3:%d/metrics" % server.server_port
told = wire.disk(task)
wire.ETCD = "http://127.0.0.3:1/metrics"
try:
    silent = wire.disk(task)
except OSError as error:
    silent = str(error)
print(json.dumps([told, silent]))
"#,
    );
    let told = json!({"directory": "/var/lib/etcd", "writes": 100, "p99": 16.0});
    assert_eq!(said[0], told);
    let why = said[1].as_str().unwrap();
    assert!(
        why.starts_with("nothing is written beside a member of etcd"),
        "{why}"
    );
}
