//! Looks at the hosts: connects, reads facts, and lets one of them ask the network which addresses are free.

use std::{collections::BTreeSet, net::IpAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use ipnet::IpNet;

use super::{
    super::{host_keys, secrets},
    ask::Person,
};
use crate::{
    cli::InitArgs,
    draft::{Answers, Seen, Sight, node_addresses, to_probe},
    engine::{Options, Session, Stop},
    failure::{Code, Failure},
    inventory::{Cluster, Host, LoadOptions, Sudo, edit::NewHost, load_text},
    remote::Script,
    report::{self, Reporter},
    ssh::Kind,
    templates,
};

/// What is seen of the hosts; fills in their node addresses. Fails with [`Code::Unreachable`] when one cannot be worked on.
pub async fn look(
    args: &InitArgs,
    answers: &mut Answers,
    person: Option<&mut dyn Person>,
) -> Result<Seen> {
    let cluster = cluster(answers)?;
    let (reporter, receiver) = Reporter::new();
    let shown = report::spawn(report::Format::Plain, receiver, false, None);
    let options = Options {
        sudo_passwords: secrets::sudo_passwords(&cluster)?,
        accept_new_host_keys: args.accept_new_host_keys,
        asks_for_host_keys: person.is_some(),
        stop: Stop::on_signals()?,
        ..Options::default()
    };
    let session = Session::connect(&cluster, options, &reporter).await?;
    let seen = async {
        trust(&cluster, &session, person).await?;
        see(&session, &cluster, &mut answers.hosts).await
    }
    .await;
    session.close().await;
    drop((session, reporter));
    // What it shows is for the eye alone.
    let _ = tokio::time::timeout(Duration::from_secs(1), shown).await;
    seen
}

/// A cluster of these hosts that is only good for connecting to them.
fn cluster(answers: &Answers) -> Result<Cluster> {
    let text = "cluster: init\nkubernetes: 1.33.4\nhosts: {init: 192.0.2.1}\n";
    let mut cluster = load_text(text, Path::new("init.yaml"), &LoadOptions::default())
        .context("the inventory that connects")?;
    let model = cluster.hosts[0].clone();
    cluster.hosts = answers
        .hosts
        .iter()
        .map(|host| reachable(&model, host, answers))
        .collect();
    Ok(cluster)
}

fn reachable(model: &Host, host: &NewHost, answers: &Answers) -> Host {
    let ssh = crate::inventory::Ssh {
        user: host.ssh_user.clone().or_else(|| answers.user.clone()),
        port: host.ssh_port,
        key: host
            .ssh_key
            .clone()
            .or_else(|| answers.key.as_ref().map(expanded)),
        jump: host.ssh_jump.clone().or_else(|| answers.jump.clone()),
        config: answers.config.as_ref().map(expanded),
        sudo: match &answers.sudo {
            Some(source) => Sudo::Password(source.clone()),
            None => Sudo::Passwordless,
        },
        ..crate::inventory::Ssh::default()
    };
    Host {
        name: host.name.clone(),
        address: host.address.clone(),
        ssh,
        ..model.clone()
    }
}

/// A key as the inventory has it: `~` is the home directory.
fn expanded(path: &String) -> std::path::PathBuf {
    match (path.strip_prefix("~/"), std::env::home_dir()) {
        (Some(rest), Some(home)) => home.join(rest),
        _ => path.into(),
    }
}

/// Shows the keys of hosts that are not known, and asks once for all of them.
async fn trust(
    cluster: &Cluster,
    session: &Session,
    person: Option<&mut dyn Person>,
) -> Result<()> {
    let unknown = session.unknown();
    let Some(person) = person.filter(|_| !unknown.is_empty()) else {
        return Ok(());
    };
    let question = host_keys::question(&unknown);
    let trusted = tokio::task::block_in_place(|| person.confirm(&question))?;
    host_keys::answered(cluster, session, &unknown, trusted).await
}

async fn see(session: &Session, cluster: &Cluster, hosts: &mut [NewHost]) -> Result<Seen> {
    let observed = session.facts().await?;
    let unreachable = session.unreachable();
    let sudo = unreachable
        .values()
        .any(|error| error.kind == Kind::SudoPassword);
    let missing: Vec<String> = unreachable.into_keys().collect();
    if !missing.is_empty() {
        let what = format!(
            "{} of {} cannot be worked on ({}); nothing was written",
            missing.len(),
            report::text::count(cluster.hosts.len(), "host"),
            missing.join(", ")
        );
        let hint = if sudo {
            "say where sudo's password comes from (`--sudo-password prompt`) and run the same command again"
        } else {
            "mend what is said above and run the same command again, or let `--offline` propose from the addresses alone"
        };
        return Err(Failure::new(Code::Unreachable, what).hint(hint).into());
    }
    let mut seen = Seen::default();
    for (name, host) in observed.hosts {
        let sight = Sight {
            addresses: host.facts.addresses,
            default_interface: host.facts.default_interface,
        };
        seen.hosts.insert(name, sight);
    }
    node_addresses(hosts, &seen);
    let (asker, taken) = probe(session, hosts, &seen).await;
    Ok(Seen {
        asker,
        taken,
        ..seen
    })
}

/// The first host in the network of these addresses asks; one that has no `ping` leaves the question open.
async fn probe(
    session: &Session,
    hosts: &[NewHost],
    seen: &Seen,
) -> (Option<String>, BTreeSet<IpAddr>) {
    let addresses = to_probe(hosts, seen);
    let near = |host: &&NewHost| {
        let own = seen.hosts.get(&host.name).map(|sight| &sight.addresses);
        own.into_iter().flatten().any(|own| {
            let net = IpNet::new(own.address, own.prefix);
            net.is_ok_and(|net| addresses.first().is_some_and(|first| net.contains(first)))
        })
    };
    let Some(asker) = hosts.iter().find(near) else {
        return (None, BTreeSet::new());
    };
    let mut script = Script::read("free-addresses", templates::text("init/probe.sh"));
    for address in addresses {
        script = script.arg(address.to_string());
    }
    let Ok(answer) = session.script(&asker.name, &script).await else {
        return (None, BTreeSet::new());
    };
    let complete = answer.stdout.lines().any(|line| line == "asked=yes");
    let taken = answer
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("taken=")?.parse().ok());
    (complete.then(|| asker.name.clone()), taken.collect())
}
