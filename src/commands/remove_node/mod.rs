//! `baremetal remove-node`: nodes leave the cluster for good, alive or dead.

mod who;

use std::{collections::BTreeSet, fmt::Write as _, ops::Range, time::Duration};

use anyhow::Result;
use who::{after, in_order, is_done, is_plane, neither, still_reached, without};

use super::{
    confirm,
    leaving::{self, Entries},
    open::{self, Opened},
    run::{Ending, Run},
    spare,
};
use crate::{
    cli::{Format, RemoveNodeArgs},
    engine::{Outcome, Session},
    failure::{Code, Failure},
    inventory::{Cluster, Host, nearest},
    observe::{LeavingSeen, Observation},
    phases::leaving::{Around, Leaving, Options, plan},
    plan::Plan,
    report::{self, Event, PlanStyle},
};

/// The API takes up to 50 s to notice that a kubelet is gone (`node-monitor-grace-period`).
const NOTICE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_secs(3);

pub async fn run(args: &RemoveNodeArgs) -> Result<Code> {
    let options = leaving::load_options(&args.target.source);
    let whole = open::cluster_with(&args.target, &options)?;
    confirm::early(&whole.name, args.yes.as_deref())?;
    let names = unique(&args.names);
    spare::leaves_a_control_plane(&without(&whole, &names))?;
    let entries = Entries::read(&args.target.inventory, options, &whole, args.keep_entry)?;
    entries.can_go(&names)?;
    let run = Run::start("remove-node", &args.target.output);
    let mut reached = whole.clone();
    if args.dead {
        reached.hosts.retain(|host| !names.contains(&host.name));
    }
    let (session, end) = match Opened::of(&run, &args.target, reached).await {
        Ok(opened) => {
            let removal = Removal {
                opened: &opened,
                whole: &whole,
                entries: &entries,
                args,
            };
            let end = removal.run(&names).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

fn unique(names: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let first = names.iter().filter(|name| seen.insert(name.as_str()));
    first.cloned().collect()
}

struct Removal<'a> {
    opened: &'a Opened,
    /// The cluster of the inventory as it is.
    whole: &'a Cluster,
    entries: &'a Entries,
    args: &'a RemoveNodeArgs,
}

/// What will be done, and which steps are whose.
struct Work {
    plan: Plan,
    /// In the order in which they leave.
    names: Vec<(String, Range<usize>)>,
    /// Names that neither the inventory nor the cluster has, which may have left already or be mistyped.
    unknown: Vec<String>,
    /// The same, told with the names that may be meant.
    near: Vec<String>,
}

impl Removal<'_> {
    async fn run(&self, names: &[String]) -> Result<Ending> {
        let seen = self.opened.facts().await?;
        let via = self.via(names, &seen)?;
        self.unreached_are_dead(names, &seen).await?;
        let work = self.work(names, &via, &seen).await?;
        if work.plan.is_empty() {
            let edited = self.entries.remove(names)?;
            return Ok(Ending::new(
                Code::Done,
                nothing_to_do(names, &work, edited.as_deref()),
            ));
        }
        self.show(&work.plan)?;
        let meant: Vec<&str> = names
            .iter()
            .filter(|name| !work.unknown.contains(name))
            .map(String::as_str)
            .collect();
        let what = format!("remove {} from it", meant.join(", "));
        confirm::by_name(&self.whole.name, self.args.yes.as_deref(), &what).await?;
        let command = format!(
            "baremetal remove-node {} {}",
            self.args.target.inventory.display(),
            names.join(" ")
        );
        let lock = self.opened.session.lock(&command).await?;
        let end = self.locked(names, &seen).await;
        lock.release().await;
        end
    }

    /// The control plane through which all is done, once it is known that this cluster can spare who leaves.
    fn via(&self, names: &[String], seen: &Observation) -> Result<Host> {
        let via = leaving::via(self.opened, self.whole, &without(self.whole, names), seen)?;
        spare::leaves_an_endpoint(self.whole, names, seen)?;
        Ok(via)
    }

    /// Somebody else may have been at work until we held the lock, and the question may have stood for hours: what is run was
    /// observed under it.
    async fn locked(&self, names: &[String], before: &Observation) -> Result<Ending> {
        let session = &self.opened.session;
        let seen = self.opened.facts().await?;
        still_reached(names, before, &seen)?;
        let via = self.via(names, &seen)?;
        let work = self.work(names, &via, &seen).await?;
        session.event(Event::Planned {
            steps: work.plan.steps.len(),
            changes: work.plan.changes(),
        });
        let outcome = session.run(&work.plan).await;
        let left: Vec<String> = work
            .names
            .iter()
            .filter(|(name, _)| !work.unknown.contains(name))
            .filter(|(_, steps)| steps.clone().all(|step| is_done(&outcome, step)))
            .map(|(name, _)| name.clone())
            .collect();
        let edited = self.entries.remove(&left);
        Ok(self.conclude(&outcome, names, &left, edited?.as_deref()))
    }

    /// What the cluster says of every node that leaves, and the plan made of it.
    async fn work(&self, names: &[String], via: &Host, seen: &Observation) -> Result<Work> {
        let session = &self.opened.session;
        let mut views = Vec::new();
        for name in names {
            let view = self.noticed(session, via, name, seen).await?;
            views.push((name.clone(), view));
        }
        let order = in_order(names, &views);
        let mut work = Work {
            plan: Plan::default(),
            names: Vec::new(),
            unknown: Vec::new(),
            near: Vec::new(),
        };
        for (name, view) in &views {
            if let Some(told) = self.unknown(name, view) {
                work.unknown.push(name.clone());
                work.near.push(told);
            }
        }
        if work.unknown.len() < names.len() {
            work.plan.notes.extend(
                work.near
                    .iter()
                    .map(|told| format!("{told}: nothing is done about that name")),
            );
        }
        for (index, name) in order.iter().enumerate() {
            let gone = &order[..index];
            let Some((_, view)) = views.iter().find(|(of, _)| of == name) else {
                continue;
            };
            let plan = self.one(name, gone, via, seen, view).await?;
            let first = work.plan.steps.len();
            let last: Vec<usize> = (0..first).collect();
            work.plan.notes.extend(plan.notes);
            for mut step in plan.steps {
                for need in &mut step.needs {
                    *need += first;
                }
                if step.needs.is_empty() {
                    step.needs.clone_from(&last);
                }
                work.plan.steps.push(step);
            }
            work.names
                .push((name.clone(), first..work.plan.steps.len()));
        }
        Ok(work)
    }

    /// `w22 is neither in the inventory nor in the cluster (is w2 meant?)`
    fn unknown(&self, name: &str, view: &LeavingSeen) -> Option<String> {
        let hosts = self.whole.hosts.iter().map(|host| &host.name);
        let nodes = view.nodes.iter().map(|node| &node.name);
        let members = view.etcd.iter().map(|member| &member.name);
        let known: Vec<&str> = hosts
            .chain(nodes)
            .chain(members)
            .map(String::as_str)
            .collect();
        if known.contains(&name) {
            return None;
        }
        Some(neither(name, nearest(name, known.iter().copied())))
    }

    /// The plan for one node when those in `gone` have left.
    async fn one(
        &self,
        name: &str,
        gone: &[String],
        via: &Host,
        seen: &Observation,
        view: &LeavingSeen,
    ) -> Result<Plan> {
        let host = self.whole.host(name);
        let facts = seen.hosts.get(name).map(|seen| &seen.facts);
        let mut left = gone.to_vec();
        left.push(name.to_owned());
        let cluster = self.entries.without(self.whole, &left);
        let view = after(view, gone);
        let options = Options {
            drain: self.args.drain.drain_timeout,
            replicas: self.args.replicas_timeout,
            delete_unmanaged_pods: self.args.drain.delete_unmanaged_pods,
            lose_volumes: self.args.lose_volumes.clone(),
        };
        let leaving = Leaving {
            cluster: &cluster,
            name,
            host,
            facts,
            via,
            seen: &view,
            mark: leaving::mark(None),
            options: &options,
        };
        if host.is_none() && !leaving.is_known() {
            return Ok(Plan::default());
        }
        let around = Around {
            balancers: self.opened.session.balancer_changes(&cluster, seen).await?,
            reset: match (host, facts) {
                (Some(host), Some(facts)) => leaving::reset(self.whole, host, facts)?,
                _ => Vec::new(),
            },
        };
        Ok(plan(&leaving, around)?)
    }

    /// The cluster as it is; where a host is gone, as it is when the API has noticed that.
    async fn noticed(
        &self,
        session: &Session,
        via: &Host,
        name: &str,
        seen: &Observation,
    ) -> Result<LeavingSeen> {
        let end = tokio::time::Instant::now() + NOTICE;
        let mut told = false;
        loop {
            let view = session.leaving(via, name).await?;
            let lives = view
                .nodes
                .iter()
                .any(|node| node.name == name && node.ready)
                || view
                    .etcd
                    .iter()
                    .any(|member| member.name == name && member.healthy);
            let gone = self.whole.host(name).is_some() && !seen.hosts.contains_key(name);
            if !(gone && lives) || tokio::time::Instant::now() >= end {
                return Ok(view);
            }
            if !told {
                let text = format!(
                    "{name} still counts as alive; waiting up to {} s for the API to notice that it is not",
                    NOTICE.as_secs()
                );
                session.event(Event::Note { text });
                told = true;
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => (),
                () = session.stop().reached(crate::engine::Level::Drain) => {
                    return Err(Failure::new(Code::Interrupted, "interrupted before anything was changed").into());
                }
            }
        }
    }

    /// Hosts that do not answer are removed only where the user says that they are dead.
    async fn unreached_are_dead(&self, names: &[String], seen: &Observation) -> Result<()> {
        if self.args.dead {
            return Ok(());
        }
        let unreached: Vec<(&String, &String)> = names
            .iter()
            .filter_map(|name| Some((name, seen.unreachable.get(name)?)))
            .collect();
        if unreached.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = unreached
            .iter()
            .map(|(name, why)| format!("{name} ({why})"))
            .collect();
        let told = told.join(", ");
        if confirm::terminal() {
            let question = format!("These hosts do not answer: {told}. Are they dead, and stay so");
            if confirm::yes(question).await? {
                return Ok(());
            }
        }
        Err(Failure::new(
            Code::Unreachable,
            format!("not reached: {told}; nothing was changed"),
        )
        .hint("mend what is said above; if the machines are dead, say so: --dead")
        .into())
    }

    fn show(&self, plan: &Plan) -> Result<()> {
        match self.args.target.output.output {
            Format::Text => {
                super::print(&report::plan(plan, leaving::style(PlanStyle::of_stdout())))
            }
            Format::Json => {
                for text in plan.notes.clone() {
                    self.opened.session.event(Event::Note { text });
                }
                Ok(())
            }
        }
    }

    fn conclude(
        &self,
        outcome: &Outcome,
        names: &[String],
        left: &[String],
        edited: Option<&str>,
    ) -> Ending {
        let cluster = &self.whole.name;
        let code = outcome.code();
        let message = match code {
            Code::Done => {
                let mut message = format!("{} left {cluster}", left.join(", "));
                if let Some(edited) = edited {
                    let _ = write!(message, "; {edited}");
                }
                let planes = without(self.whole, left).control_planes().count();
                if planes.is_multiple_of(2) && left.iter().any(|name| is_plane(self.whole, name)) {
                    let _ = write!(
                        message,
                        "; {planes} control planes tolerate no more failures than {}: add or remove one, or write `allow-even-control-planes: true`",
                        planes - 1
                    );
                }
                message
            }
            Code::Interrupted => format!(
                "interrupted: {} may be half removed; the same command goes on",
                names.join(", ")
            ),
            _ => {
                let stay: Vec<_> = names
                    .iter()
                    .filter(|name| !left.contains(name))
                    .cloned()
                    .collect();
                format!("{} did not leave {cluster}", stay.join(", "))
            }
        };
        Ending {
            code,
            message,
            ..Ending::of(outcome)
        }
    }
}

fn nothing_to_do(names: &[String], work: &Work, edited: Option<&str>) -> String {
    let left: Vec<&str> = names
        .iter()
        .filter(|name| !work.unknown.contains(name))
        .map(String::as_str)
        .collect();
    let mut told = Vec::new();
    match (left.is_empty(), edited) {
        (true, _) => {}
        (false, Some(edited)) => {
            told.push(format!("{} had left already; {edited}", left.join(", ")));
        }
        (false, None) => told.push(format!(
            "nothing to do: {} had left already",
            left.join(", ")
        )),
    }
    if left.is_empty() {
        told.push(format!("nothing to do: {}", work.near.join("; ")));
    } else {
        told.extend(work.near.iter().cloned());
    }
    told.join("; ")
}

#[cfg(test)]
mod tests;
