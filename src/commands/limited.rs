//! `--limit`: what a verb does when it is told which hosts of the inventory are meant.

use std::collections::BTreeSet;

use anyhow::Result;

use super::{open::Opened, run::Ending};
use crate::{
    cli::{LimitArg, Target},
    engine::Outcome,
    failure::{Code, Failure},
    inventory::{self, Cluster},
    observe::Observation,
    phases::{
        self,
        preflight::{self, Finding},
    },
    plan::{Limited, Narrowing},
    report::{Event, text::count},
};

/// Hosts that are meant, where not all are.
pub(super) struct Scope {
    pub names: BTreeSet<String>,
    selector: String,
}

impl Scope {
    /// None without a limit, and where it holds every host.
    ///
    /// # Errors
    /// [`Code::Usage`] where it means no host.
    pub fn of(cluster: &Cluster, limit: &LimitArg) -> Result<Option<Self>> {
        let Some(selector) = &limit.limit else {
            return Ok(None);
        };
        let names: BTreeSet<String> = inventory::select(cluster, selector)?.into_iter().collect();
        Ok((names.len() < cluster.hosts.len()).then(|| Self {
            names,
            selector: selector.clone(),
        }))
    }

    /// `w1, w2`.
    pub fn list(&self) -> String {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.join(", ")
    }

    /// Those of them that could not be worked on.
    pub fn missing(&self, opened: &Opened) -> Vec<String> {
        let mut missing: Vec<String> = opened.session.unreachable().into_keys().collect();
        missing.retain(|name| self.names.contains(name));
        missing
    }

    /// Fails when one of them was not reached; why each was not has been said by then.
    pub fn all_reached(&self, opened: &Opened) -> Result<()> {
        let missing = self.missing(opened);
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} of {} cannot be worked on ({}); nothing was changed",
            missing.len(),
            count(self.names.len(), "host"),
            missing.join(", ")
        );
        Err(Failure::new(Code::Unreachable, message)
            .hint("mend what is said above, then run the same command again")
            .into())
    }

    /// Findings on other hosts are none of this run's business.
    pub fn keep(&self, findings: &mut Vec<Finding>) {
        findings.retain(|finding| self.names.contains(&finding.host));
    }

    /// Looks at every host and plans for these; everything that was found about them is shown.
    pub async fn look(&self, opened: &Opened, target: &Target) -> Result<Limited> {
        let seen = opened.facts().await?;
        phases::accept_port(&opened.cluster, &seen, &target.inventory)?;
        let mut findings = preflight::check(&opened.cluster, &opened.artifacts, &seen);
        self.keep(&mut findings);
        super::show_findings(&opened.session, &findings);
        self.narrowing(opened, target, &seen).can_begin()?;
        super::fit(&findings)?;
        self.plan(opened, target, seen).await
    }

    async fn plan(&self, opened: &Opened, target: &Target, seen: Observation) -> Result<Limited> {
        let seen = opened.session.observe(&opened.artifacts, seen).await?;
        let notes = phases::accept(&opened.cluster, &seen, &target.inventory)?;
        let mut limited = self
            .narrowing(opened, target, &seen)
            .plan(&opened.artifacts)?;
        limited.plan.notes.extend(notes);
        limited.plan.notes.extend(left_out(&limited));
        Ok(limited)
    }

    fn narrowing<'a>(
        &'a self,
        opened: &'a Opened,
        target: &'a Target,
        seen: &'a Observation,
    ) -> Narrowing<'a> {
        Narrowing {
            cluster: &opened.cluster,
            seen,
            names: &self.names,
            file: &target.inventory,
        }
    }

    /// `up` on these hosts.
    pub async fn up(&self, opened: &Opened, target: &Target) -> Result<Ending> {
        let limited = self.look(opened, target).await?;
        for text in limited.plan.notes.clone() {
            opened.session.event(Event::Note { text });
        }
        if limited.plan.is_empty() {
            return Ok(self.as_it_should(opened, "nothing to do: "));
        }
        // Somebody else may have been at work until we held the lock: what is run was observed under it.
        let command = format!(
            "baremetal up {} --limit {}",
            target.inventory.display(),
            self.selector
        );
        let lock = opened.session.lock_for(&command, &self.names).await?;
        let run = async {
            let seen = opened.facts().await?;
            self.narrowing(opened, target, &seen).can_begin()?;
            let plan = self.plan(opened, target, seen).await?.plan;
            opened.session.event(Event::Planned {
                steps: plan.steps.len(),
                changes: plan.changes(),
            });
            anyhow::Ok(opened.session.run(&plan).await)
        };
        let outcome = run.await;
        lock.release().await;
        Ok(self.conclude(opened, &outcome?))
    }

    fn as_it_should(&self, opened: &Opened, before: &str) -> Ending {
        let missing = self.missing(opened);
        let verb = if self.names.len() == 1 { "is" } else { "are" };
        if missing.is_empty() {
            let names = self.list();
            return Ending::new(
                Code::Done,
                format!("{before}{names} {verb} as the inventory says"),
            );
        }
        Ending::new(
            Code::Unreachable,
            format!(
                "{before}the hosts of the limit that answer are as the inventory says; not looked at: {}",
                missing.join(", ")
            ),
        )
    }

    fn conclude(&self, opened: &Opened, outcome: &Outcome) -> Ending {
        let end = match outcome.code() {
            Code::Done => self.as_it_should(opened, ""),
            Code::Interrupted => Ending::new(
                Code::Interrupted,
                format!(
                    "interrupted: {} not wholly as the inventory says",
                    self.list()
                ),
            ),
            code => Ending::new(
                code,
                format!("{} not wholly as the inventory says", self.list()),
            ),
        };
        Ending {
            code: end.code,
            message: end.message,
            ..Ending::of(outcome)
        }
    }
}

/// What was seen elsewhere, so that nobody takes a part for the whole.
fn left_out(limited: &Limited) -> Option<String> {
    (!limited.left_out.is_empty()).then(|| {
        format!(
            "differences outside the limit, not touched: {}",
            limited.left_out.join("; ")
        )
    })
}
