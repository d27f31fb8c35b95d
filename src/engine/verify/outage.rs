//! Takes a host out of service, watches the API from outside, and puts the host back.

use std::time::{Duration, Instant};

use super::{Verification, client::Client};
use crate::{
    engine::Level,
    observe::{cluster_script, parse_cluster},
    phases::{
        kubeadm,
        preflight::Finding,
        verify::{
            failover::{self, ANSWERS, Away, Failover, Seen},
            holds_script,
        },
    },
};

/// The client must have had its answers for so long before anything is taken away.
const BEFORE: Duration = Duration::from_secs(2);
/// For this machine to get its answers.
const WATCHES: Duration = Duration::from_secs(15);
/// For a host that is back to be whole again.
const WHOLE: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(500);

impl Verification<'_> {
    /// The host is put back whatever happens: here, also when asked to stop, and by a timer of its own when nobody lives to do it.
    pub async fn fail_over(&self, plan: &Failover, ca: &[u8]) -> Vec<Finding> {
        let url = format!("https://{}/readyz", self.cluster.endpoint_address());
        let client = Client::start(&url, ca);
        if !self.is_client(&client).await {
            if self.session.stop().level() > Level::Go {
                return Vec::new();
            }
            let jumped = self
                .cluster
                .hosts
                .iter()
                .any(|host| host.ssh.jump.is_some());
            return vec![failover::unwatched(plan, &url, jumped)];
        }
        self.say(&format!(
            "{} goes out of service; it comes back within {} s whatever happens",
            plan.host,
            plan.by_itself().as_secs()
        ));
        let gone_at = client.elapsed();
        let gone = self.session.told(&plan.host, &plan.take_away()).await;
        let mut heir = None;
        let mut recovered = true;
        if gone.is_ok() {
            recovered = tokio::select! {
                recovered = watch(&client, plan) => recovered,
                () = self.session.stop().reached(Level::Drain) => true,
            };
            heir = self.heir(&plan.host).await;
        }
        let samples = client.decided();
        self.say(&format!("{} comes back", plan.host));
        let back = self.back(plan).await;
        let since = |one: &failover::Sample| one.at >= gone_at;
        let samples: Vec<_> = samples.into_iter().filter(since).collect();
        if self.session.stop().level() > Level::Go {
            // What was cut short tells nothing but whether the host is back.
            return back
                .err()
                .map(|why| failover::not_back(plan, &why))
                .into_iter()
                .collect();
        }
        failover::judge(
            plan,
            &Seen {
                gone: gone.map(|_| ()),
                gap: failover::gap(&samples),
                recovered,
                heir,
                back,
            },
        )
    }

    /// Whether this machine gets its answers while all hosts are in service; one lost on the way is no reason to give up.
    async fn is_client(&self, client: &Client) -> bool {
        while client.elapsed() < WATCHES && self.session.stop().level() == Level::Go {
            tokio::time::sleep(PAUSE).await;
            if client.well_for(BEFORE) && client.elapsed() > BEFORE + ANSWERS {
                return true;
            }
        }
        false
    }

    /// Who of the others has the virtual IP.
    async fn heir(&self, gone: &str) -> Option<Result<String, String>> {
        let vip = self.cluster.vip()?;
        // A control plane whose endpoint is held elsewhere takes nothing with it.
        self.cluster.vip_holders().find(|host| host.name == gone)?;
        let holder = |host: &&crate::inventory::Host| self.seen.hosts.contains_key(&host.name);
        let scripts = self
            .cluster
            .vip_holders()
            .filter(holder)
            .map(|host| (host.name.clone(), holds_script(self.cluster)))
            .collect();
        let said = self.on_each(scripts).await;
        let has = |said: &Result<String, String>| said.as_deref().map(str::trim) == Ok("yes");
        let holders: Vec<&String> = said
            .iter()
            .filter(|(_, said)| has(said))
            .map(|(host, _)| host)
            .collect();
        Some(match holders.as_slice() {
            [one] if *one != gone => Ok((*one).clone()),
            [] => Err(format!("nobody took {}", vip.address)),
            [_] => Err(format!("{} stayed where it was", vip.address)),
            _ => Err(format!("{} is on several hosts", vip.address)),
        })
    }

    /// Puts the host back, and waits until it is whole.
    async fn back(&self, plan: &Failover) -> Result<(), String> {
        self.session.told(&plan.host, &failover::put_back()).await?;
        if plan.away == Away::Vip {
            return Ok(());
        }
        let Some(host) = self.cluster.host(&plan.host) else {
            return Ok(());
        };
        let script = cluster_script(kubeadm::etcd_endpoint(host));
        let end = Instant::now() + WHOLE;
        loop {
            let why = match self.session.told(&plan.host, &script).await {
                Ok(said) => match failover::whole(&parse_cluster(&said), &plan.host) {
                    Ok(()) => return Ok(()),
                    Err(why) => why,
                },
                Err(why) => why,
            };
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = self.session.stop().reached(Level::Now) => {
                    return Err(format!("asked to stop at once while it comes back: {why}"));
                }
            }
            if Instant::now() > end {
                return Err(format!(
                    "it is not whole after {} s: {why}",
                    WHOLE.as_secs()
                ));
            }
        }
    }
}

/// Until clients have been well for a while after the host has gone, or the time is over. Whether they are.
async fn watch(client: &Client, plan: &Failover) -> bool {
    let started = Instant::now();
    loop {
        tokio::time::sleep(PAUSE).await;
        let well = client.well_for(BEFORE);
        if well && started.elapsed() > plan.watched() {
            return true;
        }
        if started.elapsed() > plan.longest() {
            return well;
        }
    }
}
