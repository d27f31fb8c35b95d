//! Answers as an inventory that says why it is as it is.

use serde_json::{Value, json};

use super::{AUTO, Answers, NONE, Proposal, Proposals};
use crate::{
    inventory::{
        Role, SecretSource,
        edit::{NewHost, Writing},
    },
    report::text::wrap,
};

/// Columns of a comment, `# ` included.
const WIDTH: usize = 118;

/// The inventory. Where an answer is what was proposed, its comment says why.
pub fn text(answers: &Answers, proposals: &Proposals) -> String {
    let writing = Writing::default();
    let mut out = Text::default();
    out.comment("Made by `baremetal init`. `baremetal check` says whether the hosts fit, `baremetal plan` what `baremetal up` would do to them.");
    out.line(&format!("cluster: {}", writing.text(&answers.cluster)));
    out.line(&format!(
        "kubernetes: {}",
        writing.text(&answers.kubernetes)
    ));
    endpoint(&mut out, answers, proposals);
    ssh(&mut out, answers);
    if answers.metallb != NONE {
        out.section(&because(
            "Addresses for Services of type LoadBalancer, announced by ARP.",
            &answers.metallb,
            proposals.metallb.as_ref(),
        ));
        out.line(&format!("metallb: {}", writing.text(&answers.metallb)));
    }
    if answers.longhorn {
        out.section(&because(
            "Replicated storage on the hosts' own disks.",
            "yes",
            proposals.longhorn.as_ref(),
        ));
        out.line("longhorn: true");
    }
    network(&mut out, answers, proposals);
    hosts(&mut out, answers, proposals);
    out.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn comment(&mut self, text: &str) {
        for line in wrap(text, WIDTH - 2) {
            self.line(format!("# {line}").trim_end());
        }
    }

    fn section(&mut self, comment: &str) {
        self.0.push('\n');
        self.comment(comment);
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}

/// What a setting is, and the reason for its value where the value is the proposed one.
fn because(what: &str, value: &str, proposal: Option<&Proposal>) -> String {
    match proposal.filter(|proposal| proposal.value == value) {
        Some(proposal) => format!("{what} {}", proposal.why),
        None => what.to_owned(),
    }
}

fn endpoint(out: &mut Text, answers: &Answers, proposals: &Proposals) {
    let writing = Writing::default();
    let value = writing.text(&answers.endpoint);
    if answers.endpoint.parse::<std::net::IpAddr>().is_ok() {
        let what = "Where the API is reached for ever: keepalived moves this address between the control planes, and haproxy on each passes connections on to all of them.";
        out.section(&because(
            what,
            &answers.endpoint,
            proposals.endpoint.as_ref(),
        ));
        out.line(&format!("endpoint: {value}"));
    } else {
        out.section("Where the API is reached for ever: a load balancer of your own, which must pass TCP to port 6443 of every control plane.");
        out.line(&format!("endpoint: {{external: {value}}}"));
    }
}

fn ssh(out: &mut Text, answers: &Answers) {
    let settings = [
        ("user", &answers.user),
        ("key", &answers.key),
        ("jump", &answers.jump),
        ("config", &answers.config),
    ];
    let settings = settings
        .into_iter()
        .filter_map(|(key, value)| Some((key, json!(value.as_ref()?))));
    let sudo = answers.sudo.as_ref().map(|source| {
        let source = match source {
            SecretSource::Prompt => json!("prompt"),
            SecretSource::Env(name) => json!({ "env": name }),
            SecretSource::File(path) => json!({ "file": path }),
        };
        ("sudo-password", source)
    });
    let settings: Vec<(&str, Value)> = settings.chain(sudo).collect();
    if settings.is_empty() {
        return;
    }
    out.section("How ssh reaches the hosts; what is not said here is as ~/.ssh/config has it. A user other than root needs sudo without a password, or `sudo-password: prompt`.");
    let entries = settings.iter().map(|(key, value)| (*key, value));
    out.line(&format!("ssh: {}", Writing::default().map(entries)));
}

fn network(out: &mut Text, answers: &Answers, proposals: &Proposals) {
    let writing = Writing::default();
    out.section("Networks inside the cluster. Nothing outside may have these addresses, and they cannot be changed later.");
    out.line("network:");
    for (key, what, value, proposal) in [
        ("pods", "Pods.", &answers.pods, &proposals.pods),
        (
            "services",
            "Services.",
            &answers.services,
            &proposals.services,
        ),
    ] {
        for line in wrap(&because(what, value, proposal.as_ref()), WIDTH - 4) {
            out.line(&format!("  # {line}"));
        }
        out.line(&format!("  {key}: {}", writing.text(value)));
    }
}

fn hosts(out: &mut Text, answers: &Answers, proposals: &Proposals) {
    let both = [Role::ControlPlane, Role::Worker];
    let all_both = answers.hosts.iter().all(|host| host.roles == both);
    let planes = answers
        .hosts
        .iter()
        .filter(|host| host.roles.contains(&Role::ControlPlane));
    out.section(match (planes.count(), all_both) {
        (1, true) => "The machine, by node name. Add two more for a control plane that outlives any one of them.",
        (1, false) => "The machines, by node name. With one control plane there is no API while it is down; three outlive any one.",
        (_, true) => "The machines, by node name. Each is control plane and worker.",
        (_, false) => "The machines, by node name. A host without a role is a worker.",
    });
    out.line("hosts:");
    let longest = answers
        .hosts
        .iter()
        .map(|host| Writing::default().text(&host.name).len())
        .max();
    for host in &answers.hosts {
        out.line(&host_line(host, all_both, longest.unwrap_or_default()));
    }
    let interface = Some(&answers.interface).filter(|name| *name != AUTO);
    if !all_both && interface.is_none() {
        return;
    }
    out.section("What every host inherits.");
    out.line("defaults:");
    if all_both {
        out.line("  role: [control-plane, worker]");
    }
    if let Some(interface) = interface {
        let what = "Interface of the virtual IP.";
        for line in wrap(
            &because(what, interface, proposals.interface.as_ref()),
            WIDTH - 4,
        ) {
            out.line(&format!("  # {line}"));
        }
        out.line(&format!(
            "  interface: {}",
            Writing::default().text(interface)
        ));
    }
}

fn host_line(host: &NewHost, all_both: bool, longest: usize) -> String {
    let writing = Writing::default();
    let mut settings = host.settings();
    let by_default = json!("worker");
    settings.retain(|(key, value)| *key != "role" || !(all_both || *value == by_default));
    let value = match settings.as_slice() {
        [(_, Value::String(address))] => writing.text(address),
        settings => writing.map(settings.iter().map(|(key, value)| (*key, value))),
    };
    let name = format!("{}:", writing.text(&host.name));
    format!("  {name:<0$} {value}", longest + 1)
}
