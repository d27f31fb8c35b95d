//! Who joins: hosts of the inventory, and hosts that are written into it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal as _,
};

use anyhow::{Context as _, Result};

use super::super::open;
use crate::{
    cli::{AddNodeArgs, NewHostArgs, RoleArg},
    failure::{Code, Failure},
    inventory::{
        Cluster, LoadOptions, Role,
        edit::{Change, Edited, InventoryFile, NewHost},
    },
};

/// Who joins, and the cluster that there will be.
pub(super) struct Request {
    pub names: BTreeSet<String>,
    pub cluster: Box<Cluster>,
    edit: Option<(InventoryFile, Edited)>,
    /// What `edit` is made of: the hosts that are new to the inventory.
    new: Vec<NewHost>,
    options: LoadOptions,
}

impl Request {
    /// `w1 is`, `w1, w2 are`.
    pub fn are(&self, one: &str, many: &str) -> String {
        let names: Vec<_> = self.names.iter().map(String::as_str).collect();
        let verb = if names.len() == 1 { one } else { many };
        format!("{} {verb}", names.join(", "))
    }

    /// How the inventory will change, if it does.
    pub fn diff(&self) -> Option<String> {
        let (file, edited) = self.edit.as_ref()?;
        Some(edited.diff(file.path()))
    }

    /// Writes new hosts into the inventory; once, however often it is called.
    pub fn write(&self) -> Result<()> {
        let Some((file, edited)) = &self.edit else {
            return Ok(());
        };
        let written = std::fs::read(file.path()).is_ok_and(|now| now == edited.after.as_bytes());
        if written { Ok(()) } else { file.write(edited) }
    }

    /// Writes those new hosts that are among `joined`, and says which: what `up` would not know is refused by it.
    ///
    /// # Errors
    /// [`Code::Inventory`] with the lines to write by hand, where a file with these alone would be wrong (an even number of control
    /// planes); it stays as it was then.
    pub fn write_joined(&self, joined: &BTreeSet<String>) -> Result<Vec<String>> {
        let Some((file, _)) = &self.edit else {
            return Ok(Vec::new());
        };
        let hosts = self.new.iter().filter(|host| joined.contains(&host.name));
        let names: Vec<String> = hosts.clone().map(|host| host.name.clone()).collect();
        if !names.is_empty() {
            let changes: Vec<Change> = hosts.cloned().map(Change::Add).collect();
            file.write(&file.edit(&self.options, &changes)?)?;
        }
        Ok(names)
    }
}

/// Reads the inventory, and asks on a terminal for what the command line leaves out.
///
/// # Errors
/// [`Code::Usage`] where an answer is missing or contradicts the inventory, [`Code::Inventory`].
pub(super) fn resolve(args: &AddNodeArgs) -> Result<Request> {
    let mut cluster = Box::new(open::cluster(&args.target)?);
    let asked = names(args)?;
    let unknown = unknown(&cluster, &asked)?;
    let names = asked.into_keys().collect();
    if unknown.is_empty() {
        if let Some(flag) = first_flag(&args.host) {
            return usage(
                format!("`--{flag}` is for hosts that are not in the inventory yet; these are"),
                "change the host's entry in the inventory instead",
            );
        }
        return Ok(Request {
            names,
            cluster,
            edit: None,
            new: Vec::new(),
            options: LoadOptions::default(),
        });
    }
    if args.host.address.is_some() && unknown.len() > 1 {
        return usage(
            format!("`--address` is for one host, and {} are new", unknown.len()),
            "write NAME=ADDRESS for each",
        );
    }
    let file = InventoryFile::read(&args.target.inventory)?;
    let known: Vec<&str> = cluster
        .hosts
        .iter()
        .map(|host| host.name.as_str())
        .collect();
    let new = unknown
        .into_iter()
        .map(|(name, address)| describe(&name, address, &args.host, &known))
        .collect::<Result<Vec<_>>>()?;
    let changes: Vec<Change> = new.iter().cloned().map(Change::Add).collect();
    let options = super::super::load_options(&args.target.source);
    let edited = file.edit(&options, &changes)?;
    *cluster = edited.cluster.clone();
    open::say_over(&mut cluster, &args.target)?;
    Ok(Request {
        names,
        cluster,
        edit: Some((file, edited)),
        new,
        options,
    })
}

/// Those that the inventory has not, with the addresses that were given.
fn unknown(
    cluster: &Cluster,
    asked: &BTreeMap<String, Option<String>>,
) -> Result<Vec<(String, Option<String>)>> {
    let mut unknown = Vec::new();
    for (name, address) in asked {
        match (cluster.host(name), address) {
            (Some(host), Some(address)) if host.address != *address => {
                let message = format!(
                    "{name} is in the inventory with the address {}, not {address}",
                    host.address
                );
                return usage(
                    message,
                    "leave the address out, or give the host another name",
                );
            }
            (Some(_), _) => {}
            (None, address) => unknown.push((name.clone(), address.clone())),
        }
    }
    Ok(unknown)
}

/// Names, and addresses where they were given; in the order of the alphabet.
fn names(args: &AddNodeArgs) -> Result<BTreeMap<String, Option<String>>> {
    let mut names = BTreeMap::new();
    for word in &args.names {
        let (name, address) = match word.split_once('=') {
            Some((name, address)) => (name, Some(address.to_owned())),
            None => (word.as_str(), None),
        };
        if name.is_empty() || address.as_deref() == Some("") {
            return usage(format!("`{word}` is no host"), "write NAME or NAME=ADDRESS");
        }
        if names.insert(name.to_owned(), address).is_some() {
            return usage(format!("{name} is named twice"), "name each host once");
        }
    }
    Ok(names)
}

fn usage<T>(message: impl Into<String>, hint: impl Into<String>) -> Result<T> {
    Err(Failure::new(Code::Usage, message).hint(hint).into())
}

/// The first flag that describes a host, if one was given.
fn first_flag(host: &NewHostArgs) -> Option<&'static str> {
    let given = [
        ("address", host.address.is_some()),
        ("node-ip", !host.node_ips.is_empty()),
        ("role", !host.roles.is_empty()),
        ("group", !host.groups.is_empty()),
        ("label", !host.labels.is_empty()),
        ("taint", !host.taints.is_empty()),
        ("interface", host.interface.is_some()),
        ("data-disk", !host.data_disks.is_empty()),
        ("ssh-user", host.ssh_user.is_some()),
        ("ssh-port", host.ssh_port.is_some()),
        ("ssh-jump", host.ssh_jump.is_some()),
    ];
    given
        .iter()
        .find(|(_, given)| *given)
        .map(|(flag, _)| *flag)
}

/// A new host as the command line describes it; on a terminal its address and role are asked for.
fn describe(
    name: &str,
    address: Option<String>,
    flags: &NewHostArgs,
    known: &[&str],
) -> Result<NewHost> {
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    let given = address.or_else(|| flags.address.clone());
    let asking = given.is_none();
    let address = match given {
        Some(address) => address,
        None if terminal => dialoguer::Input::new()
            .with_prompt(format!("{name} is not in the inventory. Its address"))
            .interact_text()
            .context("ask for the address")?,
        None => {
            return usage(
                format!("{name} is not in the inventory, and its address was not given"),
                format!(
                    "`--address ADDRESS` or `{name}=ADDRESS` adds it; the inventory has {}",
                    known.join(", ")
                ),
            );
        }
    };
    let mut roles: Vec<Role> = flags.roles.iter().copied().map(role).collect();
    if roles.is_empty() && flags.groups.is_empty() && asking {
        let choices = [Role::Worker, Role::ControlPlane, Role::LoadBalancer];
        let chosen = dialoguer::Select::new()
            .with_prompt(format!("What {name} is"))
            .items(["worker", "control plane", "load balancer"])
            .default(0)
            .interact()
            .context("ask for the role")?;
        roles.push(choices[chosen]);
    }
    Ok(NewHost {
        node_ip: flags.node_ips.clone(),
        roles,
        groups: flags.groups.clone(),
        labels: flags.labels.iter().cloned().collect(),
        taints: flags.taints.clone(),
        interface: flags.interface.clone(),
        data_disks: flags.data_disks.clone(),
        ssh_user: flags.ssh_user.clone(),
        ssh_port: flags.ssh_port,
        ssh_jump: flags.ssh_jump.clone(),
        ..NewHost::new(name, address)
    })
}

fn role(role: RoleArg) -> Role {
    match role {
        RoleArg::ControlPlane => Role::ControlPlane,
        RoleArg::Worker => Role::Worker,
        RoleArg::LoadBalancer => Role::LoadBalancer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "cluster: home\nkubernetes: 1.33.4\nendpoint: 10.0.0.10\nhosts:\n  \
                        cp1: {address: 10.0.0.11, role: control-plane}\n  w1: {address: 10.0.0.21}\n";

    /// Two that are new to the inventory of `directory`.
    fn request(directory: &std::path::Path, role: Role) -> Request {
        let path = directory.join("inventory.yaml");
        std::fs::write(&path, TEXT).expect("the file is written");
        let file = InventoryFile::read(&path).expect("the file is read");
        let new: Vec<NewHost> = [("n2", "10.0.0.32"), ("n3", "10.0.0.33")]
            .map(|(name, address)| NewHost {
                roles: vec![role],
                ..NewHost::new(name, address)
            })
            .to_vec();
        let changes: Vec<Change> = new.iter().cloned().map(Change::Add).collect();
        let options = LoadOptions::default();
        let edited = file.edit(&options, &changes).expect("both may join");
        Request {
            names: ["n2", "n3"].map(str::to_owned).into(),
            cluster: Box::new(edited.cluster.clone()),
            edit: Some((file, edited)),
            new,
            options,
        }
    }

    #[test]
    fn those_that_joined_are_written_when_others_failed() {
        let directory = tempfile::tempdir().expect("a directory");
        let text =
            || std::fs::read_to_string(directory.path().join("inventory.yaml")).expect("a file");
        let workers = request(directory.path(), Role::Worker);
        assert_eq!(
            workers.write_joined(&BTreeSet::new()).expect("nothing"),
            Vec::<String>::new()
        );
        assert_eq!(text(), TEXT);
        let joined = ["n2".to_owned()].into();
        assert_eq!(
            workers.write_joined(&joined).expect("one is written"),
            ["n2"]
        );
        assert!(
            text().contains("n2: ") && !text().contains("n3"),
            "{}",
            text()
        );

        // Two control planes are one too many or too few: the lines are said instead.
        let planes = request(directory.path(), Role::ControlPlane);
        let error = planes.write_joined(&joined).expect_err("an even number");
        let failure = error.downcast_ref::<Failure>().expect("a failure");
        assert_eq!(failure.code, Code::Inventory);
        assert!(
            failure.message.contains("allow-even-control-planes"),
            "{failure:?}"
        );
        assert!(
            failure
                .hint
                .as_deref()
                .is_some_and(|hint| hint.contains("n2: ")),
            "{failure:?}"
        );
        assert_eq!(text(), TEXT);
    }
}
