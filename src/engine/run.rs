//! Runs a plan on the hosts of a session, and says what became of every step.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use super::{
    Level, Session,
    explain::Fault,
    graph::{Limits, Node, Runner, State, execute},
    session::{lock, millis},
    stage::Stage,
};
use crate::{
    failure::Code,
    phases::PhaseId,
    plan::{Action, Plan, Step, Work},
    remote::{Output, Script},
    report::{Event, FailureReport, Ordered},
    resources::{Change, apply_script, verify_apply},
};

/// For running steps to end after Ctrl-C; what changes a host goes on there in any case.
const DRAIN: Duration = Duration::from_mins(1);
/// What passes by itself is tried again for so long.
const PATIENCE: Duration = Duration::from_mins(5);
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// What became of a plan.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Changes and actions done.
    pub changed: usize,
    /// By index of the step.
    pub failed: BTreeMap<usize, FailureReport>,
    /// Steps not begun because of a failure, with the reason.
    pub skipped: BTreeMap<usize, String>,
    /// Steps not begun, or not waited for, because the run was stopped.
    pub unfinished: Vec<usize>,
    pub interrupted: bool,
}

impl Outcome {
    /// Whether a step was begun and succeeded.
    pub fn is_done(&self, step: usize) -> bool {
        !self.failed.contains_key(&step)
            && !self.skipped.contains_key(&step)
            && !self.unfinished.contains(&step)
    }

    /// [`Code::Interrupted`], [`Code::Phase`] or [`Code::Done`].
    pub fn code(&self) -> Code {
        if self.interrupted {
            Code::Interrupted
        } else if self.failed.is_empty() && self.skipped.is_empty() && self.unfinished.is_empty() {
            Code::Done
        } else {
            Code::Phase
        }
    }
}

impl Session {
    /// Runs every step as soon as what it waits for allows. A failure stops only what depends on it.
    pub async fn run(&self, plan: &Plan) -> Outcome {
        self.event(Event::Order {
            steps: plan.steps.iter().map(ordered).collect(),
        });
        let steps = Arc::new(plan.steps.clone());
        let stage = Arc::new(Stage::new(self.clone()));
        let runner = Arc::new(StepRunner {
            session: self.clone(),
            steps: steps.clone(),
            stage: stage.clone(),
            changed: Mutex::default(),
            failed: Mutex::default(),
        });
        let nodes: Vec<Node> = steps.iter().map(node).collect();
        let limits = Limits {
            hosts: self.0.cluster.run.parallel,
            drain: DRAIN,
        };
        let asked = tokio::spawn(tell(self.clone()));
        let ahead = stage.prefetch(&steps);
        let states = execute(&nodes, runner.clone(), limits, self.stop()).await;
        ahead.abort();
        asked.abort();
        let mut outcome = Outcome {
            changed: *lock(&runner.changed),
            failed: std::mem::take(&mut lock(&runner.failed)),
            interrupted: self.stop().level() > Level::Go,
            ..Outcome::default()
        };
        for (index, state) in states.into_iter().enumerate() {
            match state {
                State::Skipped { reason } => {
                    outcome.skipped.insert(index, reason);
                }
                State::Waiting | State::Running | State::Abandoned => {
                    outcome.unfinished.push(index);
                }
                State::Failed => {
                    // A step that ended without its own report has panicked.
                    outcome
                        .failed
                        .entry(index)
                        .or_insert_with(|| FailureReport {
                            message: "the step ended unexpectedly".to_owned(),
                            ..FailureReport::default()
                        });
                }
                State::Done => (),
            }
        }
        outcome
    }
}

/// Says what Ctrl-C does when it comes.
async fn tell(session: Session) {
    session.stop().reached(Level::Drain).await;
    session.event(Event::Note {
        text: format!(
            "stopping: what runs has {} s to end, nothing new is begun; Ctrl-C again to leave at once",
            DRAIN.as_secs()
        ),
    });
}

fn ordered(step: &Step) -> Ordered {
    Ordered {
        phase: step.phase,
        host: step.host.clone(),
        title: step.title(),
        needs: step.needs.clone(),
        after: step.after.clone(),
    }
}

fn node(step: &Step) -> Node {
    Node {
        host: step.host.clone(),
        name: format!("{} on {}", step.title(), step.host),
        needs: step.needs.clone(),
        after: step.after.clone(),
    }
}

struct StepRunner {
    session: Session,
    steps: Arc<Vec<Step>>,
    stage: Arc<Stage>,
    changed: Mutex<usize>,
    failed: Mutex<BTreeMap<usize, FailureReport>>,
}

impl Runner for StepRunner {
    async fn run(&self, index: usize) -> bool {
        let step = &self.steps[index];
        let progress = Progress {
            session: &self.session,
            index,
            phase: step.phase,
            host: &step.host,
        };
        let (phase, host, title) = (step.phase, step.host.clone(), step.title());
        self.session.event(Event::StepStarted {
            step: index,
            phase,
            host: host.clone(),
            title: title.clone(),
        });
        let started = Instant::now();
        match self.patiently(step, &progress).await {
            Ok(changed) => {
                *lock(&self.changed) += step.changes();
                self.session.event(Event::StepFinished {
                    step: index,
                    phase,
                    host,
                    title,
                    changed,
                    ms: millis(started),
                });
                true
            }
            Err(fault) => {
                let failure = self.session.explain(step, &fault).await;
                lock(&self.failed).insert(index, failure.clone());
                self.session.event(Event::StepFailed {
                    step: index,
                    phase,
                    host,
                    title,
                    ms: millis(started),
                    failure,
                });
                false
            }
        }
    }

    fn skipped(&self, index: usize, reason: &str) {
        let step = &self.steps[index];
        self.session.event(Event::StepSkipped {
            step: index,
            phase: step.phase,
            host: step.host.clone(),
            title: step.title(),
            reason: reason.to_owned(),
        });
    }
}

impl StepRunner {
    /// Once, and again where the cause passes by itself.
    async fn patiently(&self, step: &Step, progress: &Progress<'_>) -> Result<Vec<String>, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let fault = match self.once(step, progress).await {
                Ok(changed) => return Ok(changed),
                Err(fault) => fault,
            };
            let cause = fault.passing().filter(|_| repeatable(step));
            let Some(cause) = cause.filter(|_| Instant::now() + pause < deadline) else {
                return Err(fault);
            };
            progress.say(&format!("{cause}; trying again in {} s", pause.as_secs()));
            tokio::select! {
                () = tokio::time::sleep(pause) => (),
                () = self.session.stop().reached(Level::Drain) => return Err(fault),
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(&self, step: &Step, progress: &Progress<'_>) -> Result<Vec<String>, Fault> {
        match &step.work {
            Work::Apply(changes) => self.apply(step, changes, progress).await,
            Work::Run(action) => self.action(step, action, progress).await,
        }
    }

    async fn apply(
        &self,
        step: &Step,
        changes: &[Change],
        progress: &Progress<'_>,
    ) -> Result<Vec<String>, Fault> {
        for item in changes.iter().filter_map(Change::artifact) {
            self.stage
                .bring(&step.host, item, &|text| progress.say(text))
                .await?;
        }
        let script = apply_script(crate::phases::name(step.phase), changes);
        let output = self.script(step, &script, progress).await?;
        verify_apply(changes, &output.stdout).map_err(Fault::Check)?;
        let done = |change: &Change| format!("{} {}", change.verb, change.summary);
        Ok(changes.iter().map(done).collect())
    }

    async fn action(
        &self,
        step: &Step,
        action: &Action,
        progress: &Progress<'_>,
    ) -> Result<Vec<String>, Fault> {
        self.script(step, &action.script, progress).await?;
        Ok(vec![action.title.clone()])
    }

    async fn script(
        &self,
        step: &Step,
        script: &Script,
        progress: &Progress<'_>,
    ) -> Result<Output, Fault> {
        let say = |text: &str| progress.say(text);
        let end = self.session.script_heard(&step.host, script, &say).await;
        let output = end.map_err(Fault::NotRun)?;
        if output.status == 0 {
            Ok(output)
        } else {
            Err(Fault::Script(output))
        }
    }
}

/// `kubeadm init` and joins decide for themselves what a second attempt means; everything else may simply be done again.
fn repeatable(step: &Step) -> bool {
    !matches!(
        step.phase,
        PhaseId::Init | PhaseId::JoinControlPlane | PhaseId::JoinWorker
    )
}

/// Shows what a step says while it runs.
struct Progress<'a> {
    session: &'a Session,
    index: usize,
    phase: PhaseId,
    host: &'a str,
}

impl Progress<'_> {
    fn say(&self, text: &str) {
        self.session.event(Event::StepProgress {
            step: self.index,
            phase: self.phase,
            host: self.host.to_owned(),
            text: text.to_owned(),
        });
    }
}
