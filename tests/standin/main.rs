//! A stand-in for Kubernetes: a test double for lab hosts without internet, never a real cluster.
//!
//! One program with many names. `standin bundle DIR` writes an artifact bundle whose binaries are copies of it, each with a
//! trailer that says which tool of which version it plays ([`identity`]). The tools check what they are given as strictly as
//! the real ones and keep real shared state:
//!
//! - [`kubeadm`] reads configuration, makes certificates, kubeconfigs and static pod manifests, starts the kubelet.
//! - [`kubelet`] registers its Node; static pods run beside it ([`pods`]): an etcd member ([`store`]) and an [`apiserver`] over TLS.
//! - [`kubectl`], [`helm`], [`etcdctl`] and [`crictl`] are clients of those.

#![allow(
    clippy::match_bool,
    clippy::similar_names,
    clippy::format_push_string,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::assigning_clones,
    clippy::too_many_lines,
    reason = "a test double is read for what it plays: a function follows the order of checks of the command it plays; two-armed \
              tables on a bool and near names read well"
)]

mod apiserver;
mod args;
mod bundle;
mod clock;
mod crictl;
mod etcdctl;
mod helm;
mod identity;
mod kinds;
mod kubeadm;
mod kubeconfig;
mod kubectl;
mod kubelet;
mod net;
mod pki;
mod pods;
mod runtime;
mod store;
#[cfg(test)]
mod tests;
mod versions;
mod yaml;

use std::{io::Write as _, path::Path, process::ExitCode};

use anyhow::Result;

use identity::Identity;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().collect();
    let mut name = arguments
        .first()
        .and_then(|first| Path::new(first).file_name()?.to_str())
        .unwrap_or("standin")
        .to_owned();
    arguments.remove(0);
    let identity = Identity::of_this_program();
    if name == "standin" && arguments.first().is_some_and(|first| first != "bundle") {
        name = arguments.remove(0);
    }
    match run(&name, &identity, &arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("{error:#} [stand-in]"));
            ExitCode::FAILURE
        }
    }
}

/// Runs one tool; what it returns is the exit status.
fn run(name: &str, identity: &Identity, arguments: &[String]) -> Result<u8> {
    match name {
        "standin" => bundle::run(&arguments[1.min(arguments.len())..]),
        "kubeadm" => kubeadm::run(identity, arguments),
        "crictl" => crictl::run(identity, arguments),
        "etcdctl" => etcdctl::run(identity, arguments),
        "etcdutl" => etcdctl::run_util(identity, arguments),
        "helm" => helm::run(identity, arguments),
        "kubectl" => kubectl::run(identity, arguments),
        "kubelet" => kubelet::run(identity, arguments),
        _ => anyhow::bail!(
            "no such tool: {name}\nusage: standin bundle [--kubernetes VERSION] DIR\n       standin TOOL ARGUMENT…"
        ),
    }
}

/// Prints a line on stdout; a closed pipe is no error.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Prints a line on stderr.
fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs a future to its end on a runtime of its own.
fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(future)
}
