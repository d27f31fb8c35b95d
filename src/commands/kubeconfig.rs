//! `baremetal kubeconfig`, and the file that `up` leaves beside the inventory.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};

use super::{
    open::Opened,
    run::{Ending, Run},
};
use crate::{
    cli::{Format, KubeconfigArgs},
    digest,
    failure::{Code, Failure},
    inventory::Cluster,
    observe::Observation,
    remote::Script,
};

pub async fn run(args: &KubeconfigArgs) -> Result<Code> {
    let run = Run::start("kubeconfig", &args.target.output);
    let (session, end) = match Box::pin(Opened::bare(&run, &args.target)).await {
        Ok(opened) => {
            let end = fetch(&opened, args).await;
            (Some(opened.session), end)
        }
        Err(error) => (None, Err(error)),
    };
    run.finish(session, end).await
}

async fn fetch(opened: &Opened, args: &KubeconfigArgs) -> Result<Ending> {
    let seen = opened.facts().await?;
    let has = |host: &str| {
        seen.hosts
            .get(host)
            .is_some_and(|host| host.facts.kube.admin_conf)
    };
    if !has(&seen.elected) {
        opened.all_reached()?;
        return Err(Failure::new(
            Code::Refused,
            format!("{} has no control plane yet", opened.cluster.name),
        )
        .hint("make the cluster first: baremetal up")
        .into());
    }
    let own = || default_path(&opened.cluster);
    let path = args.out.clone().unwrap_or_else(own);
    let config = read(opened, &seen.elected).await?;
    write(&path, &config)?;
    Ok(Ending {
        result: match args.target.output.output {
            Format::Text => format!("{}\n", path.display()),
            // Events tell it.
            Format::Json => String::new(),
        },
        ..Ending::new(Code::Done, format!("wrote {}", path.display()))
    })
}

/// `<cluster>.kubeconfig` beside the inventory.
pub(super) fn default_path(cluster: &Cluster) -> PathBuf {
    cluster
        .file
        .with_file_name(format!("{}.kubeconfig", cluster.name))
}

/// Sees to it that the file is there and is this cluster's; asks the host only when it is not.
pub(super) async fn refresh(
    opened: &Opened,
    seen: &Observation,
    out: Option<&Path>,
) -> Result<PathBuf> {
    let path = out.map_or_else(|| default_path(&opened.cluster), Path::to_owned);
    let wanted = seen
        .hosts
        .get(&seen.elected)
        .and_then(|host| host.facts.kube.shared_files.get(CA));
    let have = fs::read_to_string(&path)
        .ok()
        .and_then(|config| ca_sum(&config));
    if have.is_none() || have.as_ref() != wanted {
        let config = read(opened, &seen.elected).await?;
        write(&path, &config)?;
    }
    Ok(path)
}

const CA: &str = "/etc/kubernetes/pki/ca.crt";

/// sha256 of the authority in a kubeconfig, as facts have it of the file on the hosts.
fn ca_sum(config: &str) -> Option<String> {
    use base64::Engine as _;
    let config: serde_json::Value = serde_yaml::from_str(config).ok()?;
    let data = config["clusters"][0]["cluster"]["certificate-authority-data"].as_str()?;
    let pem = base64::engine::general_purpose::STANDARD
        .decode(data)
        .ok()?;
    Some(digest::sha256(pem))
}

async fn read(opened: &Opened, host: &str) -> Result<String> {
    let script = Script::read("kubeconfig", "cat /etc/kubernetes/admin.conf\n").sensitive();
    let output = opened
        .session
        .script(host, &script)
        .await
        .with_context(|| format!("read the kubeconfig on {host}"))?;
    if output.status != 0 {
        bail!("read the kubeconfig on {host}: {}", output.stderr.trim());
    }
    Ok(output.stdout)
}

/// Written whole or not at all, for the user alone from its first byte.
fn write(path: &Path, config: &str) -> Result<()> {
    let what = || format!("write {}", path.display());
    let parent = path.parent().filter(|parent| parent != &Path::new(""));
    let mut file =
        tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new("."))).with_context(what)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o600))
        .with_context(what)?;
    file.write_all(config.as_bytes()).with_context(what)?;
    file.persist(path).with_context(what)?;
    Ok(())
}
