//! etcd's quorum: whether a member may go, told with the arithmetic that says why not. Pure.
//!
//! A cluster of `n` voting members commits with `⌊n/2⌋ + 1` of them; a dead member counts until it is removed. Learners do
//! not vote.

use crate::{
    failure::{Code, Failure},
    observe::EtcdMember,
};

/// What the arithmetic needs to know of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// Started and answering health checks.
    pub alive: bool,
    pub voter: bool,
}

/// Voting members, and how many of them live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    pub voters: usize,
    pub alive: usize,
}

/// Why a member must stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Danger {
    /// Nobody would be left.
    Last,
    /// There is no quorum now: etcd takes no change of its members.
    NoneNow,
    /// The members that are left would have no quorum.
    Lost,
    /// There would be a quorum, but not one failure could be borne, while a dead member could go first.
    Endangered,
}

/// Voters that must agree among `voters`.
pub const fn majority(voters: usize) -> usize {
    voters / 2 + 1
}

impl Count {
    pub fn of(members: &[Member]) -> Self {
        let voters = members.iter().filter(|member| member.voter);
        Self {
            voters: voters.clone().count(),
            alive: voters.filter(|member| member.alive).count(),
        }
    }

    /// Whether the living members can commit.
    pub const fn has_quorum(self) -> bool {
        self.alive >= majority(self.voters)
    }

    /// Further members that may fail before quorum is lost.
    pub const fn spare(self) -> usize {
        self.alive.saturating_sub(majority(self.voters))
    }

    const fn dead(self) -> usize {
        self.voters - self.alive
    }
}

/// Counts after `leaving` was removed from the list for good.
fn without(members: &[Member], leaving: &str) -> Count {
    let left: Vec<Member> = members
        .iter()
        .filter(|member| member.name != leaving)
        .cloned()
        .collect();
    Count::of(&left)
}

/// Counts while `away` is down but still on the list.
fn down(members: &[Member], away: &str) -> Count {
    let mut members = members.to_vec();
    for member in &mut members {
        member.alive &= member.name != away;
    }
    Count::of(&members)
}

/// Whether `leaving` may be removed; one that is no voter always may while there is a quorum.
pub fn removal(members: &[Member], leaving: &str) -> Result<Count, Danger> {
    let now = Count::of(members);
    let after = without(members, leaving);
    if after.voters == 0 {
        return Err(Danger::Last);
    }
    if !now.has_quorum() {
        return Err(Danger::NoneNow);
    }
    if !after.has_quorum() {
        return Err(Danger::Lost);
    }
    let was_alive = after.alive < now.alive;
    if was_alive && after.dead() > 0 && after.spare() == 0 {
        return Err(Danger::Endangered);
    }
    Ok(after)
}

/// Whether `away` may be shut down for a while, staying on the list.
pub fn absence(members: &[Member], away: &str) -> Result<Count, Danger> {
    let now = Count::of(members);
    let meanwhile = down(members, away);
    if now.voters <= 1 && meanwhile.alive < now.alive {
        return Err(Danger::Last);
    }
    if !now.has_quorum() {
        return Err(Danger::NoneNow);
    }
    if !meanwhile.has_quorum() {
        return Err(Danger::Lost);
    }
    Ok(meanwhile)
}

/// The order in which several members leave: the dead first, since each of them that goes makes the others safer.
pub fn order<'a>(members: &[Member], leaving: &[&'a str]) -> Vec<&'a str> {
    let is_alive = |name: &str| {
        members
            .iter()
            .any(|member| member.name == name && member.alive)
    };
    let mut order = leaving.to_vec();
    order.sort_by_key(|name| is_alive(name));
    order
}

/// Whether all of `leaving` may be removed one after the other, in the order of [`order`]; else a refusal that names the first
/// that may not, with what is left by then.
pub fn removals(members: &[Member], leaving: &[&str]) -> Result<Count, Failure> {
    let mut members = members.to_vec();
    let mut count = Count::of(&members);
    for name in order(&members, leaving) {
        count = removal(&members, name).map_err(|danger| refusal(danger, &members, name))?;
        members.retain(|member| member.name != name);
    }
    Ok(count)
}

/// The refusal of a removal: what, the arithmetic, and what to do instead. Exit code 8.
pub fn refusal(danger: Danger, members: &[Member], leaving: &str) -> Failure {
    let (now, after) = (Count::of(members), without(members, leaving));
    let dead = named(members, false);
    let who = format!("{leaving} is not removed");
    let list = list(members);
    match danger {
        Danger::Last => refused(format!(
            "{who}: it is the last member of etcd, and the cluster's data goes with it; {list}"
        ))
        .hint("to take the whole cluster down: baremetal reset INVENTORY"),
        Danger::NoneNow => refused(format!(
            "{who}: etcd has no quorum now: {}, so that it takes no change of its members; {list}",
            sum(now)
        ))
        .hint(format!(
            "bring {dead} back (start the machine, `journalctl -u kubelet`), then run the same command again"
        )),
        Danger::Lost => refused(format!(
            "{who}: etcd would lose its quorum: now {}, then {}; {list}",
            sum(now),
            sum(after)
        ))
        .hint(instead(&dead)),
        Danger::Endangered => refused(format!(
            "{who}: etcd would not survive one more failure: now {}, then {}; {list}",
            sum(now),
            sum(after)
        ))
        .hint(instead(&dead)),
    }
}

/// The refusal to put a member into maintenance. Exit code 8.
pub fn refusal_of_absence(danger: Danger, members: &[Member], away: &str) -> Failure {
    refusal_while_away(danger, members, away, "is not put into maintenance")
}

/// The refusal to shut a member down for a while; `what` is not done to it. Exit code 8.
pub fn refusal_while_away(danger: Danger, members: &[Member], away: &str, what: &str) -> Failure {
    let (now, then) = (Count::of(members), down(members, away));
    let dead = named(members, false);
    let who = format!("{away} {what}");
    let list = list(members);
    match danger {
        Danger::Last => refused(format!(
            "{who}: it is the only member of etcd, without it there is no API; {list}"
        ))
        .hint("add control planes first: one alone cannot be spared"),
        Danger::NoneNow => refused(format!("{who}: etcd has no quorum now: {}; {list}", sum(now)))
            .hint(format!(
                "bring {dead} back (start the machine, `journalctl -u kubelet`), then run the same command again"
            )),
        Danger::Lost | Danger::Endangered => {
            let hint = if dead.is_empty() {
                "add a control plane first: this many cannot spare one".to_owned()
            } else {
                format!(
                    "bring {dead} back first, or remove it: {}",
                    command(&dead)
                )
            };
            refused(format!(
                "{who}: etcd would have no quorum while it is away: now {}, then {}; {list}",
                sum(now),
                sum(then)
            ))
            .hint(hint)
        }
    }
}

fn refused(message: String) -> Failure {
    Failure::new(Code::Refused, message)
}

fn instead(dead: &str) -> String {
    format!(
        "bring {dead} back first, or remove it first, which makes the others safer: {}",
        command(dead)
    )
}

/// The command that removes all of `names`, which are told as `cp3, cp4`.
fn command(names: &str) -> String {
    format!(
        "baremetal remove-node INVENTORY {}",
        names.replace(", ", " ")
    )
}

/// `2 of 3 members alive, 2 needed`.
fn sum(count: Count) -> String {
    format!(
        "{} of {} {} alive, {} needed",
        count.alive,
        count.voters,
        if count.voters == 1 {
            "member"
        } else {
            "members"
        },
        majority(count.voters)
    )
}

/// `alive: cp1, cp2; dead: cp3; learner: cp4`
fn list(members: &[Member]) -> String {
    let learners: Vec<&str> = members
        .iter()
        .filter(|member| !member.voter)
        .map(|member| member.name.as_str())
        .collect();
    let groups = [
        ("alive", named(members, true)),
        ("dead", named(members, false)),
        ("learner", learners.join(", ")),
    ];
    let groups: Vec<_> = groups
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {names}"))
        .collect();
    groups.join("; ")
}

fn named(members: &[Member], alive: bool) -> String {
    let names: Vec<_> = members
        .iter()
        .filter(|member| member.voter && member.alive == alive)
        .map(|member| member.name.as_str())
        .collect();
    names.join(", ")
}

impl From<&EtcdMember> for Member {
    /// A member that never started has no name yet; its peer URL stands for it.
    fn from(seen: &EtcdMember) -> Self {
        Self {
            name: if seen.name.is_empty() {
                seen.peer_urls.join(",")
            } else {
                seen.name.clone()
            },
            alive: seen.healthy,
            voter: !seen.learner,
        }
    }
}

#[cfg(test)]
#[path = "quorum_tests.rs"]
mod tests;
