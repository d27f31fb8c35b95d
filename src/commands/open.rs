//! What every command that works on hosts begins with: inventory, lab, artifacts, connections, facts, preflight.

use std::path::Path;

use anyhow::Result;

use super::{confirm, host_keys, run::Run, secrets};
use crate::{
    artifacts::{self, Artifacts},
    cli::{ReachArgs, SourceArgs, Target},
    engine::{self, RunLog, Session, Stop},
    failure::{Code, Failure},
    inventory::{self, Cluster, LoadOptions},
    lab,
    observe::Observation,
    phases::{
        self,
        preflight::{self, Finding},
    },
    plan::{self, Plan},
    report::{Event, Topology},
    ssh::Secrets,
};

/// The inventory with what the command line says on top.
pub(super) fn cluster(target: &Target) -> Result<Cluster> {
    cluster_with(target, &super::load_options(&target.source))
}

/// As [`cluster`], with options of the command's own.
pub(super) fn cluster_with(target: &Target, options: &LoadOptions) -> Result<Cluster> {
    let mut cluster = inventory::load_with(&target.inventory, options)?;
    say_over(&mut cluster, target)?;
    Ok(cluster)
}

/// What the command line says on top of an inventory.
pub(super) fn say_over(cluster: &mut Cluster, target: &Target) -> Result<()> {
    let skip = target.connection.skip_checks.iter().cloned();
    cluster.run.skip_checks.extend(skip);
    preflight::known_skips(cluster)?;
    reach(cluster, &target.connection.reach);
    Ok(())
}

/// How the command line says that hosts are reached, over the inventory.
pub(super) fn reach(cluster: &mut Cluster, args: &ReachArgs) {
    if let Some(parallel) = args.parallel {
        cluster.run.parallel = usize::from(parallel);
    }
}

/// Connects to every host of `cluster` that answers, and says which do not; those of a lab are started first.
pub(super) async fn connect(
    run: &Run,
    cluster: &Cluster,
    artifacts: Option<&Artifacts>,
    secrets: Secrets,
    reach: &ReachArgs,
) -> Result<(Cluster, Session)> {
    let sudo_passwords = secrets::sudo_passwords(cluster)?;
    let log = RunLog::open(&cluster.name, secrets.clone());
    if let Ok(log) = &log {
        run.reporter.keep(log.clone());
    }
    run.reporter.send(Event::RunStarted {
        command: run.command.to_owned(),
        cluster: cluster.name.clone(),
        hosts: cluster.hosts.iter().map(|host| host.name.clone()).collect(),
        note: artifacts.and_then(|artifacts| artifacts.note.clone()),
    });
    run.reporter.send(Event::Inventory {
        topology: Box::new(Topology::of(cluster)),
    });
    if let Err(error) = &log {
        run.reporter.note(format!("no log of this run: {error}"));
    }
    let more = artifacts.iter().flat_map(|artifacts| &artifacts.warnings);
    for warning in cluster.warnings.iter().chain(more) {
        run.reporter.note(warning);
    }
    let cluster = lab::ready(cluster, &run.reporter).await?;
    let options = engine::Options {
        accept_new_host_keys: reach.accept_new_host_keys,
        asks_for_host_keys: confirm::terminal(),
        sudo_passwords,
        secrets,
        log: log.ok(),
        stop: Stop::on_signals()?,
        patience: None,
    };
    let session = Session::connect(&cluster, options, &run.reporter).await?;
    host_keys::ask(&cluster, &session).await?;
    Ok((cluster, session))
}

/// As [`cluster`], for a cluster that ends: where the version would come from a bundle that is not there, any will do.
pub(super) fn bare_cluster(target: &Target) -> Result<Cluster> {
    cluster(target).or_else(|error| any_version(&target.inventory, &target.source).ok_or(error))
}

pub(super) fn any_version(inventory: &Path, source: &SourceArgs) -> Option<Cluster> {
    of_any_version(inventory, &super::load_options(source))
}

fn of_any_version(inventory: &Path, options: &LoadOptions) -> Option<Cluster> {
    let options = LoadOptions {
        bundle: None,
        kubernetes: Some(ANY_VERSION),
        ..options.clone()
    };
    inventory::load_with(inventory, &options).ok()
}

/// A cluster of which only the hosts matter, and how they are reached: no bundle that is gone keeps anybody from them.
pub(super) fn reachable_cluster(inventory: &Path) -> Result<Cluster> {
    let options = super::bundle_from_environment();
    inventory::load_with(inventory, &options)
        .or_else(|error| of_any_version(inventory, &options).ok_or(error))
}

const ANY_VERSION: semver::Version = semver::Version::new(1, 33, 0);

/// Hosts that are connected, and what is needed to say what they must be.
pub(super) struct Opened {
    pub cluster: Cluster,
    pub artifacts: Artifacts,
    pub session: Session,
}

impl Opened {
    /// Connects to every host that answers. Artifacts are checked first: a damaged one is found before any host is touched.
    pub async fn new(run: &Run, target: &Target) -> Result<Self> {
        Self::with(run, target, Box::new(cluster(target)?)).await
    }

    /// As [`Opened::new`], with a cluster that the inventory does not describe yet.
    pub async fn with(run: &Run, target: &Target, cluster: Box<Cluster>) -> Result<Self> {
        let artifacts = {
            let cluster = cluster.clone();
            tokio::task::spawn_blocking(move || artifacts::resolve(&cluster)).await??
        };
        let secrets = secrets::of_cluster(&cluster)?;
        let (cluster, session) = connect(
            run,
            &cluster,
            Some(&artifacts),
            secrets,
            &target.connection.reach,
        )
        .await?;
        Ok(Self {
            cluster,
            artifacts,
            session,
        })
    }

    /// As [`Opened::new`], for work that needs neither artifacts nor the user's secrets: a bundle or a key that is gone stops
    /// nobody from it. Only the hosts of `cluster` are connected.
    pub async fn of(run: &Run, target: &Target, cluster: Cluster) -> Result<Self> {
        let artifacts = Artifacts::default();
        let reach = &target.connection.reach;
        let (cluster, session) = connect(run, &cluster, None, Secrets::default(), reach).await?;
        Ok(Self {
            cluster,
            artifacts,
            session,
        })
    }

    /// As [`Opened::new`], for work that needs neither artifacts nor the user's secrets: a bundle or a key that is gone stops nobody
    /// from taking a cluster down.
    pub async fn bare(run: &Run, target: &Target) -> Result<Self> {
        Self::of(run, target, bare_cluster(target)?).await
    }

    /// Facts of every host, and whether the run may go on with what was reached.
    pub async fn facts(&self) -> Result<Observation> {
        self.session.facts().await
    }

    /// What hosts and the cluster are, once nothing speaks against working on them. Everything that was found is shown.
    ///
    /// Where hosts seem unfit because the inventory asks of a running cluster what cannot be, the latter is what is said.
    pub async fn observed(&self, inventory: &Path) -> Result<(Observation, Plan)> {
        let seen = self.facts().await?;
        phases::accept_port(&self.cluster, &seen, inventory)?;
        let findings = preflight::check(&self.cluster, &self.artifacts, &seen);
        super::show_findings(&self.session, &findings);
        let Err(unfit) = self.gate(&seen, &findings) else {
            return self.plan(seen, inventory).await;
        };
        if engine::is_live(&seen)
            && let Err(error) = self.plan(seen, inventory).await
            && code(&error) == Some(Code::Refused)
        {
            return Err(error);
        }
        Err(unfit)
    }

    /// The plan, and what it was made from.
    ///
    /// # Errors
    /// [`Code::Refused`] where the inventory asks of a running cluster what is not done.
    pub async fn plan(&self, seen: Observation, inventory: &Path) -> Result<(Observation, Plan)> {
        let seen = self.session.observe(&self.artifacts, seen).await?;
        let notes = phases::accept(&self.cluster, &seen, inventory)?;
        let mut plan = plan::make(&self.cluster, &self.artifacts, &seen)?;
        plan.notes.extend(notes);
        Ok((seen, plan))
    }

    /// [`Opened::facts`] for the preflight checks alone: cheaper, and of no use for a plan.
    pub async fn facts_to_check(&self) -> Result<Observation> {
        self.session.facts_to_check().await
    }

    /// Fails when a host was not reached; why each was not has been said by then.
    pub fn all_reached(&self) -> Result<()> {
        let missing: Vec<_> = self.session.unreachable().into_keys().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} of {} cannot be worked on ({}); nothing was changed",
            missing.len(),
            crate::report::text::count(self.cluster.hosts.len(), "host"),
            missing.join(", ")
        );
        Err(Failure::new(Code::Unreachable, message)
            .hint("mend what is said above, then run the same command again")
            .into())
    }

    /// Stops before anything is changed: hosts that are unfit, and hosts out of reach where no cluster is yet.
    ///
    /// Everything that was found about the hosts that answered is printed all the same.
    pub fn gate(&self, seen: &Observation, findings: &[Finding]) -> Result<()> {
        if !engine::is_live(seen) {
            self.all_reached()?;
        }
        if seen.elected.is_empty() {
            return Err(
                Failure::new(Code::Unreachable, "no control plane can be worked on")
                    .hint(
                        "every step goes through one; the lines above say what keeps us from each",
                    )
                    .into(),
            );
        }
        super::fit(findings)
    }
}

fn code(error: &anyhow::Error) -> Option<Code> {
    error.downcast_ref::<Failure>().map(|failure| failure.code)
}
