//! A look at a cluster: every host asked once, then its API and a plan at the same time; nothing is changed and nobody prompted
//! but for what hosts' own sudo asks.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{confirm, open, run::Run, secrets};
use crate::{
    artifacts::{self, Artifacts},
    cli::{ReachArgs, SourceArgs},
    engine::{self, Looked, Session, Stop},
    inventory::{self, Cluster},
    lab,
    observe::Observation,
    phases,
    plan::{self, Plan},
    report::Event,
    ssh::Secrets,
    status::{self, Answers, Drift, Seen, Status},
};

/// What one look after the other needs.
pub(super) struct Look {
    pub cluster: Cluster,
    pub session: Session,
    /// Why there can be no plan.
    no_plan: Option<String>,
    /// Whether the version in the cluster is the inventory's own.
    versioned: bool,
    patience: Duration,
}

/// What came of it.
pub(super) struct View {
    pub status: Status,
    pub looked: Looked,
    pub plan: Option<Plan>,
}

impl Look {
    /// Connects to nobody yet. What only a plan needs may be missing: then there is no plan, and why is said.
    ///
    /// `patience` for a look, from the number of hosts.
    pub async fn new(
        run: &Run,
        inventory: &Path,
        (source, reach): (&SourceArgs, &ReachArgs),
        patience: impl FnOnce(usize) -> Duration,
    ) -> Result<Self> {
        let (cluster, unknown_version) = any_cluster(inventory, source, reach)?;
        let patience = patience(cluster.hosts.len());
        let (secrets, why) = secrets::at_hand(&cluster);
        let versioned = unknown_version.is_none();
        run.reporter.send(Event::RunStarted {
            command: run.command.to_owned(),
            cluster: cluster.name.clone(),
            hosts: cluster.hosts.iter().map(|host| host.name.clone()).collect(),
            note: None,
        });
        // A host that is off is not worth half of the time that a reader has.
        let (cluster, session) = unconnected(run, &cluster, secrets, reach, patience / 2).await?;
        Ok(Self {
            cluster,
            session,
            no_plan: unknown_version.or(why),
            versioned,
            patience,
        })
    }

    /// Every host once; then, at the same time, the API and what a plan would find, until the time is over.
    pub async fn once(&self, inventory: &Path) -> Result<View> {
        let begun = Instant::now();
        // Some of the time is kept for what can only be asked afterwards.
        let looked = self.session.look(self.patience * 4 / 5).await?;
        let left = self.patience.saturating_sub(begun.elapsed());
        let (api, found) = tokio::join!(
            in_time(left, ask(self, &looked.seen)),
            // It holds whole plans.
            in_time(left, Box::pin(drift(self, &looked.seen, inventory)))
        );
        let (drift, plan) = match found {
            Ok((drift, plan)) => (Ok(drift), plan),
            Err(why) => (Err(why), None),
        };
        let seen = Seen {
            observation: &looked.seen,
            answers: &looked.answers,
            api,
            drift,
            now: i64::try_from(engine::now()).unwrap_or(i64::MAX),
        };
        Ok(View {
            status: status::make(&self.cluster, self.versioned, &seen),
            looked,
            plan,
        })
    }
}

/// The cluster for commands that only look. Where its version would come from a bundle that is not there, any will do, and why it
/// is not known is given back.
fn any_cluster(
    inventory: &Path,
    source: &SourceArgs,
    reached: &ReachArgs,
) -> Result<(Cluster, Option<String>)> {
    let (mut cluster, why) = match inventory::load_with(inventory, &super::load_options(source)) {
        Ok(cluster) => (cluster, None),
        Err(error) => match open::any_version(inventory, source) {
            Some(cluster) => (cluster, Some(format!("{error:#}"))),
            None => return Err(error),
        },
    };
    open::reach(&mut cluster, reached);
    Ok((cluster, why))
}

/// A session that has not connected to any host of `cluster` yet, keeps no log, and gives each `patience`; hosts of a lab are
/// started first.
async fn unconnected(
    run: &Run,
    cluster: &Cluster,
    secrets: Secrets,
    reach: &ReachArgs,
    patience: Duration,
) -> Result<(Cluster, Session)> {
    let sudo_passwords = secrets::sudo_passwords(cluster)?;
    let cluster = lab::ready(cluster, &run.reporter).await?;
    let options = engine::Options {
        accept_new_host_keys: reach.accept_new_host_keys,
        asks_for_host_keys: confirm::terminal(),
        sudo_passwords,
        secrets,
        log: None,
        stop: Stop::on_signals()?,
        patience: Some(patience),
    };
    let session = Session::new(&cluster, options, &run.reporter)?;
    Ok((cluster, session))
}

/// What a plan is made of. Looked for in a thread that nobody waits for at the end: it may ask a server for checksums.
async fn resolve(look: &Look) -> Result<Artifacts, String> {
    if let Some(why) = &look.no_plan {
        return Err(why.clone());
    }
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let cluster = look.cluster.clone();
    std::thread::spawn(move || {
        let found = artifacts::resolve(&cluster).map_err(|error| format!("{error:#}"));
        // Nobody may want it any more.
        let _ = sender.send(found);
    });
    let found = receiver.await;
    found.unwrap_or_else(|_| Err("the artifacts could not be looked for".to_owned()))
}

async fn in_time<T>(
    left: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    let late = || Err("it took too long; `--timeout SECONDS` gives more time".to_owned());
    let end = tokio::time::timeout(left, work).await;
    end.unwrap_or_else(|_| late())
}

/// What the elected control plane's own API server says, or why there is none to ask.
async fn ask(look: &Look, seen: &Observation) -> Result<Answers, String> {
    let Some(host) = look.cluster.host(&seen.elected) else {
        return Err("no control plane was reached".to_owned());
    };
    if !engine::is_live(seen) {
        return Err("no API server that was reached is ready".to_owned());
    }
    let script = status::api_script(&look.cluster, host);
    match look.session.script(&host.name, &script).await {
        Ok(output) if output.status == 0 => Ok(Answers::parse(&output.stdout)),
        Ok(output) => {
            let last = output.stderr.lines().last().unwrap_or("no error output");
            Err(format!("asked on {}: {last}", host.name))
        }
        Err(error) => Err(format!("asked on {}: {error}", host.name)),
    }
}

/// What `plan` would say.
async fn drift(
    look: &Look,
    seen: &Observation,
    inventory: &Path,
) -> Result<(Drift, Option<Plan>), String> {
    if !engine::is_live(seen) {
        return Err("no API server that was reached is ready".to_owned());
    }
    let artifacts = resolve(look).await?;
    let seen = look.session.observe(&artifacts, seen.clone()).await;
    let seen = seen.map_err(|error| format!("{error:#}"))?;
    let found = phases::differences(&look.cluster, &seen, inventory);
    let mut drift = Drift::default();
    let mut plan = None;
    // What is refused would stop `up` before it made a plan.
    if found.refusals.is_empty() {
        let made = plan::make(&look.cluster, &artifacts, &seen);
        let made = made.map_err(|error| format!("{error:#}"))?;
        drift.changes = made.changes();
        for step in &made.steps {
            let at = format!("{}: {}", step.host, step.title());
            *drift.steps.entry(at).or_default() += step.changes();
        }
        plan = Some(made);
    }
    let refused = found.refusals.into_iter().map(|one| one.what);
    drift.differences = found.notes.into_iter().chain(refused).collect();
    Ok((drift, plan))
}
