//! A member as a process: started from etcd's own flags, serving peers and clients.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Error, Member, Proposal, Store,
    disk::{Disk, Vote},
    election, replicate,
    state::{State, digest},
};
use crate::net::{Client, Request, Response, server, tls};

/// etcd's flags, without the leading dashes.
pub type Flags = BTreeMap<String, String>;

/// Certificate, key and CA of one side of etcd.
pub struct Files {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    pub ca: Vec<u8>,
}

impl Files {
    pub fn read(certificate: &str, key: &str, ca: &str) -> Result<Self> {
        let read = |path: &str| fs::read(path).with_context(|| format!("open {path}"));
        Ok(Self {
            certificate: read(certificate)?,
            key: read(key)?,
            ca: read(ca)?,
        })
    }

    fn flags(flags: &Flags, prefix: &str) -> Result<Self> {
        let path = |name: &str| {
            let name = format!("{prefix}{name}");
            flags
                .get(&name)
                .with_context(|| format!("etcd needs --{name}"))
        };
        Self::read(
            path("cert-file")?,
            path("key-file")?,
            path("trusted-ca-file")?,
        )
    }

    pub fn pair(&self) -> tls::Pair<'_> {
        tls::Pair {
            certificate: &self.certificate,
            key: &self.key,
        }
    }
}

/// Starts the member; `ready` is given the store once it can be asked. Ends only with an error.
pub async fn run(flags: Flags, ready: impl FnOnce(Arc<Store>)) -> Result<()> {
    let peer = Files::flags(&flags, "peer-")?;
    let client = Files::flags(&flags, "")?;
    let outgoing = tls::client(Some(&peer.ca), Some(peer.pair()))?;
    let data = PathBuf::from(flags.get("data-dir").context("etcd needs --data-dir")?);
    let (disk, found) = Disk::open(&data)?;
    let (disk, vote, state) = match found {
        Some((vote, state)) => (disk, vote, state),
        None => found_member(disk, &flags, &outgoing).await?,
    };
    let store = Store::new(disk, vote, state, outgoing);
    ready(store.clone());
    let peers = serve(&flags, "listen-peer-urls", &peer, &store);
    let clients = serve(&flags, "listen-client-urls", &client, &store);
    // Dropped with this future, so that a stopped member is silent.
    let _beats = AbortOnDropHandle::new(tokio::spawn(replicate::supervise(store.clone())));
    let _introduction =
        AbortOnDropHandle::new(tokio::spawn(introduce(store.clone(), flags.clone())));
    tokio::select! {
        ended = peers => ended,
        ended = clients => ended,
        ended = election::watch(store.clone()) => ended,
    }
}

/// A new member: the first of a new cluster, or one that the cluster has been told of.
async fn found_member(
    mut disk: Disk,
    flags: &Flags,
    outgoing: &Arc<rustls::ClientConfig>,
) -> Result<(Disk, Vote, State)> {
    let own = flags
        .get("initial-advertise-peer-urls")
        .context("etcd needs --initial-advertise-peer-urls")?;
    let initial: Vec<(String, String)> = flags
        .get("initial-cluster")
        .context("etcd needs --initial-cluster")?
        .split(',')
        .filter_map(|member| member.split_once('='))
        .map(|(name, url)| (name.to_owned(), url.to_owned()))
        .collect();
    if flags
        .get("initial-cluster-state")
        .is_some_and(|state| state == "existing")
    {
        let others = initial
            .iter()
            .map(|(_, url)| url.as_str())
            .filter(|url| url != own);
        let id = ask_for_id(others, own, outgoing).await?;
        let vote = Vote {
            member: id,
            ..Vote::default()
        };
        disk.vote(&vote)?;
        disk.snapshot(&State::default())?;
        return Ok((disk, vote, State::default()));
    }
    let mut state = State {
        cluster: digest(&format!("{initial:?}")),
        ..State::default()
    };
    let mut vote = Vote::default();
    for (name, url) in initial {
        let id = digest(&format!("{url} {}", state.cluster));
        if url == *own {
            vote.member = id;
        }
        let member = Member {
            id,
            name,
            peer_url: url,
            client_url: String::new(),
            learner: false,
        };
        state.members.insert(id, member);
    }
    if vote.member == 0 {
        bail!(
            "couldn't find local name {:?} in the initial cluster configuration",
            flags.get("name")
        );
    }
    disk.vote(&vote)?;
    disk.snapshot(&state)?;
    Ok((disk, vote, state))
}

/// The id under which the living cluster knows this member's URL.
async fn ask_for_id(
    others: impl Iterator<Item = &str>,
    own: &str,
    outgoing: &Arc<rustls::ClientConfig>,
) -> Result<u64> {
    let mut last = anyhow::anyhow!("no other member in --initial-cluster");
    for url in others {
        let client = Client::new(url, outgoing.clone()).timeout(Duration::from_secs(6));
        let answer = client.get("/known").await.and_then(|answer| answer.value());
        match answer.and_then(|answer| Ok(serde_json::from_value::<Vec<Member>>(answer)?)) {
            Ok(members) => {
                let member = members.iter().find(|member| member.peer_url == own);
                return Ok(member
                    .context("error validating peerURLs: member count is unequal")?
                    .id);
            }
            Err(error) => last = error,
        }
    }
    Err(last.context("cannot fetch cluster info from peer urls"))
}

/// Tells the cluster this member's name and client URL, until it knows.
async fn introduce(store: Arc<Store>, flags: Flags) {
    let name = flags.get("name").cloned().unwrap_or_default();
    let client_url = flags
        .get("advertise-client-urls")
        .cloned()
        .unwrap_or_default();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let known = {
            let inner = store.lock();
            let own = inner.state.members.get(&store.id);
            own.is_some_and(|own| own.name == name && own.client_url == client_url)
        };
        if known {
            return;
        }
        let started = Proposal::Started {
            id: store.id,
            name: name.clone(),
            client_url: client_url.clone(),
        };
        let _ = store.propose(&started).await;
    }
}

/// Serves on every URL of a flag.
async fn serve(flags: &Flags, flag: &str, files: &Files, store: &Arc<Store>) -> Result<()> {
    let urls = flags
        .get(flag)
        .with_context(|| format!("etcd needs --{flag}"))?;
    let config = tls::server(files.pair(), &files.ca, true)?;
    let mut listeners = tokio::task::JoinSet::new();
    for url in urls.split(',') {
        let address = url.trim_start_matches("https://").to_owned();
        let (config, store) = (config.clone(), store.clone());
        listeners.spawn(async move {
            server::serve(&address, config, move |request| {
                answer(store.clone(), request)
            })
            .await
        });
    }
    listeners
        .join_next()
        .await
        .context("nothing to listen on")??
}

async fn answer(store: Arc<Store>, request: Request) -> Response {
    let body: Value = match request.path.as_str() {
        "/append" => Value::Null,
        _ => serde_json::from_slice(&request.body).unwrap_or_default(),
    };
    let answer = match request.path.as_str() {
        "/append" => replicate::take(&store, &request.body),
        "/vote" => election::answer(&store, &body),
        "/status" => Ok(status(&store)),
        "/known" => Ok(json!(
            store.lock().state.members.values().collect::<Vec<_>>()
        )),
        "/snapshot" => Ok(json!(store.lock().state)),
        "/health" => match store.healthy() && probe(&store).await {
            true => Ok(json!({"health": "true"})),
            false => return Response::json(503, &json!({"health": "false"})),
        },
        // From a client: any member takes it to the leader. From a member: only the leader answers.
        path @ ("/client/propose" | "/client/members" | "/client/read") => {
            return outcome(client(&store, path, &body).await);
        }
        path @ ("/propose" | "/read" | "/members" | "/heartbeat") => match store.is_leader() {
            true => return outcome(store.serve(path, &body).await),
            false => return Response::text(503, "etcdserver: not leader"),
        },
        _ => return Response::text(404, "404 page not found"),
    };
    match answer {
        Ok(answer) => Response::json(200, &answer),
        Err(error) => Response::text(500, format!("{error:#}")),
    }
}

async fn client(store: &Store, path: &str, body: &Value) -> Result<Value, Error> {
    match path {
        "/client/propose" => {
            let proposal: Proposal = serde_json::from_value(body.clone())
                .map_err(|error| Error::Refused(error.to_string()))?;
            store.propose(&proposal).await
        }
        "/client/members" => Ok(json!(store.members().await?)),
        _ => Ok(json!(
            store
                .range(body["prefix"].as_str().unwrap_or_default())
                .await?
        )),
    }
}

fn outcome(outcome: Result<Value, Error>) -> Response {
    match outcome {
        Ok(value) => Response::json(200, &value),
        Err(Error::Conflict) => Response::text(409, Error::Conflict.to_string()),
        Err(Error::Refused(text)) => Response::text(412, text),
        Err(Error::Unavailable(text)) => Response::text(503, text),
    }
}

/// Whether the cluster answers a read.
async fn probe(store: &Store) -> bool {
    let read = tokio::time::timeout(Duration::from_secs(2), store.range("/probe"));
    matches!(read.await, Ok(Ok(_)))
}

fn status(store: &Store) -> Value {
    let inner = store.lock();
    let size = serde_json::to_vec(&inner.state).map_or(0, |state| state.len());
    json!({
        "member": store.id,
        "cluster": inner.state.cluster,
        "leader": inner.leader.filter(|_| inner.heard + Duration::from_secs(3) > Instant::now() || inner.leads()).unwrap_or(0),
        "term": inner.vote.term,
        "index": inner.state.last.index,
        "size": size,
        "learner": inner.state.members.get(&store.id).is_some_and(|own| own.learner),
    })
}

/// Writes a member's directory from a snapshot: what `etcdutl snapshot restore` does.
pub fn restore(
    data: &Path,
    mut state: State,
    members: &[(String, String)],
    own: &str,
) -> Result<()> {
    state.cluster = digest(&format!("{members:?} {}", state.last.index));
    state.members.clear();
    state.removed.clear();
    let mut vote = Vote {
        term: state.last.term,
        ..Vote::default()
    };
    for (name, url) in members {
        let id = digest(&format!("{url} {}", state.cluster));
        if name == own {
            vote.member = id;
        }
        let member = Member {
            id,
            name: name.clone(),
            peer_url: url.clone(),
            client_url: String::new(),
            learner: false,
        };
        state.members.insert(id, member);
    }
    if vote.member == 0 {
        bail!("--name {own} is not in --initial-cluster");
    }
    let (mut disk, found) = Disk::open(data)?;
    if found.is_some() {
        bail!(
            "data-dir {:?} not empty or could not be read",
            data.display().to_string()
        );
    }
    disk.vote(&vote)?;
    disk.snapshot(&state)
}
