//! `etcdctl` and `etcdutl`: membership, health and snapshots in etcd's own shapes.

use std::{fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::{
    args::Flags,
    block_on, complain,
    identity::Identity,
    net::{Client, tls},
    say,
    store::{self, Files, Member, Proposal, State},
};

const FLAGS: &str = "endpoints= cacert= cert= key= command-timeout= dial-timeout= keepalive-time= keepalive-timeout= w,write-out= hex debug insecure-transport insecure-skip-tls-verify user= password= cluster learner peer-urls= discovery-srv=";
const FLAGS_OF_ETCDUTL: &str = "w,write-out= name= data-dir= wal-dir= initial-cluster= initial-cluster-token= initial-advertise-peer-urls= skip-hash-check bump-revision= mark-compacted";

struct Ctl {
    endpoints: Vec<String>,
    tls: Arc<ClientConfig>,
    timeout: Duration,
    output: String,
}

/// Runs `etcdctl ARGUMENT…`.
pub fn run(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS, arguments)?;
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    if words == ["version"] {
        say(format!(
            "etcdctl version: {} [stand-in]\nAPI version: 3.5",
            identity.version
        ));
        return Ok(0);
    }
    block_on(async {
        let ctl = Ctl::new(&flags)?;
        match words.as_slice() {
            ["member", "list"] => ctl.list().await,
            ["member", "remove", id] => {
                ctl.change(
                    Proposal::RemoveMember { id: hex(id)? },
                    "removed from cluster",
                )
                .await
            }
            ["member", "promote", id] => {
                ctl.change(Proposal::Promote { id: hex(id)? }, "promoted in cluster")
                    .await
            }
            ["member", "add", _name] => {
                let peer_url = flags
                    .get("peer-urls")
                    .context("member peer urls not provided")?
                    .to_owned();
                ctl.change(
                    Proposal::AddMember {
                        peer_url,
                        learner: flags.on("learner"),
                    },
                    "added to cluster",
                )
                .await
            }
            ["endpoint", "health"] => ctl.health(flags.on("cluster")).await,
            ["endpoint", "status"] => ctl.status(identity, flags.on("cluster")).await,
            ["snapshot", "save", path] => ctl.save(path).await,
            ["snapshot", "status", path] => snapshot_status(path, &ctl.output),
            other => bail!(
                "Error: unknown command {:?} for \"etcdctl\"",
                other.join(" ")
            ),
        }
    })
}

impl Ctl {
    /// Flags, else the environment, as etcdctl has it.
    fn new(flags: &Flags) -> Result<Self> {
        let setting = |name: &str| {
            let variable = format!("ETCDCTL_{}", name.to_uppercase().replace('-', "_"));
            flags
                .get(name)
                .map(str::to_owned)
                .or_else(|| std::env::var(variable).ok())
        };
        let endpoints = setting("endpoints").unwrap_or_else(|| "127.0.0.1:2379".to_owned());
        let endpoints: Vec<String> = endpoints.split(',').map(str::to_owned).collect();
        let (Some(ca), Some(certificate), Some(key)) =
            (setting("cacert"), setting("cert"), setting("key"))
        else {
            bail!(
                "{{\"level\":\"warn\",\"msg\":\"retrying of unary invoker failed\",\"error\":\"rpc error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = \\\"error reading server preface: EOF\\\"\"}}\nError: context deadline exceeded"
            );
        };
        let files = Files::read(&certificate, &key, &ca).context("Error")?;
        let timeout = setting("command-timeout")
            .and_then(|text| crate::clock::duration(&text))
            .unwrap_or(5);
        Ok(Self {
            endpoints,
            tls: tls::client(Some(&files.ca), Some(files.pair()))?,
            timeout: Duration::from_secs(timeout.max(1)),
            output: setting("write-out").unwrap_or_else(|| "simple".to_owned()),
        })
    }

    fn client(&self, endpoint: &str) -> Client {
        Client::new(endpoint, self.tls.clone()).timeout(self.timeout)
    }

    /// Asks the endpoints one after the other, until the time is over.
    async fn ask(&self, path: &str, body: &Value) -> Result<Value> {
        let mut problem = String::new();
        for endpoint in &self.endpoints {
            match self.client(endpoint).post(path, body).await {
                Ok(answer) if answer.status == 200 => return answer.value(),
                Ok(answer) => problem = String::from_utf8_lossy(&answer.body).into_owned(),
                Err(_) => problem = "context deadline exceeded".to_owned(),
            }
        }
        bail!("Error: {problem}")
    }

    async fn members(&self) -> Result<Vec<Member>> {
        Ok(serde_json::from_value(
            self.ask("/client/members", &Value::Null).await?,
        )?)
    }

    async fn list(&self) -> Result<u8> {
        let members = self.members().await?;
        match self.output.as_str() {
            "json" => {
                let members: Vec<Value> = members.iter().map(member_json).collect();
                say(
                    json!({"header": {"cluster_id": 1, "member_id": 1, "raft_term": 1}, "members": members}),
                );
            }
            "table" => {
                say(
                    "|        ID        | STATUS  | NAME | PEER ADDRS | CLIENT ADDRS | IS LEARNER |",
                );
                for member in &members {
                    let cells = line(member).replace(", ", " | ");
                    say(format!("| {cells} |"));
                }
            }
            _ => members.iter().for_each(|member| say(line(member))),
        }
        Ok(0)
    }

    async fn change(&self, proposal: Proposal, done: &str) -> Result<u8> {
        let answer = self.ask("/client/propose", &json!(proposal)).await?;
        let id = match proposal {
            Proposal::RemoveMember { id } | Proposal::Promote { id } => id,
            _ => answer["id"].as_u64().unwrap_or(0),
        };
        say(format!("Member {id:16x} {done} [stand-in]"));
        Ok(0)
    }

    /// Every endpoint of the command line, or of the cluster.
    async fn targets(&self, cluster: bool) -> Result<Vec<String>> {
        if !cluster {
            return Ok(self.endpoints.clone());
        }
        let urls = self
            .members()
            .await?
            .into_iter()
            .filter(|member| !member.client_url.is_empty() && !member.learner);
        Ok(urls.map(|member| member.client_url).collect())
    }

    async fn health(&self, cluster: bool) -> Result<u8> {
        let mut all_well = true;
        let mut results = Vec::new();
        for endpoint in self.targets(cluster).await? {
            let begun = std::time::Instant::now();
            let well = self
                .client(&endpoint)
                .get("/health")
                .await
                .is_ok_and(|answer| answer.status == 200);
            let took = begun.elapsed();
            all_well &= well;
            results.push(json!({"endpoint": endpoint, "health": well, "took": format!("{took:?}"), "error": if well { "" } else { "context deadline exceeded" }}));
            if self.output == "json" {
                continue;
            }
            match well {
                true => say(format!(
                    "{endpoint} is healthy: successfully committed proposal: took = {took:?}"
                )),
                false => complain(&format!(
                    "{endpoint} is unhealthy: failed to commit proposal: context deadline exceeded"
                )),
            }
        }
        if self.output == "json" {
            say(json!(results));
        }
        if !all_well {
            bail!("Error: unhealthy cluster");
        }
        Ok(0)
    }

    async fn status(&self, identity: &Identity, cluster: bool) -> Result<u8> {
        let mut results = Vec::new();
        let mut complete = true;
        for endpoint in self.targets(cluster).await? {
            let status = match self
                .client(&endpoint)
                .get("/status")
                .await
                .and_then(|answer| answer.value())
            {
                Ok(status) => status,
                Err(problem) => {
                    complain(&format!(
                        "Failed to get the status of endpoint {endpoint} ({problem:#})"
                    ));
                    complete = false;
                    continue;
                }
            };
            if self.output == "json" {
                results.push(json!({"Endpoint": endpoint, "Status": {
                    "header": {"cluster_id": status["cluster"], "member_id": status["member"], "revision": status["index"], "raft_term": status["term"]},
                    "version": identity.version, "dbSize": status["size"], "leader": status["leader"],
                    "raftIndex": status["index"], "raftTerm": status["term"], "raftAppliedIndex": status["index"],
                    "dbSizeInUse": status["size"], "isLearner": status["learner"],
                }}));
            } else {
                let leads = status["leader"] == status["member"];
                let id = status["member"].as_u64().unwrap_or(0);
                say(format!(
                    "{endpoint}, {id:x}, {}, {} B, {leads}, {}, {}, {}, {}, ",
                    identity.version,
                    status["size"],
                    status["learner"],
                    status["term"],
                    status["index"],
                    status["index"]
                ));
            }
        }
        if self.output == "json" {
            say(json!(results));
        }
        Ok(u8::from(!complete))
    }

    async fn save(&self, path: &str) -> Result<u8> {
        let [endpoint] = self.endpoints.as_slice() else {
            bail!(
                "Error: snapshot must be requested to one selected node, not multiple {:?}",
                self.endpoints
            );
        };
        let answer = self
            .client(endpoint)
            .get("/snapshot")
            .await
            .context("Error")?;
        crate::pki::write(path, &answer.body, 0o600)?;
        say(format!("Snapshot saved at {path} [stand-in]"));
        Ok(0)
    }
}

/// Runs `etcdutl ARGUMENT…`.
pub fn run_util(identity: &Identity, arguments: &[String]) -> Result<u8> {
    let flags = Flags::parse(FLAGS_OF_ETCDUTL, arguments)?;
    let words: Vec<&str> = flags.rest.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["version"] => say(format!("etcdutl version: {} [stand-in]", identity.version)),
        ["snapshot", "status", path] => {
            return snapshot_status(path, flags.get("write-out").unwrap_or("simple"));
        }
        ["snapshot", "restore", path] => {
            let name = flags.get("name").unwrap_or("default");
            let data = flags
                .get("data-dir")
                .map_or_else(|| format!("{name}.etcd"), str::to_owned);
            let initial: Vec<(String, String)> = flags
                .get("initial-cluster")
                .context("Error: --initial-cluster is needed")?
                .split(',')
                .filter_map(|member| member.split_once('='))
                .map(|(name, url)| (name.to_owned(), url.to_owned()))
                .collect();
            let own = flags.get("initial-advertise-peer-urls").unwrap_or_default();
            if !initial
                .iter()
                .any(|(member, url)| member == name && url == own)
            {
                bail!(
                    "Error: --initial-cluster has {name} but missing from --initial-advertise-peer-urls={own}"
                );
            }
            if Path::new(&data).exists() && fs::read_dir(&data)?.next().is_some() {
                bail!("Error: data-dir {data:?} not empty or could not be read");
            }
            store::restore(Path::new(&data), read(path)?, &initial, name)?;
            say(format!("restored snapshot {path} to {data} [stand-in]"));
        }
        other => bail!(
            "Error: unknown command {:?} for \"etcdutl\"",
            other.join(" ")
        ),
    }
    Ok(0)
}

fn read(path: &str) -> Result<State> {
    let content = fs::read(path).with_context(|| format!("Error: open {path}"))?;
    serde_json::from_slice(&content).context("Error: snapshot file integrity check failed")
}

fn snapshot_status(path: &str, output: &str) -> Result<u8> {
    let state = read(path)?;
    let size = fs::metadata(path)?.len();
    let hash = crate::store::digest(&fs::read_to_string(path)?) >> 32;
    match output {
        "json" => say(
            json!({"hash": hash, "revision": state.last.index, "totalKey": state.map.len(), "totalSize": size, "version": "3.5"}),
        ),
        _ => say(format!(
            "{hash:x}, {}, {}, {size} B",
            state.last.index,
            state.map.len()
        )),
    }
    Ok(0)
}

fn hex(text: &str) -> Result<u64> {
    u64::from_str_radix(text, 16).with_context(|| format!("Error: bad member ID arg (strconv.ParseUint: parsing {text:?}: invalid syntax), expecting ID in Hex"))
}

fn member_json(member: &Member) -> Value {
    let mut value = json!({"ID": member.id, "peerURLs": [member.peer_url]});
    if !member.name.is_empty() {
        value["name"] = json!(member.name);
        value["clientURLs"] = json!([member.client_url]);
    }
    if member.learner {
        value["isLearner"] = json!(true);
    }
    value
}

fn line(member: &Member) -> String {
    let status = if member.name.is_empty() {
        "unstarted"
    } else {
        "started"
    };
    format!(
        "{:x}, {status}, {}, {}, {}, {}",
        member.id, member.name, member.peer_url, member.client_url, member.learner
    )
}
