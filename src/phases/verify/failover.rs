//! A host goes out of service on purpose: who, when that is refused, and how long clients went without an answer.

use std::time::Duration;

use super::claims::{broken, holds, unknown};
use crate::{
    failure::{Code, Failure},
    inventory::Cluster,
    observe::{ClusterSaid, EtcdMember},
    phases::{
        preflight::{Finding, Level},
        shell,
    },
    quorum::{self, Member},
    remote::Script,
    templates,
};

/// Between two questions of the client.
pub const EVERY: Duration = Duration::from_millis(100);
/// A question that is not answered within this time was not answered.
pub const ANSWERS: Duration = Duration::from_secs(1);

/// What is taken out of service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Away {
    /// keepalived of the virtual IP's holder.
    Vip,
    /// A whole control plane: keepalived, haproxy, the kubelet and its static pods.
    Node,
}

impl Away {
    const fn word(self) -> &'static str {
        match self {
            Self::Vip => "vip",
            Self::Node => "node",
        }
    }
}

/// Who goes, and for how long at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failover {
    pub away: Away,
    pub host: String,
    /// Longest time that clients may go without an answer.
    pub bound: Duration,
}

impl Failover {
    /// Clients are watched for so long at least, after the host has gone: what fails later than at once is seen too.
    pub fn watched(&self) -> Duration {
        self.bound + Duration::from_secs(3)
    }

    /// After this time the host comes back, whether clients have their answers or not.
    pub fn longest(&self) -> Duration {
        self.bound * 2 + Duration::from_secs(5)
    }

    /// After this time the host puts itself back, whoever still lives; counted from before anything is stopped.
    pub fn by_itself(&self) -> Duration {
        let stopping = match self.away {
            Away::Vip => Duration::from_secs(10),
            Away::Node => Duration::from_secs(30),
        };
        self.longest() + stopping
    }

    /// Takes the host out of service; it comes back by itself.
    pub fn take_away(&self) -> Script {
        backing("verify-away")
            .arg(self.away.word())
            .arg(self.by_itself().as_secs().to_string())
            .timeout(Duration::from_mins(2))
    }
}

/// Puts a host back; nothing happens where it is in service.
pub fn put_back() -> Script {
    backing("verify-put-back").timeout(Duration::from_mins(2))
}

fn backing(name: &str) -> Script {
    let body = [
        shell::body("verify-back").as_str(),
        templates::text(&format!("actions/{name}.sh")),
    ]
    .concat();
    Script::change(name, body)
}

/// What the inventory alone refuses.
///
/// # Errors
/// [`Code::Refused`] where nobody could take over.
pub fn possible(cluster: &Cluster, away: Away) -> Result<(), Failure> {
    let refused = |message: String| Failure::new(Code::Refused, message);
    let holders = cluster.vip_holders().count();
    let planes = cluster.control_planes().count();
    match away {
        Away::Vip if cluster.vip().is_none() => Err(refused(format!(
            "nothing is taken out of service: the endpoint {} is no virtual IP that hosts of this inventory hold",
            cluster.endpoint_address()
        ))
        .hint("`--failover=node` takes a control plane out of service instead")),
        Away::Vip if holders < 2 => Err(refused(
            "nothing is taken out of service: one host alone can hold the virtual IP, and clients would lose it".to_owned(),
        )
        .hint("add control planes first (`baremetal add-node`), or a second load balancer")),
        Away::Node if planes < 3 => Err(refused(format!(
            "no control plane is taken out of service: {planes} cannot spare one, etcd would lose its quorum"
        ))
        .hint("three control planes can spare one: `baremetal add-node`")),
        _ => Ok(()),
    }
}

/// Who goes: the holder of the virtual IP, which clients feel most; without one among the control planes, etcd's leader.
///
/// # Errors
/// [`Code::Refused`] where etcd would lose its quorum, or nobody holds the virtual IP.
pub fn chosen(
    cluster: &Cluster,
    away: Away,
    holders: &[&str],
    etcd: &[EtcdMember],
    leader: Option<&str>,
) -> Result<String, Failure> {
    let plane = |name: &str| {
        cluster
            .host(name)
            .is_some_and(crate::inventory::Host::is_control_plane)
    };
    let host = match (away, holders) {
        (Away::Vip, [one]) => (*one).to_owned(),
        (Away::Node, [one]) if plane(one) => (*one).to_owned(),
        (Away::Node, _) => leader
            .filter(|name| plane(name))
            .unwrap_or_default()
            .to_owned(),
        (Away::Vip, _) => String::new(),
    };
    if host.is_empty() {
        return Err(Failure::new(
            Code::Refused,
            match away {
                Away::Vip => {
                    "nothing is taken out of service: it is not one host that holds the virtual IP"
                }
                Away::Node => {
                    "no control plane is taken out of service: it is not known which one leads etcd"
                }
            },
        )
        .hint("mend what is said above first"));
    }
    if away == Away::Node {
        let members: Vec<Member> = etcd.iter().map(Member::from).collect();
        quorum::absence(&members, &host).map_err(|danger| {
            quorum::refusal_while_away(danger, &members, &host, "is not taken out of service")
        })?;
    }
    Ok(host)
}

/// etcd could not be asked: nobody knows what it can spare.
pub fn unknown_quorum(why: &str) -> Failure {
    let message = format!("no control plane is taken out of service: etcd has no answer: {why}");
    Failure::new(Code::Refused, message).hint("mend what is said above first")
}

/// One question of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When it was asked, from the client's beginning.
    pub at: Duration,
    pub answered: bool,
}

/// The longest time during which no question that was asked got its answer: from the first of them to the next that did.
/// Where none did any more, to the last one.
pub fn gap(samples: &[Sample]) -> Duration {
    let mut samples = samples.to_vec();
    samples.sort_by_key(|sample| sample.at);
    let mut longest = Duration::ZERO;
    let mut since = None;
    for sample in &samples {
        match (sample.answered, since) {
            (false, None) => since = Some(sample.at),
            (false, Some(from)) => longest = longest.max(sample.at.saturating_sub(from) + EVERY),
            (true, Some(from)) => {
                longest = longest.max(sample.at.saturating_sub(from));
                since = None;
            }
            (true, None) => {}
        }
    }
    if since.is_some() {
        longest = longest.max(EVERY);
    }
    longest
}

/// What was seen of a failover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The host was taken out of service, or why not.
    pub gone: Result<(), String>,
    pub gap: Duration,
    /// Whether clients had their answers again before the host came back.
    pub recovered: bool,
    /// Who had the virtual IP while the host was away; `None` where there is none.
    pub heir: Option<Result<String, String>>,
    /// The host was put back and is whole, or why not.
    pub back: Result<(), String>,
}

/// Whether clients got over it.
pub fn judge(plan: &Failover, seen: &Seen) -> Vec<Finding> {
    let id = "failover";
    let host = plan.host.as_str();
    let what = match plan.away {
        Away::Vip => format!("with keepalived stopped on {host}"),
        Away::Node => format!("with all of {host}'s control plane stopped"),
    };
    let mut findings = Vec::new();
    if let Err(why) = &seen.back {
        findings.push(not_back(plan, why));
    }
    if let Err(why) = &seen.gone {
        findings.push(broken(
            id,
            host,
            format!("it could not be taken out of service: {why}"),
            "mend it and run the same command again; nothing else was stopped",
        ));
        return findings;
    }
    let gap = seconds(seen.gap);
    if !seen.recovered {
        findings.push(broken(
            id,
            host,
            format!("{what}, the API did not come back for clients before it was put back, {gap} later"),
            "keepalived and haproxy of the other hosts (`journalctl -u keepalived -u haproxy`), and etcd's members there",
        ));
    } else if seen.gap > plan.bound {
        findings.push(broken(
            id,
            host,
            format!("{what}, clients had no answer for {gap}, and {} is the bound", seconds(plan.bound)),
            "shorter intervals of the endpoint (`advert-interval`, `haproxy.check-interval`), or a bound that fits: `--max-gap`",
        ));
    }
    if let Some(Err(why)) = &seen.heir {
        findings.push(broken(
            id,
            host,
            format!("{what}, {why}"),
            "keepalived of the other hosts: `journalctl -u keepalived`",
        ));
    }
    if findings.is_empty() {
        let heir = match &seen.heir {
            Some(Ok(heir)) => format!("; {heir} took the virtual IP"),
            _ => String::new(),
        };
        let gap = if seen.gap.is_zero() {
            "clients had every answer".to_owned()
        } else {
            format!("clients had no answer for {gap}")
        };
        findings.push(holds(
            id,
            host,
            format!("{what}, {gap}{heir}; it is back in service"),
        ));
    }
    findings
}

/// Whether a host may be spared: not while others do not do what they must do for it.
pub fn is_safe(findings: &[Finding]) -> bool {
    !findings.iter().any(|one| {
        one.level == Level::Failure && matches!(one.id, "api" | "vip" | "nodes" | "etcd")
    })
}

/// Something is broken already: nobody is taken out of service on top of it.
pub fn unsafe_now(plan: &Failover) -> Finding {
    unknown(
        "failover",
        &plan.host,
        "with the failures above nothing is taken out of service on top",
    )
}

/// This machine is no client of the API, so that nothing could be measured: nothing was taken away.
pub fn unwatched(plan: &Failover, url: &str, jumped: bool) -> Finding {
    if jumped {
        let why = format!("this machine reaches the hosts through a jump host, and {url} not well");
        return unknown("failover", &plan.host, why);
    }
    broken(
        "failover",
        &plan.host,
        format!(
            "{url} does not answer this machine every time, with all hosts in service; nothing was taken out of service"
        ),
        "does a route lead there from here (`ip route get`)? `curl -k` of it, several times, says more",
    )
}

/// The host was not put back.
pub fn not_back(plan: &Failover, why: &str) -> Finding {
    broken(
        "failover",
        &plan.host,
        format!("it is not back in service: {why}"),
        format!(
            "a timer on it tries within {} s of its going; else `systemctl start keepalived haproxy kubelet` there",
            plan.by_itself().as_secs()
        ),
    )
}

/// Whether a control plane that was away is whole again, by what it says itself.
///
/// # Errors
/// What is missing.
pub fn whole(said: &ClusterSaid, host: &str) -> Result<(), String> {
    let nodes = said.nodes.as_ref().map_err(Clone::clone)?;
    if !nodes.iter().any(|node| node.name == host && node.ready) {
        return Err("the node is not Ready".to_owned());
    }
    let etcd = said.etcd.as_ref().map_err(Clone::clone)?;
    if !etcd
        .members
        .iter()
        .any(|member| member.name == host && member.healthy)
    {
        return Err("its member of etcd is not healthy".to_owned());
    }
    Ok(())
}

/// `1.2 s`.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
