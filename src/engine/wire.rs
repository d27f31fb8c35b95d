//! Runs the checks between hosts: listens on all, then probes from all, then collects.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use tokio::{sync::Barrier, task::JoinSet};

use super::Session;
use crate::{
    artifacts::Artifacts,
    observe::Observation,
    phases::preflight::{
        Finding,
        wire::{self, Answer, Task, Unanswered},
    },
    remote::Script,
    ssh::{RunError, Said, Stream},
    templates,
};

/// For a host to begin to listen.
const LISTENS: Duration = Duration::from_secs(15);
/// For a script to end after its stdin did.
const ENDS: Duration = Duration::from_secs(5);
/// For a host to probe: longer than its own limits together.
const PROBES: Duration = Duration::from_secs(40);

impl Session {
    /// One script on every host that answered, all at the same time; what they found. Nothing is sent when all of it is skipped.
    ///
    /// Fails only when the run is asked to stop.
    pub async fn wire(&self, artifacts: &Artifacts, seen: &Observation) -> Result<Vec<Finding>> {
        let cluster = &self.0.cluster;
        let tasks = wire::plan(cluster, artifacts, seen, &token());
        if tasks.is_empty() {
            return Ok(Vec::new());
        }
        let answers = self.unless_stopped(self.ask_wire(&tasks)).await?;
        let findings = wire::judge(cluster, seen, &tasks, &answers);
        if let Some(tried) = wire::tried(&tasks) {
            self.0.reporter.note(tried);
        }
        Ok(findings)
    }

    async fn ask_wire(
        &self,
        tasks: &BTreeMap<String, Task>,
    ) -> BTreeMap<String, Result<Answer, Unanswered>> {
        // Passed when every host listens or has given up, and again when every host has probed.
        let barrier = Arc::new(Barrier::new(tasks.len()));
        let mut running = JoinSet::new();
        for (host, task) in tasks {
            let (session, barrier) = (self.clone(), barrier.clone());
            let (host, script) = (host.clone(), script(task));
            running.spawn(async move {
                let answer = session.ask_one(&host, &script, &barrier).await;
                (host, answer)
            });
        }
        let answers = running.join_all().await;
        for (host, answer) in &answers {
            self.log(&format!("{host} wire: {answer:?}"));
        }
        answers.into_iter().collect()
    }

    async fn ask_one(
        &self,
        host: &str,
        script: &Script,
        barrier: &Barrier,
    ) -> Result<Answer, Unanswered> {
        let mut stream = self.listen(host, script).await;
        barrier.wait().await;
        let answer = match &mut stream {
            Ok(stream) => probe(stream).await,
            Err(_) => Ok(Answer::default()),
        };
        // Others may still be probing this host.
        barrier.wait().await;
        let mut stream = stream?;
        stream.end_input();
        // To its end, so that nothing listens any more when the check has ended.
        let end = async { while stream.next().await.is_some() {} };
        let _ = tokio::time::timeout(ENDS, end).await;
        match answer {
            Ok(answer) => Ok(answer),
            Err(why) => Err(last_words(&mut stream, &why).await),
        }
    }

    /// The script on a host, listening.
    async fn listen(&self, host: &str, script: &Script) -> Result<Stream, Unanswered> {
        let lost = |error: RunError| Unanswered::Other(error.to_string());
        let connection = self.connection(host).map_err(lost)?;
        let mut stream = connection
            .stream(script, self.secrets())
            .await
            .map_err(lost)?;
        match tokio::time::timeout(LISTENS, listening(&mut stream)).await {
            Ok(None | Some(Said::Exit(0))) => Err(last_words(&mut stream, "it ended early").await),
            Ok(Some(Said::Exit(3))) => Err(Unanswered::NoPython),
            Ok(Some(Said::Exit(status))) => {
                let why = format!("it ended with status {status}");
                Err(last_words(&mut stream, &why).await)
            }
            Ok(Some(Said::Broken(why))) => Err(Unanswered::Other(why)),
            Ok(Some(_)) => Ok(stream),
            Err(_) => Err(Unanswered::Other("it did not begin to listen".to_owned())),
        }
    }
}

/// What a script says last before it listens, or ends.
async fn listening(stream: &mut Stream) -> Option<Said> {
    loop {
        match stream.next().await {
            Some(Said::Say(word)) if word == "listening" => return Some(Said::Say(word)),
            end @ (None | Some(Said::Exit(_) | Said::Broken(_))) => return end,
            Some(_) => {}
        }
    }
}

/// Its own last word on stderr, else ours.
async fn last_words(stream: &mut Stream, why: &str) -> Unanswered {
    let errors = stream.errors().await;
    let last = errors.lines().rfind(|line| !line.trim().is_empty());
    Unanswered::Other(last.unwrap_or(why).trim().to_owned())
}

/// Lets a script that listens probe, and takes its answer.
async fn probe(stream: &mut Stream) -> Result<Answer, String> {
    stream.send(b"go\n").await;
    let mut said = String::new();
    let probing = async {
        loop {
            match stream.next().await {
                Some(Said::Say(word)) if word == "probed" => return true,
                Some(Said::Output(line)) => said.push_str(&String::from_utf8_lossy(&line)),
                None | Some(Said::Exit(_) | Said::Broken(_)) => return false,
                Some(_) => {}
            }
        }
    };
    match tokio::time::timeout(PROBES, probing).await {
        Ok(true) => Answer::parse(&said).map_err(|error| format!("{error:#}")),
        Ok(false) => Err("it ended early".to_owned()),
        Err(_) => Err("it did not end in time".to_owned()),
    }
}

fn script(task: &Task) -> Script {
    // A task is plain data with texts for keys: it can be written.
    let told = serde_json::to_vec(task).unwrap_or_default();
    Script::read("wire", templates::text("observe/wire.sh"))
        .attach("wire.py", templates::text("observe/wire.py"))
        .attach("task.json", told)
        .timeout(LISTENS + PROBES)
}

/// By which hosts know each other's listeners from those of another run at the same time; no secret.
fn token() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or_default().as_nanos();
    format!("{:x}-{now:x}", std::process::id())
}
