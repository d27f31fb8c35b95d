//! The state of a cluster as text.

use std::fmt::Write as _;

use console::{Style, measure_text_width};

use super::{
    PlanStyle,
    text::{count, printable, wrap},
};
use crate::{
    failure::Code,
    status::{
        Addresses, Answering, Drift, Etcd, HostState, Longhorn, MemberState, NodeState, Part,
        Status,
    },
};

/// Width of the column of names.
const NAMES: usize = 14;
/// Steps of a plan that are named; the others are counted.
const STEPS: usize = 4;

/// The whole status within the style's width. Words tell what is wrong, so that a log tells as much as a terminal.
pub fn status(status: &Status, style: PlanStyle) -> String {
    let (word, paint) = match status.code() {
        Code::Done => ("all is well", Style::new().green()),
        Code::Unreachable => ("NOT EVERYTHING COULD BE ASKED", Style::new().red().bold()),
        _ => ("NOT WELL", Style::new().red().bold()),
    };
    let version = status.kubernetes.as_deref();
    let version = version.map_or_else(String::new, |version| format!("Kubernetes {version}, "));
    let mut page = Page {
        out: String::new(),
        width: style.width.max(40),
    };
    let _ = writeln!(page.out, "{version}API at {}\n", status.endpoint);
    page.hosts(&status.hosts);
    page.line("API servers", &servers(&status.hosts));
    page.line("etcd", &part(&status.etcd, etcd));
    page.line(
        "virtual IP",
        &part(&status.vip, |vip| match vip.holders.as_slice() {
            [] => format!("{}: NOBODY has it", vip.address),
            [one] => format!("{} on {one}", vip.address),
            several => format!("{} on {} AT ONCE", vip.address, several.join(" and ")),
        }),
    );
    page.line("certificates", &certificates(status));
    page.line("MetalLB", &part(&status.metallb, addresses));
    page.line("Longhorn", &part(&status.longhorn, volumes));
    page.line("inventory", &part(&status.drift, drift));
    if let Part::Known(drift) = &status.drift {
        page.list("differences that `up` does not make:", &drift.differences);
    }
    page.list("soon:", &status.warnings);
    let problems: Vec<String> = (status.problems.iter())
        .map(|problem| problem.what.clone())
        .collect();
    page.list("what is wrong:", &problems);
    let word = paint.force_styling(style.color).apply_to(word);
    format!(
        "{}: {word}\n{}",
        printable(&status.cluster),
        printable(&page.out)
    )
}

struct Page {
    out: String,
    width: usize,
}

impl Page {
    fn line(&mut self, name: &str, text: &str) {
        let room = self.width.saturating_sub(NAMES).max(20);
        for (index, part) in wrap(text, room).iter().enumerate() {
            let name = if index == 0 { name } else { "" };
            let _ = writeln!(self.out, "{}", format!("{name:NAMES$}{part}").trim_end());
        }
    }

    fn list(&mut self, title: &str, entries: &[String]) {
        if entries.is_empty() {
            return;
        }
        let _ = writeln!(self.out, "\n{title}");
        for entry in entries {
            for (index, part) in wrap(entry, self.width - 4).iter().enumerate() {
                let mark = if index == 0 { "-" } else { " " };
                let _ = writeln!(self.out, "  {mark} {part}");
            }
        }
    }

    /// A row per host. Where the state does not fit beside the rest, it has lines of its own below.
    fn hosts(&mut self, hosts: &[HostState]) {
        const LEAST: usize = 20;
        let mut rows = vec![["HOST", "ROLES", "VERSION", "ADDRESS", "STATE"].map(str::to_owned)];
        rows.extend(hosts.iter().map(row));
        let widths: [usize; 4] = std::array::from_fn(|column| {
            let all = rows.iter().map(|row| measure_text_width(&row[column]));
            all.max().unwrap_or(0)
        });
        let left = widths.iter().map(|width| width + 2).sum::<usize>();
        for row in &rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                let padding = width.saturating_sub(measure_text_width(cell)) + 2;
                let _ = write!(line, "{cell}{:padding$}", "");
            }
            if left + LEAST > self.width {
                let _ = writeln!(self.out, "{}", line.trim_end());
                for part in wrap(&row[4], self.width - 4) {
                    let _ = writeln!(self.out, "    {part}");
                }
                continue;
            }
            for (index, part) in wrap(&row[4], self.width - left).iter().enumerate() {
                let before = if index == 0 { line.as_str() } else { "" };
                let _ = writeln!(self.out, "{before:left$}{part}");
            }
        }
        self.out.push('\n');
    }
}

fn row(host: &HostState) -> [String; 5] {
    let silent = matches!(host.node, NodeState::Unknown | NodeState::None);
    let mut state = match host.node {
        NodeState::Ready => "Ready",
        NodeState::NotReady => "NOT READY",
        NodeState::Missing => "NOT A NODE",
        NodeState::Unknown | NodeState::None => "",
    }
    .to_owned();
    let mut add = |text: &str| {
        let between = if state.is_empty() { "" } else { ", " };
        let _ = write!(state, "{between}{text}");
    };
    if host.cordoned {
        add("cordoned");
    }
    if host.unreachable.is_some() {
        add("NOT REACHED");
    } else if silent {
        // What the API would say is not known, or it has nothing to say.
        add("reached");
    }
    if !host.in_inventory {
        add("not in the inventory");
    }
    let or_dash = |text: &str| if text.is_empty() { "-" } else { text }.to_owned();
    [
        host.name.clone(),
        host.roles.join(","),
        or_dash(&host.version),
        or_dash(&host.address),
        state,
    ]
}

fn part<T>(part: &Part<T>, text: impl Fn(&T) -> String) -> String {
    match part {
        Part::Known(value) => text(value),
        Part::Unknown(why) => format!("NOT KNOWN: {why}"),
        Part::Off => "not used".to_owned(),
    }
}

fn servers(hosts: &[HostState]) -> String {
    let each: Vec<String> = hosts
        .iter()
        .filter_map(|host| {
            let state = match host.api_server? {
                Answering::Ready => "ready",
                Answering::NotReady => "NOT READY",
                Answering::Absent => "not there yet",
                Answering::Unknown => "not reached",
            };
            Some(format!("{} {state}", host.name))
        })
        .collect();
    each.join(", ")
}

fn etcd(etcd: &Etcd) -> String {
    let of = |state: MemberState| {
        let names = etcd.members.iter().filter(|one| one.state == state);
        names.map(|one| one.name.as_str()).collect::<Vec<_>>()
    };
    let mut text = format!(
        "{} of {} healthy, {} needed",
        of(MemberState::Healthy).len(),
        count(etcd.members.len(), "member"),
        etcd.quorum
    );
    for (state, word) in [
        (MemberState::Unhealthy, "NOT HEALTHY"),
        (MemberState::Unknown, "not asked"),
    ] {
        let names = of(state);
        if !names.is_empty() {
            let _ = write!(text, "; {word}: {}", names.join(", "));
        }
    }
    match etcd.members.iter().find(|one| one.leader) {
        Some(leader) => {
            let _ = write!(text, "; leader {}", leader.name);
        }
        None => text.push_str("; NO LEADER"),
    }
    if let Some(size) = etcd.members.iter().filter_map(|one| one.database).max() {
        let (whole, tenth) = (size / 1_000_000, size % 1_000_000 / 100_000);
        let _ = write!(text, "; database {whole}.{tenth} MB");
    }
    for one in etcd.members.iter().filter(|one| one.learner) {
        let _ = write!(text, "; {} is a learner", one.name);
    }
    for alarm in &etcd.alarms {
        let _ = write!(text, "; ALARM {alarm}");
    }
    text
}

fn certificates(status: &Status) -> String {
    let Some(first) = status.certificates.iter().min_by_key(|one| one.days) else {
        return "NOT KNOWN: no control plane that has any was reached".to_owned();
    };
    match first.days {
        ..0 => format!("{} on {} HAS ENDED", first.name, first.host),
        days => format!(
            "the first to end is {} on {}, in {days} days",
            first.name, first.host
        ),
    }
}

fn addresses(seen: &Addresses) -> String {
    let mut each: Vec<String> = (seen.pools.iter())
        .map(|pool| {
            format!(
                "{}: {} of {} addresses used",
                pool.name, pool.used, pool.size
            )
        })
        .collect();
    if !seen.waiting.is_empty() {
        each.push(format!(
            "{} WITHOUT ADDRESS",
            count(seen.waiting.len(), "Service")
        ));
    }
    each.join("; ")
}

fn volumes(seen: &Longhorn) -> String {
    let mut text = count(seen.volumes, "volume");
    for (word, names) in [("DEGRADED", &seen.degraded), ("FAULTED", &seen.faulted)] {
        if !names.is_empty() {
            let _ = write!(text, "; {} {word}", names.len());
        }
    }
    text
}

fn drift(drift: &Drift) -> String {
    let mut text = match (drift.changes, drift.differences.len()) {
        (0, 0) => return "no difference".to_owned(),
        (0, _) => "nothing that `up` would change".to_owned(),
        (some, _) => format!(
            "{} (`baremetal plan` shows them, `baremetal up` makes them): ",
            count(some, "difference")
        ),
    };
    let steps: Vec<&str> = drift.steps.keys().map(String::as_str).collect();
    text.push_str(&steps[..steps.len().min(STEPS)].join(", "));
    if steps.len() > STEPS {
        let _ = write!(text, " and {} more", steps.len() - STEPS);
    }
    text
}
