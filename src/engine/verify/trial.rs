//! Makes the objects of a verification, asks about them, and removes them again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{super::lock::operator, Verification, client, token};
use crate::{
    engine::{Level, log},
    observe::TrialPod,
    phases::{
        preflight::Finding,
        verify::{
            Pairs, STAND_IN, Said, balanced, judge,
            stored::{self, Stored},
            trial::{self, Storage, Trial},
        },
    },
    report::Event,
};

/// For a Service's address to be announced and reached.
const COMES_THROUGH: Duration = Duration::from_secs(20);
const VOLUME: [&str; 2] = ["volume-1", "volume-2"];

impl Verification<'_> {
    /// Claims about real objects, in a namespace that is gone again afterwards: whatever is found, and when asked to stop too.
    ///
    /// `left_out` is not looked at, where that spares making something.
    pub async fn try_out(&self, left_out: &BTreeSet<&'static str>) -> Result<Vec<Finding>> {
        let via = self.answers.via.as_str();
        if !self.api_answers() {
            let why = "the API does not answer";
            return Ok(judge::none_made(self.cluster, via, why));
        }
        let Some(trial) = self.trial(left_out) else {
            let why = "there is no CoreDNS in the cluster whose image could be run; `verify.image` in the inventory names another";
            return Ok(judge::none_made(self.cluster, via, why));
        };
        self.say(&format!("making objects in namespace {}", trial.namespace));
        // Not to be cut off in the middle: what it makes is removed below.
        let made = self.session.told(via, &trial.make()?).await;
        let mut findings = if let Err(why) = &made {
            let why = format!("the objects could not be made: {why}");
            judge::none_made(self.cluster, via, &why)
        } else {
            tokio::select! {
                findings = self.look(&trial) => findings,
                () = self.session.stop().reached(Level::Drain) => Vec::new(),
            }
        };
        self.say("removing what was made");
        let remove = trial::remove();
        let gone = tokio::select! {
            gone = self.session.told(via, &remove) => gone.map(|_| ()),
            () = self.session.stop().reached(Level::Now) => Err(format!(
                "asked to stop at once: namespace {} may be there until the next `baremetal verify`", trial.namespace
            )),
        };
        if let Err(why) = made {
            let failed = judge::not_made(via, &why);
            findings.push(failed);
        }
        findings.push(judge::cleaned(via, &trial.namespace, &gone));
        Ok(findings)
    }

    fn trial(&self, left_out: &BTreeSet<&'static str>) -> Option<Trial> {
        let said = self.answers.cluster.as_ref().ok()?;
        let mut trial = Trial::new(self.cluster, said.dns_image.as_deref(), &token())?;
        trial.by = operator();
        trial.since = log::time();
        if ["load-balancer", "load-balancer-arp", "load-balancer-http"]
            .iter()
            .all(|id| left_out.contains(id))
        {
            trial.service = None;
        }
        let stored = ["storage", "storage-move"]
            .iter()
            .any(|id| !left_out.contains(id));
        if stored && !self.answers.stand_in() {
            trial.storage = self.storage();
        }
        Some(trial)
    }

    /// The first two nodes that store, take pods, and can be worked on.
    fn storage(&self) -> Option<Storage> {
        let nodes = self.answers.cluster.as_ref().ok()?.nodes.as_ref().ok()?;
        let fit = |name: &&String| {
            let node = nodes.iter().find(|node| node.name == **name);
            node.is_some_and(|node| node.ready && !node.unschedulable)
                && self.seen.hosts.contains_key(*name)
        };
        let stores = &self.cluster.longhorn.as_ref()?.storage_nodes;
        let mut stores = stores.iter().filter(fit).cloned();
        Some(Storage {
            first: stores.next()?,
            second: stores.next(),
        })
    }

    async fn look(&self, trial: &Trial) -> Vec<Finding> {
        let (mut findings, stored) = tokio::join!(self.network(trial), self.volume(trial));
        findings.extend(stored);
        findings
    }

    async fn network(&self, trial: &Trial) -> Vec<Finding> {
        let (via, stand_in) = (self.answers.via.as_str(), self.answers.stand_in());
        self.say("waiting for a pod on every node, and for a Service's address");
        let said = self.session.told(via, &trial.wait(stand_in)).await;
        let pods = said.clone().and_then(|said| judge::pods_of(&said));
        let address = said.and_then(|said| balanced::address_of(&said));
        let (pairs, mut findings) = tokio::join!(
            self.pairs(trial, &pods, stand_in),
            self.balanced(trial, address, stand_in)
        );
        findings.extend(judge::pods(self.cluster, stand_in, &pods, &pairs));
        findings
    }

    async fn pairs(
        &self,
        trial: &Trial,
        pods: &Result<Vec<TrialPod>, String>,
        stand_in: bool,
    ) -> BTreeMap<String, Result<Pairs, String>> {
        let Ok(pods) = pods else {
            return BTreeMap::new();
        };
        if stand_in {
            return BTreeMap::new();
        }
        let running: Vec<&TrialPod> = pods
            .iter()
            .filter(|pod| pod.ready && self.cluster.host(&pod.node).is_some())
            .collect();
        let scripts = running
            .iter()
            .filter(|pod| self.seen.hosts.contains_key(&pod.node))
            .map(|pod| {
                let others: Vec<(&str, &str)> = running
                    .iter()
                    .filter(|other| other.node != pod.node)
                    .map(|other| (other.node.as_str(), other.ip.as_str()))
                    .collect();
                (pod.node.clone(), trial.pairs(&pod.ip, &others))
            })
            .collect();
        let said = self.on_each(scripts).await;
        said.into_iter()
            .map(|(host, said)| (host, said.map(|said| Pairs::parse(&said))))
            .collect()
    }

    async fn balanced(
        &self,
        trial: &Trial,
        address: Result<Option<IpAddr>, String>,
        stand_in: bool,
    ) -> Vec<Finding> {
        const IDS: [&str; 3] = ["load-balancer", "load-balancer-arp", "load-balancer-http"];
        let via = self.answers.via.as_str();
        if trial.service.is_none() {
            return judge::without(via, &IDS, "the inventory has no `metallb`");
        }
        let mut findings = vec![balanced::balanced(self.cluster, via, &address)];
        let Ok(Some(address)) = address else {
            findings.extend(judge::without(via, &IDS[1..], "the Service has no address"));
            return findings;
        };
        let asks = if stand_in {
            Vec::new()
        } else {
            trial::arp_asks(self.cluster, self.seen, address)
        };
        let scripts = asks
            .iter()
            .map(|ask| (ask.host.clone(), trial::arp(ask, address)))
            .collect();
        // The question by ARP comes after the first answer, or after the time for it: the announcement may be on its way.
        let answer = if stand_in {
            Err(String::new())
        } else {
            reached(trial, address).await
        };
        let heard = self.on_each(scripts).await;
        let heard = heard
            .into_iter()
            .map(|(host, said)| (host, said.and_then(|said| balanced::heard(&said))))
            .collect();
        findings.push(balanced::answered(
            self.cluster,
            self.seen,
            stand_in,
            address,
            &heard,
        ));
        findings.push(balanced::came_through(
            self.cluster,
            via,
            stand_in,
            address,
            &answer,
        ));
        findings
    }

    async fn volume(&self, trial: &Trial) -> Vec<Finding> {
        const IDS: [&str; 2] = ["storage", "storage-move"];
        let via = self.answers.via.as_str();
        if self.cluster.longhorn.is_none() {
            return judge::without(via, &IDS, "the inventory has no `longhorn`");
        }
        if self.answers.stand_in() {
            return judge::without(via, &IDS, STAND_IN);
        }
        let Some(storage) = &trial.storage else {
            return judge::without(
                via,
                &IDS,
                "no node that stores is Ready and can be worked on",
            );
        };
        let mut stored = Stored::default();
        self.store(trial, storage, &mut stored).await;
        stored::stored(storage, &stored)
    }

    async fn store(&self, trial: &Trial, storage: &Storage, stored: &mut Stored) {
        self.say(&format!("waiting for a volume on {}", storage.first));
        let uid = match self.runs(trial, &storage.first, VOLUME[0], None).await {
            Ok(uid) => uid,
            Err(why) => {
                stored.begun = Some(Err(why));
                return;
            }
        };
        stored.begun = Some(Ok(()));
        let content = &trial.namespace;
        let written = self.touch(&storage.first, "write", &uid, content).await;
        let whole = written == Said::Ok;
        stored.written = Some(written);
        let Some(second) = storage.second.as_ref().filter(|_| whole) else {
            return;
        };
        self.say(&format!("waiting for the volume on {second}"));
        match self.runs(trial, second, VOLUME[1], Some(VOLUME[0])).await {
            Ok(uid) => {
                stored.moved = Some(Ok(()));
                stored.read = Some(self.touch(second, "read", &uid, content).await);
            }
            Err(why) => stored.moved = Some(Err(why)),
        }
    }

    /// The uid of the pod with the volume once it runs on `node`; else why it does not.
    async fn runs(
        &self,
        trial: &Trial,
        node: &str,
        name: &str,
        old: Option<&str>,
    ) -> Result<String, String> {
        let via = &self.answers.via;
        let begin = trial.move_volume(node, name, old);
        self.session.told(via, &begin).await?;
        let said = self.session.told(via, &trial.wait_volume(name)).await?;
        stored::volume_pod(&said).map(|pod| pod.uid)
    }

    async fn touch(&self, node: &str, way: &str, uid: &str, content: &str) -> Said {
        let said = self
            .session
            .told(node, &trial::volume(way, uid, content))
            .await;
        match said.as_deref().map(str::trim) {
            Ok("ok") => Said::Ok,
            Ok(said) => Said::Failed(said.strip_prefix("fail ").unwrap_or(said).to_owned()),
            Err(why) => Said::Failed(why.to_owned()),
        }
    }

    pub(super) fn say(&self, text: &str) {
        self.session.event(Event::Note {
            text: text.to_owned(),
        });
    }
}

/// What this machine gets from the Service once it gets anything, within a time.
async fn reached(trial: &Trial, address: IpAddr) -> Result<u16, String> {
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let url = format!("http://{host}{}", trial.path);
    let end = Instant::now() + COMES_THROUGH;
    loop {
        match client::get(url.clone(), None, Duration::from_secs(3)).await {
            Ok(status @ 200..=299) => return Ok(status),
            other if Instant::now() > end => return other,
            _ => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}
