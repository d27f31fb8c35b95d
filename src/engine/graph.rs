//! Runs the steps of a plan in their static order, as many at once as it allows. Knows nothing of hosts or connections.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use tokio::task::JoinSet;

use super::stop::{Level, Stop};

/// What a step waits for and where it runs: all that the order depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub host: String,
    /// What the step is called in reasons: `kubeadm init on cp1`.
    pub name: String,
    /// Must have succeeded.
    pub needs: Vec<usize>,
    /// Must have ended.
    pub after: Vec<usize>,
}

/// What became of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not begun, because the run was stopped before its turn.
    Waiting,
    Running,
    Done,
    Failed,
    /// Not begun, because something that it needs failed.
    Skipped {
        reason: String,
    },
    /// Begun and not waited for.
    Abandoned,
}

impl State {
    fn has_ended(&self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Skipped { .. })
    }

    fn has_failed(&self) -> bool {
        matches!(self, Self::Failed | Self::Skipped { .. })
    }
}

/// Runs one step, and hears of those that are not run.
pub trait Runner: Send + Sync + 'static {
    /// Runs step `index` to its end; whether it succeeded.
    fn run(&self, index: usize) -> impl Future<Output = bool> + Send;

    /// Step `index` will not be run.
    fn skipped(&self, index: usize, reason: &str);
}

/// Limits of a run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Hosts worked on at once.
    pub hosts: usize,
    /// For running steps to end after the run was asked to stop.
    pub drain: Duration,
}

/// Runs all nodes; what became of each.
pub async fn execute<R: Runner>(
    nodes: &[Node],
    runner: Arc<R>,
    limits: Limits,
    stop: &Stop,
) -> Vec<State> {
    let mut states = vec![State::Waiting; nodes.len()];
    let mut tasks = JoinSet::new();
    let mut at_work = BTreeMap::new();
    loop {
        skip(nodes, &mut states, &*runner);
        if stop.level() == Level::Go {
            for index in ready(nodes, &states, limits.hosts) {
                states[index] = State::Running;
                let runner = runner.clone();
                let task = tasks.spawn(async move { (index, runner.run(index).await) });
                at_work.insert(task.id(), index);
            }
        }
        if tasks.is_empty() {
            return states;
        }
        let ended = tokio::select! {
            ended = tasks.join_next_with_id() => ended,
            () = given_up(stop, limits.drain) => None,
        };
        match ended {
            Some(Ok((_, (index, true)))) => states[index] = State::Done,
            Some(Ok((_, (index, false)))) => states[index] = State::Failed,
            Some(Err(error)) => states[at_work[&error.id()]] = State::Failed,
            None => {
                tasks.abort_all();
                for state in &mut states {
                    if *state == State::Running {
                        *state = State::Abandoned;
                    }
                }
                return states;
            }
        }
    }
}

/// Returns when running steps are no longer waited for.
async fn given_up(stop: &Stop, drain: Duration) {
    stop.reached(Level::Drain).await;
    tokio::select! {
        () = stop.reached(Level::Now) => (),
        () = tokio::time::sleep(drain) => (),
    }
}

/// Marks everything that can no longer run; the reason is the first cause, not the link before.
fn skip<R: Runner>(nodes: &[Node], states: &mut [State], runner: &R) {
    for index in 0..nodes.len() {
        if states[index] != State::Waiting {
            continue;
        }
        let cause = nodes[index]
            .needs
            .iter()
            .find(|need| states[**need].has_failed());
        if let Some(cause) = cause {
            let reason = match &states[*cause] {
                State::Skipped { reason } => reason.clone(),
                _ => format!("{} failed", nodes[*cause].name),
            };
            runner.skipped(index, &reason);
            states[index] = State::Skipped { reason };
        }
    }
}

/// Steps that may begin now, first come first served, on no more than `hosts` hosts.
fn ready(nodes: &[Node], states: &[State], hosts: usize) -> Vec<usize> {
    let mut busy: Vec<&str> = Vec::new();
    let mut occupy = |host| {
        let fits = busy.contains(&host) || busy.len() < hosts.max(1);
        if fits && !busy.contains(&host) {
            busy.push(host);
        }
        fits
    };
    for (node, state) in nodes.iter().zip(states) {
        if *state == State::Running {
            occupy(node.host.as_str());
        }
    }
    (0..nodes.len())
        .filter(|index| states[*index] == State::Waiting)
        .filter(|index| {
            let node = &nodes[*index];
            node.needs.iter().all(|need| states[*need] == State::Done)
                && node.after.iter().all(|after| states[*after].has_ended())
        })
        .filter(|index| occupy(nodes[*index].host.as_str()))
        .collect()
}

#[cfg(test)]
#[path = "graph_tests.rs"]
mod tests;
