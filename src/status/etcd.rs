//! Members of etcd, put together from what each says of itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Answers, Etcd, Member, MemberState, make::Seen};
use crate::{
    inventory::Cluster,
    observe::{self, EtcdMember},
    phases::addon::Answer,
};

/// What a member says of itself (`etcdctl endpoint status --write-out json`).
struct Own {
    id: u64,
    /// Id of the leader that it follows; 0 where it knows none.
    leader: u64,
    /// Bytes.
    database: u64,
    version: String,
    learner: bool,
    /// `memberID:1 alarm:NOSPACE`, `etcdserver: no leader`.
    errors: Vec<String>,
}

/// Fails where no member could be asked.
pub(super) fn etcd(cluster: &Cluster, seen: &Seen<'_>) -> Result<Etcd, String> {
    let asked = |host: &&str| runs_etcd(seen, host);
    let planes: Vec<&str> = cluster
        .control_planes()
        .map(|host| host.name.as_str())
        .collect();
    if !planes.iter().any(&asked) {
        return Err("no control plane that has etcd was reached".to_owned());
    }
    let own: BTreeMap<&str, Own> = planes
        .iter()
        .filter(|host| asked(host))
        .filter_map(|host| Some((*host, own(seen.answers.get(*host)?)?)))
        .collect();
    let list = planes
        .iter()
        .find_map(|host| seen.answers.get(*host)?.get("etcd-members").ok());
    let listed = list.is_some();
    let all = match list {
        Some(list) => observe::members(list, &Answer::default()),
        // Without a majority no member says who the others are: the hosts that should have one.
        None => planes
            .iter()
            .filter(|host| asked(host) || !seen.observation.hosts.contains_key(**host))
            .map(|host| EtcdMember {
                id: own
                    .get(host)
                    .map(|own| format!("{:x}", own.id))
                    .unwrap_or_default(),
                name: (*host).to_owned(),
                ..EtcdMember::default()
            })
            .collect(),
    };
    let leaders: BTreeSet<u64> = own.values().map(|own| own.leader).collect();
    let mut alarms: Vec<String> = own
        .values()
        .flat_map(|own| own.errors.iter().filter_map(|error| alarm(error, &all)))
        .collect();
    alarms.sort_unstable();
    alarms.dedup();
    let members: Vec<Member> = all
        .iter()
        .map(|one| member(one, seen, &own, &leaders))
        .collect();
    Ok(Etcd {
        quorum: members.iter().filter(|one| !one.learner).count() / 2 + 1,
        members,
        listed,
        alarms,
    })
}

/// Whether a host was reached and has the manifest of a member.
fn runs_etcd(seen: &Seen<'_>, host: &str) -> bool {
    let one = seen.observation.hosts.get(host);
    one.is_some_and(|one| {
        one.facts
            .kube
            .manifests
            .iter()
            .any(|name| name == "etcd.yaml")
    })
}

fn own(answers: &Answers) -> Option<Own> {
    let answer: Value = serde_json::from_str(answers.printed("etcd-status").trim()).ok()?;
    let status = &answer.get(0)?["Status"];
    Some(Own {
        id: status["header"]["member_id"].as_u64()?,
        leader: status["leader"].as_u64().unwrap_or_default(),
        database: status["dbSize"].as_u64().unwrap_or_default(),
        version: status["version"].as_str().unwrap_or_default().to_owned(),
        learner: status["isLearner"] == true,
        errors: observe::list(&status["errors"])
            .filter_map(|error| Some(error.as_str()?.to_owned()))
            .collect(),
    })
}

fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}

/// `NOSPACE on cp1` of `memberID:1234 alarm:NOSPACE`; the id is decimal here.
fn alarm(error: &str, members: &[EtcdMember]) -> Option<String> {
    let (id, alarm) = error
        .trim()
        .strip_prefix("memberID:")?
        .split_once(" alarm:")?;
    let id = id.parse::<u64>().ok();
    let member = members.iter().find(|one| number(&one.id) == id);
    let name = member.map_or("a member that is gone", |one| one.name.as_str());
    Some(format!("{} on {name}", alarm.trim()))
}

fn member(
    one: &EtcdMember,
    seen: &Seen<'_>,
    own: &BTreeMap<&str, Own>,
    leaders: &BTreeSet<u64>,
) -> Member {
    let id = number(&one.id);
    let told = own.get(one.name.as_str());
    let (state, reason) = health(&one.name, seen);
    Member {
        // A member has no name until it has started.
        name: if one.name.is_empty() {
            one.peer_urls.join(",")
        } else {
            one.name.clone()
        },
        state,
        reason,
        learner: one.learner || told.is_some_and(|own| own.learner),
        leader: id.is_some_and(|id| id != 0 && leaders.contains(&id)),
        database: told.map(|own| own.database),
        version: told.map(|own| own.version.clone()).unwrap_or_default(),
    }
}

fn health(name: &str, seen: &Seen<'_>) -> (MemberState, String) {
    if name.is_empty() {
        return (
            MemberState::Unhealthy,
            "it was added and has not started".to_owned(),
        );
    }
    if !seen.observation.hosts.contains_key(name) {
        let reason = if seen.observation.unreachable.contains_key(name) {
            "its host was not reached"
        } else {
            "its host is not in the inventory"
        };
        return (MemberState::Unknown, reason.to_owned());
    }
    let answer = match seen.answers.get(name) {
        Some(answers) => answers.get("etcd-health").map(drop),
        None => Err("it did not answer in time".to_owned()),
    };
    match answer {
        Ok(()) => (MemberState::Healthy, String::new()),
        Err(why) => (MemberState::Unhealthy, why),
    }
}
