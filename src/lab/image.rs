//! The image of lab hosts: Debian or Ubuntu with systemd and sshd, and a package repository inside.
//!
//! Its base is `lab.image` where the inventory names one, else a minimal system made by debootstrap from the machine's own package
//! sources. The tag is a hash of the recipe and the base, so the image is made once and made again only when either changes.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context as _, Result};
use serde::Serialize;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Child,
};

use super::{access, base, container::strings, engine::Engine};
use crate::{digest::sha256, inventory::Lab, report::Reporter, templates};

/// Label of every image that a lab made; `baremetal.lab=<cluster>` is not on them because labs share them.
pub const LABEL: &str = "baremetal.lab.image";

/// What a freshly installed server has.
const BASE: &str = "systemd systemd-sysv dbus openssh-server sudo iproute2 iputils-ping iputils-arping procps kmod \
    curl ca-certificates openssl conntrack iptables nftables ethtool socat ebtables gpgv util-linux netbase less perl python3";

/// What is installed from the repository inside the image when somebody asks for it.
const POOL: &str = "haproxy keepalived containerd runc chrony open-iscsi nfs-common cryptsetup cryptsetup-bin dmsetup ipset ipvsadm \
    jq python3-apt rsync tar gzip xz-utils zstd multipath-tools lvm2 parted \
    xfsprogs apparmor logrotate psmisc lsof tcpdump netcat-openbsd bash-completion gnupg cron rsyslog bind9-dnsutils iperf3 strace";

/// The same for packages that exclude one of the others.
const CLASHING: &str = "systemd-timesyncd ntpsec";

#[derive(Serialize)]
struct Recipe {
    base: Vec<&'static str>,
    pool: Vec<&'static str>,
    clashing: Vec<&'static str>,
    entrypoint: &'static str,
}

/// The script that turns a minimal system into a lab host.
fn provision_script() -> Result<String> {
    let words = |text: &'static str| text.split_whitespace().collect();
    templates::render(
        "lab/provision.sh.j2",
        Recipe {
            base: words(BASE),
            pool: words(POOL),
            clashing: words(CLASHING),
            entrypoint: templates::text("lab/entrypoint.sh").trim_end(),
        },
    )
}

/// The image's name, which is made first where it is not there.
pub async fn ensure(engine: &Engine, lab: &Lab, reporter: &Reporter) -> Result<String> {
    let script = provision_script()?;
    match &lab.image {
        Some(base) => {
            if engine.image_id(base).await.is_none() {
                base::pull(engine, base, reporter).await?;
            }
            let id = engine
                .image_id(base)
                .await
                .with_context(|| format!("lab.image: {base} cannot be read"))?;
            let image = name(&script, &id);
            if engine.image_id(&image).await.is_none() {
                provision(engine, &script, base, &image, None, reporter).await?;
            }
            Ok(image)
        }
        None => from_this_machine(engine, &script, reporter).await,
    }
}

async fn from_this_machine(engine: &Engine, script: &str, reporter: &Reporter) -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let (id, codename) = (
        base::os_release(&release, "ID"),
        base::os_release(&release, "VERSION_CODENAME"),
    );
    let image = name(script, &format!("{id} {codename}"));
    if engine.image_id(&image).await.is_some() {
        return Ok(image);
    }
    let sources = base::sources(&id, &codename).await?;
    // The kernel must allow devices and programs here, which /tmp on tmpfs often does not.
    let directory = tempfile::Builder::new()
        .prefix("baremetal-lab.")
        .tempdir_in("/var/tmp")
        .context("/var/tmp")?;
    let base = format!("baremetal-lab-base:{codename}");
    if engine.image_id(&base).await.is_none() {
        base::debootstrap(engine, &sources, &base, directory.path(), reporter).await?;
    }
    let offered = directory.path().join("sources");
    fs::create_dir_all(&offered)?;
    fs::write(offered.join("sources.list"), &sources.list)?;
    fs::write(offered.join("apt.conf"), &sources.settings)?;
    provision(engine, script, &base, &image, Some(&offered), reporter).await?;
    Ok(image)
}

/// `baremetal-lab:<hash of recipe and base>`.
fn name(script: &str, base: &str) -> String {
    format!(
        "baremetal-lab:{}",
        hash(&[script.as_bytes(), base.as_bytes()].join(&0))
    )
}

/// Twelve hexadecimal digits.
fn hash(bytes: &[u8]) -> String {
    sha256(bytes)[..12].to_owned()
}

/// Runs the recipe in a container of `base` and keeps the outcome as `image`.
async fn provision(
    engine: &Engine,
    script: &str,
    base: &str,
    image: &str,
    sources: Option<&Path>,
    reporter: &Reporter,
) -> Result<()> {
    reporter.note(format!("lab image: making {image} from {base}"));
    // One name per state directory, whose lock the caller holds: a container of that name is what a killed run left. Not found by
    // a label, because hosts inherit the labels of the container that their image was made in.
    let builder = format!(
        "baremetal_build_{}",
        hash(access::state_directory()?.as_os_str().as_encoded_bytes())
    );
    let remove = strings(&["rm", "--force", &builder]);
    // Some engines call it an error when there is nothing to remove.
    let _ = engine.run(&remove).await;
    let mut args = strings(&[
        "run",
        "--interactive",
        &format!("--name={builder}"),
        &format!("--label={LABEL}=build"),
        "--network=host",
    ]);
    if let Some(directory) = sources {
        args.push(format!("--volume={}:/sources:ro", directory.display()));
    }
    args.extend(strings(&["--entrypoint=/bin/sh", base, "-s"]));
    let outcome = async {
        let child = engine
            .command(&args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let made = feed(child, script, |line| {
            reporter.note(format!("lab image: {line}"));
        });
        tokio::time::timeout(base::TIMEOUT, made)
            .await
            .with_context(|| {
                format!("lab image: not done after {} s", base::TIMEOUT.as_secs())
            })??;
        engine
            .run(&strings(&[
                "commit",
                "--change=ENTRYPOINT [\"/usr/local/sbin/lab-entrypoint\"]",
                "--change=CMD []",
                &format!("--change=LABEL {LABEL}=host"),
                &builder,
                image,
            ]))
            .await
    }
    .await;
    // Whatever happened, the container is of no further use.
    let removed = engine.run(&remove).await;
    outcome?;
    removed.map(drop)
}

/// Gives the script to a shell, reports each line that it prints and fails with the end of its stderr.
async fn feed(mut child: Child, script: &str, report: impl Fn(&str)) -> Result<()> {
    let mut stdin = child.stdin.take().context("no input")?;
    let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let mut stderr = child.stderr.take().context("no stderr")?;
    let mut noise = Vec::new();
    let write = async {
        // A shell that ends early tells more by its status than by a broken pipe.
        let _ = stdin.write_all(script.as_bytes()).await;
        drop(stdin);
    };
    let read = async {
        while let Ok(Some(line)) = lines.next_line().await {
            report(&line);
        }
    };
    let collect = stderr.read_to_end(&mut noise);
    let ((), (), collected) = tokio::join!(write, read, collect);
    collected?;
    let status = child.wait().await?;
    anyhow::ensure!(
        status.success(),
        "lab image: the recipe failed ({status}):\n{}",
        base::tail(&noise)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::process::Command;

    use super::*;

    #[test]
    fn the_tag_follows_recipe_and_base() {
        let tag = name("recipe", "debian bookworm");
        assert_eq!(tag, name("recipe", "debian bookworm"));
        assert_ne!(tag, name("recipe", "debian trixie"));
        assert_ne!(tag, name("recipe 2", "debian bookworm"));
        assert_eq!(tag.len(), "baremetal-lab:".len() + 12);
    }

    /// shellcheck, if it is there, finds nothing; `sh -n` is always there.
    #[test]
    fn scripts_are_clean() {
        let scripts = [
            provision_script().unwrap(),
            templates::text("lab/entrypoint.sh").to_owned(),
        ];
        for script in scripts {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), &script).unwrap();
            for (program, args) in [("sh", ["-n"].as_slice()), ("shellcheck", &["--shell=sh"])] {
                let checked = std::process::Command::new(program)
                    .args(args)
                    .arg(file.path())
                    .output();
                match checked {
                    Ok(out) => assert!(
                        out.status.success(),
                        "{program}: {}{}",
                        String::from_utf8_lossy(&out.stdout),
                        String::from_utf8_lossy(&out.stderr)
                    ),
                    Err(error) => assert_eq!(program, "shellcheck", "{error}"),
                }
            }
        }
    }

    #[tokio::test]
    async fn a_recipe_that_fails_shows_the_end_of_its_errors() {
        let run = |script: &'static str| async move {
            let child = Command::new("sh")
                .arg("-s")
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let said = std::cell::RefCell::new(Vec::new());
            let outcome = feed(child, script, |line| {
                said.borrow_mut().push(line.to_owned());
            })
            .await;
            (outcome, said.into_inner())
        };
        let (outcome, said) = run("echo one; echo two").await;
        outcome.unwrap();
        assert_eq!(said, ["one", "two"]);
        let (outcome, _) = run("echo 'E: no such package' >&2; exit 3").await;
        assert!(
            outcome
                .unwrap_err()
                .to_string()
                .contains("E: no such package")
        );
    }
}
