//! Read-only questions: one script for every host, and one for the control plane through which the API is asked.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use anyhow::Result;

use crate::{
    inventory::{Cluster, Host},
    observe::{self, Facts},
    phases::{addon::Answer, kubeadm::etcd_endpoint, script_body},
    remote::Script,
    templates,
};

/// Nodes, as whole objects: conditions say why one is not ready.
const NODES: &str = "get nodes -o json";
/// Type, class, name and addresses of every Service.
const SERVICES: &str = "get services --all-namespaces -o 'jsonpath={range .items[*]}{.spec.type}{\"|\"}{.spec.loadBalancerClass}{\"|\"}{.metadata.namespace}{\"/\"}{.metadata.name}{\"|\"}{.status.loadBalancer.ingress[*].ip}{\"\\n\"}{end}'";
/// Robustness, name and claim of every volume of Longhorn's.
const VOLUMES: &str = "-n longhorn-system get volumes.longhorn.io -o 'jsonpath={range .items[*]}{.status.robustness}{\"|\"}{.metadata.name}{\"|\"}{.status.kubernetesStatus.namespace}{\"/\"}{.status.kubernetesStatus.pvcName}{\"\\n\"}{end}'";

/// What a script printed in sections, by question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers(BTreeMap<String, Answer>);

impl Answers {
    /// Reads sections that begin with `%% NAME STATUS`.
    pub fn parse(stdout: &str) -> Self {
        Self(observe::sections(stdout))
    }

    /// What was answered, or why not.
    pub(super) fn get(&self, question: &str) -> Result<&str, String> {
        match self.0.get(question) {
            None => Err("it did not answer in time".to_owned()),
            Some(answer) if answer.status == 0 => Ok(&answer.out),
            Some(answer) => Err(last_line(&answer.err, answer.status)),
        }
    }

    /// What was printed, whatever the status: `etcdctl` fails where one of several endpoints does.
    pub(super) fn printed(&self, question: &str) -> &str {
        self.0
            .get(question)
            .map_or("", |answer| answer.out.as_str())
    }
}

/// The last line of an error, which names the reason.
fn last_line(error: &str, status: i32) -> String {
    let last = error.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(
        || format!("it ended with status {status}"),
        |line| line.trim().trim_start_matches("Error: ").to_owned(),
    )
}

/// Facts of a host and, on a control plane, what its member of etcd says of itself.
pub fn host_script(cluster: &Cluster, host: &Host) -> Script {
    let mut script = observe::status_script(cluster, host);
    "status".clone_into(&mut script.name);
    if host.is_control_plane() {
        script.body = format!(
            "if [ -f /etc/kubernetes/manifests/etcd.yaml ] && mkdir \"$BM/seen\"; then (\n{}etcd_endpoint='{}'\n{}) >/dev/null 2>&1 & fi\n{}{}",
            templates::text("actions/prelude.sh"),
            etcd_endpoint(host),
            templates::text("observe/status.sh"),
            script.body,
            templates::text("observe/status-end.sh"),
        );
    }
    script
}

/// Reads what [`host_script`] printed.
///
/// # Errors
/// When the facts are cut.
pub fn read_host(stdout: &str) -> Result<(Facts, Answers)> {
    let end = if stdout.starts_with("%% ") {
        0
    } else {
        stdout.find("\n%% ").map_or(stdout.len(), |at| at + 1)
    };
    let (facts, answers) = stdout.split_at(end);
    Ok((observe::parse_facts(facts)?, Answers::parse(answers)))
}

/// Asks the API server of `host` itself, not through the endpoint: that may be what is broken.
pub fn api_script(cluster: &Cluster, host: &Host) -> Script {
    let mut body = script_body("addon");
    body.push_str(templates::text("actions/addon-observe.sh"));
    let address = match host.node_ip {
        std::net::IpAddr::V4(address) => address.to_string(),
        std::net::IpAddr::V6(address) => format!("[{address}]"),
    };
    let port = cluster.apiserver_port();
    // Writing to a String cannot fail.
    let _ = writeln!(
        body,
        "own() {{ kube --server 'https://{address}:{port}' --request-timeout=3s \"$@\"; }}"
    );
    let _ = writeln!(body, "ask nodes own {NODES}");
    if cluster.metallb.is_some() {
        let _ = writeln!(body, "ask services own {SERVICES}");
    }
    if cluster.longhorn.is_some() {
        let _ = writeln!(body, "ask volumes own {VOLUMES}");
    }
    body.push_str("answers\n");
    Script::read("status-api", body).timeout(Duration::from_secs(20))
}
